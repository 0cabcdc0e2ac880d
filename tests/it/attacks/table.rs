//! The attacks. Each row is run by the test of its name, with deltas and without.

use std::io::Write;
use std::time::Duration;

use tufold_meta::{DelegatedRoles, Selector, Terminating, assemble, names};
use tufold_tests::forge::{bin_of, key, keys, role_keys, version};
use tufold_tests::{Answer, after};

use super::scene::Scene;

/// One attack and what must come of it.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What the attacker does after the client's last honest visit.
    pub(super) attack: fn(&mut Scene),
    /// What the next visit says; with `…` at its end, how that begins.
    pub(super) outcome: &'static str,
    /// What the client keeps of that visit: the names of the files that differ afterwards.
    pub(super) kept: &'static [&'static str],
}

const NOTHING: &[&str] = &[];
const TIMESTAMP: &[&str] = &["timestamp.json"];
const SNAPSHOT: &[&str] = &["snapshot.json", "timestamp.json"];
const TARGETS: &[&str] = &["snapshot.json", "targets.json", "timestamp.json"];
/// The bin of `evil.txt` and `new.txt`, which the client had not seen before.
const BIN: &[&str] = &["bins-0.json", "snapshot.json", "timestamp.json"];
/// A key of theirs was withdrawn.
const VOID: &[&str] = &["root.json", "snapshot.json", "timestamp.json"];

const fn row(
    name: &'static str,
    attack: fn(&mut Scene),
    outcome: &'static str,
    kept: &'static [&'static str],
) -> Attack {
    Attack { name, attack, outcome, kept }
}

