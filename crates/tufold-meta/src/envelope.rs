//! A document's signatures beside its canonical `signed`, in few bytes. `PROTOCOL.md` specifies it.

use data_encoding::HEXLOWER;

use crate::cjson::{self, Object};
use crate::{KeyId, Signature, varint};

/// The length of an Ed25519 signature.
const USUAL_LEN_BYTES: usize = 64;
/// Announces a signature that is written in full.
const IN_FULL: u64 = 0;

/// What the first number says: no envelope, or one signature of the first key and of the usual length, or how many there are.
const NONE: u64 = 0;
const USUAL: u64 = 1;
const COUNT: u64 = 2;

/// The signatures of one document, sorted by key id, each of another key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Envelope(Vec<Signature>);

/// The bytes are no envelope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("damaged signatures: {0}")]
pub struct EnvelopeError(&'static str);

impl Envelope {
    /// Sorts the signatures. `None` if two are of one key.
    pub fn new(mut signatures: Vec<Signature>) -> Option<Self> {
        signatures.sort_by(|left, right| left.keyid.cmp(&right.keyid));
        let ascending = signatures.is_sorted_by(|left, right| left.keyid < right.keyid);
        ascending.then_some(Self(signatures))
    }

    /// The signatures.
    pub fn signatures(&self) -> &[Signature] {
        &self.0
    }

    /// Appends the envelope. `keyids` are those that the role's delegation lists, in its order.
    pub fn write(&self, keyids: &[KeyId], out: &mut Vec<u8>) {
        if let Some(bytes) = self.usual(keyids) {
            varint::write(USUAL, out);
            out.extend_from_slice(&bytes);
            return;
        }
        varint::write(self.0.len() as u64 + COUNT, out);
        for signature in &self.0 {
            let place = keyids.iter().position(|id| *id == signature.keyid);
            let bytes = HEXLOWER.decode(signature.sig.as_bytes()).ok();
            match (place, bytes) {
                (Some(place), Some(bytes)) if signature.extra.is_empty() => {
                    let place = place as u64;
                    if bytes.len() == USUAL_LEN_BYTES {
                        varint::write(1 + 2 * place, out);
                    } else {
                        varint::write(2 + 2 * place, out);
                        varint::write(bytes.len() as u64, out);
                    }
                    out.extend_from_slice(&bytes);
                }
                _ => {
                    let mut text = Vec::new();
                    signature.write(&mut text);
                    varint::write(IN_FULL, out);
                    varint::write(text.len() as u64, out);
                    out.extend_from_slice(&text);
                }
            }
        }
    }

    /// The bytes of the only signature, if it is one as most are.
    fn usual(&self, keyids: &[KeyId]) -> Option<Vec<u8>> {
        let [signature] = &self.0[..] else { return None };
        let plain = keyids.first() == Some(&signature.keyid) && signature.extra.is_empty();
        let bytes = HEXLOWER.decode(signature.sig.as_bytes()).ok().filter(|_| plain)?;
        (bytes.len() == USUAL_LEN_BYTES).then_some(bytes)
    }

    /// Appends the sign that no envelope travels.
    pub fn write_none(out: &mut Vec<u8>) {
        varint::write(NONE, out);
    }

    /// Takes an envelope off the front; `None` if the bytes say that none travels. The key ids are
    /// those of the delegation by which the reader will verify the document.
    pub fn take(bytes: &mut &[u8], keyids: &[KeyId]) -> Result<Option<Self>, EnvelopeError> {
        let Some(head) = Head::take(bytes)? else { return Ok(None) };
        let mut signatures: Vec<Signature> = Vec::new();
        // Each takes bytes, so a large count runs out of them.
        for _ in 0..head.count() {
            let signature = match head.signature(bytes)? {
                Wire::InFull(text) => in_full(text)?,
                Wire::OfKey(place, raw) => {
                    let keyid = usize::try_from(place).ok().and_then(|at| keyids.get(at));
                    let keyid =
                        keyid.ok_or(EnvelopeError("one is of a key that is not delegated to"))?;
                    let extra = Object::default();
                    Signature { keyid: keyid.clone(), sig: HEXLOWER.encode(raw), extra }
                }
            };
            if signatures.last().is_some_and(|last| last.keyid >= signature.keyid) {
                return Err(EnvelopeError("they are not sorted by key id"));
            }
            signatures.push(signature);
        }
        Ok(Some(Self(signatures)))
    }

    /// Goes past an envelope without the keys: how many signatures it has, `None` if the bytes say
    /// that none travels.
    pub fn skip(bytes: &mut &[u8]) -> Result<Option<u64>, EnvelopeError> {
        let Some(head) = Head::take(bytes)? else { return Ok(None) };
        for _ in 0..head.count() {
            head.signature(bytes)?;
        }
        Ok(Some(head.count()))
    }
}

const CUT: EnvelopeError = EnvelopeError("they are cut short");

/// What the first number says of an envelope that travels.
#[derive(Clone, Copy)]
enum Head {
    Usual,
    Count(u64),
}

impl Head {
    fn take(bytes: &mut &[u8]) -> Result<Option<Self>, EnvelopeError> {
        Ok(match varint::take(bytes).ok_or(CUT)? {
            NONE => None,
            USUAL => Some(Self::Usual),
            number => Some(Self::Count(number - COUNT)),
        })
    }

    fn count(self) -> u64 {
        match self {
            Self::Usual => 1,
            Self::Count(count) => count,
        }
    }

    /// Takes the next signature.
    fn signature<'a>(self, bytes: &mut &'a [u8]) -> Result<Wire<'a>, EnvelopeError> {
        match self {
            Self::Usual => Ok(Wire::OfKey(0, take_usual(bytes)?)),
            Self::Count(_) => Wire::take(bytes),
        }
    }
}

