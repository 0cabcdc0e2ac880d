//! What the benchmarks share: the bundled lists, a repository made of one, and the tables of deltas.

use std::path::{Path, PathBuf};

use tufold_meta::{BitLength, Time};
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::settings::{Lifetimes, Settings};
use tufold_repo::targets::{Intake, Source, TargetList, read_targets};
use tufold_repo::{Event, KeyRequest, NewRepository};

pub mod contender;
pub mod floor;
pub mod load;
pub mod measure;
pub mod options;
#[path = "../../crates/tufold-delta/tests/samples/mod.rs"]
pub mod samples;
pub mod tables;
pub mod work;

/// The time that all benchmarks work with.
pub fn now() -> Time {
    Time::from_unix_seconds(1_795_354_200).expect("a time")
}

/// Shows no progress.
pub fn quiet(_: Event) {}

/// Debian forky: 70,735 targets.
pub fn debian_forky() -> TargetList {
    list("debian-forky-amd64.tsv.zst")
}

/// Debian sid of the same day: 76,808 targets, 67,153 of which are forky's.
pub fn debian_sid() -> TargetList {
    list("debian-sid-amd64.tsv.zst")
}

/// Makes a repository of succinct bins in the folder `path`, with the fixed keys of the tests.
pub fn new_repository(path: &Path, targets: impl Into<Intake>, bins: u64) {
    let bits = BitLength::from_bin_count(bins).expect("a power of two");
    let layout =
        Layout { delegation: Delegation::BinsSuccinct(bits), snapshot: SnapshotForm::Versions };
    let settings = Settings {
        layout,
        lifetimes: Lifetimes::default(),
        ladder: None,
        signers: Default::default(),
    };
    let keys = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/keys");
    let keys = KeyRequest { folder: Some(keys), ..KeyRequest::default() };
    let new = NewRepository::prepare(path, settings, &keys, now());
    let new = new.expect("a new repository");
    let plan = new.plan(targets).expect("a plan");
    new.commit(plan, &quiet).expect("a repository");
}

fn list(file: &str) -> TargetList {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../datasets").join(file);
    let source = Source::open(&path).expect("a bundled list");
    read_targets(source, &|_| ()).expect("a bundled list")
}
