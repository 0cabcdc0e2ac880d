//! A publisher that is stopped anywhere leaves the old repository whole or the new one, and no name
//! ever has two contents.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use proptest::prelude::*;
use tufold_meta::Time;
use tufold_repo::Input;
use tufold_repo::check::Strictness;
use tufold_repo::targets::{Change, TargetList};
use tufold_tests::{
    ALL_LAYOUTS, Ledger, NOW, TestRepo, Visitor, after, changes, list, project_dir, put, remove,
    scratch, target, tufold_binary,
};

const PATHS: [&str; 5] =
    ["a/one", "a/two", "b/three", "simple/django/index.html", "packages/aa/bb/cc/django-1.tar.gz"];

fn assert_sound(repo: &TestRepo, now: Time, what: &str) {
    let report = repo.check(now, Strictness::Usual);
    assert!(report.is_sound(), "{what}: {:#?}", report.findings);
}

/// The metadata files of a publish that was stopped before its timestamp: those that `published`
/// has and `before` has not.
fn uncommitted(
    before: &BTreeMap<String, Vec<u8>>,
    published: &BTreeMap<String, Vec<u8>>,
) -> Vec<(String, Vec<u8>)> {
    let new = published.iter().filter(|(name, _)| !before.contains_key(*name));
    new.map(|(name, bytes)| (name.clone(), bytes.clone())).collect()
}

#[test]
fn a_publish_goes_on_where_another_stopped() {
    let change = || changes([put("a/one", "new"), put("new/one", "1"), remove("b/three")]);
    for layout in ALL_LAYOUTS {
        // What the stopped publish would have written.
        let model = TestRepo::init(layout, list(PATHS));
        let before = model.files();
        model.publish(change(), &[], after("1h"));
        let left = uncommitted(&before, &model.files());
        assert!(left.len() >= 2, "{layout}");
        // How much of it was there: any prefix of the files, the last of them whole or cut off.
        for (count, cut) in (0..=left.len()).flat_map(|count| [(count, false), (count, true)]) {
            let what = format!("{layout}, {count} files, cut: {cut}");
            let repo = TestRepo::init(layout, list(PATHS));
            let mut ledger = Ledger::default();
            for (i, (name, bytes)) in left[..count].iter().enumerate() {
                let len = if cut && i + 1 == count { bytes.len() / 2 } else { bytes.len() };
                fs::write(repo.metadata().join(name), &bytes[..len]).unwrap();
            }
            fs::write(repo.metadata().join(".tmp-timestamp"), "half").unwrap();
            // As the lock of a writer that died.
            fs::write(repo.private().join("lock"), "\0").unwrap();
            ledger.note(&repo.metadata());
            assert_sound(&repo, after("1h"), &what);
            assert_eq!(repo.check(after("1h"), Strictness::Strict).is_sound(), count == 0);

            // The same publish takes what is whole as its own; another one takes the next names.
            let other = if cut { "2h" } else { "1h" };
            repo.publish(change(), &[], after(other));
            ledger.note(&repo.metadata());
            assert_sound(&repo, after("2h"), &what);
            assert!(!repo.names().contains(&".tmp-timestamp".to_owned()));
            if !cut {
                assert!(repo.files() == model.files(), "{what}: not taken up");
            }
            repo.publish(changes([put("a/one", "newer")]), &["all"], after("3h"));
            ledger.note(&repo.metadata());
            assert_sound(&repo, after("3h"), &what);
            let mut visitor = Visitor::refresh(&repo.metadata(), after("3h")).unwrap();
            assert_eq!(visitor.find("a/one").unwrap(), Some(target("a/one", "newer").file));
            assert_eq!(visitor.find("b/three").unwrap(), None, "{what}");
        }
    }
}

