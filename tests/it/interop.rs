//! What tufold publishes is read by clients that share no code with it: python-tuf, tough and
//! sigstore-tuf.
//!
//! `tests/interop/setup` makes these clients. Without them the tests are skipped, or fail if
//! TUFOLD_INTEROP=1.

mod canonical;
mod clients;
mod foreign;
mod protocol;
mod publisher;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use tempfile::tempdir;

use clients::{Answer, Client, Clients};
pub(crate) use clients::{Client as Peer, Clients as Peers};
use publisher::{FORKY, Layout, Repo, Row, SID, dataset_rows};

/// Looks up every one of `present` and `absent`; each answer must be right.
fn visit(
    clients: &Clients,
    client: Client,
    repo: &Repo,
    cache: &Path,
    present: &[Row],
    absent: &[&str],
) -> Answer {
    let paths = present.iter().map(|row| row.path.as_str()).chain(absent.iter().copied());
    let answer = clients.read(client, &repo.metadata(), &repo.root(), cache, paths);
    assert_found(&answer, present, absent);
    answer
}

fn assert_found(answer: &Answer, present: &[Row], absent: &[&str]) {
    for row in present {
        let found = answer.targets[&row.path].as_ref();
        let found = found.unwrap_or_else(|| panic!("{} was not found", row.path));
        assert_eq!((found.length, &found.sha256), (row.length, &row.sha256), "{}", row.path);
    }
    for path in absent {
        assert!(answer.targets[*path].is_none(), "{path} was found");
    }
}

/// Three states of one repository (first; targets came, changed and went; every role signed anew),
/// each visited by a client that has seen the states before and by one that has not.
fn check_visits(client: Client, layout: Layout, row_count: usize) {
    let Some(clients) = Clients::find() else { return };
    let (old, new) = (dataset_rows(FORKY, row_count), dataset_rows(SID, row_count));
    let new_paths: HashSet<&str> = new.iter().map(|row| row.path.as_str()).collect();
    let gone: Vec<&str> =
        old.iter().map(|row| row.path.as_str()).filter(|path| !new_paths.contains(path)).collect();
    assert!(gone.len() > 5, "the two lists hardly differ");
    let warm = tempdir().expect("a temporary folder");
    let cold_visit = |repo: &Repo, present: &[Row], absent: &[&str]| {
        let cold = tempdir().expect("a temporary folder");
        visit(clients, client, repo, cold.path(), present, absent)
    };
    let absent = ["absent.deb", "pool/main/0/0ad/absent.deb"];

    let repo = Repo::init(&old, layout);
    let first = visit(clients, client, &repo, warm.path(), &old, &absent);
    assert!(first.versions.values().all(|version| *version == 1), "{:?}", first.versions);

    repo.publish(&new);
    let second = visit(clients, client, &repo, warm.path(), &new, &gone);
    assert_eq!(cold_visit(&repo, &new, &gone).versions, second.versions);
    assert_newer(&second, &first, &["timestamp", "snapshot"]);

    repo.refresh_all_with_deltas();
    let third = visit(clients, client, &repo, warm.path(), &new, &gone);
    assert_eq!(cold_visit(&repo, &new, &gone).versions, third.versions);
    assert_newer(&third, &second, &["timestamp", "snapshot", "targets"]);
}

fn assert_newer(new: &Answer, old: &Answer, roles: &[&str]) {
    assert_eq!(new.versions["root"], old.versions["root"]);
    for role in roles {
        assert!(new.versions[*role] > old.versions[*role], "{role} is no newer");
    }
}

#[test]
fn python_tuf_reads_succinct_bins() {
    for snapshot in ["versions", "hashes"] {
        check_visits(Client::PythonTuf, Layout::bins("bins-succinct", 64, snapshot), 3_000);
    }
}

#[test]
fn python_tuf_reads_prefix_bins() {
    for snapshot in ["versions", "hashes"] {
        check_visits(Client::PythonTuf, Layout::bins("bins-prefixes", 64, snapshot), 3_000);
    }
}

