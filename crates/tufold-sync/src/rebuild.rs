//! A file from the one before it and deltas. Pure: bytes in, bytes out. Nothing that comes out was
//! verified.

use tufold_delta::{Header, Limits, apply};
use tufold_meta::names::DeltaName;
use tufold_meta::{Envelope, KeyId, Prediction, Version, assemble, canonical_parts, version_of};

use crate::deltas::Reason;

/// The document that deltas start from.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) version: Version,
    /// Its canonical `signed`, in whichever form the file has it.
    pub(crate) signed: Vec<u8>,
}

impl Base {
    /// What a file can be the base of; `None` if it has no canonical form or no version.
    pub(crate) fn of_file(file: &[u8]) -> Option<Self> {
        let (signed, _) = canonical_parts(file).ok()?;
        Some(Self { version: version_of(&signed)?, signed: signed.into_owned() })
    }
}

/// How long documents may get.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// The file that is wanted.
    pub(crate) file: u64,
    /// The documents on the way to it: what is signed bounds the last one only.
    pub(crate) between: u64,
}

/// The file that these deltas, one after the other, lead to; the last may hold nothing but the
/// signatures. `keyids` are those by which the file will be verified.
pub(crate) fn document(
    base: Option<&[u8]>,
    deltas: &[(DeltaName, Vec<u8>)],
    keyids: &[KeyId],
    lengths: Lengths,
) -> Result<Vec<u8>, Reason> {
    let mut signed = base.map(<[u8]>::to_vec);
    let mut envelope = None;
    let to = deltas.last().ok_or(Reason::Missing)?.0.to();
    let mut reached = false;
    for (name, bytes) in deltas {
        let mut rest = bytes.as_slice();
        let own = Envelope::take(&mut rest, keyids).map_err(|_| Reason::Damaged)?;
        if own.is_some() && name.to() == to {
            envelope = own;
        }
        if reached {
            // The step that holds the signatures.
            break;
        }
        reached = name.to() == to;
        let max_result_len_bytes = if reached { lengths.file } else { lengths.between };
        signed = Some(if matches!(name, DeltaName::Snapshot { .. }) {
            next_snapshot(signed.as_deref(), rest, max_result_len_bytes)?
        } else {
            next_role(signed.as_deref(), rest, max_result_len_bytes)?
        });
    }
    let (signed, envelope) = signed.zip(envelope).ok_or(Reason::Damaged)?;
    let file = assemble(&signed, envelope.signatures());
    if file.len() as u64 > lengths.file { Err(Reason::TooLong) } else { Ok(file) }
}

/// The canonical `signed` that these edges of one role lead to; their signatures are not needed.
pub(crate) fn walk(
    base: &[u8],
    edges: &[Vec<u8>],
    max_result_len_bytes: u64,
) -> Result<Vec<u8>, Reason> {
    let mut signed = base.to_vec();
    for edge in edges {
        let mut rest = edge.as_slice();
        Envelope::skip(&mut rest).map_err(|_| Reason::Damaged)?;
        signed = next_role(Some(&signed), rest, max_result_len_bytes)?;
    }
    Ok(signed)
}

fn next_role(base: Option<&[u8]>, delta: &[u8], max_len_bytes: u64) -> Result<Vec<u8>, Reason> {
    if kind(delta)? != Prediction::Old {
        return Err(Reason::Damaged);
    }
    applied(base, delta, max_len_bytes)
}

/// The canonical `signed` of a snapshot that a delta leads to, or its outline.
pub(crate) fn next_snapshot(
    base: Option<&[u8]>,
    delta: &[u8],
    max_len_bytes: u64,
) -> Result<Vec<u8>, Reason> {
    let kind = kind(delta)?;
    let base = base.map(|base| kind.form_of(base)).transpose()?;
    // A form is no longer than twice the snapshot.
    let form = applied(base.as_deref(), delta, max_len_bytes.saturating_mul(2))?;
    let snapshot = kind.snapshot_of(form)?;
    if snapshot.len() as u64 > max_len_bytes { Err(Reason::TooLong) } else { Ok(snapshot) }
}

fn applied(base: Option<&[u8]>, delta: &[u8], max_len_bytes: u64) -> Result<Vec<u8>, Reason> {
    let limits = Limits { max_delta_len_bytes: u64::MAX, max_result_len_bytes: max_len_bytes };
    Ok(apply(base, delta, &limits)?)
}

/// What a delta starts from.
pub(crate) fn kind(delta: &[u8]) -> Result<Prediction, Reason> {
    let number = Header::parse(delta)?.0.prediction_kind;
    Prediction::from_number(number).ok_or(Reason::Damaged)
}

#[cfg(test)]
mod tests {
    use tufold_delta::{Codec, EncodeOptions, encode};
    use tufold_meta::{Signature, SigningKey, cjson::Object};

    use super::*;

