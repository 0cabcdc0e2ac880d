//! The bins change while clients keep running: each of them follows, whatever it holds and wherever the change stops.

mod auto;
mod hostile;
mod long_run;
mod names;
mod spent;
mod thin;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tufold_repo::check::{Strictness, check};
use tufold_repo::layout::Delegation;
use tufold_repo::settings::RoleKind;
use tufold_repo::{KeyRequest, Pruner, Publisher, Rebinned, Rebinner, Repository};
use tufold_sync::{Client, Fallbacks, Limits, Mirror};
use tufold_tests::{Ledger, copy_folder, files_of, scratch, tufold_binary};

use crate::interop::{Peer, Peers};
use crate::rotate::{Scene, assert_readable_of, request};

/// Enough for every bin of 32 to list one, and of the shapes that make projects.
fn paths() -> Vec<String> {
    let file = |n: u32| match n % 3 {
        0 => format!("pool/{}/file-{n}", n % 7),
        1 => format!("simple/project-{n}/index.html"),
        _ => format!("packages/{:02x}/aa/bb/project_{}-1.{n}.tar.gz", n % 256, n % 11),
    };
    (0..120).map(file).collect()
}

fn scene(layout: &str, peers: &[Peer]) -> Scene {
    Scene::with_paths(layout, peers, &KeyRequest::default(), &paths())
}

/// `bins-succinct:8` and the like.
fn delegation(text: &str) -> Delegation {
    let (form, bins) = text.split_once(':').expect("a form and a number");
    Delegation::from_parts(form, Some(bins.parse().expect("a number"))).expect("a form")
}

fn rebin_at(repo: &Path, to: &str, now: tufold_meta::Time) -> Option<Rebinned> {
    let rebinner = Rebinner::of(Repository::open(repo).expect("a repository")).expect("no other");
    let plan = rebinner.plan(delegation(to), None, now, &|_| ()).expect("a plan")?;
    Some(rebinner.commit(plan, &|_| ()).expect("other bins"))
}

fn rebin(scene: &Scene, to: &str) -> Rebinned {
    rebin_at(&scene.repo(), to, scene.now).expect("they are others")
}

/// The entries of the current snapshot: role and version.
fn listed(scene: &Scene) -> BTreeMap<String, u64> {
    let files = files_of(&scene.metadata());
    let signed = |name: &str| -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&files[name]).expect("JSON")["signed"].take()
    };
    let version = &signed("timestamp.json")["meta"]["snapshot.json"]["version"];
    let snapshot = signed(&format!("{version}.snapshot.json"));
    let meta = snapshot["meta"].as_object().expect("entries");
    let entry = |(name, file): (&String, &serde_json::Value)| {
        let role = name.strip_suffix(".json").expect("a file of a role");
        (role.to_owned(), file["version"].as_u64().expect("a version"))
    };
    meta.iter().map(entry).collect()
}

/// From layout to layout, each client with its cache after every step and every publish. `stale` is how many roles are listed
/// and no longer delegated.
fn check_changes(first: &str, peers: &[Peer], changes: &[(&str, u64)]) -> Scene {
    let mut scene = scene(first, peers);
    scene.assert_followed("made");
    for (step, (to, stale)) in changes.iter().enumerate() {
        let what = format!("step {step}, to {to}");
        let highest = listed(&scene).into_iter().filter(|(role, _)| role != "targets");
        let highest = highest.map(|(_, version)| version).max().unwrap_or(0);
        let before = scene.paths.len() as u64;
        let rebinned = rebin(&scene, to);
        assert_eq!((rebinned.targets, rebinned.stale_roles), (before, *stale), "{what}");
        assert_eq!(rebinned.first_version, highest + 1, "{what}");
        scene.assert_followed(&what);
        assert_eq!(rebin_at(&scene.repo(), to, scene.now), None, "{what}: it is so already");
        scene.publish_to(0, &format!("content {step}"));
        scene.publish_to(1, &format!("content {step}"));
        scene.assert_followed(&format!("{what}, and published"));
    }
    scene
}

