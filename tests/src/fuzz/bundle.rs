//! Bundles, and the signatures and names that travel with deltas.
//!
//! A reader holds the old files of one of the steps in `bundles.json`. What a hostile publisher
//! sends it is a text, one thing a line:
//!
//! | line | meaning |
//! |---|---|
//! | `step N` | whose old files |
//! | `held ROLE FILE` | another old file |
//! | `outline JSON`, `flattened JSON` | what the two deltas gave; put into canonical form if it has one |
//! | `grouped JSON` | an outline in groups, likewise |
//! | `bundle` | the bytes of a bundle follow, to the end |

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use tufold_delta::{Header, Limits, apply};
use tufold_meta::cjson::{canonicalize, file_text};
use tufold_meta::names::{Advertised, DeltaName};
use tufold_meta::{BitLength, Bundle, Digest, Envelope, KeyId, Prediction, RoleChanges, fill_in};

type Repo = BTreeMap<String, Vec<u8>>;

/// The old files of each step.
static STEPS: LazyLock<Vec<Repo>> = LazyLock::new(|| {
    let vectors = include_bytes!("../../../crates/tufold-meta/tests/vectors/bundles.json");
    let vectors: Value = serde_json::from_slice(vectors).expect("vectors");
    let files = |step: &Value| -> BTreeMap<String, String> {
        serde_json::from_value(step["old"].clone()).expect("files")
    };
    let steps = vectors["bundles"].as_array().expect("steps").iter().map(files);
    steps.map(|files| files.into_iter().map(|(role, file)| (role, file.into())).collect()).collect()
});

const LIMITS: Limits = Limits { max_delta_len_bytes: 1 << 16, max_result_len_bytes: 1 << 16 };

/// What a bundle rebuilds is the roles that its outline changes, each of them known or delegated,
/// and the snapshot that lists them.
pub fn bundle(data: &[u8]) {
    let mut held = STEPS[0].clone();
    let (mut outline, mut flattened) = (Vec::new(), Vec::new());
    let mut rest = data;
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        let mut words = line.splitn(2, |byte| *byte == b' ');
        let (word, json) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        match word {
            b"step" => {
                let number = json.first().map_or(0, |digit| usize::from(digit % 16));
                held = STEPS[number % STEPS.len()].clone();
            }
            b"held" => {
                let mut words = json.splitn(2, |byte| *byte == b' ');
                let role = String::from_utf8_lossy(words.next().unwrap_or_default()).into_owned();
                let file = canonical(words.next().unwrap_or_default());
                held.insert(role, file_text(&file).into_owned());
            }
            b"outline" => outline = canonical(json),
            b"grouped" => {
                let form = canonical(json);
                let Ok(snapshot) = Prediction::Grouped.snapshot_of(form.clone()) else { return };
                // An empty group is not written.
                let again = Prediction::Grouped.form_of(&snapshot).expect("a snapshot");
                assert!(again.len() <= form.len() && canonical(&snapshot) == snapshot);
                assert_eq!(
                    Prediction::Grouped.snapshot_of(again.into_owned()),
                    Ok(snapshot.clone())
                );
                outline = snapshot;
            }
            b"flattened" => flattened = canonical(json),
            b"bundle" => return whole_bundle(rest, &held),
            _ => {}
        }
    }
    let Some(changes) = changes(&held, outline) else { return };
    for kind in Prediction::ALL {
        let base = changes.flatten_old(kind, &files(&held));
        if let Ok(base) = base {
            assert_eq!(canonical(&base), base);
        }
    }
    rebuild(&changes, &flattened, &held);
}

/// As a mirror does it.
fn whole_bundle(bytes: &[u8], held: &Repo) {
    let Ok(bundle) = Bundle::parse(bytes) else { return };
    assert_eq!(Bundle::parse(&bundle.to_bytes()), Ok(bundle));
    let Some(old) = signed(held) else { return };
    let Ok((header, _)) = Header::parse(bundle.outline) else { return };
    let Some(kind) = Prediction::from_number(header.prediction_kind) else { return };
    let Ok(form) = kind.form_of(&old) else { return };
    let Ok(form) = apply(Some(&form), bundle.outline, &LIMITS) else { return };
    let Ok(outline) = kind.snapshot_of(form) else { return };
    let Some(changes) = changes(held, outline) else { return };
    let Ok((header, _)) = Header::parse(bundle.roles) else { return };
    let Some(kind) = Prediction::from_number(header.prediction_kind) else { return };
    let Ok(base) = changes.flatten_old(kind, &files(held)) else { return };
    let Ok(flattened) = apply(Some(&base), bundle.roles, &LIMITS) else { return };
    rebuild(&changes, &flattened, held);
}

fn changes(held: &Repo, outline: Vec<u8>) -> Option<RoleChanges> {
    RoleChanges::between(&signed(held)?, outline).ok()
}

