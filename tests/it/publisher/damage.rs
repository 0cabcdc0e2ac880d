//! What a check says of a damaged repository, and how a publish refuses to build on it.

use std::fs;

use tufold_meta::{Digest, Role, Signed, SigningKey, Snapshot, Timestamp, sign};
use tufold_repo::Input;
use tufold_tests::{TestRepo, after, changes, list, project_dir, put};

use super::{HASHES, PATHS, assert_sound};

/// Damages something, and says what a check finds and what a publish of everything says.
fn check_damage(layout: &str, damage: impl Fn(&TestRepo), findings: &[&str], refusal: &str) {
    let repo = TestRepo::init(layout, list(PATHS));
    repo.publish(changes([put("a/one", "new")]), &[], after("1h"));
    damage(&repo);
    let without_digests =
        |text: String| text.split(": sha256 is ").next().unwrap_or_default().to_owned();
    let found: Vec<_> = repo.findings(after("2h")).into_iter().map(without_digests).collect();
    assert_eq!(found, findings);
    let before = repo.files();
    let published = repo.try_publish(changes([put("a/one", "newer")]), &["all"], after("2h"));
    let refused = published.err().map(|error| error.to_string()).unwrap_or_default();
    let refused = without_digests(refused);
    assert_eq!(refused.replace(&repo.path().display().to_string(), "REPO"), refusal);
    // Files that no timestamp leads to may have been written before the damage was met.
    let after = repo.files();
    let kept = before.iter().all(|(name, bytes)| after.get(name) == Some(bytes));
    assert!(refusal.is_empty() || kept, "what is published changed");
}

/// Writes a file of the repository anew.
fn edit(repo: &TestRepo, name: &str, edit: impl Fn(&str) -> String) {
    let path = repo.path().join(name);
    fs::write(&path, edit(&fs::read_to_string(&path).expect("a file"))).expect("a file");
}

/// Changes a document, signs it with the role's key and gives the file's new bytes.
fn resign<R: Role>(
    repo: &TestRepo,
    name: &str,
    key: &str,
    edit: impl Fn(&str) -> String,
) -> Vec<u8> {
    let path = repo.metadata().join(name);
    let signed = Signed::<R>::parse(fs::read(&path).expect("a document")).expect("a document");
    let edited = edit(std::str::from_utf8(signed.canonical()).expect("UTF-8"));
    let pem = project_dir().join(format!("tests/golden/keys/{key}.pem"));
    let key = SigningKey::from_pem(&fs::read_to_string(pem).expect("a file")).expect("a file");
    let bytes = sign(edited.as_bytes(), &[&key]).expect("a key that signs");
    fs::write(path, &bytes).expect("a file");
    bytes
}

const VERSIONS: &str = "bins-prefixes:4 versions";
const OLDER: &str = "note metadata/ holds 2 older files, which prune removes";

fn delete(name: &'static str) -> impl Fn(&TestRepo) {
    move |repo| fs::remove_file(repo.metadata().join(name)).expect("a file")
}

fn copy(from: &'static str, to: &'static str) -> impl Fn(&TestRepo) {
    move |repo| {
        fs::copy(repo.metadata().join(from), repo.metadata().join(to)).expect("a file");
    }
}

fn cut(name: &'static str) -> impl Fn(&TestRepo) {
    move |repo| edit(repo, name, |text| text[..text.len() / 2].to_owned())
}

#[test]
fn check_names_missing_files() {
    check_damage(HASHES, |_| (), &[OLDER], "");
    for name in ["timestamp.json", "2.snapshot.json"] {
        let fault = format!("fault {name} is missing");
        check_damage(VERSIONS, delete(name), &[&fault], &format!("{name} is missing"));
    }
    check_damage(HASHES, delete("1.root.json"), &["fault 1.root.json is missing", OLDER], "");
    check_damage(
        HASHES,
        |repo| {
            delete("1.targets.json")(repo);
            delete("1.bins-2.json")(repo);
        },
        &["fault 1.bins-2.json is missing", "fault 1.targets.json is missing"],
        "1.targets.json is missing",
    );
    check_damage(
        VERSIONS,
        |repo| {
            delete("1.bins.json")(repo);
            cut("public/metadata/1.bins-3.json")(repo);
        },
        &[
            "fault 1.bins-3.json is damaged: EOF while parsing a string at line 1 column 225",
            "fault 1.bins.json is missing",
        ],
        "1.bins.json is missing",
    );
    check_damage(
        VERSIONS,
        |repo| {
            delete("1.bins-2.json")(repo);
            delete("1.bins-3.json")(repo);
        },
        &["fault 1.bins-2.json is missing", "fault 1.bins-3.json is missing", OLDER],
        "1.bins-2.json is missing",
    );
}

