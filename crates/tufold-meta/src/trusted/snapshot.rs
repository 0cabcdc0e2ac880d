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

/// An entry `"key":value` of a file of at most 4 GiB.
#[derive(Clone, Copy, Debug)]
struct Span {
    /// Behind the first quote.
    key_start: u32,
    /// At the second quote, two bytes before the value.
    key_end: u32,
    value_end: u32,
}

impl Span {
    fn key(self, file: &[u8]) -> &[u8] {
        &file[self.key_start as usize..self.key_end as usize]
    }

    fn value(self, file: &[u8]) -> &[u8] {
        &file[self.key_end as usize + 2..self.value_end as usize]
    }
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
                    .filter_map(|span| std::str::from_utf8(span.key(&recalled.bytes)).ok()),
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
    /// Finds the entries of the canonical object at `meta`. `None` if that is not one, or if
    /// anything is written with escapes: the order of such names is not theirs as they stand.
    pub(super) fn index(bytes: Vec<u8>, meta: Range<usize>) -> Option<Self> {
        let text = bytes.get(meta.clone())?;
        if text.contains(&b'\\') || u32::try_from(bytes.len()).is_err() {
            return None;
        }
        let mut entries = Vec::new();
        let mut at = u32::try_from(meta.start).ok()? + 1;
        for entry in CanonicalObject::checked_before(text)?.entries() {
            let key_end = at + 1 + u32::try_from(entry.raw_key.len()).ok()?;
            let value_end = at + u32::try_from(entry.whole.len()).ok()?;
            entries.push(Span { key_start: at + 1, key_end, value_end });
            // The comma.
            at = value_end + 1;
        }
        Some(Self { bytes, meta, entries })
    }

    fn find(&self, name: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        let by_name = |span: &Span| span.key(&self.bytes).cmp(name.as_bytes());
        let Ok(place) = self.entries.binary_search_by(by_name) else { return Ok(None) };
        let value = self.entries[place].value(&self.bytes);
        serde_json::from_slice(value).map(|file| Some(Cow::Owned(file))).map_err(damaged)
    }
}

fn damaged(error: serde_json::Error) -> Error {
    Error::Parse { file: names::file_name("snapshot"), why: ParseError::Json(error) }
}
