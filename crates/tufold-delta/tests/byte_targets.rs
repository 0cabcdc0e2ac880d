//! What `columnar` must reach on the benchmark documents, signatures and containers included.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use samples::cases::{self, Case, SIGNATURE_BYTES};
use samples::{Form, Project};
use tufold_delta::{Codec, EncodeOptions, encode};

#[expect(clippy::cast_precision_loss, reason = "sizes are small")]
fn len_bytes(case: &Case) -> f64 {
    let delta = encode(Codec::Columnar, case.base.as_deref(), &case.new, &EncodeOptions::default())
        .unwrap();
    (delta.len() as u64 + SIGNATURE_BYTES) as f64
}

fn check(case: &Case) {
    let found = len_bytes(case);
    assert!(found <= case.most, "{}: {found} bytes, at most {:.0}", case.name, case.most);
}

fn check_mean(cases: impl Iterator<Item = Case>) {
    let (mut found, mut most, mut name) = (0.0, 0.0, String::new());
    for case in cases {
        found += len_bytes(&case);
        most += case.most;
        name = case.name;
    }
    assert!(found <= most, "{name}: {found} bytes for all, at most {most:.0}");
}

#[test]
fn uniform_churn_of_versions() {
    for changed in [0, 1, 16, 164, 1_638, 8_192, 16_384] {
        check(&cases::uniform(Form::Versions, changed));
    }
}

#[test]
fn uniform_churn_of_hashes() {
    for changed in [0, 1, 16, 164, 1_638, 8_192, 16_384] {
        check(&cases::uniform(Form::Hashes, changed));
    }
}

#[test]
fn zipf_churn() {
    for expected in [16.0, 164.0, 1_638.0, 8_192.0] {
        check(&cases::zipf(expected));
    }
}

#[test]
fn cold_snapshot() {
    check(&cases::cold());
}

#[test]
fn bins() {
    let projects = samples::dataset();
    let seeds = |targets: usize, added: usize, projects: &[Project]| {
        check_mean((0..200).map(|seed| cases::bin(targets, added, projects, seed)));
    };
    for targets in [16, 61, 139, 976] {
        seeds(targets, 0, &projects);
        seeds(targets, 1, &projects);
    }
}
