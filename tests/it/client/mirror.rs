//! Mirrors: whole, servable, mended.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tufold_sync::{Fallbacks, Limits, Mirror, Mirrored};
use tufold_tests::{
    ALL_LAYOUTS, NOW, Visitor, after, changes, files_of, put, scratch, tufold_binary,
};

use super::Place;

const PATHS: [&str; 3] = ["foo.txt", "a/one", "simple/django/index.html"];

impl Place {
    fn mirror_folder(&self) -> PathBuf {
        self.folder.path().join("mirror")
    }

    fn sync(&self) -> Mirrored {
        self.server.requests();
        let mirror = Mirror::open(&self.mirror_folder(), &self.server.url(), Limits::default());
        let mut mirror = mirror.expect("a mirror");
        let root = fs::read(self.repo.metadata().join("1.root.json")).expect("a root");
        mirror.trust(&root).expect("a root that signs itself");
        mirror.sync(after("1h"), &|_| ()).expect("a sync")
    }

    fn mirrored(&self) -> BTreeMap<String, Vec<u8>> {
        files_of(&self.mirror_folder().join("public/metadata"))
    }
}

#[test]
fn a_mirror_is_byte_identical_and_can_be_mirrored() {
    for layout in ALL_LAYOUTS {
        let mut place = Place::new(layout, &PATHS);
        let first = place.sync();
        assert!(place.mirrored() == place.repo.files(), "{layout}");
        assert_eq!(first.roles, place.repo.files().len() as u64 - 3, "{layout}");
        // Another client, with the mirror for its source.
        let public = place.mirror_folder().join("public");
        place.server = tufold_tests::Server::of_folder(public);
        assert_eq!(place.visit(&["foo.txt", "a/one", "x"]).0, [true, true, false], "{layout}");
    }
}

#[test]
fn a_mirror_fetches_what_is_new_and_mends_what_is_damaged() {
    let place = Place::new("bins-prefixes:16 versions", &PATHS);
    assert_eq!(place.sync().fetched, 17);
    let again = place.sync();
    assert_eq!((again.fetched, again.cost.requests), (0, 2));
    place.repo.publish(changes([put("foo.txt", "2")]), &[], after("1h"));
    let new = place.sync();
    assert_eq!((new.fetched, new.versions.snapshot), (1, 2));
    let served = place.repo.files();
    assert!(place.mirrored() == served);
    // Half of its files go, others are damaged.
    let metadata = place.mirror_folder().join("public/metadata");
    let names: Vec<&String> = served.keys().filter(|name| name.contains("bins-")).collect();
    for (i, name) in names.iter().enumerate() {
        match i % 4 {
            0 | 1 => fs::remove_file(metadata.join(name)).unwrap(),
            2 => fs::write(metadata.join(name), &served[*name][..100]).unwrap(),
            _ => {}
        }
    }
    let damaged = place.mirrored();
    let mended = place.sync();
    let current: Vec<_> = names.iter().filter(|name| ***name != "1.bins-d.json").collect();
    let lost =
        current.iter().filter(|name| damaged.get(**name as &str) != served.get(**name as &str));
    assert_eq!(mended.fetched, lost.count() as u64);
    assert!(current.iter().all(|name| place.mirrored()[**name as &str] == served[**name as &str]));
}

