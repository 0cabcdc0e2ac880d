//! Repositories published by the `tufold` command, from rows of the real data.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::{TempDir, tempdir};
use tufold_tests::{checked_output, project_dir, tufold_binary};

pub(super) const FORKY: &str = "debian-forky-amd64.tsv.zst";
pub(super) const SID: &str = "debian-sid-amd64.tsv.zst";

/// One target, as a list of targets (TSV) has it.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) path: String,
    pub(super) length: u64,
    pub(super) sha256: String,
}

/// The first rows of one of the project's datasets.
pub(super) fn dataset_rows(file: &str, row_count: usize) -> Vec<Row> {
    let compressed = fs::File::open(project_dir().join("datasets").join(file)).expect("a dataset");
    let text = zstd::decode_all(compressed).expect("zstd");
    let text = String::from_utf8(text).expect("UTF-8");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("path\tlength\tsha256"));
    let row = |line: &str| {
        let [path, length, sha256] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line:?} has not three columns");
        };
        let length = length.parse().expect("a length");
        Row { path: path.to_owned(), length, sha256: sha256.to_owned() }
    };
    lines.take(row_count).map(row).collect()
}

/// What `tufold init` is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    pub(super) form: &'static str,
    pub(super) bins: Option<u32>,
    pub(super) snapshot: &'static str,
}

impl Layout {
    pub(super) fn bins(form: &'static str, bins: u32, snapshot: &'static str) -> Self {
        Self { form, bins: Some(bins), snapshot }
    }

    pub(super) fn without_bins(form: &'static str, snapshot: &'static str) -> Self {
        Self { form, bins: None, snapshot }
    }
}

/// A repository in a temporary folder.
pub(super) struct Repo {
    dir: TempDir,
}

impl Repo {
    pub(super) fn init(rows: &[Row], layout: Layout) -> Self {
        let repo = Self { dir: tempdir().expect("a temporary folder") };
        repo.write_targets_file(rows);
        let bins = layout.bins.map(|bins| bins.to_string());
        let mut args = vec!["--delegation", layout.form, "--snapshot", layout.snapshot];
        // Sizes are compared with those of publishers that have no deltas.
        args.extend(["--deltas", "off"]);
        if let Some(bins) = &bins {
            args.extend(["--bins", bins]);
        }
        repo.tufold("init", [OsStr::new("--targets"), repo.targets_file().as_os_str()], &args);
        repo
    }

    /// Publishes `rows` as the new list of all targets.
    pub(super) fn publish(&self, rows: &[Row]) {
        self.write_targets_file(rows);
        self.tufold("publish", [OsStr::new("--targets"), self.targets_file().as_os_str()], &[]);
    }

    /// Signs every role anew, and advertises deltas from now on, which no client may mind.
    pub(super) fn refresh_all_with_deltas(&self) {
        self.tufold("publish", ["--refresh", "all"], &["--deltas", "pow2:8"]);
        let timestamp = fs::read_to_string(self.metadata().join("timestamp.json"));
        assert!(timestamp.expect("a timestamp").contains(r#""x-tufold-deltas":"pow2:8""#));
    }

    pub(super) fn metadata(&self) -> PathBuf {
        self.repo_dir().join("public/metadata")
    }

    /// The root that clients are shipped with.
    pub(super) fn root(&self) -> PathBuf {
        self.metadata().join("1.root.json")
    }

    /// The list of targets that was published last.
    pub(super) fn targets_file(&self) -> PathBuf {
        self.dir.path().join("targets.tsv")
    }

    /// The length of each role's file, in a repository that was just made.
    pub(super) fn role_sizes(&self) -> BTreeMap<String, u64> {
        let files = fs::read_dir(self.metadata()).expect("a metadata folder");
        let size = |file: std::io::Result<fs::DirEntry>| {
            let file = file.expect("a readable folder");
            let name = file.file_name().into_string().expect("names are ASCII");
            let name = name.strip_suffix(".json").expect("names end in .json");
            let len = file.metadata().expect("a file").len();
            (name.strip_prefix("1.").unwrap_or(name).to_owned(), len)
        };
        files.map(size).collect()
    }

    fn repo_dir(&self) -> PathBuf {
        self.dir.path().join("repo")
    }

    fn write_targets_file(&self, rows: &[Row]) {
        let mut text = String::from("path\tlength\tsha256\n");
        for Row { path, length, sha256 } in rows {
            writeln!(text, "{path}\t{length}\t{sha256}").expect("a string takes all");
        }
        fs::write(self.targets_file(), text).expect("room for the list");
    }

    fn tufold<S: AsRef<OsStr>>(&self, subcommand: &str, first: [S; 2], rest: &[&str]) {
        let mut command = Command::new(tufold_binary());
        command.arg(subcommand).arg(self.repo_dir()).args(first).args(rest);
        checked_output(&mut command, &format!("tufold {subcommand}"));
    }
}
