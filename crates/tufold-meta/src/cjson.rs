//! Canonical JSON (the OLPC form that TUF signs), and nothing else.
//!
//! Keys in code-point order, no white space, only `"` and `\` escaped, integers only, and no
//! Unicode normalisation. A control character stands raw in the canonical form, which is therefore
//! not always JSON; [`file_text`] makes JSON of it again.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::{Map, Value};

mod slices;

pub(crate) use slices::{CanonicalObject, CanonicalText, Entries, Entry, ObjectCopy, merge};

/// Why a text has no canonical form.
#[derive(Debug, thiserror::Error)]
pub enum CanonicalError {
    /// The text is not JSON. Nesting deeper than 127 levels counts as such.
    #[error("not JSON: {0}")]
    Syntax(#[from] serde_json::Error),
    /// Canonical JSON has integers only; tufold holds those from -2^63 to 2^64 - 1.
    #[error("canonical JSON cannot hold the number {0}")]
    Number(serde_json::Number),
}

/// How deep arrays and objects may nest: what serde_json reads.
const MAX_DEPTH: u32 = 127;

/// The canonical form of a JSON text. A text that is canonical already is checked in one scan,
/// without a tree, and lent back. Of two equal keys in one object the last counts, as in Python.
pub fn canonicalize(json: &[u8]) -> Result<Cow<'_, [u8]>, CanonicalError> {
    if is_canonical(json) {
        return Ok(Cow::Borrowed(json));
    }
    let value: Value = serde_json::from_slice(json)?;
    let mut out = Vec::with_capacity(json.len());
    write_value(&value, &mut out)?;
    Ok(Cow::Owned(out))
}

/// Whether `json` is JSON and in canonical form.
pub fn is_canonical(json: &[u8]) -> bool {
    is_canonical_from(b' ', json)
}

/// Whether `bytes` are in canonical form, which with a raw control character is no JSON.
fn is_canonical_from(lowest: u8, bytes: &[u8]) -> bool {
    let mut scanner = Scanner { bytes, at: 0, lowest };
    std::str::from_utf8(bytes).is_ok()
        && scanner.value(MAX_DEPTH).is_some()
        && scanner.at == bytes.len()
}

/// Checks as [`is_canonical`] does that `json` is an object, and tells on the way where the entries of the object
/// under `key` lie: where each key begins and ends between its quotes, and where its value ends. Gives where that
/// object lies. `None` if the text is not canonical, has no such object, or has an escape in one of its keys.
pub(crate) fn entries_under(
    json: &[u8],
    key: &str,
    mut entry: impl FnMut(Range<usize>, usize),
) -> Option<Range<usize>> {
    std::str::from_utf8(json).ok()?;
    let mut scanner = Scanner { bytes: json, at: 0, lowest: b' ' };
    let mut found = None;
    scanner.object(|scanner, name| {
        if name.raw != key.as_bytes() || scanner.peek() != Some(b'{') {
            return scanner.value(MAX_DEPTH - 1);
        }
        let start = scanner.at;
        scanner.object(|scanner, name| {
            // The closing quote and the colon are behind it.
            let key_end = scanner.at - 2;
            scanner.value(MAX_DEPTH - 2)?;
            entry(key_end - name.raw.len()..key_end, scanner.at);
            (!name.is_escaped).then_some(())
        })?;
        found = Some(start..scanner.at);
        Some(())
    })?;
    found.filter(|_| scanner.at == json.len())
}

