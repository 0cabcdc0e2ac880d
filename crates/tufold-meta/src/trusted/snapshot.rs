//! The snapshot that a set holds. Of its thousands of entries a visit wants a few, so they stay in the file and are
//! found there; only a file of a form that tufold does not write is read into a tree.

use std::borrow::Cow;
use std::ops::Range;

use crate::cjson::{CanonicalObject, entries_under};
use crate::trusted::{Error, names};
use crate::{
    Digest, MetaFile, ParseError, Receipt, Signed, Snapshot, Time, Verified, Version,
    canonical_place,
};

/// The snapshot that a set trusts. One from the cache may have expired or be older than the timestamp says; then
/// [`TrustedSet::snapshot_request`](crate::TrustedSet::snapshot_request) asks for another.
#[derive(Clone, Debug)]
pub struct TrustedSnapshot {
    form: Form,
    /// Of the file, if it was computed.
    pub(super) sha256: Option<Digest>,
}

#[derive(Clone, Debug)]
enum Form {
    /// Verified in this visit.
    Listed(Verified<Listing>),
    /// As well, but not in the form that is searched.
    Parsed(Verified<Snapshot>),
    /// Verified in an earlier visit.
    Recalled(Recalled),
}

/// What a snapshot says, with its entries left in the file.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    version: Version,
    expires: Time,
    /// Where `meta` lies in the file.
    meta: Range<usize>,
    /// Where each of its entries lies, in order of the names.
    entries: Vec<Span>,
}

#[derive(Clone, Debug)]
struct Recalled {
    file: Vec<u8>,
    listing: Listing,
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
    fn new(key: Range<usize>, value_end: usize) -> Option<Self> {
        let place = |at: usize| u32::try_from(at).ok();
        Some(Self {
            key_start: place(key.start)?,
            key_end: place(key.end)?,
            value_end: place(value_end)?,
        })
    }

    fn key(self, file: &[u8]) -> &[u8] {
        &file[self.key_start as usize..self.key_end as usize]
    }

    fn value(self, file: &[u8]) -> &[u8] {
        &file[self.key_end as usize + 2..self.value_end as usize]
    }
}

impl TrustedSnapshot {
    pub(super) fn listed(snapshot: Verified<Listing>, sha256: Option<Digest>) -> Self {
        Self { form: Form::Listed(snapshot), sha256 }
    }

    pub(super) fn parsed(snapshot: Verified<Snapshot>, sha256: Option<Digest>) -> Self {
        Self { form: Form::Parsed(snapshot), sha256 }
    }

    /// A file that an earlier visit verified. `None` if its entries are not found.
    pub(super) fn recalled(file: Vec<u8>, receipt: &Receipt, sha256: Digest) -> Option<Self> {
        let listing = Listing::find(&file, receipt)?;
        Some(Self { form: Form::Recalled(Recalled { file, listing }), sha256: Some(sha256) })
    }

    /// Its version.
    pub fn version(&self) -> Version {
        match &self.form {
            Form::Listed(snapshot) => snapshot.version,
            Form::Parsed(snapshot) => snapshot.version,
            Form::Recalled(recalled) => recalled.listing.version,
        }
    }

    /// When it expires.
    pub fn expires(&self) -> Time {
        match &self.form {
            Form::Listed(snapshot) => snapshot.expires,
            Form::Parsed(snapshot) => snapshot.expires,
            Form::Recalled(recalled) => recalled.listing.expires,
        }
    }

    /// The file as it came.
    pub fn bytes(&self) -> &[u8] {
        match &self.form {
            Form::Listed(snapshot) => snapshot.bytes(),
            Form::Parsed(snapshot) => snapshot.bytes(),
            Form::Recalled(recalled) => &recalled.file,
        }
    }

