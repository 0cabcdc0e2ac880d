use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{BitLength, Digest};

type Repo = BTreeMap<String, Vec<u8>>;

/// How targets are spread over roles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Form {
    Flat,
    Projects,
    Prefixes(u32),
    Succinct(u32),
}

/// What a repository says, of which the files are made.
#[derive(Clone, Debug)]
struct Says {
    form: Form,
    targets: BTreeMap<String, u64>,
    /// Targets that a role lists out of place.
    strays: Vec<(u8, String)>,
    signatures: u8,
    hashes: bool,
    unknown: bool,
    expires: u8,
}

impl Says {
    fn home(&self, path: &str) -> String {
        match self.form {
            Form::Flat => "targets".to_owned(),
            Form::Projects => format!("p/{}", path.len() % 3),
            Form::Prefixes(bits) | Form::Succinct(bits) => {
                let bits = BitLength::new(bits).unwrap();
                bits.role_name("bins", bits.bin(path))
            }
        }
    }

    fn roles(&self) -> Vec<String> {
        let bins = |bits| {
            let bits = BitLength::new(bits).unwrap();
            bits.bins().map(move |bin| bits.role_name("bins", bin)).collect()
        };
        let mut roles: Vec<String> = match self.form {
            Form::Flat => Vec::new(),
            Form::Projects => (0..3).map(|n| format!("p/{n}")).collect(),
            Form::Succinct(bits) => bins(bits),
            Form::Prefixes(bits) => {
                let mut roles = bins(bits);
                roles.push("bins".to_owned());
                roles
            }
        };
        roles.push("targets".to_owned());
        roles.sort();
        roles
    }

    fn delegations(&self, role: &str) -> Option<Value> {
        let entry = |name: &str, selector: &str, values: Value| json!({"keyids": ["k"], "name": name, selector: values, "terminating": true, "threshold": 1});
        let every: Vec<_> = (0..16).map(|digit| format!("{digit:x}")).collect();
        let roles = match (self.form, role) {
            (Form::Succinct(bits), "targets") => {
                return Some(json!({"keys": {}, "succinct_roles":
                    {"bit_length": bits, "keyids": ["k"], "name_prefix": "bins", "threshold": 1}}));
            }
            (Form::Prefixes(_), "targets") => {
                vec![entry("bins", "path_hash_prefixes", json!(every))]
            }
            (Form::Prefixes(bits), "bins") => {
                let bits = BitLength::new(bits).unwrap();
                let of = |bin| bits.hash_prefixes(bin).collect::<Vec<_>>();
                bits.bins()
                    .map(|bin| {
                        let name = bits.role_name("bins", bin);
                        entry(&name, "path_hash_prefixes", json!(of(bin)))
                    })
                    .collect()
            }
            (Form::Projects, "targets") => {
                (0..3).map(|n| entry(&format!("p/{n}"), "paths", json!(["*"]))).collect()
            }
            _ => return None,
        };
        Some(json!({"keys": {}, "roles": roles}))
    }