#[test]
fn clients_follow_every_change_of_succinct_bins() {
    // One hex digit up to 16 bins, two from there on.
    let changes = [
        ("bins-succinct:8", 0),
        ("bins-succinct:16", 0),
        ("bins-succinct:32", 16),
        ("bins-succinct:128", 16),
        ("bins-succinct:16", 128),
        ("bins-succinct:2", 142),
        ("bins-prefixes:8", 136),
        ("bins-succinct:4", 141),
    ];
    check_changes("bins-succinct:4 versions", &[Peer::PythonTuf], &changes);
}

#[test]
fn clients_follow_every_change_of_prefix_bins() {
    let changes = [("bins-prefixes:8", 0), ("bins-prefixes:32", 8), ("bins-prefixes:16", 32)];
    let peers = [Peer::PythonTuf, Peer::Tough, Peer::SigstoreTuf];
    let scene = check_changes("bins-prefixes:4 hashes", &peers, &changes);
    // Their delegation is the bins role's affair, so no offline key signs.
    assert_eq!(listed(&scene)["targets"], 1);
}

#[test]
fn offline_targets_keys_are_asked_for_before_anything_is_written() {
    let (succinct, prefixes) =
        (scene("bins-succinct:4 versions", &[]), scene("bins-prefixes:4 versions", &[]));
    for (scene, to, is_refused) in
        [(&succinct, "bins-succinct:8", true), (&prefixes, "bins-prefixes:8", false)]
    {
        let keys = scene.repo().join("private/keys");
        for entry in fs::read_dir(&keys).expect("keys") {
            let file = entry.expect("a key").path();
            let name = file.file_name().expect("a name").to_string_lossy().into_owned();
            if name.starts_with("targets-") {
                fs::remove_file(file).expect("the key is offline");
            }
        }
        let before = files_of(&scene.repo().join("private"));
        let rebinner = Rebinner::of(Repository::open(&scene.repo()).expect("a repository"));
        let rebinner = rebinner.expect("no other");
        let plan = rebinner.plan(delegation(to), None, scene.now, &|_| ());
        match plan {
            Err(error) => {
                assert!(is_refused, "{to}: {error}");
                let said = error.to_string();
                assert!(said.contains("bring them for this one command"), "{said}");
            }
            Ok(plan) => assert!(!is_refused && plan.is_some(), "{to}"),
        }
        drop(rebinner);
        assert_eq!(files_of(&scene.repo().join("private")), before, "{to}");
    }
}

#[test]
fn clients_follow_into_bins() {
    let firsts = ["flat versions", "projects-listed versions", "projects-wildcard hashes"];
    for first in firsts {
        let projects = listed(&scene(first, &[])).len() as u64 - 1;
        let changes = [("bins-succinct:8", projects), ("bins-prefixes:8", projects)];
        check_changes(first, &[Peer::PythonTuf], &changes);
    }
    let changes = [("bins-prefixes:8", 0)];
    check_changes("flat hashes", &[Peer::PythonTuf, Peer::Tough, Peer::SigstoreTuf], &changes);
}

/// A rotation of the snapshot's keys lets the old names go, and nothing brings them back with another content.
#[test]
fn a_rotation_lets_old_names_go() {
    let peers = [Peer::PythonTuf];
    let mut scene = scene("bins-succinct:8 versions", &peers);
    scene.assert_followed("made");
    let sizes = ["bins-succinct:64", "bins-succinct:8", "bins-prefixes:32", "bins-succinct:16"];
    for (round, to) in sizes.into_iter().enumerate() {
        rebin(&scene, to);
        scene.assert_followed(to);
        assert!(check_sound(&scene).iter().any(|line| line.contains("no role delegates to it")));
        // The timestamp's keys alone are no reason to let go.
        let before = listed(&scene).len();
        scene.rotate(&request(&[RoleKind::Timestamp]));
        assert_eq!(listed(&scene).len(), before);
        scene.assert_followed(&format!("{to}, another timestamp key"));
        let kinds: &[RoleKind] =
            if round % 2 == 0 { &[RoleKind::Snapshot] } else { &RoleKind::ALL };
        scene.rotate(&request(kinds));
        let bins_role = u64::from(to.starts_with("bins-prefixes"));
        let bins = delegation(to).bit_length().expect("bins").bin_count();
        assert_eq!(listed(&scene).len() as u64, bins + 1 + bins_role, "{to}");
        assert!(check_sound(&scene).iter().all(|line| !line.contains("delegates to it")));
        scene.assert_followed(&format!("{to}, rotated"));
        scene.publish_to(0, &format!("content {round}"));
        scene.assert_followed(&format!("{to}, published"));
    }
    // What was let go can be pruned, and only then is it gone.
    let old = |scene: &Scene| {
        let current = listed(scene);
        let names = files_of(&scene.metadata()).into_keys();
        let roles = names.filter_map(|name| {
            let (_, role) = tufold_meta::names::parse_versioned_file_name(&name)?;
            (role.starts_with("bins") && !current.contains_key(&role)).then_some(role)
        });
        roles.count()
    };
    assert!(old(&scene) > 0);
    scene.now = scene.now.plus_seconds(7200);
    scene.publish_to(0, "late");
    let pruner = Pruner::open(&scene.repo()).unwrap();
    let plan = pruner.plan("1h".parse().unwrap(), scene.now.plus_seconds(7200)).unwrap();
    pruner.commit(&plan, &|_| ()).unwrap();
    drop(pruner);
    assert_eq!(old(&scene), 0);
    scene.assert_followed("pruned");
    rebin(&scene, "bins-succinct:64");
    scene.assert_followed("and the old names came back");
}