    /// The canonical bytes of `signed`, which were checked already; `None` if they would have to be looked for.
    pub fn canonical(&self) -> Option<&[u8]> {
        match &self.form {
            Form::Listed(snapshot) => Some(snapshot.signed().canonical()),
            Form::Parsed(snapshot) => Some(snapshot.signed().canonical()),
            Form::Recalled(recalled) => {
                canonical_place(&recalled.file).map(|signed| &recalled.file[signed])
            }
        }
    }

    /// What is listed for a targets role.
    ///
    /// # Errors
    /// [`Error::Parse`] if the client's own file was changed although its receipt fits.
    pub fn file(&self, role: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        let name = names::meta_name(role);
        match self.in_file() {
            Ok((file, listing)) => listing.find_file(file, &name),
            Err(snapshot) => Ok(snapshot.meta.get(&name).map(Cow::Borrowed)),
        }
    }

    /// The names that are listed, `<role>.json`, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let (in_file, parsed) = match self.in_file() {
            Ok(found) => (Some(found), None),
            Err(snapshot) => (None, Some(snapshot)),
        };
        // No name in a file is written with escapes, so each is as it stands.
        let in_file = in_file.into_iter().flat_map(|(file, listing)| {
            listing.entries.iter().filter_map(|span| str::from_utf8(span.key(file)).ok())
        });
        in_file.chain(parsed.into_iter().flat_map(|all| all.meta.keys().map(String::as_str)))
    }

    /// Where `meta` lies in a file that can be recalled.
    pub(super) fn meta(&self) -> Option<Range<usize>> {
        self.in_file().ok().map(|(_, listing)| listing.meta.clone())
    }

    /// TUF 5.5.5: no role that this snapshot lists falls back in the next one or vanishes from it. Both are in
    /// order of the names, so each is walked once.
    pub(super) fn check_no_rollback(&self, next: &Self) -> Result<(), Error> {
        let mut others = next.entries().peekable();
        for (name, old) in self.entries() {
            while others.next_if(|(other, _)| *other < name).is_some() {}
            let new = others.next_if(|(other, _)| *other == name).map(|(_, new)| new);
            if new.is_some_and(|new| new.is_same_text(old)) {
                continue;
            }
            let role = str::from_utf8(name).map_err(serde::de::Error::custom).map_err(damaged)?;
            let role = role.strip_suffix(".json").unwrap_or(role);
            let Some(new) = new else {
                return Err(Error::Vanished { file: names::file_name(role) });
            };
            let (old, new) = (old.version()?, new.version()?);
            if new < old {
                return Err(Error::rollback(role, old, new));
            }
        }
        Ok(())
    }

    /// The file and where its entries lie, or else the tree.
    fn in_file(&self) -> Result<(&[u8], &Listing), &Snapshot> {
        match &self.form {
            Form::Listed(snapshot) => Ok((snapshot.bytes(), snapshot)),
            Form::Recalled(recalled) => Ok((&recalled.file, &recalled.listing)),
            Form::Parsed(snapshot) => Err(snapshot),
        }
    }

    /// Each name with what is said of it, in order.
    fn entries(&self) -> Box<dyn Iterator<Item = (&[u8], Said<'_>)> + '_> {
        match self.in_file() {
            Ok((file, listing)) => Box::new(
                listing.entries.iter().map(|span| (span.key(file), Said::Text(span.value(file)))),
            ),
            Err(snapshot) => Box::new(
                snapshot.meta.iter().map(|(name, file)| (name.as_bytes(), Said::Read(file))),
            ),
        }
    }
}

/// What a snapshot says of a file.
#[derive(Clone, Copy)]
enum Said<'a> {
    Text(&'a [u8]),
    Read(&'a MetaFile),
}

impl Said<'_> {
    fn is_same_text(self, other: Self) -> bool {
        matches!((self, other), (Self::Text(one), Self::Text(other)) if one == other)
    }

    fn version(self) -> Result<Version, Error> {
        match self {
            Self::Read(file) => Ok(file.version),
            Self::Text(text) => match version_alone(text) {
                Some(version) => Ok(version),
                None => Ok(serde_json::from_slice::<MetaFile>(text).map_err(damaged)?.version),
            },
        }
    }
}

