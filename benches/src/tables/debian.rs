//! Debian forky turned into sid by the publisher: what a mirror fetches, document by document and as one bundle.

use std::collections::BTreeSet;
use std::path::Path;

use tufold_delta::{Floor, fresh_hex_bytes};
use tufold_meta::names::parse_versioned_file_name;
use tufold_repo::{Input, Publisher};
use tufold_store::{DirectoryStore, Store};

use super::{Case, Plan};
use crate::work::{Files, Told, Work};
use crate::{debian_forky, debian_sid, new_repository, now, quiet};

/// The publish happens so long after the init.
const LATER_SECONDS: u64 = 86_400;

/// Every case.
pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for bins in [256, 1_024, 4_096] {
        for (told, kind, factor) in
            [(Told::FileByFile, "bin by bin", 1.60), (Told::AsBundle, "bundle", 1.15)]
        {
            plans.push(Plan {
                name: format!("debian forky to sid, {bins} bins, {kind}"),
                quick: false,
                large: false,
                timed: bins == 1_024,
                make: Box::new(move || case(bins, told, factor)),
            });
        }
    }
    plans
}

/// What a mirror has and wants. Files are there by role; the snapshot is `snapshot`.
pub fn repositories(bins: u64) -> (Files, Files) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("repo");
    new_repository(&path, debian_forky(), bins);
    let old = newest_files(&path);
    let publisher = Publisher::open(&path).expect("a repository");
    let later = now().plus_seconds(LATER_SECONDS);
    let plan = publisher.plan(Input::Targets(debian_sid()), &BTreeSet::new(), later, &quiet);
    publisher.commit(plan.expect("a plan"), &quiet).expect("a publish");
    (old, newest_files(&path))
}

fn newest_files(repository: &Path) -> Files {
    let store = DirectoryStore::open(repository.join("public")).expect("a store");
    let names = store.list("metadata/").expect("a list").into_iter().map(|entry| entry.name);
    let mut files: Vec<_> = names
        .filter_map(|name| {
            let (version, role) = parse_versioned_file_name(name.strip_prefix("metadata/")?)?;
            (role != "root").then_some((role, version, name))
        })
        .collect();
    files.sort();
    // The last of each role is the one that stays.
    files
        .into_iter()
        .map(|(role, _, name)| (role, store.get(&name, u64::MAX).expect("a file").expect("a file")))
        .collect()
}

fn case(bins: u64, told: Told, factor: f64) -> Case {
    let (old, new) = repositories(bins);
    let floor = strict_floor(&old, &new);
    let limit = (bins == 1_024).then_some(factor * floor.bytes);
    Case { work: Work::Repository { old, new, told }, signatures_len_bytes: 0, floor, limit }
}

/// Signatures and digests that the old files do not hold; a mirror that has the bins has no need of a snapshot's hashes.
fn strict_floor(old: &Files, new: &Files) -> Floor {
    let changed = new.iter().filter(|(role, file)| old.get(*role) != Some(file));
    let fresh = changed.map(|(role, file)| fresh_hex_bytes(old.get(role).map(Vec::as_slice), file));
    Floor::strict(fresh.sum(), 0)
}