/// Notes of a check that has no fault.
fn check_sound(scene: &Scene) -> Vec<String> {
    let repository = Repository::open(&scene.repo()).expect("a repository");
    let report = check(&repository, scene.now, Strictness::Usual, &|_| ()).expect("a report");
    assert!(report.is_sound(), "{:#?}", report.findings);
    report.findings.into_iter().map(|finding| finding.message).collect()
}

/// Clients that were away for one change or several, over rotations too, arrive like any other.
#[test]
fn a_client_that_slept_arrives() {
    let mut scene = scene("bins-succinct:4 versions", &[Peer::PythonTuf]);
    scene.assert_followed("made");
    let mut sleepers: Vec<(String, PathBuf)> = Vec::new();
    let mut doze = |scene: &Scene, name: &str| {
        let kept = scene.dir.path().join(format!("asleep-{}", sleepers.len()));
        for cache in ["ours", "PythonTuf"] {
            let from = scene.dir.path().join(cache);
            if from.is_dir() {
                copy_folder(&from, &kept.join(cache));
            }
        }
        sleepers.push((name.to_owned(), kept));
    };
    doze(&scene, "at first");
    for (to, rotated) in [
        ("bins-succinct:8", false),
        ("bins-succinct:32", true),
        ("bins-prefixes:16", false),
        ("bins-succinct:16", true),
        ("bins-succinct:32", false),
    ] {
        rebin(&scene, to);
        scene.assert_followed(to);
        doze(&scene, to);
        if rotated {
            scene.rotate(&request(&[RoleKind::Snapshot, RoleKind::Bins]));
            scene.assert_followed("rotated");
            doze(&scene, &format!("{to}, rotated"));
        }
        scene.publish_to(0, to);
        scene.publish_to(2, to);
    }
    scene.assert_followed("at last");
    let newest = sleepers.last().expect("sleepers").1.clone();
    assert!(newest.join("ours").is_dir());
    for (name, kept) in &sleepers {
        let source = scene.repo().join("public");
        let cache = kept.join("ours");
        let mut client =
            Client::open(&cache, source.to_str().expect("UTF-8"), Limits::default()).unwrap();
        let mut visit = client.visit(scene.now).unwrap_or_else(|error| panic!("{name}: {error}"));
        let targets = visit.find(&scene.paths).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(targets.iter().all(|target| target.listed.is_some()), "{name}");
        let Some(peers) = Peers::find() else { continue };
        let (metadata, cache) = (scene.metadata(), kept.join("PythonTuf"));
        let paths = scene.paths.iter().map(String::as_str);
        let root = metadata.join("1.root.json");
        let answer = peers.read(Peer::PythonTuf, &metadata, &root, &cache, paths);
        assert!(answer.targets.values().all(Option::is_some), "{name}");
    }
}

