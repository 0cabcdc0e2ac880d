//! The `tufold` command: exit statuses, messages, JSON, and that a failure leaves nothing behind.

mod delta;
mod grow;
mod reproduce;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tufold_tests::{NOW, scratch, tufold_binary};

const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// How a command ended.
struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

/// A folder to run commands in, with the list `targets.tsv` of three targets.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { dir: scratch() };
        let rows: String = ["a", "b/c", "d"].map(|path| format!("{path}\t1\t{DIGEST}\n")).concat();
        place.write("targets.tsv", format!("path\tlength\tsha256\n{rows}"));
        place
    }

    /// The same, with the repository `repo`.
    fn with_repo() -> Self {
        let place = Self::new();
        let ended = place.run("init repo --targets targets.tsv --bins 4");
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).expect("room for a file");
    }

    fn run(&self, args: &str) -> Ended {
        self.run_with_input(args, b"")
    }

    /// Runs a command at a fixed time if it takes one.
    fn run_with_input(&self, args: &str, input: &[u8]) -> Ended {
        let mut command = Command::new(tufold_binary());
        command.current_dir(self.dir.path()).args(args.split(' '));
        let takes_time = ["init", "publish", "check", "prune", "rebin", "rotate"];
        if takes_time.contains(&args.split(' ').next().expect("a command"))
            && !args.contains("--now")
            && !args.contains("--help")
        {
            command.args(["--now", NOW]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command");
        // A command that does not read its input closes it.
        let _ = child.stdin.take().expect("a pipe").write_all(input);
        let output = child.wait_with_output().expect("an end");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ended {
            status: output.status.code().expect("no signal"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Every file below the folder, and what it holds; folders with a slash.
    fn tree(&self) -> BTreeMap<String, Vec<u8>> {
        let mut tree = BTreeMap::new();
        add_tree(self.dir.path(), "", &mut tree);
        tree
    }

    /// The command must fail with this status and message and change no file.
    fn assert_fails(&self, args: &str, status: i32, message: &str) {
        let before = self.tree();
        let ended = self.run(args);
        assert_eq!(ended.stderr, format!("tufold: {message}\n"), "{args}");
        assert_eq!((ended.status, ended.stdout.as_str()), (status, ""), "{args}");
        assert!(self.tree() == before, "{args} left something behind");
    }
}

fn add_tree(folder: &Path, prefix: &str, tree: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type().expect("a type").is_dir() {
            add_tree(&entry.path(), &format!("{name}/"), tree);
            tree.insert(format!("{name}/"), Vec::new());
        } else {
            tree.insert(name, fs::read(entry.path()).expect("a file"));
        }
    }
}

#[test]
fn every_command_has_an_example_and_says_what_it_is_for() {
    let place = Place::new();
    for command in [
        "init",
        "publish",
        "check",
        "show",
        "prune",
        "rebin",
        "rotate",
        "targets import debian",
        "targets import dir",
        "targets synth",
        "targets diff",
        "delta encode",
        "delta apply",
        "delta inspect",
        "delta compare",
        "grow",
        "plan",
        "fit",
        "reproduce",
        "completions",
    ] {
        let help = place.run(&format!("{command} --help"));
        assert_eq!(help.status, 0, "{command}");
        let example = format!("  tufold {command} ");
        assert!(help.stdout.contains(&example), "{command} --help has no example\n{}", help.stdout);
    }
    assert!(place.run("--help").stdout.contains("Examples:"));
    assert_eq!(place.run("frobnicate").status, 2);
    assert_eq!(place.run("init").status, 2);
}

#[test]
fn a_bad_list_is_one_error_with_its_line_and_leaves_nothing() {
    let header = "path\tlength\tsha256\n";
    let row = |path: &str, length: &str, hex: &str| format!("{header}{path}\t{length}\t{hex}\n");
    let zstd = zstd::encode_all(row("a", "1", DIGEST).repeat(50).as_bytes(), 3).expect("zstd");
    let inputs: [(Vec<u8>, &str); 15] = [
        (row("a", "1", "zz").into(), "bad:2: "),
        (row("a", "1", &DIGEST[..62]).into(), "bad:2: "),
        (row("a", "1", DIGEST).into_bytes().repeat(2), "bad:3: "),
        (
            format!("{header}a\t1\t{DIGEST}\na\t1\t{DIGEST}\n").into(),
            "bad:3: \"a\" is listed already",
        ),
        (row("a", "-1", DIGEST).into(), "bad:2: "),
        (row("a", "99999999999999999999", DIGEST).into(), "bad:2: "),
        (row("a", "9223372036854775808", DIGEST).into(), "bad:2: "),
        (row("a/../b", "1", DIGEST).into(), "bad:2: the target path has a segment"),
        (row("a\0b", "1", DIGEST).into(), "bad:2: the target path has a control character"),
        (row("", "1", DIGEST).into(), "bad:2: the target path is empty"),
        (format!("{header}a\t1\n").into(), "bad:2: expected 3 columns, found 2"),
        (
            [header.as_bytes(), b"a\xff\t1\t", DIGEST.as_bytes()].concat(),
            "bad:2: the line is not UTF-8",
        ),
        (zstd[..zstd.len() - 9].to_vec(), "bad:"),
        (Vec::new(), "bad: the file is empty"),
        (b"path\tsize\tsha256\n".to_vec(), "bad:1: the header is "),
    ];
    for (bytes, message) in inputs {
        let place = Place::with_repo();
        place.write("bad", bytes);
        let before = place.tree();
        for command in [
            "init new --bins 4 --targets bad",
            "init new --bins 4 --targets bad --dry-run",
            "publish repo --targets bad",
            "publish repo --targets bad --refresh all",
            "targets diff targets.tsv bad -o out.tsv",
        ] {
            let ended = place.run(command);
            let stderr = ended.stderr;
            assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{command}: {stderr}");
            assert!(stderr.starts_with(&format!("tufold: {message}")), "{command}: {stderr}");
            assert_eq!(stderr.lines().count(), 1, "{stderr}");
            assert!(place.tree() == before, "{command} left something behind: {message}");
        }
    }
}

#[test]
fn bad_changes_leave_nothing() {
    let header = "change\tpath\tlength\tsha256\n";
    for (rows, message) in [
        (format!("{header}remove\tnone\t\t\n"), "none: it cannot be removed, for bins-"),
        (format!("{header}drop\ta\t\t\n"), "bad:2: "),
        (format!("{header}put\ta\t1\n"), "bad:2: "),
        (format!("{header}remove\ta\t\t\nput\ta\t1\t{DIGEST}\n"), "bad:3: \"a\" is listed already"),
        ("{\"remove\": \"none\"}\n".to_owned(), "none: it cannot be removed, for bins-"),
        ("{\"remove\": 1}\n".to_owned(), "bad:1: "),
    ] {
        let place = Place::with_repo();
        place.write("bad", &rows);
        let before = place.tree();
        let ended = place.run("publish repo --changes bad");
        let stderr = ended.stderr;
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.starts_with(&format!("tufold: {message}")), "{stderr}");
        assert!(place.tree() == before, "{rows} left something behind");
    }
}

#[test]
fn bad_arguments_leave_nothing() {
    let place = Place::with_repo();
    place.write("empty.pem", "");
    let no_file = "No such file or directory (os error 2)";
    for (args, message) in [
        ("init repo --targets targets.tsv --bins 4", "repo is a repository already".to_owned()),
        ("init new --targets none --bins 4", format!("none: {no_file}")),
        ("init new --targets targets.tsv", "bins-succinct needs a number of bins".to_owned()),
        (
            "init new --targets targets.tsv --bins 3",
            "the number of bins is 3, not a power of two from 2 to 2^32".to_owned(),
        ),
        (
            "init new --targets targets.tsv --delegation flat --bins 4",
            "flat has no bins, yet 4 were asked for".to_owned(),
        ),
        (
            "init new --targets targets.tsv --bins 4 --keys none",
            format!("cannot read none: {no_file}"),
        ),
        (
            "init new --targets targets.tsv --bins 4 --keys repo/public",
            "repo/public has no key for root (root.pem)".to_owned(),
        ),
        (
            "init new --targets targets.tsv --bins 4 --threshold bins=2 --key-count bins=1",
            "bins has a threshold of 2 with 1 keys".to_owned(),
        ),
        ("publish none", "none is not a repository: it has no private/".to_owned()),
        ("check none", "none is not a repository: it has no private/".to_owned()),
        ("show none", "none is not a repository: it has no private/".to_owned()),
        ("prune none", "none is not a repository: it has no private/".to_owned()),
        ("publish repo --refresh bins-9", "bins-9: no role of this name is published".to_owned()),
        ("rebin none --bins 8", "none is not a repository: it has no private/".to_owned()),
        (
            "rebin repo --bins 12",
            "the number of bins is 12, not a power of two from 2 to 2^32".to_owned(),
        ),
        (
            "rebin repo --bins 8 --delegation flat",
            "flat has no bins, yet 8 were asked for".to_owned(),
        ),
        (
            "rebin repo --bins 8 --threshold 1",
            "delegated roles have a threshold already; `tufold rotate` changes it".to_owned(),
        ),
        ("show repo bins-9", "bins-9: no role of this name is delegated".to_owned()),
    ] {
        place.assert_fails(args, 2, &message);
    }
    // What the parser of the arguments refuses.
    for args in [
        "init new --targets targets.tsv --bins 4 --expires bins=0s",
        "init new --targets targets.tsv --bins 4 --expires bin=1d",
        "init new --targets targets.tsv --bins 4 --snapshot none",
        "init new --targets targets.tsv --bins 4 --now yesterday",
        "publish repo --targets targets.tsv --changes targets.tsv",
        "publish repo --refresh root",
        "prune repo --keep forever",
    ] {
        let before = place.tree();
        let ended = place.run(args);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args}");
        assert!(place.tree() == before, "{args} left something behind");
    }
}

#[test]
fn results_are_json_on_demand() {
    let place = Place::new();
    let json = |args: &str| {
        let ended = place.run(&format!("{args} --json"));
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{args}");
        serde_json::from_str::<Value>(&ended.stdout).expect("JSON")
    };
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect();
    let published: Vec<String> = [
        "added",
        "changed",
        "deltas",
        "files",
        "removed",
        "resigned",
        "roles",
        "snapshot_bytes",
        "snapshot_version",
        "targets_bytes",
        "timestamp_bytes",
        "timestamp_version",
    ]
    .map(str::to_owned)
    .to_vec();
    let sorted = |value: &Value| -> Vec<String> {
        let mut keys: Vec<String> = keys(value);
        keys.sort();
        keys
    };
    let init = json("init repo --targets targets.tsv --bins 4");
    assert_eq!(sorted(&init), published);
    assert_eq!((&init["added"], &init["files"]), (&3.into(), &8.into()));
    let nothing = json("publish repo");
    assert_eq!(sorted(&nothing), published);
    assert_eq!((&nothing["files"], &nothing["timestamp_version"]), (&0.into(), &Value::Null));
    let all = json("publish repo --refresh all");
    assert_eq!((&all["resigned"], &all["timestamp_version"]), (&5.into(), &2.into()));
    let report = json("check repo");
    assert_eq!(sorted(&report), ["bytes", "findings", "replayed", "roles", "targets"]);
    assert_eq!((&report["targets"], &report["replayed"]), (&3.into(), &Value::from(3)));
    assert_eq!(report["findings"][0]["severity"], "note");
    let overview = json("show repo");
    assert_eq!(overview["layout"], "bins-succinct, 4 bins, snapshot of versions");
    assert_eq!(overview["roles"].as_array().map(Vec::len), Some(4));
    let target = json("show repo --target b/c");
    assert_eq!((&target["length_bytes"], &target["hashes"]["sha256"]), (&1.into(), &DIGEST.into()));
    let role = target["role"].as_str().expect("a role").to_owned();
    let role = json(&format!("show repo {role}"));
    assert_eq!((&role["version"], role["paths"].as_array().is_some()), (&2.into(), true));
    let pruned = json("prune repo --keep 1h --now 2026-11-22T02:00:00Z");
    assert_eq!(sorted(&pruned), ["bytes", "files", "oldest_snapshot"]);
    assert_eq!((&pruned["files"], &pruned["oldest_snapshot"]), (&6.into(), &2.into()));
}

#[test]
fn the_exit_status_answers() {
    let place = Place::with_repo();
    let check = |args: &str, status: i32, output: &str| {
        let ended = place.run(args);
        assert_eq!((ended.status, ended.stderr.as_str()), (status, ""), "{args}");
        assert!(ended.stdout.contains(output), "{args}: {}", ended.stdout);
    };
    check("check repo", 0, "repo is sound\n");
    check("check repo --strict", 0, "repo is sound\n");
    check("show repo --target a", 0, &format!("sha256  {DIGEST}\n"));
    check("show repo --target none", 1, "none is not listed; bins-");
    check("publish repo --refresh snapshot", 0, "published repo\n");
    check("check repo", 0, "note: metadata/ holds 1 older file, which prune removes\n");
    check("check repo --strict", 1, "repo has 1 fault\n");
    check("check repo --now 2126-01-01T00:00:00Z", 1, "faults\n");
    fs::remove_file(place.path("repo/public/metadata/1.bins-0.json")).expect("a bin");
    check("check repo", 1, "fault: 1.bins-0.json is missing\n");
}

#[test]
fn lists_come_from_standard_input() {
    let place = Place::new();
    let list = fs::read(place.path("targets.tsv")).expect("a list");
    assert_eq!(place.run_with_input("init repo --targets - --bins 2", &list).status, 0);
    let change = b"{\"remove\": \"a\"}\n";
    assert_eq!(place.run_with_input("publish repo --changes -", change).status, 0);
    assert_eq!(place.run("show repo --target a").status, 1);
    let ended = place.run_with_input("publish repo --changes -", change);
    assert_eq!(ended.status, 2);
    let ended = place.run_with_input("publish repo --targets -", b"path\n");
    assert!(ended.stderr.starts_with("tufold: standard input:1: "), "{}", ended.stderr);
}

#[test]
fn a_dry_run_writes_nothing() {
    let place = Place::new();
    let before = place.tree();
    let ended = place.run("init repo --targets targets.tsv --bins 4 --dry-run");
    assert_eq!((ended.status, place.tree() == before), (0, true), "{}", ended.stderr);
    assert!(ended.stdout.starts_with("would make repo: "), "{}", ended.stdout);

    let place = Place::with_repo();
    let late = "--now 2027-01-01T00:00:00Z";
    assert_eq!(place.run("publish repo --refresh all").status, 0);
    place.write("none.tsv", "path\tlength\tsha256\n");
    let before = place.tree();
    for (args, output) in [
        ("publish repo --targets none.tsv --dry-run".to_owned(), "3 removed"),
        ("publish repo --refresh all --dry-run".to_owned(), "would publish repo"),
        (format!("publish repo --dry-run {late}"), "would publish repo"),
        ("publish repo --dry-run".to_owned(), "repo needs nothing"),
        (format!("prune repo --keep 1h --dry-run {late}"), "would remove 6 files"),
    ] {
        let ended = place.run(&args);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{args}");
        assert!(ended.stdout.contains(output), "{args}: {}", ended.stdout);
        assert!(place.tree() == before, "{args} wrote something");
    }
}

#[test]
fn a_second_writer_is_told_so() {
    let place = Place::with_repo();
    let _lock = tufold_store::lock(&place.path("repo/private/lock")).expect("the lock");
    let message = "repo/private/lock is locked by another writer";
    for args in ["publish repo --refresh all", "prune repo", "publish repo --dry-run"] {
        place.assert_fails(args, 2, message);
    }
    assert_eq!(place.run("check repo").status, 0);
    assert_eq!(place.run("show repo").status, 0);
}
