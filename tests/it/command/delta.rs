//! `tufold delta` on files, edges, bundles and repositories.

use std::io::Read;

use tufold_delta::Fingerprint;
use tufold_meta::canonical_parts;

use super::*;

const SNAPSHOT: &str = "metadata/2.snapshot.json";

impl Place {
    /// The repositories `old` and `new`: Debian's testing and, a publish later with deltas, unstable.
    fn with_debian(form: &str) -> Self {
        let place = Self::new();
        place.write("forky.tsv", thinned("debian-forky-amd64.tsv.zst"));
        place.write("sid.tsv", thinned("debian-sid-amd64.tsv.zst"));
        place.ok(&format!("init old --targets forky.tsv {form}"));
        place.copy("old", "new");
        place.ok("publish new --targets sid.tsv --deltas pow2:4");
        place
    }

    fn ok(&self, args: &str) -> String {
        let ended = self.run(args);
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{args}");
        ended.stdout
    }

    fn json(&self, args: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("{args} --json"))).expect("JSON")
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).expect("a file")
    }

    fn copy(&self, from: &str, to: &str) {
        let mut tree = BTreeMap::new();
        add_tree(&self.path(from), "", &mut tree);
        fs::create_dir(self.path(to)).expect("room for a folder");
        for (name, bytes) in tree {
            let path = self.path(to).join(&name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("room for a folder");
            match name.ends_with('/') {
                true => fs::create_dir_all(path).expect("room for a folder"),
                false => fs::write(path, bytes).expect("room for a file"),
            }
        }
    }

    /// A command fails with a message that holds all of these, and leaves no trace.
    fn assert_refuses(&self, args: &str, parts: &[&str]) {
        let before = self.tree();
        let ended = self.run(args);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args}: {}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{args}: {}", ended.stderr);
        for part in parts {
            assert!(ended.stderr.contains(part), "{args}: {part} is not in {}", ended.stderr);
        }
        assert!(self.tree() == before, "{args} left something behind");
    }

    /// The folder has the metadata that `new` lists, and nothing that it does not.
    fn assert_rebuilt(&self, folder: &str, new: &str) {
        let snapshot: Value =
            serde_json::from_slice(&self.read(&format!("{folder}/{SNAPSHOT}"))).expect("JSON");
        let mut expected = vec!["1.root.json".to_owned(), "2.snapshot.json".to_owned()];
        for (name, listed) in snapshot["signed"]["meta"].as_object().expect("an object") {
            expected.push(format!("{}.{name}", listed["version"]));
        }
        expected.sort();
        let mut tree = BTreeMap::new();
        add_tree(&self.path(folder), "", &mut tree);
        let names: Vec<_> = tree.keys().filter_map(|name| name.strip_prefix("metadata/")).collect();
        assert_eq!(names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(), expected);
        for (name, bytes) in tree.iter().filter(|(name, _)| !name.ends_with('/')) {
            assert!(*bytes == self.read(&format!("{new}/public/{name}")), "{name} differs");
        }
    }
}