#[test]
fn a_mirror_holds_the_roots_that_lead_to_the_trusted_one() {
    let mut forge = tufold_tests::Forge::new("bins-succinct", &["foo.txt"]);
    forge.rotate("timestamp", &[12]);
    forge.release(&["root", "timestamp"]);
    forge.rotate("snapshot", &[13]);
    forge.release(&["root", "snapshot", "timestamp"]);
    let folder = scratch();
    let source = folder.path().join("source/metadata");
    fs::create_dir_all(&source).unwrap();
    for (name, bytes) in &forge.files {
        fs::write(source.join(name), bytes).unwrap();
    }
    let path = folder.path().join("mirror");
    let source_path = folder.path().join("source");
    let mut mirror = Mirror::open(&path, source_path.to_str().unwrap(), Limits::default()).unwrap();
    // It starts from the newest root; its own clients may not.
    mirror.trust(&forge.files["3.root.json"]).unwrap();
    mirror.sync(after("1h"), &|_| ()).unwrap();
    let held = files_of(&path.join("public/metadata"));
    for root in ["1.root.json", "2.root.json", "3.root.json"] {
        assert!(held[root] == forge.files[root], "{root}");
    }
    drop(mirror);
    // A root that leads nowhere is no root.
    fs::remove_file(path.join("public/metadata/1.root.json")).unwrap();
    fs::write(source.join("1.root.json"), &forge.files["3.root.json"]).unwrap();
    let mut mirror = Mirror::open(&path, source_path.to_str().unwrap(), Limits::default()).unwrap();
    let error = mirror.sync(after("1h"), &|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("1.root.json does not lead to the trusted root.json: "), "{error}");
}

#[test]
fn a_mirror_shows_the_old_state_until_the_new_one_is_whole() {
    let place = Place::new("bins-succinct:4 versions", &PATHS);
    place.sync();
    let before = place.mirrored();
    place.repo.publish(changes([put("foo.txt", "2"), put("a/one", "2")]), &[], after("1h"));
    let gone = place.repo.metadata().join("2.bins-3.json");
    let bytes = fs::read(&gone).unwrap();
    fs::remove_file(&gone).unwrap();
    let mut mirror =
        Mirror::open(&place.mirror_folder(), &place.server.url(), Limits::default()).unwrap();
    let error = mirror.sync(after("1h"), &|_| ()).unwrap_err().to_string();
    assert_eq!(error, "metadata/2.bins-3.json is not there");
    drop(mirror);
    assert!(before.iter().all(|(name, bytes)| place.mirrored().get(name) == Some(bytes)));
    fs::write(gone, bytes).unwrap();
    place.sync();
    assert!(place.mirrored() == place.repo.files());
}

#[test]
fn sigkill_leaves_the_old_mirror_or_the_new_one() {
    let paths: Vec<String> = (0..64).map(|n| format!("target-{n}")).collect();
    let refs = Vec::from_iter(paths.iter().map(|path| &**path));
    killed(&Place::new("bins-succinct:64 hashes", &refs), &paths);
    killed(&Place::with_deltas("bins-succinct:64 hashes", &refs), &paths);
}

fn killed(place: &Place, paths: &[String]) {
    place.sync();
    let (metadata, url) = (place.mirror_folder().join("public/metadata"), place.server.url());
    let (mut kills, mut state) = (0, 7_u64);
    for generation in 1..=10_u64 {
        let content = generation.to_string();
        let rows = paths.iter().map(|path| put(path, &content));
        place.repo.publish(changes(rows), &[], after("1h"));
        let mut command = Command::new(tufold_binary());
        command.args(["sync", &url, "--mirror", "--now", NOW, "--into"]).arg(place.mirror_folder());
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a process");
        // A multiplicative generator: the same delays every time, of 0 to 80 ms.
        state = state * 48_271 % 2_147_483_647;
        std::thread::sleep(Duration::from_micros(state % 80_000));
        let _ = child.kill();
        kills += u32::from(!child.wait().expect("a process").success());
        let mut visitor = Visitor::refresh(&metadata, after("1h")).expect("a visit");
        let found = visitor.snapshot_version();
        assert!(found == generation || found == generation + 1, "{found}");
        assert!(paths.iter().all(|path| visitor.find(path).expect("a visit").is_some()));
        place.sync();
        assert!(place.mirrored() == place.repo.files());
    }
    assert!(kills > 0, "every sync ended before it was killed");
}

/// A hundred targets in 16 bins, mirrored.
fn with_deltas() -> (Place, Vec<String>) {
    let paths: Vec<String> = (0..100).map(|n| format!("packages/{n}/file.tar.gz")).collect();
    let refs: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::with_deltas("bins-succinct:16 hashes", &refs);
    assert_eq!(place.sync().cost.deltas.fallbacks, Fallbacks::default());
    (place, paths)
}

