//! Keys that are elsewhere: what is to be signed goes out, and signatures come back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tufold_meta::SigningKey;
use tufold_repo::settings::RoleKind;
use tufold_repo::{
    DocumentStatus, Error, Input, KeyRequest, NewKeys, Publisher, RotateRequest, Rotated,
};
use tufold_tests::{checked_output, files_of};

use super::{ECDSA, Scene, public_pem, request, roles};
use crate::interop::Peer;

/// Holders of private keys, and what travels between them and the publisher.
struct Ceremony {
    scene: Scene,
    holders: Vec<String>,
    folder: PathBuf,
}

/// A rotation of `root` and `targets` to two of these three keys, none of which is on this machine.
fn ceremony(peers: &[Peer]) -> Ceremony {
    let scene = Scene::new("bins-succinct:4 versions", peers);
    let (keys, folder) = (scene.dir.path().join("public-keys"), scene.dir.path().join("usb"));
    fs::create_dir(&keys).expect("room");
    let ed25519 = || SigningKey::generate_ed25519_pem().expect("a key");
    let holders = vec![ed25519(), ed25519(), ECDSA.to_owned()];
    for (number, holder) in holders.iter().enumerate() {
        for role in ["root", "targets"] {
            fs::write(keys.join(format!("{role}-{number}.pem")), public_pem(holder)).expect("room");
        }
    }
    Ceremony { scene, holders, folder }
}

impl Ceremony {
    fn request(&self) -> RotateRequest {
        let kinds = [RoleKind::Root, RoleKind::Targets];
        let keys = KeyRequest {
            folder: Some(self.scene.dir.path().join("public-keys")),
            thresholds: kinds.map(|kind| (kind, 2)).into(),
            ..KeyRequest::default()
        };
        RotateRequest { roles: roles(&kinds), keys: NewKeys::Other(keys) }
    }

    fn export(&self, request: &RotateRequest) -> Vec<DocumentStatus> {
        let _ = fs::remove_dir_all(&self.folder);
        let mut rotator = self.scene.rotator();
        let mut rotation = rotator.begin(request, self.scene.now).expect("a rotation");
        rotator.save(&mut rotation).expect("room");
        rotator.export(&rotation, &self.folder).expect("room")
    }

    fn import(&self) -> Result<Rotated, Error> {
        let rotator = self.scene.rotator();
        let mut rotation = rotator.resume(self.scene.now)?.expect("one under way");
        rotator.import(&mut rotation, &self.folder)?;
        rotator.commit(rotation, self.scene.now, &|_| ())
    }

