//! Repositories in a bucket, of a server that speaks S3's protocol.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::Value;
use tempfile::TempDir;
use tufold_tests::{project_dir, scratch, tufold_binary};

use crate::component;

const DIGEST: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

/// A server of a folder, whose folders are buckets.
struct Objects {
    process: Child,
    folder: TempDir,
    endpoint: String,
}

impl Objects {
    /// `None` if there is no such server here.
    fn start() -> Option<Self> {
        let program = component::find("s3s-fs", Some("interop-s3s-fs/bin"))?;
        let folder = scratch();
        fs::create_dir(folder.path().join("index")).expect("a bucket");
        // A port that was free a moment ago; it cannot be told to take any.
        let port =
            TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", "key", "--secret-key", "secret"]).arg(folder.path());
        command.env("RUST_LOG", "off").stdout(Stdio::null());
        let mut process = command.spawn().expect("the server");
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(process.try_wait().expect("a state").is_none(), "the server did not start");
            std::thread::yield_now();
        }
        Some(Self { process, folder, endpoint: format!("http://127.0.0.1:{port}") })
    }

    fn environment(&self) -> [(&'static str, &str); 4] {
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    /// Runs `tufold` in the server's folder.
    fn tufold(&self, args: &str) -> Output {
        let mut command = Command::new(tufold_binary());
        command.current_dir(self.folder.path()).args(args.split(' '));
        command.envs(self.environment()).output().expect("the command")
    }

    /// It must end well; gives what it prints.
    fn ok(&self, args: &str) -> String {
        let output = self.tufold(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args}: {stderr}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// It must fail; gives why.
    fn error(&self, args: &str) -> String {
        let output = self.tufold(args);
        assert_eq!(output.status.code(), Some(2), "{args}");
        String::from_utf8(output.stderr).expect("UTF-8")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A list of targets of these contents, a number each.
    fn list(&self, name: &str, contents: &[u64]) {
        let rows =
            contents.iter().enumerate().map(|(n, len)| format!("path-{n}\t{len}\t{DIGEST}\n"));
        let text: String =
            std::iter::once("path\tlength\tsha256\n".to_owned()).chain(rows).collect();
        fs::write(self.path(name), text).expect("room for a list");
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The store's own suite runs in a process of its own, for the settings come from the environment.
#[test]
fn a_bucket_keeps_the_promises_of_a_store() {
    const INSIDE: &str = "TUFOLD_TESTS_BUCKET";
    if std::env::var_os(INSIDE).is_some() {
        let number = AtomicU64::new(0);
        return tufold_store::conformance::check_store(|| {
            let url = format!("s3://index/store-{}/public", number.fetch_add(1, Relaxed));
            tufold_bucket::Bucket::open(&url).expect("a bucket")
        });
    }
    let Some(objects) = Objects::start() else { return };
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "bucket::a_bucket_keeps_the_promises_of_a_store", "--nocapture"]);
    let output = command.env(INSIDE, "1").envs(objects.environment()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}\n{errors}");
}

#[test]
fn a_repository_lives_in_a_bucket() {
    let Some(objects) = Objects::start() else { return };
    objects.list("a.tsv", &[1; 40]);
    objects.list("b.tsv", &[[2; 3].as_slice(), &[1; 40]].concat());
    let keys = project_dir().join("tests/golden/keys");
    let init = "--targets a.tsv --bins 16 --now 2026-11-22T00:00:00Z --deltas pow2:8 --keys";
    let init = format!("{init} {}", keys.display());
    objects.ok(&format!("init s3://index/a/b --private keys {init}"));
    let publish = "--targets b.tsv --now 2026-11-22T01:00:00Z";
    objects.ok(&format!("publish s3://index/a/b --private keys {publish}"));
    let check = "--json --now 2026-11-22T02:00:00Z";
    let report = objects.ok(&format!("check s3://index/a/b --private keys {check}"));
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["targets"], 43);

    // Byte for byte what a folder would hold.
    objects.ok(&format!("init plain {init}"));
    objects.ok(&format!("publish plain {publish}"));
    let bucket = tree(&objects.path("index/a/b"));
    assert!(bucket == tree(&objects.path("plain/public")));
    assert!(bucket.contains_key("deltas/snapshot/1-2"));
    assert!(!objects.path("index/a/b").join("private").exists());
    assert!(objects.path("keys/settings.toml").exists());

    // A client and a mirror read it from there.
    let now = "--now 2026-11-22T02:00:00Z --json";
    let root = "--root plain/public/metadata/1.root.json";
    let found = format!("sync s3://index/a/b --into cache {root} --target path-41 {now}");
    let answer: Value = serde_json::from_str(&objects.ok(&found)).unwrap();
    assert_eq!(answer["targets"][0]["listed"]["length_bytes"], 1);
    objects.ok(&format!("sync s3://index/a/b --into mirror {root} --mirror {now}"));
    assert_eq!(
        fs::read(objects.path("mirror/public/metadata/timestamp.json")).unwrap(),
        bucket["metadata/timestamp.json"]
    );

    // What is shown, and what would be written and removed, is the same too; a rehearsal leaves no trace.
    let both = |command: &str| {
        let in_bucket = objects.ok(&command.replace("REPO", "s3://index/a/b --private keys"));
        let in_folder = objects.ok(&command.replace("REPO", "plain"));
        assert_eq!(in_bucket.replace("s3://index/a/b", "plain"), in_folder, "{command}");
    };
    both("show REPO");
    both("show REPO bins-0");
    both("show REPO --target path-41 --json");
    let keys = tree(&objects.path("keys"));
    both("publish REPO --targets a.tsv --dry-run --now 2026-11-22T02:00:00Z --json");
    both("prune REPO --keep 1h --dry-run --now 2026-11-30T00:00:00Z");
    objects.ok("init s3://index/new --private new --targets a.tsv --bins 16 --dry-run --json");
    assert!(!objects.path("index/new").exists() && !objects.path("new").exists());
    assert!(tree(&objects.path("keys")) == keys && tree(&objects.path("index/a/b")) == bucket);
    both("prune REPO --keep 1h --now 2026-11-30T00:00:00Z");
    let pruned = tree(&objects.path("index/a/b"));
    assert!(pruned.len() < bucket.len());
    assert!(pruned == tree(&objects.path("plain/public")));
    objects.ok("check s3://index/a/b --private keys --now 2026-11-22T02:00:00Z");

    // A second repository is not made over the first, and nobody makes one without a place for its keys.
    let error = objects.error(&format!("init s3://index/a/b --private other {init}"));
    assert_eq!(error, "tufold: s3://index/a/b is a repository already\n");
    assert!(!objects.path("other").exists());
    let error = objects.error(&format!("init s3://index/c {init}"));
    assert_eq!(error, "tufold: s3://index/c needs --private DIR\n");
    let error = objects.error(&format!("publish plain --private keys {publish}"));
    assert!(error.contains("--private goes with s3://"), "{error}");
}

/// Two machines with the same keys read the same state and publish: one timestamp wins, and the other publisher is told.
#[test]
fn of_two_publishers_one_wins() {
    let Some(objects) = Objects::start() else { return };
    objects.list("a.tsv", &[1; 40]);
    let keys = project_dir().join("tests/golden/keys");
    let init = "--targets a.tsv --bins 16 --now 2026-11-22T00:00:00Z --keys";
    objects.ok(&format!("init s3://index/a --private one {init} {}", keys.display()));
    copy(&objects.path("one"), &objects.path("two"));
    let inside = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "bucket::two_publishers", "--nocapture"])
        .env("TUFOLD_TESTS_PUBLISHERS", objects.folder.path())
        .envs(objects.environment())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&inside.stdout);
    let errors = String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && text.contains("1 passed"), "{text}\n{errors}");
    let check = "check s3://index/a --private one --now 2026-11-22T02:00:00Z";
    objects.ok(check);
}