    /// The files; a role that says the same as in `old` stays as it is.
    fn files(&self, old: Option<&Repo>) -> Repo {
        let mut repo = Repo::new();
        let mut meta = serde_json::Map::new();
        // TUF 5.5.5: a role once listed stays listed.
        let old_version = |role: &str| old.and_then(|old| version_in(old.get(role)?));
        let mut roles = self.roles();
        if let Some(old) = old {
            roles.extend(old.keys().filter(|role| *role != "snapshot").cloned());
            roles.sort();
            roles.dedup();
        }
        for (n, role) in roles.iter().enumerate() {
            if !self.roles().contains(role) {
                let file = old.unwrap()[role].clone();
                meta.insert(format!("{role}.json"), self.meta(old_version(role).unwrap(), &file));
                repo.insert(role.clone(), file);
                continue;
            }
            let mut targets = serde_json::Map::new();
            let strays = self.strays.iter().filter(|(at, _)| usize::from(*at) % roles.len() == n);
            let own = self.targets.iter().filter(|(path, _)| self.home(path) == *role);
            let all =
                own.map(|(path, length)| (path, *length)).chain(strays.map(|(_, path)| (path, 7)));
            for (path, length) in all {
                let sha256 = Digest::of(&length.to_le_bytes()).to_string();
                let mut file = json!({"hashes": {"sha256": sha256}, "length": length});
                if length % 5 == 0 {
                    file["custom"] = json!({"by": "a\tb", "n": [length, null]});
                }
                targets.insert(path.clone(), file);
            }
            let mut signed = json!({"_type": "targets", "expires": format!("2030-01-{:02}T00:00:00Z", self.expires),
                "spec_version": "1.0.34", "targets": targets});
            if let Some(delegations) = self.delegations(role) {
                signed["delegations"] = delegations;
            }
            if self.unknown {
                signed["a"] = json!({"signed": 1});
                signed["zz"] = json!(["\u{1}"]);
            }
            let version = old_version(role).unwrap_or(0);
            let same = old.is_some_and(|old| {
                signed["version"] = json!(version);
                old.get(role) == Some(&self.file(&signed))
            });
            signed["version"] = json!(if same { version } else { version + 1 });
            let file = self.file(&signed);
            meta.insert(
                format!("{role}.json"),
                self.meta(signed["version"].as_u64().unwrap(), &file),
            );
            repo.insert(role.clone(), file);
        }
        let version = old_version("snapshot").unwrap_or(0) + 1;
        let snapshot = json!({"_type": "snapshot", "expires": "2030-01-01T00:00:00Z", "meta": meta,
            "spec_version": "1.0.34", "version": version, "x": self.unknown});
        repo.insert("snapshot".to_owned(), self.file(&snapshot));
        repo
    }

    fn meta(&self, version: u64, file: &[u8]) -> Value {
        if !self.hashes {
            return json!({"version": version});
        }
        let hashes = json!({"sha256": Digest::of(file).to_string(), "sha999": "00"});
        json!({"hashes": hashes, "length": file.len(), "version": version})
    }

    fn file(&self, signed: &Value) -> Vec<u8> {
        let sig = |n: u8| json!({"keyid": format!("k{n}"), "sig": Digest::of(&canonical_of(signed)).to_string()});
        let signatures: Vec<_> = (0..self.signatures).map(sig).collect();
        let mut file = json!({"signatures": signatures, "signed": signed});
        if self.unknown {
            file["x-envelope"] = json!("\"\\");
        }
        cjson::file_text(&canonical_of(&file)).into_owned()
    }
}

fn canonical_of(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    cjson::write_value(value, &mut out).unwrap();
    out
}

fn version_in(file: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(file).ok()?["signed"]["version"].as_u64()
}

fn signed_of(file: &[u8]) -> Vec<u8> {
    canonical_of(&serde_json::from_slice::<Value>(file).unwrap()["signed"])
}

fn files<'r>(repo: &'r Repo) -> impl Fn(&str) -> Option<Cow<'r, [u8]>> + 'r {
    |role: &str| repo.get(role).map(|file| Cow::Borrowed(file.as_slice()))
}

fn changes(old: &Repo, new: &Repo) -> RoleChanges {
    let (before, after) = (signed_of(&old["snapshot"]), signed_of(&new["snapshot"]));
    let published = RoleChanges::to_published(&before, &after, &files(new)).unwrap();
    RoleChanges::between(&before, published.outline().to_vec()).unwrap()
}

