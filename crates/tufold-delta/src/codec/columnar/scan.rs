//! JSON as bytes: where a string, a value or an entry ends. Nothing is built and little is checked: both sides see the
//! same bytes and cut them at the same places, and that is all that a delta needs.

use std::ops::Range;

use super::blocks::{self, Stop};

/// Where the string that opens at `at` ends, behind its closing quote.
#[inline]
pub(super) fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        // Most strings are short: eight bytes at a time; digests are not: then 32.
        for _ in 0..3 {
            let Some(chunk) = text.get(at..).and_then(|t| t.first_chunk::<8>()) else { break };
            let word = u64::from_le_bytes(*chunk);
            let found =
                zero_bytes(word ^ 0x2222_2222_2222_2222) | zero_bytes(word ^ 0x5c5c_5c5c_5c5c_5c5c);
            if found != 0 {
                at += (found.trailing_zeros() / 8) as usize;
                break;
            }
            at += 8;
        }
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                at += 2;
                continue;
            }
            _ => {}
        }
        while let Some(chunk) = text.get(at..).and_then(|t| t.first_chunk::<32>()) {
            if chunk.iter().fold(false, |found, &b| found | (b == b'"') | (b == b'\\')) {
                break;
            }
            at += 32;
        }
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The top bit of the first zero byte of a word (and perhaps of later ones).
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080
}

/// What goes on behind so many bytes is looked at in blocks.
const LONG: usize = 512;

/// Where the value that begins at `at` ends.
#[inline]
pub(super) fn value_end(text: &[u8], at: usize) -> Option<usize> {
    match text.get(at)? {
        b'"' => string_end(text, at),
        b'{' | b'[' => {
            let mut far = at + LONG;
            let (mut depth, mut at) = (0_usize, at);
            loop {
                match text.get(at)? {
                    b'"' => {
                        at = string_end(text, at)?;
                        if at < far {
                            continue;
                        }
                        match blocks::skip(text, at, depth)? {
                            Stop::End(end) => return Some(end),
                            Stop::Short { at: stopped, depth: deep } => {
                                (at, depth) = (stopped, deep)
                            }
                        }
                        far = at + LONG;
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return Some(at + 1);
                        }
                    }
                    _ => {}
                }
                at += 1;
            }
        }
        _ => {
            let end = at + scalar_len(&text[at..]);
            // White space, for one, is in no scalar and behind none.
            let ends = matches!(text.get(end), None | Some(b',' | b'}' | b']'));
            (end > at && ends).then_some(end)
        }
    }
}

/// Length of the number, `true`, `false` or `null` at the start; anything made of the same bytes passes.
#[inline]
fn scalar_len(text: &[u8]) -> usize {
    text.iter().position(|&b| !IN_SCALAR[usize::from(b)]).unwrap_or(text.len())
}

const IN_SCALAR: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        byte += 1;
    }
    table
};

/// Length of the leaf at the start if it is a number.
#[inline]
pub(super) fn number_len(text: &[u8]) -> Option<usize> {
    matches!(text.first()?, b'-' | b'0'..=b'9').then(|| scalar_len(text))
}

/// One entry of an object (with a key) or of an array (without).
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Between the quotes; empty in an array.
    pub(super) key: Range<usize>,
    /// Where its value begins.
    pub(super) value: usize,
    /// Where the entry begins: at its key's quote or at its value.
    pub(super) start: usize,
}

/// Steps through the entries of one object or array.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
    shape: Shape,
    entries_seen: usize,
}

/// An object or an array.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Shape {
    Object,
    Array,
}

impl Shape {
    /// The shape of the value that begins at `at`.
    pub(super) fn at(text: &[u8], at: usize) -> Option<Self> {
        match text.get(at)? {
            b'{' => Some(Self::Object),
            b'[' => Some(Self::Array),
            _ => None,
        }
    }

    pub(super) fn open(self) -> u8 {
        if self == Self::Object { b'{' } else { b'[' }
    }