/// The header of a list and one row in 64.
fn thinned(dataset: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").join(dataset);
    let mut text = String::new();
    let file = fs::File::open(path).expect("a dataset");
    zstd::Decoder::new(file).expect("zstd").read_to_string(&mut text).expect("text");
    let header = text.lines().take(1);
    let rows = text.lines().skip(1);
    let kept = rows.filter(|row| row.ends_with("0") && row.as_bytes()[row.len() - 2] < b'4');
    header.chain(kept).map(|row| format!("{row}\n")).collect()
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The parts of an inspected file add up to its length, and its columns to their stream. Returns what stands where.
fn check_sums(inspected: &Value, len: usize) -> Vec<String> {
    let mut names = Vec::new();
    let mut sum = number(&inspected["framing_bytes"]) + number(&inspected["signature_bytes"]);
    for delta in inspected["deltas"].as_array().expect("an array") {
        let parts = ["header_bytes", "head_bytes", "raw_bytes", "stream_bytes"];
        let own: f64 = parts.iter().map(|part| number(&delta[part])).sum();
        assert_eq!(own, number(&delta["bytes"]));
        sum += own;
        let Some(columns) = delta["columns"].as_array() else { continue };
        let all = |field: &str| columns.iter().map(|column| number(&column[field])).sum::<f64>();
        let stream = all("stream_bytes") + number(&delta["rounding_bytes"]);
        assert!((stream - number(&delta["stream_bytes"])).abs() < 1e-6, "{delta}");
        assert_eq!(all("raw_bytes"), number(&delta["raw_bytes"]));
        for column in columns {
            assert!(number(&column["values"]) >= 1.0);
            let field = |name: &str| column[name].as_str().expect("text");
            names.push(format!("{} {} {}", field("entries"), field("content"), field("place")));
        }
    }
    assert_eq!(sum, len as f64);
    names
}

#[test]
fn inspect_says_what_the_bytes_are_spent_on() {
    let place = Place::with_debian("--bins 4");
    let metadata = "old/public/metadata";
    place.ok(&format!(
        "delta encode {metadata}/1.snapshot.json new/public/{SNAPSHOT} -o plain --codec columnar"
    ));
    place.ok(&format!(
        "delta encode {metadata}/1.snapshot.json new/public/{SNAPSHOT} -o zstd --codec zstd"
    ));
    let rows = [
        ("plain", "1.snapshot.json", "delta", "old integers signed.version"),
        ("zstd", "1.snapshot.json", "delta", ""),
        (
            "new/public/deltas/snapshot/1-2",
            "1.snapshot.json",
            "edge",
            "old integers meta.bins-0.json.version",
        ),
        ("new/public/deltas/snapshot/0-2", "", "edge", "new keys meta"),
        ("new/public/deltas/roles/bins-2/1-2", "1.bins-2.json", "edge", "old keys targets"),
        ("new/public/deltas/mirror/1-2", "old", "bundle", "new integers targets.*.length"),
        // The newest state of that one is later, but it still has the first.
        ("new/public/deltas/mirror/1-2", "new", "bundle", "new hex targets.*.hashes.sha256"),
    ];
    for (file, base, form, column) in rows {
        let base = match base {
            "" => String::new(),
            base if base.ends_with(".json") => format!(" --base {metadata}/{base}"),
            base => format!(" --base {base}"),
        };
        let len = place.read(file).len();
        let bare = place.json(&format!("delta inspect {file}"));
        assert_eq!(bare["form"], form, "{file}");
        let columns = check_sums(&bare, len);
        assert_eq!(columns.is_empty(), !base.is_empty(), "{file}: {columns:?}");
        let columns = check_sums(&place.json(&format!("delta inspect {file}{base}")), len);
        assert!(column.is_empty() || columns.iter().any(|name| name == column), "{columns:#?}");
        let text = place.ok(&format!("delta inspect {file}{base}"));
        assert!(text.lines().any(|line| line.ends_with(" all")), "{text}");
    }
    let text = place.ok("delta inspect new/public/deltas/mirror/1-2 --base old");
    assert!(text.contains("roles, integers: targets.*.length (new entries)\n"), "{text}");

    place.write("page", "<html>not found</html>");
    place.assert_refuses("delta inspect page", &["page: ", "neither a delta nor a bundle"]);
    place.assert_refuses("delta inspect none", &["cannot read none: "]);
    let base = format!("plain --base {metadata}/1.bins-0.json");
    place.assert_refuses(&format!("delta inspect {base}"), &["plain with base ", "another base: "]);
    place.assert_refuses("delta inspect plain --base old", &["the base is a folder"]);
    let bundle = "delta inspect new/public/deltas/mirror/1-2 --base";
    place.assert_refuses(&format!("{bundle} targets.tsv"), &["targets.tsv is not a repository: "]);
    place.assert_refuses(&format!("{bundle} old --max-length 9"), &["exceeds the limit of 9"]);
}

#[test]
fn a_bundle_of_two_repositories_is_the_one_that_publish_writes() {
    for form in [
        "--bins 4",
        "--bins 4 --snapshot hashes",
        "--delegation flat",
        "--delegation bins-prefixes --bins 4",
    ] {
        let place = Place::with_debian(form);
        let done = place.json("delta encode old new -o bundle");
        let bundle = place.read("bundle");
        assert_eq!(done["bundle_bytes"], bundle.len());
        assert!(bundle == place.read("new/public/deltas/mirror/1-2"), "{form}");
        let done = place.json("delta apply old bundle -o whole");
        assert_eq!((&done["old_snapshot"], &done["new_snapshot"]), (&1.into(), &2.into()));
        place.assert_rebuilt("whole", "new");
        place.ok("delta apply new bundle -o from-the-newer");
        place.assert_rebuilt("from-the-newer", "new");
        // Another codec, and folders that have no timestamp.
        place.copy("old/public", "mirror");
        fs::remove_file(place.path("mirror/metadata/timestamp.json")).expect("a timestamp");
        place.ok("delta encode mirror whole -o again --codec zstd");
        place.ok("delta apply mirror again -o again-whole");
        place.assert_rebuilt("again-whole", "new");
    }
}

#[test]
fn roles_come_and_go_between_repositories() {
    let place = Place::new();
    let list = |paths: &[&str]| {
        let rows: String = paths.iter().map(|path| format!("{path}\t1\t{DIGEST}\n")).collect();
        format!("path\tlength\tsha256\n{rows}")
    };
    place.write("old.tsv", list(&["a/1", "a/2", "b/1"]));
    place.write("new.tsv", list(&["a/1", "c/1", "c/2"]));
    place.ok("init old --targets old.tsv --delegation projects-wildcard");
    // Another repository of the same keys, one version on.
    place.ok("init new --targets new.tsv --delegation projects-wildcard --keys old/private/keys");
    place.assert_refuses("delta encode old new -o bundle", &[
        "new/public/metadata/1.project~a.json is another file than old/public/metadata/1.project~a.json",
    ]);
    place.ok("publish new --refresh all");
    place.ok("delta encode old new -o bundle");
    let done = place.json("delta apply old bundle -o whole");
    assert_eq!(done["roles"], 3);
    place.assert_rebuilt("whole", "new");
    let mut names: Vec<_> = fs::read_dir(place.path("whole/metadata"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let roles = ["2.project~a.json", "2.project~c.json", "2.snapshot.json", "2.targets.json"];
    assert_eq!(names[1..], roles);
    let compared = place.json("delta compare old new");
    assert_eq!(compared["documents"], 4);
}

#[test]
fn compare_sets_the_bundle_beside_single_documents() {
    let place = Place::with_debian("--bins 4");
    let compared = place.json("delta compare old new");
    assert_eq!((&compared["documents"], &compared["floor"]), (&5.into(), &"strict".into()));
    let ways = compared["ways"].as_array().expect("an array");
    let bytes = |what: &str, codec: &str| {
        let way = ways.iter().find(|way| way["what"] == what && way["codec"] == codec);
        way.and_then(|way| way["bytes"].as_u64()).unwrap_or_else(|| panic!("no {what} {codec}"))
    };
    assert!(number(&compared["floor_bytes"]) < bytes("bundle", "columnar") as f64);
    let order = [
        bytes("bundle", "columnar"),
        bytes("deltas", "columnar"),
        bytes("deltas", "zstd"),
        bytes("whole", "full-zstd"),
        bytes("whole", "none"),
    ];
    assert!(order.is_sorted_by(|left, right| left < right), "{order:?}");
    assert_eq!(
        bytes("bundle", "columnar"),
        place.read("new/public/deltas/mirror/1-2").len() as u64
    );
    let edges = [
        "snapshot/1-2",
        "roles/bins-0/1-2",
        "roles/bins-1/1-2",
        "roles/bins-2/1-2",
        "roles/bins-3/1-2",
    ];
    let edges = edges.map(|edge| place.read(&format!("new/public/deltas/{edge}")).len() as u64);
    assert_eq!(bytes("deltas", "columnar"), edges.iter().sum::<u64>());
    let files = ["snapshot", "bins-0", "bins-1", "bins-2", "bins-3"];
    let files = files.map(|role| place.read(&format!("new/public/metadata/2.{role}.json")).len());
    assert_eq!(bytes("whole", "none"), files.iter().sum::<usize>() as u64);
    for way in ways.iter().filter(|way| way["codec"] != "none") {
        assert!(
            way["encode_ms"].as_f64() > Some(0.0) && way["apply_ms"].as_f64() > Some(0.0),
            "{way}"
        );
    }
    let text = place.ok("delta compare old new");
    assert!(text.starts_with("from snapshot 1 to 2: 5 documents\nstrict floor: "), "{text}");
    assert!(text.contains("\nbundle, columnar ") && text.contains("\n5 whole, none "), "{text}");
    // Nothing is as small as nothing.
    let compared = place.json("delta compare old old");
    assert_eq!((&compared["documents"], &compared["floor_bytes"]), (&1.into(), &0.0.into()));
}

#[test]
fn a_bundle_that_is_wrong_leaves_nothing() {
    let place = Place::with_debian("--bins 4");
    place.ok("delta encode old new -o bundle");
    let bundle = place.read("bundle");

    // For another state, and with a file that is missing or another.
    place.ok("init other --targets sid.tsv --bins 4");
    let needs = [
        "cannot apply bundle to other: ",
        "needs another base: ",
        " bytes with digest ",
        ", and not ",
    ];
    place.assert_refuses("delta apply other bundle -o out", &needs);
    place.copy("old", "lacks");
    fs::remove_file(place.path("lacks/public/metadata/1.bins-2.json")).expect("a bin");
    place.assert_refuses(
        "delta apply lacks bundle -o out",
        &["lacks/public/metadata/1.bins-2.json is missing"],
    );
    place.copy("old", "swapped");
    let signed_otherwise = place.read("swapped/public/metadata/1.bins-1.json");
    let signed_otherwise =
        String::from_utf8(signed_otherwise).expect("UTF-8").replacen("pool", "loop", 1);
    place.write("swapped/public/metadata/1.bins-1.json", signed_otherwise);
    place.assert_refuses("delta apply swapped bundle -o out", &["needs another base: "]);

    // Cut short and damaged.
    for len in [0, 1, 2, 9, 40, bundle.len() / 2, bundle.len() - 1] {
        place.write("bad", &bundle[..len]);
        place.assert_refuses("delta apply old bad -o out", &["cannot apply bad to old: "]);
        place.assert_refuses("delta inspect bad --base old", &["bad with base old: "]);
    }
    for at in (0..bundle.len()).step_by(bundle.len() / 40) {
        let mut bad = bundle.clone();
        bad[at] ^= 0x21;
        place.write("bad", bad);
        place.assert_refuses("delta apply old bad -o out", &["bad"]);
    }
    place.write("bad", [bundle.as_slice(), b"x"].concat());
    place.assert_refuses("delta apply old bad -o out", &["bytes follow the payload"]);

    // Too long, truly or by what it says.
    place.assert_refuses(
        "delta apply old bundle -o out --max-length 2000",
        &["exceeds the limit of 2000"],
    );
    let (crafted, promised) = oversize(&place.read("old/public/metadata/1.snapshot.json"));
    place.write("bad", crafted);
    let exceeds = format!("the result of {promised} exceeds the limit of 67108864");
    place.assert_refuses("delta apply old bad -o out", &[&exceeds]);
    place.assert_refuses("delta inspect bad --base old", &["exceeds the limit of 67108864"]);

    // What is there already is kept.
    fs::create_dir(place.path("out")).expect("room for a folder");
    place.assert_refuses("delta apply old bundle -o out", &["cannot make out: "]);
    place.assert_refuses("delta apply old bundle -o none/out", &["cannot make none/out: "]);
    place.assert_refuses("delta encode old new -o none/out", &["none/out: "]);
}

/// A bundle whose first delta promises 2^59 bytes more than its base has, and how many that are.
fn oversize(snapshot: &[u8]) -> (Vec<u8>, u64) {
    let (signed, _) = canonical_parts(snapshot).expect("good data");
    let Fingerprint { len_bytes, cut_digest } = Fingerprint::of(Some(&signed));
    let base_len = len_bytes.expect("a length");
    let len = base_len + 1;
    let low = u8::try_from(len & 0x7f | 0x80).expect("seven bits");
    let high = u8::try_from(len >> 7).expect("a short snapshot");
    let mut delta = b"TF\xd1\x00".to_vec();
    delta.extend([low, high]);
    delta.extend(cut_digest);
    delta.extend([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10, 0, 0, 0, 0]);
    let len = u8::try_from(delta.len()).expect("a short delta");
    ([&[len], delta.as_slice(), delta.as_slice()].concat(), base_len + (1 << 59))
}

#[test]
fn what_is_no_repository_is_told_apart() {
    let place = Place::with_debian("--bins 4");
    place.ok("delta encode old new -o bundle");
    fs::create_dir(place.path("empty")).expect("room for a folder");
    fs::create_dir_all(place.path("bare/metadata")).expect("room for a folder");
    let no_repository = ["empty is not a repository: it has no metadata/"];
    place.assert_refuses("delta encode empty new -o out", &no_repository);
    place.assert_refuses("delta encode old empty -o out", &no_repository);
    place.assert_refuses("delta compare empty new", &no_repository);
    place.assert_refuses("delta apply empty bundle -o out", &no_repository);
    place.assert_refuses(
        "delta encode bare new -o out",
        &["bare/metadata/timestamp.json is missing"],
    );

    // A file for a folder, and the other way round.
    let like = ["targets.tsv", "a delta goes from like to like"];
    place.assert_refuses("delta encode targets.tsv new -o out", &like);
    place.assert_refuses("delta compare old targets.tsv", &like);
    place.assert_refuses(
        "delta encode --no-base new -o out",
        &["new is a folder, and a bundle needs an old repository"],
    );
    place.assert_refuses(
        "delta apply targets.tsv bundle -o out",
        &["bundle is a bundle, which applies to a repository"],
    );
    place.assert_refuses(
        "delta apply --no-base bundle -o out",
        &["bundle is a bundle, which applies to a repository"],
    );
    let edge = "new/public/deltas/snapshot/1-2";
    place.assert_refuses(
        &format!("delta apply old {edge} -o out"),
        &[edge, "is an edge of a ladder"],
    );
    place.write("new.txt", "new");
    place.ok("delta encode --no-base new.txt -o plain");
    place.assert_refuses(
        "delta apply old plain -o out",
        &["plain is the delta of one file, old a folder"],
    );

    // Another form: names without versions, and files that are indented as python-tuf writes them by default.
    place.copy("new", "unversioned");
    fs::rename(
        place.path("unversioned/public/metadata/2.snapshot.json"),
        place.path("unversioned/public/metadata/snapshot.json"),
    )
    .expect("a snapshot");
    place.assert_refuses(
        "delta encode old unversioned -o out",
        &["unversioned/public/metadata/2.snapshot.json is missing"],
    );
    place.copy("new", "indented");
    let name = "indented/public/metadata/2.bins-3.json";
    let file: Value = serde_json::from_slice(&place.read(name)).expect("JSON");
    place.write(name, serde_json::to_vec_pretty(&file).expect("JSON"));
    for command in ["delta encode old indented -o out", "delta compare old indented"] {
        place.assert_refuses(command, &["bins-3 is not a targets role in canonical form"]);
    }
    place.write(name, "{");
    for command in ["delta encode old indented -o out", "delta compare old indented"] {
        place.assert_refuses(command, &["bins-3"]);
    }
}
