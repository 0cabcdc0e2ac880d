//! Canonical objects cut into their entries and put together again, without a tree.

use std::borrow::Cow;

use super::{canonicalize, file_text, first_special, is_canonical, is_canonical_from, unescape};

/// The canonical form of a whole file that can be told from it.
#[derive(Clone, Debug)]
pub(crate) struct CanonicalText<'a>(Cow<'a, [u8]>);

impl<'a> CanonicalText<'a> {
    /// `None` unless [`file_text`] of the file's canonical form is the file.
    pub(crate) fn of_file(file: Cow<'a, [u8]>) -> Option<Self> {
        if is_canonical(&file) {
            return Some(Self(file));
        }
        let canonical = canonicalize(&file).ok()?.into_owned();
        (*file_text(&canonical) == *file).then_some(Self(Cow::Owned(canonical)))
    }

    /// Of a file that was found to be canonical before.
    pub(crate) fn checked_before(file: Cow<'a, [u8]>) -> Self {
        Self(file)
    }

    /// The object that it is.
    pub(crate) fn object(&self) -> Option<CanonicalObject<'_>> {
        (self.0.first() == Some(&b'{')).then_some(CanonicalObject(&self.0))
    }
}

/// A checked canonical object, which may hold raw control characters in its strings.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanonicalObject<'a>(&'a [u8]);

/// One entry of an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// The key as it stands between its quotes.
    pub(crate) raw_key: &'a [u8],
    /// The value.
    pub(crate) value: &'a [u8],
    /// All of the entry, without a comma.
    pub(crate) whole: &'a [u8],
}

impl<'a> Entry<'a> {
    /// An entry to be written: the value is not looked at any more.
    pub(crate) fn new(raw_key: &'a [u8], whole: &'a [u8]) -> Self {
        Self { raw_key, value: &[], whole }
    }
}

impl<'a> CanonicalObject<'a> {
    /// `None` if the bytes are anything else.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        (bytes.first() == Some(&b'{') && is_canonical_from(0, bytes)).then_some(Self(bytes))
    }

    /// As [`CanonicalObject::parse`] for bytes that were checked before.
    pub(crate) fn checked_before(bytes: &'a [u8]) -> Option<Self> {
        (bytes.first() == Some(&b'{')).then_some(Self(bytes))
    }

    /// The object that an entry's value is.
    pub(crate) fn of(entry: Entry<'a>) -> Option<Self> {
        (entry.value.first() == Some(&b'{')).then_some(Self(entry.value))
    }

    /// The object under `key`.
    pub(crate) fn object(self, key: &str) -> Option<Self> {
        self.get(key).and_then(Self::of)
    }

    /// The whole number under `key`.
    pub(crate) fn number(self, key: &str) -> Option<u64> {
        std::str::from_utf8(self.get(key)?.value).ok()?.parse().ok()
    }

    /// The entry of `key`, which needs no escapes.
    pub(crate) fn get(self, key: &str) -> Option<Entry<'a>> {
        self.entries().find(|entry| entry.raw_key == key.as_bytes())
    }

    /// The entries in order.
    pub(crate) fn entries(self) -> Entries<'a> {
        Entries { rest: &self.0[1..] }
    }

    /// The object's bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }
}

/// Steps through the entries of a checked object.
#[derive(Clone, Debug)]
pub(crate) struct Entries<'a> {
    /// From the next key's quote, or from the closing bracket.
    rest: &'a [u8],
}

impl<'a> Entries<'a> {
    /// The key of the next entry, and the text from its value on.
    pub(crate) fn peek(&self) -> Option<(&'a [u8], &'a [u8])> {
        let key_end = string_end(self.rest)?;
        Some((&self.rest[1..key_end - 1], &self.rest[key_end + 1..]))
    }

    /// The text from the next entry on, or from the bracket that closes the object.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The entries of the object that a peeked value begins with; `None` if it is no object.
    pub(crate) fn inside(value: &'a [u8]) -> Option<Self> {
        Some(Self { rest: value.strip_prefix(b"{")? })
    }

    /// The next entry if it is this one of another object, byte for byte.
    pub(crate) fn next_if_same(&mut self, other: &Entry<'_>) -> Option<Entry<'a>> {
        let (whole, after) = self.rest.split_at_checked(other.whole.len())?;
        let end = *after.first()?;
        if !matches!(end, b',' | b'}') || whole != other.whole {
            return None;
        }
        self.rest = &after[usize::from(end == b',')..];
        let raw_key = &whole[1..=other.raw_key.len()];
        Some(Entry { raw_key, value: &whole[whole.len() - other.value.len()..], whole })
    }

    /// Steps over the next entry, whose value is the object that `inside` has come to the end of.
    pub(crate) fn next_around(&mut self, inside: &Self) -> Option<Entry<'a>> {
        let after = inside.rest.strip_prefix(b"}")?;
        let (raw_key, value) = self.peek()?;
        let value = &value[..value.len() - after.len()];
        let whole = &self.rest[..self.rest.len() - after.len()];
        self.rest = after.strip_prefix(b",").unwrap_or(after);
        Some(Entry { raw_key, value, whole })
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let key_end = string_end(self.rest)?;
        let value_start = key_end + 1;
        let end = value_start + value_len(&self.rest[value_start..])?;
        let entry = Entry {
            raw_key: &self.rest[1..key_end - 1],
            value: &self.rest[value_start..end],
            whole: &self.rest[..end],
        };
        let comma = usize::from(self.rest.get(end) == Some(&b','));
        self.rest = &self.rest[end + comma..];
        Some(entry)
    }
}

