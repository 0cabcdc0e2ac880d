//! The publisher as a library: what publishes write, and what they refuse.

mod damage;

use std::fs;
use std::path::PathBuf;

use tufold_meta::SigningKey;
use tufold_repo::check::Strictness;
use tufold_repo::settings::RoleKind;
use tufold_repo::{Input, KeyRequest, Publisher};
use tufold_tests::{ALL_LAYOUTS, TestRepo, Visitor, after, changes, list, put, remove};

const PATHS: [&str; 5] =
    ["a/one", "a/two", "b/three", "simple/django/index.html", "packages/aa/bb/cc/django-1.tar.gz"];

const HASHES: &str = "bins-succinct:4 hashes";

fn assert_sound(repo: &TestRepo, time: &str) {
    let report = repo.check(after(time), Strictness::Usual);
    assert!(report.is_sound(), "{:#?}", report.findings);
}

#[test]
fn a_refresh_signs_roles_that_the_input_leaves_as_they_are() {
    for layout in ALL_LAYOUTS {
        let repo = TestRepo::init(layout, list(PATHS));
        let roles = repo.names().len() as u64 - 3;
        let published = repo.publish(Input::Targets(list(PATHS)), &["all"], after("1h"));
        assert_eq!(published.summary.roles, roles, "{layout}: compared, nothing changed");
        assert_eq!(published.summary.resigned, roles, "{layout}");
        let published = repo.publish(changes([put(PATHS[0], PATHS[0])]), &["all"], after("2h"));
        assert_eq!(published.summary.roles, roles, "{layout}: put again, nothing changed");
        assert_sound(&repo, "2h");
    }
}

#[test]
fn only_touched_roles_are_written() {
    for layout in ALL_LAYOUTS {
        let repo = TestRepo::init(layout, list(PATHS));
        let rows = [put("a/one", "new"), remove("a/two"), put("a/four", "four")];
        let published = repo.publish(changes(rows), &[], after("1h"));
        let counts = published.summary.counts;
        assert_eq!((counts.added, counts.changed, counts.removed), (1, 1, 1), "{layout}");
        assert!(published.summary.roles <= 3, "{layout}: {published:?}");
        assert_eq!(published.summary.resigned, 0, "{layout}");
        let mut visitor = Visitor::refresh(&repo.metadata(), after("1h")).unwrap();
        assert_eq!(visitor.find("a/one").unwrap().unwrap().length, 3);
        assert_eq!(visitor.find("a/two").unwrap(), None);
        for path in ["a/four", "b/three", PATHS[3], PATHS[4]] {
            assert!(visitor.find(path).unwrap().is_some(), "{layout}: {path}");
        }
        assert_sound(&repo, "1h");
    }
}

/// Publishes changes whose mistake is the publisher's to find; nothing may change.
fn assert_refused(repo: &TestRepo, input: Input, refresh: &[&str], expected: &str) {
    let before = repo.files();
    let error = repo.try_publish(input, refresh, after("1h")).expect_err("a refusal");
    assert_eq!(error.to_string(), expected);
    assert!(repo.files() == before, "{expected}: public/ changed");
}

#[test]
fn refuses_to_remove_what_is_not_listed() {
    for (layout, path, role) in [
        ("flat versions", "a/none", "targets"),
        ("bins-succinct:4 versions", "a/none", "bins-1"),
        ("bins-prefixes:4 versions", "a/none", "bins-1"),
        ("projects-wildcard versions", "a/none", "project~a"),
        ("projects-listed versions", "new/none", "project~new"),
    ] {
        let repo = TestRepo::init(layout, list(PATHS));
        let expected = format!("{path}: it cannot be removed, for {role} does not list it");
        assert_refused(&repo, changes([put("a/one", "x"), remove(path)]), &[], &expected);
    }
    let repo = TestRepo::init("flat versions", list(PATHS));
    let expected = "bins-0: no role of this name is published";
    assert_refused(&repo, Input::Nothing, &["bins-0"], expected);
}

#[test]
fn projects_come_and_are_emptied_and_come_back() {
    for layout in ["projects-listed versions", "projects-wildcard hashes"] {
        let repo = TestRepo::init(layout, list([]));
        let steps: [(&[&str], &[&str]); 5] = [
            (&["a/one", "a/two", "b/one"], &[]),
            (&["a/two"], &["a/one", "b/one"]),
            (&["new/[x]*", "a/two", "simple/a/x"], &["a/one", "b/one"]),
            (&[], &["a/one", "a/two", "b/one", "new/[x]*", "simple/a/x"]),
            (&["a/one", "b/one"], &["a/two", "new/[x]*"]),
        ];
        for (hour, (there, gone)) in (1..).zip(steps) {
            let now = after(&format!("{hour}h"));
            repo.publish(Input::Targets(list(there.iter().copied())), &[], now);
            let mut visitor = Visitor::refresh(&repo.metadata(), now).unwrap();
            for path in there {
                let found = visitor.find(path).unwrap();
                assert_eq!(found.map(|file| file.length), Some(path.len() as u64), "{path}");
            }
            for path in gone {
                assert_eq!(visitor.find(path).unwrap(), None, "{path}");
            }
            assert_sound(&repo, &format!("{hour}h"));
        }
    }
}

