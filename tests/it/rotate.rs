//! Rotations of keys: every client follows each step, wherever a rotation stops.

mod ceremony;
mod command;
mod recovery;
mod signer;
pub(crate) mod stops;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tufold_meta::{SigningKey, Time};
use tufold_repo::check::{Strictness, check};
use tufold_repo::settings::{Lifetimes, RoleKind, Settings, parse_ladder};
use tufold_repo::{
    KeyRequest, NewKeys, NewRepository, Publisher, Repository, RotateRequest, Rotated, Rotator,
};
use tufold_sync::{Client, DeltaUse, Limits};
use tufold_tests::{Ledger, Visitor, files_of, layout, list, put, scratch};

use crate::interop::{Peer, Peers};

const PATHS: [&str; 4] = ["a/one", "a/two", "b/three", "foo.txt"];

/// ECDSA P-256.
const ECDSA: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgBlLg8WfC14S/kQ78
NQZYQSJFwbe50g+crjNALFleSJuhRANCAAQAsfGWHK1B4ZzHf029rxUo6Q3FcYCp
PdQ9Ku+Bb+KWXvwbOGUmM2FcBPAFHEEvPYsURz+7B/eXnwifbxeIIl0D
-----END PRIVATE KEY-----
";

/// A repository that was made just now, by the clock that clients go by, and clients with caches.
pub(crate) struct Scene {
    pub(crate) dir: TempDir,
    pub(crate) now: Time,
    pub(crate) peers: Vec<Peer>,
    pub(crate) ledger: Ledger,
    pub(crate) paths: Vec<String>,
}

fn clock() -> Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = now.expect("a clock that is right").as_secs();
    Time::from_unix_seconds(i64::try_from(seconds).expect("seconds")).expect("a year below 9999")
}

fn roles(kinds: &[RoleKind]) -> BTreeSet<RoleKind> {
    kinds.iter().copied().collect()
}

/// Keys made anew for these roles, as many as before.
pub(crate) fn request(kinds: &[RoleKind]) -> RotateRequest {
    RotateRequest { roles: roles(kinds), keys: NewKeys::Other(KeyRequest::default()) }
}

/// The public half of a private key in PEM.
fn public_pem(private: &str) -> String {
    let key = SigningKey::from_pem(private).expect("a private key");
    let public = key.public().keyval.get_str("public").expect("a public key").to_owned();
    if key.public().keytype != "ed25519" {
        return public;
    }
    let mut der = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00".to_vec();
    let digits = public.as_bytes().chunks(2);
    der.extend(
        digits.map(|hex| {
            u8::from_str_radix(std::str::from_utf8(hex).expect("ASCII"), 16).expect("hex")
        }),
    );
    pem::encode(&pem::Pem::new("PUBLIC KEY", der))
}

impl Scene {
    fn new(layout: &str, peers: &[Peer]) -> Self {
        Self::with_keys(layout, peers, &KeyRequest::default())
    }

    fn with_keys(text: &str, peers: &[Peer], keys: &KeyRequest) -> Self {
        Self::with_paths(text, peers, keys, &PATHS.map(str::to_owned))
    }

    pub(crate) fn with_paths(
        text: &str,
        peers: &[Peer],
        keys: &KeyRequest,
        paths: &[String],
    ) -> Self {
        let scene = Self {
            dir: scratch(),
            now: clock(),
            peers: peers.to_vec(),
            ledger: Ledger::default(),
            paths: paths.to_vec(),
        };
        let settings = Settings {
            layout: layout(text),
            lifetimes: Lifetimes::default(),
            ladder: parse_ladder("pow2:8").expect("a ladder"),
            signers: Default::default(),
        };
        let new = NewRepository::prepare(&scene.repo(), settings, keys, scene.now);
        let new = new.expect("keys");
        let plan = new.plan(list(paths.iter().map(String::as_str))).expect("a plan");
        new.commit(plan, &|_| ()).expect("a repository");
        scene
    }

