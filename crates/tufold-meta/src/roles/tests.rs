use super::*;

const ROOT: &str = r#"{"_type":"root","a":{"kept":[1,"x"]},"consistent_snapshot":true,"expires":"2030-01-01T00:00:00Z","keys":{"k1":{"keytype":"ed25519","keyval":{"private":null,"public":"ab"},"scheme":"ed25519","x":1}},"roles":{"mirrors":{"keyids":[],"threshold":1},"root":{"keyids":["k1"],"threshold":1,"x-role":true},"snapshot":{"keyids":["k1"],"threshold":1},"targets":{"keyids":["k1"],"threshold":1},"timestamp":{"keyids":["k1"],"threshold":1}},"spec_version":"1.0.34","version":1,"z":null}"#;

const TIMESTAMP: &str = r#"{"_type":"timestamp","expires":"2030-01-01T00:00:00Z","meta":{"other.json":{"version":0},"snapshot.json":{"hashes":{"md5":"00","sha512":"01"},"length":5,"version":3,"x":{}},"z":1},"spec_version":"1.0","version":9,"x-tufold-deltas":"pow2:1024"}"#;

const SNAPSHOT: &str = r#"{"_type":"snapshot","expires":"2030-01-01T00:00:00Z","meta":{"a b/é.json":{"version":1},"targets.json":{"a":1,"version":18446744073709551615,"z":2}},"spec_version":"1.0.34","version":2}"#;

const TARGETS: &str = r#"{"_type":"targets","delegations":{"keys":{},"roles":[{"keyids":[],"name":"a","paths":["*","b/*"],"terminating":false,"threshold":1,"x":0},{"keyids":[],"name":"b","path_hash_prefixes":["0","1f"],"terminating":true,"threshold":2}],"x":1},"expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{"é\"\\":{"custom":{"b":1,"c":{"d":[]}},"hashes":{"sha256":"ddab29ff2c393ee52855d21a240eb05f775df88e3ce347df759f0c4b80356c35","sha512":"ab"},"length":0,"other":1}},"version":1}"#;

const SUCCINCT: &str = r#"{"_type":"targets","delegations":{"keys":{},"succinct_roles":{"bit_length":14,"keyids":["k"],"name_prefix":"bins","threshold":1,"x":[]}},"expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{},"version":1}"#;

fn check_identity<R: Role>(json: &str) {
    let role: R = serde_json::from_str(json).unwrap();
    assert_eq!(String::from_utf8(role.to_canonical()).unwrap(), json);
}

