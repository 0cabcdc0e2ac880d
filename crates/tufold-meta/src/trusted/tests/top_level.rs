use super::repo::{Files, NOW, Repo, Visit, key, role_keys, time, version};
use crate::{Digest, Hashes, KeyId, MetaFile, Role, TrustedSet, assemble, sign};

pub(super) type Change = fn(&mut Repo);

pub(super) const TARGETS_ON: [&str; 3] = ["targets", "snapshot", "timestamp"];

/// A client that knows the repository as it was visits it after a change.
pub(super) fn check_warm(name: &str, change: Change, expected: &str) {
    let mut repo = Repo::new();
    check(&repo.files.clone(), &mut repo, name, change, expected);
}

/// The same without a cache.
fn check_cold(name: &str, change: Change, expected: &str) {
    check(&Files::new(), &mut Repo::new(), name, change, expected);
}

/// `expected` is the versions that are trusted in the end, or the error.
fn check(cache: &Files, repo: &mut Repo, name: &str, change: Change, expected: &str) {
    let trusted = repo.files.clone();
    change(repo);
    let mut visit = Visit::new(&trusted);
    let found = match visit.refresh(cache, repo) {
        Ok(()) => visit.versions(),
        Err(error) => error.to_string(),
    };
    assert_eq!(found, expected, "{name}");
}

#[test]
fn follows_the_repository() {
    let rows: &[(&str, Change, &str)] = &[
        ("nothing new", |_| {}, "root 1, timestamp 5, snapshot 7, targets 3"),
        (
            "new targets",
            |repo| repo.release(&TARGETS_ON),
            "root 1, timestamp 6, snapshot 8, targets 4",
        ),
        (
            "several roots, each with another key",
            |repo| {
                for n in [11, 12, 13] {
                    let old = repo.signers["root"][0];
                    repo.rotate("root", &[n], 1);
                    repo.signers.insert("root".into(), vec![n, old]);
                    repo.release(&["root"]);
                }
            },
            "root 4, timestamp 5, snapshot 7, targets 3",
        ),
        (
            "an expired root before another",
            |repo| {
                let expires = repo.root.expires;
                repo.root.expires = time(NOW);
                repo.release(&["root"]);
                repo.root.expires = expires;
                repo.release(&["root"]);
            },
            "root 3, timestamp 5, snapshot 7, targets 3",
        ),
        (
            "more keys than the threshold asks for, and junk signatures",
            |repo| {
                repo.rotate("timestamp", &[21, 22, 23], 2);
                repo.signers.insert("timestamp".into(), vec![29, 23, 21]);
                repo.release(&["root", "timestamp"]);
            },
            "root 2, timestamp 6, snapshot 7, targets 3",
        ),
        (
            "a timestamp that says something else under the same version",
            |repo| {
                repo.timestamp.snapshot = MetaFile::version_only(version(100));
                repo.publish(&["timestamp"]);
            },
            "root 1, timestamp 5, snapshot 7, targets 3",
        ),
        (
            "lengths and hashes",
            |repo| {
                repo.hashes = true;
                repo.release(&TARGETS_ON);
            },
            "root 1, timestamp 6, snapshot 8, targets 4",
        ),
    ];
    for (name, change, expected) in rows {
        check_warm(name, *change, expected);
    }
}

