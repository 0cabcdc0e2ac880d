//! The attacks. Each row is run by the test of its name, on both forms of bins.

use tufold_meta::names;
use tufold_tests::forge::bin_of;

use super::scene::Scene;

mod freshness;
mod keys;
mod lookup;
mod transport;

/// All of them.
pub(super) fn attacks() -> impl Iterator<Item = &'static Attack> {
    [freshness::ROWS, transport::ROWS, keys::ROWS, lookup::ROWS].into_iter().flatten()
}

/// One attack and what must come of it.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// What the attacker does after the client's last honest visit.
    pub(super) attack: fn(&mut Scene),
    /// What the next visit says; with `…` at its end, how that begins.
    pub(super) outcome: &'static str,
    /// What the client keeps of that visit: the names of the files that differ afterwards.
    pub(super) kept: &'static [&'static str],
}

const NOTHING: &[&str] = &[];
const TIMESTAMP: &[&str] = &["timestamp.json"];
const SNAPSHOT: &[&str] = &["snapshot.json", "timestamp.json"];
const TARGETS: &[&str] = &["snapshot.json", "targets.json", "timestamp.json"];
/// The bin of `evil.txt` and `new.txt`, which the client had not seen before.
const BIN: &[&str] = &["bins-0.json", "snapshot.json", "timestamp.json"];
/// A key of theirs was withdrawn.
const VOID: &[&str] = &["root.json", "snapshot.json", "timestamp.json"];

const fn row(
    name: &'static str,
    attack: fn(&mut Scene),
    outcome: &'static str,
    kept: &'static [&'static str],
) -> Attack {
    Attack { name, attack, outcome, kept }
}

impl Scene {
    /// The client looks for a target that was listed just now.
    fn seek_new(&mut self, path: &str) {
        self.sought = path.to_owned();
        let bin = bin_of(path);
        self.forge.list(&bin, path, path);
        self.release(&[&bin]);
    }

    /// Where the server has the file of a target.
    fn target_file(&self, path: &str) -> String {
        let hex = tufold_meta::Digest::of(path.as_bytes()).to_string();
        format!("targets/{}", names::target_file_path(path, Some(&hex)))
    }
}
