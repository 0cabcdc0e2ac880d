//! The deltas that publishes write: each rebuilds exactly what was published, from what was.

use std::borrow::Cow;
use std::collections::BTreeMap;

use tufold_delta::{Edge, Ladder, Limits, apply};
use tufold_meta::names::{DeltaName, versioned_file_name};
use tufold_meta::{
    BitLength, Bundle, Envelope, Prediction, RoleChanges, Snapshot, Version, assemble,
    canonical_parts,
};
use tufold_repo::Input;
use tufold_repo::check::Strictness;
use tufold_repo::settings::RoleKind;
use tufold_store::{DirectoryStore, Store};
use tufold_tests::{TestRepo, after, changes, list, put, remove};

const LAYOUTS: [&str; 7] = [
    "flat versions",
    "projects-listed versions",
    "projects-wildcard hashes",
    "bins-succinct:4 versions",
    "bins-succinct:4 hashes",
    "bins-prefixes:4 versions",
    "bins-prefixes:4 hashes",
];

/// Every file that ever was, by its name below `public/`.
type Archive = BTreeMap<String, Vec<u8>>;

/// Publishes `count` times, with prunes in between, and keeps every file.
fn run(layout: &str, ladder: &str, count: u64) -> (TestRepo, Archive) {
    let ladder = ladder.parse().expect("a ladder");
    let repo = TestRepo::planned(layout).lifetime(RoleKind::Bins, "3650d").ladder(Some(ladder));
    let paths: Vec<String> = (0..40).map(|n| format!("packages/{n}.tar.gz")).collect();
    repo.try_init(list(paths.iter().map(String::as_str))).expect("an init");
    let mut archive = public_files(&repo);
    for publish in 1..=count {
        let path = format!("packages/new-{publish}.whl");
        let old = format!("packages/{}.tar.gz", publish % 40);
        let mut rows = vec![put(&path, &path), put(&old, &path)];
        if publish > 1 {
            rows.push(remove(&format!("packages/new-{}.whl", publish - 1)));
        }
        let refresh: &[&str] = if publish % 5 == 0 { &["all"] } else { &[] };
        let now = after(&format!("{publish}h"));
        let published = repo.publish(changes(rows), refresh, now);
        let cost = published.deltas.expect("deltas are on");
        assert_eq!((cost.without_base, cost.declined), (0, 0), "{layout} at {publish}");
        archive.extend(public_files(&repo));
        if publish % 3 == 0 {
            repo.prune("1h", now).expect("a prune");
        }
    }
    (repo, archive)
}

fn public_files(repo: &TestRepo) -> Archive {
    let store = DirectoryStore::open(repo.path().join("public")).expect("a store");
    let entries = store.list("").expect("a list");
    let read = |name: &str| store.get(name, u64::MAX).expect("a file").expect("a file");
    entries.into_iter().map(|entry| (entry.name.clone(), read(&entry.name))).collect()
}

fn metadata<'a>(archive: &'a Archive, role: &str, version: u64) -> Option<&'a [u8]> {
    let file = versioned_file_name(role, Version::new(version)?);
    archive.get(&format!("metadata/{file}")).map(Vec::as_slice)
}

/// Applies the edge of a document and compares the file that comes of it.
fn check_document(archive: &Archive, name: &str, role: &str, from: u64, to: u64) {
    let new = metadata(archive, role, to).expect("the new version");
    let (_, signatures) = canonical_parts(new).expect("good data");
    let keyids: Vec<_> = signatures.iter().map(|signature| signature.keyid.clone()).collect();
    let take = |name: &str| {
        let mut bytes = archive[name].as_slice();
        (Envelope::take(&mut bytes, &keyids).expect("good data"), bytes)
    };
    let (envelope, bytes) = take(name);
    // A longer edge of the snapshot leaves them to the step.
    assert_eq!(envelope.is_none(), role == "snapshot" && from > 0 && to - from > 1, "{name}");
    let step = || take(&format!("deltas/snapshot/{}-{to}", to - 1)).0;
    let envelope = envelope.or_else(step).expect("signatures");
    let base = (from > 0).then(|| metadata(archive, role, from).expect("the old version"));
    let base = base.map(|base| canonical_parts(base).expect("good data").0);
    let signed = apply(base.as_deref(), bytes, &Limits::default()).expect("good data");
    assert_eq!(assemble(&signed, envelope.signatures()), new, "{name}");
}

/// Rebuilds a repository by a bundle and compares every file.
fn check_bundle(archive: &Archive, name: &str, from: u64, to: u64) {
    let snapshot = |version| {
        let file = metadata(archive, "snapshot", version).expect("a snapshot");
        let parsed: Snapshot = serde_json::from_slice(&canonical_parts(file).expect("good data").0)
            .expect("good data");
        (file, parsed)
    };
    let (old_file, old) = snapshot(from);
    let (new_file, new) = snapshot(to);
    let held = |role: &str| {
        let file = match role {
            "snapshot" => Some(old_file),
            role => {
                let listed = old.meta.get(&format!("{role}.json"))?;
                metadata(archive, role, listed.version.get())
            }
        };
        file.map(Cow::Borrowed)
    };
    let bundle = Bundle::parse(&archive[name]).expect("good data");
    let (old_signed, _) = canonical_parts(old_file).expect("good data");
    let limits = Limits::default();
    let outline = apply(Some(&old_signed), bundle.outline, &limits).expect("good data");
    let changes = RoleChanges::between(&old_signed, outline).expect("good data");
    let before = changes.flatten_old(Prediction::Touched, &held).expect("good data");
    let after = apply(Some(&before), bundle.roles, &limits).expect("good data");
    let rebuilt = changes.rebuild(&after, &held).expect("good data");
    assert_eq!(rebuilt.snapshot, new_file, "{name}");
    let changed = new.meta.iter().filter(|(role, file)| old.meta.get(*role) != Some(file));
    assert_eq!(rebuilt.roles.len(), changed.count(), "{name}");
    for (role, version, file) in &rebuilt.roles {
        assert_eq!(Some(file.as_slice()), metadata(archive, role, version.get()), "{name} {role}");
    }
}