    pub(super) fn close(self) -> u8 {
        if self == Self::Object { b'}' } else { b']' }
    }
}

impl<'a> Cursor<'a> {
    /// At the first entry of the object or array that begins at `at`.
    pub(super) fn new(text: &'a [u8], at: usize) -> Option<Self> {
        Some(Self { text, at: at + 1, shape: Shape::at(text, at)?, entries_seen: 0 })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// Where the next entry, or the closing bracket, is expected.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next entry without stepping over it: `Some(None)` at the closing bracket, `None` if there is neither.
    #[inline]
    pub(super) fn peek(&self) -> Option<Option<Entry>> {
        let mut start = self.at;
        let first = *self.text.get(start)?;
        if first == self.shape.close() {
            return Some(None);
        }
        if self.entries_seen > 0 {
            if first != b',' {
                return None;
            }
            start += 1;
        }
        if self.shape == Shape::Array {
            return Some(Some(Entry { key: start..start, value: start, start }));
        }
        if self.text.get(start) != Some(&b'"') {
            return None;
        }
        let end = string_end(self.text, start)?;
        (self.text.get(end) == Some(&b':'))
            .then(|| Some(Entry { key: start + 1..end - 1, value: end + 1, start }))
    }

    /// Where the next entry ends if it is this one, byte for byte.
    #[inline]
    pub(super) fn end_if_next_is(&self, entry: &[u8]) -> Option<usize> {
        let start = match self.entries_seen {
            0 => self.at,
            _ if self.text.get(self.at) == Some(&b',') => self.at + 1,
            _ => return None,
        };
        let (end, rest) = (start + entry.len(), self.text.get(start..)?);
        let same =
            rest.starts_with(entry) && matches!(self.text.get(end), Some(b',' | b'}' | b']'));
        same.then_some(end)
    }

    /// Goes behind an entry whose value ends at `end`.
    pub(super) fn step(&mut self, end: usize) {
        self.at = end;
        self.entries_seen += 1;
    }

    /// Where the first entries end, at most `N` of them; `None` if they are malformed.
    pub(super) fn first_ends<const N: usize>(mut self) -> Option<FirstEnds<N>> {
        let mut first = FirstEnds { ends: [0; N], count: 0 };
        for end in &mut first.ends {
            let Some(entry) = self.peek()? else { break };
            *end = value_end(self.text, entry.value)?;
            first.count += 1;
            self.step(*end);
        }
        Some(first)
    }

    /// The keys and values of the entries from here on, at most so many.
    pub(super) fn first_entries(mut self, count: usize) -> Option<Vec<(&'a [u8], &'a [u8])>> {
        let mut entries = Vec::new();
        while entries.len() < count
            && let Some(entry) = self.peek()?
        {
            let end = value_end(self.text, entry.value)?;
            entries.push((&self.text[entry.key], &self.text[entry.value..end]));
            self.step(end);
        }
        Some(entries)
    }
}

/// Where the first entries of an object or array end.
#[derive(Debug)]
pub(super) struct FirstEnds<const N: usize> {
    ends: [usize; N],
    count: usize,
}

impl<const N: usize> FirstEnds<N> {
    /// Whether there are at least `N` entries.
    pub(super) fn is_full(&self) -> bool {
        self.count == N
    }

    /// Where the value at `value` ends, which belongs to the entry with this index.
    #[inline]
    pub(super) fn value_end(&self, text: &[u8], index: usize, value: usize) -> Option<usize> {
        if index < self.count { Some(self.ends[index]) } else { value_end(text, value) }
    }
}

/// What a record's leaf looks like; its range leaves out a string's quotes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Leaf {
    pub(super) range: Range<usize>,
    pub(super) form: Form,
}

/// A number or a string.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Form {
    Number,
    Text,
    /// A string that is known to be hex: an even number of digits, at least eight. `Leaves` does not look for them.
    Hex,
}