/// Stopped after any of its files, the last whole or cut off: the old bins are there, and it is done by the next attempt, or
/// something else is.
#[test]
fn a_change_goes_on_where_another_stopped() {
    for (first, to, other) in [
        ("bins-succinct:2 versions", "bins-succinct:4", "bins-succinct:8"),
        ("bins-prefixes:2 hashes", "bins-succinct:2", "bins-prefixes:4"),
        ("flat versions", "bins-prefixes:2", "bins-succinct:4"),
    ] {
        let scene = scene(first, &[]);
        let stopped = scratch();
        copy_folder(&scene.repo(), stopped.path());
        let before = files_of(&scene.metadata());
        rebin(&scene, to);
        let after = files_of(&scene.metadata());
        let left: Vec<_> = after.iter().filter(|(name, _)| !before.contains_key(*name)).collect();
        assert!(left.len() > 2, "{first}");
        let note = fs::read(scene.repo().join("private/rebins.tsv")).unwrap();
        for (count, cut) in (0..=left.len()).flat_map(|count| [(count, false), (count, true)]) {
            for goes_on in [true, false] {
                let what = format!("{first} to {to}, {count} files, cut: {cut}, on: {goes_on}");
                let copy = scratch();
                copy_folder(stopped.path(), copy.path());
                fs::write(copy.path().join("private/rebins.tsv"), &note).unwrap();
                let metadata = copy.path().join("public/metadata");
                for (i, (name, bytes)) in left[..count].iter().enumerate() {
                    let len = if cut && i + 1 == count { bytes.len() / 2 } else { bytes.len() };
                    fs::write(metadata.join(name), &bytes[..len]).unwrap();
                }
                let mut ledger = Ledger::default();
                let mut assert_sound = |when: &str| {
                    ledger.note(&metadata);
                    let what = format!("{what}, {when}");
                    assert_readable_of(copy.path(), scene.now, &scene.paths, &what);
                };
                assert_sound("stopped");
                if !goes_on {
                    publish(copy.path(), &scene, "of the old bins");
                    assert_sound("published");
                }
                rebin_at(copy.path(), if goes_on { to } else { other }, scene.now).expect(&what);
                assert_sound("changed");
                publish(copy.path(), &scene, "of the new bins");
                assert_sound("and published");
            }
        }
    }
}

fn publish(repo: &Path, scene: &Scene, content: &str) {
    let publisher = Publisher::open(repo).expect("a repository");
    let input = tufold_tests::changes([tufold_tests::put(&scene.paths[0], content)]);
    let plan = publisher.plan(input, &Default::default(), scene.now, &|_| ()).expect("a plan");
    publisher.commit(plan, &|_| ()).expect("a publish");
}

/// Published, but stopped before the settings say so.
#[test]
fn what_is_published_counts_and_not_the_settings() {
    let scene = scene("bins-succinct:4 versions", &[]);
    let settings = scene.repo().join("private/settings.toml");
    let before = fs::read(&settings).unwrap();
    rebin(&scene, "bins-succinct:16");
    fs::write(&settings, &before).unwrap();
    check_sound(&scene);
    assert_eq!(rebin_at(&scene.repo(), "bins-succinct:16", scene.now), None);
    publish(&scene.repo(), &scene, "on");
    let text = fs::read_to_string(&settings).unwrap();
    assert!(text.contains("bins = 16"), "{text}");
    assert_readable_of(&scene.repo(), scene.now, &scene.paths, "published");
}

/// No delta of a bin leads from another bin that had its name, and clients that ask for deltas need none.
#[test]
fn no_delta_leads_over_a_change() {
    let mut scene = scene("bins-succinct:8 versions", &[]);
    scene.assert_followed("made");
    for round in 0..6 {
        scene.publish_to(round, "before");
    }
    let first = rebin(&scene, "bins-succinct:16").first_version;
    for round in 0..6 {
        scene.publish_to(round, "after");
        let deltas = scene.assert_followed("after");
        assert_eq!(deltas.fallbacks, Fallbacks::default());
        assert!(deltas.documents > u64::from(round > 0), "{deltas:?}");
    }
    let folder = scene.repo().join("public/deltas/roles");
    let mut edges = 0;
    for role in fs::read_dir(folder).unwrap() {
        for (name, _) in files_of(&role.unwrap().path()) {
            let (from, to) = name.split_once('-').expect("an edge");
            let [from, to]: [u64; 2] = [from, to].map(|version| version.parse().unwrap());
            assert!(to < first || from >= first, "{name}");
            edges += usize::from(from >= first);
        }
    }
    assert!(edges > 0);
}

