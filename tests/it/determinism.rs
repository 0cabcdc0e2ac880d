//! Given the keys and the time, the bytes are the same, whatever the order of the rows and the
//! number of threads.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use tufold_tests::{
    ALL_LAYOUTS, NOW, TestRepo, after, changes, checked_output, files_of, list, project_dir, put,
    remove, scratch, tufold_binary,
};

/// So many rows of a list, or, with a `put` in front, of changes.
fn rows(count: u64, first: &str) -> Vec<String> {
    let row = |i: u64| {
        let path = match i % 3 {
            0 => format!("pool/p{}/file-{i}.deb", i / 12),
            1 => format!("simple/project-{i}/index.html"),
            _ => format!("packages/aa/bb/{:060x}/project_{}-{i}.tar.gz", i, i / 9),
        };
        format!("{first}{path}\t{}\t{:064x}", 1000 + i, i * i)
    };
    (0..count).map(row).collect()
}

/// `rows` in an order that depends on `step`, which shares no factor with their number.
fn shuffled(rows: &[String], step: usize) -> Vec<String> {
    (0..rows.len()).map(|i| rows[i * step % rows.len()].clone()).collect()
}

fn write(path: &Path, header: &str, rows: &[String]) {
    let mut text = header.to_owned();
    for row in rows {
        writeln!(text, "{row}").expect("a string takes all");
    }
    fs::write(path, text).expect("room for a list");
}

/// The metadata after an init, a publish of changes and a refresh of everything.
fn publish(layout: &str, threads: &str, step: usize) -> BTreeMap<String, Vec<u8>> {
    let dir = scratch();
    let (repo, file) = (dir.path().join("repo"), dir.path().join("rows.tsv"));
    let run = |command: &str, args: &[&str]| {
        let mut tufold = Command::new(tufold_binary());
        tufold.env("RAYON_NUM_THREADS", threads).arg(command).arg(&repo).args(args);
        checked_output(&mut tufold, &format!("tufold {command} {args:?}"));
    };
    let path = file.to_str().expect("UTF-8");
    let keys = project_dir().join("tests/golden/keys");
    let (form, snapshot) = layout.split_once(' ').expect("two forms");
    let (form, bins) = form.split_once(':').unwrap_or((form, ""));
    let targets = rows(301, "");
    write(&file, "path\tlength\tsha256\n", &shuffled(&targets, step));
    let mut args = vec!["--targets", path, "--delegation", form, "--snapshot", snapshot];
    args.extend(["--now", NOW, "--keys", keys.to_str().expect("UTF-8")]);
    if !bins.is_empty() {
        args.extend(["--bins", bins]);
    }
    run("init", &args);
    let mut lines = rows(420, "put\t").split_off(303);
    lines.extend(
        targets[..40]
            .iter()
            .map(|row| format!("remove\t{}\t\t", row.split('\t').next().expect("a path"))),
    );
    write(&file, "change\tpath\tlength\tsha256\n", &shuffled(&lines, step));
    run("publish", &["--changes", path, "--now", "2026-11-22T01:00:00Z"]);
    run("publish", &["--refresh", "all", "--now", "2026-11-22T02:00:00Z"]);
    files_of(&repo.join("public/metadata"))
}

#[test]
fn bytes_do_not_depend_on_threads_or_order() {
    for layout in ALL_LAYOUTS {
        let layout = layout.replace(":4", ":16");
        let one = publish(&layout, "1", 1);
        let eight = publish(&layout, "8", 100);
        assert!(one.len() > 5);
        assert_eq!(one.keys().collect::<Vec<_>>(), eight.keys().collect::<Vec<_>>(), "{layout}");
        for (name, bytes) in one {
            assert!(bytes == eight[&name], "{layout}: {name} differs");
        }
    }
}

/// What a tiny repository's files have to be, byte for byte. `UPDATE_GOLDEN=1` writes them anew.
#[test]
fn golden_repositories_stay_as_they_are() {
    let golden = project_dir().join("tests/golden");
    for layout in [
        "bins-prefixes:4 versions",
        "bins-prefixes:4 hashes",
        "bins-succinct:4 versions",
        "bins-succinct:4 hashes",
    ] {
        let paths = ["a/one", "a/two", "b/\u{e9}\u{1f980}", "b/\"quoted\"", "c d/three"];
        let repo = TestRepo::init(layout, list(paths));
        let rows = [put("a/one", "new"), remove("a/two"), put("d/four", "four")];
        repo.publish(changes(rows), &[], after("1h"));
        let folder = golden.join(layout.replace(":4 ", "-"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            for (name, bytes) in repo.files() {
                fs::write(folder.join(name), bytes).unwrap();
            }
        }
        let (found, expected) = (repo.files(), files_of(&folder));
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (name, bytes) in found {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&bytes), text(&expected[&name]), "{layout} {name}");
        }
    }
}
