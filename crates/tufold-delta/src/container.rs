//! The few bytes around a payload: what it turns into what, and how.

use crate::{Codec, Error, Fingerprint, varint};

/// The first two bytes of every delta.
const MAGIC: [u8; 2] = *b"TF";
/// The upper half of the third: format version 1. The lower half is the codec.
const VERSION: u8 = 0xd0;

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
        if delta.len() < 4 && delta.starts_with(&MAGIC[..delta.len().min(2)]) {
            return Err(Error::Truncated { needed: 4, found: delta.len() as u64 });
        }
        let Some(mut rest) = delta.strip_prefix(&MAGIC) else {
            return Err(Error::NotADelta { found: delta[..delta.len().min(3)].to_vec() });
        };
        let [form, prediction_kind] = take::<2>(&mut rest)?;
        if form & 0xf0 != VERSION {
            return Err(Error::Unsupported { what: "format version", value: form });
        }
        let number = form & 0x0f;
        let codec = Codec::from_number(number)
            .ok_or(Error::Unsupported { what: "codec", value: number })?;
        let prediction = read_prediction(&mut rest)?;
        let result = read_result(&mut rest, prediction)?;
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
    pub fn around(&self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(payload.len() + 32);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&[VERSION | self.codec.number(), self.prediction_kind]);
        let (old, new) = (self.prediction.len_bytes, self.result.len_bytes.unwrap_or(0));
        // No document in memory has 2^63 bytes.
        varint::write(&mut out, old.map_or(0, |len| len + 1));
        if old.is_some() {
            out.extend_from_slice(&self.prediction.cut_digest);
        }
        let growth = new.wrapping_sub(old.unwrap_or(0)).cast_signed();
        varint::write(&mut out, (growth << 1 ^ growth >> 63).cast_unsigned());
        out.extend_from_slice(&self.result.cut_digest);
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

fn read_prediction(bytes: &mut &[u8]) -> Result<Fingerprint, Error> {
    match varint::read(bytes)? {
        0 => Ok(Fingerprint::of(None)),
        len if len > 1 << 63 => Err(Error::Damaged("the prediction is longer than any file")),
        len => Ok(Fingerprint { len_bytes: Some(len - 1), cut_digest: take(bytes)? }),
    }
}

/// The result's length is told by how much longer it is than the prediction, times two, or by how much
/// shorter, times two less one.
fn read_result(bytes: &mut &[u8], prediction: Fingerprint) -> Result<Fingerprint, Error> {
    let growth = varint::read(bytes)?;
    let growth = (growth >> 1).cast_signed() ^ -(growth & 1).cast_signed();
    let len = prediction.len_bytes.unwrap_or(0).checked_add_signed(growth);
    let len = len.ok_or(Error::Damaged("the result is shorter than nothing"))?;
    Ok(Fingerprint { len_bytes: Some(len), cut_digest: take(bytes)? })
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
    fn overhead_of_a_half_megabyte_document_is_15_bytes() {
        let document = vec![b' '; 533_141];
        let header = Header {
            codec: Codec::Columnar,
            prediction_kind: 0,
            prediction: Fingerprint::of(Some(&document)),
            result: Fingerprint::of(Some(&document)),
            payload_len_bytes: 0,
        };
        assert_eq!(header.around(&[]).len(), 15);
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
        assert_eq!(
            parse(|d| d[0] = b'<'),
            Error::NotADelta { found: vec![b'<', b'F', VERSION | 1] }
        );
        assert_eq!(
            parse(|d| d[2] = 0xe1),
            Error::Unsupported { what: "format version", value: 0xe1 }
        );
        assert_eq!(parse(|d| d[2] = 0xd9), Error::Unsupported { what: "codec", value: 9 });
        // 3 bytes longer than 3, and then 4 shorter.
        assert!(parse(|d| d[8] = 7).to_string().contains("shorter than nothing"));
        assert!(matches!(parse(|d| d.push(0)), Error::Damaged(_)));
    }
}