#[test]
fn an_init_goes_on_where_another_stopped() {
    for layout in ["flat hashes", "projects-wildcard versions", "bins-prefixes:4 versions"] {
        let model = TestRepo::init(layout, list(PATHS));
        let left = uncommitted(&BTreeMap::new(), &model.files());
        for count in 0..left.len() {
            let repo = TestRepo::init(layout, list(PATHS));
            // As though it had been stopped: with the first files only, and no timestamp.
            for (name, _) in left.iter().filter(|(name, _)| name != "1.root.json").skip(count) {
                fs::remove_file(repo.metadata().join(name)).unwrap();
            }
            let _ = fs::remove_file(repo.metadata().join("timestamp.json"));
            fs::remove_file(repo.private().join("history.tsv")).unwrap();
            let scratch = repo.path().join(".private-x");
            fs::create_dir(&scratch).unwrap();
            let mut ledger = Ledger::default();
            ledger.note(&repo.metadata());
            let error = repo.try_publish(Input::Nothing, &[], after("1h")).unwrap_err();
            assert_eq!(error.to_string(), "timestamp.json is missing");

            // Another list this time.
            repo.try_init(list(PATHS[..count % PATHS.len()].iter().copied())).unwrap();
            ledger.note(&repo.metadata());
            assert_sound(&repo, after("1h"), layout);
            assert!(!scratch.exists());
            repo.publish(Input::Targets(list(PATHS)), &[], after("1h"));
            ledger.note(&repo.metadata());
            assert_sound(&repo, after("1h"), layout);
        }
    }
}

#[test]
fn an_init_is_taken_up_with_its_own_keys_only() {
    let repo = TestRepo::init("bins-succinct:4 versions", list(PATHS));
    fs::remove_file(repo.metadata().join("timestamp.json")).unwrap();
    // The same keys but for the bins'.
    let folder = repo.beside().join("keys");
    fs::create_dir(&folder).unwrap();
    for kind in ["root", "targets", "snapshot", "timestamp"] {
        let name = format!("{kind}.pem");
        fs::copy(project_dir().join("tests/golden/keys").join(&name), folder.join(&name)).unwrap();
    }
    let pem = tufold_meta::SigningKey::generate_ed25519_pem().unwrap();
    fs::write(folder.join("bins.pem"), pem).unwrap();
    let mut init = Command::new(tufold_binary());
    let file = repo.beside().join("list.tsv");
    fs::write(&file, "path\tlength\tsha256\n").unwrap();
    init.arg("init")
        .arg(repo.path())
        .arg("--targets")
        .arg(&file)
        .args(["--bins", "4", "--now", NOW]);
    let output = init.arg("--keys").arg(&folder).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("is left of an init with other keys or thresholds"), "{error}");

    // Without a word on keys, those that were made are used.
    let mut init = Command::new(tufold_binary());
    init.arg("init")
        .arg(repo.path())
        .arg("--targets")
        .arg(&file)
        .args(["--bins", "4", "--now", NOW]);
    assert!(init.output().unwrap().status.success());
    repo.publish(Input::Targets(list(PATHS)), &["all"], after("1h"));
    assert_sound(&repo, after("1h"), "taken up");
}

#[test]
fn a_prune_goes_on_where_another_stopped() {
    let repo = TestRepo::init("bins-succinct:4 hashes", list(PATHS));
    for hour in 1..=4 {
        repo.publish(
            changes([put("a/one", &hour.to_string())]),
            &["all"],
            after(&format!("{hour}h")),
        );
    }
    let before = repo.files();
    let removed = repo.prune("1h", after("4h")).unwrap().files;
    let after_prune = repo.files();
    // Put some of what it removed back: it had not come to them.
    for (name, bytes) in
        before.iter().filter(|(name, _)| !after_prune.contains_key(*name)).step_by(2)
    {
        fs::write(repo.metadata().join(name), bytes).unwrap();
    }
    assert_sound(&repo, after("4h"), "half pruned");
    assert_eq!(repo.prune("100h", after("4h")).unwrap().files, 0);
    assert_eq!(repo.prune("1h", after("4h")).unwrap().files, removed.div_ceil(2));
    assert!(repo.files() == after_prune);
}

