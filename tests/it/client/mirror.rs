//! Mirrors: whole, servable, mended.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use tufold_sync::{Limits, Mirror, Mirrored};
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
    let place = Place::new("bins-succinct:64 hashes", &Vec::from_iter(paths.iter().map(|p| &**p)));
    place.sync();
    let (metadata, url) = (place.mirror_folder().join("public/metadata"), place.server.url());
    let (mut kills, mut state) = (0, 7_u64);
    for generation in 1..=10_u64 {
        let content = generation.to_string();
        let rows = paths.iter().map(|path| put(path, &content));
        place.repo.publish(changes(rows), &[], after("1h"));
        let mut command = Command::new(tufold_binary());
        command.args(["sync", &url, "--mirror", "--now", NOW, "--into"]).arg(place.mirror_folder());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // A multiplicative generator: the same delays every time, of 0 to 80 ms.
        state = state * 48_271 % 2_147_483_647;
        std::thread::sleep(Duration::from_micros(state % 80_000));
        let _ = child.kill();
        kills += u32::from(!child.wait().unwrap().success());
        let mut visitor = Visitor::refresh(&metadata, after("1h")).unwrap();
        let found = visitor.snapshot_version();
        assert!(found == generation || found == generation + 1, "{found}");
        assert!(paths.iter().all(|path| visitor.find(path).unwrap().is_some()));
        place.sync();
        assert!(place.mirrored() == place.repo.files());
    }
    assert!(kills > 0, "every sync ended before it was killed");
}