    pub(crate) fn repo(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    pub(crate) fn metadata(&self) -> PathBuf {
        self.repo().join("public/metadata")
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().map(String::as_str)
    }

    fn keys(&self) -> Vec<String> {
        files_of(&self.repo().join("private/keys")).into_keys().collect()
    }

    fn rotator(&self) -> Rotator {
        Rotator::open(&self.repo()).expect("a repository")
    }

    pub(crate) fn rotate(&self, request: &RotateRequest) -> Rotated {
        let rotator = self.rotator();
        let rotation = rotator.begin(request, self.now).expect("a rotation");
        rotator.commit(rotation, self.now, &|_| ()).expect("an end")
    }

    /// Another content for one target.
    pub(crate) fn publish(&self, content: &str) {
        self.publish_to(0, content);
    }

    /// Another content for the target at this place in the list.
    pub(crate) fn publish_to(&self, place: usize, content: &str) {
        self.publish_all(std::iter::once(place), content);
    }

    /// The same for all of these places.
    pub(crate) fn publish_all(&self, places: impl Iterator<Item = usize>, content: &str) {
        let publisher = Publisher::open(&self.repo()).expect("a repository");
        let input = tufold_tests::changes(places.map(|place| put(&self.paths[place], content)));
        let plan = publisher.plan(input, &BTreeSet::new(), self.now, &|_| ()).expect("a plan");
        publisher.commit(plan, &|_| ()).expect("a publish");
    }

    /// A new client, our own with its cache, and every peer with its cache find all targets; nothing
    /// was ever published under two contents.
    /// What our own client made of deltas comes back.
    pub(crate) fn assert_followed(&mut self, what: &str) -> DeltaUse {
        self.ledger.note(&self.metadata());
        assert_readable_of(&self.repo(), self.now, &self.paths, what);
        let mut client = Client::open(
            &self.dir.path().join("ours"),
            self.repo().join("public").to_str().expect("UTF-8"),
            Limits::default(),
        )
        .expect("a client");
        client.trust(&files_of(&self.metadata())["1.root.json"]).expect("a root");
        let mut visit = client.visit(self.now).unwrap_or_else(|error| panic!("{what}: {error}"));
        let targets = visit.find(&self.paths).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(targets.iter().all(|target| target.listed.is_some()), "{what}");
        let deltas = visit.cost().deltas;
        let Some(peers) = Peers::find() else { return deltas };
        for peer in &self.peers {
            let cache = self.dir.path().join(format!("{peer:?}"));
            let root = self.metadata().join("1.root.json");
            let answer = peers.read(*peer, &self.metadata(), &root, &cache, self.paths());
            assert!(answer.targets.values().all(Option::is_some), "{what}: {peer:?}");
        }
        deltas
    }
}

/// The repository is sound, and a client that has seen nothing finds all targets.
fn assert_readable(repo: &Path, now: Time, what: &str) {
    assert_readable_of(repo, now, &PATHS.map(str::to_owned), what);
}

pub(crate) fn assert_readable_of(repo: &Path, now: Time, paths: &[String], what: &str) {
    let repository = Repository::open(repo).expect("a repository");
    let report = check(&repository, now, Strictness::Usual, &|_| ()).expect("a report");
    assert!(report.is_sound(), "{what}: {:#?}", report.findings);
    let mut visitor = Visitor::refresh(&repo.join("public/metadata"), now)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    for path in paths {
        assert!(visitor.find(path).expect("a search").is_some(), "{what}: {path}");
    }
}

/// Rotates step by step, with a visit after each; `between` comes before each step.
fn check_rotation(scene: &mut Scene, request: &RotateRequest, between: impl Fn(&Scene)) {
    let what = format!("{:?}", request.roles);
    let mut rotator = scene.rotator();
    let mut rotation = rotator.begin(request, scene.now).expect("a rotation");
    rotator.save(&mut rotation).expect("room");
    drop(rotator);
    scene.assert_followed(&format!("{what}, decided"));
    for number in 1..10 {
        between(scene);
        let mut rotator = scene.rotator();
        // As another process takes it up.
        let rotation = rotator.resume(scene.now).expect("a rotation").expect("one under way");
        let done = rotator.step(&rotation, scene.now, &|_| ()).expect("a step");
        drop(rotator);
        let Some(done) = done else {
            let rotated = scene.rotator().commit(rotation, scene.now, &|_| ()).expect("an end");
            assert!(rotated.finished && rotated.done.is_empty(), "{what}: {rotated:?}");
            assert!(scene.rotator().resume(scene.now).expect("none").is_none());
            return;
        };
        scene.assert_followed(&format!("{what}, after step {number}, {:?}", done.step));
    }
    panic!("{what}: the rotation has no end");
}

/// Each kind of role, and all at once.
fn check_rotations(layout: &str, peers: &[Peer], between: impl Fn(&Scene)) {
    let mut scene = Scene::new(layout, peers);
    scene.assert_followed("made");
    let has_bins = |kind: &RoleKind| *kind != RoleKind::Bins || !layout.starts_with("flat");
    let kinds: Vec<RoleKind> = RoleKind::ALL.into_iter().filter(has_bins).collect();
    for kind in &kinds {
        let (before, snapshot) = (scene.keys(), snapshot_version(&scene));
        check_rotation(&mut scene, &request(&[*kind]), &between);
        let changed = scene.keys().iter().filter(|key| !before.contains(key)).count();
        assert_eq!(changed, 1, "{kind}: one key in place of one");
        // Versions only rise, and a root or a timestamp takes no snapshot.
        let rises = ![RoleKind::Root, RoleKind::Timestamp].contains(kind);
        assert!(!rises || snapshot < snapshot_version(&scene), "{kind}");
    }
    check_rotation(&mut scene, &request(&kinds), &between);
    scene.publish("the last");
    scene.assert_followed("published");
}

/// The version of the snapshot that a new client sees.
fn snapshot_version(scene: &Scene) -> u64 {
    Visitor::refresh(&scene.metadata(), scene.now).expect("a visit").snapshot_version()
}

#[test]
fn clients_follow_every_rotation_of_succinct_bins() {
    check_rotations("bins-succinct:4 versions", &[Peer::PythonTuf], |_| ());
}

#[test]
fn clients_follow_every_rotation_of_prefix_bins() {
    let peers = [Peer::PythonTuf, Peer::Tough, Peer::SigstoreTuf];
    check_rotations("bins-prefixes:4 hashes", &peers, |_| ());
}

#[test]
fn clients_follow_every_rotation_without_bins() {
    for layout in ["flat versions", "projects-wildcard hashes", "projects-listed versions"] {
        check_rotations(layout, &[], |_| ());
    }
}

/// Whoever stops a rotation may publish before it goes on.
#[test]
fn publishes_come_between_the_steps() {
    for layout in ["flat hashes", "bins-succinct:4 hashes", "bins-prefixes:4 versions"] {
        let count = std::cell::Cell::new(0);
        check_rotations(layout, &[], |scene| {
            count.set(count.get() + 1);
            // Every other time, so that the steps come to their end.
            if count.get() % 2 == 0 {
                scene.publish(&format!("content {}", count.get()));
            }
        });
    }
}

/// Two of three keys, of two algorithms, take over from one, and one from them.
#[test]
fn thresholds_and_algorithms_change() {
    let mut scene = Scene::new("bins-prefixes:4 versions", &[Peer::PythonTuf]);
    scene.assert_followed("made");
    let keys = scene.dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let kinds = RoleKind::ALL;
    for kind in kinds {
        for name in ["one", "two"] {
            let pem = SigningKey::generate_ed25519_pem().unwrap();
            std::fs::write(keys.join(format!("{kind}-{name}.pem")), pem).unwrap();
        }
        std::fs::write(keys.join(format!("{kind}-ecdsa.pem")), ECDSA).unwrap();
    }
    let keys = KeyRequest {
        folder: Some(keys),
        thresholds: kinds.iter().map(|kind| (*kind, 2)).collect(),
        ..KeyRequest::default()
    };
    let wider = RotateRequest { roles: roles(&kinds), keys: NewKeys::Other(keys) };
    check_rotation(&mut scene, &wider, |_| ());
    for kind in ["root", "targets"] {
        let version = if kind == "root" { "2" } else { "3" };
        let file = &files_of(&scene.metadata())[&format!("{version}.{kind}.json")];
        let (_, signatures) = tufold_meta::canonical_parts(file).unwrap();
        let expected = if kind == "root" { 4 } else { 3 };
        assert_eq!(signatures.len(), expected, "{kind}: all keys at hand sign");
    }
    scene.publish("of three");
    scene.assert_followed("published by three");
    // Without a word on them, the numbers stay.
    check_rotation(&mut scene, &request(&[RoleKind::Snapshot]), |_| ());
    assert_eq!(scene.keys().iter().filter(|name| name.starts_with("snapshot")).count(), 3);
    let narrower = KeyRequest {
        counts: kinds.iter().map(|kind| (*kind, 1)).collect(),
        thresholds: kinds.iter().map(|kind| (*kind, 1)).collect(),
        ..KeyRequest::default()
    };
    let narrower = RotateRequest { roles: roles(&kinds), keys: NewKeys::Other(narrower) };
    check_rotation(&mut scene, &narrower, |_| ());
    assert_eq!(scene.keys().len(), 5);
}

/// The same keys with another threshold, and nothing else.
#[test]
fn a_threshold_changes_alone() {
    let keys = KeyRequest {
        counts: RoleKind::ALL.into_iter().map(|kind| (kind, 2)).collect(),
        ..KeyRequest::default()
    };
    let mut scene = Scene::with_keys("bins-succinct:4 versions", &[Peer::PythonTuf], &keys);
    let before = scene.keys();
    for kind in RoleKind::ALL {
        let thresholds = [(kind, 2)].into();
        let request = RotateRequest { roles: roles(&[kind]), keys: NewKeys::Same { thresholds } };
        check_rotation(&mut scene, &request, |_| ());
    }
    assert_eq!(scene.keys(), before);
}

/// An old snapshot is verified by the root of its time.
#[test]
fn a_prune_reaches_back_over_a_rotation() {
    let mut scene = Scene::new("bins-succinct:4 hashes", &[]);
    let begin = scene.now;
    let hours = |hours: u64| begin.plus_seconds(hours * 3600);
    for hour in 1..=3 {
        scene.now = hours(hour);
        scene.publish(&format!("before {hour}"));
    }
    scene.rotate(&request(&[RoleKind::Snapshot, RoleKind::Timestamp, RoleKind::Bins]));
    scene.now = hours(4);
    scene.publish("after");
    for (now, keep, oldest) in [(5, "3h", 3), (5, "2h", 6), (5, "1h", 7)] {
        let pruner = tufold_repo::Pruner::open(&scene.repo()).unwrap();
        let plan = pruner.plan(keep.parse().unwrap(), hours(now)).unwrap();
        assert_eq!(plan.oldest_snapshot, oldest);
        pruner.commit(&plan, &|_| ()).unwrap();
        drop(pruner);
        assert_readable(&scene.repo(), scene.now, "pruned");
    }
    scene.publish("on");
    scene.assert_followed("published");
}

/// What lies unfinished in a repository is for `check` to say.
#[test]
fn nothing_is_published_before_it_is_decided() {
    let scene = Scene::new("bins-succinct:4 versions", &[]);
    let before = files_of(&scene.metadata());
    let mut rotator = scene.rotator();
    let mut rotation = rotator.begin(&request(&RoleKind::ALL), scene.now).unwrap();
    let keys = scene.keys();
    let preview = rotator.preview(&rotation).unwrap();
    assert_eq!((preview.steps.len(), preview.documents.len()), (3, 2));
    assert!(preview.documents.iter().all(tufold_repo::DocumentStatus::is_ready));
    assert_eq!(scene.keys(), keys, "a decision writes nothing");
    rotator.save(&mut rotation).unwrap();
    assert_eq!(scene.keys().len(), 10, "old keys and new");
    assert_eq!(rotator.preview(&rotation).unwrap(), preview);
    assert!(files_of(&scene.metadata()) == before);
    drop(rotator);
    let report = {
        let repository = Repository::open(&scene.repo()).unwrap();
        check(&repository, scene.now, Strictness::Usual, &|_| ()).unwrap()
    };
    let notes: Vec<_> = report.findings.iter().map(|f| (&*f.file, &*f.message)).collect();
    let message = "a rotation of root, targets, bins, snapshot, timestamp is not finished";
    assert_eq!(notes, [("private/rotation.json", message)]);
    // Dropped, the new keys go and the old ones stay.
    let dropped = scene.rotator().cancel().unwrap();
    assert_eq!(dropped.retired.len(), 5);
    assert_eq!(scene.keys(), keys);
    let error = scene.rotator().cancel().unwrap_err().to_string();
    assert_eq!(error, "no rotation is under way");
}
