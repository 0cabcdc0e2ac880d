//! Programs that sign: what they are given, and what becomes of those that do not sign.

use std::fs;
use std::path::Path;

use tufold_repo::settings::{RoleKind, SignerSettings};
use tufold_repo::{KeyRequest, NewKeys, RotateRequest};
use tufold_tests::files_of;

use super::ceremony::openssl;
use super::{ECDSA, Scene, public_pem, roles};
use crate::interop::Peer;

/// A program from a script for `sh`.
fn program(folder: &Path, name: &str, script: &str) -> SignerSettings {
    let path = folder.join(name);
    fs::write(&path, script).expect("room");
    SignerSettings::new(format!("sh {}", path.display()))
}

fn request(scene: &Scene, kinds: &[RoleKind], signers: &[(&str, SignerSettings)]) -> RotateRequest {
    let keys = KeyRequest {
        folder: Some(scene.dir.path().join("public-keys")),
        signers: signers.iter().map(|(name, signer)| (name.to_string(), signer.clone())).collect(),
        ..KeyRequest::default()
    };
    RotateRequest { roles: roles(kinds), keys: NewKeys::Other(keys) }
}

/// Two programs, behind which openssl signs, one for several roles.
#[test]
fn programs_sign_every_publish() {
    if !openssl() {
        return;
    }
    let mut scene = Scene::new("bins-prefixes:4 versions", &[Peer::PythonTuf]);
    scene.assert_followed("made");
    let keys = scene.dir.path().join("public-keys");
    fs::create_dir(&keys).unwrap();
    let ed25519 = tufold_meta::SigningKey::generate_ed25519_pem().unwrap();
    let kinds = [RoleKind::Timestamp, RoleKind::Snapshot, RoleKind::Bins, RoleKind::Root];
    for kind in kinds {
        fs::write(keys.join(format!("{kind}-a.pem")), public_pem(&ed25519)).unwrap();
        fs::write(keys.join(format!("{kind}-b.pem")), public_pem(ECDSA)).unwrap();
    }
    let holders = scene.dir.path().join("holders");
    fs::create_dir(&holders).unwrap();
    fs::write(holders.join("a.pem"), &ed25519).unwrap();
    fs::write(holders.join("b.pem"), ECDSA).unwrap();
    // openssl wants a file for Ed25519. The log says what was asked of it.
    let script = |key: &str, digest: &str, output: &str| {
        let folder = holders.display();
        format!(
            "set -e\nfile=$(mktemp {folder}/XXXXXX)\ncat > $file\n\
             echo \"$TUFOLD_ROLE $TUFOLD_KEY_ID $TUFOLD_SCHEME\" >> {folder}/log\n\
             openssl pkeyutl -sign -rawin {digest} -inkey {folder}/{key}.pem -in $file {output}\n\
             rm $file\n"
        )
    };
    let a = program(&holders, "a.sh", &script("a", "", ""));
    // In hex.
    let b = program(
        &holders,
        "b.sh",
        &script("b", "-digest sha256", "| od -An -v -tx1 | tr -d ' \\n'"),
    );
    let names = ["timestamp", "snapshot", "bins", "root"];
    let names: Vec<_> =
        names.iter().map(|name| (format!("{name}-a"), format!("{name}-b"))).collect();
    let signers: Vec<_> = names
        .iter()
        .flat_map(|(first, second)| [(first.as_str(), a.clone()), (second.as_str(), b.clone())])
        .collect();
    let mut request = request(&scene, &kinds, &signers);
    if let NewKeys::Other(keys) = &mut request.keys {
        keys.thresholds = kinds.map(|kind| (kind, 2)).into();
    }
    assert!(scene.rotate(&request).finished);
    scene.assert_followed("rotated");
    let settings = fs::read_to_string(scene.repo().join("private/settings.toml")).unwrap();
    assert!(settings.contains("a.sh") && settings.contains("timeout = \"30s\""), "{settings}");
    fs::remove_file(holders.join("log")).unwrap();
    scene.publish("by programs");
    scene.assert_followed("published");
    let log = fs::read_to_string(holders.join("log")).unwrap();
    let mut asked: Vec<_> = log
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split(' ').collect();
            (words[0].to_owned(), words[2].to_owned())
        })
        .collect();
    asked.sort();
    let expected = ["bins-1", "snapshot", "timestamp"].map(|role| {
        [
            (role.to_owned(), "ecdsa-sha2-nistp256".to_owned()),
            (role.to_owned(), "ed25519".to_owned()),
        ]
    });
    let mut expected = expected.concat();
    expected.sort();
    assert_eq!(asked.len(), expected.len());
    assert_eq!(asked[2..], expected[2..]);

    // When one fails, what clients see stays as it is.
    let before = fs::read(scene.metadata().join("timestamp.json")).unwrap();
    fs::write(holders.join("a.sh"), "echo out of order >&2; exit 3").unwrap();
    let publisher = tufold_repo::Publisher::open(&scene.repo()).unwrap();
    let refresh = ["timestamp".parse().unwrap()].into();
    let plan = publisher.plan(tufold_repo::Input::Nothing, &refresh, scene.now, &|_| ()).unwrap();
    let error = publisher.commit(plan, &|_| ()).unwrap_err().to_string();
    let expected = format!(
        "sh {}/a.sh did not sign timestamp: it ended with exit status: 3: out of order",
        holders.display()
    );
    assert_eq!(error, expected);
    assert!(fs::read(scene.metadata().join("timestamp.json")).unwrap() == before);

    // Keys that are gone take their programs along.
    fs::write(holders.join("a.sh"), script("a", "", "")).unwrap();
    scene.rotate(&super::request(&kinds));
    let settings = fs::read_to_string(scene.repo().join("private/settings.toml")).unwrap();
    assert!(!settings.contains("signers"), "{settings}");
    scene.assert_followed("rotated back");
}