#[test]
fn writes_what_it_parsed_with_every_unknown_field() {
    check_identity::<Root>(ROOT);
    check_identity::<Root>(&ROOT.replace(r#""consistent_snapshot":true,"#, ""));
    check_identity::<Timestamp>(TIMESTAMP);
    check_identity::<Snapshot>(SNAPSHOT);
    check_identity::<Targets>(TARGETS);
    check_identity::<Targets>(SUCCINCT);
}

fn check_refused<R: Role>(json: &str, from: &str, to: &str, expected: &str) {
    let damaged = json.replacen(from, to, 1);
    assert_ne!(damaged, json, "{from} does not occur");
    let error = serde_json::from_str::<R>(&damaged).err().expect(to).to_string();
    assert_eq!(error.split(" at line ").next(), Some(expected));
}

#[test]
fn refuses_documents_that_break_the_format() {
    check_refused::<Root>(
        ROOT,
        r#":"root""#,
        r#":"targets""#,
        r#"_type is "targets", expected "root""#,
    );
    check_refused::<Root>(ROOT, r#""targets":"#, r#""t":"#, "the role targets has no keys");
    check_refused::<Root>(
        ROOT,
        r#"["k1"]"#,
        r#"["k1","k1"]"#,
        "key id k1 stands twice in one role",
    );
    for version in ["2.0", "1", "1.", "1.+0", "1.0.34.0"] {
        let expected = format!("spec_version is {version:?}, expected 1.x.y");
        check_refused::<Root>(ROOT, "1.0.34", version, &expected);
    }
    check_refused::<Root>(
        ROOT,
        r#"d":1}"#,
        r#"d":0}"#,
        "invalid value: integer `0`, expected a nonzero u64",
    );
    check_refused::<Snapshot>(
        SNAPSHOT,
        r#""version":2"#,
        r#""version":0"#,
        "invalid value: integer `0`, expected a nonzero u64",
    );
    check_refused::<Snapshot>(
        SNAPSHOT,
        "2030-01-01T00",
        "2030-01-01 00",
        "`2030-01-01 00:00:00Z` is not a time of the form YYYY-MM-DDTHH:MM:SSZ",
    );
    check_refused::<Timestamp>(
        TIMESTAMP,
        "snapshot.json",
        "s.json",
        "missing field `snapshot.json`",
    );
    check_refused::<Targets>(TARGETS, r#":"b""#, r#":"a""#, r#"role "a" is delegated twice"#);
    check_refused::<Targets>(
        TARGETS,
        r#":"b""#,
        r#":"snapshot""#,
        r#"role "snapshot" cannot be delegated"#,
    );
    check_refused::<Targets>(
        TARGETS,
        r#""paths":["*","b/*"],"#,
        "",
        "a role needs one of paths and path_hash_prefixes",
    );
    check_refused::<Targets>(
        TARGETS,
        r#""length":0"#,
        r#""length":-1"#,
        "invalid value: integer `-1`, expected u64",
    );
    check_refused::<Targets>(
        TARGETS,
        r#"{"b":1,"#,
        r#"{"b":1.5,"#,
        "canonical JSON cannot hold the number 1.5",
    );
    check_refused::<Targets>(TARGETS, r#""length":0"#, r#""size":0"#, "missing field `length`");
    check_refused::<Targets>(SUCCINCT, "14", "33", "bit_length is 33, not 1 to 32");
    check_refused::<Targets>(
        SUCCINCT,
        r#""succinct_roles":{"#,
        r#""roles":[],"succinct_roles":{"#,
        "delegations need one of roles and succinct_roles",
    );
}

#[test]
fn refuses_null_which_would_not_be_written_again() {
    let null = "invalid type: null, expected ";
    let root = format!("{null}a boolean");
    check_refused::<Root>(ROOT, r#"snapshot":true"#, r#"snapshot":null"#, &root);
    let sequence = format!("{null}a sequence");
    let to = r#""path_hash_prefixes":null,"paths""#;
    check_refused::<Targets>(TARGETS, r#""paths""#, to, &sequence);
    let to = r#""roles":null,"succinct_roles""#;
    check_refused::<Targets>(SUCCINCT, r#""succinct_roles""#, to, &sequence);
    let to = r#""delegations":null,"d""#;
    let delegations = format!("{null}struct RawDelegations");
    check_refused::<Targets>(SUCCINCT, r#""delegations""#, to, &delegations);
}

#[test]
fn finds_the_roles_of_a_target() {
    let targets: Targets = serde_json::from_str(TARGETS).unwrap();
    let delegations = targets.delegations.unwrap();
    // SHA-256("foo.txt") begins with d, SHA-256("b/x") with 1f or not.
    let names = |path: &str| -> Vec<String> {
        delegations.roles_for(path).iter().map(|role| role.name.to_string()).collect()
    };
    assert_eq!(names("foo.txt"), ["a"]);
    assert_eq!(names("c/foo.txt"), [""; 0]);
    let succinct: Targets = serde_json::from_str(SUCCINCT).unwrap();
    let succinct = succinct.delegations.unwrap();
    assert_eq!(succinct.roles_for("foo.txt")[0].name, "bins-376a");
    assert!(succinct.role("bins-376a").is_some() && succinct.role("bins-4000").is_none());
}
