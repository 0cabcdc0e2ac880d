//! The client's folder: damaged, foreign, shared with python-tuf, used by two.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use tufold_sync::{Client, Limits};
use tufold_tests::{NOW, after, files_of, tufold_binary};

use super::Place;
use crate::interop::{Peer, Peers};

const PATHS: [&str; 3] = ["foo.txt", "bar.txt", "baz/qux.txt"];

#[test]
fn damaged_files_are_noticed_and_fetched_again() {
    let rows = [
        ("timestamp.json", "2.root.json timestamp.json"),
        ("snapshot.json", "2.root.json timestamp.json 1.snapshot.json"),
        ("targets.json", "2.root.json timestamp.json 1.targets.json"),
        ("bins-3.json", "2.root.json timestamp.json 1.bins-3.json"),
        (".tufold/receipts", "2.root.json timestamp.json"),
    ];
    let damages: [fn(&mut Vec<u8>); 4] = [
        |bytes| bytes.truncate(bytes.len() / 2),
        |bytes| bytes.clear(),
        // Any byte of a signed value.
        |bytes| {
            let at = bytes.len() - 10;
            bytes[at] ^= 1;
        },
        |bytes| *bytes = b"{\"signatures\":[],\"signed\":{}}".to_vec(),
    ];
    let place = Place::new("bins-succinct:4 versions", &PATHS);
    place.visit(&["foo.txt"]);
    let whole = files_of(&place.cache());
    for (name, requests) in rows {
        for damage in damages {
            let path = place.cache().join(name);
            let mut bytes = fs::read(&path).unwrap();
            damage(&mut bytes);
            fs::write(&path, bytes).unwrap();
            let found = place.visit(&["foo.txt"]);
            assert_eq!(found, (vec![true], requests.to_owned()), "{name}");
            assert!(files_of(&place.cache()) == whole, "{name} was not mended");
            assert_eq!(place.visit(&["foo.txt"]).1, "2.root.json timestamp.json", "{name}");
        }
    }
}

#[test]
fn a_damaged_root_asks_for_the_shipped_one() {
    let place = Place::new("bins-succinct:4 versions", &PATHS);
    place.visit(&["foo.txt"]);
    fs::write(place.cache().join("root.json"), "{}").unwrap();
    let mut client = Client::open(&place.cache(), &place.server.url(), Limits::default()).unwrap();
    let error = client.visit(after("1h")).err().unwrap().to_string();
    assert!(error.starts_with("root.json cannot be read: "), "{error}");
    drop(client);
    assert_eq!(place.visit(&["foo.txt"]).1, "2.root.json timestamp.json");
}

#[cfg(unix)]
#[test]
fn links_and_folders_in_the_cache_are_foreign() {
    let place = Place::new("bins-succinct:4 versions", &PATHS);
    place.visit(&["foo.txt"]);
    let (cache, elsewhere) = (place.cache(), place.folder.path().join("elsewhere"));
    fs::rename(cache.join("targets.json"), &elsewhere).unwrap();
    let content = fs::read(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, cache.join("targets.json")).unwrap();
    let (_, cost) = place.find(&["foo.txt"]).unwrap();
    assert_eq!(cost.damaged, 1);
    assert!(fs::symlink_metadata(cache.join("targets.json")).unwrap().is_file());
    assert!(fs::read(&elsewhere).unwrap() == content, "nothing is written through a link");
    fs::remove_file(cache.join("root.json")).unwrap();
    std::os::unix::fs::symlink(&elsewhere, cache.join("root.json")).unwrap();
    let mut client = Client::open(&cache, &place.server.url(), Limits::default()).unwrap();
    let error = client.visit(after("1h")).err().unwrap().to_string();
    assert!(error.ends_with("a root that is trusted already must be given"), "{error}");
}

#[test]
fn one_writer_at_a_time() {
    let place = Place::new("bins-succinct:4 versions", &PATHS);
    let first = place.client(&place.cache());
    let second = Client::open(&place.cache(), &place.server.url(), Limits::default());
    let error = second.err().unwrap().to_string();
    assert!(error.ends_with("lock is locked by another writer"), "{error}");
    drop(first);
    place.visit(&["foo.txt"]);
}