#[test]
fn refuses_a_root_that_breaks_the_chain() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "signed by the old key only",
            |repo| {
                repo.rotate("root", &[11], 1);
                repo.signers.insert("root".into(), vec![1]);
                repo.release(&["root"]);
            },
            "root.json: 0 of 1 required signatures are good, going by itself",
        ),
        (
            "signed by the new key only",
            |repo| {
                repo.rotate("root", &[11], 1);
                repo.release(&["root"]);
            },
            "root.json: 0 of 1 required signatures are good, going by root.json version 1",
        ),
        (
            "a version skipped",
            |repo| {
                repo.root.version = version(3);
                let bytes = sign(&repo.root.to_canonical(), &[&key(1)]).unwrap();
                repo.put("root", version(2), bytes);
            },
            "root.json has version 3, expected 2",
        ),
        (
            "the same version again",
            |repo| {
                let bytes = repo.files["1.root.json"].clone();
                repo.put("root", version(2), bytes);
            },
            "root.json has version 1, expected 2",
        ),
        (
            "an older version",
            |repo| {
                repo.release(&["root"]);
                let bytes = repo.files["1.root.json"].clone();
                repo.put("root", version(3), bytes);
            },
            "root.json went back from version 2 to 1",
        ),
        (
            "an expired one at the end",
            |repo| {
                repo.root.expires = time(NOW);
                repo.release(&["root"]);
            },
            "root.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z",
        ),
        (
            "one key under two names",
            |repo| {
                let alias = KeyId::from("alias".to_owned());
                repo.root.keys.insert(alias.clone(), key(1).public().clone());
                let mut role = role_keys(&[1], 2);
                role.keyids.push(alias.clone());
                repo.root.roles.insert("root".into(), role);
                repo.root.version = version(2);
                let canonical = repo.root.to_canonical();
                let signature = key(1).sign(&canonical).unwrap();
                let mut again = signature.clone();
                again.keyid = alias;
                repo.put("root", version(2), assemble(&canonical, &[signature, again]));
            },
            "root.json: 1 of 2 required signatures are good, going by itself",
        ),
        (
            "too few keys for the threshold",
            |repo| {
                repo.rotate("root", &[1, 11], 3);
                repo.release(&["root"]);
            },
            "root.json: 2 of 3 required signatures are good, going by itself",
        ),
        (
            "one signature twice",
            |repo| {
                repo.root.version = version(2);
                let canonical = repo.root.to_canonical();
                let signature = key(1).sign(&canonical).unwrap();
                let bytes = assemble(&canonical, &[signature.clone(), signature]);
                repo.put("root", version(2), bytes);
            },
            "root.json cannot be read: key id \
             KEYID signed twice",
        ),
    ];
    for (name, change, expected) in rows {
        let expected = expected.replace("KEYID", key(1).id().as_str());
        check_warm(name, *change, &expected);
        check_cold(name, *change, &expected);
    }
}

#[test]
fn refuses_an_initial_root_that_does_not_vouch_for_itself() {
    let repo = Repo::new();
    let check = |bytes: Vec<u8>, expected: &str| {
        let error = TrustedSet::new(bytes, time(NOW)).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let canonical = repo.root.to_canonical();
    check(
        sign(&canonical, &[&key(2)]).unwrap(),
        "root.json: 0 of 1 required signatures are good, going by itself",
    );
    check(Vec::new(), "root.json cannot be read: EOF while parsing a value at line 1 column 0");
}

#[test]
fn refuses_a_timestamp_that_breaks_a_rule() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "rolled back",
            |repo| {
                repo.timestamp.version = version(4);
                repo.publish(&["timestamp"]);
            },
            "timestamp.json went back from version 5 to 4",
        ),
        (
            "its snapshot rolled back",
            |repo| {
                repo.snapshot.version = version(6);
                repo.publish(&["snapshot"]);
                repo.release(&["timestamp"]);
            },
            "snapshot.json went back from version 7 to 6",
        ),
        (
            "expired",
            |repo| {
                repo.timestamp.expires = time("2030-05-31T23:59:59Z");
                repo.release(&["timestamp"]);
            },
            "timestamp.json expired at 2030-05-31T23:59:59Z, now is 2030-06-01T00:00:00Z",
        ),
        (
            "not signed by its key",
            |repo| {
                repo.signers.insert("timestamp".into(), vec![3]);
                repo.release(&["timestamp"]);
            },
            "timestamp.json: 0 of 1 required signatures are good, going by root.json",
        ),
        (
            "a snapshot in its place",
            |repo| {
                repo.rotate("snapshot", &[2], 1);
                repo.snapshot.meta =
                    [("snapshot.json".to_owned(), MetaFile::version_only(version(7)))].into();
                repo.release(&["root", "snapshot"]);
                let bytes = repo.files["8.snapshot.json"].clone();
                repo.put("timestamp", version(6), bytes);
            },
            "timestamp.json cannot be read: _type is \"snapshot\", expected \"timestamp\"",
        ),
        (
            "missing",
            |repo| drop(repo.files.remove("timestamp.json")),
            "timestamp.json cannot be read: EOF while parsing a value at line 1 column 0",
        ),
    ];
    for (name, change, expected) in rows {
        check_warm(name, *change, expected);
    }
}