impl Listing {
    /// Reads the snapshot of which `signed` lies there in the file. `None` unless that is canonical, no name needs an
    /// escape, and [`Snapshot`] would read all of it.
    pub(super) fn read(file: &[u8], signed: Range<usize>) -> Option<Self> {
        let text = &file[signed.clone()];
        let start = signed.start;
        let mut entries = Vec::with_capacity(text.len() / 32);
        let mut is_read = true;
        let meta = entries_under(text, "meta", |key, value_end| {
            let span = Span::new(start + key.start..start + key.end, start + value_end);
            is_read &= span.is_some_and(|span| Said::Text(span.value(file)).version().is_ok());
            entries.extend(span);
        })?;
        // All the rest is short.
        let rest = [&text[..meta.start], b"{}", &text[meta.end..]].concat();
        let Snapshot { version, expires, .. } = serde_json::from_slice(&rest).ok()?;
        let meta = start + meta.start..start + meta.end;
        is_read.then_some(Self { version, expires, meta, entries })
    }

    /// Finds the entries of a file that was read before.
    fn find(file: &[u8], receipt: &Receipt) -> Option<Self> {
        let text = file.get(receipt.meta.clone())?;
        let mut at = receipt.meta.start + 1;
        let mut entries = Vec::with_capacity(text.len() / 32);
        for entry in CanonicalObject::checked_before(text)?.entries() {
            let value_end = at + entry.whole.len();
            entries.push(Span::new(at + 1..at + 1 + entry.raw_key.len(), value_end)?);
            // The comma.
            at = value_end + 1;
        }
        let Receipt { version, expires, meta, .. } = receipt.clone();
        Some(Self { version, expires, meta, entries })
    }

    fn find_file(&self, file: &[u8], name: &str) -> Result<Option<Cow<'_, MetaFile>>, Error> {
        let by_name = |span: &Span| span.key(file).cmp(name.as_bytes());
        let Ok(place) = self.entries.binary_search_by(by_name) else { return Ok(None) };
        let value = self.entries[place].value(file);
        serde_json::from_slice(value).map(|file| Some(Cow::Owned(file))).map_err(damaged)
    }
}

impl Signed<Listing> {
    /// Reads a snapshot, or gives the file back if it is not of the form that [`Listing::read`] reads.
    pub(super) fn read(file: Vec<u8>) -> Result<Self, Vec<u8>> {
        Self::read_compact(file, Listing::read)
    }
}