/// A plain web server looks for a role's file under its unquoted name, a client of `file:` URLs
/// under the quoted one: only role names that need no quoting suit both.
#[test]
fn every_client_reads_the_forms_without_bins() {
    for form in ["flat", "projects-listed", "projects-wildcard"] {
        for client in [Client::PythonTuf, Client::Tough, Client::SigstoreTuf] {
            check_visits(client, Layout::without_bins(form, "versions"), 400);
        }
    }
}

// tough looks at every bin for every target, hence few of both.
#[test]
fn tough_reads_prefix_bins() {
    for snapshot in ["versions", "hashes"] {
        check_visits(Client::Tough, Layout::bins("bins-prefixes", 16, snapshot), 500);
    }
}

#[test]
fn sigstore_tuf_reads_prefix_bins() {
    for snapshot in ["versions", "hashes"] {
        check_visits(Client::SigstoreTuf, Layout::bins("bins-prefixes", 16, snapshot), 500);
    }
}

/// Eight prefixes a bin, two, one, and bins of two digits.
#[test]
fn every_client_reads_every_count_of_bins() {
    let Some(clients) = Clients::find() else { return };
    let rows = dataset_rows(FORKY, 100);
    for bins in [2, 8, 32, 128] {
        for client in [Client::PythonTuf, Client::Tough, Client::SigstoreTuf] {
            let repo = Repo::init(&rows, Layout::bins("bins-prefixes", bins, "versions"));
            let cache = tempdir().expect("a temporary folder");
            visit(clients, client, &repo, cache.path(), &rows, &["absent.deb"]);
        }
        let repo = Repo::init(&rows, Layout::bins("bins-succinct", bins, "versions"));
        let cache = tempdir().expect("a temporary folder");
        visit(clients, Client::PythonTuf, &repo, cache.path(), &rows, &["absent.deb"]);
    }
}

/// A client that does not know TAP 15 must fail to read succinct bins, not read something else.
#[test]
fn clients_without_tap_15_find_nothing_in_succinct_bins() {
    let Some(clients) = Clients::find() else { return };
    let rows = dataset_rows(FORKY, 100);
    let repo = Repo::init(&rows, Layout::bins("bins-succinct", 16, "versions"));
    let cache = tempdir().expect("a temporary folder");

    // sigstore-tuf says of every target that there is none; tough refuses the whole repository.
    let paths: Vec<&str> = rows.iter().map(|row| row.path.as_str()).collect();
    visit(clients, Client::SigstoreTuf, &repo, &cache.path().join("sigstore"), &[], &paths);
    let refused = clients.read_error(Client::Tough, &repo.metadata(), &repo.root(), cache.path());
    assert!(refused.contains("missing field `roles`"), "{refused}");
}

/// The requests of a visit are those that the TUF client workflow needs, under their
/// consistent-snapshot names.
#[test]
fn clients_need_no_other_requests() {
    let Some(clients) = Clients::find() else { return };
    let rows = dataset_rows(FORKY, 300);
    for (form, client, roles) in [
        ("bins-succinct", Client::PythonTuf, &["1.targets.json"][..]),
        ("bins-prefixes", Client::PythonTuf, &["1.targets.json", "1.bins.json"]),
        ("bins-prefixes", Client::SigstoreTuf, &["1.targets.json", "1.bins.json"]),
    ] {
        let repo = Repo::init(&rows, Layout::bins(form, 16, "versions"));
        let cache = tempdir().expect("a temporary folder");
        let cold = visit(clients, client, &repo, cache.path(), &rows[..1], &[]);
        let names: Vec<&str> = cold.requests.iter().map(|request| request.path.as_str()).collect();
        let (bin, before) = names.split_last().expect("requests");
        let workflow = ["2.root.json", "timestamp.json", "1.snapshot.json"];
        assert_eq!(before, [&workflow[..], roles].concat(), "{form}");
        assert!(bin.starts_with("1.bins-"), "{bin}");
        assert_eq!(cold.requests[0].bytes, None, "there is no second root");

        // sigstore-tuf never takes a delegated role from its cache.
        let expected = match client {
            Client::SigstoreTuf => [&workflow[..2], &roles[1..], &[*bin]].concat(),
            _ => workflow[..2].to_vec(),
        };
        let warm = visit(clients, client, &repo, cache.path(), &rows[..1], &[]);
        let names: Vec<&str> = warm.requests.iter().map(|request| request.path.as_str()).collect();
        assert_eq!(names, expected, "{form}, nothing new");
    }
}

