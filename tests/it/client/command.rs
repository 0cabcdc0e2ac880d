//! `tufold sync`: exit statuses, messages and what it prints.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tufold_tests::{Answer, NOW, files_of, tufold_binary};

use super::Place;

impl Place {
    /// Runs `tufold sync` in the place's folder; `URL` and `ROOT` stand for the repository's.
    fn run(&self, args: &str) -> Output {
        let root = self.repo.metadata().join("1.root.json").display().to_string();
        let args = args.replace("URL", &self.server.url()).replace("ROOT", &root);
        let mut command = Command::new(tufold_binary());
        command.current_dir(self.folder.path()).arg("sync").args(args.split(' '));
        command.args(["--now", NOW]).output().expect("the command")
    }

    /// The exit status must be this; gives standard output and the errors.
    fn ended(&self, args: &str, status: i32) -> (String, String) {
        let output = self.run(args);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert_eq!(output.status.code(), Some(status), "{args}: {stderr}");
        (stdout, stderr)
    }
}

#[test]
fn says_what_is_listed_and_downloads_it() {
    let place = Place::new("bins-succinct:4 versions", &["foo.txt", "a/one"]);
    let files = place.repo.path().join("public/files");
    fs::create_dir_all(files.join("a")).unwrap();
    for (path, below) in [("foo.txt", ""), ("a/one", "a/")] {
        let hex = tufold_meta::Digest::of(path.as_bytes());
        let name = path.rsplit('/').next().unwrap();
        fs::write(files.join(format!("{below}{hex}.{name}")), path).unwrap();
    }
    let (stdout, _) = place.ended("URL --into cache --root ROOT --target foo.txt", 0);
    assert!(
        stdout.starts_with("root 1, timestamp 1, snapshot 1, targets 1\nfoo.txt\n"),
        "{stdout}"
    );
    assert!(stdout.contains("5 requests, 5 one after another"), "{stdout}");
    let (stdout, _) = place.ended("URL --into cache --target absent", 1);
    assert!(stdout.contains("absent is not listed\n"), "{stdout}");
    let download = "URL --into cache --target a/one --target foo.txt --download out --targets-url URL/files --json";
    for was_there in [false, true] {
        let (stdout, _) = place.ended(download, 0);
        let answer: Value = serde_json::from_str(&stdout).unwrap();
        let expected = json!([
            { "path": "a/one", "file": "out/a%2Fone", "was_there": was_there },
            { "path": "foo.txt", "file": "out/foo.txt", "was_there": was_there },
        ]);
        assert_eq!(answer["downloaded"], expected);
        assert_eq!(answer["targets"][1]["listed"]["role"], "bins-3");
    }
    assert_eq!(files_of(&place.folder.path().join("out")).len(), 2);
}

#[test]
fn errors_name_the_file_and_both_values() {
    let place = Place::new("bins-succinct:4 versions", &["foo.txt"]);
    let (_, error) = place.ended("URL --into cache", 2);
    let expected =
        "tufold: cache holds no root.json, so a root that is trusted already must be given\n";
    assert_eq!(error, expected);
    let (_, error) = place.ended("URL --into cache --root absent.json", 2);
    assert_eq!(error, "tufold: cannot read absent.json: No such file or directory (os error 2)\n");
    let (_, error) = place.ended("nowhere --into cache --root ROOT", 2);
    assert_eq!(error, "tufold: nowhere is no folder\n");
    place.ended("URL --into cache --root ROOT", 0);
    let (_, error) = place.ended("http://127.0.0.1:1 --into cache", 2);
    assert!(error.starts_with("tufold: metadata/2.root.json cannot be fetched: "), "{error}");
    fs::remove_file(place.repo.metadata().join("timestamp.json")).unwrap();
    let (_, error) = place.ended("URL --into cache", 2);
    assert_eq!(error, "tufold: metadata/timestamp.json is not there\n");
}

#[test]
fn mirrors_from_a_folder() {
    let place = Place::new("bins-prefixes:4 hashes", &["foo.txt"]);
    let public = place.repo.path().join("public");
    let sync = format!("{} --into mirror --root ROOT --mirror", public.display());
    let (stdout, _) = place.ended(&sync, 0);
    assert!(stdout.contains("6 roles in mirror/public, 5 fetched\n"), "{stdout}");
    assert!(files_of(&place.folder.path().join("mirror/public/metadata")) == place.repo.files());
    let (stdout, _) = place.ended("mirror/public --into cache --root ROOT --target foo.txt", 0);
    assert!(stdout.contains("foo.txt\n  role    bins-3\n"), "{stdout}");
    place.ended(&format!("{sync} --target foo.txt"), 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_half_written() {
    let place = Place::new("bins-succinct:4 versions", &["foo.txt"]);
    let path = format!("files/{}.foo.txt", tufold_meta::Digest::of(b"foo.txt"));
    place.server.site().answers.insert(path, Answer::Drip);
    place.ended("URL --into cache --root ROOT", 0);
    let mut command = Command::new(tufold_binary());
    command.current_dir(place.folder.path()).args(["sync", &place.server.url(), "--into", "cache"]);
    command.args(["--now", NOW, "--target", "foo.txt", "--download", "out", "--targets-url"]);
    let mut child = command.arg(format!("{}/files", place.server.url())).spawn().unwrap();
    let out = place.folder.path().join("out");
    while files_of(&out).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        std::thread::yield_now();
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(files_of(&out).is_empty());
    assert_eq!(place.visit(&["foo.txt"]).0, [true]);
}

#[test]
fn help_has_examples() {
    let output = Command::new(tufold_binary()).args(["sync", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("\nExamples:\n  tufold sync demo/public --into cache --root"), "{help}");
}

#[test]
fn says_what_deltas_did() {
    let paths: Vec<String> = (0..100).map(|n| format!("packages/{n}/file.tar.gz")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::with_deltas("bins-succinct:4 versions", &paths);
    let visit = format!("URL --into cache --root ROOT --target {}", paths[0]);
    place.ended(&visit, 0);
    place.change(&paths[..1], "2");
    let (stdout, _) = place.ended(&visit, 0);
    assert!(stdout.contains("2 documents by 2 deltas of "), "{stdout}");
    assert!(!stdout.contains("deltas not used"), "{stdout}");
    place.change(&paths[..1], "3");
    let (stdout, _) = place.ended(&format!("{visit} --no-deltas --json"), 0);
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(answer["cost"]["deltas"]["requests"], 0);
    place.change(&paths[..1], "4");
    fs::remove_dir_all(place.repo.path().join("public/deltas/snapshot")).unwrap();
    let (stdout, _) = place.ended(&visit, 0);
    assert!(stdout.contains("deltas not used: 1 missing; 0 B wasted\n"), "{stdout}");
    place.ended("URL --into mirror --mirror --role-deltas --no-deltas", 2);
}
