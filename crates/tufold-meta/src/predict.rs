//! What a reader can guess of the next document from those it holds: the kinds of predictions, and
//! a snapshot filled in from rebuilt files. `PROTOCOL.md` specifies each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::cjson::{self, CanonicalObject, ObjectCopy, unescape};
use crate::{BundleError, Digest, Version};

mod grouped;

/// How the document was made that a delta starts from. The number stands in the delta's header.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Prediction {
    /// 0: the canonical `signed` of the old document, or nothing.
    Old,
    /// 1: a canonical snapshot in which the entries of rebuilt roles were filled in.
    FilledIn,
    /// 2: the targets roles that a bundle changes, flattened.
    Touched,
    /// 3: those and every bin of the old repository, flattened.
    AllBins,
    /// 4: the canonical `signed` of the old snapshot, with what it lists in groups by the lengths of names; the delta ends in
    /// such a form, too.
    Grouped,
}

impl Prediction {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Old, Self::FilledIn, Self::Touched, Self::AllBins, Self::Grouped];

    /// The byte in the header.
    pub const fn number(self) -> u8 {
        match self {
            Self::Old => 0,
            Self::FilledIn => 1,
            Self::Touched => 2,
            Self::AllBins => 3,
            Self::Grouped => 4,
        }
    }

    /// The kind with this number. 16 to 31 are kept for bins that split and merge.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

const NO_SNAPSHOT: &str = "the snapshot is none, or not canonical";

/// One entry of a snapshot's `meta`.
#[derive(Clone, Debug)]
pub(crate) struct Listed<'a> {
    /// `<role>.json` between its quotes.
    pub(crate) raw_key: &'a [u8],
    /// The role; `None` if the name does not end in `.json`.
    pub(crate) role: Option<Cow<'a, str>>,
    pub(crate) version: u64,
    pub(crate) file: CanonicalObject<'a>,
}

pub(crate) fn canonical(snapshot: &[u8]) -> Result<CanonicalObject<'_>, BundleError> {
    CanonicalObject::parse(snapshot).ok_or(BundleError::Damaged(NO_SNAPSHOT))
}

/// What a canonical snapshot lists, in order.
pub(crate) fn listed(signed: CanonicalObject<'_>) -> Result<Vec<Listed<'_>>, BundleError> {
    let meta = signed.object("meta").ok_or(BundleError::Damaged(NO_SNAPSHOT))?;
    let entry = |entry| {
        let file = CanonicalObject::of(entry)?;
        let version = file.number("version")?;
        let role = match unescape(entry.raw_key) {
            Cow::Borrowed(name) => role_of(name).map(Cow::Borrowed),
            Cow::Owned(name) => role_of(&name).map(|role| Cow::Owned(role.to_owned())),
        };
        Some(Listed { raw_key: entry.raw_key, role, version, file })
    };
    meta.entries().map(entry).collect::<Option<_>>().ok_or(BundleError::Damaged(NO_SNAPSHOT))
}

fn role_of(name: &[u8]) -> Option<&str> {
    name.strip_suffix(b".json").and_then(|role| str::from_utf8(role).ok())
}

/// How often what a snapshot lists changed until then: what tells a reader how much to expect of the
/// next step.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// How many files are listed.
    pub files: u64,
    /// The sum of their versions.
    pub versions: u64,
    /// Whether any entry lists hashes, which change with each version.
    pub has_hashes: bool,
    /// How many names do not follow from the one before, as the numbers of bins do.
    pub names: u64,
}

impl Tally {
    /// Counts what a canonical snapshot lists; `None` if it is no snapshot. The bytes are what
    /// [`canonical_parts`](crate::canonical_parts) gave.
    pub fn of(snapshot: &[u8]) -> Option<Self> {
        let mut tally = Self::default();
        let mut before: &[u8] = b"";
        for entry in CanonicalObject::checked_before(snapshot)?.object("meta")?.entries() {
            let file = CanonicalObject::of(entry)?;
            let name = entry.raw_key.strip_suffix(b".json").unwrap_or(entry.raw_key);
            tally.names += u64::from(!is_next_number(before, name));
            before = name;
            tally.files += 1;
            tally.versions = tally.versions.saturating_add(file.number("version")?);
            tally.has_hashes |= file.get("hashes").is_some();
        }
        Some(tally)
    }
}

