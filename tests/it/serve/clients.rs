//! Clients of the command `tufold serve`, and of nginx with the same files.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tufold_serve::Tls;
use tufold_tests::{
    NOW, TestRepo, after, changes, checked_output, files_of, list, put, scratch, tufold_binary,
};

use crate::component;
use crate::interop::{Peer, Peers};

/// A process that ends with the test.
pub(super) struct Running(pub(super) Child);

impl Running {
    /// Asks it to end, as an operator would, and waits.
    pub(super) fn terminate(&mut self) -> Option<i32> {
        let id = self.0.id().to_string();
        checked_output(Command::new("kill").args(["-TERM", &id]), "kill");
        self.0.wait().expect("an end").code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A certificate for localhost.
pub(super) struct Certificate {
    pub(super) chain: PathBuf,
    pub(super) key: PathBuf,
    /// The public key with its algorithm.
    pub(super) key_info: Vec<u8>,
}

impl Certificate {
    pub(super) fn make(folder: &Path) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
        fs::write(&chain, own.cert.pem()).expect("room for a certificate");
        fs::write(&key, own.signing_key.serialize_pem()).expect("room for a key");
        let key_info = rcgen::PublicKeyData::subject_public_key_info(&own.signing_key);
        Self { chain, key, key_info }
    }

    pub(super) fn tls(&self) -> Tls {
        Tls::from_pem_files(&self.chain, &self.key).expect("a pair")
    }
}

struct Place {
    repo: TestRepo,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let paths: Vec<String> = (0..60).map(|n| format!("path-{n}")).collect();
        // python-tuf goes by the clock on the wall.
        let repo = TestRepo::planned("bins-succinct:16 hashes").lasting();
        repo.try_init(list(paths.iter().map(String::as_str))).expect("an init");
        Self { repo, folder: scratch() }
    }

    /// Starts `tufold serve`; gives the process, its URL and the rest of what it prints.
    fn serve(&self, args: &[&str]) -> (Running, String, BufReader<ChildStdout>) {
        let mut command = Command::new(tufold_binary());
        command.arg("serve").arg(self.repo.path()).args(args).stdout(Stdio::piped());
        let mut running = Running(command.spawn().expect("the command"));
        let mut lines = BufReader::new(running.0.stdout.take().expect("a pipe"));
        let mut url = String::new();
        lines.read_line(&mut url).expect("a line");
        (running, url.trim_end().to_owned(), lines)
    }

    fn sync(&self, url: &str, args: &[&str]) -> Command {
        let mut command = Command::new(tufold_binary());
        command.current_dir(self.folder.path()).args(["sync", url, "--now", NOW, "--json"]);
        command.arg("--root").arg(self.repo.metadata().join("1.root.json")).args(args);
        command.env("SSL_CERT_FILE", self.folder.path().join("chain.pem"));
        command.env_remove("SSL_CERT_DIR");
        command
    }

    /// A visit and a mirror from `url`, then again after a publish.
    fn check(&self, url: &str) {
        for version in [1, 2] {
            let found = ["--into", "cache", "--target", "path-7", "--target", "path-8"];
            let answer = checked_output(&mut self.sync(url, &found), "tufold sync");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            assert_eq!(answer["versions"]["snapshot"], version);
            assert!(answer["targets"][1]["listed"].is_object(), "{answer}");
            let mirror = ["--into", "mirror", "--mirror"];
            checked_output(&mut self.sync(url, &mirror), "tufold sync");
            let mirrored = files_of(&self.folder.path().join("mirror/public/metadata"));
            assert!(mirrored == self.repo.files());
            if version == 1 {
                self.repo.publish(changes([put("path-7", "new")]), &[], after("1h"));
            }
        }
    }
}

#[test]
fn sync_works_over_http_and_https() {
    let place = Place::new();
    let (mut running, url, mut rest) = place.serve(&["--listen", "127.0.0.1:0"]);
    assert!(url.starts_with("http://127.0.0.1:") && !url.ends_with(":0"), "{url}");
    place.check(&url);
    assert_eq!(running.terminate(), Some(0));
    let mut text = String::new();
    rest.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("served ") && text.contains(" requests on "), "{text}");

    let place = Place::new();
    let own = Certificate::make(place.folder.path());
    let (chain, key) = (own.chain.display().to_string(), own.key.display().to_string());
    let tls = ["--listen", "localhost:0", "--tls-cert", &chain, "--tls-key", &key];
    let (mut running, url, _rest) = place.serve(&tls);
    assert!(url.starts_with("https://localhost:"), "{url}");
    place.check(&url);
    assert_eq!(running.terminate(), Some(0));
}

