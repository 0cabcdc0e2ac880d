//! The client workflow, fed with documents in any order.
//!
//! Bytes at random are never signed, so a case is a text, one step a line, and the documents in it
//! are signed here: `root fetched 12 {…}` hands `{…}`, signed by keys 1 and 2, to the set.
//!
//! | line | meaning |
//! |---|---|
//! | `root fetched KEYS JSON` | the first starts the visit, the others are `update_root` |
//! | `timestamp SOURCE KEYS JSON`, `snapshot SOURCE KEYS JSON` | `SOURCE` is `fetched` or `cached` |
//! | `role CHAIN KEYS JSON` | `targets` or `targets/a/b`: the role at the end of the chain |
//! | `file ROLE KEYS JSON` | what a later search gets when it asks for the role |
//! | `find PATH` | a search for a target |
//!
//! `KEYS` are digits; a letter, `a` for 1, is a damaged signature. In `JSON` `$1` is the public key
//! of key 1, whose id is `1`. What has no canonical form is handed over as it stands. It is always
//! noon of 1 June 2030.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use tufold_meta::cjson::canonicalize;
use tufold_meta::{
    Cache, Error, KeyId, Limits, MetaFile, Outcome, RoleChain, SigningKey, Source, Step,
    TargetSearch, Time, TrustedSet, assemble,
};

/// More lines would only make a case slower.
const MAX_LINES: usize = 24;

const LIMITS: Limits = Limits {
    root_len_bytes: 512_000,
    timestamp_len_bytes: 16_384,
    snapshot_len_bytes: 2_000_000,
    targets_len_bytes: 5_000_000,
    max_root_rotations: 256,
    max_delegations: 4,
};

static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| (1..=8).map(key).collect());

static NOW: LazyLock<Time> = LazyLock::new(|| "2030-06-01T12:00:00Z".parse().expect("a time"));

/// A step that fails leaves the set as it was; one that succeeds does what the specification says.
pub fn trusted(data: &[u8]) {
    let mut set = None;
    let mut files = BTreeMap::new();
    for line in data.split(|&byte| byte == b'\n').take(MAX_LINES) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (kind, argument, keys, json) = (word(), word(), word(), word());
        match (&mut set, kind) {
            (None, "root") => {
                set = TrustedSet::new(document(keys, json), *NOW).ok();
                set = set.map(|set| set.with_limits(LIMITS));
            }
            (_, "file") => drop(files.insert(argument, document(keys, json))),
            (Some(set), "find") => find(set, argument, &files),
            (Some(set), _) => {
                if let Some(step) = Feed::new(kind, argument) {
                    step.run(set, document(keys, json), signers(keys));
                }
            }
            (None, _) => {}
        }
    }
}

/// Where a document goes.
enum Feed {
    Root,
    Timestamp(Source),
    Snapshot(Source),
    Role(RoleChain),
}

impl Feed {
    fn new(kind: &str, argument: &str) -> Option<Self> {
        let source = match argument {
            "fetched" => Some(Source::Fetched),
            "cached" => Some(Source::Cached),
            _ => None,
        };
        match kind {
            "root" => Some(Self::Root),
            "timestamp" => source.map(Self::Timestamp),
            "snapshot" => source.map(Self::Snapshot),
            "role" => {
                let mut roles = argument.split('/');
                (roles.next() == Some("targets"))
                    .then(|| Self::Role(roles.fold(RoleChain::top(), |chain, r| chain.delegate(r))))
            }
            _ => None,
        }
    }

    fn run(&self, set: &mut TrustedSet, bytes: Vec<u8>, signers: u64) {
        let before = set.clone();
        let result = match self {
            Self::Root => set.update_root(bytes.clone()).map(|cache| {
                check_root(&before, set, cache, &bytes);
            }),
            Self::Timestamp(source) => {
                set.update_timestamp(bytes.clone(), *source).map(|outcome| {
                    check_timestamp(&before, set, *source, outcome, &bytes);
                })
            }
            Self::Snapshot(source) => set.update_snapshot(bytes.clone(), *source).map(|()| {
                check_snapshot(&before, set, *source, &bytes);
            }),
            Self::Role(chain) => update_role(set, chain, bytes.clone()),
        };
        if result.is_err() {
            assert_eq!(format!("{set:?}"), format!("{before:?}"));
            return;
        }
        // Never fewer signers than the role asks for.
        let keys = match self {
            Self::Root => &before.root().roles["root"],
            Self::Timestamp(_) => &before.root().roles["timestamp"],
            Self::Snapshot(_) => &before.root().roles["snapshot"],
            Self::Role(chain) => match chain.delegator() {
                None => &before.root().roles["targets"],
                Some(delegator) => {
                    let delegator = before.targets(&delegator).expect("a delegator");
                    let delegations = delegator.delegations.as_ref().expect("delegations");
                    delegations.role(chain.role()).expect("a delegation").keys
                }
            },
        };
        assert!(signers >= keys.threshold.get());
    }
}

