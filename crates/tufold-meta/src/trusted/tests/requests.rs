use super::repo::{Files, NOW, Repo, Visit, key, step, time, version};
use super::top_level::TARGETS_ON;
use crate::{Digest, Hashes, Limits, Role, RoleChain, Source, TargetFile, TrustedSet, sign};

#[test]
fn names_are_plain_without_consistent_snapshots() {
    for stated in [None, Some(false)] {
        let mut repo = Repo::new();
        repo.root.consistent_snapshot = stated;
        repo.release(&["root", "targets", "snapshot", "timestamp"]);
        let mut visit = Visit::new(&repo.files);
        visit.refresh(&Files::new(), &repo).unwrap();
        let expected = "2.root.json 3.root.json timestamp.json snapshot.json targets.json";
        assert_eq!(visit.requests.join(" "), expected);
        let file = TargetFile::new(0, Digest::of(b""));
        assert_eq!(visit.set.target_file_path("a/b", &file).unwrap(), "a/b");
    }
}

#[test]
fn target_files_are_named_by_a_hash_that_can_be_checked() {
    let set = Visit::new(&Repo::new().files).set;
    let mut file = TargetFile::new(0, Digest::of(b""));
    let expected = format!("a/{}.b", Digest::of(b""));
    assert_eq!(set.target_file_path("a/b", &file), Some(expected));
    file.hashes = Hashes::default();
    file.hashes.insert("sha512".into(), "cd".into());
    assert_eq!(set.target_file_path("a/b", &file).as_deref(), Some("a/cd.b"));
    file.hashes = Hashes::default();
    file.hashes.insert("unknown-hash".into(), "cd".into());
    assert_eq!(set.target_file_path("a/b", &file), None);
}

#[test]
fn lengths_are_those_listed_or_the_limits() {
    let limits = Limits { max_root_rotations: 2, ..Limits::default() };
    let mut repo = Repo::new();
    for _ in 0..3 {
        repo.release(&["root"]);
    }
    let mut set = Visit::new(&repo.files).set.with_limits(limits);
    for n in 2..=3 {
        let request = set.root_request().unwrap();
        assert_eq!(request.max_len_bytes, 512_000);
        assert_eq!(request.version, Some(version(n)));
        set.update_root(repo.files[&request.file_name].clone()).unwrap();
    }
    assert_eq!(set.root_request(), None);

    let lengths = |repo: &Repo| {
        let mut set = Visit::new(&repo.files).set;
        let timestamp = set.timestamp_request().unwrap();
        let bytes = repo.files[&timestamp.file_name].clone();
        set.update_timestamp(bytes, Source::Fetched).unwrap();
        let snapshot = set.snapshot_request().unwrap().unwrap();
        let bytes = repo.files[&snapshot.file_name].clone();
        set.update_snapshot(bytes, Source::Fetched).unwrap();
        let targets = set.targets_request(&RoleChain::top()).unwrap();
        [timestamp, snapshot, targets].map(|request| request.max_len_bytes)
    };
    assert_eq!(lengths(&repo), [16_384, 2_000_000, 5_000_000]);
    repo.hashes = true;
    repo.release(&TARGETS_ON);
    let len = |name: &str| repo.files[name].len() as u64;
    assert_eq!(lengths(&repo), [16_384, len("8.snapshot.json"), len("4.targets.json")]);
}

#[test]
fn the_last_root_version_has_no_successor() {
    let mut repo = Repo::new();
    repo.root.version = version(u64::MAX);
    let bytes = sign(&repo.root.to_canonical(), &[&key(1)]).unwrap();
    let mut set = TrustedSet::new(bytes.clone(), time(NOW)).unwrap();
    assert_eq!(set.root_request(), None);
    assert!(step(&mut set, |set| set.update_root(bytes)).is_err());
}