/// Starts the command and kills it after a while; whether it came to its end.
fn run_and_kill(repo: &Path, args: &[&str], delay: Duration) -> bool {
    let mut command = Command::new(tufold_binary());
    command.arg(args[0]).arg(repo).args(&args[1..]).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command");
    std::thread::sleep(delay);
    let _ = child.kill();
    let output = child.wait_with_output().expect("an end");
    assert!(
        output.status.code().is_none_or(|code| code == 0),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.status.success()
}

/// The command is killed at any moment: at each the files can be read, and the work goes on.
#[test]
fn sigkill_leaves_the_old_repository_or_the_new_one() {
    for (layout, seed) in [
        (["--delegation", "bins-prefixes", "--snapshot", "hashes", "--bins", "64"], 1),
        (["--delegation", "bins-succinct", "--snapshot", "versions", "--bins", "128"], 2),
    ] {
        let dir = scratch();
        let (repo, file) = (dir.path().join("repo"), dir.path().join("list.tsv"));
        let metadata = repo.join("public/metadata");
        let write_list = |generation: u64| {
            let mut text = "path\tlength\tsha256\n".to_owned();
            for i in 0..200 {
                writeln!(text, "pool/{i}\t{generation}\t{i:064x}").unwrap();
            }
            fs::write(&file, text).unwrap();
        };
        let path = file.to_str().unwrap();
        let mut ledger = Ledger::default();
        // A multiplicative generator: the same delays every time, of 0 to 24 ms.
        let mut state: u64 = seed;
        let mut delay = || {
            state = state * 48_271 % 2_147_483_647;
            Duration::from_micros(state % 24_000)
        };
        let mut init = vec!["init", "--targets", path, "--now", NOW];
        init.extend(layout);
        let mut kills = 0;
        write_list(1);
        for attempt in 0..10 {
            let limit = if attempt < 9 { delay() } else { Duration::from_secs(20) };
            let ended = run_and_kill_or_wait(&repo, &init, limit);
            ledger.note(&metadata);
            kills += u32::from(!ended);
            if ended || metadata.join("timestamp.json").exists() {
                break;
            }
        }
        let now: Time = NOW.parse().unwrap();
        assert!(Visitor::refresh(&metadata, now).is_ok(), "the init never ended");
        let mut generation = 1;
        for attempt in 0..10 {
            write_list(generation + 1);
            let args = ["publish", "--targets", path, "--now", NOW];
            let limit = if attempt % 5 < 4 { delay() } else { Duration::from_secs(20) };
            let ended = run_and_kill_or_wait(&repo, &args, limit);
            kills += u32::from(!ended);
            ledger.note(&metadata);
            let mut visitor = Visitor::refresh(&metadata, now).unwrap();
            let found = visitor.find("pool/7").unwrap().unwrap().length;
            assert!(found == generation + 1 || !ended && found == generation, "{found}");
            for i in 0..200 {
                let file = visitor.find(&format!("pool/{i}")).unwrap().unwrap();
                assert_eq!(file.length, found, "half a publish can be seen");
            }
            generation = found;
            let repository = tufold_repo::Repository::open(&repo).unwrap();
            let report =
                tufold_repo::check::check(&repository, now, Strictness::Usual, &|_| ()).unwrap();
            assert!(report.is_sound(), "{:?}", report.findings);
        }
        assert!(kills > 0, "every command ended before it was killed");
        let left = fs::read_dir(&repo).unwrap().count();
        assert_eq!(left, 2, "only public/ and private/ stay");
    }
}

/// The same, and for a limit of a second or more waits for its end.
pub(crate) fn run_and_kill_or_wait(repo: &Path, args: &[&str], limit: Duration) -> bool {
    if limit < Duration::from_secs(1) {
        return run_and_kill(repo, args, limit);
    }
    let mut command = Command::new(tufold_binary());
    let output = command.arg(args[0]).arg(repo).args(&args[1..]).output().expect("the command");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {error}");
    true
}

/// One step of a repository's life.
#[derive(Clone, Debug)]
enum Step {
    /// Changes: of each path the new content, or that it goes.
    Change(BTreeMap<usize, Option<u8>>),
    /// A whole new list.
    List(BTreeMap<usize, u8>),
    Refresh(&'static str),
    /// A publish without input, so many hours later.
    Wait(u64),
    /// A publish that was stopped: these files lie there with other bytes.
    Interrupted(Vec<usize>),
}

/// Paths that meet in bins, projects and patterns.
const POOL: [&str; 12] = [
    "one",
    "two",
    "a/one",
    "a/two",
    "a/b/one",
    "django/x",
    "simple/django/index.html",
    "simple/Django/index.html",
    "packages/a/b/c/django-1.tgz",
    "packages/a/b/c/Django-1.tgz",
    "b/[x]*",
    "b/\u{e9}",
];

fn step() -> impl Strategy<Value = Step> {
    let path = 0..POOL.len();
    prop_oneof![
        4 => prop::collection::btree_map(path.clone(), prop::option::weighted(0.7, 0..4_u8), 0..5)
            .prop_map(Step::Change),
        2 => prop::collection::btree_map(path.clone(), 0..4_u8, 0..8).prop_map(Step::List),
        1 => prop::sample::select(vec!["all", "bins", "snapshot", "timestamp", "targets"])
            .prop_map(Step::Refresh),
        1 => (1..2000_u64).prop_map(Step::Wait),
        1 => prop::collection::vec(0..12_usize, 1..4).prop_map(Step::Interrupted),
    ]
}

/// Lives through the steps beside a map from paths to contents.
fn check_life(layout: &str, steps: &[Step]) {
    let content = |path: usize, version: u8| format!("{}{version}", POOL[path]);
    let repo = TestRepo::init(layout, TargetList::default());
    let mut model: BTreeMap<usize, u8> = BTreeMap::new();
    let mut ledger = Ledger::default();
    let mut now = after("0s");
    for step in steps {
        now = now.plus_seconds(3600);
        let (input, refresh): (Input, &[&str]) = match step {
            Step::Change(rows) => {
                let rows = rows.iter().filter_map(|(&path, version)| match version {
                    Some(version) => {
                        model.insert(path, *version);
                        Some(put(POOL[path], &content(path, *version)))
                    }
                    // Only what is there can go.
                    None => model.remove(&path).map(|_| remove(POOL[path])),
                });
                (changes(rows.collect::<Vec<Change>>()), &[])
            }
            Step::List(rows) => {
                model = rows.clone();
                let targets =
                    rows.iter().map(|(&p, &version)| target(POOL[p], &content(p, version)));
                (Input::Targets(TargetList::from_rows(targets.collect()).expect("paths")), &[])
            }
            Step::Refresh(role) => (Input::Nothing, std::slice::from_ref(role)),
            Step::Wait(hours) => {
                now = now.plus_seconds(hours * 3600);
                (Input::Nothing, &[])
            }
            Step::Interrupted(picks) => {
                let names: Vec<String> = repo.names();
                for pick in picks {
                    let name = &names[pick % names.len()];
                    let role = name.split_once('.').map_or("", |(_, role)| role);
                    let versions = names.iter().filter_map(|other| {
                        let (version, other) = other.split_once('.')?;
                        (other == role).then(|| version.parse::<u64>().ok())?
                    });
                    if let Some(newest) = versions.max().filter(|_| role != "root.json") {
                        let left = repo.metadata().join(format!("{}.{role}", newest + 1));
                        fs::write(left, format!("{now}")).expect("a file");
                    }
                }
                (Input::Nothing, &[])
            }
        };
        ledger.note(&repo.metadata());
        repo.publish(input, refresh, now);
        ledger.note(&repo.metadata());
        let report = repo.check(now, Strictness::Usual);
        // No publish signs a root again.
        let is_root = |file: &str| file == "1.root.json" || file == "root.json";
        let faults =
            report.findings.iter().filter(|f| f.severity < tufold_repo::check::Severity::Note);
        let faults: Vec<_> = faults.filter(|finding| !is_root(&finding.file)).collect();
        assert!(faults.is_empty(), "{layout} {step:?}: {faults:#?}");
        assert_eq!(report.targets, model.len() as u64, "{layout} {step:?}");
        let Ok(mut visitor) = Visitor::refresh(&repo.metadata(), now) else {
            assert!(!report.is_sound());
            return;
        };
        for (path, name) in POOL.iter().enumerate() {
            let expected = model.get(&path).map(|&v| target(name, &content(path, v)).file);
            assert_eq!(visitor.find(name).expect("a search"), expected, "{layout} {step:?} {name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_client_finds_what_the_model_holds(
        layout in prop::sample::select(ALL_LAYOUTS.to_vec()),
        steps in prop::collection::vec(step(), 1..10),
    ) {
        check_life(layout, &steps);
    }
}