/// Appends the canonical form of `value` to `out`.
pub fn write_value(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) if number.is_f64() => {
            return Err(CanonicalError::Number(number.clone()));
        }
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => write_string(text, out),
        Value::Array(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(map) => {
            // The map is sorted already unless some crate of the build turns on serde_json's
            // `preserve_order`; the bytes may not depend on that.
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(key, out);
                out.push(b':');
                write_value(item, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

/// Appends the canonical form of one string to `out`.
pub fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    for at in memchr::memchr2_iter(b'"', b'\\', bytes) {
        out.extend_from_slice(&bytes[done..at]);
        out.push(b'\\');
        done = at;
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// Canonical bytes as JSON: the raw control characters, which canonical JSON leaves in strings,
/// become `\u00xx`. Without any, which is the usual case, the text is the canonical bytes.
pub fn file_text(canonical: &[u8]) -> Cow<'_, [u8]> {
    // By pieces, each in a loop without an early way out, which goes by whole vectors.
    let has_control = |piece: &[u8]| piece.iter().fold(false, |has, &byte| has | (byte < 0x20));
    if !canonical.chunks(1 << 10).any(has_control) {
        return Cow::Borrowed(canonical);
    }
    let mut out = Vec::with_capacity(canonical.len() + 64);
    for &byte in canonical {
        if byte < 0x20 {
            out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
        } else {
            out.push(byte);
        }
    }
    Cow::Owned(out)
}

/// A JSON object that has a canonical form. Fields that tufold does not know, and `custom`, are
/// kept in one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Object(Map<String, Value>);

impl Object {
    /// Checks that every number in `map` is an integer.
    pub fn new(map: Map<String, Value>) -> Result<Self, CanonicalError> {
        fn check(value: &Value) -> Result<(), CanonicalError> {
            match value {
                Value::Number(number) if number.is_f64() => {
                    Err(CanonicalError::Number(number.clone()))
                }
                Value::Array(items) => items.iter().try_for_each(check),
                Value::Object(map) => map.values().try_for_each(check),
                _ => Ok(()),
            }
        }
        map.values().try_for_each(check)?;
        Ok(Self(map))
    }

    /// The map inside.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The string under `key`, if there is one.
    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// Sets the string under `key`.
    pub fn insert(&mut self, key: &str, text: &str) {
        self.0.insert(key.to_owned(), text.into());
    }

    /// Removes what stands under `key`.
    pub fn remove(&mut self, key: &str) {
        self.0.remove(key);
    }

    /// Appends the canonical form to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        ObjectWriter::new(out, Some(self)).end();
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Map::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl serde::Serialize for Object {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Writes one canonical object field by field. The caller names the known fields in code-point
/// order; the unknown ones are merged in where they belong.
pub(crate) struct ObjectWriter<'o, 'e> {
    out: &'o mut Vec<u8>,
    extra: std::iter::Peekable<std::vec::IntoIter<(&'e String, &'e Value)>>,
    first: bool,
}

impl<'o, 'e> ObjectWriter<'o, 'e> {
    pub(crate) fn new(out: &'o mut Vec<u8>, extra: Option<&'e Object>) -> Self {
        let mut entries: Vec<_> = extra.into_iter().flat_map(|object| &object.0).collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        out.push(b'{');
        Self { out, extra: entries.into_iter().peekable(), first: true }
    }

    /// Writes the key; what the caller appends to the returned buffer is the value.
    pub(crate) fn key(&mut self, key: &str) -> &mut Vec<u8> {
        self.unknown_fields(|name| name < key);
        // A known field wins over an unknown one of the same name.
        self.extra.next_if(|(name, _)| name.as_str() == key);
        self.comma();
        write_string(key, self.out);
        self.out.push(b':');
        self.out
    }

    pub(crate) fn string(&mut self, key: &str, value: &str) {
        write_string(value, self.key(key));
    }

    pub(crate) fn number(&mut self, key: &str, value: u64) {
        write_number(value, self.key(key));
    }

    pub(crate) fn bool(&mut self, key: &str, value: bool) {
        self.key(key).extend_from_slice(if value { b"true" } else { b"false" });
    }

    pub(crate) fn strings(&mut self, key: &str, values: impl IntoIterator<Item = impl AsRef<str>>) {
        let out = self.key(key);
        out.push(b'[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_string(value.as_ref(), out);
        }
        out.push(b']');
    }

    pub(crate) fn end(mut self) {
        self.unknown_fields(|_| true);
        self.out.push(b'}');
    }

    fn unknown_fields(&mut self, take: impl Fn(&str) -> bool) {
        while let Some((name, value)) = self.extra.next_if(|(name, _)| take(name)) {
            self.comma();
            write_string(name, self.out);
            self.out.push(b':');
            write_value(value, self.out).expect("an Object holds integers only");
        }
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }
}

/// Appends a whole number in decimal.
pub(crate) fn write_number(mut value: u64, out: &mut Vec<u8>) {
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Walks a text as long as it is canonical JSON.
struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The lowest byte that may stand in a string.
    lowest: u8,
}

/// A string as it stands between its quotes.
#[derive(Clone, Copy)]
struct RawString<'a> {
    raw: &'a [u8],
    is_escaped: bool,
}

impl RawString<'_> {
    /// Whether it sorts before another once their escapes are undone.
    fn is_before(self, other: Self) -> bool {
        if self.is_escaped || other.is_escaped {
            return unescape(self.raw) < unescape(other.raw);
        }
        self.raw < other.raw
    }
}

impl<'a> Scanner<'a> {
    fn value(&mut self, depth: u32) -> Option<()> {
        match self.peek()? {
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.object(|scanner, _| scanner.value(depth))
            }
            b'[' => self.array(depth.checked_sub(1)?),
            b'"' => self.string().map(drop),
            b't' => self.literal(b"true"),
            b'f' => self.literal(b"false"),
            b'n' => self.literal(b"null"),
            _ => self.number(),
        }
    }

    /// An object; `value` walks each value, behind its key.
    fn object(
        &mut self,
        mut value: impl FnMut(&mut Self, RawString<'a>) -> Option<()>,
    ) -> Option<()> {
        if !self.eat(b'{') {
            return None;
        }
        if self.eat(b'}') {
            return Some(());
        }
        let mut last: Option<RawString<'a>> = None;
        loop {
            let key = self.string()?;
            if last.is_some_and(|last| !last.is_before(key)) || !self.eat(b':') {
                return None;
            }
            last = Some(key);
            value(self, key)?;
            if !self.eat(b',') {
                return self.eat(b'}').then_some(());
            }
        }
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        self.at += 1;
        if self.eat(b']') {
            return Some(());
        }
        loop {
            self.value(depth)?;
            if !self.eat(b',') {
                return self.eat(b']').then_some(());
            }
        }
    }

    fn string(&mut self) -> Option<RawString<'a>> {
        if !self.eat(b'"') {
            return None;
        }
        let (start, mut is_escaped) = (self.at, false);
        loop {
            // Paths and digests are long: 16 bytes at a time.
            while let Some(chunk) = self.bytes[self.at..].first_chunk() {
                match first_special(*chunk, self.lowest) {
                    16 => self.at += 16,
                    found => {
                        self.at += found;
                        break;
                    }
                }
            }
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(RawString { raw: &self.bytes[start..self.at - 1], is_escaped });
                }
                b'\\' if matches!(self.bytes.get(self.at + 1), Some(b'"' | b'\\')) => {
                    is_escaped = true;
                    self.at += 2;
                }
                b'\\' => return None,
                byte if byte < self.lowest => return None,
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        let negative = self.eat(b'-');
        let (start, mut magnitude) = (self.at, 0_u64);
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            magnitude = magnitude.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            self.at += 1;
        }
        let digits = &self.bytes[start..self.at];
        if digits.first()? == &b'0' && (digits.len() > 1 || negative) {
            return None;
        }
        (!negative || magnitude <= 1 << 63).then_some(())
    }

    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(text).then(|| self.at += text.len())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
}

/// Where the first quote, backslash or byte below `lowest` is; 16 if there is none. `lowest` is at most 128.
pub(super) fn first_special(chunk: [u8; 16], lowest: u8) -> usize {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    // The lowest bit that is set belongs to the first byte of `word` that is less than `limit`.
    let below =
        |word: u128, limit: u8| word.wrapping_sub(ONES * u128::from(limit)) & !word & (ONES << 7);
    let word = u128::from_le_bytes(chunk);
    let quote = below(word ^ (ONES * u128::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u128::from(b'\\')), 1);
    (quote | backslash | below(word, lowest)).trailing_zeros() as usize / 8
}

/// A raw string of canonical JSON without its escapes.
pub(crate) fn unescape(raw: &[u8]) -> Cow<'_, [u8]> {
    if !raw.contains(&b'\\') {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        out.push(if byte == b'\\' { *bytes.next().unwrap_or(&byte) } else { byte });
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sorts_keys_by_code_point_and_escapes_two_characters() {
        let rows: &[(&str, &[u8])] = &[
            (r#" { "b" : 1 , "a" : [ true , null ] } "#, br#"{"a":[true,null],"b":1}"#),
            // U+FF5E sorts before U+1F600 by code point, after it by UTF-16 unit.
            (r#"{"\ud83d\ude00":1,"\uff5e":2}"#, "{\"\u{ff5e}\":2,\"\u{1f600}\":1}".as_bytes()),
            (r#""\/\u0041\t\"\\""#, b"\"/A\t\\\"\\\\\""),
            ("\"e\u{301}\"", "\"e\u{301}\"".as_bytes()),
            (
                "[18446744073709551615,-9223372036854775808]",
                b"[18446744073709551615,-9223372036854775808]",
            ),
            (r#"{"a":1,"a":2}"#, br#"{"a":2}"#),
            (r#"{"\"":1,"!":2}"#, br#"{"!":2,"\"":1}"#),
        ];
        for (json, expected) in rows {
            let found = canonicalize(json.as_bytes()).unwrap();
            assert_eq!(found.escape_ascii().to_string(), expected.escape_ascii().to_string());
        }
    }

    #[test]
    fn has_no_form_for_other_numbers() {
        for json in ["1.0", "1e3", "-0", "18446744073709551616", "[-9223372036854775809]", "0.5"] {
            let error = canonicalize(json.as_bytes()).unwrap_err();
            assert!(matches!(error, CanonicalError::Number(_)), "{json}: {error}");
        }
        for json in ["", "{", "01", "\"\u{1}\"", "nul", "\"\\ud800\"", "[1,]", "{} {}"] {
            let error = canonicalize(json.as_bytes()).unwrap_err();
            assert!(matches!(error, CanonicalError::Syntax(_)), "{json}: {error}");
        }
        assert!(canonicalize(b"\"\xff\"").is_err());
        assert!(canonicalize("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn lends_a_canonical_text_back() {
        for json in [r#"{"!":2,"\"":1,"a\\":[],"b":{}}"#, "0", "-1", r#""é""#, "[true,false,null]"]
        {
            assert!(matches!(canonicalize(json.as_bytes()), Ok(Cow::Borrowed(_))), "{json}");
        }
        for json in [r#"{"a":1,"a":1}"#, "[1, 2]", r#""\u00e9""#, r#""\/""#] {
            assert!(matches!(canonicalize(json.as_bytes()), Ok(Cow::Owned(_))), "{json}");
        }
    }

    #[test]
    fn nests_as_deep_as_serde_json_reads() {
        for (levels, fits) in [(127, true), (128, false)] {
            let json = "[".repeat(levels) + &"]".repeat(levels);
            assert_eq!(serde_json::from_str::<Value>(&json).is_ok(), fits);
            assert_eq!(is_canonical(json.as_bytes()), fits);
            assert_eq!(canonicalize(json.as_bytes()).is_ok(), fits);
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..6)
                    .prop_map(|map| Value::from(map.into_iter().collect::<Map<_, _>>())),
            ]
        })
    }

    proptest! {
        #[test]
        fn file_text_is_json_of_the_same_value(value in any_value()) {
            let mut canonical = Vec::new();
            write_value(&value, &mut canonical).unwrap();
            let text = file_text(&canonical);
            prop_assert_eq!(serde_json::from_slice::<Value>(&text).unwrap(), value);
            prop_assert_eq!(&*canonicalize(&text).unwrap(), &*canonical);
            prop_assert_eq!(is_canonical(&text), *text == *canonical);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(canonical) = canonicalize(&bytes) {
                let text = file_text(&canonical).into_owned();
                prop_assert_eq!(&*canonicalize(&text).unwrap(), &*canonical);
            }
        }

        #[test]
        fn numbers_print_as_rust_prints_them(value in any::<u64>()) {
            let mut out = Vec::new();
            write_number(value, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), value.to_string());
        }
    }
}
