//! Clients that hold a few bins make the new ones of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use tufold_meta::BitLength;
use tufold_repo::settings::RoleKind;
use tufold_repo::{KeyRequest, Pruner};
use tufold_sync::{Client, DeltaUse, Fallbacks, Limits};
use tufold_tests::{Answer, Server, copy_folder, files_of};

use super::{delegation, rebin};
use crate::rotate::{Scene, request};

/// A client with a cache of its own, and the server that it asks.
pub(super) struct Thin {
    server: Server,
    pub(super) cache: PathBuf,
}

/// What a visit asked for.
pub(super) struct Visited {
    requests: Vec<String>,
    pub(super) deltas: DeltaUse,
}

impl Thin {
    pub(super) fn new(scene: &Scene, name: &str) -> Self {
        let server = Server::of_folder(scene.repo().join("public"));
        Self { server, cache: scene.dir.path().join(name) }
    }

    /// What the server gives instead of its files, by their paths.
    pub(super) fn answer(&self, answers: BTreeMap<String, Answer>) {
        self.server.site().answers = answers;
    }

    pub(super) fn visit(&self, scene: &Scene, paths: &[&str], what: &str) -> Visited {
        self.visit_within(scene, Limits::default(), paths, what)
    }

    pub(super) fn visit_within(
        &self,
        scene: &Scene,
        limits: Limits,
        paths: &[&str],
        what: &str,
    ) -> Visited {
        self.server.requests();
        let mut client = Client::open(&self.cache, &self.server.url(), limits).expect("a client");
        client.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
        let mut visit = client.visit(scene.now).unwrap_or_else(|error| panic!("{what}: {error}"));
        let targets = visit.find(paths).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(targets.iter().all(|target| target.listed.is_some()), "{what}");
        let deltas = visit.cost().deltas;
        drop(visit);
        self.assert_published(scene, paths, what);
        Visited { requests: self.server.requests(), deltas }
    }

    /// The bins of these targets are those that are published.
    fn assert_published(&self, scene: &Scene, paths: &[&str], what: &str) {
        let (listed, published) = (super::listed(scene), files_of(&scene.metadata()));
        let kept = files_of(&self.cache);
        assert!(kept["timestamp.json"] == published["timestamp.json"], "{what}");
        let top = format!("{}.targets.json", listed["targets"]);
        assert!(kept["targets.json"] == published[&top], "{what}");
        for path in paths {
            let role = bin_of(scene, path);
            let file = format!("{}.{role}.json", listed[&role]);
            assert!(kept[&format!("{role}.json")] == published[&file], "{what}: {file}");
        }
    }
}

impl Visited {
    /// The names of what was asked for in a folder.
    fn below(&self, folder: &str) -> Vec<&str> {
        self.requests.iter().filter_map(|path| path.strip_prefix(folder)).collect()
    }

    /// The files of bins that were fetched whole.
    pub(super) fn whole_bins(&self) -> Vec<&str> {
        let mut names = self.below("metadata/");
        names.retain(|name| name.contains(".bins-"));
        names
    }
}

fn bits(scene: &Scene) -> BitLength {
    let repository = tufold_repo::Repository::open(&scene.repo()).expect("a repository");
    repository.settings().layout.delegation.bit_length().expect("bins")
}

fn bin_of(scene: &Scene, path: &str) -> String {
    let bits = bits(scene);
    bits.role_name("bins", bits.bin(path))
}

/// Paths as long as PyPI's, 61 a bin on average.
pub(super) fn scene(layout: &str, bins: usize) -> Scene {
    let paths: Vec<String> = (0..61 * bins)
        .map(|n| format!("packages/{n:02x}/{n:02x}/{n:060x}/project-{}-1.{n}.tar.gz", n % 97))
        .collect();
    Scene::with_paths(layout, &[], &KeyRequest::default(), &paths)
}

fn object_bytes(scene: &Scene, objects: &[&str]) -> u64 {
    let folder = scene.repo().join("public/deltas/bins");
    let len = |name: &&str| fs::metadata(folder.join(name)).expect("an object").len();
    objects.iter().map(len).sum()
}