/// A mirror takes one bundle for new bins: every target is routed anew, and only envelopes travel.
#[test]
fn a_mirror_pays_for_envelopes_only() {
    check_mirror_of("bins-succinct");
    check_mirror_of("bins-prefixes");
}

fn check_mirror_of(form: &str) {
    let paths: Vec<String> = (0..3000).map(|n| format!("pool/{}/file-{n}", n % 50)).collect();
    let first = format!("{form}:256 versions");
    let scene = Scene::with_paths(&first, &[], &KeyRequest::default(), &paths);
    let folder = scene.dir.path().join("mirror");
    let source = scene.repo().join("public");
    let sync = || {
        let source = source.to_str().expect("UTF-8");
        let mut mirror = Mirror::open(&folder, source, Limits::default()).expect("a mirror");
        let root = fs::read(scene.metadata().join("1.root.json")).expect("a root");
        mirror.trust(&root).expect("a root that signs itself");
        let synced = mirror.sync(scene.now, &|_| ()).expect("a sync");
        let published = files_of(&scene.metadata());
        let mirrored = files_of(&folder.join("public/metadata"));
        assert!(mirrored.iter().all(|(name, bytes)| published[name] == *bytes));
        synced
    };
    sync();
    // With the same names, with longer ones, and halved.
    for bins in [128, 256, 512, 1024, 512] {
        let to = &format!("{form}:{bins}");
        rebin(&scene, to);
        let synced = sync();
        let deltas = synced.cost.deltas;
        assert_eq!(deltas.fallbacks, Fallbacks::default());
        assert_eq!((deltas.requests, deltas.documents), (1, bins + 2), "{to}");
        assert!(deltas.bytes <= 66 * bins + 400, "{to}: {} B", deltas.bytes);
        scene.publish_to(0, to);
        sync();
    }
    // A laggard's bundles lead over a change.
    scene.publish_to(1, "before");
    rebin(&scene, &format!("{form}:256"));
    scene.publish_to(1, "after");
    assert_eq!(sync().cost.deltas.fallbacks, Fallbacks::default());
    // Over two of them they do not where roles came and went in between, but it arrives.
    let deltas = rebin(&scene, "bins-prefixes:512").published.deltas.expect("deltas");
    assert_eq!((deltas.declined, deltas.without_base), (0, 0));
    scene.publish_to(1, "between");
    let deltas = rebin(&scene, "bins-succinct:512").published.deltas.expect("deltas");
    assert_eq!((deltas.declined, deltas.without_base), (0, 0));
    scene.publish_to(1, "after");
    sync();
}

/// The command says what it would do, does just that, and says when there is nothing to do.
#[test]
fn the_command_says_what_readers_pay() {
    let scene = scene("bins-succinct:32 versions", &[]);
    let run = |args: &[&str]| {
        let mut command = Command::new(tufold_binary());
        command.arg("rebin").arg(scene.repo()).args(args);
        command.args(["--now", &scene.now.to_string()]);
        tufold_tests::checked_output(&mut command, "tufold rebin")
    };
    let before = files_of(&scene.metadata());
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
    let expected = json(&run(&["--bins", "16", "--dry-run", "--json"]));
    assert!(files_of(&scene.metadata()) == before);
    assert!(!scene.repo().join("private/rebins.tsv").exists());
    let done = json(&run(&["--bins", "16", "--json"]));
    let fields =
        ["from", "to", "targets", "first_version", "stale_roles", "files", "cost", "deltas"];
    for field in fields {
        assert_eq!(done[field], expected[field], "{field}");
    }
    let after = files_of(&scene.metadata());
    let new = after.iter().filter(|(name, bytes)| before.get(*name) != Some(bytes));
    let bytes: usize = new.map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(done["cost"]["mirror_bytes"], bytes);
    assert_eq!((&done["stale_roles"], &done["targets"]), (&32.into(), &120.into()));
    assert!(run(&["--bins", "16"]).ends_with("is bins-succinct, 16 bins already\n"));
    let text = run(&["--bins", "64", "--delegation", "bins-prefixes"]);
    assert!(text.contains("to bins-prefixes, 64 bins, snapshot of versions\n"), "{text}");
    assert!(text.contains("a client   that looks one target up pays"), "{text}");
}