fn rebuild(changes: &RoleChanges, flattened: &[u8], held: &Repo) {
    let Ok(rebuilt) = changes.rebuild(flattened, &files(held)) else { return };
    let names: Vec<_> = rebuilt.roles.iter().map(|(role, ..)| role.as_str()).collect();
    // All changed roles but stale ones.
    let changed: Vec<_> = changes.new_roles().collect();
    assert!(
        names.iter().all(|role| changed.contains(role))
            && names.is_sorted_by_key(|role| format!("{role}.json"))
    );

    let mut after = held.clone();
    let mut len_bytes = 0;
    for (role, version, file) in &rebuilt.roles {
        len_bytes += file.len();
        let signed = &parse(file)["signed"];
        assert_eq!(signed["version"].as_u64(), Some(version.get()));
        assert!(signed["targets"].is_object());
        after.insert(role.clone(), file.clone());
    }
    // A control character, of one byte, is written in six.
    assert!(len_bytes <= 6 * flattened.len() + 64 * names.len());

    let mut known: BTreeSet<&str> = changes.old_roles().collect();
    known.insert("targets");
    for role in &names {
        assert!(!matches!(*role, "root" | "timestamp" | "snapshot"));
        assert!(known.contains(role) || is_delegated(role, &after), "{role}");
    }

    after.insert("snapshot".to_owned(), rebuilt.snapshot.clone());
    let list = signed(&after).expect("the rebuilt snapshot");
    let listed = &parse(&list)["meta"];
    for (role, version, file) in &rebuilt.roles {
        let entry = &listed[format!("{role}.json")];
        assert_eq!(entry["version"].as_u64(), Some(version.get()));
        if let Some(len) = entry.get("length") {
            assert_eq!(len.as_u64(), Some(file.len() as u64));
        }
        if let Some(sha256) = entry["hashes"].get("sha256") {
            assert_eq!(sha256.as_str(), Some(Digest::of(file).to_string().as_str()));
        }
    }
    // To fill it in again changes nothing.
    let again = fill_in(&list, |name| {
        let (_, version, file) = rebuilt.roles.iter().find(|(role, ..)| role == name)?;
        Some((*version, file.as_slice()))
    });
    assert_eq!(again.as_deref(), Ok(list.as_slice()));

    // What was rebuilt can be published and rebuilt again.
    let again = changes.flatten_new(&files(&after)).expect("rebuilt files");
    assert_eq!(changes.rebuild(&again, &files(held)), Ok(rebuilt));
}

/// Whether any role names this one in its delegations.
fn is_delegated(role: &str, repo: &Repo) -> bool {
    repo.values().any(|file| {
        let delegations = &parse(file)["signed"]["delegations"];
        let listed = delegations["roles"].as_array().into_iter().flatten();
        let succinct = &delegations["succinct_roles"];
        let bits = succinct["bit_length"].as_u64().and_then(|bits| u32::try_from(bits).ok());
        let bits = bits.and_then(BitLength::new);
        let bin = succinct["name_prefix"].as_str().zip(bits);
        listed.into_iter().any(|listed| listed["name"] == *role)
            || bin.is_some_and(|(prefix, bits)| bits.parse_role_name(prefix, role).is_some())
    })
}

/// The `signed` of the snapshot, if its file is one.
fn signed(repo: &Repo) -> Option<Vec<u8>> {
    let file: Value = serde_json::from_slice(repo.get("snapshot")?).ok()?;
    let signed = file.get("signed")?.to_string();
    canonicalize(signed.as_bytes()).ok().map(Cow::into_owned)
}

fn parse(text: &[u8]) -> Value {
    serde_json::from_slice(&file_text(text)).unwrap_or_default()
}

fn canonical(json: &[u8]) -> Vec<u8> {
    canonicalize(&file_text(json)).map_or_else(|_| json.to_vec(), Cow::into_owned)
}

fn files<'r>(repo: &'r Repo) -> impl Fn(&str) -> Option<Cow<'r, [u8]>> + 'r {
    |role: &str| repo.get(role).map(|file| Cow::Borrowed(file.as_slice()))
}

/// An envelope if the first byte is odd, else the path of a delta or the name of a ladder: what is
/// read is what is written.
pub fn envelope(data: &[u8]) {
    let Some((first, data)) = data.split_first() else { return };
    if first % 2 == 0 {
        let Ok(text) = str::from_utf8(data) else { return };
        if let Some(name) = DeltaName::parse_path(text) {
            assert_eq!(name.path(), text);
            assert!(name.from().is_none_or(|from| from < name.to()));
        }
        if let Some(ladder) = Advertised::new(text) {
            assert!(ladder.as_str() == text && text.len() <= Advertised::MAX_LEN_BYTES);
        }
        return;
    }
    let keyids = ["c", "a", "b"].map(|id| KeyId::from(id.to_owned()));
    let (mut rest, mut skipped) = (data, data);
    let skip = Envelope::skip(&mut skipped);
    let Ok(Some(envelope)) = Envelope::take(&mut rest, &keyids) else { return };
    let signatures = envelope.signatures();
    assert!(skip == Ok(Some(signatures.len() as u64)) && skipped == rest);
    assert!(signatures.is_sorted_by(|left, right| left.keyid < right.keyid));
    assert!(signatures.len() <= data.len());
    let mut again = Vec::new();
    envelope.write(&keyids, &mut again);
    assert_eq!(Envelope::take(&mut again.as_slice(), &keyids), Ok(Some(envelope)));
}