/// Whether a name is the one before with its hex number one up.
fn is_next_number(before: &[u8], name: &[u8]) -> bool {
    let carried = before.iter().rev().take_while(|digit| **digit == b'f').count();
    let Some(((digit, stem), (next, next_stem))) = before
        .len()
        .checked_sub(carried)
        .filter(|_| before.len() == name.len())
        .and_then(|end| before[..end].split_last().zip(name[..end].split_last()))
    else {
        return false;
    };
    let is_up = match digit {
        b'9' => *next == b'a',
        b'0'..=b'8' | b'a'..=b'e' => *next == digit + 1,
        _ => false,
    };
    is_up && stem == next_stem && name[name.len() - carried..].iter().all(|zero| *zero == b'0')
}

/// The roles that a canonical snapshot lists, with their versions; `None` if it is no snapshot. The
/// bytes are what [`canonical_parts`](crate::canonical_parts) gave.
pub fn listed_versions(snapshot: &[u8]) -> Option<BTreeMap<String, Version>> {
    let entries = listed(CanonicalObject::checked_before(snapshot)?).ok()?;
    let role = |entry: Listed<'_>| Some((entry.role?.into_owned(), Version::new(entry.version)?));
    Some(entries.into_iter().filter_map(role).collect())
}

/// The version of a canonical `signed`, as [`canonical_parts`](crate::canonical_parts) gave it;
/// `None` if it has none.
pub fn version_of(signed: &[u8]) -> Option<Version> {
    Version::new(CanonicalObject::checked_before(signed)?.number("version")?)
}

/// The first targets that a canonical targets role lists, so many at most. The bytes are what
/// [`canonical_parts`](crate::canonical_parts) gave.
pub fn first_targets(signed: &[u8], count: usize) -> Vec<String> {
    let document = CanonicalObject::checked_before(signed);
    let Some(targets) = document.and_then(|document| document.object("targets")) else {
        return Vec::new();
    };
    let path = |entry: cjson::Entry<'_>| String::from_utf8(unescape(entry.raw_key).into()).ok();
    targets.entries().take(count).filter_map(path).collect()
}

/// A snapshot in which the roles that `rebuilt` knows have the version of their new file and, where
/// the entry lists them, its length and SHA-256. Everything else stays as it is.
pub fn fill_in<'f>(
    snapshot: &[u8],
    rebuilt: impl Fn(&str) -> Option<(Version, &'f [u8])>,
) -> Result<Vec<u8>, BundleError> {
    rewrite(snapshot, |entry| {
        let (version, file) = rebuilt(entry.role.as_deref()?)?;
        let length = file.len() as u64;
        Some(Fill { version: version.get(), length, sha256: Sha256::Of(file) })
    })
}

/// What a snapshot says of a file that is no longer at hand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) version: Version,
    pub(crate) length: u64,
    /// Where the snapshot lists hashes.
    pub(crate) sha256: Option<Digest>,
}

/// As [`fill_in`], from what is known of the files.
pub(crate) fn fill_in_written<'w>(
    snapshot: &[u8],
    written: impl Fn(&str) -> Option<&'w Written>,
) -> Result<Vec<u8>, BundleError> {
    rewrite(snapshot, |entry| {
        let &Written { version, length, sha256 } = written(entry.role.as_deref()?)?;
        let sha256 = sha256.map_or(Sha256::Text(""), Sha256::Is);
        Some(Fill { version: version.get(), length, sha256 })
    })
}

/// The new snapshot before its changed roles are filled in: their length and SHA-256 are those of
/// the old snapshot, or else 0 and nothing. [`fill_in`] undoes it. A role that is not `brought` stays.
pub(crate) fn outline(
    old: &[u8],
    new: &[u8],
    brought: impl Fn(&str) -> bool,
) -> Result<Vec<u8>, BundleError> {
    let old = listed(canonical(old)?)?;
    let mut rest = old.iter().peekable();
    rewrite(new, |entry| {
        // Both are in the same order.
        let is_before = |old: &&Listed<'_>| {
            old.raw_key != entry.raw_key && unescape(old.raw_key) < unescape(entry.raw_key)
        };
        while rest.next_if(is_before).is_some() {}
        let old = rest.next_if(|old| old.raw_key == entry.raw_key);
        let is_same = old.is_some_and(|old| old.version == entry.version);
        if is_same || !entry.role.as_deref().is_some_and(&brought) {
            return None;
        }
        let old = old.map(|old| old.file);
        let length = old.and_then(|file| file.number("length")).unwrap_or(0);
        let hashes = old.and_then(|file| file.object("hashes"));
        let sha256 = hashes.and_then(|hashes| text(hashes, "sha256")).unwrap_or_default();
        Some(Fill { version: entry.version, length, sha256: Sha256::Text(sha256) })
    })
}