#[test]
fn what_lived_half_its_life_is_signed_again() {
    let init = || {
        let repo = TestRepo::planned("bins-prefixes:4 versions")
            .lifetime(RoleKind::Bins, "10d")
            .lifetime(RoleKind::Targets, "40d");
        repo.try_init(list(PATHS)).unwrap();
        repo
    };
    // Hours after the init; roles, snapshot and timestamp that are written without input.
    for (time, roles, snapshot, timestamp) in [
        ("1h", 0, None, None),
        ("12h", 0, None, None),
        ("13h", 0, None, Some(2)),
        ("84h", 0, None, Some(2)),
        ("85h", 0, Some(2), Some(2)),
        ("120h", 0, Some(2), Some(2)),
        ("121h", 5, Some(2), Some(2)),
        ("480h", 5, Some(2), Some(2)),
        ("481h", 6, Some(2), Some(2)),
    ] {
        let published = init().publish(Input::Nothing, &[], after(time));
        let summary = published.summary;
        assert_eq!(
            (summary.roles, summary.snapshot_version, summary.timestamp_version),
            (roles, snapshot, timestamp),
            "{time}"
        );
        assert_eq!(summary.resigned, roles);
    }
}

/// A publisher that always has changes keeps what it does not touch from expiring as well.
#[test]
fn nothing_expires_while_changes_are_published() {
    for (bins, targets) in [("10d", "40d"), ("90d", "2d"), ("8h", "365d")] {
        let repo = TestRepo::planned("bins-succinct:4 hashes")
            .lifetime(RoleKind::Bins, bins)
            .lifetime(RoleKind::Targets, targets);
        repo.try_init(list(PATHS)).unwrap();
        for hour in (1..240).step_by(3) {
            let time = format!("{hour}h");
            let rows = changes([put("a/one", &time)]);
            repo.publish(rows, &[], after(&time));
            let report = repo.check(after(&time), Strictness::Usual);
            assert!(report.is_sound(), "{bins} {targets} {time}: {:?}", report.findings);
        }
    }
}

/// Lifetimes that were cut, or a clock that was ahead, do not hide what is due.
#[test]
fn a_sweep_comes_in_time_for_what_was_written_since() {
    let repo = TestRepo::init("bins-succinct:4 versions", list(PATHS));
    repo.publish(changes([put("a/one", "1")]), &[], after("1h"));
    let settings = repo.private().join("settings.toml");
    let text = fs::read_to_string(&settings).unwrap().replace("bins = \"90d\"", "bins = \"1d\"");
    fs::write(settings, text).unwrap();
    let written = repo.publish(changes([put("a/one", "2")]), &[], after("2h"));
    assert_eq!(written.summary.roles, 1);
    // Another bin changes after half a day: the first is signed again with it.
    let written = repo.publish(changes([put("a/two", "3")]), &[], after("16h"));
    assert_eq!(written.summary.roles, 2);
}

#[test]
fn an_empty_publish_writes_nothing() {
    let repo = TestRepo::init("bins-succinct:4 versions", list(PATHS));
    let before = repo.files();
    for input in
        [Input::Nothing, changes([]), changes([put("a/one", "a/one")]), Input::Targets(list(PATHS))]
    {
        let published = repo.publish(input, &[], after("1h"));
        assert_eq!((published.files, published.summary.timestamp_version), (0, None));
        assert!(repo.files() == before);
    }
}

/// Writes keys called `NAME.pem`.
fn keys_folder(repo: &TestRepo, names: &[&str]) -> PathBuf {
    let folder = repo.beside().join("own-keys");
    fs::create_dir(&folder).expect("a file");
    for name in names {
        let pem = SigningKey::generate_ed25519_pem().expect("a key that signs");
        fs::write(folder.join(format!("{name}.pem")), pem).expect("a file");
    }
    folder
}