pub(super) const ATTACKS: &[Attack] = &[
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
    // Endless data.
    row(
        "endless_root",
        |scene| scene.answer("2.root.json", Answer::Endless(None, vec![b' '; 1 << 16])),
        "metadata/2.root.json is longer than 512000 bytes",
        NOTHING,
    ),
    row(
        "endless_timestamp",
        |scene| scene.answer("timestamp.json", Answer::Endless(None, vec![b' '; 1 << 16])),
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "endless_snapshot",
        |scene| {
            scene.release(&[]);
            scene.answer("4.snapshot.json", Answer::Endless(None, vec![b' '; 1 << 16]));
        },
        "metadata/4.snapshot.json is longer than 2000000 bytes",
        TIMESTAMP,
    ),
    row(
        "endless_bin",
        |scene| {
            let bin = Scene::bin();
            scene.release(&[&bin]);
            let endless = Answer::Endless(None, vec![b' '; 1 << 16]);
            scene.answer(&format!("4.{bin}.json"), endless);
        },
        "metadata/4.bins-3.json is longer than 5000000 bytes",
        SNAPSHOT,
    ),
    row(
        "longer_than_the_snapshot_says",
        |scene| {
            scene.forge.hashes = true;
            scene.release(&["targets"]);
            let mut longer = scene.forge.files["4.targets.json"].clone();
            longer.push(b'\n');
            scene.answer("4.targets.json", Answer::File(longer));
        },
        "metadata/4.targets.json is longer than …",
        SNAPSHOT,
    ),
    row(
        "endless_target",
        |scene| {
            scene.seek_new("new.txt");
            let endless = Answer::Endless(None, vec![b'n'; 1 << 16]);
            scene.instead.insert(scene.target_file("new.txt"), endless);
        },
        "11f8ad13b4f875d3482479fb6936683d83f9268cc445efe277964f1823939313.new.txt is longer than 7 bytes",
        BIN,
    ),
    // Slow retrieval.
    row(
        "slow_retrieval",
        |scene| scene.answer("timestamp.json", Answer::Drip),
        "metadata/timestamp.json came too slowly: …",
        NOTHING,
    ),
    row(
        "no_retrieval",
        |scene| scene.answer("timestamp.json", Answer::Silence),
        "metadata/timestamp.json came too slowly: 0 bytes within 300ms",
        NOTHING,
    ),
    row(
        "a_visit_without_end",
        |scene| scene.limits.visit = Duration::ZERO,
        "metadata/2.root.json was under way when the visit had taken 0ns",
        NOTHING,
    ),
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
    // Keys.
    row(
        "a_stranger_signs",
        |scene| {
            scene.forge.signers.insert("timestamp".into(), vec![99]);
            scene.forge.release(&["timestamp"]);
        },
        "timestamp.json: 0 of 1 required signatures are good, going by root.json",
        NOTHING,
    ),
    row(
        "a_bin_of_another_roles_key",
        |scene| {
            let bin = Scene::bin();
            scene.forge.signers.insert("bins".into(), vec![2]);
            scene.release(&[&bin]);
        },
        "bins-3.json: 0 of 1 required signatures are good, going by targets.json",
        SNAPSHOT,
    ),
    row(
        "a_revoked_key_signs",
        |scene| {
            scene.forge.rotate("timestamp", &[12]);
            scene.forge.release(&["root"]);
            scene.forge.signers.insert("timestamp".into(), vec![2]);
            scene.forge.release(&["timestamp"]);
        },
        "timestamp.json: 0 of 1 required signatures are good, going by root.json",
        VOID,
    ),
    row(
        "a_revoked_key_of_the_bins_signs",
        |scene| {
            let top = scene.forge.top().delegations.as_mut().expect("delegations");
            top.keys = keys(&[15]);
            match &mut top.roles {
                DelegatedRoles::Succinct(succinct) => succinct.keys = role_keys(&[15], 1),
                DelegatedRoles::List(bins) => {
                    bins.iter_mut().for_each(|bin| bin.keys = role_keys(&[15], 1));
                }
            }
            scene.release(&["targets"]);
        },
        "bins-3.json: 0 of 1 required signatures are good, going by targets.json",
        TARGETS,
    ),
    row(
        "a_root_of_its_own_keys_only",
        |scene| {
            scene.forge.rotate("root", &[11]);
            scene.forge.release(&["root"]);
        },
        "root.json: 0 of 1 required signatures are good, going by root.json version 1",
        NOTHING,
    ),
    row(
        "a_root_is_left_out",
        |scene| {
            scene.forge.release(&["root", "root"]);
            let third = scene.forge.files["3.root.json"].clone();
            scene.answer("2.root.json", Answer::File(third));
        },
        "root.json has version 3, expected 2",
        NOTHING,
    ),
    row(
        "fast_forward_stays_without_a_rotation",
        |scene| {
            scene.forge.timestamp.version = version(1 << 60);
            scene.forge.publish("timestamp");
            scene.visit_before("found");
            scene.forge.timestamp.version = version(4);
            scene.forge.publish("timestamp");
        },
        "timestamp.json went back from version 1152921504606846976 to 4",
        NOTHING,
    ),
    row(
        "fast_forward_and_recovery",
        |scene| {
            scene.forge.timestamp.version = version(1 << 60);
            scene.forge.snapshot.version = version(1 << 60);
            scene.forge.publish("snapshot");
            scene.forge.publish("timestamp");
            scene.visit_before("found");
            scene.forge.rotate("timestamp", &[12]);
            scene.forge.rotate("snapshot", &[13]);
            scene.forge.release(&["root"]);
            scene.forge.timestamp.version = version(4);
            scene.forge.snapshot.version = version(4);
            scene.forge.publish("snapshot");
            scene.forge.publish("timestamp");
        },
        "found",
        VOID,
    ),
    row(
        "junk_signatures",
        |scene| {
            scene.forge.signers.insert("timestamp".into(), (30..60).chain([2]).collect());
            scene.forge.release(&["timestamp"]);
        },
        "found",
        TIMESTAMP,
    ),
    row(
        "a_signature_twice",
        |scene| {
            scene.forge.release(&["timestamp"]);
            let canonical = tufold_meta::Role::to_canonical(&scene.forge.timestamp);
            let signature = key(2).sign(&canonical).expect("a signature");
            let twice = assemble(&canonical, &[signature.clone(), signature]);
            scene.answer("timestamp.json", Answer::File(twice));
        },
        "timestamp.json cannot be read: key id …",
        NOTHING,
    ),
    row(
        "one_key_under_two_ids",
        |scene| {
            let (id, public) = keys(&[2]).pop_first().expect("a key");
            let other = tufold_meta::KeyId::from("other".to_owned());
            scene.forge.root.keys.insert(other.clone(), public);
            let two = std::num::NonZeroU64::new(2).expect("two");
            let both = tufold_meta::RoleKeys::new(vec![id.clone(), other.clone()], two);
            scene.forge.root.roles.insert("timestamp".into(), both.expect("ids that differ"));
            scene.forge.release(&["root", "timestamp"]);
            let canonical = tufold_meta::Role::to_canonical(&scene.forge.timestamp);
            let one = key(2).sign(&canonical).expect("a signature");
            let again = tufold_meta::Signature { keyid: other, ..one.clone() };
            scene.answer("timestamp.json", Answer::File(assemble(&canonical, &[one, again])));
        },
        "timestamp.json: 1 of 2 required signatures are good, going by root.json",
        &["root.json"],
    ),
    row(
        "a_key_id_twice_in_a_role",
        |scene| {
            scene.forge.root.version = version(2);
            let canonical = tufold_meta::Role::to_canonical(&scene.forge.root);
            let text = String::from_utf8(canonical).expect("UTF-8");
            let id = format!("\"{}\"", key(2).id());
            let canonical = text.replace(&format!("[{id}]"), &format!("[{id},{id}]"));
            let file = tufold_meta::sign(canonical.as_bytes(), &[&key(1)]).expect("a signature");
            scene.answer("2.root.json", Answer::File(file));
        },
        "root.json cannot be read: key id …",
        NOTHING,
    ),
    // Compression.
    row(
        "a_zstd_bomb",
        |scene| {
            let bomb = zstd::encode_all(&vec![b' '; 1 << 26][..], 3).expect("a bomb");
            scene.answer("timestamp.json", Answer::Encoded("zstd", bomb));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "a_gzip_bomb",
        |scene| {
            let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            bomb.write_all(&vec![b' '; 1 << 26]).expect("a bomb");
            let bomb = bomb.finish().expect("a bomb");
            scene.answer("timestamp.json", Answer::Encoded("gzip", bomb));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "zstd_frames_that_hold_nothing",
        |scene| {
            let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 0, 4, 0, 0][..], &[0; 1024]].concat();
            scene.answer("timestamp.json", Answer::Endless(Some("zstd"), skipped));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "a_window_that_fills_the_memory",
        |scene| {
            // A frame that asks for a window of 2 GiB.
            let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
            scene.answer("timestamp.json", Answer::Encoded("zstd", frame.to_vec()));
        },
        "metadata/timestamp.json cannot be decompressed as zstd: …",
        NOTHING,
    ),
    row(
        "damaged_compression",
        |scene| scene.answer("timestamp.json", Answer::Encoded("gzip", b"junk".to_vec())),
        "metadata/timestamp.json cannot be decompressed as gzip: …",
        NOTHING,
    ),
    row(
        "a_compression_that_was_not_asked_for",
        |scene| scene.answer("timestamp.json", Answer::Encoded("br", b"junk".to_vec())),
        "metadata/timestamp.json cannot be decompressed as br: it was not asked for",
        NOTHING,
    ),
    // The server.
    row(
        "a_redirect_loop",
        |scene| {
            let there = "/metadata/timestamp.json".to_owned();
            scene.answer("timestamp.json", Answer::Redirect(there));
        },
        "metadata/timestamp.json was redirected more than 10 times",
        NOTHING,
    ),
    row(
        "a_redirect_to_a_file",
        |scene| {
            scene.answer("timestamp.json", Answer::Redirect("file:///etc/passwd".to_owned()));
        },
        "metadata/timestamp.json was redirected from SERVER/metadata/timestamp.json to \
         \"file:///etc/passwd\", which is not followed",
        NOTHING,
    ),
    row(
        "a_connection_that_breaks",
        |scene| scene.answer("timestamp.json", Answer::Cut(vec![b' '; 1000])),
        "metadata/timestamp.json cannot be fetched: …",
        NOTHING,
    ),
    row(
        "a_server_that_fails",
        |scene| scene.answer("timestamp.json", Answer::Status(503)),
        "metadata/timestamp.json was answered with status 503",
        NOTHING,
    ),
    row(
        "a_bin_that_is_missing",
        |scene| {
            let bin = Scene::bin();
            scene.release(&[&bin]);
            scene.answer(&format!("4.{bin}.json"), Answer::Status(404));
        },
        "metadata/4.bins-3.json is not there",
        SNAPSHOT,
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

impl Scene {
    /// The client looks for a target that was listed just now.
    fn seek_new(&mut self, path: &str) {
        self.sought = path.to_owned();
        let bin = bin_of(path);
        self.forge.list(&bin, path, path);
        self.release(&[&bin]);
    }

    /// Where the server has the file of a target.
    fn target_file(&self, path: &str) -> String {
        let hex = tufold_meta::Digest::of(path.as_bytes()).to_string();
        format!("targets/{}", names::target_file_path(path, Some(&hex)))
    }
}
