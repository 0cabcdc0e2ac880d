//! The snapshot that a set holds: parsed, or recalled and searched where it lies.

use std::borrow::Cow;
use std::ops::Range;

use crate::cjson::CanonicalObject;
use crate::trusted::{Error, names};
use crate::{MetaFile, ParseError, Snapshot, Verified, Version};

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

    /// TUF 5.5.5: no role that this snapshot lists falls back in the next one or vanishes from it.
    pub(super) fn check_no_rollback(&self, next: &Snapshot) -> Result<(), Error> {
        match self {
            Self::Verified(held) => {
                let versions = held.meta.iter().map(|(name, file)| (name.as_str(), file.version));
                no_rollback(versions.map(Ok), next)
            }
            Self::Recalled(held) => no_rollback(held.versions(), next),
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
        Some(Self { bytes, entries })
    }

    /// Each name with its version, in order. Most entries hold nothing else and need no parser.
    fn versions(&self) -> impl Iterator<Item = Result<(&str, Version), Error>> {
        self.entries.iter().map(|span| {
            let (key, value) = (span.key(&self.bytes), span.value(&self.bytes));
            let name =
                std::str::from_utf8(key).map_err(serde::de::Error::custom).map_err(damaged)?;
            let version = match version_alone(value) {
                Some(version) => version,
                None => serde_json::from_slice::<MetaFile>(value).map_err(damaged)?.version,
            };
            Ok((name, version))
        })
    }

    fn find(&self, name: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        let by_name = |span: &Span| span.key(&self.bytes).cmp(name.as_bytes());
        let Ok(place) = self.entries.binary_search_by(by_name) else { return Ok(None) };
        let value = self.entries[place].value(&self.bytes);
        serde_json::from_slice(value).map(|file| Some(Cow::Owned(file))).map_err(damaged)
    }
}

/// Both sides are in order of the names, so each is walked once.
fn no_rollback<'s>(
    held: impl Iterator<Item = Result<(&'s str, Version), Error>>,
    next: &Snapshot,
) -> Result<(), Error> {
    let mut next = next.meta.iter().peekable();
    for held in held {
        let (name, old) = held?;
        while next.next_if(|(other, _)| other.as_str() < name).is_some() {}
        let role = name.strip_suffix(".json").unwrap_or(name);
        match next.next_if(|(other, _)| *other == name) {
            None => return Err(Error::Vanished { file: names::file_name(role) }),
            Some((_, new)) if new.version < old => {
                return Err(Error::rollback(role, old, new.version));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// The version of an entry that states nothing else.
fn version_alone(entry: &[u8]) -> Option<Version> {
    let digits = entry.strip_prefix(b"{\"version\":")?.strip_suffix(b"}")?;
    if digits.first() == Some(&b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Version::new(std::str::from_utf8(digits).ok()?.parse().ok()?)
}

fn damaged(error: serde_json::Error) -> Error {
    Error::Parse { file: names::file_name("snapshot"), why: ParseError::Json(error) }
}
