//! Disks that are full or read-only, files that vanish, private state that is cut off: a clear error each time, and what is
//! published stays as it is.

use std::fs;
use std::path::Path;
use std::process::Command;

use tufold_repo::Input;
use tufold_repo::check::Strictness;
use tufold_tests::{TestRepo, after, changes, files_of, list, put, tufold_binary};

use crate::component;

fn paths() -> Vec<String> {
    (0..200).map(|n| format!("pool/{n}/file-{n}.tar.gz")).collect()
}

fn repo(layout: &str) -> TestRepo {
    let repo = TestRepo::planned(layout).ladder("pow2:64".parse().ok());
    repo.try_init(list(paths().iter().map(String::as_str))).expect("an init");
    repo
}

fn change(content: &str) -> Input {
    changes(paths().iter().map(|path| put(path, content)))
}

/// Everything that was there is there as it was, and sound; the next publish works.
fn assert_untouched(
    repo: &TestRepo,
    before: &std::collections::BTreeMap<String, Vec<u8>>,
    what: &str,
) {
    let files = repo.files();
    for (name, bytes) in before {
        assert!(files.get(name) == Some(bytes), "{what}: {name} changed");
    }
    let report = repo.check(after("1h"), Strictness::Usual);
    assert!(report.is_sound(), "{what}: {:#?}", report.findings);
    assert_eq!(report.targets, 200, "{what}");
    repo.publish(change("the next one"), &[], after("2h"));
    let report = repo.check(after("2h"), Strictness::Usual);
    assert!(report.is_sound(), "{what}: {:#?}", report.findings);
}

/// The list of changes as a file beside the repository.
fn changes_file(repo: &TestRepo) -> std::path::PathBuf {
    let file = repo.beside().join("changes.tsv");
    let mut text = "change\tpath\tlength\tsha256\n".to_owned();
    for (n, path) in paths().iter().enumerate() {
        text += &format!("put\t{path}\t{n}\t{n:064x}\n");
    }
    fs::write(&file, text).expect("a file");
    file
}

/// Runs `tufold publish` by a shell script with mounts of its own: `$1` is the repository, `$2` the list, `$3` a folder
/// for what comes of it, `$0` the command. What it says on stderr; `None` where mounts are not allowed.
fn publish_by(script: &str, repo: &TestRepo, out: &Path) -> Option<String> {
    let unshare = component::find("unshare", None)?;
    let mut command = Command::new(unshare);
    command.args(["--map-root-user", "--mount", "sh", "-ec", script]).arg(tufold_binary());
    command.arg(repo.path()).arg(changes_file(repo)).arg(out);
    let output = command.output().expect("unshare");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() == Some(77) || error.starts_with("unshare:") {
        component::skipped("mounts in a name space of one's own", &error);
        return None;
    }
    assert_eq!(output.status.code(), Some(2), "{error}");
    Some(error)
}

fn publish_command() -> String {
    format!("\"$0\" publish repo --changes \"$2\" --now {}", after("1h"))
}

/// A file system in memory that is too small for a publish, at several sizes.
#[test]
fn a_full_disk_is_an_error() {
    for spare_kib in [0, 8, 40, 120] {
        let repo = repo("bins-succinct:16 versions");
        let before = repo.files();
        let out = repo.beside().join("out");
        fs::create_dir(&out).unwrap();
        let (publish, mnt) = (publish_command(), "\"$3\"/mnt");
        // First what the repository takes, then a disk of just that and a little more.
        let script = format!(
            "mkdir {mnt}; mount -t tmpfs -o size=64m t {mnt} 2>/dev/null || exit 77; cp -a \"$1\" {mnt}/repo
             used=$(df -k --output=used {mnt} | tail -n1); mount -o remount,size=$((used + {spare_kib}))k {mnt}
             cd {mnt}; status=0; {publish} || status=$?
             mount -o remount,size=64m {mnt}; rm -rf \"$1\"; cp -a repo \"$1\"; exit $status"
        );
        let Some(error) = publish_by(&script, &repo, &out) else { return };
        assert!(error.contains("No space left on device") && error.contains("repo/"), "{error}");
        assert_untouched(&repo, &before, &format!("{spare_kib} KiB to spare"));
    }
}