#[test]
fn several_keys_sign_each_role() {
    for layout in ALL_LAYOUTS {
        let kinds = RoleKind::ALL;
        let request = KeyRequest {
            folder: None,
            counts: kinds.map(|kind| (kind, 3)).into(),
            thresholds: kinds.map(|kind| (kind, 2)).into(),
            signers: Default::default(),
        };
        let repo = TestRepo::planned(layout).keys(request);
        repo.try_init(list(PATHS)).unwrap();
        repo.publish(changes([put("new/one", "1")]), &["all"], after("1h"));
        assert_sound(&repo, "1h");
        for (name, bytes) in repo.files() {
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(text.matches("\"sig\":").count(), 3, "{layout} {name}");
        }
        // Two of three are enough, one is not; the offline root's are not needed.
        let keys = |kind: &str| {
            let files = fs::read_dir(repo.private().join("keys")).unwrap();
            let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
            files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(kind));
            files.sort();
            files
        };
        keys("root").iter().for_each(|path| fs::remove_file(path).unwrap());
        fs::remove_file(&keys("snapshot")[0]).unwrap();
        repo.publish(changes([put("new/one", "2")]), &["all"], after("2h"));
        assert_sound(&repo, "2h");
        fs::remove_file(&keys("snapshot")[0]).unwrap();
        let expected = "snapshot needs 2 signatures and 1 of its private keys are at hand";
        assert_refused(&repo, changes([put("new/one", "3")]), &[], expected);
    }
}

#[test]
fn own_keys_are_one_or_more_a_kind() {
    let all = ["root", "targets", "bins", "snapshot", "timestamp"];
    let check = |names: &[&str], threshold: &[(RoleKind, u64)], expected: &str| {
        let repo = TestRepo::planned("bins-succinct:2 versions");
        let folder = keys_folder(&repo, names);
        let thresholds = threshold.iter().copied().collect();
        let request =
            KeyRequest { folder: Some(folder.clone()), thresholds, ..KeyRequest::default() };
        let repo = repo.keys(request);
        let error = repo.try_init(list(PATHS)).err().map(|error| error.to_string());
        let error = error.unwrap_or_default().replace(&folder.display().to_string(), "KEYS");
        assert_eq!(error, expected);
        assert_eq!(repo.path().exists(), expected.is_empty(), "{expected}");
    };
    check(&all, &[], "");
    check(&[&all[..], &["bins-second", "bins-3rd"]].concat(), &[(RoleKind::Bins, 2)], "");
    check(&all[1..], &[], "KEYS has no key for root (root.pem)");
    check(&all, &[(RoleKind::Bins, 2)], "bins has a threshold of 2 with 1 keys");
    check(&all, &[(RoleKind::Root, 0)], "root has a threshold of 0 with 1 keys");
    check(
        &[&all[..], &["bin"]].concat(),
        &[],
        "KEYS/bin.pem: `bin` is not root, targets, bins, snapshot or timestamp",
    );

    let repo = TestRepo::planned("flat versions");
    let folder = keys_folder(&repo, &all);
    fs::copy(folder.join("root.pem"), folder.join("root-2.pem")).unwrap();
    let request = KeyRequest { folder: Some(folder.clone()), ..KeyRequest::default() };
    let repo = repo.keys(request);
    let error = repo.try_init(list(PATHS)).unwrap_err().to_string();
    assert!(error.starts_with("root has the key ") && error.ends_with(" twice"), "{error}");
    fs::write(folder.join("root-2.pem"), "-----BEGIN PRIVATE KEY-----\nMC4").unwrap();
    let error = repo.try_init(list(PATHS)).unwrap_err().to_string();
    assert!(
        error == format!("cannot use the key {}", folder.join("root-2.pem").display()),
        "{error}"
    );
    assert!(!repo.path().exists());
}

#[test]
fn prune_keeps_what_was_current_in_the_window() {
    let repo = TestRepo::init(HASHES, list(PATHS));
    for hour in 1..=6 {
        let time = format!("{hour}h");
        repo.publish(changes([put("a/one", &time)]), &[], after(&time));
    }
    // An uncommitted file, a file of a role that is none, and a stranger.
    for name in ["9.bins-1.json", "1.other.json", "notes.txt"] {
        fs::write(repo.metadata().join(name), "left").unwrap();
    }
    let before = repo.names();
    let plan = repo.prune("100h", after("7h")).unwrap();
    assert_eq!((plan.oldest_snapshot, plan.files), (1, 0));
    // At 4 h, three hours before, snapshot 5 took over from 4.
    let plan = repo.prune("3h", after("7h")).unwrap();
    assert_eq!((plan.oldest_snapshot, plan.files), (5, 8));
    let mut expected = before;
    let gone = |name: &String| {
        let (version, role) = name.split_once('.').unwrap();
        ["bins-1.json", "snapshot.json"].contains(&role) && version.parse::<u64>().unwrap() < 5
    };
    expected.retain(|name| !gone(name));
    assert_eq!(repo.names(), expected);
    assert_sound(&repo, "7h");
    // A longer window afterwards finds nothing that is not there.
    let plan = repo.prune("100h", after("7h")).unwrap();
    assert_eq!((plan.oldest_snapshot, plan.files), (5, 0));
    repo.publish(changes([put("a/one", "8")]), &[], after("8h"));
    repo.publish(changes([put("a/one", "9")]), &[], after("9h"));
    assert!(repo.names().contains(&"10.bins-1.json".to_owned()), "9 is spent");
}