#[test]
fn every_delta_rebuilds_what_was_published() {
    for layout in LAYOUTS {
        let (_repo, archive) = run(layout, "pow2:8", 20);
        let mut seen = BTreeMap::new();
        for name in archive.keys().filter(|name| name.starts_with("deltas/")) {
            let parsed = DeltaName::parse_path(name).expect("a delta's name");
            let (from, to) = (parsed.from().map_or(0, Version::get), parsed.to().get());
            if name.starts_with("deltas/mirror/") {
                check_bundle(&archive, name, from, to);
            } else {
                check_document(&archive, name, parsed.role(), from, to);
            }
            *seen.entry(name.split('/').nth(1).unwrap().to_owned()).or_insert(0) += 1;
        }
        // Twenty publishes: the steps, every second two, every fourth four and every eighth eight back. There is
        // no version 0, so the longest edge of versions 2, 4 and 8 does not exist.
        let of_ladder: usize =
            (1..=21).map(|to| Ladder::Pow2 { horizon: 8 }.writes(to).len()).sum();
        assert_eq!(seen["mirror"], of_ladder, "{layout}");
        assert_eq!(seen["snapshot"], of_ladder + 21, "{layout}");
    }
}

#[test]
fn every_reader_within_the_horizon_has_a_path() {
    for ladder in ["pow2:8", "climb:8", "chain:8", "direct:8"] {
        let (repo, archive) = run("bins-succinct:4 versions", ladder, 20);
        let ladder: Ladder = ladder.parse().unwrap();
        let public = public_files(&repo);
        for from in 13..21 {
            for Edge { from, to } in ladder.path(from, 21).expect("a path") {
                for kind in ["snapshot", "mirror"] {
                    let name = format!("deltas/{kind}/{from}-{to}");
                    assert!(public.contains_key(&name), "{ladder}: {name}");
                }
            }
        }
        assert!(archive.len() > public.len(), "something was pruned");
        // The last prune was at snapshot 19.
        let of_snapshot = |name: &&String| {
            name.starts_with("deltas/mirror/") || name.starts_with("deltas/snapshot/")
        };
        for name in public.keys().filter(of_snapshot) {
            let parsed = DeltaName::parse_path(name).expect("a delta's name");
            let (from, to) = (parsed.from().map_or(0, Version::get), parsed.to().get());
            let used = ladder.keeps(Edge { from, to }, 19) || (from == 0 && to >= 18) || to > 19;
            assert!(used, "{ladder}: {name}");
        }
    }
}

#[test]
fn the_timestamp_advertises_the_ladder_and_nothing_else_changes() {
    let repo = TestRepo::planned("bins-succinct:4 versions");
    repo.try_init(list(["a", "b"])).unwrap();
    let advertised = || {
        let bytes = std::fs::read(repo.metadata().join("timestamp.json")).unwrap();
        let (signed, _) = canonical_parts(&bytes).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&signed).unwrap();
        value.get("x-tufold-deltas").map(ToString::to_string)
    };
    assert_eq!(advertised(), None);
    repo.publish_with_ladder("pow2:64", Input::Nothing, after("1h"));
    assert_eq!(advertised().as_deref(), Some("\"pow2:64\""));
    let published = repo.publish(changes([put("c", "c")]), &[], after("2h"));
    assert!(published.deltas.unwrap().files > 0);
    repo.publish_with_ladder("off", Input::Nothing, after("3h"));
    assert_eq!(advertised(), None);
    let published = repo.publish(changes([put("d", "d")]), &[], after("4h"));
    assert_eq!(published.deltas, None);
}

/// What an interrupted publish may leave when its documents are lost and a delta is not.
#[test]
fn a_role_whose_edge_has_a_foreign_name_takes_the_next_version() {
    for layout in ["bins-succinct:4 versions", "bins-prefixes:4 hashes"] {
        let ladder = "pow2:8".parse().unwrap();
        let repo = TestRepo::planned(layout).ladder(Some(ladder));
        let paths: Vec<String> = (0..40).map(|n| format!("packages/{n}.tar.gz")).collect();
        repo.try_init(list(paths.iter().map(String::as_str))).unwrap();
        let bin = BitLength::new(2).unwrap();
        let role = bin.role_name("bins", bin.bin(&paths[0]));
        let name = format!("deltas/roles/{role}/1-2");
        let store = DirectoryStore::open(repo.path().join("public")).unwrap();
        store.create(&name, b"left").unwrap();

        let published =
            repo.publish(changes(paths.iter().map(|p| put(p, "new"))), &[], after("1h"));
        assert_eq!(
            published.summary.snapshot_version,
            Some(3),
            "the second one lists what is not used"
        );
        assert!(repo.check(after("1h"), Strictness::Usual).is_sound(), "{layout}");
        let archive = public_files(&repo);
        // The number that was spent stands for the version before it.
        check_document(&archive, &format!("deltas/roles/{role}/2-3"), &role, 1, 3);
        for other in bin.bins().map(|other| bin.role_name("bins", other)).filter(|r| *r != role) {
            check_document(&archive, &format!("deltas/roles/{other}/1-2"), &other, 1, 2);
        }
        assert!(archive.contains_key("deltas/snapshot/2-3"), "{layout}");
        check_bundle(&archive, "deltas/mirror/2-3", 1, 3);
    }
}
