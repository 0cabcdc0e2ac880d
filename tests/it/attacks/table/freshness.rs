//! Old, stale and mixed documents.

use tufold_tests::forge::version;
use tufold_tests::{Answer, after};

use super::{Attack, NOTHING, SNAPSHOT, TARGETS, TIMESTAMP, row};
use crate::attacks::scene::Scene;

pub(super) const ROWS: &[Attack] = &[
    // Rollback.
    row(
        "rollback_of_the_timestamp",
        |scene| {
            scene.forge.timestamp.version = version(2);
            scene.forge.publish("timestamp");
        },
        "timestamp.json went back from version 3 to 2",
        NOTHING,
    ),
    row(
        "rollback_of_the_snapshot",
        |scene| {
            scene.forge.snapshot.version = version(2);
            scene.forge.publish("snapshot");
            scene.forge.release(&["timestamp"]);
        },
        "snapshot.json went back from version 3 to 2",
        NOTHING,
    ),
    row(
        "rollback_of_the_targets",
        |scene| {
            scene.forge.top().version = version(2);
            scene.forge.publish("targets");
            scene.release(&[]);
        },
        "targets.json went back from version 3 to 2",
        TIMESTAMP,
    ),
    row(
        "rollback_of_a_bin",
        |scene| {
            scene.forge.role("bins-1").version = version(2);
            scene.forge.publish("bins-1");
            scene.release(&[]);
        },
        "bins-1.json went back from version 3 to 2",
        TIMESTAMP,
    ),
    row(
        "a_role_vanishes",
        |scene| {
            scene.forge.snapshot.meta.remove("bins-2.json");
            scene.release(&[]);
        },
        "bins-2.json is no longer listed in snapshot.json",
        TIMESTAMP,
    ),
    // Freeze.
    row(
        "freeze",
        |scene| scene.now = after("36h"),
        "timestamp.json expired at 2026-11-23T00:00:00Z, now is 2026-11-23T12:00:00Z",
        NOTHING,
    ),
    row(
        "freeze_of_the_snapshot",
        |scene| {
            scene.now = after("60h");
            scene.forge.timestamp.expires = after("600h");
            scene.forge.release(&["timestamp"]);
        },
        "snapshot.json expired at 2026-11-24T00:00:00Z, now is 2026-11-24T12:00:00Z",
        TIMESTAMP,
    ),
    row(
        "freeze_of_the_targets",
        |scene| {
            scene.now = after("84h");
            scene.forge.timestamp.expires = after("600h");
            scene.forge.snapshot.expires = after("600h");
            scene.release(&[]);
        },
        "targets.json expired at 2026-11-25T00:00:00Z, now is 2026-11-25T12:00:00Z",
        SNAPSHOT,
    ),
    row(
        "freeze_of_the_root",
        |scene| scene.now = after("9000h"),
        "root.json expired at 2027-12-02T00:00:00Z, now is 2027-12-02T00:00:00Z",
        NOTHING,
    ),
    // Mix and match.
    row(
        "mix_and_match_of_the_snapshot",
        |scene| {
            let old = scene.forge.files["3.snapshot.json"].clone();
            scene.release(&[]);
            scene.answer("4.snapshot.json", Answer::File(old));
        },
        "snapshot.json has version 3, expected 4",
        TIMESTAMP,
    ),
    row(
        "mix_and_match_of_the_targets",
        |scene| {
            let old = scene.forge.files["3.targets.json"].clone();
            scene.release(&["targets"]);
            scene.answer("4.targets.json", Answer::File(old));
        },
        "targets.json has version 3, expected 4",
        SNAPSHOT,
    ),
    row(
        "mix_and_match_of_a_bin",
        |scene| {
            let bin = Scene::bin();
            let old = scene.forge.files[&format!("3.{bin}.json")].clone();
            scene.release(&[&bin]);
            scene.answer(&format!("4.{bin}.json"), Answer::File(old));
        },
        "bins-3.json has version 3, expected 4",
        SNAPSHOT,
    ),
    row(
        "mix_and_match_within_one_version",
        |scene| {
            // Two documents of version 4, both signed; the snapshot lists the bytes of one.
            scene.forge.hashes = true;
            let bin = Scene::bin();
            scene.forge.list(&bin, "other.txt", "other.txt");
            scene.forge.release(&[&bin]);
            let other = scene.forge.files[&format!("4.{bin}.json")].clone();
            scene.forge.role(&bin).targets.remove("other.txt");
            scene.forge.list(&bin, "athor.txt", "athor.txt");
            scene.forge.publish(&bin);
            scene.release(&["targets"]);
            scene.answer(&format!("4.{bin}.json"), Answer::File(other));
        },
        "bins-3.json has other bytes: sha256 is …",
        TARGETS,
    ),
];