#[test]
fn a_mirror_takes_one_bundle_a_step() {
    let (place, paths) = with_deltas();
    let refs: Vec<&str> = paths.iter().map(String::as_str).collect();
    place.change(&refs[..50], "2");
    place.sync();
    let requests = place.server.requests().join(" ");
    let top = "metadata/2.root.json metadata/timestamp.json";
    assert_eq!(requests, format!("{top} deltas/mirror/1-2"));
    place.change(&refs[20..70], "3");
    place.change(&refs[..30], "4");
    let synced = place.sync();
    assert_eq!(place.server.requests().join(" "), format!("{top} deltas/mirror/2-4"));
    assert_eq!((synced.cost.round_trips, synced.cost.deltas.requests), (3, 1));
    assert_eq!(synced.cost.deltas.documents, synced.fetched + 1);
    let published = place.repo.files();
    assert!(place.mirrored().iter().all(|(name, bytes)| published[name] == *bytes));
    assert!(place.mirrored().contains_key("4.snapshot.json"));
}

#[test]
fn a_mirror_is_itself_served_with_deltas() {
    let (place, paths) = with_deltas();
    let refs: Vec<&str> = paths.iter().map(String::as_str).collect();
    let source = place.server.url();
    let sync = |computed: bool| {
        let mirror = Mirror::open(&place.mirror_folder(), &source, Limits::default()).unwrap();
        let mut mirror = if computed { mirror.with_role_deltas() } else { mirror };
        mirror.sync(after("1h"), &|_| ()).unwrap();
    };
    // A client of the mirror that has visited before.
    let server = tufold_tests::Server::of_folder(place.mirror_folder().join("public"));
    let cache = place.cache();
    let visit = || {
        server.requests();
        let mut client =
            tufold_sync::Client::open(&cache, &server.url(), Limits::default()).unwrap();
        client.trust(&fs::read(place.repo.metadata().join("1.root.json")).unwrap()).unwrap();
        let mut visit = client.visit(after("1h")).unwrap();
        visit.find(&refs).unwrap();
        visit.cost().deltas
    };
    assert_eq!(visit().documents, 1, "the snapshot, from nothing");
    place.change(&refs, "2");
    sync(false);
    let thin = visit();
    // The snapshot's are there; of the bins' the first is missing.
    assert_eq!(thin.documents, 1, "{thin:?}");
    assert!(thin.fallbacks.missing > 0, "{thin:?}");
    place.change(&refs, "3");
    sync(true);
    let full = visit();
    assert_eq!((full.documents, full.fallbacks), (17, Fallbacks::default()));
    // So can a mirror of the mirror.
    let folder = scratch();
    let second = || {
        let mut mirror = Mirror::open(folder.path(), &server.url(), Limits::default()).unwrap();
        mirror.trust(&fs::read(place.repo.metadata().join("1.root.json")).unwrap()).unwrap();
        mirror.sync(after("1h"), &|_| ()).unwrap().cost.deltas
    };
    second();
    place.change(&refs, "4");
    sync(false);
    server.requests();
    assert_eq!((second().documents, server.requests().len()), (17, 3));
}

#[test]
fn a_mirror_that_lost_files_fetches_those_and_rebuilds_the_others() {
    let (place, paths) = with_deltas();
    let refs: Vec<&str> = paths.iter().map(String::as_str).collect();
    place.change(&refs, "2");
    let metadata = place.mirror_folder().join("public/metadata");
    let held = place.mirrored();
    let bins: Vec<&String> = held.keys().filter(|name| name.contains("bins-")).collect();
    let (lost, _) = bins.split_at(bins.len() / 2);
    lost.iter().for_each(|name| fs::remove_file(metadata.join(name)).unwrap());
    let synced = place.sync();
    let requests = place.server.requests();
    let whole = requests.iter().filter(|path| path.contains("bins-") && path.contains("metadata/"));
    assert_eq!(whole.count(), lost.len(), "{requests:?}");
    assert_eq!(synced.cost.deltas.fallbacks, Fallbacks::default());
    let published = place.repo.files();
    let current = published.keys().filter(|name| name.starts_with("2."));
    assert!(current.into_iter().all(|name| place.mirrored().get(name) == published.get(name)));
    // Damaged, and nobody knows before the bundle does not fit.
    place.change(&refs, "3");
    let name = place.mirrored().into_keys().find(|name| name.starts_with("2.bins-")).unwrap();
    fs::write(metadata.join(&name), b"{}").unwrap();
    let synced = place.sync();
    assert_eq!(synced.cost.deltas.fallbacks.other_base, 1, "{:?}", synced.cost);
    let requests = place.server.requests();
    let whole = requests.iter().filter(|path| path.contains("bins-") && path.contains("metadata/"));
    assert_eq!(whole.count(), 1, "{requests:?}");
    let published = place.repo.files();
    let current = published.keys().filter(|name| name.starts_with("3."));
    assert!(current.into_iter().all(|name| place.mirrored().get(name) == published.get(name)));
}

