//! The few bytes around a payload: what it turns into what, and how.

use crate::{Codec, Error, Fingerprint, varint};

/// The first two bytes of every delta.
const MAGIC: [u8; 2] = *b"TF";
/// The third: format version 1.
const VERSION: u8 = 0xd1;

/// What a delta says of itself before its payload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    /// How the payload is coded.
    pub codec: Codec,
    /// How the prediction was made. Opaque here; 0 stands for the base as it is.
    pub prediction_kind: u8,
    /// The document that the payload starts from.
    pub prediction: Fingerprint,
    /// The document that it ends in.
    pub result: Fingerprint,
    /// Length of the payload.
    pub payload_len_bytes: u64,
}

impl Header {
    /// Reads the header of a delta and returns it with its payload, which is neither longer nor shorter than it should be.
    ///
    /// # Errors
    /// `NotADelta`, `Unsupported`, `Truncated` or `Damaged`.
    pub fn parse(delta: &[u8]) -> Result<(Self, &[u8]), Error> {
        if delta.len() < 5 && delta.starts_with(&MAGIC[..delta.len().min(2)]) {
            return Err(Error::Truncated { needed: 5, found: delta.len() as u64 });
        }
        let Some(mut rest) = delta.strip_prefix(&MAGIC) else {
            return Err(Error::NotADelta { found: delta[..delta.len().min(3)].to_vec() });
        };
        let version = take::<1>(&mut rest)?[0];
        if version != VERSION {
            return Err(Error::Unsupported { what: "format version", value: version });
        }
        let [number, prediction_kind] = take::<2>(&mut rest)?;
        let codec = Codec::from_number(number)
            .ok_or(Error::Unsupported { what: "codec", value: number })?;
        let prediction = read_fingerprint(&mut rest)?;
        let result = read_fingerprint(&mut rest)?;
        if result.len_bytes.is_none() {
            return Err(Error::Damaged("it has no result"));
        }
        let payload_len_bytes = varint::read(&mut rest)?;
        let found = rest.len() as u64;
        match found.cmp(&payload_len_bytes) {
            std::cmp::Ordering::Less => Err(Error::Truncated { needed: payload_len_bytes, found }),
            std::cmp::Ordering::Greater => Err(Error::Damaged("bytes follow the payload")),
            std::cmp::Ordering::Equal => {
                Ok((Self { codec, prediction_kind, prediction, result, payload_len_bytes }, rest))
            }
        }
    }

    /// The whole delta around `payload`; the payload's length is taken from it.
    pub(crate) fn around(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() + 32);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION, self.codec.number(), self.prediction_kind]);
        write_fingerprint(&mut out, self.prediction);
        write_fingerprint(&mut out, self.result);
        varint::write(&mut out, payload.len() as u64);
        out.extend_from_slice(payload);
        out
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Error> {
    let (head, rest) = bytes
        .split_first_chunk()
        .ok_or(Error::Truncated { needed: N as u64, found: bytes.len() as u64 })?;
    *bytes = rest;
    Ok(*head)
}

fn read_fingerprint(bytes: &mut &[u8]) -> Result<Fingerprint, Error> {
    let Some(len) = varint::read(bytes)?.checked_sub(1) else { return Ok(Fingerprint::of(None)) };
    Ok(Fingerprint { len_bytes: Some(len), cut_digest: take(bytes)? })
}

fn write_fingerprint(out: &mut Vec<u8>, fingerprint: Fingerprint) {
    let Some(len) = fingerprint.len_bytes else { return out.push(0) };
    // No document in memory has 2^64 - 1 bytes.
    varint::write(out, len.saturating_add(1));
    out.extend_from_slice(&fingerprint.cut_digest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(prediction: Option<&[u8]>) -> Vec<u8> {
        let header = Header {
            codec: Codec::Columnar,
            prediction_kind: 7,
            prediction: Fingerprint::of(prediction),
            result: Fingerprint::of(Some(b"new")),
            payload_len_bytes: 0,
        };
        header.around(b"payload")
    }

    #[test]
    fn reads_what_it_writes() {
        for prediction in [None, Some(&b""[..]), Some(&b"old"[..])] {
            let delta = sample(prediction);
            let (header, payload) = Header::parse(&delta).unwrap();
            assert_eq!(payload, b"payload");
            assert_eq!(header.prediction, Fingerprint::of(prediction));
            assert_eq!(header.prediction_kind, 7);
            assert_eq!(header.around(payload), delta);
        }
    }

    #[test]
    fn overhead_of_a_half_megabyte_document_is_20_bytes() {
        let document = vec![b' '; 533_141];
        let header = Header {
            codec: Codec::Columnar,
            prediction_kind: 0,
            prediction: Fingerprint::of(Some(&document)),
            result: Fingerprint::of(Some(&document)),
            payload_len_bytes: 0,
        };
        assert_eq!(header.around(&[]).len(), 20);
    }

    #[test]
    fn each_defect_has_its_error() {
        let good = sample(Some(b"old"));
        for len in 0..good.len() {
            assert!(matches!(Header::parse(&good[..len]), Err(Error::Truncated { .. })), "{len}");
        }
        let parse = |change: fn(&mut Vec<u8>)| {
            let mut delta = good.clone();
            change(&mut delta);
            Header::parse(&delta).unwrap_err()
        };
        assert_eq!(parse(|d| d[0] = b'<'), Error::NotADelta { found: vec![b'<', b'F', VERSION] });
        assert_eq!(
            parse(|d| d[2] = 0xd2),
            Error::Unsupported { what: "format version", value: 0xd2 }
        );
        assert_eq!(parse(|d| d[3] = 99), Error::Unsupported { what: "codec", value: 99 });
        assert!(matches!(parse(|d| d.push(0)), Error::Damaged(_)));
    }
}
