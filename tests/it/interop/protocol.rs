//! What PROTOCOL.md and FORMAT.md say agrees with implementations in Python that were written from
//! their texts.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::tempdir;
use tufold_delta::{Codec, EncodeOptions, encode};
use tufold_tests::fuzz::{Pair, pair};
use tufold_tests::project_dir;

use super::clients::Clients;

#[test]
fn python_passes_the_vectors_of_the_protocol() {
    let Some(clients) = Clients::find() else { return };
    let vectors = project_dir().join("crates/tufold-meta/tests/vectors");
    let files = ["names", "envelopes", "bundles", "snapshots", "regroups"]
        .map(|name| vectors.join(format!("{name}.json")));
    let printed = clients.python("protocol.py", files, "");
    let counts: Vec<_> = printed.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(counts, ["6 paths", "10 envelopes", "6 bundles", "3 snapshots", "4 regroups"]);
}

#[test]
fn python_applies_the_golden_deltas() {
    let Some(clients) = Clients::find() else { return };
    let golden = project_dir().join("crates/tufold-delta/tests/golden");
    let file = |case: &str, name: &str| golden.join(format!("{case}.{name}"));
    let mut paths = Vec::new();
    for case in ["versions", "versions-cold", "hashes", "hashes-cold", "bin"] {
        for codec in ["columnar", "full-gzip"] {
            let base = file(case, "base.json");
            paths.push(if base.exists() { base } else { PathBuf::from("-") });
            paths.extend([file(case, codec), file(case, "new.json")]);
        }
    }
    assert_eq!(clients.python("delta.py", paths, ""), "10 deltas\n");
}

#[test]
fn python_applies_the_deltas_of_bundles_and_of_the_fuzz_corpus() {
    let Some(clients) = Clients::find() else { return };
    let dir = tempdir().expect("a temporary folder");
    let (mut paths, mut count) = (Vec::new(), 0);
    let mut pairs = bundled();
    for entry in fs::read_dir(project_dir().join("tests/fuzz/corpus/columnar")).unwrap() {
        pairs.extend(pair(&fs::read(entry.unwrap().path()).unwrap()));
    }
    // Python takes a second for some of the longer ones.
    pairs.retain(|(base, new)| base.as_ref().map_or(0, Vec::len) + new.len() < 8_000);
    for (base, new) in pairs {
        let delta = encode(Codec::Columnar, base.as_deref(), &new, &EncodeOptions::default());
        let Ok(delta) = delta else { continue };
        let write = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(format!("{count}.{name}"));
            fs::write(&path, bytes).unwrap();
            path
        };
        paths.push(base.map_or(PathBuf::from("-"), |base| write("base", &base)));
        paths.extend([write("delta", &delta), write("new", &new)]);
        count += 1;
    }
    assert!(count > 60, "{count} deltas");
    assert_eq!(clients.python("delta.py", paths, ""), format!("{count} deltas\n"));
}

/// What the two deltas of each bundle in the vectors go between.
fn bundled() -> BTreeSet<Pair> {
    let vectors = project_dir().join("crates/tufold-meta/tests/vectors/bundles.json");
    let vectors: Value =
        serde_json::from_slice(&fs::read(vectors).expect("vectors")).expect("JSON");
    let bytes = |value: &Value| value.as_str().expect("text").as_bytes().to_vec();
    let mut pairs = BTreeSet::new();
    for step in vectors["bundles"].as_array().expect("bundles") {
        let snapshot: Value =
            serde_json::from_slice(&bytes(&step["old"]["snapshot"])).expect("JSON");
        let signed = snapshot["signed"].to_string().into_bytes();
        pairs.insert((Some(signed), bytes(&step["outline"])));
        pairs.insert((Some(bytes(&step["flattened_old"])), bytes(&step["flattened_new"])));
    }
    pairs
}
