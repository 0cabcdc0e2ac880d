//! A machine that loses its power: whatever was not synced is gone, or half there, in any order.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use tufold_delta::Ladder;
use tufold_meta::names::{METADATA_FOLDER, meta_name, versioned_file_name};
use tufold_meta::{Signed, Snapshot, Time, Timestamp};
use tufold_repo::check::{Strictness, check};
use tufold_repo::settings::{Lifetime, Lifetimes, Settings};
use tufold_repo::{KeyRequest, NewRepository, Place, Pruner, Publisher, Repository};
use tufold_sync::{Client, Limits};
use tufold_tests::{
    Ledger, LossyStore, after, changes, copy_folder, files_of, layout, list, project_dir, put,
    scratch,
};

const LAYOUTS: [&str; 2] = ["bins-succinct:4 versions", "bins-prefixes:4 hashes"];

/// Which publish each seed draws for every operation.
const SEEDS: u64 = 3;

fn paths() -> Vec<String> {
    (0..24).map(|n| format!("pool/{n}/file-{n}.tar.gz")).collect()
}

/// A repository in a store that can lose its power, with `private/` on a disk that does not.
struct Scene {
    store: LossyStore,
    private: tempfile::TempDir,
}

impl Scene {
    fn empty() -> Self {
        Self { store: LossyStore::new(), private: scratch() }
    }

    /// The same, apart from this one.
    fn copied(&self) -> Self {
        let private = scratch();
        copy_folder(self.private.path(), private.path());
        Self { store: self.store.copied(), private }
    }

    /// After the power is back.
    fn restarted(self) -> Self {
        Self { store: self.store.restarted(), private: self.private }
    }

    fn place(&self) -> Place {
        Place::apart("scene", Box::new(self.store.clone()), &self.private.path().join("private"))
    }

    fn init(&self, text: &str) -> Result<(), tufold_repo::Error> {
        let settings = Settings {
            layout: layout(text),
            lifetimes: Lifetimes::default(),
            ladder: Some(Ladder::Pow2 { horizon: 64 }),
            signers: Default::default(),
        };
        let folder = Some(project_dir().join("tests/golden/keys"));
        let keys = KeyRequest { folder, ..KeyRequest::default() };
        let new = NewRepository::prepare_at(self.place(), settings, &keys, after("0s"))?;
        let plan = new.plan(list(paths().iter().map(String::as_str)))?;
        new.commit(plan, &|_| ()).map(drop)
    }

    /// Gives every fourth target another content, from the first of them on.
    fn publish(&self, first: usize, content: &str, now: Time) -> Result<(), tufold_repo::Error> {
        let publisher = Publisher::of(Repository::open_at(self.place())?)?;
        let paths = paths();
        let rows = paths.iter().skip(first).step_by(4).map(|path| put(path, content));
        let plan = publisher.plan(changes(rows), &BTreeSet::new(), now, &|_| ())?;
        publisher.commit(plan, &|_| ()).map(drop)
    }

    fn prune(&self, now: Time) -> Result<(), tufold_repo::Error> {
        // A pruner opens a folder; what it works on is the same.
        let pruner = Pruner::of(Repository::open_at(self.place())?)?;
        let keep: Lifetime = "1h".parse().expect("a time");
        let plan = pruner.plan(keep, now)?;
        pruner.commit(&plan, &|_| ())
    }

    fn assert_sound(&self, now: Time, what: &str) {
        let repository = Repository::open_at(self.place()).expect("a repository");
        let report = check(&repository, now, Strictness::Usual, &|_| ()).expect("a report");
        assert!(report.is_sound(), "{what}: {:#?}", report.findings);
        assert_eq!(report.targets, 24, "{what}");
    }