/// Where the string at the start of `text` ends, behind its closing quote.
fn string_end(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        // Paths and digests are long: 16 bytes at a time.
        while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk()) {
            match first_special(*chunk, 0) {
                16 => at += 16,
                found => {
                    at += found;
                    break;
                }
            }
        }
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string_end(text),
        b'{' if let Some(len) = target_len(text) => Some(len),
        b'{' | b'[' => {
            let (mut depth, mut at) = (0_usize, 0);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at += string_end(&text[at..])?;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => depth -= 1,
                    _ => {}
                }
                at += 1;
                if depth == 0 {
                    return Some(at);
                }
            }
        }
        _ => text.iter().position(|byte| matches!(byte, b',' | b'}' | b']')),
    }
}

/// The length of what a target mostly is, a SHA-256 and a length; `None` for anything else.
fn target_len(text: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = br#"{"hashes":{"sha256":""#;
    const AFTER: &[u8] = br#""},"length":"#;
    let (digest, rest) = text.strip_prefix(BEFORE)?.split_first_chunk::<64>()?;
    let is_plain = digest.iter().fold(true, |plain, &b| plain & (b != b'"') & (b != b'\\'));
    let rest = rest.strip_prefix(AFTER).filter(|_| is_plain)?;
    let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    (rest[digits] == b'}').then_some(BEFORE.len() + digest.len() + AFTER.len() + digits + 1)
}

/// Writes an object out of entries that are canonical already.
#[derive(Debug)]
pub(crate) struct ObjectCopy<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> ObjectCopy<'o> {
    pub(crate) fn new(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Copies a whole entry.
    pub(crate) fn entry(&mut self, whole: &[u8]) {
        self.comma();
        self.out.extend_from_slice(whole);
    }

    /// Copies the end of the object, with its bracket and whatever follows.
    pub(crate) fn append(self, end: &[u8]) {
        self.out.extend_from_slice(end);
    }

    /// Writes a key; what the caller appends to the returned buffer is the value.
    pub(crate) fn key(&mut self, raw_key: &[u8]) -> &mut Vec<u8> {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(raw_key);
        self.out.extend_from_slice(b"\":");
        self.out
    }

    pub(crate) fn end(self) {
        self.out.push(b'}');
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }
}

