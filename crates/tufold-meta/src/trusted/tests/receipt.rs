use super::repo::{NOW, Repo, Visit, empty_targets, time, version};
use crate::{
    Error, Recall, Receipt, RoleChain, Source, Step, TargetFile, TargetSearch, TrustedSet,
};

/// The receipt of the repository's snapshot, as a client has it after a visit.
fn receipt(repo: &Repo) -> Receipt {
    let mut visit = Visit::new(&repo.files);
    visit.refresh(&super::repo::Files::new(), repo).unwrap();
    let receipt = visit.set.snapshot_receipt().unwrap();
    assert_eq!(receipt.to_string().parse(), Ok(receipt.clone()));
    receipt
}

/// A set with the timestamp, ready for the cached snapshot.
fn set_with_timestamp(repo: &Repo) -> TrustedSet {
    let mut set = TrustedSet::new(repo.files["1.root.json"].clone(), time(NOW)).unwrap();
    set.update_timestamp(repo.files["timestamp.json"].clone(), Source::Fetched).unwrap();
    set
}

/// A repository with some bins that list nothing and one that lists `path`.
fn with_bins() -> Repo {
    let mut repo = Repo::new();
    let mut file = empty_targets();
    file.targets.insert("path".into(), TargetFile::new(1, crate::Digest::of(b"1")));
    repo.top().targets = file.targets;
    repo.publish(&["targets"]);
    repo.release(&["snapshot", "timestamp"]);
    repo
}

#[test]
fn a_recalled_snapshot_lists_what_the_verified_one_does() {
    let repo = with_bins();
    let mut set = set_with_timestamp(&repo);
    let snapshot = repo.files["8.snapshot.json"].clone();
    let receipt = receipt(&repo);
    assert_eq!(set.recall_snapshot(snapshot.clone(), &receipt).unwrap(), Recall::Known);
    assert!(set.snapshot_request().unwrap().is_none());
    assert_eq!(set.snapshot_receipt(), Some(receipt));
    let mut verified = set_with_timestamp(&repo);
    verified.update_snapshot(snapshot, Source::Fetched).unwrap();
    let (recalled, verified) = (set.snapshot().unwrap(), verified.snapshot().unwrap());
    assert_eq!(
        (recalled.version(), recalled.expires(), recalled.bytes(), recalled.canonical()),
        (verified.version(), verified.expires(), verified.bytes(), verified.canonical())
    );
    assert!(recalled.names().eq(verified.names()));
    let request = set.targets_request(&RoleChain::top()).unwrap();
    set.update_targets(repo.files[&request.file_name].clone()).unwrap();
    let found = TargetSearch::new("path").step(&set).unwrap();
    assert!(matches!(found, Step::Found { .. }), "{found:?}");
    let chain = RoleChain::top().delegate("absent");
    let error = set.targets_request(&chain).unwrap_err();
    assert_eq!(error.to_string(), "absent.json is not listed in snapshot.json");
}

#[test]
fn a_receipt_is_of_one_file_one_role_and_one_set_of_keys() {
    let repo = with_bins();
    let good = receipt(&repo);
    let bytes = repo.files["8.snapshot.json"].clone();
    let unknown = |repo: &Repo, bytes: &[u8], receipt: &str| {
        let mut set = set_with_timestamp(repo);
        let recall = set.recall_snapshot(bytes.to_vec(), &receipt.parse().unwrap()).unwrap();
        assert_eq!(recall, Recall::Unknown, "{receipt}");
        assert!(set.snapshot_request().unwrap().is_some());
    };
    // Other bytes, even white space.
    unknown(&repo, &[&bytes[..], b"\n"].concat(), &good.to_string());
    // Other numbers than those that were digested.
    let text = good.to_string();
    let parts: Vec<&str> = text.split(' ').collect();
    for (place, other) in [(0, "9"), (1, "2099-01-01T00:00:00Z"), (2, "0"), (3, "99")] {
        let mut parts = parts.clone();
        parts[place] = other;
        unknown(&repo, &bytes, &parts.join(" "));
    }
    // Another key.
    let mut other = with_bins();
    other.rotate("snapshot", &[31], 1);
    other.publish(&["root", "snapshot", "timestamp"]);
    unknown(&other, &bytes, &text);
    for text in ["", "1", "0 2030-01-01T00:00:00Z 0 0 00", "1 now 0 0 00", "1 2 3 4 5 6"] {
        assert!(text.parse::<Receipt>().is_err(), "{text}");
    }
}

#[test]
fn what_changes_with_time_is_checked_again() {
    let mut repo = with_bins();
    let (old, bytes) = (receipt(&repo), repo.files["8.snapshot.json"].clone());
    // The repository moved on: the old snapshot is what the next must not fall behind.
    repo.top().version = version(2);
    repo.publish(&["targets"]);
    repo.release(&["snapshot", "timestamp"]);
    let mut set = set_with_timestamp(&repo);
    assert_eq!(set.recall_snapshot(bytes, &old).unwrap(), Recall::Known);
    let request = set.snapshot_request().unwrap().unwrap();
    let new = repo.files[&request.file_name].clone();
    let error = set.update_snapshot(new, Source::Fetched).unwrap_err();
    assert_eq!(error.to_string(), "targets.json went back from version 3 to 2");
    assert!(set.snapshot_request().unwrap().is_some());
}

#[test]
fn a_recalled_snapshot_expires() {
    let mut repo = with_bins();
    repo.snapshot.expires = time("2030-06-02T00:00:00Z");
    repo.release(&["snapshot", "timestamp"]);
    let (receipt, bytes) = (receipt(&repo), repo.files["9.snapshot.json"].clone());
    let later = time("2030-06-02T00:00:00Z");
    let mut set = TrustedSet::new(repo.files["1.root.json"].clone(), later).unwrap();
    set.update_timestamp(repo.files["timestamp.json"].clone(), Source::Fetched).unwrap();
    assert_eq!(set.recall_snapshot(bytes, &receipt).unwrap(), Recall::Known);
    assert!(set.snapshot_request().unwrap().is_some(), "it is asked for again");
}

#[test]
fn a_leaf_is_recalled_under_the_keys_of_its_delegator() {
    let repo = with_bins();
    let top = RoleChain::top();
    let mut visit = Visit::new(&repo.files);
    visit.refresh(&super::repo::Files::new(), &repo).unwrap();
    let set = &visit.set;
    let name = set.targets_request(&top).unwrap().file_name;
    let bytes = repo.files[&name].clone();
    let document = set.verify_delegated(&top, bytes.clone()).unwrap();
    let receipt = set.delegated_receipt(&top, &document).unwrap();
    assert_eq!(set.recall_delegated(&top, &bytes, &receipt).unwrap(), Recall::Known);
    let damaged = [&bytes[..], b" "].concat();
    assert_eq!(set.recall_delegated(&top, &damaged, &receipt).unwrap(), Recall::Unknown);
    let elsewhere = top.delegate("other");
    assert!(matches!(
        set.recall_delegated(&elsewhere, &bytes, &receipt),
        Err(Error::NotListed { .. })
    ));
}
