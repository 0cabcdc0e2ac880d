//! Programs from outside that tests start.

use std::env;
use std::path::{Path, PathBuf};

use tufold_tests::target_dir;

/// The program `name` of the system, or the one that `tests/interop/setup` made at `below` the target folder. `None`, with a
/// word on stderr, if it is missing and TUFOLD_INTEROP does not ask for it.
pub(crate) fn find(name: &str, below: Option<&str>) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    // Where Debian puts servers is not in everybody's path.
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    folders.push(Path::new("/usr/sbin").to_owned());
    let made = below.map(|below| target_dir().join(below).join(name));
    let all = made.into_iter().chain(folders.into_iter().map(|folder| folder.join(name)));
    let found = all.into_iter().find(|program| program.is_file());
    if found.is_none() {
        skipped(name, "it is missing; tests/interop/setup installs it");
    }
    found
}

/// Says that a test was skipped for want of something; under TUFOLD_INTEROP=1 that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
pub(crate) fn skipped(what: &str, why: &str) {
    let wanted = env::var_os("TUFOLD_INTEROP").is_some_and(|value| value == "1");
    assert!(!wanted, "{what}: {why}");
    eprintln!("skipped: {what}: {why}");
}