/// One object for each bin that is held, and nothing else of bins, however many that are and whatever of them is looked up.
#[test]
fn a_doubling_costs_one_object_for_each_held_bin() {
    let scene = scene("bins-succinct:128 versions", 128);
    let paths: Vec<&str> = scene.paths.iter().map(String::as_str).collect();
    let old = bits(&scene);
    let mut clients = Vec::new();
    for count in [1, 100, 128] {
        let held: Vec<&str> =
            paths.iter().copied().filter(|path| old.bin(path).number() < count).collect();
        let thin = Thin::new(&scene, &format!("holds-{count}"));
        thin.visit(&scene, &held, "made");
        clients.push((count, held, thin));
    }
    let rebinned = rebin(&scene, "bins-succinct:256");
    let deltas = rebinned.published.deltas.expect("deltas");
    assert_eq!((deltas.bins, deltas.declined), (128, 0));
    assert_eq!(deltas.bins_bytes, 140 * 128);
    assert_eq!(rebinned.cost.mean_delta_bytes, Some(deltas.bins_bytes.div_ceil(128)));
    for (count, held, thin) in &clients {
        let what = format!("{count} held");
        // First one target of one half.
        let one = &held[..1];
        let visited = thin.visit(&scene, one, &what);
        assert_eq!(visited.whole_bins(), [""; 0], "{what}");
        assert_eq!(visited.deltas.fallbacks, Fallbacks::default());
        let mut objects: Vec<String> =
            visited.below("deltas/bins/").into_iter().map(str::to_owned).collect();
        assert_eq!(objects.len(), 1, "{what}");
        // The other half came with it.
        let group = old.bin(one[0]);
        let both: Vec<&str> = held.iter().copied().filter(|path| old.bin(path) == group).collect();
        let visited = thin.visit(&scene, &both, &what);
        assert_eq!(visited.below("deltas/"), [""; 0], "{what}");
        assert_eq!(visited.whole_bins(), [""; 0], "{what}");
        // Then everything that was held.
        let visited = thin.visit(&scene, held, &what);
        assert_eq!(visited.whole_bins(), [""; 0], "{what}");
        assert_eq!(visited.deltas.fallbacks, Fallbacks::default());
        objects.extend(visited.below("deltas/bins/").into_iter().map(str::to_owned));
        assert_eq!(objects.len() as u64, u64::from(*count), "{what}");
        let names: Vec<&str> = objects.iter().map(String::as_str).collect();
        let bytes = object_bytes(&scene, &names);
        assert!(bytes <= 168 * u64::from(*count), "{what}: {bytes} B");
        // Nothing is left that was kept for this.
        let aside = thin.cache.join(".tufold/bins");
        let left: usize = fs::read_dir(&aside).map_or(0, |folders| {
            folders.map(|folder| files_of(&folder.expect("a folder").path()).len()).sum()
        });
        assert_eq!(left, 0, "{what}");
    }
}

/// What a client that asks for no deltas fetches is what it always was.
#[test]
fn a_plain_client_fetches_whole_bins() {
    let scene = scene("bins-succinct:16 versions", 16);
    let source = scene.repo().join("public");
    let cache = scene.dir.path().join("plain");
    let visit = |paths: &[String]| {
        let client = Client::open(&cache, source.to_str().expect("UTF-8"), Limits::default());
        let mut client = client.expect("a client").without_deltas();
        client.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
        let mut visit = client.visit(scene.now).expect("a visit");
        visit.find(paths).expect("a visit");
        visit.cost()
    };
    visit(&scene.paths);
    rebin(&scene, "bins-succinct:32");
    let cost = visit(&scene.paths);
    assert_eq!(cost.deltas, DeltaUse::default());
    // No root, a timestamp, a snapshot, the top-level role and 32 bins.
    assert_eq!(cost.requests, 36);
    assert!(!cache.join(".tufold/bins").exists());
}

/// From layout to layout while the client sleeps, with publishes in between: no bin is fetched whole.
fn check_slept(first: &str, bins: usize, changes: &[&str], rotations: bool) {
    let scene = scene(first, bins);
    let paths: Vec<&str> = scene.paths.iter().map(String::as_str).collect();
    let what = format!("{first}, then {changes:?}");
    let thin = Thin::new(&scene, "ours");
    thin.visit(&scene, &paths, &what);
    // Some of the bins are several versions on before and after each change.
    for (round, to) in changes.iter().enumerate() {
        let places: &[usize] =
            if changes.len() == 1 { &[0, 1, 0, 0, 2, 0, 0] } else { &[0, 1, 0, 2] };
        for (time, place) in places.iter().enumerate() {
            scene.publish_to(*place, &format!("before {round}, {time}"));
        }
        rebin(&scene, to);
        if rotations {
            scene.rotate(&request(&[RoleKind::Snapshot, RoleKind::Timestamp]));
        }
    }
    scene.publish_to(0, "at last");
    scene.publish_to(3, "at last");
    let visited = thin.visit(&scene, &paths, &what);
    assert_eq!(visited.deltas.fallbacks, Fallbacks::default(), "{what}");
    assert_eq!(visited.whole_bins(), [""; 0], "{what}");
    assert!(!visited.below("deltas/bins/").is_empty(), "{what}");
    let again = thin.visit(&scene, &paths, &what);
    assert_eq!(again.below("deltas/"), [""; 0], "{what}");
}