    /// Notes every object that a client could have been sent to: what the timestamp leads to.
    fn note(&self, ledger: &mut Ledger) {
        let objects = self.store.objects();
        let named = |name: String| {
            let name = format!("{METADATA_FOLDER}{name}");
            objects.get_key_value(&name).unwrap_or_else(|| panic!("{name} is listed and missing"))
        };
        let Some(timestamp) = objects.get(&format!("{METADATA_FOLDER}timestamp.json")) else {
            return;
        };
        let timestamp: Timestamp = payload(timestamp);
        let file = versioned_file_name("snapshot", timestamp.snapshot.version);
        let (name, bytes) = named(file);
        ledger.note_objects([(name, bytes)]);
        let snapshot: Snapshot = payload(bytes);
        for (name, file) in &snapshot.meta {
            let role = name.strip_suffix(".json").expect("a role");
            ledger.note_objects([named(versioned_file_name(role, file.version))]);
        }
    }

    /// The served half as a folder.
    fn dump(&self, to: &Path) {
        for (name, bytes) in self.store.objects() {
            let path = to.join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            fs::write(path, bytes).expect("a file");
        }
    }

    /// A client that was there at the time of `cache` comes back: it ends with the published files, byte for byte, whatever
    /// deltas it took.
    fn assert_followed(&self, cache: &Path, now: Time, what: &str) {
        let (public, folder) = (scratch(), scratch());
        self.dump(public.path());
        copy_folder(cache, folder.path());
        visit(public.path(), folder.path(), now);
        let objects = self.store.objects();
        let timestamp: Timestamp = payload(&objects[&format!("{METADATA_FOLDER}timestamp.json")]);
        let file = |role: &str, version| {
            objects[&format!("{METADATA_FOLDER}{}", versioned_file_name(role, version))].clone()
        };
        let snapshot_file = file("snapshot", timestamp.snapshot.version);
        let snapshot: Snapshot = payload(&snapshot_file);
        for (name, held) in files_of(folder.path()) {
            let role = name.strip_suffix(".json").expect("a role").to_owned();
            let published = match role.as_str() {
                "root" | "timestamp" => continue,
                "snapshot" => snapshot_file.clone(),
                role => file(role, snapshot.meta[&meta_name(role)].version),
            };
            assert!(held == published, "{what}: the client holds another {name}");
        }
    }
}

fn payload<T: serde::de::DeserializeOwned>(file: &[u8]) -> T {
    let file = Signed::take_apart(file.to_vec()).expect("a document");
    serde_json::from_slice(file.canonical()).expect("its payload")
}

fn visit(public: &Path, folder: &Path, now: Time) {
    let source = public.to_str().expect("a path");
    let mut client = Client::open(folder, source, Limits::default()).expect("a client");
    client.trust(&fs::read(public.join("metadata/1.root.json")).expect("a root")).expect("a root");
    let paths = paths();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let mut visit = client.visit(now).expect("a visit");
    let found = visit.find(&paths).expect("a search");
    assert!(found.iter().all(|found| found.listed.is_some()));
}

/// On one thread, so that a seed means the same every time.
fn on_one_thread(test: impl FnOnce() + Send) {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a pool").install(test);
}

