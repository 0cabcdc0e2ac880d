//! A rotation that is stopped between two files, or killed anywhere.

use std::fs;
use std::time::Duration;

use tufold_repo::settings::RoleKind;
use tufold_repo::{RotationStep, Rotator};
use tufold_tests::{Ledger, copy_folder, files_of, scratch};

use super::{Scene, assert_readable, request};
use crate::interrupted::run_and_kill_or_wait;

/// Each step with each prefix of the files that it makes, the last of them whole or cut off.
#[test]
fn a_rotation_goes_on_where_another_stopped() {
    for layout in ["bins-succinct:2 versions", "bins-prefixes:2 hashes"] {
        let scene = Scene::new(layout, &[]);
        let mut rotator = scene.rotator();
        let mut rotation = rotator.begin(&request(&RoleKind::ALL), scene.now).unwrap();
        rotator.save(&mut rotation).unwrap();
        let mut steps = Vec::new();
        loop {
            let stopped = scratch();
            copy_folder(&scene.repo(), stopped.path());
            let before = files_of(&scene.metadata());
            let Some(done) = rotator.step(&rotation, scene.now, &|_| ()).unwrap() else { break };
            steps.push(done.step);
            let after = files_of(&scene.metadata());
            let left: Vec<_> =
                after.iter().filter(|(name, _)| !before.contains_key(*name)).collect();
            assert!(!left.is_empty());
            // A root is there whole or not at all: only its temporary file can be cut off.
            let is_root = done.step == RotationStep::Root;
            let cuts = (0..=left.len()).flat_map(|count| [(count, false), (count, true)]);
            for (count, cut) in cuts.filter(|(_, cut)| !is_root || !cut) {
                let what = format!("{layout}, {:?}, {count} files, cut: {cut}", done.step);
                let copy = scratch();
                copy_folder(stopped.path(), copy.path());
                let metadata = copy.path().join("public/metadata");
                for (i, (name, bytes)) in left[..count].iter().enumerate() {
                    let len = if cut && i + 1 == count { bytes.len() / 2 } else { bytes.len() };
                    fs::write(metadata.join(name), &bytes[..len]).unwrap();
                }
                let temporary = metadata.join(".tmp-x");
                fs::write(&temporary, "half").unwrap();
                // As the lock of a writer that died.
                fs::write(copy.path().join("private/lock"), "\0").unwrap();
                let mut ledger = Ledger::default();
                ledger.note(&metadata);
                assert_readable(copy.path(), scene.now, &what);

                let later = scene.now.plus_seconds(60);
                let other = Rotator::open(copy.path()).unwrap();
                let rotation = other.resume(later).unwrap().expect("one under way");
                let rotated = other.commit(rotation, later, &|_| ());
                let rotated = rotated.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(rotated.finished, "{what}");
                ledger.note(&metadata);
                assert_readable(copy.path(), later, &what);
                assert!(!temporary.exists(), "{what}");
            }
        }
        use RotationStep::{Clean, Documents, Root};
        assert_eq!(steps, [Documents, Root, Clean], "{layout}");
    }
}

/// The command is killed at any moment: at each the files can be read, and it goes on.
#[test]
fn sigkill_leaves_a_repository_that_clients_can_read() {
    let mut scene = Scene::new("bins-succinct:64 versions", &[]);
    let (mut kills, mut ends) = (0, 0);
    // A multiplicative generator: the same delays every time, of 0 to 40 ms.
    let mut state: u64 = 7;
    for attempt in 0..16 {
        state = state * 48_271 % 2_147_483_647;
        let limit = if attempt % 4 < 3 {
            Duration::from_micros(state % 40_000)
        } else {
            Duration::from_secs(20)
        };
        let mut args = vec!["rotate"];
        for role in ["root", "timestamp", "snapshot", "targets", "bins"] {
            args.extend(["--role", role]);
        }
        let ended = run_and_kill_or_wait(&scene.repo(), &args, limit);
        (kills, ends) = (kills + u32::from(!ended), ends + u32::from(ended));
        scene.now = super::clock();
        scene.assert_followed(&format!("attempt {attempt}, ended: {ended}"));
    }
    assert!(kills > 0 && ends >= 4, "{kills} kills, {ends} ends");
    scene.publish("on");
    scene.assert_followed("published");
}