/// Walks a record's bytes from leaf to leaf. All between the leaves is skeleton.
#[derive(Debug)]
pub(super) struct Leaves<'a> {
    text: &'a [u8],
    at: usize,
    depth: usize,
    done: bool,
}

impl<'a> Leaves<'a> {
    /// At the start of the value that begins at `at`.
    pub(super) fn new(text: &'a [u8], at: usize) -> Self {
        Self { text, at, depth: 0, done: false }
    }

    /// Where the value ended; right once `next` has said `Some(None)`.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// The next leaf, `Some(None)` at the end of the value, `None` if it is malformed.
    #[inline]
    pub(super) fn next(&mut self) -> Option<Option<Leaf>> {
        if self.done {
            return Some(None);
        }
        loop {
            let start = self.at;
            match self.text.get(start)? {
                b'"' => {
                    let end = string_end(self.text, start)?;
                    self.at = end;
                    if self.text.get(end) != Some(&b':') || self.depth == 0 {
                        self.done = self.depth == 0;
                        return Some(Some(Leaf { range: start + 1..end - 1, form: Form::Text }));
                    }
                }
                b'-' | b'0'..=b'9' => {
                    self.at = start + scalar_len(&self.text[start..]);
                    self.done = self.depth == 0;
                    return Some(Some(Leaf { range: start..self.at, form: Form::Number }));
                }
                b'{' | b'[' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    self.at += 1;
                    self.depth = self.depth.checked_sub(1)?;
                    if self.depth == 0 {
                        self.done = true;
                        return Some(None);
                    }
                }
                _ if self.depth == 0 => {
                    self.at = value_end(self.text, start)?;
                    self.done = true;
                    return Some(None);
                }
                _ => self.at += 1,
            }
        }
    }
}

