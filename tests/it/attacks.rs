//! Attacks on a client that has visited before, over HTTP from a server that the attacker holds:
//! each ends with the exact error, and the client trusts on disk what it trusted before and what was
//! accepted on the way, nothing else. Deltas change nothing of it, whoever serves them.

pub(crate) mod delta_server;
mod scene;
mod table;

use delta_server::DeltaServer;
use scene::Scene;
use table::{Attack, attacks};
use tufold_sync::Limits;

/// Visits honestly, attacks, and visits again.
fn check(name: &str) {
    let attack = attacks().find(|attack| attack.name == name).expect("a row of the table");
    for form in FORMS {
        check_form(attack, Scene::new(form, DeltaServer::None));
        check_form(attack, Scene::new(form, DeltaServer::LikeTheFiles));
    }
}

const FORMS: [&str; 2] = ["bins-succinct", "bins-prefixes"];

/// Runs the whole table with a server of hostile deltas.
fn check_hostile(deltas: DeltaServer) {
    for (attack, form) in attacks().zip(FORMS.into_iter().cycle()) {
        let visit = |deltas| {
            let mut scene = Scene::new(form, deltas);
            (attack.attack)(&mut scene);
            scene.requests();
            check_outcome(attack, &scene);
            scene.requests()
        };
        let (plain, none) = visit(DeltaServer::None);
        let (found, asked) = visit(deltas);
        // Each document is fetched once as without deltas, and one delta asked for before at most.
        assert_eq!(found, plain, "{}: {deltas:?}", attack.name);
        assert_eq!(none, 0);
        let redirects = Limits::default().max_redirects as usize;
        let most = if deltas == DeltaServer::Redirecting { 1 + redirects } else { plain.len() };
        assert!(asked <= most, "{}: {deltas:?}, {asked} deltas for {plain:?}", attack.name);
    }
}

fn check_outcome(attack: &Attack, scene: &Scene) {
    let outcome = scene.visit();
    match attack.outcome.strip_suffix('…') {
        Some(beginning) => assert!(outcome.starts_with(beginning), "{}: {outcome}", attack.name),
        None => assert_eq!(outcome, attack.outcome, "{}", attack.name),
    }
    assert_eq!(scene.changed(), attack.kept, "{}: what the client trusts", attack.name);
    scene.assert_contained();
}

fn check_form(attack: &Attack, mut scene: Scene) {
    (attack.attack)(&mut scene);
    check_outcome(attack, &scene);
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
fn every_hostile_server_is_run() {
    let source = include_str!("attacks.rs");
    for deltas in DeltaServer::HOSTILE {
        assert!(source.contains(&format!("check_hostile(DeltaServer::{deltas:?});")), "{deltas:?}");
    }
}

#[test]
fn with_deltas_random() {
    check_hostile(DeltaServer::Random);
}

#[test]
fn with_deltas_truncated() {
    check_hostile(DeltaServer::Truncated);
}

#[test]
fn with_deltas_damaged() {
    check_hostile(DeltaServer::Damaged);
}

#[test]
fn with_deltas_endless() {
    check_hostile(DeltaServer::Endless);
}

#[test]
fn with_deltas_huge_lengths() {
    check_hostile(DeltaServer::HugeLengths);
}

#[test]
fn with_deltas_of_others() {
    check_hostile(DeltaServer::OfOthers);
}

#[test]
fn with_deltas_to_old_versions() {
    check_hostile(DeltaServer::ToOldVersions);
}

#[test]
fn with_deltas_unsigned() {
    check_hostile(DeltaServer::Unsigned);
}

#[test]
fn with_deltas_silent() {
    check_hostile(DeltaServer::Silent);
}

#[test]
fn with_deltas_dripping() {
    check_hostile(DeltaServer::Dripping);
}

#[test]
fn with_deltas_failing() {
    check_hostile(DeltaServer::Failing);
}

#[test]
fn with_deltas_missing() {
    check_hostile(DeltaServer::Missing);
}

#[test]
fn with_deltas_redirecting() {
    check_hostile(DeltaServer::Redirecting);
}

#[test]
fn with_deltas_bomb() {
    check_hostile(DeltaServer::Bomb);
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
