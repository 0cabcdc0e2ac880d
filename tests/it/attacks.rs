//! Attacks on a client that has visited before, over HTTP from a server that the attacker holds:
//! each ends with the exact error, and the client trusts on disk what it trusted before and what was
//! accepted on the way, nothing else.

mod scene;
mod table;

use scene::Scene;
use table::{Attack, attacks};

/// Visits honestly, attacks, and visits again.
fn check(name: &str) {
    let attack = attacks().find(|attack| attack.name == name).expect("a row of the table");
    for form in ["bins-succinct", "bins-prefixes"] {
        check_form(attack, Scene::new(form));
    }
}

fn check_form(attack: &Attack, mut scene: Scene) {
    (attack.attack)(&mut scene);
    let outcome = scene.visit();
    match attack.outcome.strip_suffix('…') {
        Some(beginning) => assert!(outcome.starts_with(beginning), "{outcome}"),
        None => assert_eq!(outcome, attack.outcome),
    }
    assert_eq!(scene.changed(), attack.kept, "what the client trusts");
    scene.assert_contained();
    if attack.kept.is_empty() {
        scene.end_attack();
        assert_eq!(scene.visit(), "found", "after the attack");
        assert!(scene.changed().is_empty(), "after the attack");
    }
}

#[test]
fn every_row_of_the_table_is_run() {
    let source = include_str!("attacks.rs");
    for Attack { name, .. } in attacks() {
        assert!(source.contains(&format!("fn {name}() {{")), "{name} has no test");
    }
}

#[test]
fn rollback_of_the_timestamp() {
    check("rollback_of_the_timestamp");
}

#[test]
fn rollback_of_the_snapshot() {
    check("rollback_of_the_snapshot");
}

#[test]
fn rollback_of_the_targets() {
    check("rollback_of_the_targets");
}

#[test]
fn rollback_of_a_bin() {
    check("rollback_of_a_bin");
}

#[test]
fn a_role_vanishes() {
    check("a_role_vanishes");
}

#[test]
fn freeze() {
    check("freeze");
}

#[test]
fn freeze_of_the_snapshot() {
    check("freeze_of_the_snapshot");
}

#[test]
fn freeze_of_the_targets() {
    check("freeze_of_the_targets");
}

#[test]
fn freeze_of_the_root() {
    check("freeze_of_the_root");
}

#[test]
fn mix_and_match_of_the_snapshot() {
    check("mix_and_match_of_the_snapshot");
}

#[test]
fn mix_and_match_of_the_targets() {
    check("mix_and_match_of_the_targets");
}

#[test]
fn mix_and_match_of_a_bin() {
    check("mix_and_match_of_a_bin");
}

#[test]
fn mix_and_match_within_one_version() {
    check("mix_and_match_within_one_version");
}

#[test]
fn endless_root() {
    check("endless_root");
}

#[test]
fn endless_timestamp() {
    check("endless_timestamp");
}

#[test]
fn endless_snapshot() {
    check("endless_snapshot");
}

#[test]
fn endless_bin() {
    check("endless_bin");
}

#[test]
fn longer_than_the_snapshot_says() {
    check("longer_than_the_snapshot_says");
}

#[test]
fn endless_target() {
    check("endless_target");
}

#[test]
fn slow_retrieval() {
    check("slow_retrieval");
}

#[test]
fn no_retrieval() {
    check("no_retrieval");
}

#[test]
fn a_visit_without_end() {
    check("a_visit_without_end");
}

#[test]
fn a_target_in_another_bin() {
    check("a_target_in_another_bin");
}

#[test]
fn another_bin_instead() {
    check("another_bin_instead");
}

#[test]
fn another_bin_instead_against_hashes() {
    check("another_bin_instead_against_hashes");
}

#[test]
fn a_stranger_signs() {
    check("a_stranger_signs");
}

#[test]
fn a_bin_of_another_roles_key() {
    check("a_bin_of_another_roles_key");
}

#[test]
fn a_revoked_key_signs() {
    check("a_revoked_key_signs");
}

#[test]
fn a_revoked_key_of_the_bins_signs() {
    check("a_revoked_key_of_the_bins_signs");
}

#[test]
fn a_root_of_its_own_keys_only() {
    check("a_root_of_its_own_keys_only");
}

#[test]
fn a_root_is_left_out() {
    check("a_root_is_left_out");
}

#[test]
fn fast_forward_stays_without_a_rotation() {
    check("fast_forward_stays_without_a_rotation");
}

#[test]
fn fast_forward_and_recovery() {
    check("fast_forward_and_recovery");
}

#[test]
fn junk_signatures() {
    check("junk_signatures");
}

#[test]
fn a_signature_twice() {
    check("a_signature_twice");
}

#[test]
fn one_key_under_two_ids() {
    check("one_key_under_two_ids");
}

#[test]
fn a_key_id_twice_in_a_role() {
    check("a_key_id_twice_in_a_role");
}

#[test]
fn a_zstd_bomb() {
    check("a_zstd_bomb");
}

#[test]
fn a_gzip_bomb() {
    check("a_gzip_bomb");
}

#[test]
fn zstd_frames_that_hold_nothing() {
    check("zstd_frames_that_hold_nothing");
}

#[test]
fn a_window_that_fills_the_memory() {
    check("a_window_that_fills_the_memory");
}

#[test]
fn damaged_compression() {
    check("damaged_compression");
}

#[test]
fn a_compression_that_was_not_asked_for() {
    check("a_compression_that_was_not_asked_for");
}

#[test]
fn a_redirect_loop() {
    check("a_redirect_loop");
}

#[test]
fn a_redirect_to_a_file() {
    check("a_redirect_to_a_file");
}

#[test]
fn a_connection_that_breaks() {
    check("a_connection_that_breaks");
}

#[test]
fn a_server_that_fails() {
    check("a_server_that_fails");
}

#[test]
fn a_bin_that_is_missing() {
    check("a_bin_that_is_missing");
}

#[test]
fn a_role_name_that_looks_like_a_path() {
    check("a_role_name_that_looks_like_a_path");
}

#[test]
fn a_role_name_that_no_file_can_have() {
    check("a_role_name_that_no_file_can_have");
}

#[test]
fn a_role_called_like_a_top_level_one() {
    check("a_role_called_like_a_top_level_one");
}

#[test]
fn a_target_path_that_leaves_the_folder() {
    check("a_target_path_that_leaves_the_folder");
}

#[test]
fn delegations_in_a_circle() {
    check("delegations_in_a_circle");
}

#[test]
fn delegations_without_end() {
    check("delegations_without_end");
}

#[test]
fn another_target_file_instead() {
    check("another_target_file_instead");
}

#[test]
fn a_target_without_a_hash_that_can_be_checked() {
    check("a_target_without_a_hash_that_can_be_checked");
}
