//! The vectors of PROTOCOL.md agree with an implementation in Python that was written from its text.

use super::clients::Clients;
use tufold_tests::project_dir;

#[test]
fn python_passes_the_vectors_of_the_protocol() {
    let Some(clients) = Clients::find() else { return };
    let vectors = project_dir().join("crates/tufold-meta/tests/vectors");
    let files = ["names", "envelopes", "bundles"].map(|name| vectors.join(format!("{name}.json")));
    let printed = clients.python("protocol.py", files, "");
    let counts: Vec<_> = printed.lines().filter_map(|line| line.split(": ").nth(1)).collect();
    assert_eq!(counts, ["6 paths", "10 envelopes", "5 bundles"]);
}