#[test]
fn programs_that_do_not_sign_are_named() {
    let scene = Scene::new("bins-succinct:4 versions", &[]);
    let (folder, keys) = (scene.dir.path(), scene.dir.path().join("public-keys"));
    fs::create_dir(&keys).unwrap();
    fs::write(keys.join("root-kms.pem"), public_pem(ECDSA)).unwrap();
    let id = tufold_meta::SigningKey::from_pem(ECDSA).unwrap().id().to_string();
    let before = (files_of(&scene.metadata()), scene.keys());
    let mut slow = program(folder, "slow", "cat > /dev/null; exec sleep 600");
    slow.timeout = "1s".parse().unwrap();
    for (signer, problem) in [
        (program(folder, "fails", "exit 4"), "it ended with exit status: 4".to_owned()),
        (
            program(folder, "says", "echo locked >&2; exit 1"),
            "it ended with exit status: 1: locked".to_owned(),
        ),
        (
            program(folder, "hex", "echo 00ff"),
            format!("what it printed (5 bytes) is no signature of the key {id}"),
        ),
        (
            program(folder, "mute", "true"),
            format!("what it printed (0 bytes) is no signature of the key {id}"),
        ),
        (slow, "it was stopped after 1s".to_owned()),
        (
            SignerSettings::new("/nowhere/kms --key 7".to_owned()),
            "it cannot be started: No such file or directory (os error 2)".to_owned(),
        ),
    ] {
        let command = signer.command.clone();
        let request = request(&scene, &[RoleKind::Root], &[("root-kms", signer)]);
        let error = scene.rotator().begin(&request, scene.now).unwrap_err().to_string();
        assert_eq!(error, format!("{command} did not sign root: {problem}"));
        assert!((files_of(&scene.metadata()), scene.keys()) == before, "{command}");
    }
    let signer = SignerSettings::new("kms".to_owned());
    for (name, expected) in [
        ("root-hsm", format!("{} has no root-hsm.pem, which a program is for", keys.display())),
        ("timestamp", format!("{} has no timestamp.pem, which a program is for", keys.display())),
    ] {
        let request = request(&scene, &[RoleKind::Root], &[(name, signer.clone())]);
        let error = scene.rotator().begin(&request, scene.now).unwrap_err().to_string();
        assert_eq!(error, expected);
    }
}
