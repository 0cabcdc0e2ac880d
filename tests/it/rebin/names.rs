//! Bins whose names get a digit more or less: the old names stay listed among the new ones, and cost nobody anything.

use std::fs;

use tufold_repo::KeyRequest;
use tufold_sync::{Client, Fallbacks, Limits, Mirror, Mirrored};
use tufold_tests::files_of;

use super::{listed, rebin};
use crate::rotate::Scene;

fn scene(layout: &str) -> Scene {
    let paths: Vec<String> = (0..3000).map(|n| format!("pool/{}/file-{n}", n % 50)).collect();
    Scene::with_paths(layout, &[], &KeyRequest::default(), &paths)
}

/// The length of the snapshot's newest delta from so many versions before it, or from nothing.
fn snapshot_delta_bytes(scene: &Scene, versions: Option<u64>) -> u64 {
    let timestamp = &files_of(&scene.metadata())["timestamp.json"];
    let timestamp: serde_json::Value = serde_json::from_slice(timestamp).expect("JSON");
    let to = timestamp["signed"]["meta"]["snapshot.json"]["version"].as_u64().expect("a version");
    let from = versions.map_or(0, |versions| to - versions);
    let file = scene.repo().join(format!("public/deltas/snapshot/{from}-{to}"));
    fs::metadata(file).expect("a delta").len()
}

/// Every change costs what its signature and the fixed fields cost, whatever the names, and so does a first snapshot.
#[test]
fn a_snapshot_of_other_bins_costs_its_signature() {
    for (first, changes) in [
        ("bins-succinct:8 versions", &["bins-succinct:16", "bins-succinct:32"][..]),
        (
            "bins-succinct:256 versions",
            &["bins-succinct:512", "bins-succinct:256", "bins-succinct:512"],
        ),
        ("bins-prefixes:256 versions", &["bins-prefixes:512", "bins-succinct:1024"]),
        (
            "bins-succinct:2048 versions",
            &["bins-succinct:4096", "bins-succinct:8192", "bins-prefixes:8192"],
        ),
    ] {
        let scene = scene(first);
        for (round, to) in changes.iter().enumerate() {
            scene.publish_to(round, to);
            rebin(&scene, to);
            let bins = super::delegation(to).bit_length().expect("bins").bin_count();
            let what = format!("{first}, change {round}, {} listed", listed(&scene).len());
            let bytes = snapshot_delta_bytes(&scene, Some(1));
            assert!(bytes <= 64 + bins / 50 + 100, "{what}: {bytes} B");
            assert!(bytes <= 120, "{what}: {bytes} B");
            let from_nothing = snapshot_delta_bytes(&scene, None);
            assert!(from_nothing <= 220, "{what}: {from_nothing} B from nothing");
            scene.publish_to(round, "after");
            let bytes = snapshot_delta_bytes(&scene, Some(1));
            assert!(bytes <= 100, "{what}: {bytes} B for a bin");
        }
    }
}

fn mirror(scene: &Scene, name: &str) -> Mirrored {
    let (folder, source) = (scene.dir.path().join(name), scene.repo().join("public"));
    let source = source.to_str().expect("UTF-8");
    let mut mirror = Mirror::open(&folder, source, Limits::default()).expect("a mirror");
    mirror.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
    let synced = mirror.sync(scene.now, &|_| ()).expect("a sync");
    assert_eq!(synced.cost.deltas.fallbacks, Fallbacks::default(), "{name}");
    // Whatever is delegated is there, and a client finds all of it.
    let public = folder.join("public");
    let cache = scene.dir.path().join(format!("{name}-client"));
    let mut client =
        Client::open(&cache, public.to_str().expect("UTF-8"), Limits::default()).expect("a client");
    client.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
    let mut visit = client.visit(scene.now).expect("a visit");
    assert!(visit.find(&scene.paths).expect("targets").iter().all(|found| found.listed.is_some()));
    synced
}

/// A mirror that was away while bins got other names takes bundles that carry nothing of the old ones, whether it ever had
/// their files or not.
#[test]
fn a_mirror_that_slept_pays_nothing_for_old_names() {
    // A path, a length and a digest; and a digest and a length in the snapshot.
    let (changed_bytes, listed_bytes) = (40, 34);
    for (form, to) in [
        ("bins-succinct:256 versions", "bins-succinct:512"),
        ("bins-succinct:256 hashes", "bins-succinct:512"),
        ("bins-prefixes:256 versions", "bins-prefixes:512"),
        ("bins-prefixes:256 hashes", "bins-succinct:512"),
    ] {
        let scene = scene(form);
        for place in 0..7 {
            scene.publish_to(place, "first");
        }
        mirror(&scene, "early");
        // Half of the bins change before they double.
        for place in 0..3 {
            scene.publish_all((0..60).map(|n| 3 * n + place), "before");
        }
        rebin(&scene, to);
        scene.publish_to(0, "after");
        let deltas = mirror(&scene, "early").cost.deltas;
        // Nobody can compute what the snapshot says of the old bins.
        let stale_bytes = if form.ends_with("hashes") { 256 * listed_bytes } else { 0 };
        let most = 66 * 512 + 400 + 181 * changed_bytes + stale_bytes;
        assert!(deltas.documents >= 514 && deltas.requests == 2, "{form}: {deltas:?}");
        assert!(deltas.bytes <= most, "{form}: {deltas:?}");
        mirror(&scene, "late");

        scene.publish_to(1, "once more");
        for name in ["early", "late"] {
            let deltas = mirror(&scene, name).cost.deltas;
            assert_eq!((deltas.documents, deltas.requests), (2, 1), "{form}, {name}");
            assert!(deltas.bytes <= 300, "{form}, {name}: {deltas:?}");
        }
        scene.publish_to(1, "before the halving");
        rebin(&scene, &to.replace("512", "256"));
        scene.publish_to(1, "and after it");
        for name in ["early", "late"] {
            let deltas = mirror(&scene, name).cost.deltas;
            assert!(deltas.documents >= 258, "{form}, {name}: {deltas:?}");
            // Two bundles.
            let most = 66 * 256 + 2 * (400 + changed_bytes);
            assert!(deltas.bytes <= most, "{form}, {name}: {deltas:?}");
        }
    }
}