/// What takes the place of what an entry says.
struct Fill<'a> {
    version: u64,
    length: u64,
    sha256: Sha256<'a>,
}

enum Sha256<'a> {
    /// That of this file, which only an entry with hashes needs.
    Of(&'a [u8]),
    /// It is known.
    Is(Digest),
    /// What stands between the quotes.
    Text(&'a str),
}

fn rewrite<'f>(
    snapshot: &[u8],
    mut fill: impl FnMut(&Listed<'_>) -> Option<Fill<'f>>,
) -> Result<Vec<u8>, BundleError> {
    let signed = canonical(snapshot)?;
    let entries = listed(signed)?;
    let mut out = Vec::with_capacity(snapshot.len() + 1_024);
    let mut object = ObjectCopy::new(&mut out);
    for field in signed.entries() {
        if field.raw_key != b"meta" {
            object.entry(field.whole);
            continue;
        }
        let mut meta = ObjectCopy::new(object.key(b"meta"));
        for entry in &entries {
            let value = meta.key(entry.raw_key);
            match fill(entry) {
                Some(fill) => write_filled(entry.file, &fill, value),
                None => value.extend_from_slice(entry.file.bytes()),
            }
        }
        meta.end();
    }
    object.end();
    Ok(out)
}

fn write_filled(file: CanonicalObject<'_>, fill: &Fill<'_>, out: &mut Vec<u8>) {
    let mut object = ObjectCopy::new(out);
    for field in file.entries() {
        match field.raw_key {
            b"hashes" if field.value.starts_with(b"{") => {
                let Some(old) = CanonicalObject::of(field) else { continue };
                let mut hashes = ObjectCopy::new(object.key(b"hashes"));
                for hash in old.entries() {
                    if hash.raw_key == b"sha256" {
                        let value = hashes.key(b"sha256");
                        value.push(b'"');
                        match fill.sha256 {
                            Sha256::Of(file) => value.extend_from_slice(&Digest::of(file).to_hex()),
                            Sha256::Is(digest) => value.extend_from_slice(&digest.to_hex()),
                            Sha256::Text(text) => value.extend_from_slice(text.as_bytes()),
                        }
                        value.push(b'"');
                    } else {
                        hashes.entry(hash.whole);
                    }
                }
                hashes.end();
            }
            b"length" => cjson::write_number(fill.length, object.key(b"length")),
            b"version" => cjson::write_number(fill.version, object.key(b"version")),
            _ => object.entry(field.whole),
        }
    }
    object.end();
}

/// The string under `key`, between its quotes.
fn text<'a>(object: CanonicalObject<'a>, key: &str) -> Option<&'a str> {
    let text = std::str::from_utf8(object.get(key)?.value).ok()?;
    text.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(meta: &str) -> Vec<u8> {
        format!(r#"{{"_type":"snapshot","meta":{{{meta}}},"version":7,"x":1}}"#).into_bytes()
    }

    fn check_outline(old: &str, new: &str, expected: &str) {
        let found = outline(&snapshot(old), &snapshot(new), |role| role != "stale").unwrap();
        assert_eq!(String::from_utf8(found), String::from_utf8(snapshot(expected)));
    }

    #[test]
    fn an_outline_has_the_new_versions_and_the_old_hashes() {
        let entry = |role: &str, sha256: &str, length: u64, version: u64| {
            format!(
                r#""{role}.json":{{"hashes":{{"sha256":"{sha256}"}},"length":{length},"version":{version}}}"#
            )
        };
        check_outline(
            r#""a.json":{"version":1}"#,
            r#""a.json":{"version":2}"#,
            r#""a.json":{"version":2}"#,
        );
        check_outline(&entry("a", "00", 5, 1), &entry("a", "11", 6, 2), &entry("a", "00", 5, 2));
        check_outline(&entry("b", "00", 5, 1), &entry("a", "11", 6, 2), &entry("a", "", 0, 2));
        check_outline("", &entry("stale", "11", 6, 2), &entry("stale", "11", 6, 2));
        // Nothing stands for a role here, or nothing changed.
        check_outline("", r#""a":{"length":3,"version":2}"#, r#""a":{"length":3,"version":2}"#);
        check_outline(&entry("a", "00", 5, 1), &entry("a", "11", 6, 1), &entry("a", "11", 6, 1));
    }

    #[test]
    fn fills_in_what_the_entry_lists() {
        let meta = r#""a.json":{"hashes":{"md5":"1","sha256":""},"length":0,"version":1,"x":2},"b.json":{"version":1},"c.json":{"version":1}"#;
        let rebuilt =
            |role: &str| (role != "c").then(|| (Version::FIRST.next(), b"abc".as_slice()));
        let sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!(
            r#""a.json":{{"hashes":{{"md5":"1","sha256":"{sha256}"}},"length":3,"version":2,"x":2}},"b.json":{{"version":2}},"c.json":{{"version":1}}"#
        );
        let found = fill_in(&snapshot(meta), rebuilt).unwrap();
        assert_eq!(String::from_utf8(found), String::from_utf8(snapshot(&expected)));
    }

    #[test]
    fn refuses_what_is_no_canonical_snapshot() {
        for bytes in
            ["", "{}", "[]", r#"{"meta":[]}"#, r#"{"meta":{"a.json":{}}}"#, r#"{"meta":{} }"#]
        {
            assert!(fill_in(bytes.as_bytes(), |_| None).is_err(), "{bytes}");
        }
        assert_eq!(fill_in(br#"{"meta":{}}"#, |_| None).unwrap(), br#"{"meta":{}}"#);
    }

    #[test]
    fn counts_what_is_listed() {
        let meta = r#""a.json":{"version":7},"b.json":{"hashes":{},"version":3}"#;
        let tally = Tally { files: 2, versions: 10, has_hashes: true, names: 1 };
        assert_eq!(Tally::of(&snapshot(meta)), Some(tally));
        assert_eq!(Tally::of(&snapshot("")), Some(Tally::default()));
        for bytes in ["", "{}", r#"{"meta":{"a.json":{}}}"#, r#"{"meta":{"a.json":1}}"#] {
            assert_eq!(Tally::of(bytes.as_bytes()), None, "{bytes}");
        }
        for (names, expected) in [
            (&["bins-08", "bins-09", "bins-0a", "bins-0f", "bins-10", "targets"][..], 3),
            (&["bins-7", "bins-8", "bins-9", "bins-a"], 1),
            (&["a", "b", "f", "ff", "g0"], 4),
        ] {
            let entries = names.iter().map(|name| format!(r#""{name}.json":{{"version":1}}"#));
            let meta = entries.collect::<Vec<_>>().join(",");
            assert_eq!(Tally::of(&snapshot(&meta)).unwrap().names, expected, "{names:?}");
        }
        let versions = listed_versions(&snapshot(meta)).unwrap();
        assert_eq!(
            versions.into_iter().map(|(role, v)| (role, v.get())).collect::<Vec<_>>(),
            [("a".to_owned(), 7), ("b".to_owned(), 3)]
        );
        assert_eq!(listed_versions(b"{}"), None);
        assert_eq!(version_of(&snapshot(meta)), Version::new(7));
        assert_eq!(version_of(b"{}"), None);
        assert_eq!(version_of(br#"{"version":0}"#), None);
        let role = br#"{"targets":{"a\"b":{"length":1},"c":{"length":2},"d":{"length":3}}}"#;
        assert_eq!(first_targets(role, 2), ["a\"b", "c"]);
        assert!(first_targets(b"{}", 2).is_empty() && first_targets(b"", 2).is_empty());
    }

    #[test]
    fn kinds_have_their_numbers() {
        for (number, kind) in (0..).zip(Prediction::ALL) {
            assert_eq!(kind.number(), number);
            assert_eq!(Prediction::from_number(number), Some(kind));
        }
        assert_eq!(Prediction::from_number(5), None);
    }
}
