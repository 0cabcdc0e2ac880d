//! Values cut into their leaves. What stands between the leaves of one value most often stands between those of the next, and then nothing of it needs to be read as
//! JSON again.

use super::models::MAX_LEAVES;
use super::scan::{self, Form, Leaf, Leaves};
use super::symbols;

/// What stands between the leaves of the value that was cut last.
#[derive(Debug, Default)]
pub(super) struct Skeleton {
    bytes: Vec<u8>,
    leaves: Vec<Before>,
}

/// What comes before a leaf, and what the leaf looked like.
#[derive(Debug)]
struct Before {
    end: usize,
    form: Form,
    /// How long it was if it was hex, else 0.
    hex_len: usize,
}

/// A longer skeleton is not kept.
const MAX_LEN_BYTES: usize = 512;

impl Skeleton {
    /// The leaves of the value at the start of `text`, and where it ends; `None` if it is malformed or has more than 16.
    #[inline]
    pub(super) fn cut(&mut self, text: &[u8], leaves: &mut Vec<Leaf>) -> Option<usize> {
        match self.fit(text, leaves) {
            Some(end) => Some(end),
            None => self.learn(text, leaves),
        }
    }

    /// Whether there is one: not behind a value that was a leaf itself, was too long or was malformed.
    pub(super) fn is_kept(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// The leaves and the end of the value, if it has this very skeleton.
    #[inline]
    pub(super) fn fit(&self, text: &[u8], leaves: &mut Vec<Leaf>) -> Option<usize> {
        leaves.clear();
        if !self.is_kept() {
            return None;
        }
        let (mut at, mut passed) = (0, 0);
        for before in &self.leaves {
            let start = at + (before.end - passed);
            if text.get(at..start)? != &self.bytes[passed..before.end] {
                return None;
            }
            passed = before.end;
            let mut form = before.form;
            at = if form == Form::Number {
                start + scan::number_len(text.get(start..)?)?
            } else if before.hex_len > 0
                && text.get(start + before.hex_len) == Some(&b'"')
                && symbols::is_hex(&text[start..start + before.hex_len])
            {
                // Nothing ends a string before its first quote, and hex has none.
                form = Form::Hex;
                start + before.hex_len
            } else {
                scan::string_end(text, start - 1)? - 1
            };
            leaves.push(Leaf { range: start..at, form });
        }
        let end = at + (self.bytes.len() - passed);
        (text.get(at..end)? == &self.bytes[passed..]).then_some(end)
    }

    #[cold]
    fn learn(&mut self, text: &[u8], leaves: &mut Vec<Leaf>) -> Option<usize> {
        leaves.clear();
        self.bytes.clear();
        self.leaves.clear();
        let mut rest = Leaves::new(text, 0);
        while let Some(leaf) = rest.next()? {
            if leaves.len() == MAX_LEAVES {
                return None;
            }
            leaves.push(leaf);
        }
        let end = rest.position();
        let skeleton_len = end - leaves.iter().map(|leaf| leaf.range.len()).sum::<usize>();
        // A value that is a leaf itself ends where more of it could follow.
        if skeleton_len <= MAX_LEN_BYTES && matches!(text[0], b'{' | b'[') {
            let mut copied = 0;
            for leaf in leaves.iter() {
                self.bytes.extend_from_slice(&text[copied..leaf.range.start]);
                let is_hex =
                    leaf.form == Form::Text && symbols::is_hex_leaf(&text[leaf.range.clone()]);
                let hex_len = if is_hex { leaf.range.len() } else { 0 };
                self.leaves.push(Before { end: self.bytes.len(), form: leaf.form, hex_len });
                copied = leaf.range.end;
            }
            self.bytes.extend_from_slice(&text[copied..end]);
        }
        Some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `Leaves` finds, hex not told from other text; `None` for more than 16 leaves.
    fn one_by_one(text: &[u8]) -> Option<(Vec<Leaf>, usize)> {
        let (mut rest, mut leaves) = (Leaves::new(text, 0), Vec::new());
        while let Some(leaf) = rest.next()? {
            leaves.push(leaf);
        }
        (leaves.len() <= MAX_LEAVES).then(|| (leaves, rest.position()))
    }

    #[test]
    fn a_value_is_cut_alike_whatever_came_before_it() {
        let sixteen = format!("[{}]", ["7"; 16].join(","));
        let seventeen = format!("[{}]", ["7"; 17].join(","));
        let long = format!(r#"{{"{}":1}}"#, "k".repeat(600));
        let values = [
            r#"{"version":1}"#,
            r#"{"version":1003}"#,
            r#"{"version":-5}"#,
            r#"{"version":"5"}"#,
            r#"{"version":true}"#,
            r#"{"versions":1}"#,
            r#"{"version":1,"x":2}"#,
            r#"{"version":1}x"#,
            r#"{"version":1"#,
            r#"{"version":"#,
            r#"{"hashes":{"sha256":"00ff00ff00ff"},"length":1}"#,
            r#"{"hashes":{"sha256":"00ff00ff0011"},"length":22}"#,
            r#"{"hashes":{"sha256":"00ff00ff00FF"},"length":1}"#,
            r#"{"hashes":{"sha256":"00ff00ff00ff00"},"length":1}"#,
            r#"{"hashes":{"sha256":"00ff00ff00f\"},"length":1}"#,
            r#"{"hashes":{"sha256":"00ff\"00ff0"},"length":1}"#,
            r#"{"hashes":{"sha256":"00ff00ff00ff":1},"length":1}"#,
            r#"{"hashes":{"sha256":""},"length":1}"#,
            r#"["a","b"]"#,
            r#"["a"5,"b"]"#,
            r#"["a":5,"b"]"#,
            r#"{"a":tr5e}"#,
            r#"{"a":tr7}"#,
            "[]",
            "{}",
            "[[]]",
            "5",
            "56",
            r#""text""#,
            r#""text and""#,
            "true",
            "",
            "}",
            &sixteen,
            &seventeen,
            &long,
        ];
        for before in values {
            for value in values {
                let (mut skeleton, mut leaves) = (Skeleton::default(), Vec::new());
                skeleton.cut(before.as_bytes(), &mut leaves);
                for turn in ["first", "again"] {
                    let end = skeleton.cut(value.as_bytes(), &mut leaves);
                    let mut found = leaves.clone();
                    for leaf in found.iter_mut().filter(|leaf| leaf.form == Form::Hex) {
                        assert!(symbols::is_hex_leaf(&value.as_bytes()[leaf.range.clone()]));
                        leaf.form = Form::Text;
                    }
                    let found = end.map(|end| (found, end));
                    assert_eq!(
                        found,
                        one_by_one(value.as_bytes()),
                        "{value} {turn} behind {before}"
                    );
                }
            }
        }
    }
}