/// The inside of `of_two_publishers_one_wins`: nothing by itself.
#[test]
fn two_publishers() {
    use tufold_repo::{Input, Place, Publisher, Repository};
    use tufold_tests::{after, changes, put};
    let Some(folder) = std::env::var_os("TUFOLD_TESTS_PUBLISHERS") else { return };
    let folder = PathBuf::from(folder);
    let open = |private: &str| {
        let bucket = Box::new(tufold_bucket::Bucket::open("s3://index/a").expect("a bucket"));
        let place = Place::apart("s3://index/a", bucket, &folder.join(private));
        Publisher::of(Repository::open_at(place).expect("a repository")).expect("a publisher")
    };
    let publish = |publisher: Publisher, input: Input| {
        let plan = publisher.plan(input, &Default::default(), after("1h"), &|_| ())?;
        publisher.commit(plan, &|_| ())
    };
    let (one, two) = (open("one"), open("two"));
    let published = publish(one, changes([put("path-1", "one")])).unwrap();
    assert_eq!(published.summary.snapshot_version, Some(2));
    let refused = publish(two, changes([put("path-2", "two")])).unwrap_err();
    let expected = "metadata/timestamp.json was changed by another writer after it was read";
    assert_eq!(refused.to_string(), expected);
    // From the state as it is now, it goes on.
    let published = publish(open("two"), changes([put("path-2", "two")])).unwrap();
    assert_eq!(published.summary.timestamp_version, Some(3));
}

#[test]
fn what_the_environment_lacks_is_named() {
    for (url, environment, error) in [
        ("s3://", &[][..], "s3:// is not of the form s3://BUCKET/PREFIX: it names no bucket"),
        (
            "s3://a/../b",
            &[],
            "s3://a/../b is not of the form s3://BUCKET/PREFIX: its prefix is no plain path",
        ),
        (
            "s3://a",
            &[],
            "the environment's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set",
        ),
        (
            "s3://a",
            &[
                ("AWS_ACCESS_KEY_ID", "key"),
                ("AWS_SECRET_ACCESS_KEY", "secret"),
                ("AWS_ENDPOINT_URL", "http://index.example"),
            ],
            "the environment's AWS_ENDPOINT_URL is http://index.example: plain http is for this machine only",
        ),
    ] {
        let mut command = Command::new(tufold_binary());
        command.args(["check", url, "--private", "x"]).env_clear();
        let output = command.envs(environment.iter().copied()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr.starts_with(&format!("tufold: {error}")), "{stderr}");
    }
}

/// Every file below a folder, by its path there.
fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().into_string().expect("names are ASCII");
        if entry.path().is_dir() {
            let below = tree(&entry.path()).into_iter();
            files.extend(below.map(|(path, bytes)| (format!("{name}/{path}"), bytes)));
        } else {
            files.insert(name, fs::read(entry.path()).expect("a readable file"));
        }
    }
    files
}

fn copy(from: &Path, to: &Path) {
    for (name, bytes) in tree(from) {
        let path = to.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("room");
    }
}