/// The step as a publisher and a reader take it; returns what the second delta goes between.
fn check_step(old: &Repo, new: &Repo, prediction: Prediction) -> (Vec<u8>, Vec<u8>) {
    let changes = changes(old, new);
    let base = changes.flatten_old(prediction, &files(old)).unwrap();
    let flattened = changes.flatten_new(&files(new)).unwrap();
    if prediction == changes.prediction(&files(old), &files(new)).unwrap() {
        let is_canonical = |role: &str, _| {
            let mut files = [old, new].into_iter().filter_map(|repo| repo.get(role));
            files.all(|file| cjson::is_canonical(file))
        };
        for is_checked in [&is_canonical as &dyn Fn(&str, u64) -> bool, &|_, _| false] {
            let both = changes.flatten_both(&files(old), &files(new), is_checked).unwrap();
            assert!(both == (prediction, base.clone(), flattened.clone()));
        }
    }
    let rebuilt = changes.rebuild(&flattened, &files(old)).unwrap();
    assert!(rebuilt.snapshot == new["snapshot"]);
    let mut after = old.clone();
    after.insert("snapshot".to_owned(), rebuilt.snapshot);
    for (role, version, file) in rebuilt.roles {
        assert_eq!(version_in(&file), Some(version.get()));
        after.insert(role, file);
    }
    assert!(after == *new);
    (base, flattened)
}

fn says(form: Form, paths: &[&str]) -> Says {
    let targets = paths.iter().map(|path| ((*path).to_owned(), path.len() as u64)).collect();
    let strays = Vec::new();
    Says { form, targets, strays, signatures: 1, hashes: false, unknown: false, expires: 1 }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn targets_of_all_bins_stand_sorted_in_one_map() {
    let old = says(Form::Succinct(1), &["a", "b", "c"]).files(None);
    let new = Says { expires: 2, ..says(Form::Succinct(1), &["a", "b", "c", "d"]) };
    let (_, flattened) = check_step(&old, &new.files(Some(&old)), Prediction::Touched);
    let value: Value = serde_json::from_slice(&flattened).unwrap();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&value), ["roles", "snapshot", "targets"]);
    assert_eq!(keys(&value["targets"]), ["a", "b", "c", "d"]);
    assert_eq!(keys(&value["roles"]), ["bins-0.json", "bins-1.json", "targets.json"]);
    let bin = &value["roles"]["bins-0.json"];
    assert_eq!(keys(&bin["signed"]), ["_type", "expires", "spec_version"]);
    assert_eq!(keys(&value["snapshot"]), ["signatures"]);
}

/// What a bundle brings of a step in which bins became stale that had changed before, to a reader that holds no stale file.
fn check_stale(steps: [Form; 3], hashes: bool, brought: usize) {
    let says = |form, paths: &[&str]| Says { hashes, ..says(form, paths) };
    let old = says(steps[0], &["a", "b", "c", "d"]).files(None);
    let between = says(steps[1], &["a", "b", "c", "d", "e", "foo.txt"]).files(Some(&old));
    let new = says(steps[2], &["a", "b", "c", "d", "foo.txt"]).files(Some(&between));
    let is_stale_in = |says: Says, role: &str| {
        role != "snapshot" && !says.roles().iter().any(|delegated| delegated == role)
    };
    let mut held = old.clone();
    held.retain(|role, _| !is_stale_in(says(steps[0], &[]), role));
    let changes = changes(&old, &new);
    let base = changes.flatten_old(Prediction::AllBins, &files(&held)).unwrap();
    let flattened = changes.flatten_new(&files(&new)).unwrap();
    let to_published = RoleChanges::to_published(
        &signed_of(&old["snapshot"]),
        &signed_of(&new["snapshot"]),
        &files(&new),
    );
    let both =
        to_published.unwrap().flatten_both(&files(&held), &files(&new), &|_, _| false).unwrap();
    assert!(both == (Prediction::AllBins, base, flattened.clone()));
    let rebuilt = changes.rebuild(&flattened, &files(&held)).unwrap();
    assert_eq!(text(&rebuilt.snapshot), text(&new["snapshot"]));
    assert_eq!(rebuilt.roles.len(), brought);
    for (role, _, file) in &rebuilt.roles {
        assert!(new[role] == *file && !is_stale_in(says(steps[2], &[]), role), "{role}");
    }
    let listed = new.keys().map(String::as_str).filter(|role| *role != "snapshot");
    let kept = without_stale(listed, &files(&new)).unwrap();
    assert_eq!(kept, says(steps[2], &[]).roles());
}