fn check_root(before: &TrustedSet, set: &TrustedSet, cache: Cache, bytes: &[u8]) {
    assert_eq!(set.root().bytes(), bytes);
    assert_eq!(set.root().version, before.root().version.next());
    assert!(set.timestamp().is_none());
    let keyids = |set: &TrustedSet, role: &str| -> BTreeSet<_> {
        set.root().roles[role].keyids.iter().cloned().collect()
    };
    let withdrawn = ["timestamp", "snapshot"]
        .iter()
        .any(|role| !keyids(before, role).is_subset(&keyids(set, role)));
    assert!(!withdrawn || cache == Cache::Void);
}

fn check_timestamp(
    before: &TrustedSet,
    set: &TrustedSet,
    source: Source,
    outcome: Outcome,
    bytes: &[u8],
) {
    assert!(set.root().expires > *NOW);
    let new = set.timestamp().expect("what was accepted");
    assert!(source == Source::Cached || new.expires > *NOW);
    let trusted = before.timestamp();
    match outcome {
        Outcome::New => {
            assert_eq!(new.bytes(), bytes);
            assert!(trusted.is_none_or(|old| old.version < new.version));
            assert!(trusted.is_none_or(|old| old.snapshot.version <= new.snapshot.version));
        }
        Outcome::Same => assert_eq!(trusted.expect("the same").bytes(), new.bytes()),
    }
}

fn check_snapshot(before: &TrustedSet, set: &TrustedSet, source: Source, bytes: &[u8]) {
    let timestamp = set.timestamp().expect("the timestamp comes first");
    let new = set.snapshot().expect("what was accepted");
    assert_eq!(new.bytes(), bytes);
    for role in before.listed_roles() {
        assert!(listed(set, role).version >= listed(before, role).version, "{role}");
    }
    let current =
        set.snapshot_request().expect("the timestamp has not expired by itself").is_none();
    assert!(source == Source::Cached || current);
    if current {
        assert_eq!(new.version(), timestamp.snapshot.version);
        assert!(new.expires() > *NOW && timestamp.snapshot.check(bytes).is_ok());
    }
}

fn update_role(set: &mut TrustedSet, chain: &RoleChain, bytes: Vec<u8>) -> Result<(), Error> {
    set.update_delegated(chain, bytes.clone())?;
    let new = set.targets(chain).expect("what was accepted");
    assert!(new.bytes() == bytes && new.expires > *NOW);
    let listed = listed(set, chain.role());
    assert!(listed.version == new.version && listed.check(&bytes).is_ok());
    Ok(())
}

/// What the snapshot lists for a role.
fn listed(set: &TrustedSet, role: &str) -> MetaFile {
    let snapshot = set.snapshot().expect("a snapshot comes first");
    snapshot.file(role).expect("an entry that was read").expect("a listed role").into_owned()
}

/// A search ends after as many roles as the limit allows, and what it finds is listed.
fn find(set: &mut TrustedSet, path: &str, files: &BTreeMap<&str, Vec<u8>>) {
    let mut search = TargetSearch::new(path);
    for _ in 0..=LIMITS.max_delegations + 1 {
        let Ok(step) = search.step(set) else { return };
        match &step {
            Step::Needs { chain, request } => {
                assert!(set.targets(chain).is_none());
                assert!(!request.file_name.contains('/'));
                let Some(bytes) = files.get(chain.role()) else { return };
                if update_role(set, chain, bytes.clone()).is_err() {
                    return;
                }
                continue;
            }
            Step::Found { chain, file } => {
                let targets = set.targets(chain).expect("the role that was searched");
                assert_eq!(targets.targets.get(path), Some(file));
            }
            Step::NotFound { .. } => {}
        }
        assert_eq!(search.step(set).ok(), Some(step));
        return;
    }
    panic!("the search for {path} does not end");
}

/// The key whose seed is 32 times `n`.
fn key(n: u8) -> SigningKey {
    let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
    der.extend_from_slice(&[n; 32]);
    let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", der));
    SigningKey::from_pem(&pem).expect("an Ed25519 key")
}

/// How many different keys sign well.
fn signers(keys: &str) -> u64 {
    keys.chars().filter(|key| ('1'..='8').contains(key)).collect::<BTreeSet<_>>().len() as u64
}

/// The file with `json` as its `signed`.
fn document(keys: &str, json: &str) -> Vec<u8> {
    let mut json = json.to_owned();
    for (name, key) in ('1'..).zip(KEYS.iter()) {
        if json.contains('$') {
            let public = key.public().keyval.get_str("public").unwrap_or_default();
            json = json.replace(&format!("${name}"), public);
        }
    }
    let Ok(canonical) = canonicalize(json.as_bytes()) else { return json.into() };
    let mut signatures = BTreeMap::new();
    for letter in keys.bytes() {
        let (index, damage) = match letter {
            b'1'..=b'8' => (letter - b'1', false),
            b'a'..=b'h' => (letter - b'a', true),
            _ => continue,
        };
        let mut signature = KEYS[usize::from(index)].sign(&canonical).expect("a signature");
        signature.keyid = KeyId::from((index + 1).to_string());
        if damage {
            let first = if signature.sig.starts_with('0') { "1" } else { "0" };
            signature.sig.replace_range(..1, first);
        }
        signatures.entry(index).or_insert(signature);
    }
    assemble(&canonical, &signatures.into_values().collect::<Vec<_>>())
}