/// The version of an entry that states nothing else.
fn version_alone(entry: &[u8]) -> Option<Version> {
    let digits = entry.strip_prefix(b"{\"version\":")?.strip_suffix(b"}")?;
    if digits.first() == Some(&b'0') || digits.is_empty() || digits.len() > 19 {
        return None;
    }
    let mut number = 0_u64;
    for digit in digits {
        number = number * 10 + u64::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    Version::new(number)
}

fn damaged(error: serde_json::Error) -> Error {
    Error::Parse { file: names::file_name("snapshot"), why: ParseError::Json(error) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::num::NonZeroU64;

    use super::*;
    use crate::cjson::Object;
    use crate::{RoleKeys, SigningKey, assemble, sign};

    /// Whether a snapshot with these entries is searched in its file; what it lists is the same either way.
    fn check(meta: &str, is_listed: bool) {
        let signed = format!(
            r#"{{"_type":"snapshot","expires":"2030-01-01T00:00:00Z","meta":{{{meta}}},"spec_version":"1.0.34","version":7,"x":"\""}}"#
        );
        check_file(assemble(signed.as_bytes(), &[]), is_listed);
    }

    fn check_file(file: Vec<u8>, is_listed: bool) {
        let shown = file.escape_ascii().to_string();
        let parsed = Signed::<Snapshot>::parse(file.clone());
        let found = Signed::<Listing>::read(file.clone());
        assert_eq!(found.is_ok(), is_listed, "{shown}");
        let Ok(found) = found else { return };
        let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
        let keys = BTreeMap::from([(key.id().clone(), key.public().clone())]);
        let (keyids, threshold) = (vec![key.id().clone()], NonZeroU64::MIN);
        let role = RoleKeys { keyids, threshold, extra: Object::default() };
        let file = sign(found.canonical(), &[&key]).unwrap();
        let found = Signed::<Listing>::read(file.clone()).unwrap();
        let parsed_again = Signed::<Snapshot>::parse(file).unwrap();
        let found = TrustedSnapshot::listed(found.verify_for(&keys, &role).unwrap(), None);
        assert!(parsed.is_ok(), "{shown}");
        let parsed = parsed_again.verify(&keys, &role).unwrap();
        let parsed = TrustedSnapshot::parsed(parsed, None);
        assert_eq!(
            (found.version(), found.expires(), found.bytes(), found.canonical()),
            (parsed.version(), parsed.expires(), parsed.bytes(), parsed.canonical())
        );
        assert!(found.names().eq(parsed.names()), "{shown}");
        for role in found.names().filter_map(|name| name.strip_suffix(".json")) {
            assert_eq!(found.file(role).unwrap(), parsed.file(role).unwrap(), "{shown}");
        }
        assert_eq!(found.file("absent").unwrap(), None);
        found.check_no_rollback(&parsed).unwrap();
        parsed.check_no_rollback(&found).unwrap();
    }

    #[test]
    fn what_is_found_in_the_file_is_what_would_be_parsed() {
        check("", true);
        check(r#""a.json":{"version":1}"#, true);
        check(r#""a.json":{"version":18446744073709551615},"b":{"version":2}"#, true);
        check(r#""a.json":{"hashes":{"md5":"0"},"length":3,"version":1,"x":"\""}"#, true);
        check("\"\u{e9}\u{1f600}.json\":{\"version\":1}", true);
        // Names with escapes sort otherwise than they stand.
        check(r#""a\".json":{"version":1}"#, false);
        // No entries, or not in order.
        for meta in [
            r#""a.json":{"version":0}"#,
            r#""a.json":{"version":-1}"#,
            r#""a.json":{"version":01}"#,
            r#""a.json":{"version":18446744073709551616}"#,
            r#""a.json":{"length":1}"#,
            r#""a.json":{"length":null,"version":1}"#,
            r#""a.json":1"#,
            r#""b.json":{"version":1},"a.json":{"version":1}"#,
            r#""a.json":{"version":1},"a.json":{"version":1}"#,
            r#""a.json": {"version":1}"#,
        ] {
            check(meta, false);
        }
        for (from, to) in [
            ("\"_type\":\"snapshot\"", "\"_type\":\"targets\""),
            ("1.0.34", "2.0.0"),
            ("\"meta\":{}", "\"meta\":[]"),
            ("\"meta\":{},", ""),
            ("\"version\":7", "\"version\":0"),
            ("{\"signatures\":[]", "{ \"signatures\":[]"),
            ("[]", r#"[{"keyid":"a","sig":""},{"keyid":"a","sig":""}]"#),
        ] {
            let good = r#"{"signatures":[],"signed":{"_type":"snapshot","expires":"2030-01-01T00:00:00Z","meta":{},"spec_version":"1.0.34","version":7}}"#;
            assert!(good.contains(from));
            check_file(good.replacen(from, to, 1).into_bytes(), false);
        }
    }

    #[test]
    fn only_a_plain_version_is_read_without_a_parser() {
        let of = |text: &str| version_alone(format!("{{\"version\":{text}}}").as_bytes());
        assert_eq!(of("1"), Version::new(1));
        assert_eq!(of("9999999999999999999"), Version::new(9_999_999_999_999_999_999));
        for entry in ["", "0", "01", "-1", "1 ", "99999999999999999999", "1,\"x\":2"] {
            assert_eq!(of(entry), None, "{entry}");
        }
    }
}