#[test]
fn a_read_only_disk_is_an_error() {
    let repo = repo("bins-prefixes:16 hashes");
    let before = repo.files();
    let out = repo.beside().join("out");
    fs::create_dir(&out).unwrap();
    let publish = publish_command();
    for (part, file) in [("public/metadata", "repo/public/metadata/"), ("private", "repo/private/")]
    {
        let script = format!(
            "mount --bind \"$1\"/{part} \"$1\"/{part} 2>/dev/null || exit 77; mount -o remount,ro,bind \"$1\"/{part}
             cd \"$1\"/..; {publish}"
        );
        let Some(error) = publish_by(&script, &repo, &out) else { return };
        assert!(error.contains("Read-only file system") && error.contains(file), "{error}");
        assert!(repo.files() == before, "{part}");
    }
    assert_untouched(&repo, &before, "read-only");
}

/// The system refuses files beyond a length: the first long document fails.
#[test]
fn a_limit_of_lengths_is_an_error() {
    let repo = repo("flat hashes");
    let before = repo.files();
    let script =
        "trap '' XFSZ; ulimit -f 8; exec \"$0\" publish \"$1\" --changes \"$2\" --now \"$3\"";
    let mut command = Command::new("sh");
    command.args(["-c", script]).arg(tufold_binary()).arg(repo.path()).arg(changes_file(&repo));
    let output = command.arg(after("1h").to_string()).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("File too large") && error.contains("2.targets.json"), "{error}");
    assert!(repo.files() == before);
    assert_untouched(&repo, &before, "a limit of lengths");
}

#[test]
fn a_file_that_vanished_is_an_error() {
    for layout in ["bins-succinct:16 versions", "bins-prefixes:16 hashes"] {
        let repo = repo(layout);
        let names: Vec<String> =
            repo.names().into_iter().filter(|name| !name.contains("root")).collect();
        for name in names {
            let file = repo.metadata().join(&name);
            let bytes = fs::read(&file).unwrap();
            fs::remove_file(&file).unwrap();
            let before = repo.files();
            let error = repo.try_publish(change("new"), &["bins"], after("1h")).unwrap_err();
            assert_eq!(error.to_string(), format!("{name} is missing"));
            fs::write(&file, bytes).unwrap();
            // Other bins may have been written before; nothing that was there changed.
            let files = repo.files();
            assert!(before.iter().all(|(name, bytes)| files[name] == *bytes), "{name}");
            let report = repo.check(after("1h"), Strictness::Usual);
            assert!(report.is_sound(), "{name}: {:#?}", report.findings);
        }
        repo.publish(change("the next one"), &[], after("2h"));
    }
}

#[test]
fn private_state_that_is_cut_off_is_an_error_or_is_made_anew() {
    let repo = repo("bins-succinct:16 versions");
    repo.publish(change("newer"), &[], after("30m"));
    let mut names: Vec<String> = files_of(&repo.private()).into_keys().collect();
    names.extend(
        files_of(&repo.private().join("keys")).into_keys().map(|name| format!("keys/{name}")),
    );
    let mut refused = Vec::new();
    for name in names.iter().filter(|name| *name != "lock") {
        for part in [0, 2] {
            let file = repo.private().join(name);
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len() * part / 4]).unwrap();
            let before = repo.files();
            match repo.try_publish(change(&format!("{name} {part}")), &[], after("1h")) {
                Ok(_) => {
                    let report = repo.check(after("1h"), Strictness::Usual);
                    assert!(report.is_sound(), "{name}: {:#?}", report.findings);
                }
                Err(error) => {
                    let mut text = error.to_string();
                    let mut cause: Option<&dyn std::error::Error> =
                        std::error::Error::source(&error);
                    while let Some(source) = cause {
                        text += &format!(": {source}");
                        cause = source.source();
                    }
                    let stem = name.trim_start_matches("keys/").split('-').next().unwrap();
                    assert!(text.contains(stem), "{name}: {text}");
                    assert!(repo.files() == before, "{name}: {text}");
                    refused.push(name.clone());
                    fs::write(&file, bytes).unwrap();
                }
            }
        }
    }
    for name in ["root.json", "settings.toml"] {
        assert_eq!(refused.iter().filter(|refused| *refused == name).count(), 2, "{name}");
    }
    repo.publish(change("the next one"), &[], after("2h"));
}