#[test]
fn a_clock_that_went_back_prunes_nothing_that_was_current() {
    let repo = TestRepo::init(HASHES, list(PATHS));
    repo.publish(changes([put("a/one", "1")]), &[], after("10h"));
    repo.publish(changes([put("a/one", "2")]), &[], after("1h"));
    let plan = repo.prune("5h", after("11h")).unwrap();
    assert_eq!((plan.oldest_snapshot, plan.files), (1, 0));
}

#[test]
fn a_second_writer_is_refused() {
    let repo = TestRepo::init(HASHES, list(PATHS));
    let writer = Publisher::open(&repo.path()).unwrap();
    let lock = repo.private().join("lock");
    let expected = format!("{} is locked by another writer", lock.display());
    assert_refused(&repo, changes([put("a/one", "1")]), &[], &expected);
    assert_eq!(repo.prune("1h", after("1h")).unwrap_err().to_string(), expected);
    assert_sound(&repo, "1h");
    drop(writer);
    repo.publish(changes([put("a/one", "1")]), &[], after("1h"));
}

#[test]
fn a_dry_run_says_what_the_publish_then_does() {
    for layout in ALL_LAYOUTS {
        let repo = TestRepo::planned(layout);
        let plan_init = || {
            let new = repo.prepare().unwrap();
            let plan = new.plan(list(PATHS)).unwrap();
            (new, plan)
        };
        let (new, plan) = plan_init();
        let rehearsed = new.rehearse(plan, &|_| ()).unwrap();
        assert!(!repo.path().exists());
        let (new, plan) = plan_init();
        assert_eq!(new.commit(plan, &|_| ()).unwrap(), rehearsed, "{layout}");

        // A file that an interrupted publish left takes a version.
        fs::write(repo.metadata().join("2.snapshot.json"), "left").unwrap();
        let plan_publish = || {
            let publisher = Publisher::open(&repo.path()).unwrap();
            let input = changes([put("a/one", "new"), remove("b/three")]);
            let plan = publisher.plan(input, &[].into(), after("1h"), &|_| ()).unwrap();
            (publisher, plan)
        };
        let before = repo.files();
        let (publisher, plan) = plan_publish();
        let rehearsed = publisher.rehearse(plan, &|_| ()).unwrap();
        assert!(repo.files() == before);
        drop(publisher);
        let (publisher, plan) = plan_publish();
        assert_eq!(publisher.commit(plan, &|_| ()).unwrap(), rehearsed, "{layout}");
        assert_eq!(rehearsed.summary.snapshot_version, Some(3));
    }
}

#[test]
fn no_init_over_something_else() {
    let repo = TestRepo::init(HASHES, list(PATHS));
    let before = repo.files();
    let error = repo.try_init(list(PATHS)).unwrap_err().to_string();
    assert_eq!(error, format!("{} is a repository already", repo.path().display()));
    assert!(repo.files() == before);

    let repo = TestRepo::planned(HASHES);
    fs::create_dir_all(repo.private()).unwrap();
    let error = repo.try_init(list(PATHS)).unwrap_err().to_string();
    let private = repo.private();
    assert_eq!(error, format!("{} is not a repository: it has no root.json", private.display()));
    assert!(!repo.path().join("public").exists());

    let repo = TestRepo::planned(HASHES);
    fs::write(repo.path(), "a file").unwrap();
    assert!(repo.try_init(list(PATHS)).is_err());
    assert_eq!(fs::read(repo.path()).unwrap(), b"a file");
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_private_files() {
    use std::os::unix::fs::PermissionsExt;

    let repo = TestRepo::init(HASHES, list(PATHS));
    repo.publish(changes([put("a/one", "1")]), &[], after("1h"));
    let mode = |path: &std::path::Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&repo.private()), 0o700);
    assert_eq!(mode(&repo.private().join("keys")), 0o700);
    for entry in fs::read_dir(repo.private().join("keys")).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}
