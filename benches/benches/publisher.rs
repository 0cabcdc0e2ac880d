//! What do making, changing and checking a repository cost, beside the floor?
//!
//! The floor is what no publisher can leave out: the SHA-256 of every path, one Ed25519 signature a role, and the same
//! bytes written as the same number of files with the same threads and one sync.

use std::collections::BTreeSet;
use std::path::Path;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use rayon::prelude::*;
use tufold_benches::{debian_forky, debian_sid, new_repository, now, quiet};
use tufold_meta::{Digest, SigningKey};
use tufold_repo::check::{Strictness, check};
use tufold_repo::{Input, Publisher, Repository};
use tufold_store::{DirectoryStore, Store};

fn making(c: &mut Criterion) {
    let targets = debian_forky();
    let mut group = c.benchmark_group("make 70,735 targets in 1,024 bins");
    group.sample_size(10);
    group.bench_function("init", |bencher| {
        bencher.iter_batched(
            || (tempfile::tempdir().expect("a folder"), targets.clone()),
            |(folder, targets)| {
                new_repository(&folder.path().join("repo"), targets, 1024);
                folder
            },
            BatchSize::PerIteration,
        );
    });
    let folder = tempfile::tempdir().expect("a folder");
    new_repository(&folder.path().join("repo"), targets.clone(), 1024);
    let files = documents(&folder.path().join("repo/public"));
    assert_eq!(files.len(), 1028);
    let key = SigningKey::generate_ed25519_pem().expect("a key");
    let key = SigningKey::from_pem(&key).expect("a key");
    group.bench_function("floor", |bencher| {
        bencher.iter_batched(
            || tempfile::tempdir().expect("a folder"),
            |folder| {
                let store = DirectoryStore::create(folder.path()).expect("a store");
                targets.rows().par_iter().for_each(|target| {
                    std::hint::black_box(Digest::of(target.path.as_str().as_bytes()));
                });
                files.par_iter().for_each(|(name, bytes)| {
                    std::hint::black_box(key.sign(bytes).expect("a signature"));
                    store.create(name, bytes).expect("a file");
                });
                store.sync().expect("a sync");
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn changing(c: &mut Criterion) {
    let mut group = c.benchmark_group("from forky to sid, 13,237 changes");
    group.sample_size(10);
    group.bench_function("publish", |bencher| {
        bencher.iter_batched(
            || {
                let folder = tempfile::tempdir().expect("a folder");
                new_repository(&folder.path().join("repo"), debian_forky(), 1024);
                (folder, debian_sid())
            },
            |(folder, targets)| {
                let publisher = Publisher::open(&folder.path().join("repo")).expect("a repository");
                let input = Input::Targets(targets);
                let plan = publisher.plan(input, &BTreeSet::new(), now(), &quiet).expect("a plan");
                let published = publisher.commit(plan, &quiet).expect("a publish");
                assert_eq!(published.summary.counts.added, 9_655);
                folder
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn checking(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    new_repository(&folder.path().join("repo"), debian_forky(), 1024);
    let files = documents(&folder.path().join("repo/public"));
    let key = SigningKey::generate_ed25519_pem().expect("a key");
    let key = SigningKey::from_pem(&key).expect("a key");
    let verifier = key.public().verifier().expect("a key");
    let signatures: Vec<_> = files
        .iter()
        .map(|(_, bytes)| key.sign(bytes).expect("a signature").bytes().expect("hex"))
        .collect();
    let mut group = c.benchmark_group("check 1,028 roles");
    group.sample_size(10);
    group.bench_function("check", |bencher| {
        bencher.iter(|| {
            let repository = Repository::open(&folder.path().join("repo")).expect("a repository");
            let report = check(&repository, now(), Strictness::Strict, &quiet).expect("a report");
            assert!(report.is_sound() && report.targets == 70_735);
        });
    });
    group.bench_function("floor", |bencher| {
        bencher.iter(|| {
            files.par_iter().zip(&signatures).for_each(|((_, bytes), signature)| {
                assert!(verifier.verifies(bytes, signature));
                std::hint::black_box(Digest::of(bytes));
            });
        });
    });
    group.finish();
}

/// Every metadata file with its name.
fn documents(public: &Path) -> Vec<(String, Vec<u8>)> {
    let store = DirectoryStore::open(public).expect("a store");
    let entries = store.list("metadata/").expect("a list");
    let read = |name: &str| store.get(name, u64::MAX).expect("a file").expect("a file");
    entries.into_iter().map(|entry| (entry.name.clone(), read(&entry.name))).collect()
}

criterion_group!(publisher, making, changing, checking);
criterion_main!(publisher);
