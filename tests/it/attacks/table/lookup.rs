//! Bins, delegations, names and target files.

use tufold_meta::{Selector, Terminating};
use tufold_tests::Answer;
use tufold_tests::forge::bin_of;

use super::{Attack, BIN, SNAPSHOT, TARGETS, row};
use crate::attacks::scene::Scene;

pub(super) const ROWS: &[Attack] = &[
    // Wrong bin.
    row(
        "a_target_in_another_bin",
        |scene| {
            // The keys of the bins sign anything, but nobody looks for it there.
            scene.sought = "evil.txt".into();
            scene.forge.list("bins-2", "evil.txt", "evil.txt");
            scene.release(&["bins-2"]);
        },
        "not listed",
        BIN,
    ),
    row(
        "another_bin_instead",
        |scene| {
            // One key signs all bins and no document names its role, so what a snapshot of versions
            // cannot tell apart hides a target, and never shows a wrong one.
            let bin = Scene::bin();
            scene.release(&[&bin, "bins-0"]);
            let other = scene.forge.files["4.bins-0.json"].clone();
            scene.answer(&format!("4.{bin}.json"), Answer::File(other));
        },
        "not listed",
        &["bins-3.json", "snapshot.json", "timestamp.json"],
    ),
    row(
        "another_bin_instead_against_hashes",
        |scene| {
            scene.forge.hashes = true;
            let bin = Scene::bin();
            scene.release(&[&bin, "bins-1", "targets"]);
            let other = scene.forge.files["4.bins-1.json"].clone();
            scene.answer(&format!("4.{bin}.json"), Answer::File(other));
        },
        "bins-3.json is …",
        TARGETS,
    ),
    // Names.
    row(
        "a_role_name_that_looks_like_a_path",
        |scene| {
            scene.sought = "evil.txt".into();
            scene.forge.delegate("../../timestamp", all(), Terminating::Yes);
            scene.forge.list("../../timestamp", "evil.txt", "evil.txt");
            scene.release(&["../../timestamp", "targets"]);
        },
        "found",
        &["..%2F..%2Ftimestamp.json", "snapshot.json", "targets.json", "timestamp.json"],
    ),
    row(
        "a_role_name_that_no_file_can_have",
        |scene| {
            scene.sought = "evil.txt".into();
            scene.forge.delegate(".tmp-1", all(), Terminating::Yes);
            scene.forge.list(".tmp-1", "evil.txt", "evil.txt");
            scene.release(&[".tmp-1", "targets"]);
        },
        "found",
        TARGETS,
    ),
    row(
        "a_role_called_like_a_top_level_one",
        |scene| {
            scene.forge.delegate("timestamp", all(), Terminating::Yes);
            scene.forge.targets.remove("timestamp");
            scene.release(&["targets"]);
        },
        "targets.json cannot be read: role \"timestamp\" cannot be delegated…",
        SNAPSHOT,
    ),
    row(
        "a_target_path_that_leaves_the_folder",
        |scene| scene.seek_new("../../evil.txt"),
        "../../b442652210bf8edb3e680f67f7aad063b6b665b56a3cec79632c151c5a6807b1.evil.txt is not there",
        &["bins-2.json", "snapshot.json", "timestamp.json"],
    ),
    // Delegations.
    row(
        "delegations_in_a_circle",
        |scene| {
            scene.sought = "evil.txt".into();
            scene.forge.delegate("a", all(), Terminating::Yes);
            let delegations = scene.forge.top().delegations.clone();
            scene.forge.role("a").delegations = delegations;
            scene.release(&["a", "targets"]);
        },
        "not listed",
        &["a.json", "snapshot.json", "targets.json", "timestamp.json"],
    ),
    row(
        "delegations_without_end",
        |scene| {
            scene.sought = "evil.txt".into();
            scene.limits.metadata.max_delegations = 3;
            for name in ["f", "e", "d", "c", "b"] {
                scene.forge.delegate(name, all(), Terminating::No);
                scene.forge.release(&[name]);
            }
            scene.release(&["targets"]);
        },
        "not listed, at least 1 left out",
        &["b.json", "c.json", "d.json", "snapshot.json", "targets.json", "timestamp.json"],
    ),
    // Target files.
    row(
        "another_target_file_instead",
        |scene| {
            scene.seek_new("new.txt");
            scene.instead.insert(scene.target_file("new.txt"), Answer::File(b"NEW.TXT".to_vec()));
        },
        "target file new.txt has other bytes: sha256 is …",
        BIN,
    ),
    row(
        "a_target_without_a_hash_that_can_be_checked",
        |scene| {
            scene.seek_new("new.txt");
            let bin = bin_of("new.txt");
            let mut hashes = tufold_meta::Hashes::default();
            hashes.insert("md5".into(), "00".repeat(16));
            let listed = scene.forge.role(&bin).targets.get_mut("new.txt").expect("a target");
            listed.hashes = hashes;
            scene.release(&[&bin]);
        },
        "target new.txt has no hash of a known algorithm",
        BIN,
    ),
];

fn all() -> Selector {
    Selector::Paths(vec!["*".into()])
}