#[test]
fn a_client_that_slept_makes_its_bins() {
    for (first, bins, changes) in [
        ("bins-succinct:8 versions", 8, &["bins-succinct:16"][..]),
        // Other names.
        ("bins-succinct:16 hashes", 16, &["bins-succinct:32"]),
        ("bins-succinct:32 versions", 32, &["bins-succinct:16"]),
        ("bins-succinct:16 versions", 16, &["bins-succinct:8"]),
        // By four.
        ("bins-succinct:4 versions", 16, &["bins-succinct:16"]),
        ("bins-succinct:16 versions", 16, &["bins-succinct:4"]),
        // Two doublings, and there and back.
        ("bins-succinct:8 versions", 16, &["bins-succinct:16", "bins-succinct:32"]),
        ("bins-succinct:8 hashes", 8, &["bins-succinct:16", "bins-succinct:8"]),
        ("bins-succinct:16 versions", 16, &["bins-succinct:8", "bins-succinct:16"]),
        (
            "bins-succinct:16 versions",
            16,
            &["bins-prefixes:16", "bins-succinct:32", "bins-prefixes:16"],
        ),
        ("bins-prefixes:8 versions", 8, &["bins-prefixes:16"]),
    ] {
        check_slept(first, bins, changes, false);
    }
    check_slept("bins-succinct:8 versions", 16, &["bins-succinct:16", "bins-succinct:32"], true);
}

/// Who was away for more changes than are told fetches whole bins.
#[test]
fn a_client_that_slept_for_too_long_fetches_whole_bins() {
    let scene = scene("bins-succinct:8 versions", 8);
    let paths: Vec<&str> = scene.paths.iter().map(String::as_str).collect();
    let thin = Thin::new(&scene, "ours");
    thin.visit(&scene, &paths, "made");
    for to in ["bins-succinct:16", "bins-succinct:8", "bins-succinct:16", "bins-succinct:8"] {
        rebin(&scene, to);
    }
    let visited = thin.visit(&scene, &paths, "four changes");
    assert_eq!(visited.deltas.fallbacks, Fallbacks::default());
    assert_eq!((visited.whole_bins().len(), visited.below("deltas/bins/").len()), (8, 0));
}

/// A client that holds one of the two bins that merge fetches the new one whole.
#[test]
fn one_of_two_bins_is_not_enough_to_merge() {
    let scene = scene("bins-succinct:8 versions", 8);
    let old = bits(&scene);
    let half: Vec<&str> =
        scene.paths.iter().map(String::as_str).filter(|path| old.bin(path).number() == 2).collect();
    let thin = Thin::new(&scene, "ours");
    thin.visit(&scene, &half, "made");
    rebin(&scene, "bins-succinct:4");
    let visited = thin.visit(&scene, &half, "halved");
    assert_eq!(visited.deltas.fallbacks, Fallbacks::default());
    assert_eq!((visited.whole_bins().len(), visited.below("deltas/bins/").len()), (1, 0));
}

