use super::repo::{NOW, Visit, step, time, version};
use super::search::build;
use super::top_level::Change;
use crate::{Digest, Hashes, RoleChain, Step};

/// The role `a/b`, delegated by `targets`, is published in a way that breaks a rule.
fn check_refused(name: &str, change: Change, expected: &str) {
    let mut repo = build("targets a/b *", &[("a/b", "x")]);
    change(&mut repo);
    let mut visit = Visit::refreshed(&repo);
    let bytes = repo.files.get("1.a%2Fb.json").cloned().unwrap_or_default();
    let expected = expected
        .replace("HASH", &Digest::of(&bytes).to_string())
        .replace("LENGTH", &bytes.len().to_string());
    let error = visit.search("x", &repo).unwrap_err();
    assert_eq!(error.to_string(), expected, "{name}");
}

#[test]
fn refuses_delegated_roles_that_break_a_rule() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "another version than the snapshot lists",
            |repo| {
                let bytes = repo.files["1.a%2Fb.json"].clone();
                repo.put("a/b", version(2), bytes);
                repo.release(&["snapshot", "timestamp"]);
            },
            "a%2Fb.json has version 1, expected 2",
        ),
        (
            "another length",
            |repo| {
                repo.snapshot.meta.get_mut("a/b.json").unwrap().length = Some(1);
                repo.release(&["snapshot", "timestamp"]);
            },
            "a%2Fb.json is LENGTH bytes long, expected 1",
        ),
        (
            "another hash",
            |repo| {
                let other = Digest::from_bytes([0xab; 32]);
                repo.snapshot.meta.get_mut("a/b.json").unwrap().hashes =
                    Some(Hashes::sha256_only(other));
                repo.release(&["snapshot", "timestamp"]);
            },
            "a%2Fb.json has other bytes: sha256 is HASH, \
             expected abababababababababababababababababababababababababababababababab",
        ),
        (
            "not signed by its key",
            |repo| {
                repo.signers.insert("a/b".into(), vec![4]);
                repo.publish_delegations();
            },
            "a%2Fb.json: 0 of 1 required signatures are good, going by targets.json",
        ),
        (
            "expired",
            |repo| {
                repo.targets.get_mut("a/b").unwrap().expires = time(NOW);
                repo.publish_delegations();
            },
            "a%2Fb.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z",
        ),
        (
            "not part of the snapshot",
            |repo| {
                repo.snapshot.meta.remove("a/b.json");
                repo.release(&["snapshot", "timestamp"]);
            },
            "a%2Fb.json is not listed in snapshot.json",
        ),
        (
            "not there",
            |repo| drop(repo.files.remove("1.a%2Fb.json")),
            "a%2Fb.json cannot be read: EOF while parsing a value at line 1 column 0",
        ),
    ];
    for (name, change, expected) in rows {
        check_refused(name, *change, expected);
    }
}

#[test]
fn a_role_counts_only_for_the_delegator_that_vouched_for_it() {
    // Both delegate `shared`, with keys of their own; only a's key signs it.
    let edges = "targets a team-a/*; targets b team-b/*; a shared team-a/*; b shared team-b/*";
    let mut repo = build(edges, &[("shared", "team-a/x"), ("shared", "team-b/x")]);
    repo.signers.insert("shared".into(), vec![103]);
    repo.publish_delegations();
    let mut visit = Visit::refreshed(&repo);
    assert!(matches!(visit.search("team-a/x", &repo), Ok(Step::Found { .. })));
    let error = visit.search("team-b/x", &repo).unwrap_err();
    assert_eq!(
        error.to_string(),
        "shared.json: 0 of 1 required signatures are good, going by b.json"
    );
    let asked = "1.a.json 1.shared.json 1.b.json 1.shared.json";
    assert_eq!(visit.requests.join(" "), asked);
    // What a vouched for is still there, and needs no request.
    visit.requests.clear();
    assert!(matches!(visit.search("team-a/x", &repo), Ok(Step::Found { .. })));
    assert_eq!(visit.requests.len(), 0);
}

#[test]
fn delegators_come_first_and_only_delegate_what_they_list() {
    let repo = build("targets a *; a b *", &[]);
    let mut visit = Visit::refreshed(&repo);
    let mut check = |chain: &RoleChain, file: &str, expected: &str| {
        let bytes = repo.files[file].clone();
        let error = step(&mut visit.set, |set| set.update_delegated(chain, bytes)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let a = RoleChain::top().delegate("a");
    check(&a.delegate("b"), "1.b.json", "b.json came before its delegator a.json");
    let b = RoleChain::top().delegate("b");
    check(&b, "1.b.json", "b.json is not delegated by targets.json");
    check(&RoleChain::top().delegate("c"), "1.b.json", "c.json is not listed in snapshot.json");
    visit.set.update_delegated(&a, repo.files["1.a.json"].clone()).unwrap();
    let verified =
        visit.set.verify_delegated(&a.delegate("b"), repo.files["1.b.json"].clone()).unwrap();
    assert_eq!(verified.bytes(), repo.files["1.b.json"]);
    assert!(visit.set.targets(&a.delegate("b")).is_none());
}

#[test]
fn another_document_of_a_delegator_drops_what_lies_below() {
    let mut repo = build("targets a *; targets aa *; a b *", &[]);
    let mut visit = Visit::refreshed(&repo);
    visit.search("x", &repo).unwrap();
    let a = RoleChain::top().delegate("a");
    let b = a.delegate("b");
    assert!(visit.set.targets(&b).is_some());
    repo.targets.get_mut("a").unwrap().delegations = None;
    repo.publish(&["a"]);
    visit.set.update_delegated(&a, repo.files["1.a.json"].clone()).unwrap();
    assert!(visit.set.targets(&b).is_none());
    assert!(visit.set.targets(&a).is_some());
    assert!(visit.set.targets(&RoleChain::top().delegate("aa")).is_some());
    assert_eq!(b.delegator(), Some(a));
    assert_eq!(RoleChain::top().delegator(), None);
}
