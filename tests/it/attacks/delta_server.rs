//! Deltas of a forged repository: those that lead to the files that the server gives, or whatever a
//! hostile server makes of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use tufold_delta::{Codec, EncodeOptions, Ladder, encode};
use tufold_meta::names::{DeltaName, METADATA_FOLDER, parse_versioned_file_name};
use tufold_meta::{Envelope, Version, canonical_parts};
use tufold_sync::Limits;
use tufold_tests::{Answer, Forge};

/// What the server does with deltas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum DeltaServer {
    /// It has none, and the timestamp says so.
    None,
    /// Each leads to the file that the server gives under the name of its version; where the server
    /// does something else with the file, it does the same with the delta.
    LikeTheFiles,
    /// Bytes that mean nothing.
    Random,
    /// Each is cut in the middle.
    Truncated,
    /// Each has one bit flipped.
    Damaged,
    /// No end comes.
    Endless,
    /// The head promises a result of 2^62 bytes.
    HugeLengths,
    /// Each is the delta of another document.
    OfOthers,
    /// Each leads back to the version that the client holds, which is well signed.
    ToOldVersions,
    /// Each leads to a document that nobody signed.
    Unsigned,
    /// Nothing comes.
    Silent,
    /// A byte comes now and then.
    Dripping,
    /// The server fails.
    Failing,
    /// Nothing is there.
    Missing,
    /// The server sends the client round and round.
    Redirecting,
    /// What comes is compressed, which nobody asked for, and holds 64 MiB.
    Bomb,
}

impl DeltaServer {
    pub(crate) const HOSTILE: [Self; 14] = [
        Self::Random,
        Self::Truncated,
        Self::Damaged,
        Self::Endless,
        Self::HugeLengths,
        Self::OfOthers,
        Self::ToOldVersions,
        Self::Unsigned,
        Self::Silent,
        Self::Dripping,
        Self::Failing,
        Self::Missing,
        Self::Redirecting,
        Self::Bomb,
    ];
}

/// The default limits but for the time that a test takes.
pub(crate) fn impatient() -> Limits {
    Limits {
        stall: Duration::from_millis(300),
        delta_stall: Duration::from_millis(60),
        first_retry: Duration::from_millis(1),
        ..Limits::default()
    }
}

/// The ladder that the timestamp names.
pub(super) const LADDER: &str = "pow2:1024";

/// What is answered to requests for deltas, by path.
pub(super) fn answers(
    forge: &Forge,
    instead: &BTreeMap<String, Answer>,
    server: DeltaServer,
) -> BTreeMap<String, Answer> {
    if matches!(server, DeltaServer::None | DeltaServer::Missing) {
        return BTreeMap::new();
    }
    let ladder: Ladder = LADDER.parse().expect("a ladder");
    let mut answers = BTreeMap::new();
    for (file_name, bytes) in &forge.files {
        let Some((to, role)) = parse_versioned_file_name(file_name) else { continue };
        let given = instead.get(&format!("{METADATA_FOLDER}{file_name}"));
        let edges = ladder.writes(to.get()).into_iter().map(|edge| Version::new(edge.from));
        for from in edges.chain([None]) {
            let name = match (role.as_str(), from) {
                ("root", _) => continue,
                ("snapshot", from) => DeltaName::Snapshot { from, to },
                (_, Some(from)) => DeltaName::Role { role: role.clone(), from, to },
                (_, None) => continue,
            };
            let file = |version| {
                let name = tufold_meta::names::versioned_file_name(&role, version);
                forge.files.get(&name).map(Vec::as_slice)
            };
            let base = from.map(file);
            let Some(base) = base.map_or(Some(None), |base| base.map(Some)) else { continue };
            let honest = |target: &[u8]| Answer::File(delta(base, target));
            let answer = match (server, given) {
                (DeltaServer::LikeTheFiles, Some(Answer::File(other))) => honest(other),
                (DeltaServer::LikeTheFiles, Some(other)) => other.clone(),
                (DeltaServer::ToOldVersions, _) => {
                    let before = Version::new(to.get() - 1).and_then(file);
                    honest(base.or(before).unwrap_or(bytes))
                }
                (DeltaServer::Unsigned, _) => honest(&unsigned(bytes)),
                _ => honest(bytes),
            };
            answers.insert(name.path(), answer);
        }
    }
    let paths: Vec<String> = answers.keys().cloned().collect();
    let mut others: Vec<Answer> = answers.values().cloned().collect();
    others.rotate_left(1);
    for (place, path) in paths.into_iter().enumerate() {
        let answer = answers.remove(&path).expect("a path");
        let answer = match server {
            DeltaServer::OfOthers => others[place].clone(),
            _ => spoilt(answer, server, place),
        };
        answers.insert(path, answer);
    }
    answers
}

