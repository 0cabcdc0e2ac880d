//! Fast-forward: an attacker with the online keys drove versions up, and clients come back.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use tufold_meta::{
    Digest, Hashes, MetaFile, Role, SigningKey, Snapshot, Targets, Timestamp, Version,
    canonical_parts, sign,
};
use tufold_sync::{Client, Limits};
use tufold_tests::{Visitor, checked_output, files_of, tufold_binary};

use super::{PATHS, Scene};
use crate::interop::{Peer, Peers};

const HUGE: u64 = 1_000_000_000;

/// The attacker took the private keys of these roles.
fn stolen(scene: &Scene, role: &str) -> SigningKey {
    let keys = files_of(&scene.repo().join("private/keys"));
    let (_, pem) = keys.iter().find(|(name, _)| name.starts_with(role)).expect("a key");
    SigningKey::from_pem(std::str::from_utf8(pem).expect("PEM")).expect("a key")
}

fn read<R: Role>(metadata: &Path, name: &str) -> R {
    let file = fs::read(metadata.join(name)).expect("a file");
    let (canonical, _) = canonical_parts(&file).expect("a document");
    serde_json::from_slice(&canonical).expect("a role")
}

/// Puts documents with huge versions in the place of the newest ones.
fn fast_forward(scene: &Scene, with_targets: bool) {
    let metadata = scene.metadata();
    let huge = Version::new(HUGE).expect("a version");
    let mut timestamp: Timestamp = read(&metadata, "timestamp.json");
    let current = timestamp.snapshot.version;
    let mut snapshot: Snapshot = read(&metadata, &format!("{current}.snapshot.json"));
    if with_targets {
        let listed = snapshot.meta["targets.json"].version;
        let mut targets: Targets = read(&metadata, &format!("{listed}.targets.json"));
        targets.version = huge;
        let file = sign(&targets.to_canonical(), &[&stolen(scene, "targets")]).expect("a file");
        fs::write(metadata.join(format!("{HUGE}.targets.json")), file).expect("room");
    }
    for (name, listed) in &mut snapshot.meta {
        // Without the keys of targets, a version that has no file: clients fail to find what is
        // there, and remember it all the same.
        if (name == "targets.json") == with_targets {
            listed.version = huge;
        }
    }
    snapshot.version = huge;
    let file = sign(&snapshot.to_canonical(), &[&stolen(scene, "snapshot")]).expect("a file");
    timestamp.version = huge;
    timestamp.snapshot = MetaFile {
        version: huge,
        length: Some(file.len() as u64),
        hashes: Some(Hashes::sha256_only(Digest::of(&file))),
        extra: Default::default(),
    };
    fs::write(metadata.join(format!("{HUGE}.snapshot.json")), file).expect("room");
    let file = sign(&timestamp.to_canonical(), &[&stolen(scene, "timestamp")]).expect("a file");
    fs::write(metadata.join("timestamp.json"), file).expect("room");
}

fn ours(scene: &Scene) -> Result<(), String> {
    let cache = scene.dir.path().join("ours");
    let public = scene.repo().join("public");
    let mut client =
        Client::open(&cache, public.to_str().expect("UTF-8"), Limits::default()).expect("a client");
    client.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
    client.visit(scene.now).map(drop).map_err(|error| error.to_string())
}

fn theirs(scene: &Scene) -> Option<Result<BTreeMap<String, u64>, String>> {
    let peers = Peers::find()?;
    let cache = scene.dir.path().join("python");
    let root = scene.metadata().join("1.root.json");
    Some(
        peers
            .try_read(Peer::PythonTuf, &scene.metadata(), &root, &cache, PATHS.into_iter())
            .map(|answer| answer.versions),
    )
}

#[test]
fn clients_recover_from_a_fast_forward() {
    for (with_targets, roles) in
        [(false, &["timestamp", "snapshot"][..]), (true, &["timestamp", "snapshot", "targets"])]
    {
        let mut scene = Scene::new("bins-succinct:4 versions", &[Peer::PythonTuf]);
        scene.publish("first");
        scene.assert_followed("before the attack");
        let good = files_of(&scene.metadata());

        fast_forward(&scene, with_targets);
        ours(&scene).expect("the attack succeeds");
        if let Some(answer) = theirs(&scene) {
            // What has no file cannot be found, but the top-level roles are taken.
            assert_eq!(answer.is_ok(), with_targets, "{answer:?}");
        }

        // The publisher puts its own files back. Clients that saw the attack refuse them.
        for name in files_of(&scene.metadata()).into_keys() {
            match good.get(&name) {
                Some(bytes) => fs::write(scene.metadata().join(name), bytes).unwrap(),
                None => fs::remove_file(scene.metadata().join(name)).unwrap(),
            }
        }
        let refused = ours(&scene).unwrap_err();
        assert_eq!(refused, format!("timestamp.json went back from version {HUGE} to 2"));
        if let Some(answer) = theirs(&scene) {
            assert!(answer.unwrap_err().contains("New timestamp version 2 must be >="));
        }
        assert_eq!(newest(&scene), 2);

        let mut command = Command::new(tufold_binary());
        command.arg("rotate").arg(scene.repo());
        roles.iter().for_each(|role| {
            command.args(["--role", role]);
        });
        checked_output(&mut command, "tufold rotate");
        scene.now = super::clock();
        scene.assert_followed("recovered");
        if let Some(answer) = theirs(&scene) {
            assert!(answer.unwrap()["timestamp"] < 10, "versions are low again");
        }
        // The published versions themselves went on from where they were.
        assert_eq!(newest(&scene), 4);

        // The stolen keys are worth nothing any more.
        let keys = scene.repo().join("private");
        for role in roles {
            let is_of = |name: &String| name.starts_with(role);
            let old = files_of(&keys.join("retired"));
            let old = old.iter().find(|(name, _)| is_of(name)).expect("an old key");
            let new = scene.keys().into_iter().find(is_of).expect("a new key");
            fs::write(keys.join("keys").join(new), old.1).unwrap();
        }
        fast_forward(&scene, with_targets);
        let refused = ours(&scene).unwrap_err();
        let expected = "timestamp.json: 0 of 1 required signatures are good, going by root.json";
        assert_eq!(refused, expected);
    }
}

/// The version of the timestamp that a new client sees.
fn newest(scene: &Scene) -> u64 {
    Visitor::refresh(&scene.metadata(), scene.now).expect("a visit").timestamp_version()
}
