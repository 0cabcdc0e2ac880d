//! The closed set of codecs, and the two functions around them.

mod columnar;

use crate::container::Header;
use crate::{Error, Fingerprint};

/// How a payload turns a prediction into the new document. The numbers are the wire's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Codec {
    /// Ours: columns of what changed in canonical JSON.
    Columnar,
}

impl Codec {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 1] = [Self::Columnar];

    /// The byte in the header.
    pub fn number(self) -> u8 {
        match self {
            Self::Columnar => 1,
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
        }
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
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct EncodeOptions {
    /// How the prediction was made; travels in the header.
    pub prediction_kind: u8,
}

/// Turns `prediction` (or nothing) into `new` by one codec. The delta has been applied once when it is returned.
///
/// # Errors
/// `Declined` if the codec cannot carry this pair.
pub fn encode(
    codec: Codec,
    prediction: Option<&[u8]>,
    new: &[u8],
    options: &EncodeOptions,
) -> Result<Vec<u8>, Error> {
    let payload = match codec {
        Codec::Columnar => columnar::encode(prediction, new)?,
    };
    let header = Header {
        codec,
        prediction_kind: options.prediction_kind,
        prediction: Fingerprint::of(prediction),
        result: Fingerprint::of(Some(new)),
        payload_len_bytes: payload.len() as u64,
    };
    let rebuilt = rebuild(codec, prediction, &payload, new.len(), &Limits::default())?;
    if rebuilt != new {
        return Err(Error::Declined { codec, why: "it would rebuild other bytes" });
    }
    Ok(header.around(&payload))
}

/// Rebuilds the new document. What comes back has the length and cut digest that the delta names, which is no reason to
/// trust it.
///
/// # Errors
/// Any but `Declined`.
pub fn apply(prediction: Option<&[u8]>, delta: &[u8], limits: &Limits) -> Result<Vec<u8>, Error> {
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
    let rebuilt = rebuild(header.codec, prediction, payload, len, limits)?;
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
    limits: &Limits,
) -> Result<Vec<u8>, Error> {
    match codec {
        Codec::Columnar => columnar::apply(prediction, payload, result_len, limits),
    }
}

fn check(what: &'static str, len: u64, limit: u64) -> Result<(), Error> {
    if len > limit { Err(Error::TooLarge { what, len, limit }) } else { Ok(()) }
}