#[test]
fn refuses_a_snapshot_that_breaks_a_rule() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "another version than the timestamp lists",
            |repo| {
                repo.release(&["snapshot"]);
                let bytes = repo.files["8.snapshot.json"].clone();
                repo.put("snapshot", version(9), bytes);
                repo.release(&["timestamp"]);
            },
            "snapshot.json has version 8, expected 9",
        ),
        (
            "another hash",
            |repo| {
                repo.hashes = true;
                repo.release(&["snapshot"]);
                let other = Digest::from_bytes([0xab; 32]);
                repo.timestamp.snapshot.hashes = Some(Hashes::sha256_only(other));
                repo.release(&["timestamp"]);
            },
            "snapshot.json has other bytes: sha256 is \
             HASH, \
             expected abababababababababababababababababababababababababababababababab",
        ),
        (
            "another length",
            |repo| {
                repo.release(&["snapshot"]);
                repo.timestamp.snapshot.length = Some(10);
                repo.release(&["timestamp"]);
            },
            "snapshot.json is LENGTH bytes long, expected 10",
        ),
        (
            "not signed by its key",
            |repo| {
                repo.signers.insert("snapshot".into(), vec![2]);
                repo.release(&["snapshot", "timestamp"]);
            },
            "snapshot.json: 0 of 1 required signatures are good, going by root.json",
        ),
        (
            "below the threshold",
            |repo| {
                repo.rotate("snapshot", &[3, 31, 32], 3);
                repo.signers.insert("snapshot".into(), vec![3, 32]);
                repo.release(&["root", "snapshot", "timestamp"]);
            },
            "snapshot.json: 2 of 3 required signatures are good, going by root.json",
        ),
        (
            "targets rolled back",
            |repo| {
                repo.top().version = version(2);
                repo.publish(&["targets"]);
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json went back from version 3 to 2",
        ),
        (
            "a role vanished",
            |repo| {
                repo.snapshot.meta.clear();
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json is no longer listed in snapshot.json",
        ),
        (
            "expired",
            |repo| {
                repo.snapshot.expires = time(NOW);
                repo.release(&["snapshot", "timestamp"]);
            },
            "snapshot.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z",
        ),
    ];
    for (name, change, expected) in rows {
        let mut repo = Repo::new();
        change(&mut repo);
        let bytes = repo.files.get("8.snapshot.json").cloned().unwrap_or_default();
        let expected = expected
            .replace("HASH", &Digest::of(&bytes).to_string())
            .replace("LENGTH", &bytes.len().to_string());
        check_warm(name, *change, &expected);
    }
}

#[test]
fn refuses_targets_that_break_a_rule() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "another version than the snapshot lists",
            |repo| {
                let bytes = repo.files["3.targets.json"].clone();
                repo.put("targets", version(4), bytes);
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json has version 3, expected 4",
        ),
        (
            "another length",
            |repo| {
                repo.snapshot.meta.get_mut("targets.json").unwrap().length = Some(0);
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json is LENGTH bytes long, expected 0",
        ),
        (
            "another hash",
            |repo| {
                let other = Digest::from_bytes([0xab; 32]);
                repo.snapshot.meta.get_mut("targets.json").unwrap().hashes =
                    Some(Hashes::sha256_only(other));
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json has other bytes: sha256 is \
             HASH, \
             expected abababababababababababababababababababababababababababababababab",
        ),
        (
            "not signed by its key",
            |repo| {
                repo.signers.insert("targets".into(), vec![1, 2, 3]);
                repo.release(&TARGETS_ON);
            },
            "targets.json: 0 of 1 required signatures are good, going by root.json",
        ),
        (
            "expired",
            |repo| {
                repo.top().expires = time(NOW);
                repo.release(&TARGETS_ON);
            },
            "targets.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z",
        ),
        (
            "not listed",
            |repo| {
                repo.snapshot.meta.clear();
                repo.release(&["snapshot", "timestamp"]);
            },
            "targets.json is not listed in snapshot.json",
        ),
    ];
    for (name, change, expected) in rows {
        let bytes = Repo::new().files["3.targets.json"].clone();
        let expected = expected
            .replace("HASH", &Digest::of(&bytes).to_string())
            .replace("LENGTH", &bytes.len().to_string());
        check_cold(name, *change, &expected);
    }
}
