//! What can go wrong, split by what a caller does about it.

use crate::Codec;

/// Why a delta was not made or not applied. After any of these the reader has no output and fetches the full file.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are something else, an error page for instance.
    #[error("not a delta: it begins {found:02x?}")]
    NotADelta {
        /// At most the first three bytes.
        found: Vec<u8>,
    },
    /// A later writer made it: a format version, codec or feature that this reader does not know.
    #[error("unsupported {what} {value}")]
    Unsupported {
        /// The field of the header.
        what: &'static str,
        /// What it holds.
        value: u8,
    },
    /// It ends before its own header or payload does.
    #[error("the delta is cut short: {needed} bytes needed, {found} found")]
    Truncated {
        /// What the header promises.
        needed: u64,
        /// What there is.
        found: u64,
    },
    /// It contradicts itself, or what it rebuilds is not what it promises.
    #[error("the delta is damaged: {0}")]
    Damaged(&'static str),
    /// It was made for another document than the one the reader holds.
    #[error("the delta needs another base: {needed}, and not {found}")]
    WrongBase {
        /// Length and cut digest that the delta names.
        needed: Fingerprint,
        /// Those of the document at hand.
        found: Fingerprint,
    },
    /// More bytes, or more work, than the caller allows. Nothing was allocated for it.
    #[error("{what} of {len} exceeds the limit of {limit}")]
    TooLarge {
        /// Which cap.
        what: &'static str,
        /// What the delta asks for.
        len: u64,
        /// What the caller allows.
        limit: u64,
    },
    /// No codec has this name.
    #[error("there is no codec of that name")]
    UnknownCodec,
    /// No ladder is written like this.
    #[error("there is no ladder of that name")]
    UnknownLadder,
    /// The codec cannot carry this pair of documents; another one can.
    #[error("{codec} cannot carry this document: {why}")]
    Declined {
        /// Who declines.
        codec: Codec,
        /// The first reason met.
        why: &'static str,
    },
}

/// A document by its length and the first three bytes of its BLAKE3 digest. It catches mistakes and proves nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Fingerprint {
    /// Length of the document; `None` if there is no document.
    pub len_bytes: Option<u64>,
    /// The cut digest; zero if there is no document.
    pub cut_digest: [u8; 3],
}

impl Fingerprint {
    /// The fingerprint of a document, or of there being none.
    pub fn of(document: Option<&[u8]>) -> Self {
        let Some(bytes) = document else { return Self { len_bytes: None, cut_digest: [0; 3] } };
        let [a, b, c, ..] = *blake3::hash(bytes).as_bytes();
        Self { len_bytes: Some(bytes.len() as u64), cut_digest: [a, b, c] }
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(len) = self.len_bytes else { return f.write_str("none") };
        let [a, b, c] = self.cut_digest;
        write!(f, "{len} bytes with digest {a:02x}{b:02x}{c:02x}")
    }
}
