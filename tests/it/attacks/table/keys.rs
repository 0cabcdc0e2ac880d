//! Keys and signatures.

use tufold_meta::{DelegatedRoles, assemble};
use tufold_tests::Answer;
use tufold_tests::forge::{key, keys, role_keys, version};

use super::{Attack, NOTHING, SNAPSHOT, TARGETS, TIMESTAMP, VOID, row};
use crate::attacks::scene::Scene;

pub(super) const ROWS: &[Attack] = &[
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
];