#[test]
fn check_names_files_with_other_bytes() {
    check_damage(
        HASHES,
        cut("public/metadata/1.bins-2.json"),
        &["fault 1.bins-2.json is 292 bytes long, expected 585", OLDER],
        "1.bins-2.json is 292 bytes long, expected 585",
    );
    check_damage(
        HASHES,
        |repo| edit(repo, "public/metadata/1.bins-2.json", |text| text.replace("a/two", "a/tvo")),
        &["fault 1.bins-2.json has other bytes", OLDER],
        "1.bins-2.json has other bytes",
    );
    check_damage(
        VERSIONS,
        |repo| edit(repo, "public/metadata/1.bins-2.json", |text| text.replace("a/two", "a/tvo")),
        &["fault 1.bins-2.json 0 of 1 required signatures are good", OLDER],
        "1.bins-2.json 0 of 1 required signatures are good",
    );
    check_damage(
        VERSIONS,
        copy("1.bins-1.json", "2.bins-1.json"),
        &["fault 2.bins-1.json has version 1, expected 2", OLDER],
        "2.bins-1.json has version 1, expected 2",
    );
    // Another bin's file, as good as its own but for what it lists.
    check_damage(
        VERSIONS,
        copy("1.bins-3.json", "1.bins-0.json"),
        &["fault 1.bins-0.json lists b/three, which is not its to list", OLDER],
        "",
    );
    check_damage(
        HASHES,
        |repo| edit(repo, "public/metadata/2.snapshot.json", |text| text.replace('1', "2")),
        &["fault 2.snapshot.json has other bytes"],
        "2.snapshot.json has other bytes",
    );
    check_damage(
        HASHES,
        |repo| edit(repo, "public/metadata/1.root.json", |text| format!("{text}\n")),
        &["fault 1.root.json is not the root that the publisher trusts, private/root.json", OLDER],
        "",
    );
}