#[test]
fn awkward_target_paths_survive() {
    let Some(clients) = Clients::find() else { return };
    let rows: Vec<Row> = [
        "with space.txt",
        "quote\".txt",
        "100%25.txt",
        "query?x=1#y",
        "nfc-\u{e9}.txt",
        "nfd-e\u{301}.txt",
        "hangul-\u{1112}\u{1161}\u{11ab}",
        "line\u{2028}separator",
        "private-\u{e000}",
        "astral-\u{1f980}",
    ]
    .into_iter()
    .zip(1..)
    .map(|(path, length)| Row { path: path.to_owned(), length, sha256: format!("{length:064x}") })
    .collect();

    for (client, form) in [
        (Client::PythonTuf, "bins-succinct"),
        (Client::PythonTuf, "bins-prefixes"),
        (Client::SigstoreTuf, "bins-prefixes"),
    ] {
        let repo = Repo::init(&rows, Layout::bins(form, 4, "hashes"));
        let cache = tempdir().expect("a temporary folder");
        visit(clients, client, &repo, cache.path(), &rows, &["nfd-\u{e9}.txt", "nfc-e\u{301}.txt"]);
    }

    // tough normalises before it verifies: one path that is not NFC and it can read nothing.
    let repo = Repo::init(&rows, Layout::bins("bins-prefixes", 4, "hashes"));
    let cache = tempdir().expect("a temporary folder");
    let refused = clients.read_error(Client::Tough, &repo.metadata(), &repo.root(), cache.path());
    assert!(refused.contains("Signature threshold"), "{refused}");
    let normal: Vec<Row> = rows
        .into_iter()
        .filter(|row| !row.path.contains('\u{301}') && !row.path.contains('\u{1161}'))
        .collect();
    let repo = Repo::init(&normal, Layout::bins("bins-prefixes", 4, "hashes"));
    let cache = tempdir().expect("a temporary folder");
    visit(clients, Client::Tough, &repo, cache.path(), &normal, &["nfd-e\u{301}.txt"]);
}

/// python-tuf, given the same targets and layout, writes no smaller files.
#[test]
fn files_are_no_larger_than_python_tufs() {
    /// What the advertisement of deltas may cost the timestamp.
    const ADVERTISEMENT_BYTES: u64 = 32;

    let Some(clients) = Clients::find() else { return };
    let rows = dataset_rows(FORKY, 3_000);
    for layout in [
        Layout::without_bins("flat", "versions"),
        Layout::bins("bins-succinct", 64, "versions"),
        Layout::bins("bins-succinct", 64, "hashes"),
        Layout::bins("bins-prefixes", 64, "versions"),
        Layout::bins("bins-prefixes", 128, "hashes"),
    ] {
        let repo = Repo::init(&rows, layout);
        let theirs = clients.python(
            "compact_size.py",
            [
                repo.targets_file().as_os_str(),
                layout.form.as_ref(),
                layout.bins.unwrap_or(1).to_string().as_ref(),
                layout.snapshot.as_ref(),
                repo.root().as_os_str(),
            ],
            "",
        );
        let theirs: BTreeMap<String, u64> = serde_json::from_str(&theirs).expect("sizes");
        let ours = repo.role_sizes();
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{layout:?}: other roles"
        );
        for (role, len) in ours {
            let allowance = if role == "timestamp" { ADVERTISEMENT_BYTES } else { 0 };
            let limit = theirs[&role] + allowance;
            assert!(len <= limit, "{layout:?}: {role} has {len} B, python-tuf's {limit}");
        }
    }
}
