//! Numbers that killed publishes have spent: readers' ways lead over them, and nothing that they ask for is missing.

use std::fs;
use std::path::{Path, PathBuf};

use tufold_repo::{Pruner, Publisher};
use tufold_sync::{Fallbacks, Limits, Mirror};
use tufold_tests::{changes, copy_folder, files_of, leave_part, put};

use super::rebin_at;
use super::thin::{self, Thin};
use crate::rotate::Scene;

/// No reader that slept longer is looked at: the ladder reaches eight versions back, spent ones included.
const LONGEST_SLEEP: usize = 7;

/// A publish of what nobody will publish again, or a change of the bins, that was killed.
fn kill(scene: &Scene, round: usize, to: Option<&str>) {
    let copy = scene.dir.path().join("killed");
    let _ = fs::remove_dir_all(&copy);
    copy_folder(&scene.repo(), &copy);
    match to {
        Some(to) => {
            rebin_at(&copy, to, scene.now).expect("other bins");
            let note = "private/rebins.tsv";
            fs::copy(copy.join(note), scene.repo().join(note)).expect("a note");
        }
        None => {
            let publisher = Publisher::open(&copy).expect("a repository");
            let all = scene.paths.iter().take(40).map(|path| put(path, &format!("killed {round}")));
            let plan = publisher.plan(changes(all), &Default::default(), scene.now, &|_| ());
            publisher.commit(plan.expect("a plan"), &|_| ()).expect("a publish");
        }
    }
    // From hardly anything to all but the timestamp.
    leave_part(&copy, &scene.repo(), round.is_multiple_of(2), |all| all * (round % 5) / 4);
}

fn sync(scene: &Scene, folder: &Path, what: &str) {
    let source = scene.repo().join("public");
    let mut mirror =
        Mirror::open(folder, source.to_str().expect("UTF-8"), Limits::default()).expect("a mirror");
    mirror.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
    let synced = mirror.sync(scene.now, &|_| ()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(synced.cost.deltas.fallbacks, Fallbacks::default(), "{what}");
    let (published, held) =
        (files_of(&scene.metadata()), files_of(&folder.join("public/metadata")));
    assert!(held["timestamp.json"] == published["timestamp.json"], "{what}");
    assert!(held.iter().all(|(name, file)| published.get(name).is_none_or(|p| p == file)));
}

/// Every reader of one of the last versions follows, after every publish, wherever others were killed before it.
fn check_readers(layout: &str, kills_at: impl Fn(usize) -> usize, changes: &[(usize, &str)]) {
    let mut scene = thin::scene(layout, 8);
    let paths = scene.paths.clone();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut sleepers: Vec<(usize, PathBuf)> = Vec::new();
    let awake = Thin::new(&scene, "awake");
    let mirror = scene.dir.path().join("mirror");
    for round in 0..20 {
        let kept = scene.dir.path().join(format!("asleep-{round}"));
        awake.visit(&scene, &paths, &format!("{layout}, round {round}"));
        sync(&scene, &mirror, &format!("{layout}, round {round}"));
        copy_folder(&awake.cache, &kept.join("thin"));
        copy_folder(&mirror, &kept.join("mirror"));
        sleepers.push((round, kept));

        let to = changes.iter().find(|(at, _)| *at == round).map(|(_, to)| *to);
        for again in 0..kills_at(round) {
            kill(&scene, 3 * round + again, to.filter(|_| again == 0));
        }
        match to {
            Some(to) => drop(rebin_at(&scene.repo(), to, scene.now).expect("other bins")),
            None => scene.publish_all([0, 1, 40 + round].into_iter(), &format!("round {round}")),
        }
        if round % 6 == 5 {
            scene.now = scene.now.plus_seconds(60);
            let pruner = Pruner::open(&scene.repo()).expect("a repository");
            let plan = pruner.plan("1s".parse().expect("a time"), scene.now).expect("a plan");
            pruner.commit(&plan, &|_| ()).expect("a prune");
        }
        let spent: usize = (round.saturating_sub(LONGEST_SLEEP)..=round).map(&kills_at).sum();
        for (since, kept) in sleepers.iter().rev().take(LONGEST_SLEEP.saturating_sub(spent).max(1))
        {
            let what = format!("{layout}, asleep from {since} to {round}");
            let copy = scene.dir.path().join("woken");
            let _ = fs::remove_dir_all(&copy);
            copy_folder(kept, &copy);
            let visited = Thin::new(&scene, "woken/thin").visit(&scene, &paths, &what);
            assert_eq!(visited.deltas.fallbacks, Fallbacks::default(), "{what}");
            // Small bins are cheaper whole than by several edges.
            assert!(!changes.is_empty() || visited.whole_bins().is_empty(), "{what}");
            assert!(visited.deltas.documents > 0, "{what}");
            sync(&scene, &copy.join("mirror"), &what);
        }
    }
}

#[test]
fn readers_follow_over_spent_numbers() {
    for layout in ["bins-succinct:8 versions", "bins-prefixes:8 hashes"] {
        // Now and then, and twice in a row.
        check_readers(layout, |round| usize::from(round % 3 == 1), &[]);
        check_readers(layout, |round| [0, 2, 0, 0][round % 4], &[]);
    }
}

#[test]
fn readers_follow_over_numbers_that_changes_of_bins_have_spent() {
    let changes = [(4, "bins-succinct:16"), (9, "bins-succinct:32"), (15, "bins-succinct:16")];
    check_readers("bins-succinct:8 versions", |round| usize::from(round % 5 == 4), &changes);
    let changes = [(3, "bins-prefixes:16"), (9, "bins-prefixes:32")];
    check_readers("bins-prefixes:8 hashes", |round| usize::from(round % 3 == 0), &changes);
}