#[test]
fn check_names_delegated_roles_that_the_snapshot_lacks() {
    let lose = |repo: &TestRepo| {
        let snapshot = resign::<Snapshot>(repo, "2.snapshot.json", "snapshot", |text| {
            text.replace(r#""bins-0.json":{"version":1},"#, "")
                .replace(r#""targets.json""#, r#""strange.json":{"version":1},"targets.json""#)
        });
        let (length, digest) = (snapshot.len(), Digest::of(&snapshot));
        resign::<Timestamp>(repo, "timestamp.json", "timestamp", |text| {
            let (before, _) = text.split_once(r#""meta":"#).unwrap();
            let meta = format!(
                r#"{{"snapshot.json":{{"hashes":{{"sha256":"{digest}"}},"length":{length},"version":2}}}}"#
            );
            let after = text.split_once(r#""version":2}},"#).unwrap().1;
            format!(r#"{before}"meta":{meta},{after}"#)
        });
    };
    let findings = [
        "fault bins-0.json is delegated, but not in the snapshot",
        "note 1.bins-0.json belongs to a role that is not published",
        OLDER,
        "note strange.json is in the snapshot, but no role delegates to it",
    ];
    // A role that lost its delegation stays listed (TUF 5.5.5), and no publish stumbles over it.
    check_damage("bins-succinct:4 versions", lose, &findings, "");
    check_damage(VERSIONS, lose, &findings, "");
}

#[test]
fn check_names_expired_documents() {
    let repo = TestRepo::init(VERSIONS, list(PATHS));
    let findings = repo.findings(after("8d"));
    let at = |time| after(time).to_string();
    let (day, week, now) = (at("1d"), at("7d"), at("8d"));
    assert_eq!(
        findings,
        [
            format!("fault 1.snapshot.json expired at {week}, now it is {now}"),
            format!("fault timestamp.json expired at {day}, now it is {now}"),
            format!(
                "fault timestamp.json is refused by a client: timestamp.json expired at {day}, \
                 now is {now}"
            ),
        ]
    );
    repo.publish(Input::Nothing, &[], after("8d"));
    assert_sound(&repo, "8d");
}

#[test]
fn settings_must_be_those_of_the_metadata() {
    for (layout, from, to, problem) in [
        (
            HASHES,
            "bins = 4",
            "bins = 8",
            "says bins-succinct, 8 bins, but what is published is bins-succinct, 4 bins",
        ),
        (
            VERSIONS,
            "bins = 4",
            "bins = 2",
            "says bins-prefixes, 2 bins, but what is published is bins-prefixes, 4 bins",
        ),
        (
            VERSIONS,
            "bins-prefixes",
            "bins-succinct",
            "says bins-succinct, 4 bins, but what is published is bins-prefixes, 4 bins",
        ),
        (
            "projects-listed versions",
            "projects-listed",
            "projects-wildcard",
            "says projects-wildcard, but what is published is projects-listed",
        ),
        (
            "flat versions",
            "flat",
            "projects-listed",
            "says projects-listed, but what is published is flat",
        ),
        (
            HASHES,
            "hashes",
            "versions",
            "says snapshot of versions, but the snapshot gives bins-0.json a hash",
        ),
    ] {
        let fault = format!("fault private/settings.toml {problem}");
        let damage = |repo: &TestRepo| {
            edit(repo, "private/settings.toml", |text| text.replace(from, to));
        };
        let refusal = format!("REPO/private/settings.toml: {problem}");
        check_damage(layout, damage, &[&fault, OLDER], &refusal);
    }
}

#[test]
fn damaged_private_files_are_named_and_nothing_is_published() {
    let rows: [(&str, &str, &str); 6] = [
        (
            "settings.toml",
            "[layout]\ndelegation = \"bins-succinct\"\n",
            "REPO/private/settings.toml: ",
        ),
        ("settings.toml", "", "REPO/private/settings.toml: "),
        ("root.json", "{\"signed\":{", "private/root.json is damaged: "),
        ("root.json", "", "private/root.json is damaged: "),
        (
            "history.tsv",
            "1\t2026\n2\t",
            "REPO/private/history.tsv: line 1 is not a version and a time: 1\t2026",
        ),
        ("keys/x.pem", "-----BEGIN", "cannot use the key REPO/private/keys/x.pem"),
    ];
    for (name, text, expected) in rows {
        let repo = TestRepo::init(HASHES, list(PATHS));
        let before = repo.files();
        fs::write(repo.private().join(name), text).unwrap();
        let error = repo.try_publish(Input::Nothing, &["all"], after("1h")).unwrap_err();
        let error = error.to_string().replace(&repo.path().display().to_string(), "REPO");
        assert!(error.starts_with(expected), "{name}: {error}");
        assert!(repo.files() == before, "{name}: public/ changed");
    }
    let rows = [
        ("settings.toml", "REPO/private is not a repository: it has no settings.toml"),
        ("root.json", "REPO/private is not a repository: it has no root.json"),
        ("keys", "cannot read REPO/private/keys"),
    ];
    for (name, expected) in rows {
        let repo = TestRepo::init(HASHES, list(PATHS));
        fs::rename(repo.private().join(name), repo.beside().join("away")).unwrap();
        let error = repo.try_publish(Input::Nothing, &["all"], after("1h")).unwrap_err();
        assert_eq!(error.to_string().replace(&repo.path().display().to_string(), "REPO"), expected);
    }
    // What only speeds things up, or a crash cut off, is made anew.
    let repo = TestRepo::init(HASHES, list(PATHS));
    fs::write(repo.private().join("sweep"), b"\xff\xff").unwrap();
    fs::write(repo.private().join("history.tsv"), b"1\t2026-11-22T00:00:00Z\n2\t20\xff").unwrap();
    repo.publish(changes([put("a/one", "new")]), &[], after("1h"));
    let history = fs::read_to_string(repo.private().join("history.tsv")).unwrap();
    assert_eq!(history, "1\t2026-11-22T00:00:00Z\n2\t2026-11-22T01:00:00Z\n");
}
