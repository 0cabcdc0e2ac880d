//! What the tables compare: the codecs of `tufold-delta`, and brotli with the base as dictionary.

use std::fmt;
use std::io::{Error, ErrorKind, Read};
use std::str::FromStr;

use brotli::enc::{BrotliCompressCustomIoCustomDict, BrotliEncoderParams, StandardAlloc};
use brotli::{Decompressor, IoReaderWrapper, IoWriterWrapper};
use tufold_delta::{Codec, EncodeOptions, Limits, apply, encode};

/// One way to code a delta.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Contender {
    /// A codec of ours, in its container.
    Codec(Codec),
    /// `brotli -q 11 -D BASE` as a bare stream: the payload of an RFC 9842 `dcb` body, whose head takes 36 bytes more.
    Brotli,
}

/// The largest window of RFC 7932.
const MAX_WINDOW_BITS: u8 = 24;
const MIN_WINDOW_BITS: u8 = 16;
/// What a window is shorter than its power of two.
const WINDOW_GAP: usize = 16;

const BUFFER_BYTES: usize = 1 << 16;

impl Contender {
    /// Ours, then the general ones from the strongest, then those without a base.
    pub const ALL: [Self; 8] = [
        Self::Codec(Codec::Columnar),
        Self::Brotli,
        Self::Codec(Codec::Zstd),
        Self::Codec(Codec::Bsdiff),
        Self::Codec(Codec::JsonPatch),
        Self::Codec(Codec::MergePatch),
        Self::Codec(Codec::FullZstd),
        Self::Codec(Codec::FullGzip),
    ];

    /// Whether it takes seconds or minutes, or much memory, on tens of megabytes.
    pub fn is_slow(self) -> bool {
        !matches!(self, Self::Codec(Codec::Columnar | Codec::FullZstd))
    }

    /// The delta, which has been applied once, or why there is none.
    pub fn encode(self, base: Option<&[u8]>, new: &[u8]) -> Result<Vec<u8>, String> {
        let codec = match self {
            Self::Codec(codec) => codec,
            Self::Brotli => return brotli(base, new),
        };
        encode(codec, base, new, &EncodeOptions::default()).map_err(|error| error.to_string())
    }

    /// The new document.
    pub fn apply(self, base: Option<&[u8]>, delta: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Codec(_) => {
                apply(base, delta, &Limits::default()).map_err(|error| error.to_string())
            }
            Self::Brotli => unbrotli(base, delta).map_err(|error| error.to_string()),
        }
    }
}

impl fmt::Display for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codec(codec) => f.pad(codec.name()),
            Self::Brotli => f.pad("brotli"),
        }
    }
}

impl FromStr for Contender {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|contender| contender.to_string() == name);
        found.ok_or_else(|| format!("there is no codec {name}"))
    }
}

/// The crate puts the dictionary into the window, so both have to fit. Its encoder writes streams that do not decode for some
/// short repetitive documents with a dictionary, so each is decoded once.
fn brotli(base: Option<&[u8]>, new: &[u8]) -> Result<Vec<u8>, String> {
    let base = base.unwrap_or_default();
    let reach = base.len() + new.len() + WINDOW_GAP;
    let fits = |bits: &u8| reach <= 1 << bits;
    let window = (MIN_WINDOW_BITS..=MAX_WINDOW_BITS).find(fits);
    let window = window.ok_or("base and document exceed brotli's window of 16 MiB")?;
    let params = BrotliEncoderParams {
        quality: 11,
        lgwin: window.into(),
        size_hint: new.len(),
        ..BrotliEncoderParams::default()
    };
    let mut stream = Vec::new();
    BrotliCompressCustomIoCustomDict(
        &mut IoReaderWrapper(&mut &*new),
        &mut IoWriterWrapper(&mut stream),
        &mut [0; BUFFER_BYTES],
        &mut [0; BUFFER_BYTES],
        &params,
        StandardAlloc::default(),
        &mut |_, _, _, _| (),
        base,
        Error::from(ErrorKind::UnexpectedEof),
    )
    .map_err(|error| error.to_string())?;
    match unbrotli(Some(base), &stream) {
        Ok(decoded) if decoded == new => Ok(stream),
        _ => Err("its stream does not decode".to_owned()),
    }
}

fn unbrotli(base: Option<&[u8]>, stream: &[u8]) -> Result<Vec<u8>, Error> {
    let dictionary = base.unwrap_or_default().to_vec().into();
    let mut decoder = Decompressor::new_with_custom_dict(stream, BUFFER_BYTES, dictionary);
    let mut new = Vec::new();
    decoder.read_to_end(&mut new)?;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brotli_finds_the_base_and_rebuilds() {
        let base: String = (0..2_000_u32).map(|i| format!("{:x},", i.wrapping_pow(7))).collect();
        let new = base.replace("1f", "e0");
        let delta = Contender::Brotli.encode(Some(base.as_bytes()), new.as_bytes()).unwrap();
        let alone = Contender::Brotli.encode(None, new.as_bytes()).unwrap();
        assert!(delta.len() * 4 < alone.len(), "{} of {}", delta.len(), alone.len());
        let rebuilt = Contender::Brotli.apply(Some(base.as_bytes()), &delta);
        assert_eq!(rebuilt.as_deref(), Ok(new.as_bytes()));
    }

    #[test]
    fn a_brotli_stream_that_does_not_decode_is_no_delta() {
        // As of brotli 9.1.1; an encoder that is right makes this test fail, and the check above superfluous.
        let base = b"babaabbbbbaabaabab";
        let new = b"bbaabaababbbaababbbbbabbbaababbbbabbbbbaabaaba";
        let found = Contender::Brotli.encode(Some(base), new);
        assert_eq!(found, Err("its stream does not decode".to_owned()));
    }

    #[test]
    fn names_lead_back() {
        for contender in Contender::ALL {
            assert_eq!(contender.to_string().parse(), Ok(contender));
        }
    }
}