#[test]
fn serve_prints_json_and_says_what_is_wrong() {
    let place = Place::new();
    let mut command = Command::new(tufold_binary());
    command.arg("serve").arg(place.repo.path()).args(["--listen", "127.0.0.1:0", "--json"]);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let stdout = BufReader::new(running.0.stdout.take().unwrap());
    let mut documents = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
    let first = documents.next().unwrap().unwrap();
    let url = first["url"].as_str().unwrap();
    checked_output(&mut place.sync(url, &["--into", "cache"]), "tufold sync");
    assert_eq!(running.terminate(), Some(0));
    let served = documents.next().unwrap().unwrap();
    assert!(served["requests"].as_u64() >= Some(4), "{served}");
    assert_eq!(served["failed"], 0);

    let address = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = address.local_addr().unwrap().to_string();
    for (args, error) in [
        (vec!["serve", "nowhere"], "nowhere has no public/ to serve".to_owned()),
        (vec!["serve", "repo", "--listen", &taken], format!("cannot listen on {taken}: ")),
        (
            vec!["serve", "repo", "--tls-cert", "a.pem", "--tls-key", "b.pem"],
            "cannot use a.pem: ".to_owned(),
        ),
        (vec!["serve", "repo", "--tls-cert", "a.pem"], "error: ".to_owned()),
    ] {
        let mut command = Command::new(tufold_binary());
        let ended = command.current_dir(place.repo.beside()).args(args).output().unwrap();
        let stderr = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(2) && stderr.contains(&error), "{stderr}");
        assert!(ended.stdout.is_empty());
    }
}

#[test]
fn python_tuf_reads_through_it() {
    let Some(peers) = Peers::find() else { return };
    let place = Place::new();
    let (_running, url, _rest) = place.serve(&["--listen", "127.0.0.1:0"]);
    check_python_tuf(peers, &place, &url);
}

fn check_python_tuf(peers: &Peers, place: &Place, url: &str) {
    let metadata = format!("{url}/metadata");
    let (root, cache) = (place.repo.metadata().join("1.root.json"), place.folder.path().join("py"));
    let paths = ["path-7", "path-8", "absent"];
    let answer =
        peers.read(Peer::PythonTuf, Path::new(&metadata), &root, &cache, paths.into_iter());
    assert!(answer.targets["path-8"].is_some() && answer.targets["absent"].is_none());
}

/// The same files behind a web server that knows nothing of them.
#[test]
fn nginx_serves_the_same_files() {
    let Some(nginx) = component::find("nginx", None) else { return };
    let place = Place::new();
    place.repo.publish_with_ladder("pow2:8", changes([put("path-9", "new")]), after("30m"));
    let site = scratch();
    // A port that was free a moment ago; nginx cannot be told to take any.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let public = place.repo.path().join("public");
    let config = format!(
        "daemon off; worker_processes 1; pid nginx.pid; error_log stderr error;
events {{ worker_connections 64; }}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;
    uwsgi_temp_path t4; scgi_temp_path t5;
    server {{ listen 127.0.0.1:{port}; root {}; }} }}",
        public.display()
    );
    fs::write(site.path().join("nginx.conf"), config).unwrap();
    // Its workers are another user's: every folder above the files has to let them in.
    #[cfg(unix)]
    for folder in [place.repo.path().as_path(), place.repo.beside(), site.path()] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = Command::new(nginx);
    command.arg("-p").arg(site.path()).arg("-c").arg("nginx.conf");
    let mut running = Running(command.spawn().unwrap());
    // It says nowhere that it listens, but this.
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(running.0.try_wait().unwrap().is_none(), "nginx did not start");
        std::thread::yield_now();
    }
    let url = format!("http://127.0.0.1:{port}");
    let found = ["--into", "cache", "--target", "path-9"];
    let answer = checked_output(&mut place.sync(&url, &found), "tufold sync");
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert!(answer["targets"][0]["listed"].is_object(), "{answer}");
    assert_eq!(answer["versions"]["snapshot"], 2);
    let later = put("path-10", "new");
    place.repo.publish(changes([later]), &[], after("45m"));
    for into in [&["--into", "cache"][..], &["--into", "mirror", "--mirror"]] {
        let answer = checked_output(&mut place.sync(&url, into), "tufold sync");
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["versions"]["snapshot"], 3);
    }
    let names = files_of(&place.folder.path().join("mirror/public/metadata"));
    let held = place.repo.files();
    assert!(names.iter().all(|(name, bytes)| held.get(name) == Some(bytes)));
    if let Some(peers) = Peers::find() {
        check_python_tuf(peers, &place, &url);
    }
    running.terminate();
}