/// Whatever is done to objects costs whole files, and nothing else.
#[test]
fn a_bad_object_costs_whole_bins() {
    let scene = scene("bins-succinct:4 versions", 8);
    let paths: Vec<&str> = scene.paths.iter().map(String::as_str).collect();
    let thin = Thin::new(&scene, "before");
    thin.visit(&scene, &paths, "made");
    let first = rebin(&scene, "bins-succinct:8").first_version;
    let folder = scene.repo().join(format!("public/deltas/bins/{first}"));
    let honest = files_of(&folder);
    assert_eq!(honest.len(), 4);
    let object = &honest["bins-1"];
    let mut spoilt: BTreeMap<String, Option<Vec<u8>>> = BTreeMap::new();
    spoilt.insert("missing".into(), None);
    spoilt.insert("empty".into(), Some(Vec::new()));
    spoilt.insert("of another group".into(), Some(honest["bins-2"].clone()));
    spoilt.insert("longer".into(), Some([object, &b"\0"[..]].concat()));
    spoilt.insert("endless".into(), Some(vec![0; 1 << 20]));
    for place in (0..object.len()).step_by(9).chain(0..8) {
        spoilt.insert(format!("cut at {place}"), Some(object[..place].to_vec()));
        let mut flipped = object.clone();
        flipped[place] ^= 1;
        spoilt.insert(format!("flipped at {place}"), Some(flipped));
    }
    let mut reasons = BTreeSet::new();
    for (what, bytes) in spoilt {
        match &bytes {
            Some(bytes) => fs::write(folder.join("bins-1"), bytes).expect("a file"),
            None => fs::remove_file(folder.join("bins-1")).expect("a file"),
        }
        let copy = Thin::new(&scene, &what);
        copy_folder(&thin.cache, &copy.cache);
        let visited = copy.visit(&scene, &paths, &what);
        let whole: Vec<&str> = visited.whole_bins();
        let names = [2, 3].map(|bin| format!("{first}.bins-{bin}.json"));
        let mut sorted = whole.clone();
        sorted.sort_unstable();
        assert!(!sorted.is_empty(), "{what}");
        let failed = visited.deltas.fallbacks.by_reason();
        let failed: Vec<_> = failed.into_iter().filter(|(_, count)| *count > 0).collect();
        let is_spoilt = |name: &&str| names.iter().any(|other| other == name);
        if what == "missing" {
            // After one that is missing a visit asks for no more, so that others may come whole as well.
            assert_eq!(sorted.iter().copied().filter(|name| is_spoilt(name)).count(), 2, "{what}");
            let is_told = |reason: &str| ["missing", "not asked for"].contains(&reason);
            assert!(failed.iter().all(|(reason, _)| is_told(reason)), "{what}: {failed:?}");
        } else {
            // What is wrong with one envelope is wrong with one half.
            assert!(sorted.iter().all(is_spoilt), "{what}");
        }
        let count = failed.iter().map(|(_, count)| count).sum::<u64>();
        assert_eq!(count, whole.len() as u64, "{what}: {failed:?}");
        reasons.extend(failed.into_iter().map(|(reason, _)| reason));
    }
    let expected = ["missing", "damaged", "of another base", "too long", "refused"];
    assert!(expected.iter().all(|reason| reasons.contains(reason)), "{reasons:?}");
}

/// Objects stay as long as readers may need them, and no longer.
#[test]
fn prune_removes_objects_that_nobody_needs() {
    let mut scene = scene("bins-succinct:4 versions", 4);
    let count = |scene: &Scene| {
        let folder = scene.repo().join("public/deltas/bins");
        let folders = fs::read_dir(folder).map_or_else(|_| Vec::new(), |all| all.collect());
        let files = folders.into_iter().map(|entry| files_of(&entry.expect("a folder").path()));
        files.map(|files| files.len()).sum::<usize>()
    };
    let prune = |scene: &mut Scene| {
        scene.now = scene.now.plus_seconds(60);
        let pruner = Pruner::open(&scene.repo()).expect("a repository");
        let plan = pruner.plan("1s".parse().expect("a time"), scene.now).expect("a plan");
        pruner.commit(&plan, &|_| ()).expect("a prune");
    };
    let paths = scene.paths.clone();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let thin = Thin::new(&scene, "ours");
    thin.visit(&scene, &paths, "made");
    scene.publish_to(0, "before");
    rebin(&scene, "bins-succinct:8");
    rebin(&scene, "bins-succinct:16");
    assert_eq!(count(&scene), 4 + 8);
    prune(&mut scene);
    assert_eq!(count(&scene), 4 + 8);
    // The edge to the last version before the change is there still.
    let visited = thin.visit(&scene, &paths, "pruned");
    assert_eq!((visited.whole_bins().len(), visited.deltas.fallbacks), (0, Fallbacks::default()));
    // The ladder reaches eight versions back: now only to the second change.
    for round in 0..7 {
        scene.publish_to(0, &format!("after {round}"));
    }
    prune(&mut scene);
    assert_eq!(count(&scene), 8);
    scene.publish_to(0, "the last");
    prune(&mut scene);
    assert_eq!(count(&scene), 0);
    assert_eq!(delegation("bins-succinct:16").bit_length(), Some(bits(&scene)));
}
