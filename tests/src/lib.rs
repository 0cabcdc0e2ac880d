//! What the integration tests share: where the project and its command are, repositories in
//! temporary folders and in memory, a client, a web server, and a ledger of every name that was ever published.

mod client;
pub mod forge;
pub mod fuzz;
mod ledger;
mod lossy;
mod repo;
mod server;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use client::Visitor;
pub use forge::Forge;
pub use ledger::{Ledger, files as files_of};
pub use lossy::LossyStore;
pub use repo::{ALL_LAYOUTS, NOW, TestRepo, after, changes, layout, list, put, remove, target};
pub use server::{Answer, Server, Site};

/// The `tufold` command, in the profile of these tests. Cargo makes a binary only for the tests of
/// its own package.
pub fn tufold_binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let profile_dir = profile_dir();
        let profile = match profile_dir.file_name().and_then(OsStr::to_str).expect("a profile") {
            "debug" => "dev",
            other => other,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = Command::new(cargo);
        command
            .current_dir(project_dir())
            .args(["build", "--quiet", "--locked", "-p", "tufold-cli", "--bin", "tufold"])
            .args(["--profile", profile, "--target-dir"])
            .arg(target_dir());
        checked_output(&mut command, "cargo build");
        profile_dir.join("tufold").with_extension(std::env::consts::EXE_EXTENSION)
    })
}

/// The exit status must be 0; returns stdout.
pub fn checked_output(command: &mut Command, what: &str) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{what}: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}\n{stderr}", output.status);
    String::from_utf8(output.stdout).unwrap_or_else(|e| panic!("{what}: {e}"))
}

/// The folder of the workspace.
pub fn project_dir() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the project");
    dir.to_owned()
}

/// Where cargo builds.
pub fn target_dir() -> PathBuf {
    profile_dir().parent().expect("target/<profile>").to_owned()
}

/// This binary is target/<profile>/deps/it-<hash>.
fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a path of this binary");
    exe.ancestors().nth(2).expect("target/<profile>/deps/it-<hash>").to_owned()
}

/// A temporary folder, in memory if the system has a place for that: every publish syncs a whole
/// file system, and others may be writing to it.
///
/// # Panics
/// If there is no room.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

/// Copies a folder with all that is in it to `to`, which is made if it is not there.
///
/// # Panics
/// If a file cannot be read or written.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let place = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_folder(&entry.path(), &place);
        } else {
            fs::copy(entry.path(), place).expect("a copy");
        }
    }
}

/// Leaves in `repo/public` what a writer leaves that is killed on its way: so many of the files that `done`, a copy that it came
/// to its end in, has more than `repo`; the last of them is cut off. The order is that of their names, or the opposite one.
///
/// # Panics
/// If a file cannot be read or written.
pub fn leave_part(
    done: &Path,
    repo: &Path,
    is_backwards: bool,
    mut count: impl FnMut(usize) -> usize,
) {
    let (from, to) = (done.join("public"), repo.join("public"));
    let mut left = Vec::new();
    new_files(&from, &to, Path::new(""), &mut left);
    left.retain(|name| !name.ends_with("timestamp.json"));
    if is_backwards {
        left.reverse();
    }
    let count = count(left.len());
    for (place, name) in left[..count].iter().enumerate() {
        let bytes = fs::read(from.join(name)).expect("a file");
        let len = if place + 1 == count { bytes.len() / 2 } else { bytes.len() };
        let target = to.join(name);
        fs::create_dir_all(target.parent().expect("a folder")).expect("a folder");
        fs::write(target, &bytes[..len]).expect("a file");
    }
}

/// The files of one folder that another has not, in order.
fn new_files(from: &Path, to: &Path, below: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        fs::read_dir(from.join(below)).expect("a folder").map(|e| e.expect("an entry")).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = below.join(entry.file_name());
        if entry.path().is_dir() {
            new_files(from, to, &name, found);
        } else if !to.join(&name).exists() {
            found.push(name);
        }
    }
}
