//! A browser that fetches two snapshots gets the second as a delta to the first.

use std::fs;
use std::process::Command;

use data_encoding::BASE64;
use serde_json::Value;
use tufold_meta::Digest;
use tufold_serve::Limits;
use tufold_tests::{TestRepo, after, changes, checked_output, list, project_dir, put, scratch};

use super::Serving;
use super::clients::Certificate;
use crate::component;

#[test]
fn chromium_takes_a_snapshot_as_the_dictionary_of_the_next() {
    if ["chromedriver", "chromium"].iter().any(|name| component::find(name, None).is_none()) {
        return;
    }
    let paths: Vec<String> = (0..400).map(|n| format!("path-{n}")).collect();
    let repo = TestRepo::init("bins-succinct:256 hashes", list(paths.iter().map(String::as_str)));
    repo.publish(changes([put("path-7", "new")]), &[], after("1h"));
    let folder = scratch();
    let own = Certificate::make(folder.path());
    let server = Serving::with_tls(&repo.path().join("public"), Some(own.tls()), Limits::default());
    let mut command = Command::new("python3");
    command.args(["-B"]).arg(project_dir().join("tests/interop/dictionaries.py"));
    command.arg(folder.path().join("profile"));
    command.arg(BASE64.encode(Digest::of(&own.key_info).as_bytes()));
    command.arg(format!("https://localhost:{}", server.address.port()));
    command.args(["/metadata/1.snapshot.json", "/metadata/2.snapshot.json"]);
    let answer = checked_output(&mut command, "dictionaries.py");
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    for (at, coding) in [(0, "zstd"), (1, "dcz")] {
        let fetched = &answer[at];
        let name = format!("{}.snapshot.json", at + 1);
        let digest = Digest::of(&fs::read(repo.metadata().join(name)).expect("a snapshot"));
        assert_eq!(fetched["coding"], coding, "{answer}");
        assert_eq!(fetched["sha256"], digest.to_string(), "{answer}");
    }
    assert!(server.end().with_dictionary >= 1);
}