/// One answer as such a server gives it.
pub(crate) fn spoilt(answer: Answer, server: DeltaServer, place: usize) -> Answer {
    let Answer::File(mut bytes) = answer else { return answer };
    match server {
        DeltaServer::Random => {
            // A multiplicative generator.
            let mut state = 7 + place as u64;
            for byte in &mut bytes {
                state = state * 48_271 % 2_147_483_647;
                *byte = u8::try_from(state & 0xff).unwrap_or_default();
            }
        }
        DeltaServer::Truncated => bytes.truncate(bytes.len() / 2),
        DeltaServer::Damaged => {
            let at = bytes.len() * (1 + place % 7) / 8;
            bytes[at] ^= 1 << (place % 8);
        }
        DeltaServer::Endless => return Answer::Endless(None, bytes),
        DeltaServer::HugeLengths => {
            let head = bytes.windows(2).rposition(|two| two == b"TF").unwrap_or(0);
            // Columnar, from nothing, to as much as fits.
            bytes.truncate(head + 4);
            bytes.extend_from_slice(&[0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]);
            bytes.extend_from_slice(&[1, 2, 3, 4, 1, 0]);
        }
        DeltaServer::Silent => return Answer::Silence,
        DeltaServer::Dripping => return Answer::Drip,
        DeltaServer::Failing => return Answer::Status(503),
        DeltaServer::Redirecting => return Answer::Redirect("/deltas/snapshot/0-1".into()),
        DeltaServer::Bomb => {
            static BOMB: OnceLock<Vec<u8>> = OnceLock::new();
            let bomb = BOMB.get_or_init(|| {
                let spaces = std::io::Read::take(std::io::repeat(b' '), 1 << 26);
                zstd::encode_all(spaces, 1).expect("a bomb")
            });
            return Answer::Encoded("zstd", bomb.clone());
        }
        _ => {}
    }
    Answer::File(bytes)
}

/// An edge with signatures, as any may have them; what is no document is sent as it is.
fn delta(base: Option<&[u8]>, target: &[u8]) -> Vec<u8> {
    let base = base.map(|base| canonical_parts(base).expect("a published file").0);
    let Ok((signed, signatures)) = canonical_parts(target) else { return target.to_vec() };
    if tufold_meta::assemble(&signed, &signatures) != target {
        // A delta rebuilds the canonical form and no other.
        return target.to_vec();
    }
    let mut bytes = Vec::new();
    match Envelope::new(signatures) {
        // Of no key that is known beforehand, so each travels in full.
        Some(envelope) => envelope.write(&[], &mut bytes),
        None => return target.to_vec(),
    }
    let options = EncodeOptions::default();
    let delta = encode(Codec::Columnar, base.as_deref(), &signed, &options)
        .or_else(|_| encode(Codec::Zstd, base.as_deref(), &signed, &options));
    bytes.extend_from_slice(&delta.expect("a delta"));
    bytes
}

/// The same document with signatures that are none.
fn unsigned(file: &[u8]) -> Vec<u8> {
    let (signed, mut signatures) = canonical_parts(file).expect("a published file");
    for signature in &mut signatures {
        signature.sig = "00".repeat(64);
    }
    tufold_meta::assemble(&signed, &signatures)
}