#[test]
fn a_publish_that_loses_its_writes_is_the_old_one_or_the_new_one() {
    on_one_thread(|| {
        for text in LAYOUTS {
            let base = Scene::empty();
            base.init(text).unwrap();
            let cache = scratch();
            let public = scratch();
            base.dump(public.path());
            visit(public.path(), cache.path(), after("0s"));
            let whole = base.copied();
            whole.store.lose_power_at(u64::MAX, 1);
            whole.publish(0, "new", after("1h")).unwrap();
            let operations = whole.store.operations();
            assert!(operations > 10, "{operations}");
            let (mut olds, mut news) = (0, 0);
            for (point, seed) in (1..=operations).flat_map(|p| (1..=SEEDS).map(move |s| (p, s))) {
                let what = format!("{text}, operation {point} of {operations}, seed {seed}");
                let mut ledger = Ledger::default();
                let scene = base.copied();
                scene.note(&mut ledger);
                scene.store.lose_power_at(point, seed * 1_000 + point);
                scene.publish(0, "new", after("1h")).expect_err(&what);
                let history = scene.private.path().join("private/history.tsv");
                if seed == 2 && history.exists() {
                    // What was appended is cut off.
                    let bytes = fs::read(&history).unwrap();
                    fs::write(&history, &bytes[..bytes.len() - 1]).unwrap();
                }
                let scene = scene.restarted();
                scene.assert_sound(after("1h"), &what);
                scene.note(&mut ledger);
                let is_old = scene.store.timestamp() == base.store.timestamp();
                olds += u32::from(is_old);
                news += u32::from(!is_old);
                scene.assert_followed(cache.path(), after("1h"), &what);

                // Another publish, of the same targets with other contents.
                scene.publish(0, "other", after("2h")).unwrap_or_else(|e| panic!("{what}: {e}"));
                scene.assert_sound(after("2h"), &what);
                scene.note(&mut ledger);
                scene.assert_followed(cache.path(), after("2h"), &what);
                scene.publish(1, "more", after("3h")).unwrap();
                scene.assert_sound(after("3h"), &what);
                scene.note(&mut ledger);
                scene.assert_followed(cache.path(), after("3h"), &what);
            }
            // The one operation that makes it the new one may come to pass when the power goes.
            assert!(u64::from(olds) >= (operations - 1) * SEEDS && u64::from(news) <= SEEDS);
        }
    });
}

#[test]
fn an_init_that_loses_its_writes_begins_again() {
    on_one_thread(|| {
        for text in LAYOUTS {
            let whole = Scene::empty();
            whole.store.lose_power_at(u64::MAX, 1);
            whole.init(text).unwrap();
            let operations = whole.store.operations();
            for (point, seed) in (1..=operations).flat_map(|p| (1..=SEEDS).map(move |s| (p, s))) {
                let what = format!("{text}, operation {point} of {operations}, seed {seed}");
                let scene = Scene::empty();
                scene.store.lose_power_at(point, seed * 1_000 + point);
                scene.init(text).expect_err(&what);
                let scene = scene.restarted();
                let mut ledger = Ledger::default();
                scene.note(&mut ledger);
                if !scene.store.objects().contains_key("metadata/timestamp.json") {
                    scene.init(text).unwrap_or_else(|error| panic!("{what}: {error}"));
                }
                scene.assert_sound(after("0s"), &what);
                scene.note(&mut ledger);
                scene.publish(0, "new", after("1h")).unwrap_or_else(|e| panic!("{what}: {e}"));
                scene.assert_sound(after("1h"), &what);
                scene.note(&mut ledger);
            }
        }
    });
}

#[test]
fn a_prune_that_loses_its_writes_leaves_what_is_current() {
    on_one_thread(|| {
        for text in LAYOUTS {
            let base = Scene::empty();
            base.init(text).unwrap();
            for (hour, content) in [("1h", "a"), ("2h", "b"), ("3h", "c")] {
                base.publish(0, content, after(hour)).unwrap();
            }
            let whole = base.copied();
            whole.store.lose_power_at(u64::MAX, 1);
            whole.prune(after("6h")).unwrap();
            let operations = whole.store.operations();
            assert!(operations > 5, "{operations}");
            for (point, seed) in (1..=operations).flat_map(|p| (1..=SEEDS).map(move |s| (p, s))) {
                let what = format!("{text}, operation {point} of {operations}, seed {seed}");
                let mut ledger = Ledger::default();
                let scene = base.copied();
                scene.note(&mut ledger);
                scene.store.lose_power_at(point, seed * 1_000 + point);
                scene.prune(after("6h")).expect_err(&what);
                let scene = scene.restarted();
                scene.assert_sound(after("6h"), &what);
                scene.note(&mut ledger);
                scene.publish(0, "d", after("7h")).unwrap_or_else(|e| panic!("{what}: {e}"));
                scene.prune(after("12h")).unwrap_or_else(|error| panic!("{what}: {error}"));
                scene.assert_sound(after("12h"), &what);
                scene.note(&mut ledger);
            }
        }
    });
}
