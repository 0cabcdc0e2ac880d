//! Repositories that python-tuf wrote, with all that tufold itself would not write: see
//! `make_repo.py`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tempfile::tempdir;
use tufold_meta::{
    Key, KeyId, MetaFile, Role, RoleKeys, Root, Signed, Snapshot, Targets, Timestamp, Verified,
    Version, names,
};

use super::clients::{Client, Clients, Found};

/// A repository and what a client must find in it.
#[derive(Deserialize)]
struct Foreign {
    kind: String,
    metadata: PathBuf,
    root: PathBuf,
    versions: BTreeMap<String, u64>,
    targets: BTreeMap<String, Found>,
    absent: Vec<String>,
}

fn foreign_repositories(clients: &Clients, out: &Path) -> Vec<Foreign> {
    let manifest = clients.python("make_repo.py", [out], "");
    serde_json::from_str(&manifest).expect("a manifest")
}

#[test]
fn python_tuf_reads_them() {
    let Some(clients) = Clients::find() else { return };
    let dir = tempdir().expect("a temporary folder");
    for foreign in foreign_repositories(clients, dir.path()) {
        let cache = dir.path().join(format!("cache of {}", foreign.kind));
        let paths = foreign.targets.keys().chain(&foreign.absent).map(String::as_str);
        let answer =
            clients.read(Client::PythonTuf, &foreign.metadata, &foreign.root, &cache, paths);
        for (role, version) in &answer.versions {
            assert_eq!(*version, foreign.versions[role], "{role}");
        }
        for (path, found) in &foreign.targets {
            assert_eq!(answer.targets[path].as_ref(), Some(found), "{path}");
        }
        for path in &foreign.absent {
            assert_eq!(answer.targets[path], None, "{path}");
        }
    }
}

/// Every signature is good to tufold too, and no unknown field is lost.
#[test]
fn tufold_meta_verifies_and_keeps_every_document() {
    let Some(clients) = Clients::find() else { return };
    let dir = tempdir().expect("a temporary folder");
    for foreign in foreign_repositories(clients, dir.path()) {
        let first = foreign.document::<Root>("1.root.json").verify_by_itself().expect("root 1");
        let second = foreign.document::<Root>("2.root.json");
        let second = second.verify(&first.keys, &first.roles["root"]).expect("root 2 by root 1");
        let root = second.into_signed().verify_by_itself().expect("root 2 by itself");

        let timestamp: Verified<Timestamp> =
            foreign.verified("timestamp.json", &root.keys, &root.roles["timestamp"]);
        let name = names::versioned_file_name("snapshot", timestamp.snapshot.version);
        let snapshot: Verified<Snapshot> =
            foreign.verified(&name, &root.keys, &root.roles["snapshot"]);
        timestamp.snapshot.check(snapshot.bytes()).expect("the snapshot that was listed");
        let top = foreign.targets_role(&snapshot, "targets", &root.keys, &root.roles["targets"]);

        for (path, expected) in &foreign.targets {
            let found = foreign.find(&snapshot, &top, path);
            assert_eq!(found.as_ref(), Some(expected), "{path}");
        }
        for path in &foreign.absent {
            assert_eq!(foreign.find(&snapshot, &top, path), None, "{path}");
        }
    }
}

impl Foreign {
    fn document<T: Role>(&self, name: &str) -> Signed<T> {
        let bytes = fs::read(self.metadata.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        Signed::parse(bytes).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    fn verified<T: Role>(
        &self,
        name: &str,
        keys: &BTreeMap<KeyId, Key>,
        role: &RoleKeys,
    ) -> Verified<T> {
        let document = self.document::<T>(name).verify(keys, role);
        let document = document.unwrap_or_else(|e| panic!("{name}: {e}"));
        let rewritten = document.to_canonical();
        assert_eq!(
            rewritten.escape_ascii().to_string(),
            document.signed().canonical().escape_ascii().to_string(),
            "{name} does not survive"
        );
        document
    }

    fn targets_role(
        &self,
        snapshot: &Snapshot,
        name: &str,
        keys: &BTreeMap<KeyId, Key>,
        role: &RoleKeys,
    ) -> Verified<Targets> {
        let listed: &MetaFile = &snapshot.meta[&names::meta_name(name)];
        assert_eq!(Version::new(self.versions[name]), Some(listed.version), "{name}");
        let document: Verified<Targets> =
            self.verified(&names::versioned_file_name(name, listed.version), keys, role);
        listed.check(document.bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        document
    }

    /// Follows the first delegation at each level, which is all these repositories need.
    fn find(&self, snapshot: &Snapshot, role: &Targets, path: &str) -> Option<Found> {
        if let Some(target) = role.targets.get(path) {
            let (_, sha256) = target.hashes.iter().find(|(name, _)| *name == "sha256")?;
            return Some(Found { length: target.length, sha256 });
        }
        let delegations = role.delegations.as_ref()?;
        let child = delegations.roles_for(path).into_iter().next()?;
        let child = self.targets_role(snapshot, &child.name, &delegations.keys, child.keys);
        self.find(snapshot, &child, path)
    }
}