    const LENGTHS: Lengths = Lengths { file: 10_000, between: 10_000 };

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    fn signed(number: u64) -> Vec<u8> {
        format!(r#"{{"_type":"snapshot","meta":{{}},"version":{number}}}"#).into_bytes()
    }

    fn keyids() -> Vec<KeyId> {
        vec![KeyId::from("k".to_owned())]
    }

    fn envelope() -> Envelope {
        let keyid = keyids().remove(0);
        let signature = Signature { keyid, sig: "2a".repeat(64), extra: Object::default() };
        Envelope::new(vec![signature]).unwrap()
    }

    fn edge(from: u64, to: u64) -> (DeltaName, Vec<u8>) {
        let name = DeltaName::Snapshot { from: Version::new(from), to: version(to) };
        let mut bytes = Vec::new();
        if name.has_signatures() {
            envelope().write(&keyids(), &mut bytes);
        } else {
            Envelope::write_none(&mut bytes);
        }
        let base = (from > 0).then(|| signed(from));
        let options = EncodeOptions::default();
        let delta = encode(Codec::Columnar, base.as_deref(), &signed(to), &options).unwrap();
        bytes.extend_from_slice(&delta);
        (name, bytes)
    }

    fn check(from: u64, edges: &[(u64, u64)], expected: Result<u64, Reason>) {
        let deltas: Vec<_> = edges.iter().map(|&(from, to)| edge(from, to)).collect();
        let base = (from > 0).then(|| signed(from));
        let found = document(base.as_deref(), &deltas, &keyids(), LENGTHS);
        let file = |to| assemble(&signed(to), envelope().signatures());
        assert_eq!(found, expected.map(file), "{from}: {edges:?}");
    }

    #[test]
    fn edges_lead_to_the_file() {
        check(7, &[(7, 8)], Ok(8));
        check(7, &[(7, 8), (8, 12), (11, 12)], Ok(12));
        check(11, &[(11, 12)], Ok(12));
        check(8, &[(8, 12), (11, 12)], Ok(12));
        check(0, &[(0, 5)], Ok(5));
        // Nobody signed, another base, nothing at all.
        check(8, &[(8, 12)], Err(Reason::Damaged));
        check(9, &[(8, 12), (11, 12)], Err(Reason::OtherBase));
        check(7, &[], Err(Reason::Missing));
    }

    #[test]
    fn bins_under_new_names_stand_in_groups() {
        let list = |number: u64, bits: &[u32]| {
            let bins = bits.iter().map(|&bits| tufold_meta::BitLength::new(bits).unwrap());
            let mut names: Vec<_> = bins
                .flat_map(|bits| bits.bins().map(move |bin| bits.role_name("bins", bin)))
                .collect();
            names.sort_unstable();
            let entry = |name: &String| format!(r#""{name}.json":{{"version":3}}"#);
            let meta = names.iter().map(entry).collect::<Vec<_>>().join(",");
            format!(r#"{{"_type":"snapshot","meta":{{{meta}}},"version":{number}}}"#).into_bytes()
        };
        let (old, new) = (list(7, &[4]), list(8, &[4, 5]));
        let kind = Prediction::of_snapshots(Some(&old), &new);
        let form = |snapshot| kind.form_of(snapshot).unwrap().into_owned();
        let options = EncodeOptions { prediction_kind: kind.number(), ..EncodeOptions::default() };
        let delta = encode(Codec::Columnar, Some(&form(&old)), &form(&new), &options).unwrap();
        let mut object = Vec::new();
        envelope().write(&keyids(), &mut object);
        object.extend_from_slice(&delta);
        let of_snapshot = DeltaName::Snapshot { from: Version::new(7), to: version(8) };
        let found = |name: &DeltaName, lengths| {
            document(Some(&old), &[(name.clone(), object.clone())], &keyids(), lengths)
        };
        assert_eq!(found(&of_snapshot, LENGTHS), Ok(assemble(&new, envelope().signatures())));
        // The form may be twice as long, and the snapshot may not.
        let short = new.len() as u64 - 1;
        assert_eq!(
            found(&of_snapshot, Lengths { file: short, between: short }),
            Err(Reason::TooLong)
        );
        let of_role = DeltaName::Role { role: "bins-0".into(), from: version(7), to: version(8) };
        assert_eq!(found(&of_role, LENGTHS), Err(Reason::Damaged));
    }

    #[test]
    fn what_is_wrong_with_a_delta_is_told_apart() {
        let (name, bytes) = edge(7, 8);
        let found = |bytes: Vec<u8>, lengths| {
            document(Some(&signed(7)), &[(name.clone(), bytes)], &keyids(), lengths)
        };
        for len in 0..bytes.len() {
            let cut = found(bytes[..len].to_vec(), LENGTHS);
            assert!(matches!(cut, Err(Reason::Truncated | Reason::Damaged)), "{len}: {cut:?}");
        }
        let short = |file, between| found(bytes.clone(), Lengths { file, between });
        assert_eq!(short(20, 10_000), Err(Reason::TooLong));
        // The signatures make it too long.
        assert_eq!(short(100, 10_000), Err(Reason::TooLong));
        assert!(short(10_000, 0).is_ok(), "there is nothing between");
        assert_eq!(found(b"<html>".to_vec(), LENGTHS), Err(Reason::Damaged));
        let mut other_kind = Vec::new();
        envelope().write(&keyids(), &mut other_kind);
        let options = EncodeOptions { prediction_kind: 2, ..EncodeOptions::default() };
        let delta = encode(Codec::Columnar, Some(&signed(7)), &signed(8), &options).unwrap();
        other_kind.extend_from_slice(&delta);
        assert_eq!(found(other_kind, LENGTHS), Err(Reason::Damaged));
    }

    #[test]
    fn a_base_may_be_of_any_format() {
        let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
        let file = tufold_meta::sign(&signed(7), &[&key]).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&file).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        for file in [file, pretty] {
            let base = Base::of_file(&file).unwrap();
            assert_eq!((base.version, base.signed), (version(7), signed(7)));
        }
        assert!(Base::of_file(b"{}").is_none());
    }
}