#[test]
fn stale_bins_do_not_travel() {
    use Form::{Prefixes, Succinct};
    for hashes in [false, true] {
        check_stale([Succinct(4), Succinct(4), Succinct(5)], hashes, 33);
        check_stale([Prefixes(4), Prefixes(4), Prefixes(5)], hashes, 33);
        check_stale([Succinct(4), Succinct(5), Succinct(1)], hashes, 3);
        // The role that delegates to the bins has become stale as well.
        check_stale([Prefixes(2), Prefixes(2), Succinct(5)], hashes, 33);
        check_stale([Prefixes(1), Succinct(5), Prefixes(5)], hashes, 34);
    }
}

#[test]
fn only_changed_roles_travel() {
    let old = says(Form::Succinct(3), &["b", "c"]).files(None);
    let new = says(Form::Succinct(3), &["b", "c", "foo.txt"]).files(Some(&old));
    let changes = changes(&old, &new);
    assert_eq!(changes.new_roles().collect::<Vec<_>>(), ["bins-6"]);
    let reads = std::sync::Mutex::new(Vec::new());
    let held = |role: &str| {
        reads.lock().unwrap().push(role.to_owned());
        files(&old)(role)
    };
    let flattened = changes.flatten_new(&files(&new)).unwrap();
    assert!(text(&flattened).contains(r#""targets":{"foo.txt":"#));
    changes.flatten_old(Prediction::Touched, &held).unwrap();
    changes.rebuild(&flattened, &held).unwrap();
    // `targets` says what the bins are; twice, for both directions.
    assert_eq!(*reads.lock().unwrap(), ["targets", "snapshot", "bins-6", "targets"]);
}

#[test]
fn doubled_bins_list_the_same_targets() {
    let paths: Vec<_> = (0..200).map(|n| format!("path/{n}")).collect();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    for (before, after) in
        [(Form::Succinct(5), Form::Succinct(6)), (Form::Prefixes(4), Form::Prefixes(5))]
    {
        let old = says(before, &paths).files(None);
        let new = says(after, &paths).files(Some(&old));
        let (base, flattened) = check_step(&old, &new, Prediction::AllBins);
        let targets = |bytes: &[u8]| {
            serde_json::from_slice::<Value>(bytes).unwrap()["targets"].as_object().unwrap().clone()
        };
        assert_eq!(targets(&base).len(), 200);
        assert_eq!(targets(&base), targets(&flattened));
    }
}

#[test]
fn what_hashing_does_not_say_stays_with_its_role() {
    let mut old = says(Form::Succinct(1), &["a", "b"]);
    // Once in another bin, once in `targets`, and both beside the bin where it belongs.
    old.strays = vec![(0, "a".to_owned()), (1, "a".to_owned()), (2, "a".to_owned())];
    let (old, new) = (old.files(None), Says { expires: 9, ..old });
    let (_, flattened) = check_step(&old, &new.files(Some(&old)), Prediction::Touched);
    let value: Value = serde_json::from_slice(&flattened).unwrap();
    assert!(value["roles"]["targets.json"]["signed"]["targets"]["a"].is_object());
    assert!(value["targets"]["a"].is_object());

    let old = says(Form::Projects, &["a", "bb", "cc"]).files(None);
    let new = says(Form::Projects, &["a", "bb", "ccc"]).files(Some(&old));
    let (_, flattened) = check_step(&old, &new, Prediction::Touched);
    assert!(text(&flattened).ends_with(r#""targets":{}}"#));
}

fn check_refused(edit: impl Fn(String) -> String, expected: &BundleError) {
    let old = says(Form::Succinct(1), &["a", "b", "c"]).files(None);
    let new = Says { expires: 2, ..says(Form::Succinct(1), &["a", "b", "c", "d"]) };
    let new = new.files(Some(&old));
    let changes = changes(&old, &new);
    let flattened = text(&changes.flatten_new(&files(&new)).unwrap());
    let edited = edit(flattened.clone());
    assert_ne!(edited, flattened);
    assert_eq!(changes.rebuild(edited.as_bytes(), &files(&old)).as_ref(), Err(expected));
}

#[test]
fn refuses_a_document_that_does_not_fit() {
    let other = BundleError::Damaged("it holds other roles than the snapshot says");
    check_refused(|text| text.replace("bins-1.json", "bins-2.json"), &other);
    check_refused(|text| text.replace("bins-1.json", "bins-1.jsoo"), &other);
    let (open, part) = (r#""bins-0.json":"#, r#","bins-1.json""#);
    let cut = |text: &str, from: &str, to: &str| {
        let (from, to) = (text.find(from).unwrap(), text.find(to).unwrap());
        format!("{}{}", &text[..from], &text[to + 1..])
    };
    check_refused(|text| cut(&text, open, part), &other);
    check_refused(
        |text| text.replace(r#""_type":"targets","#, r#""_type":"targets","zz":1,"#),
        &BundleError::Damaged("its document is no flattened repository"),
    );
    check_refused(
        |text| text.replace(r#""spec_version":"1.0.34""#, r#""spec_version":"1.0.34","version":1"#),
        &BundleError::Damaged("one of its roles is no targets role"),
    );
    check_refused(
        |text| format!("{} ", text),
        &BundleError::Damaged("its document is no flattened repository"),
    );
}

#[test]
fn refuses_targets_of_roles_that_did_not_change() {
    let old = says(Form::Succinct(3), &["a", "b", "c"]).files(None);
    let new = says(Form::Succinct(3), &["a", "b", "c", "foo.txt"]).files(Some(&old));
    let changes = changes(&old, &new);
    let flattened = text(&changes.flatten_new(&files(&new)).unwrap());
    let edited = flattened.replace("foo.txt", "goo.txt");
    let error = changes.rebuild(edited.as_bytes(), &files(&old)).unwrap_err();
    assert_eq!(error, BundleError::Elsewhere("goo.txt".to_owned()));
}

#[test]
fn refuses_a_new_role_that_nobody_delegates_to() {
    let old = says(Form::Succinct(1), &["a"]).files(None);
    let new = says(Form::Succinct(1), &["a"]).files(Some(&old));
    let snapshot = |name: &str| {
        text(&signed_of(&new["snapshot"]))
            .replace(r#""targets.json":"#, &format!(r#""{name}":{{"version":1}},"targets.json":"#))
    };
    let old_signed = signed_of(&old["snapshot"]);
    let between = |name: &str| RoleChanges::between(&old_signed, snapshot(name).into_bytes());
    let role = r#"{"signatures":[],"signed":{"_type":"targets"}}"#;
    let flattened = |name: &str| {
        format!(r#"{{"roles":{{"{name}":{role}}},"snapshot":{{"signatures":[]}},"targets":{{}}}}"#)
    };
    let error =
        between("other.json").unwrap().rebuild(flattened("other.json").as_bytes(), &files(&old));
    assert_eq!(error, Err(BundleError::NotDelegated("other".to_owned())));
    // A name that is no file of a role is none of the bundle's business; a role of the top level is
    // no targets role.
    assert_eq!(between("other").unwrap().new_roles().count(), 0);
    assert!(between("root.json").is_err());
}

#[test]
fn says_which_file_does_not_serve() {
    let old = says(Form::Succinct(1), &["a"]).files(None);
    let new = Says { expires: 2, ..says(Form::Succinct(1), &["a"]) }.files(Some(&old));
    let changes = changes(&old, &new);
    let check = |edit: &dyn Fn(&mut Repo), expected: BundleError| {
        let mut held = old.clone();
        edit(&mut held);
        assert_eq!(changes.flatten_old(Prediction::Touched, &files(&held)), Err(expected));
    };
    let bin = || "bins-1".to_owned();
    check(&|held| drop(held.remove("bins-1")), BundleError::Missing(bin()));
    check(&|held| held.get_mut("bins-1").unwrap().push(b'\n'), BundleError::NotCanonical(bin()));
    check(
        &|held| drop(held.insert(bin(), new["bins-1"].clone())),
        BundleError::Version { role: bin(), listed: 1, found: 2 },
    );
    let wrong = changes.flatten_old(Prediction::FilledIn, &files(&old));
    assert!(matches!(wrong, Err(BundleError::Damaged(_))));
}

#[test]
fn a_bundle_is_two_deltas() {
    let bundle = Bundle { outline: &[1; 200], roles: &[2, 3] };
    let bytes = bundle.to_bytes();
    assert_eq!(bytes.len(), 204);
    assert_eq!(Bundle::parse(&bytes), Ok(bundle));
    for len in 0..202 {
        assert!(Bundle::parse(&bytes[..len]).is_err(), "{len}");
    }
}

fn any_form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Flat),
        Just(Form::Projects),
        (1_u32..6).prop_map(Form::Prefixes),
        (1_u32..6).prop_map(Form::Succinct),
    ]
}

fn any_path() -> impl Strategy<Value = String> {
    prop_oneof!["[a-c]{1,3}", "[\"\\\\a\u{1}é]{0,3}", any::<String>()]
}

fn any_says() -> impl Strategy<Value = Says> {
    let targets = prop::collection::btree_map(any_path(), any::<u64>(), 0..30);
    let strays = prop::collection::vec((any::<u8>(), any_path()), 0..4);
    (any_form(), targets, strays, 0..4_u8, any::<bool>(), any::<bool>(), 1..3_u8).prop_map(
        |(form, targets, strays, signatures, hashes, unknown, expires)| Says {
            form,
            targets,
            strays,
            signatures,
            hashes,
            unknown,
            expires,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_step_comes_back_exactly(before in any_says(), after in any_says(), same_form: bool) {
        let after = if same_form { Says { form: before.form, ..after } } else { after };
        let old = before.files(None);
        let new = after.files(Some(&old));
        for prediction in [Prediction::Touched, Prediction::AllBins] {
            check_step(&old, &new, prediction);
        }
    }

    #[test]
    fn damage_never_panics(
        before in any_says(),
        after in any_says(),
        at: prop::sample::Index,
        bytes in prop::collection::vec(any::<u8>(), 0..4),
        dropped in 0..40_usize,
    ) {
        let old = before.files(None);
        let new = after.files(Some(&old));
        let changes = changes(&old, &new);
        let mut flattened = changes.flatten_new(&files(&new)).unwrap();
        let at = at.index(flattened.len());
        let end = flattened.len().min(at + dropped);
        flattened.splice(at..end, bytes);
        if let Ok(rebuilt) = changes.rebuild(&flattened, &files(&old)) {
            let outline = new["snapshot"].len() + 64 * rebuilt.roles.len();
            let len: usize = rebuilt.roles.iter().map(|(_, _, file)| file.len()).sum();
            // Six digits stand for one control character.
            prop_assert!(len + rebuilt.snapshot.len() <= 6 * flattened.len() + 64 * rebuilt.roles.len() + outline);
        }
    }

    #[test]
    fn damaged_outlines_never_panic(
        before in any_says(),
        at: prop::sample::Index,
        bytes in prop::collection::vec(any::<u8>(), 0..4),
        dropped in 0..40_usize,
    ) {
        let old = before.files(None);
        let old_signed = signed_of(&old["snapshot"]);
        let mut outline = old_signed.clone();
        let at = at.index(outline.len());
        let end = outline.len().min(at + dropped);
        outline.splice(at..end, bytes);
        if let Ok(changes) = RoleChanges::between(&old_signed, outline) {
            let _ = changes.flatten_old(Prediction::AllBins, &files(&old));
        }
    }
}
