//! The closed set of codecs, and the two functions around them.

mod bsdiff;
pub(crate) mod columnar;
mod gzip;
mod json;
mod zstandard;

use crate::container::Header;
use crate::{Error, Fingerprint};
pub use zstandard::dcz_head;

/// How a payload turns a prediction into the new document. The numbers are the wire's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// Ours: columns of what changed in canonical JSON.
    Columnar,
    /// zstd with the prediction as prefix. The payload is one frame, fit for an RFC 9842 `dcz` body behind `dcz_head`.
    Zstd,
    /// bsdiff, then zstd.
    Bsdiff,
    /// JSON Patch (RFC 6902), then zstd. Canonical JSON only.
    JsonPatch,
    /// JSON Merge Patch (RFC 7396), then zstd. Canonical JSON without null only.
    MergePatch,
    /// zstd of the whole document.
    FullZstd,
    /// gzip of the whole document.
    FullGzip,
}

impl Codec {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Columnar,
        Self::Zstd,
        Self::Bsdiff,
        Self::JsonPatch,
        Self::MergePatch,
        Self::FullZstd,
        Self::FullGzip,
    ];

    /// The byte in the header.
    pub fn number(self) -> u8 {
        match self {
            Self::Columnar => 1,
            Self::Zstd => 2,
            Self::Bsdiff => 3,
            Self::JsonPatch => 4,
            Self::MergePatch => 5,
            Self::FullZstd => 6,
            Self::FullGzip => 7,
        }
    }

    /// The codec with this byte.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|codec| codec.number() == number)
    }

    /// The name that people write.
    pub fn name(self) -> &'static str {
        match self {
            Self::Columnar => "columnar",
            Self::Zstd => "zstd",
            Self::Bsdiff => "bsdiff",
            Self::JsonPatch => "json-patch",
            Self::MergePatch => "merge-patch",
            Self::FullZstd => "full-zstd",
            Self::FullGzip => "full-gzip",
        }
    }
}

impl std::str::FromStr for Codec {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|codec| codec.name() == name).ok_or(Error::UnknownCodec)
    }
}

impl std::fmt::Display for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Caps that hold before anything is allocated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Length of the delta.
    pub max_delta_len_bytes: u64,
    /// Length of the document that it rebuilds.
    pub max_result_len_bytes: u64,
}

impl Default for Limits {
    /// 64 MiB each.
    fn default() -> Self {
        Self { max_delta_len_bytes: 64 << 20, max_result_len_bytes: 64 << 20 }
    }
}

/// What a writer may choose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct EncodeOptions {
    /// How the prediction was made; travels in the header.
    pub prediction_kind: u8,
    /// zstd's level wherever it is used.
    pub zstd_level: i32,
    /// Whether the delta is applied once before it is returned.
    pub verify: bool,
}

impl Default for EncodeOptions {
    /// The prediction is the base as it is; level 19; verified.
    fn default() -> Self {
        Self { prediction_kind: 0, zstd_level: 19, verify: true }
    }
}

/// Turns `prediction` (or nothing) into `new` by one codec. Unless the options say otherwise, the delta has been applied once when it is
/// returned.
///
/// # Errors
/// `Declined` if the codec cannot carry this pair.
pub fn encode(
    codec: Codec,
    prediction: Option<&[u8]>,
    new: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, Error> {
    let level = options.zstd_level;
    let payload = match codec {
        Codec::Columnar => columnar::encode(prediction, new)?,
        Codec::Zstd => zstandard::compress(prediction, new, level, codec)?,
        Codec::Bsdiff => bsdiff::encode(prediction.unwrap_or_default(), new, level)?,
        Codec::JsonPatch | Codec::MergePatch => json::encode(codec, prediction, new, level)?,
        Codec::FullZstd => zstandard::compress(None, new, level, codec)?,
        Codec::FullGzip => gzip::compress(new)?,
    };
    let header = Header {
        codec,
        prediction_kind: options.prediction_kind,
        prediction: Fingerprint::of(prediction),
        result: Fingerprint::of(Some(new)),
        payload_len_bytes: payload.len() as u64,
    };
    if options.verify && rebuild(codec, prediction, &payload, new.len()).as_deref() != Ok(new) {
        return Err(Error::Declined { codec, why: "it would rebuild other bytes" });
    }
    Ok(header.around(&payload))
}

/// The smallest delta that any codec makes of this pair; among equals the first of `Codec::ALL`.
///
/// # Errors
/// `Declined` if no codec carries the pair, which takes a document beyond all their caps.
pub fn encode_smallest(
    prediction: Option<&[u8]>,
    new: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, Error> {
    let mut best = Err(Error::Declined { codec: Codec::FullZstd, why: "no codec carries it" });
    for codec in Codec::ALL {
        match (encode(codec, prediction, new, options), &best) {
            (Ok(delta), Ok(smallest)) if delta.len() >= Vec::len(smallest) => {}
            (Ok(delta), _) => best = Ok(delta),
            (Err(Error::Declined { .. }), _) => {}
            (Err(error), _) => return Err(error),
        }
    }
    best
}

/// Rebuilds the new document. What comes back has the length and cut digest that the delta names, which is no reason to
/// trust it.
///
/// # Errors
/// Any but `Declined`.
pub fn apply(prediction: Option<&[u8]>, delta: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
    let (header, payload, result_len) = admit(prediction, delta, limits)?;
    accept(&header, rebuild(header.codec, prediction, payload, result_len)?)
}

/// All that can be checked before anything is rebuilt. Returns the header, the payload and the length of the result.
pub(crate) fn admit<'d>(
    prediction: Option<&[u8]>,
    delta: &'d [u8],
    limits: &Limits,
) -> Result<(Header, &'d [u8], usize), Error> {
    check("the delta", delta.len() as u64, limits.max_delta_len_bytes)?;
    let (header, payload) = Header::parse(delta)?;
    let result_len = header.result.len_bytes.unwrap_or(0);
    check("the result", result_len, limits.max_result_len_bytes)?;
    let len = usize::try_from(result_len).map_err(|_| Error::TooLarge {
        what: "the result",
        len: result_len,
        limit: usize::MAX as u64,
    })?;
    let found = Fingerprint::of(prediction);
    if found != header.prediction {
        return Err(Error::WrongBase { needed: header.prediction, found });
    }
    Ok((header, payload, len))
}

/// Whether it is what the delta promised.
pub(crate) fn accept(header: &Header, rebuilt: Vec<u8>) -> Result<Vec<u8>, Error> {
    if Fingerprint::of(Some(&rebuilt)) != header.result {
        return Err(Error::Damaged("the result is not the document that it names"));
    }
    Ok(rebuilt)
}

fn rebuild(
    codec: Codec,
    prediction: Option<&[u8]>,
    payload: &[u8],
    result_len: usize,
) -> Result<Vec<u8>, Error> {
    match codec {
        Codec::Columnar => columnar::apply(prediction, payload, result_len),
        Codec::Zstd => zstandard::decompress(prediction, payload, result_len),
        Codec::Bsdiff => bsdiff::apply(prediction.unwrap_or_default(), payload, result_len),
        Codec::JsonPatch | Codec::MergePatch => json::apply(codec, prediction, payload, result_len),
        Codec::FullZstd => zstandard::decompress(None, payload, result_len),
        Codec::FullGzip => gzip::decompress(payload, result_len),
    }
}

fn check(what: &'static str, len: u64, limit: u64) -> Result<(), Error> {
    if len > limit { Err(Error::TooLarge { what, len, limit }) } else { Ok(()) }
}
