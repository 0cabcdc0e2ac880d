//! The independent clients and how to run them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde::Deserialize;
use tufold_tests::{checked_output, project_dir, target_dir};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    PythonTuf,
    Tough,
    SigstoreTuf,
}

/// What a client found; they all print the same JSON.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// Of the four top-level roles.
    pub(crate) versions: BTreeMap<String, u64>,
    pub(crate) targets: BTreeMap<String, Option<Found>>,
    pub(crate) requests: Vec<Request>,
}

#[derive(Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) length: u64,
    pub(crate) sha256: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// `None` if there was no such file.
    pub(crate) bytes: Option<u64>,
}

/// The clients that `tests/interop/setup` made.
pub(crate) struct Clients {
    python: PathBuf,
    peer: PathBuf,
}

impl Clients {
    /// `None`, with a word on stderr, if they were not made and TUFOLD_INTEROP does not ask for
    /// them.
    #[expect(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
    pub(crate) fn find() -> Option<&'static Self> {
        static CLIENTS: OnceLock<Option<Clients>> = OnceLock::new();
        let clients = CLIENTS.get_or_init(|| {
            let python = target_dir().join("interop-venv/bin/python");
            let peer = target_dir().join("interop-peers/debug/peer");
            (python.exists() && peer.exists()).then_some(Self { python, peer })
        });
        if clients.is_none() {
            let wanted = std::env::var_os("TUFOLD_INTEROP").is_some_and(|value| value == "1");
            assert!(!wanted, "the clients are missing: run tests/interop/setup");
            eprintln!("skipped: the clients are missing; tests/interop/setup makes them");
        }
        clients.as_ref()
    }

    /// Has `client` refresh its `cache` from the `metadata` folder and look up `paths`.
    pub(crate) fn read<'a>(
        &self,
        client: Client,
        metadata: &Path,
        root: &Path,
        cache: &Path,
        paths: impl Iterator<Item = &'a str>,
    ) -> Answer {
        let answer = self.try_read(client, metadata, root, cache, paths);
        answer.unwrap_or_else(|error| panic!("{client:?}: {error}"))
    }

    /// The same; the error is what the client says of it.
    pub(crate) fn try_read<'a>(
        &self,
        client: Client,
        metadata: &Path,
        root: &Path,
        cache: &Path,
        paths: impl Iterator<Item = &'a str>,
    ) -> Result<Answer, String> {
        let output = self.command(client).args([metadata, root, cache]).args(paths).output();
        let output = output.unwrap_or_else(|e| panic!("{client:?}: {e}"));
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).expect("an answer in JSON"))
    }

    /// Why `client` cannot refresh; it must not be able to.
    pub(crate) fn read_error(
        &self,
        client: Client,
        metadata: &Path,
        root: &Path,
        cache: &Path,
    ) -> String {
        let output = self.command(client).args([metadata, root, cache]).output();
        let output = output.unwrap_or_else(|e| panic!("{client:?}: {e}"));
        assert!(!output.status.success(), "{client:?} refreshed");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn command(&self, client: Client) -> Command {
        let peer = |name| {
            let mut command = Command::new(&self.peer);
            command.arg(name);
            command
        };
        match client {
            Client::PythonTuf => self.python_command("read_repo.py"),
            Client::Tough => peer("tough"),
            Client::SigstoreTuf => peer("sigstore"),
        }
    }

    /// Runs one of the scripts in `tests/interop` and returns what it prints.
    pub(crate) fn python<S: AsRef<OsStr>>(
        &self,
        script: &str,
        args: impl IntoIterator<Item = S>,
        stdin: &str,
    ) -> String {
        // A file, not a pipe: a script that prints before it has read all cannot then block on us.
        let mut input = tempfile::tempfile().expect("a temporary file");
        input.write_all(stdin.as_bytes()).expect("room for the input");
        std::io::Seek::rewind(&mut input).expect("a file that rewinds");
        let mut command = self.python_command(script);
        checked_output(command.args(args).stdin(Stdio::from(input)), script)
    }

    fn python_command(&self, script: &str) -> Command {
        let mut command = Command::new(&self.python);
        // -B: no __pycache__ in the source tree; UTF-8 whatever the locale.
        command.args(["-B", "-X", "utf8"]).arg(project_dir().join("tests/interop").join(script));
        command
    }
}