/// Both objects' entries in one, in order. `None` if a key stands in both.
pub(crate) fn merge<'a>(left: &[Entry<'a>], right: &[Entry<'a>], out: &mut Vec<u8>) -> Option<()> {
    let mut object = ObjectCopy::new(out);
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => break,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(l), Some(r)) => unescape(l.raw_key).cmp(&unescape(r.raw_key)),
        };
        let next = match order {
            std::cmp::Ordering::Less => left.next(),
            std::cmp::Ordering::Greater => right.next(),
            std::cmp::Ordering::Equal => return None,
        };
        object.entry(next?.whole);
    }
    object.end();
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(json: &str) -> Option<Vec<(&str, &str)>> {
        let object = CanonicalObject::parse(json.as_bytes())?;
        let text = |bytes| std::str::from_utf8(bytes).unwrap();
        Some(object.entries().map(|e| (text(e.raw_key), text(e.value))).collect())
    }

    #[test]
    fn finds_quotes_and_backslashes_wherever_they_are() {
        for place in 0..16 {
            for (byte, other) in [(b'"', b'#'), (b'\\', b']'), (b'"', 0x22 ^ 0x80), (b'\\', 0xff)] {
                let mut chunk = [other; 16];
                assert_eq!(first_special(chunk, 0), 16);
                chunk[place..].fill(byte);
                assert_eq!(first_special(chunk, 0), place);
            }
        }
    }

    #[test]
    fn cuts_an_object_into_its_entries() {
        let rows: &[(&str, &[(&str, &str)])] = &[
            ("{}", &[]),
            (r#"{"a":1}"#, &[("a", "1")]),
            (
                r#"{"a\"}":{"b":["}",{}]},"long key, 16 bytes":"x\\","z":null}"#,
                &[
                    ("a\\\"}", r#"{"b":["}",{}]}"#),
                    ("long key, 16 bytes", r#""x\\""#),
                    ("z", "null"),
                ],
            ),
            ("{\"a\":\"\t\"}", &[("a", "\"\t\"")]),
        ];
        for (json, expected) in rows {
            assert_eq!(texts(json).as_deref(), Some(*expected), "{json}");
        }
        for json in ["", "[]", "{", r#"{"b":1,"a":1}"#, r#"{"a":1} "#, r#"{"a":1.0}"#] {
            assert_eq!(texts(json), None, "{json}");
        }
    }

    #[test]
    fn targets_and_what_looks_like_one_are_cut_alike() {
        let digest = "0123456789abcdef".repeat(4);
        let target = format!(r#"{{"hashes":{{"sha256":"{digest}"}},"length":12}}"#);
        assert_eq!(target_len(target.as_bytes()), Some(target.len()));
        let others = [
            target.replace("12}", r#"12,"x":"}"}"#),
            target.replace("12}", "-1}"),
            target.replace(r#"0""#, r#"0\"}}""#),
            target.replace(&digest, &digest[1..]),
            target.replace(&digest, &format!("{}\\\"", &digest[2..])),
            target.replace(&digest, &format!("{}\",\"a\":\"", &digest[7..])),
            target.replace("sha256", "sha512"),
        ];
        for value in others.iter().chain([&target]) {
            let text = format!(r#"{{"a/b":{value},"c":1}}"#);
            let object = CanonicalObject::checked_before(text.as_bytes()).unwrap();
            let found: Vec<_> = object.entries().map(|entry| entry.value).collect();
            assert_eq!(found, [value.as_bytes(), b"1"], "{text}");
            assert_eq!(target_len(value.as_bytes()).is_some(), *value == target);
        }
    }

    #[test]
    fn an_entry_is_taken_if_it_is_the_same() {
        let entry = |json: &'static str| CanonicalObject(json.as_bytes()).entries().next().unwrap();
        for (json, same) in [
            (r#"{"a":1,"b":2}"#, true),
            (r#"{"a":1}"#, true),
            (r#"{"a":12}"#, false),
            (r#"{"a":2}"#, false),
            (r#"{"b":1}"#, false),
            (r#"{"#, false),
            (r#"{"a":1"#, false),
        ] {
            let mut entries = CanonicalObject(json.as_bytes()).entries();
            let found = entries.next_if_same(&entry(r#"{"a":1}"#));
            assert_eq!(found.is_some(), same, "{json}");
            if let Some(found) = found {
                let expected = entry(json);
                assert_eq!(
                    (found.raw_key, found.value, found.whole),
                    (expected.raw_key, expected.value, expected.whole)
                );
                assert_eq!(entries.count(), json.matches("b").count());
            }
        }
    }

    #[test]
    fn an_object_is_cut_while_it_is_stepped_over() {
        let text = br#"{"a":{"b":1,"c":{}},"d":2}"#;
        let mut outer = CanonicalObject::parse(text).unwrap().entries();
        let mut inner = Entries::inside(outer.peek().unwrap().1).unwrap();
        assert_eq!(
            inner.by_ref().map(|entry| entry.whole).collect::<Vec<_>>(),
            [&br#""b":1"#[..], br#""c":{}"#]
        );
        let around = outer.next_around(&inner).unwrap();
        assert_eq!((around.raw_key, around.value), (&b"a"[..], &br#"{"b":1,"c":{}}"#[..]));
        assert_eq!(around.whole, br#""a":{"b":1,"c":{}}"#);
        assert_eq!(outer.next().unwrap().whole, br#""d":2"#);
        assert!(
            outer.next().is_none() && outer.peek().is_none() && Entries::inside(b"2").is_none()
        );
    }

    #[test]
    fn merges_two_objects_in_code_point_order() {
        let check = |left: &str, right: &str, expected: Option<&str>| {
            let entries = |json: &'static str| -> Vec<_> {
                CanonicalObject::parse(json.as_bytes()).unwrap().entries().collect()
            };
            let mut out = Vec::new();
            let merged = merge(
                &entries(String::leak(left.to_owned())),
                &entries(String::leak(right.to_owned())),
                &mut out,
            );
            let merged = merged.map(|()| String::from_utf8(out).unwrap());
            assert_eq!(merged.as_deref(), expected);
        };
        check("{}", "{}", Some("{}"));
        check(r#"{"a":1,"c":2}"#, r#"{"b":3}"#, Some(r#"{"a":1,"b":3,"c":2}"#));
        // A quote sorts before `#`, though its escape begins with a backslash.
        check(r##"{"#":1}"##, r#"{"\"":2}"#, Some(r##"{"\"":2,"#":1}"##));
        check(r#"{"a":1}"#, r#"{"a":1}"#, None);
    }
}
