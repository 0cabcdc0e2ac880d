//! `tufold rotate`: exit statuses, messages and JSON.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tufold_tests::{files_of, scratch, tufold_binary};

/// Runs a command in a folder: exit status, standard output, standard error.
fn run(folder: &Path, args: &str) -> (i32, String, String) {
    let mut command = Command::new(tufold_binary());
    let output = command.current_dir(folder).args(args.split(' ')).output().expect("the command");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_rotates_and_says_what_it_did() {
    let dir = scratch();
    let list = format!("path\tlength\tsha256\na\t1\t{}\n", "2c".repeat(32));
    std::fs::write(dir.path().join("list.tsv"), list).unwrap();
    let init = "init repo --targets list.tsv --bins 4 --key-count targets=2 --threshold targets=2";
    assert_eq!(run(dir.path(), init).0, 0);
    let before = files_of(&dir.path().join("repo/public/metadata"));
    let fails = |args: &str, message: &str| {
        let (status, stdout, stderr) = run(dir.path(), args);
        assert_eq!((status, &*stdout, stderr), (2, "", format!("tufold: {message}\n")), "{args}");
    };
    fails("rotate repo", "no rotation of repo is under way; name a --role");
    fails("rotate repo --cancel", "no rotation is under way");
    fails(
        "rotate repo --role root --threshold bins=2",
        "a number of bins keys is stated, but bins does not rotate",
    );
    fails(
        "rotate repo --role root --key-count root=2 --threshold root=3",
        "root has a threshold of 3 with 2 keys",
    );
    fails(
        "rotate repo --role snapshot --keep-keys",
        "with the same keys and threshold, snapshot is signed again by `tufold publish --refresh \
         snapshot`",
    );
    assert!(run(dir.path(), "rotate repo --role shoe").2.contains("`shoe` is not root, targets"));
    let (status, stdout, _) = run(dir.path(), "rotate repo --role timestamp --dry-run");
    assert_eq!(status, 0);
    assert!(stdout.starts_with("would rotate"), "{stdout}");
    assert!(files_of(&dir.path().join("repo/public/metadata")) == before);

    let (status, stdout, _) = run(dir.path(), "rotate repo --role targets --export out --json");
    let exported: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &exported["finished"]), (0, &Value::Bool(false)));
    assert_eq!(exported["steps"], serde_json::json!(["documents", "root", "clean"]));
    assert!(files_of(&dir.path().join("repo/public/metadata")) == before);
    let names: Vec<_> = files_of(&dir.path().join("out")).into_keys().collect();
    assert_eq!(names, ["2.root.signed", "2.targets.signed", "manifest.json"]);
    fails(
        "rotate repo --role root",
        "a rotation of targets with other roles is under way; finish it (`tufold rotate REPO`) or \
         drop it (--cancel)",
    );
    fails(
        "rotate repo --role targets --threshold targets=1",
        "a rotation of targets with other thresholds is under way; finish it (`tufold rotate \
         REPO`) or drop it (--cancel)",
    );
    assert_eq!(run(dir.path(), "rotate repo --cancel").0, 0);
    assert!(!dir.path().join("repo/private/rotation.json").exists());

    let (status, stdout, stderr) = run(dir.path(), "rotate repo --role targets --json");
    assert_eq!((status, &*stderr), (0, ""));
    let rotated: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(rotated["finished"], true);
    assert_eq!(rotated["root_version"], 2);
    let steps: Vec<_> =
        rotated["done"].as_array().unwrap().iter().map(|done| &done["step"]).collect();
    assert_eq!(steps, ["documents", "root", "clean"]);
    assert_eq!(rotated["done"][0]["snapshot_version"], 2);
    assert_eq!(rotated["retired"].as_array().unwrap().len(), 2);
    assert_eq!(run(dir.path(), "check repo").0, 0);
    assert_eq!(run(dir.path(), "publish repo --refresh all").0, 0);
    assert_eq!(run(dir.path(), "check repo").0, 0);
    // A flat repository has no bins.
    assert_eq!(run(dir.path(), "init flat --targets list.tsv --delegation flat").0, 0);
    fails(
        "rotate flat --role bins",
        "a flat repository has no delegated role whose keys could rotate",
    );
}
