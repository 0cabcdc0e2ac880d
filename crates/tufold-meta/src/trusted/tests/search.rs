use super::repo::{Repo, Visit, empty_targets, keys, role_keys};
use crate::cjson::Object;
use crate::{
    BitLength, DelegatedRoles, Delegations, Digest, Limits, Selector, Source, Step, SuccinctRoles,
    Terminating,
};

/// `edges` are delegations set apart by semicolons: delegator, role, path patterns. A `!` before
/// the role's name makes the delegation terminating, a `#` before the first pattern makes them hash
/// prefixes. `targets` are role and path.
pub(super) fn build(edges: &str, targets: &[(&str, &str)]) -> Repo {
    let mut repo = Repo::new();
    for (n, edge) in (101..).zip(edges.split_terminator("; ")) {
        let [delegator, role, pattern] = *edge.splitn(3, ' ').collect::<Vec<_>>() else {
            panic!("{edge}");
        };
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let selector = match pattern.strip_prefix('#') {
            Some(prefixes) => Selector::PathHashPrefixes(words(prefixes)),
            None => Selector::Paths(words(pattern)),
        };
        let (role, terminating) = match role.strip_prefix('!') {
            Some(role) => (role, Terminating::Yes),
            None => (role, Terminating::No),
        };
        repo.delegate(delegator, role, n, selector, terminating);
        // A role with several delegators is signed for all of them.
        let signers = repo.signers.get_mut(role).unwrap();
        if !signers.contains(&n) {
            signers.push(n);
        }
    }
    for (role, path) in targets {
        repo.add_target(role, path);
    }
    repo.publish_delegations();
    repo
}

/// Searches for `path`, which `listing` list. `expected`: the roles that were asked for, and where
/// the target was found.
fn check_search(edges: &str, listing: &[&str], path: &str, expected: &str) {
    let targets: Vec<_> = listing.iter().map(|role| (*role, path)).collect();
    let repo = build(edges, &targets);
    let mut visit = Visit::refreshed(&repo);
    let end = match visit.search(path, &repo).unwrap() {
        Step::Found { chain, file } => {
            assert_eq!(file.hashes.sha256(), Some(Digest::of(b"")));
            format!("-> {}", chain.roles().join(" "))
        }
        Step::NotFound { left_out } => format!("-> none, {left_out} left out"),
        Step::Needs { .. } => unreachable!("the visit feeds every role"),
    };
    let names = visit.requests.iter().map(|name| name.replace("1.", "").replace(".json", ""));
    let found = names.chain([end]).collect::<Vec<_>>().join(" ");
    assert_eq!(found, expected, "{edges}");
}

#[test]
fn searches_depth_first_in_order_of_appearance() {
    let check = |edges, listing: &[&str], expected| check_search(edges, listing, "x", expected);
    check("", &[], "-> none, 0 left out");
    check("targets a *", &["targets"], "-> targets");
    check("targets a *; targets b *", &["a", "b"], "a -> targets a");
    check("targets a *; targets b *", &["b"], "a b -> targets b");
    check("targets a *; targets b *; a c *; c d *", &["b"], "a c d b -> targets b");
    check("targets a *; a b *; b c *", &["c"], "a b c -> targets a b c");
    check("targets ../a? *", &["../a?"], "..%2Fa%3F -> targets ../a?");
}

#[test]
fn asks_no_role_whose_delegation_does_not_cover_the_target() {
    let check = |edges, listing: &[&str], expected| check_search(edges, listing, "x", expected);
    check("targets a y", &["a"], "-> none, 0 left out");
    let edges = "targets a *.py; targets b x/*; targets c y ?";
    check(edges, &["a", "b", "c"], "c -> targets c");
    check("targets a *; a b y; b c *", &["b", "c"], "a -> none, 0 left out");
    check("targets a *; targets b *; a c y; b c *", &["c"], "a b c -> targets b c");
    // SHA-256("foo.txt") begins with ddab29ff.
    let check = |edges, listing: &[&str], expected| {
        check_search(edges, listing, "foo.txt", expected);
    };
    let edges = "targets a #0 dc; targets b #00 ddab; targets c #d";
    check(edges, &["a", "c"], "b c -> targets c");
    check("targets a #00; targets b #dd", &["a"], "b -> none, 0 left out");
}