#[test]
fn bad_bundles_leave_a_mirror_to_the_documents() {
    type Spoil = fn(&mut Vec<u8>);
    let rows: [(&str, Option<Spoil>); 4] = [
        ("missing", None),
        ("truncated", Some(|bytes| bytes.truncate(bytes.len() / 2))),
        ("damaged", Some(|bytes| *bytes = b"junk".to_vec())),
        ("empty", Some(|bytes| bytes.clear())),
    ];
    for (what, spoil) in rows {
        let (place, paths) = with_deltas();
        let refs: Vec<&str> = paths.iter().map(String::as_str).collect();
        place.change(&refs, "2");
        let bundle = place.repo.path().join("public/deltas/mirror/1-2");
        match spoil {
            None => fs::remove_file(&bundle).unwrap(),
            Some(spoil) => {
                let mut bytes = fs::read(&bundle).unwrap();
                spoil(&mut bytes);
                fs::write(&bundle, bytes).unwrap();
            }
        }
        let synced = place.sync();
        let used = synced.cost.deltas;
        let failed: u64 = used.fallbacks.by_reason().iter().map(|(_, count)| count).sum();
        assert_eq!(failed, 1, "{what}: {used:?}");
        // It goes on with the documents' own.
        assert_eq!(used.documents, 17, "{what}: {used:?}");
        let published = place.repo.files();
        assert!(place.mirrored().iter().all(|(name, bytes)| published[name] == *bytes), "{what}");
        assert!(place.mirrored().contains_key("2.snapshot.json"), "{what}");
    }
}

/// The bound: 1.2 times the strict floor of all that is new in sid, and the timestamp.
#[test]
fn the_real_debian_update_comes_within_its_bound() {
    const STRICT_FLOOR_BYTES: u64 = 374_560;
    let targets = |name: &str| {
        let path = tufold_tests::project_dir().join("datasets").join(name);
        let source = tufold_repo::targets::Source::open(&path).expect("a dataset");
        tufold_repo::targets::read_targets(source, &|_| ()).expect("a list")
    };
    let repo = tufold_tests::TestRepo::planned("bins-succinct:1024 versions")
        .ladder(Some(tufold_delta::Ladder::default()));
    repo.try_init(targets("debian-forky-amd64.tsv.zst")).expect("an init");
    let server = tufold_tests::Server::of_folder(repo.path().join("public"));
    let place = Place { repo, server, folder: scratch() };
    place.sync();
    let sid = tufold_repo::Input::Targets(targets("debian-sid-amd64.tsv.zst"));
    place.repo.publish(sid, &[], after("1h"));
    let synced = place.sync();
    let published = place.repo.files();
    assert!(place.mirrored().iter().all(|(name, bytes)| published[name] == *bytes));
    let timestamp = fs::metadata(place.repo.metadata().join("timestamp.json")).unwrap().len();
    let bytes = synced.cost.bytes - timestamp;
    assert!(bytes * 10 <= STRICT_FLOOR_BYTES * 12, "{bytes} bytes");
    assert_eq!((synced.cost.requests, synced.cost.deltas.documents), (3, 1_025));
}
