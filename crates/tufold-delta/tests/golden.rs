//! Deltas that every version must read, and `columnar` ones that it must write, to the byte.
//!
//! `UPDATE_EXPECT=1` writes the files anew; that is a change of format and belongs into one commit with FORMAT.md.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod samples;

use std::fs;
use std::path::PathBuf;

use samples::{Form, Noise, Project, Snapshot, Targets};
use tufold_delta::{Codec, EncodeOptions, Limits, apply, encode};

fn check(case: &str, base: Option<&[u8]>, new: &[u8]) {
    let file = |name: &str| {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("tests/golden")
            .join(format!("{case}.{name}"))
    };
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    if update {
        fs::write(file("new.json"), new).unwrap();
        if let Some(base) = base {
            fs::write(file("base.json"), base).unwrap();
        }
    }
    assert!(fs::read(file("new.json")).unwrap() == new, "the samples changed");
    for codec in Codec::ALL {
        let written = encode(codec, base, new, &EncodeOptions::default()).unwrap();
        if update {
            fs::write(file(codec.name()), &written).unwrap();
        }
        let golden = fs::read(file(codec.name())).unwrap();
        assert!(apply(base, &golden, &Limits::default()).unwrap() == new, "{case} {codec}");
        // Other codecs' bytes are their libraries' business.
        if codec == Codec::Columnar {
            assert_eq!(written, golden, "{case}");
        }
    }
}

#[test]
fn small_snapshots() {
    for (case, form) in [("versions", Form::Versions), ("hashes", Form::Hashes)] {
        let base = Snapshot::poisson(form, 20, 300.0, 1);
        check(case, Some(&base.signed()), &base.next(&[3, 4, 17], 2).signed());
        check(&format!("{case}-cold"), None, &base.signed());
    }
}

#[test]
fn a_small_bin() {
    let projects: Vec<Project> = ["six", "requests", "numpy-financial"]
        .map(|name| (name.to_owned(), "1.16.0".to_owned()))
        .into();
    let mut noise = Noise(7);
    let base = Targets::new(24, &projects, &mut noise);
    let mut new = base.clone();
    new.resign(&mut noise);
    new.add(&projects, &mut noise);
    new.targets.pop_first();
    check("bin", Some(&base.signed()), &new.signed());
}

#[test]
fn the_example_of_the_format() {
    let delta = encode(Codec::Columnar, None, b"{}", &EncodeOptions::default()).unwrap();
    let hex: Vec<String> = delta.iter().map(|byte| format!("{byte:02x}")).collect();
    let format = include_str!("../FORMAT.md");
    let example: Vec<&str> = format
        .split("```text\n")
        .nth(1)
        .unwrap()
        .split("```")
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    assert_eq!(hex, example);
}