#[test]
fn a_terminating_delegation_ends_the_search() {
    let check = |edges, listing: &[&str], expected| check_search(edges, listing, "x", expected);
    check("targets !a *; targets b *", &["b"], "a -> none, 0 left out");
    check("targets !a y; targets b *", &["b"], "b -> targets b");
    // What lies below it, or before it, counts.
    check("targets !a *; targets b *; a c *", &["b", "c"], "a c -> targets a c");
    check("targets a *; targets !b *; targets c *", &["c"], "a b -> none, 0 left out");
    // It also ends the search above.
    let edges = "targets a *; targets b *; a !c *; a d *";
    check(edges, &["b", "d"], "a c -> none, 0 left out");
}

#[test]
fn visits_a_role_once() {
    let check = |edges, listing: &[&str], expected| check_search(edges, listing, "x", expected);
    check("targets a *; a b *; b a *", &[], "a b -> none, 0 left out");
    check("targets a *; a a *", &[], "a -> none, 0 left out");
    let edges = "targets a *; targets b *; a c *; b c *";
    check(edges, &[], "a c b -> none, 0 left out");
}

#[test]
fn succinct_roles_send_a_target_to_its_bin() {
    for (listing, expected) in [("bins-6", "found in bins-6"), ("bins-7", "not found")] {
        let mut repo = Repo::new();
        let bits = BitLength::new(3).unwrap();
        repo.top().delegations = Some(Delegations {
            keys: keys(&[50]),
            roles: DelegatedRoles::Succinct(SuccinctRoles {
                keys: role_keys(&[50], 1),
                bit_length: bits,
                name_prefix: "bins".into(),
                extra: Object::default(),
            }),
            extra: Object::default(),
        });
        for bin in bits.bins() {
            let name = bits.role_name("bins", bin);
            repo.targets.insert(name.clone(), empty_targets());
            repo.signers.insert(name, vec![50]);
        }
        repo.add_target(listing, "foo.txt");
        repo.publish_delegations();
        let mut visit = Visit::refreshed(&repo);
        let found = match visit.search("foo.txt", &repo).unwrap() {
            Step::Found { chain, .. } => format!("found in {}", chain.role()),
            _ => "not found".into(),
        };
        assert_eq!(found, expected);
        assert_eq!(visit.requests, ["1.bins-6.json"]);
    }
}

#[test]
fn looks_into_so_many_roles_and_no_more() {
    let deep = "targets a *; a b *; b c *; targets d *";
    let wide = "targets a *; targets b *; targets c *; targets d *; a a *";
    for (edges, max_delegations, asked, left_out) in [
        (deep, 0, "", 1),
        (deep, 2, "1.a.json 1.b.json", 2),
        (deep, 3, "1.a.json 1.b.json 1.c.json", 1),
        (deep, 4, "1.a.json 1.b.json 1.c.json 1.d.json", 0),
        (wide, 2, "1.a.json 1.b.json", 1),
        (wide, 4, "1.a.json 1.b.json 1.c.json 1.d.json", 0),
    ] {
        let repo = build(edges, &[]);
        let mut visit = Visit::refreshed(&repo);
        visit.set = visit.set.with_limits(Limits { max_delegations, ..Limits::default() });
        assert_eq!(visit.search("x", &repo).unwrap(), Step::NotFound { left_out });
        assert_eq!(visit.requests.join(" "), asked);
    }
}

#[test]
fn the_top_level_role_can_be_asked_for_by_a_search() {
    let mut repo = Repo::new();
    repo.add_target("targets", "x");
    repo.publish_delegations();
    let mut visit = Visit::new(&repo.files);
    let file = |name: &str| repo.files[name].clone();
    visit.set.update_timestamp(file("timestamp.json"), Source::Fetched).unwrap();
    visit.set.update_snapshot(file("8.snapshot.json"), Source::Fetched).unwrap();
    assert!(matches!(visit.search("x", &repo).unwrap(), Step::Found { .. }));
    assert_eq!(visit.requests, ["3.targets.json"]);
}
