//! Bins that double when a bound is passed.

use std::process::Command;

use serde_json::Value;
use tufold_tests::{checked_output, tufold_binary};

use super::{check_sound, scene};
use crate::rotate::{Scene, assert_readable_of};

fn run(scene: &Scene, args: &[&str]) -> String {
    let mut command = Command::new(tufold_binary());
    command.arg(args[0]).arg(scene.repo()).args(&args[1..]);
    command.args(["--now", &scene.now.to_string()]);
    checked_output(&mut command, args[0])
}

fn json(scene: &Scene, args: &[&str]) -> Value {
    serde_json::from_str(&run(scene, &[args, &["--json"]].concat())).expect("JSON")
}

#[test]
fn rebin_doubles_past_a_bound_and_says_why() {
    let scene = scene("bins-succinct:4 versions", &[]);
    // 120 targets in four bins are far from any bound.
    let text = run(&scene, &["rebin", "--auto"]);
    assert!(text.starts_with("bins       of ") && text.contains(" stay 4: "), "{text}");
    let mean =
        json(&scene, &["rebin", "--auto"])["advice"]["mean_bin_bytes"].as_u64().expect("a mean");
    assert!((3_000..8_000).contains(&mean), "{mean}");
    // What a returning client pays for.
    let overhead = ["rebin", "--auto", "--dry-run", "--average-download", "1KiB"];
    let advice = json(&scene, &overhead);
    assert_eq!(advice["advice"]["passed"][0]["bound"], "overhead");
    // A bound of a quarter of that takes two doublings, at once.
    let bound = (mean / 4 + 300).to_string();
    let args = ["rebin", "--auto", "--max-bin", &bound];
    let expected = json(&scene, &[&args[..], &["--dry-run"]].concat());
    assert_eq!((&expected["advice"]["bins"], &expected["advice"]["to"]), (&4.into(), &16.into()));
    assert_eq!(expected["advice"]["passed"][0]["bound"], "mean-bin");
    assert_eq!(expected["to"], "bins-succinct, 16 bins, snapshot of versions");
    let text = run(&scene, &args);
    assert!(
        text.contains(&format!("bound      passed: a bin takes {mean} bytes, more than {bound}\n")),
        "{text}"
    );
    assert!(text.contains("to bins-succinct, 16 bins"), "{text}");
    assert!(run(&scene, &args).contains(" stay 16: "));
    // What clients accept.
    let advice = json(&scene, &["rebin", "--auto", "--dry-run", "--client-limit", "1000"]);
    assert_eq!(advice["advice"]["passed"][0]["bound"], "largest-bin");
    assert_readable_of(&scene.repo(), scene.now, &scene.paths, "doubled");
}

#[test]
fn a_publish_doubles_bins_by_a_second_publish() {
    let scene = scene("bins-prefixes:4 hashes", &[]);
    let list = scene.dir.path().join("changes.tsv");
    let change = format!("change\tpath\tlength\tsha256\nput\t{}\t7\t{:064x}\n", scene.paths[0], 7);
    std::fs::write(&list, change).expect("a file");
    let list = list.to_str().expect("UTF-8");
    let quiet = json(&scene, &["publish", "--changes", list]);
    assert_eq!((&quiet["changed"], &quiet["rebin"]), (&1.into(), &Value::Null));
    let stays = json(&scene, &["publish", "--auto-rebin"]);
    assert_eq!((&stays["files"], &stays["rebin"]["outcome"]), (&0.into(), &"stays".into()));
    let before = super::listed(&scene);
    let args = ["publish", "--refresh", "timestamp", "--auto-rebin", "--max-bin", "3000"];
    let would = json(&scene, &[&args[..], &["--dry-run"]].concat());
    assert_eq!(would["rebin"]["outcome"], "doubles");
    assert_eq!(super::listed(&scene), before);
    let done = json(&scene, &args);
    assert_eq!(done["rebin"]["rebinned"]["to"], would["rebin"]["rebinned"]["to"]);
    assert!(super::listed(&scene).len() > before.len());
    check_sound(&scene);
    assert_readable_of(&scene.repo(), scene.now, &scene.paths, "doubled");
    // The list of prefixes would become too long for clients.
    let held = json(&scene, &["rebin", "--auto", "--max-bin", "100", "--client-limit", "4000"]);
    let why = held["advice"]["held_back"].as_str().expect("a reason");
    assert!(why.starts_with("the role that delegates to "), "{why}");
}

#[test]
fn what_has_no_bins_does_not_double() {
    let scene = scene("flat versions", &[]);
    let mut command = Command::new(tufold_binary());
    let command = command.arg("rebin").arg(scene.repo()).arg("--auto");
    let output = command.output().expect("the command");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("what has no bins cannot double them"), "{error}");
}
