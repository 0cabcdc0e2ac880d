use super::repo::{Files, NOW, Repo, Visit, step, time, version};
use super::top_level::{Change, check_warm};
use crate::{Cache, Error, Outcome, Source, TrustedSet};

#[test]
fn recovers_from_fast_forward_once_the_keys_rotate() {
    let rows: &[(&str, Change, &str)] = &[
        (
            "timestamp",
            |repo| {
                repo.rotate("timestamp", &[21], 1);
                repo.timestamp.version = version(1);
                repo.release(&["root"]);
                repo.publish(&["timestamp"]);
            },
            "root 2, timestamp 1, snapshot 7, targets 3",
        ),
        (
            "timestamp and snapshot",
            |repo| {
                repo.rotate("timestamp", &[21], 1);
                repo.rotate("snapshot", &[31], 1);
                repo.snapshot.version = version(1);
                repo.release(&["root"]);
                repo.publish(&["snapshot"]);
                repo.release(&["timestamp"]);
            },
            "root 2, timestamp 6, snapshot 1, targets 3",
        ),
        (
            "targets, by the snapshot's key",
            |repo| {
                repo.rotate("snapshot", &[31], 1);
                repo.top().version = version(1);
                repo.release(&["root"]);
                repo.publish(&["targets"]);
                repo.release(&["snapshot", "timestamp"]);
            },
            "root 2, timestamp 6, snapshot 8, targets 1",
        ),
        (
            "one of two keys withdrawn, while the old files still reach the threshold",
            |repo| {
                repo.rotate("timestamp", &[2, 21], 1);
                repo.release(&["root"]);
                repo.rotate("timestamp", &[2], 1);
                repo.timestamp.version = version(1);
                repo.release(&["root"]);
                repo.publish(&["timestamp"]);
            },
            "root 3, timestamp 1, snapshot 7, targets 3",
        ),
        (
            "not when a key is merely added",
            |repo| {
                repo.rotate("timestamp", &[2, 21], 1);
                repo.timestamp.version = version(1);
                repo.release(&["root"]);
                repo.publish(&["timestamp"]);
            },
            "timestamp.json went back from version 5 to 1",
        ),
        (
            "nor when another role's key rotates",
            |repo| {
                repo.rotate("targets", &[41], 1);
                repo.timestamp.version = version(1);
                repo.release(&["root", "targets", "snapshot"]);
                repo.publish(&["timestamp"]);
            },
            "timestamp.json went back from version 5 to 1",
        ),
    ];
    for (name, change, expected) in rows {
        check_warm(name, *change, expected);
    }
}

#[test]
fn takes_nothing_from_the_cache_after_a_rotation() {
    let mut repo = Repo::new();
    let cache = repo.files.clone();
    repo.rotate("snapshot", &[3, 31], 1);
    repo.release(&["root"]);
    repo.rotate("snapshot", &[3], 1);
    repo.release(&["root"]);
    let mut set = Visit::new(&cache).set;
    let mut update = |n: &str| step(&mut set, |set| set.update_root(repo.files[n].clone()));
    assert_eq!(update("2.root.json").unwrap(), Cache::Valid);
    assert_eq!(update("3.root.json").unwrap(), Cache::Void);
    let bytes = || cache["timestamp.json"].clone();
    let error = step(&mut set, |set| set.update_timestamp(bytes(), Source::Cached)).unwrap_err();
    let expected = "timestamp.json in the cache is void since root.json version 3 withdrew a key";
    assert_eq!(error.to_string(), expected);
    set.update_timestamp(bytes(), Source::Fetched).unwrap();
    let bytes = cache["7.snapshot.json"].clone();
    let error = step(&mut set, |set| set.update_snapshot(bytes, Source::Cached)).unwrap_err();
    let expected = "snapshot.json in the cache is void since root.json version 3 withdrew a key";
    assert_eq!(error.to_string(), expected);
}

#[test]
fn an_expired_timestamp_from_the_cache_still_stops_a_rollback() {
    let mut repo = Repo::new();
    repo.timestamp.expires = time(NOW);
    repo.publish(&["timestamp"]);
    let bytes = repo.files["timestamp.json"].clone();
    let expired = "timestamp.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z";

    let mut set = Visit::new(&repo.files).set;
    let outcome = set.update_timestamp(bytes.clone(), Source::Cached).unwrap();
    assert_eq!(outcome, Outcome::New);
    assert_eq!(set.snapshot_request().unwrap_err().to_string(), expired);
    let snapshot = repo.files["7.snapshot.json"].clone();
    let error = step(&mut set, |set| set.update_snapshot(snapshot, Source::Cached)).unwrap_err();
    assert_eq!(error.to_string(), expired);
    // The repository has nothing newer: a freeze.
    let error = step(&mut set, |set| set.update_timestamp(bytes, Source::Fetched)).unwrap_err();
    assert_eq!(error.to_string(), expired);

    let cache = repo.files.clone();
    repo.timestamp.expires = repo.root.expires;
    repo.timestamp.version = version(4);
    repo.publish(&["timestamp"]);
    let error = Visit::new(&cache).refresh(&cache, &repo).unwrap_err();
    assert_eq!(error.to_string(), "timestamp.json went back from version 5 to 4");
}

#[test]
fn a_timestamp_is_refused_on_the_spot_if_it_or_the_last_root_has_expired() {
    let check = |repo: &Repo, expected: &str| {
        let root = repo.files["1.root.json"].clone();
        let mut set = TrustedSet::new(root, time(NOW)).unwrap();
        let bytes = repo.files["timestamp.json"].clone();
        let error = step(&mut set, |set| set.update_timestamp(bytes, Source::Fetched)).unwrap_err();
        assert_eq!(error.to_string(), expected);
        assert!(set.timestamp().is_none());
    };
    let mut repo = Repo::new();
    repo.timestamp.expires = time(NOW);
    repo.publish(&["timestamp"]);
    let expected = "timestamp.json expired at 2030-06-01T00:00:00Z, now is 2030-06-01T00:00:00Z";
    check(&repo, expected);
    repo.root.expires = time(NOW);
    repo.publish(&["root"]);
    check(&repo, &expected.replace("timestamp", "root"));
}

#[test]
fn fetches_only_what_the_cache_does_not_hold() {
    let mut repo = Repo::new();
    let cache = repo.files.clone();
    let check = |repo: &Repo, cache: &Files, expected: &str| {
        let mut visit = Visit::new(&repo.files);
        visit.refresh(cache, repo).unwrap();
        assert_eq!(visit.requests.join(" "), expected);
    };
    check(&repo, &Files::new(), "2.root.json timestamp.json 7.snapshot.json 3.targets.json");
    check(&repo, &cache, "2.root.json timestamp.json 3.targets.json");
    // The same version of the snapshot in other bytes, and the timestamp lists their hash.
    repo.hashes = true;
    repo.snapshot.spec_version = "1.0.33".into();
    repo.publish(&["snapshot"]);
    repo.release(&["timestamp"]);
    check(&repo, &cache, "2.root.json timestamp.json 7.snapshot.json 3.targets.json");
    // A cached snapshot that has expired is asked for again, in vain.
    repo.snapshot.expires = time(NOW);
    repo.publish(&["snapshot"]);
    repo.release(&["timestamp"]);
    let mut visit = Visit::new(&repo.files);
    let error = visit.refresh(&repo.files, &repo).unwrap_err();
    assert!(matches!(error, Error::Expired { file, .. } if file == "snapshot.json"));
    assert_eq!(visit.requests.join(" "), "2.root.json timestamp.json 7.snapshot.json");
}