/// The longest run of hex digits (the last of several), its range and width.
fn number_in(text: &[u8]) -> Option<Range<usize>> {
    let mut best = 0..0;
    let mut start = 0;
    for at in 0..=text.len() {
        let digit = text.get(at).is_some_and(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !digit {
            if at - start >= best.len().max(1) && at > start {
                best = start..at;
            }
            start = at + 1;
        }
    }
    (!best.is_empty() && best.len() < 16).then_some(best)
}

fn hex_value(digits: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// `text` with the number in it raised by `stride`, as wide as before.
pub(super) fn successor(text: &[u8], stride: u64) -> Option<Vec<u8>> {
    let range = number_in(text)?;
    let mut next = text.to_vec();
    let mut carry = stride;
    for digit in next[range].iter_mut().rev() {
        if carry == 0 {
            break;
        }
        let value = if digit.is_ascii_digit() { *digit - b'0' } else { *digit - b'a' + 10 };
        let sum = u64::from(value).checked_add(carry)?;
        *digit = b"0123456789abcdef"[(sum & 15) as usize];
        carry = sum >> 4;
    }
    (carry == 0).then_some(next)
}

/// By how much the number in `to` is above that in `from`; `None` if anything else differs.
pub(super) fn stride(from: &[u8], to: &[u8]) -> Option<u64> {
    let range = number_in(from)?;
    let same = from.len() == to.len()
        && from[..range.start] == to[..range.start]
        && from[range.end..] == to[range.end..];
    if !same {
        return None;
    }
    let step = hex_value(&to[range.clone()])?.checked_sub(hex_value(&from[range])?)?;
    (successor(from, step)? == to).then_some(step)
}

/// A coarse size of the last integer of a value that ends at `end`: its length in bits and its second bit.
#[inline]
pub(super) fn size_of_last_integer(text: &[u8], end: usize) -> u8 {
    let mut at = end;
    while at > 0 && end - at < 8 && !text[at - 1].is_ascii_digit() {
        at -= 1;
    }
    let mut value = 0_u64;
    let mut place = 1_u64;
    while at > 0 && text[at - 1].is_ascii_digit() && place < 1_000_000_000_000_000_000 {
        value += u64::from(text[at - 1] - b'0') * place;
        place *= 10;
        at -= 1;
    }
    let len = u64::BITS - value.leading_zeros();
    let second = len >= 2 && value >> (len - 2) & 1 == 1;
    u8::try_from(len << 1).unwrap_or(0) | u8::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_end(text: &str, end: usize) {
        assert_eq!(value_end(text.as_bytes(), 0), Some(end), "{text}");
    }

    #[test]
    fn values_end_where_they_should() {
        check_end(r#""ab",1"#, 4);
        check_end(r#""a\"b\\","#, 8);
        check_end(r#""0123456789abcdef\"0123456789abcdef""#, 36);
        check_end(r#"{"a":[1,{"b":"}"}]},"#, 19);
        check_end("12]", 2);
        check_end("null", 4);
        for cut in ["{", "[1", "\"ab", "{\"a\":\"", ",", "}"] {
            assert_eq!(value_end(cut.as_bytes(), 0), None, "{cut}");
        }
    }

    #[test]
    fn entries_of_an_object_and_of_an_array() {
        let keys = |text: &str| {
            let entries = Cursor::new(text.as_bytes(), 0)?.first_entries(usize::MAX)?;
            let key = |(key, _): &(&[u8], &[u8])| String::from_utf8(key.to_vec()).unwrap();
            Some(entries.iter().map(key).collect::<Vec<_>>())
        };
        assert_eq!(keys(r#"{"a":1,"b":{"c":[]}}"#), Some(vec!["a".into(), "b".into()]));
        assert_eq!(keys("{}"), Some(vec![]));
        for bad in [r#"{"a" :1}"#, r#"{ "a":1}"#, r#"{"a":1,}"#, r#"{"a":1"#] {
            assert_eq!(keys(bad), None, "{bad}");
        }
        let text = b"[1,[2],{}]";
        let ends = |cursor: Cursor<'_>| cursor.first_ends::<3>();
        let first = ends(Cursor::new(text, 0).unwrap()).unwrap();
        assert!(first.is_full());
        assert_eq!(first.ends, [2, 6, 9]);
        assert!(!ends(Cursor::new(b"[1,2]", 0).unwrap()).unwrap().is_full());
        assert!(ends(Cursor::new(b"[1,[2", 0).unwrap()).is_none());
    }

    #[test]
    fn leaves_of_a_record() {
        let text = br#"{"hashes":{"sha256":"aa"},"length":13,"on":true,"x":["y",-1]},"#;
        let mut leaves = Leaves::new(text, 0);
        let mut found = Vec::new();
        while let Some(leaf) = leaves.next().unwrap() {
            found.push(std::str::from_utf8(&text[leaf.range]).unwrap());
        }
        assert_eq!(found, ["aa", "13", "y", "-1"]);
        assert_eq!(leaves.position(), text.len() - 1);
    }

    #[test]
    fn counting_up_names() {
        assert_eq!(successor(b"bins-00ff.json", 1), Some(b"bins-0100.json".to_vec()));
        assert_eq!(successor(b"bins-ffff", 1), None);
        assert_eq!(successor(b"xyz", 1), None);
        assert_eq!(stride(b"bins-00ff.json", b"bins-0103.json"), Some(4));
        assert_eq!(stride(b"bins-00ff.json", b"bons-0103.json"), None);
        assert_eq!(stride(b"bins-00ff.json", b"bins-00FF.json"), None);
    }

    #[test]
    fn sizes_of_integers() {
        let size = |text: &str| size_of_last_integer(text.as_bytes(), text.len());
        assert_eq!(size(r#"{"version":1}"#), 2);
        assert_eq!(size(r#"{"version":3}"#), 5);
        assert_eq!(size(r#"{"length":5,"version":1003}"#), 21);
        assert_eq!(size(r#"{"version":"long words"}"#), 0);
    }
}