fn take_usual<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], EnvelopeError> {
    let (raw, rest) = bytes.split_at_checked(USUAL_LEN_BYTES).ok_or(CUT)?;
    *bytes = rest;
    Ok(raw)
}

/// A signature as it travels.
enum Wire<'a> {
    /// Its JSON.
    InFull(&'a [u8]),
    /// The place of its key among the key ids, and its bytes.
    OfKey(u64, &'a [u8]),
}

impl<'a> Wire<'a> {
    fn take(bytes: &mut &'a [u8]) -> Result<Self, EnvelopeError> {
        let head = varint::take(bytes).ok_or(CUT)?;
        if head == IN_FULL {
            return Ok(Self::InFull(varint::take_bytes(bytes).ok_or(CUT)?));
        }
        let place = (head - 1) / 2;
        if head % 2 == 0 {
            return Ok(Self::OfKey(place, varint::take_bytes(bytes).ok_or(CUT)?));
        }
        Ok(Self::OfKey(place, take_usual(bytes)?))
    }
}

fn in_full(text: &[u8]) -> Result<Signature, EnvelopeError> {
    let damaged = EnvelopeError("one is not a signature in canonical form");
    let signature: Signature =
        serde_json::from_slice(&cjson::file_text(text)).map_err(|_| damaged)?;
    let mut again = Vec::new();
    signature.write(&mut again);
    if again == text { Ok(signature) } else { Err(damaged) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keyids() -> Vec<KeyId> {
        ["c", "a", "b"].map(|id| KeyId::from(id.to_owned())).to_vec()
    }

    fn signature(json: &str) -> Signature {
        serde_json::from_str(json).unwrap()
    }

    fn check(signatures: &[&str], wire: &str) {
        let envelope = Envelope::new(signatures.iter().map(|s| signature(s)).collect()).unwrap();
        let mut out = Vec::new();
        envelope.write(&keyids(), &mut out);
        assert_eq!(out.escape_ascii().to_string(), wire);
        let mut rest = out.as_slice();
        assert_eq!(Envelope::take(&mut rest, &keyids()), Ok(Some(envelope)));
        assert!(rest.is_empty());
        let mut rest = out.as_slice();
        assert_eq!(Envelope::skip(&mut rest), Ok(Some(signatures.len() as u64)));
        assert!(rest.is_empty());
    }

    #[test]
    fn an_ed25519_signature_takes_65_bytes() {
        let usual = format!(r#"{{"keyid":"c","sig":"{}"}}"#, "2a".repeat(64));
        check(&[&usual], &format!("\\x01{}", "*".repeat(64)));
        let second = format!(r#"{{"keyid":"b","sig":"{}"}}"#, "2b".repeat(64));
        let (stars, pluses) = ("*".repeat(64), "+".repeat(64));
        check(&[&usual, &second], &format!("\\x04\\x05{pluses}\\x01{stars}"));
    }

    #[test]
    fn anything_else_travels_too() {
        check(&[], "\\x02");
        check(&[r#"{"keyid":"a","sig":""}"#], "\\x03\\x04\\x00");
        check(&[r#"{"keyid":"a","sig":"2a2b"}"#], "\\x03\\x04\\x02*+");
        for other in [
            r#"{"keyid":"a","sig":"2A"}"#,
            r#"{"keyid":"a","sig":"xyz"}"#,
            r#"{"keyid":"d","sig":"2a"}"#,
            r#"{"keyid":"a","sig":"2a","x":[1]}"#,
        ] {
            let text = other.replace('"', "\\\"");
            check(
                &[other],
                &format!("\\x03\\x00\\x{:02x}{text}", other.len()).replace("\\x20", " "),
            );
        }
    }

    #[test]
    fn refuses_what_is_cut_unsorted_or_unknown() {
        let long = [&[4, 2, 0, 1][..], &[7; 64]].concat();
        let rows: &[&[u8]] = &[
            &[],
            &[1, 7],
            &[3],
            &[3, 1, 7],
            &[3, 7],
            &[3, 8, 0],
            // Key c before key a, and key a twice.
            &[4, 2, 0, 4, 0],
            &[4, 4, 0, 4, 0],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            b"\x03\x00\x02{}",
            b"\x03\x00\x17{\"sig\":\"\",\"keyid\":\"a\"}",
            &long,
        ];
        for wire in rows {
            assert!(Envelope::take(&mut &wire[..], &keyids()).is_err(), "{wire:?}");
        }
        assert_eq!(Envelope::take(&mut &[0][..], &keyids()), Ok(None));
        let twice = r#"{"keyid":"a","sig":""}"#;
        assert_eq!(Envelope::new(vec![signature(twice), signature(twice)]), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_is_written(wire in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut rest = wire.as_slice();
            if let Ok(Some(envelope)) = Envelope::take(&mut rest, &keyids()) {
                let mut skipped = wire.as_slice();
                let count = envelope.signatures().len() as u64;
                prop_assert_eq!(Envelope::skip(&mut skipped), Ok(Some(count)));
                prop_assert_eq!(skipped, rest);
                let mut again = Vec::new();
                envelope.write(&keyids(), &mut again);
                prop_assert_eq!(Envelope::take(&mut again.as_slice(), &keyids()), Ok(Some(envelope)));
            }
        }
    }
}
