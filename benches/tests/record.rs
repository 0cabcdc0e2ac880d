//! The committed record still holds: what a test can afford is run again and compared to the byte.

use tufold_benches::tables::{self, Selection};

fn check(name: &'static str, rows: usize) {
    let record = format!("{}/record/{name}.tsv", env!("CARGO_MANIFEST_DIR"));
    let record = std::fs::read_to_string(record).expect("a record");
    let table = tables::table(name, &Selection { quick: true, ..Selection::default() });
    let lines = table.lines();
    assert_eq!(lines.len(), rows, "{name}");
    for line in lines {
        assert!(
            record.lines().any(|recorded| recorded == line),
            "{line}\nis not in the record; benches/README.md says how to record anew"
        );
    }
}

#[test]
fn snapshots() {
    check("snapshots", 2 * 13 * 8);
}

#[test]
fn bins() {
    check("bins", 3 * 8);
}

#[test]
fn ladder() {
    check("ladder-paths", 6);
}
