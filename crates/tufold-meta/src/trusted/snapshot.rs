//! The snapshot that a set holds: parsed, or recalled and searched where it lies.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use crate::cjson::CanonicalObject;
use crate::trusted::{Error, names};
use crate::{MetaFile, ParseError, Snapshot, Verified};

/// What the next snapshot must not fall behind, and what lists the targets roles.
#[derive(Clone, Debug)]
pub(super) enum Held {
    Verified(Verified<Snapshot>),
    Recalled(Recalled),
}

/// A snapshot that an earlier visit verified. Of its thousands of entries a visit wants a few, which
/// are found in the file itself.
#[derive(Clone, Debug)]
pub(super) struct Recalled {
    bytes: Vec<u8>,
    meta: Range<usize>,
    /// Where each entry of `meta` lies, in order of the names.
    entries: Vec<Span>,
}

#[derive(Clone, Debug)]
struct Span {
    /// Without its quotes.
    key: Range<usize>,
    value: Range<usize>,
}

impl Held {
    /// What is listed for a targets role.
    pub(super) fn listed(&self, role: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        match self {
            Self::Verified(snapshot) => {
                Ok(snapshot.meta.get(&names::meta_name(role)).map(Cow::Borrowed))
            }
            Self::Recalled(recalled) => recalled.find(&names::meta_name(role)),
        }
    }

    /// The names that are listed.
    pub(super) fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Verified(snapshot) => Box::new(snapshot.meta.keys().map(String::as_str)),
            // No name is written with escapes, so each is as it stands.
            Self::Recalled(recalled) => Box::new(
                recalled
                    .entries
                    .iter()
                    .filter_map(|span| std::str::from_utf8(&recalled.bytes[span.key.clone()]).ok()),
            ),
        }
    }

    /// Everything that is listed.
    pub(super) fn meta(&self) -> Result<Cow<'_, BTreeMap<String, MetaFile>>, Error> {
        match self {
            Self::Verified(snapshot) => Ok(Cow::Borrowed(&snapshot.meta)),
            Self::Recalled(recalled) => {
                let meta = &recalled.bytes[recalled.meta.clone()];
                serde_json::from_slice(meta).map(Cow::Owned).map_err(damaged)
            }
        }
    }
}

impl Recalled {
    /// Finds the entries of the canonical object at `meta`. `None` if that is not one, or if a name
    /// is written with escapes: their order is not that of the names.
    pub(super) fn index(bytes: Vec<u8>, meta: Range<usize>) -> Option<Self> {
        let object = CanonicalObject::checked_before(bytes.get(meta.clone())?)?;
        let mut entries = Vec::new();
        let mut at = meta.start + 1;
        for entry in object.entries() {
            if entry.raw_key.contains(&b'\\') {
                return None;
            }
            let key = at + 1..at + 1 + entry.raw_key.len();
            at += entry.whole.len();
            entries.push(Span { key, value: at - entry.value.len()..at });
            // The comma.
            at += 1;
        }
        Some(Self { bytes, meta, entries })
    }

    fn find(&self, name: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        let key = |span: &Span| &self.bytes[span.key.clone()];
        let found = self.entries.binary_search_by(|span| key(span).cmp(name.as_bytes()));
        let Ok(place) = found else { return Ok(None) };
        let value = &self.bytes[self.entries[place].value.clone()];
        serde_json::from_slice(value).map(|file| Some(Cow::Owned(file))).map_err(damaged)
    }
}

fn damaged(error: serde_json::Error) -> Error {
    Error::Parse { file: names::file_name("snapshot"), why: ParseError::Json(error) }
}