    /// A holder signs one of the files.
    fn sign(&self, holder: usize, file: &str) -> (String, Vec<u8>) {
        let message = fs::read(self.folder.join(file)).expect("a file to sign");
        let key = SigningKey::from_pem(&self.holders[holder]).expect("a key");
        let signature = key.sign(&message).expect("a signature");
        (key.id().to_string(), signature.bytes().expect("hex"))
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.folder.join(name), bytes).expect("room");
    }

    fn metadata_names(&self) -> BTreeSet<String> {
        files_of(&self.scene.metadata()).into_keys().collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn offline_keys_sign_what_was_exported() {
    let mut ceremony = ceremony(&[Peer::PythonTuf]);
    ceremony.scene.assert_followed("made");
    let rotator = ceremony.scene.rotator();
    let rotation = rotator.begin(&ceremony.request(), ceremony.scene.now).unwrap();
    let error = rotator.require_signatures(&rotation).unwrap_err().to_string();
    let expected = "2.root.json needs 2 signatures of the keys that 2.root.json names, and the \
                    keys at hand made 0; export it to have it signed elsewhere (--export DIR)";
    assert_eq!(error, expected);
    drop(rotator);

    let before = files_of(&ceremony.scene.metadata());
    let documents = ceremony.export(&ceremony.request());
    assert!(files_of(&ceremony.scene.metadata()) == before, "nothing public changes");
    let quorums: Vec<_> = documents
        .iter()
        .flat_map(|document| &document.quorums)
        .map(|quorum| (&*quorum.named_by, quorum.signed, quorum.threshold, quorum.keys.len()))
        .collect();
    let of_both = [("1.root.json", 1, 1, 1), ("2.root.json", 0, 2, 3)];
    assert_eq!(quorums, [of_both, of_both].concat(), "the old keys are at hand and signed");
    let manifest = fs::read(ceremony.folder.join("manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for (document, file) in [(0, "2.root.signed"), (1, "2.targets.signed")] {
        let document = &manifest["documents"][document];
        assert_eq!(document["to_sign"], file);
        let bytes = fs::read(ceremony.folder.join(file)).unwrap();
        assert_eq!(document["length"], bytes.len());
        assert_eq!(document["sha256"], tufold_meta::Digest::of(&bytes).to_string());
        assert_eq!(document["quorums"][1]["keys"].as_array().unwrap().len(), 3);
    }

    // Raw, in hex, and as JSON; the publisher goes on with uploads meanwhile.
    let (id, signature) = ceremony.sign(0, "2.root.signed");
    ceremony.put(&format!("{id}.sig"), signature);
    let rotated = ceremony.import().unwrap();
    assert!(!rotated.finished);
    let signed = |rotated: &Rotated| -> Vec<u64> {
        let quorums = rotated.documents.iter().flat_map(|document| &document.quorums);
        quorums.map(|quorum| quorum.signed).collect()
    };
    assert_eq!(signed(&rotated), [1, 1, 1, 0]);
    assert!(files_of(&ceremony.scene.metadata()) == before, "nothing public changes");
    ceremony.scene.publish("meanwhile");
    ceremony.scene.assert_followed("published meanwhile");
    let (id, signature) = ceremony.sign(0, "2.targets.signed");
    ceremony.put(&format!("2.targets.{id}.sig"), hex(&signature) + "\n");
    let (id, signature) = ceremony.sign(2, "2.targets.signed");
    ceremony.put("holder-2.json", format!(r#"{{"keyid":"{id}","sig":"{}"}}"#, hex(&signature)));
    let rotated = ceremony.import().unwrap();
    assert_eq!((rotated.finished, signed(&rotated)), (false, vec![1, 1, 1, 2]));
    let (id, signature) = ceremony.sign(2, "2.root.signed");
    ceremony.put(&format!("root.{id}.sig"), signature);
    let rotated = ceremony.import().unwrap();
    assert!(rotated.finished);
    assert_eq!((rotated.root_version, rotated.retired.len()), (2, 2));
    ceremony.scene.assert_followed("rotated");

    // Uploads need none of these keys.
    ceremony.scene.publish("afterwards");
    ceremony.scene.assert_followed("published");
    let names = ceremony.metadata_names();
    assert!(!names.contains("3.targets.json"));

    // Bins that rotate need the key of targets.
    let error = {
        let rotator = ceremony.scene.rotator();
        let rotation = rotator.begin(&request(&[RoleKind::Bins]), ceremony.scene.now).unwrap();
        rotator.require_signatures(&rotation).unwrap_err().to_string()
    };
    assert!(error.starts_with("3.targets.json needs 2 signatures"), "{error}");
    ceremony.export(&request(&[RoleKind::Bins]));
    for holder in [1, 2] {
        let (id, signature) = ceremony.sign(holder, "3.targets.signed");
        ceremony.put(&format!("{id}.sig"), signature);
    }
    let rotated = ceremony.import().unwrap();
    assert!(rotated.finished && rotated.done.len() == 1, "{rotated:?}");
    ceremony.scene.assert_followed("bins rotated");
}

/// What is wrong with a signature is said, and nothing is taken.
#[test]
fn wrong_signatures_are_refused() {
    let ceremony = ceremony(&[]);
    ceremony.export(&ceremony.request());
    let (id, signature) = ceremony.sign(1, "2.root.signed");
    let stranger = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
    let mut damaged = signature.clone();
    damaged[7] ^= 1;
    let pending = || fs::read(ceremony.scene.repo().join("private/rotation.json")).unwrap();
    let before = pending();
    let folder = ceremony.folder.display().to_string();
    for (name, bytes, expected) in [
        (
            format!("{id}.sig"),
            damaged,
            format!("is no signature of the key {id} over 2.root.signed or 2.targets.signed"),
        ),
        (
            format!("{}.sig", stranger.id()),
            stranger.sign(b"").unwrap().bytes().unwrap(),
            format!("is of the key {}, which signs no document of this rotation", stranger.id()),
        ),
        ("x.json".to_owned(), b"{}".to_vec(), "is not an object of keyid and sig".to_owned()),
    ] {
        ceremony.put(&name, bytes);
        let error = ceremony.import().unwrap_err().to_string();
        let path = format!("{folder}/{name} ");
        assert!(error.starts_with(&path) && error.contains(&expected), "{error}");
        assert!(pending() == before, "{name} was taken");
        fs::remove_file(ceremony.folder.join(&name)).unwrap();
    }
    let error = ceremony.import().unwrap_err().to_string();
    assert!(error.contains("holds no signature"), "{error}");
    // One that was signed by the same key over another document of the rotation fits that one.
    ceremony.put(&format!("{id}.sig"), signature);
    let rotated = ceremony.import().unwrap();
    assert_eq!(rotated.documents[0].quorums[1].signed, 1);
    assert_eq!(rotated.documents[1].quorums[1].signed, 0);
}

/// Keys of the roles that every publish signs cannot be elsewhere.
#[test]
fn online_roles_need_keys_at_hand() {
    let scene = Scene::new("bins-succinct:4 versions", &[]);
    let keys = scene.dir.path().join("public-keys");
    fs::create_dir(&keys).unwrap();
    for kind in ["timestamp", "snapshot", "bins"] {
        fs::write(keys.join(format!("{kind}.pem")), public_pem(ECDSA)).unwrap();
        let request = RotateRequest {
            roles: roles(&[kind.parse().unwrap()]),
            keys: NewKeys::Other(KeyRequest { folder: Some(keys.clone()), ..Default::default() }),
        };
        let error = scene.rotator().begin(&request, scene.now).unwrap_err().to_string();
        let expected = format!(
            "publishes sign {kind}, so 1 of its new keys have to be at hand or have a program \
             that signs, and 0 do"
        );
        assert_eq!(error, expected);
    }
}

/// What offline keys sign is renewed in time, and until then publishes go on without them.
#[test]
fn publishes_say_when_offline_keys_have_to_sign() {
    let mut ceremony = ceremony(&[]);
    ceremony.export(&ceremony.request());
    for (number, file) in ["2.root.signed", "2.targets.signed"].into_iter().enumerate() {
        for holder in [0, 1] {
            let (id, signature) = ceremony.sign(holder, file);
            ceremony.put(&format!("{number}.{id}.sig"), signature);
        }
    }
    assert!(ceremony.import().unwrap().finished);

    let begin = ceremony.scene.now;
    let days = |days: u64| begin.plus_seconds(days * 86_400);
    let expires = days(365);
    let repo = ceremony.scene.repo();
    let publish = |now| {
        let publisher = Publisher::open(&repo)?;
        let plan = publisher.plan(Input::Nothing, &BTreeSet::new(), now, &|_| ())?;
        publisher.commit(plan, &|_| ())
    };
    let command = |role: &str| {
        format!("tufold rotate {} --role {role} --keep-keys --export DIR", repo.display())
    };
    assert_eq!(publish(days(100)).unwrap().summary.waiting, []);
    let waiting = publish(days(200)).unwrap().summary.waiting;
    let waiting: Vec<_> = waiting.iter().map(|w| (w.role, w.expires, w.command.clone())).collect();
    let expected =
        [RoleKind::Root, RoleKind::Targets].map(|role| (role, expires, command(role.name())));
    assert_eq!(waiting, expected);
    let before = ceremony.metadata_names();
    let error = publish(days(330)).unwrap_err().to_string();
    let expected = format!(
        "root expires at {expires} and too few of its keys are at hand; have it signed with `{}`",
        command("root")
    );
    assert_eq!(error, expected);
    assert_eq!(ceremony.metadata_names(), before);

    // The command does it: the root, then targets.
    ceremony.scene.now = days(330);
    for (role, file, steps) in
        [(RoleKind::Root, "3.root.signed", 1), (RoleKind::Targets, "3.targets.signed", 1)]
    {
        let thresholds = Default::default();
        ceremony
            .export(&RotateRequest { roles: roles(&[role]), keys: NewKeys::Same { thresholds } });
        for holder in [1, 2] {
            let (id, signature) = ceremony.sign(holder, file);
            ceremony.put(&format!("{id}.sig"), signature);
        }
        let rotated = ceremony.import().unwrap();
        assert!(rotated.finished && rotated.retired.is_empty());
        assert_eq!(rotated.done.len(), steps, "{role}");
        if role == RoleKind::Root {
            let error = publish(days(330)).unwrap_err().to_string();
            assert!(error.starts_with("targets expires at"), "{error}");
        }
    }
    assert_eq!(publish(days(330)).unwrap().summary.waiting, []);
    super::assert_readable(&repo, days(330), "renewed");
}

/// What was exported before a publish changed the targets role fits no more.
#[test]
fn a_document_that_was_overtaken_is_made_anew() {
    let mut ceremony = ceremony(&[]);
    ceremony.export(&ceremony.request());
    let (id, old) = ceremony.sign(0, "2.targets.signed");
    let publisher = Publisher::open(&ceremony.scene.repo()).unwrap();
    let refresh = ["targets".parse().unwrap()].into();
    let plan = publisher.plan(Input::Nothing, &refresh, ceremony.scene.now, &|_| ()).unwrap();
    publisher.commit(plan, &|_| ()).unwrap();
    ceremony.put(&format!("{id}.sig"), old);
    let error = ceremony.import().unwrap_err().to_string();
    assert!(error.ends_with("over 2.root.signed or 3.targets.signed"), "{error}");
    ceremony.export(&ceremony.request());
    for (number, file) in ["2.root.signed", "3.targets.signed"].into_iter().enumerate() {
        for holder in [0, 2] {
            let (id, signature) = ceremony.sign(holder, file);
            ceremony.put(&format!("{number}.{id}.sig"), signature);
        }
    }
    assert!(ceremony.import().unwrap().finished);
    ceremony.scene.assert_followed("rotated");
}

/// OpenSSL's command, if it is there; it has to be under TUFOLD_INTEROP=1.
#[expect(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
pub(super) fn openssl() -> bool {
    // `-rawin` came with version 3.
    let version = Command::new("openssl").arg("version").output();
    let there = version.is_ok_and(|output| output.stdout.starts_with(b"OpenSSL 3"));
    if !there {
        let wanted = std::env::var_os("TUFOLD_INTEROP").is_some_and(|value| value == "1");
        assert!(!wanted, "openssl 3 is missing");
        eprintln!("skipped: openssl 3 is missing");
    }
    there
}

fn run_openssl(folder: &Path, args: &str) {
    let mut command = Command::new("openssl");
    checked_output(command.current_dir(folder).args(args.split(' ')), "openssl");
}

#[test]
fn openssl_makes_keys_and_signatures() {
    if !openssl() {
        return;
    }
    let mut ceremony = ceremony(&[Peer::PythonTuf]);
    ceremony.scene.assert_followed("made");
    let holders = ceremony.scene.dir.path().join("holders");
    fs::create_dir(&holders).unwrap();
    run_openssl(&holders, "genpkey -algorithm ed25519 -out 0.pem");
    run_openssl(&holders, "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out 1.pem");
    run_openssl(&holders, "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out 2.pem");
    for number in 0..3 {
        for role in ["root", "targets"] {
            let args =
                format!("pkey -in {number}.pem -pubout -out ../public-keys/{role}-{number}.pem");
            run_openssl(&holders, &args);
        }
    }
    let documents = ceremony.export(&ceremony.request());
    for document in documents {
        let file = format!("{}.{}", document.version, document.role);
        let ids: Vec<_> = document.quorums[1].keys.iter().map(|k| (&k.keyid, &*k.scheme)).collect();
        for (id, scheme) in ids {
            let args = match scheme {
                "ed25519" => "-inkey 0.pem",
                "ecdsa-sha2-nistp256" => "-digest sha256 -inkey 1.pem",
                // Two of three are enough.
                _ => continue,
            };
            let paths = format!("-in ../usb/{file}.signed -out ../usb/{file}.{id}.sig");
            run_openssl(&holders, &format!("pkeyutl -sign -rawin {args} {paths}"));
        }
    }
    assert!(ceremony.import().unwrap().finished);
    ceremony.scene.assert_followed("rotated");

    // RSA, which signs by PSS.
    let documents = ceremony.export(&RotateRequest {
        roles: roles(&[RoleKind::Root]),
        keys: NewKeys::Same { thresholds: [(RoleKind::Root, 3)].into() },
    });
    for key in &documents[0].quorums[0].keys {
        let args = match &*key.scheme {
            "ed25519" => "-inkey 0.pem",
            "ecdsa-sha2-nistp256" => "-digest sha256 -inkey 1.pem",
            _ => {
                "-digest sha256 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:digest -inkey 2.pem"
            }
        };
        let paths = format!("-in ../usb/3.root.signed -out ../usb/{}.sig", key.keyid);
        run_openssl(&holders, &format!("pkeyutl -sign -rawin {args} {paths}"));
    }
    assert!(ceremony.import().unwrap().finished);
    ceremony.scene.assert_followed("three of three");
}
