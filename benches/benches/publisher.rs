//! What do making, changing, signing again and checking a repository cost, beside the floor?
//!
//! The floors are those of `tufold_benches::floor`, on the same bytes in the same run. `publisher-cost` has them at the sizes of
//! large indexes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tempfile::TempDir;
use tufold_benches::floor::{Documents, Floor};
use tufold_benches::{debian_forky, debian_sid, new_repository, now, quiet};
use tufold_repo::check::{Strictness, check};
use tufold_repo::targets::{Intake, Source, TargetList};
use tufold_repo::{Input, Memory, Publisher, Refresh, Repository};

/// A folder with a list, a repository that is made of it, and its floor.
struct Scene {
    folder: TempDir,
    list: PathBuf,
    floor: Floor,
    documents: Documents,
}

impl Scene {
    fn of(targets: &TargetList) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let list = folder.path().join("list.tsv");
        let mut text = Vec::new();
        targets.write(&mut text).expect("a list");
        std::fs::write(&list, text).expect("room for a list");
        let repo = folder.path().join("repo");
        make(&list, &repo);
        let documents = Documents::of(&repo.join("public"));
        assert_eq!(documents.count(), 1028);
        Self { folder, list, floor: Floor::new(), documents }
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// Another repository like this, and the folder of its floor.
    fn again(&self) -> (TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let (repo, floor) = (folder.path().join("repo"), folder.path().join("floor"));
        make(&self.list, &repo);
        self.floor.init(&self.list, &[], &self.documents, &floor);
        (folder, repo, floor)
    }
}

fn make(list: &Path, repo: &Path) {
    let source = Source::open(list).expect("a list");
    let folder = repo.parent().expect("a folder");
    let targets = Intake::read(source, Memory::default(), folder, &|_| ()).expect("a list");
    new_repository(repo, targets, 1024);
}

fn publish(repo: &Path, input: Input, refresh: &BTreeSet<Refresh>) {
    let publisher = Publisher::open(repo).expect("a repository");
    let plan = publisher.plan(input, refresh, now(), &quiet).expect("a plan");
    let published = publisher.commit(plan, &quiet).expect("a publish");
    assert!(published.summary.roles > 1_000);
}

fn making(c: &mut Criterion) {
    let targets = debian_forky();
    let paths = paths(&targets);
    let scene = Scene::of(&targets);
    let mut group = c.benchmark_group("make 70,735 targets in 1,024 bins");
    group.sample_size(10);
    let folder = || tempfile::tempdir().expect("a folder");
    group.bench_function("init", |bencher| {
        let init = |folder: TempDir| {
            make(&scene.list, &folder.path().join("repo"));
            folder
        };
        bencher.iter_batched(folder, init, BatchSize::PerIteration);
    });
    group.bench_function("floor", |bencher| {
        let init = |folder: TempDir| {
            scene.floor.init(&scene.list, &paths, &scene.documents, &folder.path().join("floor"));
            folder
        };
        bencher.iter_batched(folder, init, BatchSize::PerIteration);
    });
    group.finish();
}

fn changing(c: &mut Criterion) {
    let scene = Scene::of(&debian_forky());
    let changes = tufold_repo::targets::diff(&debian_forky(), &debian_sid());
    let bins_again = BTreeSet::from([Refresh::Bins]);
    for (name, input, refresh) in [
        ("from forky to sid, 13,237 changes", Some(changes), BTreeSet::new()),
        ("sign 1,024 bins again", None, bins_again),
    ] {
        let input = || input.clone().map_or(Input::Nothing, Input::Changes);
        let (_folder, repo, _) = scene.again();
        publish(&repo, input(), &refresh);
        let written = Documents::but(&repo.join("public"), &scene.documents);
        let mut group = c.benchmark_group(name);
        group.sample_size(10);
        group.bench_function("publish", |bencher| {
            let work = |((folder, repo, _), input): ((TempDir, PathBuf, _), Input)| {
                publish(&repo, input, &refresh);
                folder
            };
            bencher.iter_batched(|| (scene.again(), input()), work, BatchSize::PerIteration);
        });
        group.bench_function("floor", |bencher| {
            let work = |(folder, _, floor): (TempDir, _, PathBuf)| {
                scene.floor.publish(&written, &floor);
                folder
            };
            bencher.iter_batched(|| scene.again(), work, BatchSize::PerIteration);
        });
        group.finish();
    }
}

fn checking(c: &mut Criterion) {
    let targets = debian_forky();
    let paths = paths(&targets);
    let scene = Scene::of(&targets);
    let metadata = scene.folder.path().join("floor");
    scene.floor.init(&scene.list, &[], &scene.documents, &metadata);
    let signatures = scene.floor.signatures(&scene.documents);
    let mut group = c.benchmark_group("check 1,028 roles");
    group.sample_size(10);
    group.bench_function("check", |bencher| {
        bencher.iter(|| {
            let repository = Repository::open(&scene.repo()).expect("a repository");
            let report = check(&repository, now(), Strictness::Strict, &quiet).expect("a report");
            assert!(report.is_sound() && report.targets == 70_735);
        });
    });
    group.bench_function("floor", |bencher| {
        bencher.iter(|| scene.floor.check(&scene.documents, &signatures, &paths, &metadata));
    });
    group.finish();
}

fn paths(targets: &TargetList) -> Vec<&str> {
    targets.rows().iter().map(|target| target.path.as_str()).collect()
}

criterion_group!(publisher, making, changing, checking);
criterion_main!(publisher);