/// The receipt spares the parsing, so a snapshot that was verified under other keys must not pass.
#[test]
fn a_receipt_of_another_repository_is_worth_nothing() {
    let (one, other) = (
        Place::new("bins-succinct:4 versions", &PATHS),
        Place::new("bins-succinct:4 versions", &["foo.txt"]),
    );
    one.visit(&["foo.txt"]);
    other.visit(&["foo.txt"]);
    for name in ["snapshot.json", ".tufold/receipts"] {
        fs::copy(one.cache().join(name), other.cache().join(name)).unwrap();
    }
    let whole = other.repo.files()["1.snapshot.json"].clone();
    other.visit(&["foo.txt"]);
    assert!(fs::read(other.cache().join("snapshot.json")).unwrap() == whole);
}

#[test]
fn python_tuf_and_tufold_take_over_each_others_folder() {
    let Some(peers) = Peers::find() else { return };
    let place = Place::lasting("bins-succinct:4 versions", &PATHS);
    let (root, cache) = (place.repo.metadata().join("1.root.json"), place.cache());
    let url = format!("{}/metadata", place.server.url());
    let python = |paths: &[&str]| {
        place.server.requests();
        let paths = paths.iter().copied();
        peers.read(Peer::PythonTuf, url.as_ref(), &root, &cache, paths);
        place.server.requests().join(" ").replace("metadata/", "")
    };
    // python-tuf first: its root.json is a link.
    let top = "2.root.json timestamp.json 1.snapshot.json 1.targets.json";
    assert_eq!(python(&["foo.txt"]), format!("{top} 1.bins-3.json"));
    assert_eq!(place.visit(&["foo.txt"]).1, "2.root.json timestamp.json");
    // Then each with something new of the other's.
    assert_eq!(place.visit(&["bar.txt"]).1, "2.root.json timestamp.json 1.bins-0.json");
    assert_eq!(python(&["foo.txt", "bar.txt"]), "2.root.json timestamp.json");
    place.repo.publish(
        tufold_tests::changes([tufold_tests::put("foo.txt", "2")]),
        &["targets"],
        after("1h"),
    );
    let new = "2.root.json timestamp.json 2.snapshot.json 2.targets.json 2.bins-3.json";
    assert_eq!(python(&["foo.txt"]), new);
    assert_eq!(place.visit(&["foo.txt"]).1, "2.root.json timestamp.json");
    // tufold first.
    fs::remove_dir_all(&cache).unwrap();
    assert_eq!(place.visit(&["foo.txt"]).1, new);
    assert_eq!(python(&["foo.txt"]), "2.root.json timestamp.json");
}

#[test]
fn sigkill_leaves_a_folder_that_the_next_sync_takes_up() {
    let paths: Vec<String> = (0..64).map(|n| format!("target-{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::new("bins-succinct:32 hashes", &paths);
    let root = place.repo.metadata().join("1.root.json");
    let (mut kills, mut state) = (0, 1_u64);
    for _ in 0..12 {
        let _ = fs::remove_dir_all(place.cache());
        let mut command = Command::new(tufold_binary());
        command.args(["sync", &place.server.url(), "--now", NOW, "--into"]).arg(place.cache());
        command.arg("--root").arg(&root).stdout(Stdio::null()).stderr(Stdio::null());
        command.args(paths.iter().flat_map(|path| ["--target", path]));
        let mut child = command.spawn().unwrap();
        // A multiplicative generator: the same delays every time, of 0 to 60 ms.
        state = state * 48_271 % 2_147_483_647;
        std::thread::sleep(Duration::from_micros(state % 60_000));
        let _ = child.kill();
        kills += u32::from(!child.wait().unwrap().success());
        let before = files_of(&place.cache());
        let (targets, cost) = place.find(&paths).unwrap();
        assert!(targets.iter().all(|target| target.listed.is_some()));
        // The next root and the timestamp are always asked for; beside them what was not there, or
        // not whole. (What the kill cut short has another hash, as what was superseded has, which is no damage.)
        let after = files_of(&place.cache());
        let is_cut = |name: &str, bytes: &[u8]| {
            let whole = after.get(name).filter(|whole| whole.len() > bytes.len());
            name.ends_with(".json") && whole.is_some_and(|whole| whole.starts_with(bytes))
        };
        let is_held = |name: &str, bytes: &[u8]| !name.starts_with(".tmp-") && !is_cut(name, bytes);
        let held = before.iter().filter(|(name, bytes)| is_held(name, bytes)).count() as u64;
        let whole = after.len() as u64;
        assert!(cost.requests <= 2 + whole - held + cost.damaged, "{held} of {whole}: {cost:?}");
        assert_eq!(place.visit(&paths).1, "2.root.json timestamp.json");
    }
    assert!(kills > 0, "every sync ended before it was killed");
}
