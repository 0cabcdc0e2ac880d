//! What the publisher remembers of the files that it wrote itself.
//!
//! A file whose BLAKE3 is the one that was noted when it was signed needs no verification: nobody has touched it since. The note
//! is in `private/`, beside the root that everything is verified by, and whoever can write there can replace that as well. It is no more than a short cut: of a file
//! that it does not know, or knows otherwise, the signatures are verified.
//!
//! One line a role, sorted by role: its name, version and digest, with tabs between.

use std::collections::BTreeMap;

use tufold_meta::Version;

/// The digest of a file.
pub(crate) type FileDigest = blake3::Hash;

/// The newest file of each role that is known.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    text: Vec<u8>,
    /// Where each line ends, its line feed left out.
    ends: Vec<usize>,
}

/// The files of one publish.
pub(crate) type Noted = BTreeMap<String, (Version, FileDigest)>;

impl Digests {
    /// Reads them; a last line that was cut off does not count.
    pub(crate) fn read(text: Vec<u8>) -> Self {
        let ends = memchr::memchr_iter(b'\n', &text).collect();
        Self { text, ends }
    }

    /// Whether `bytes` are what was signed as this version of the role.
    pub(crate) fn has(&self, role: &str, version: Version, bytes: &[u8]) -> bool {
        let at = self.ends.partition_point(|end| name_of(self.line(*end)) < role.as_bytes());
        let Some(&end) = self.ends.get(at) else { return false };
        let mut fields = self.line(end).split(|byte| *byte == b'\t');
        fields.next() == Some(role.as_bytes())
            && fields.next() == Some(version.to_string().as_bytes())
            && fields.next() == Some(blake3::hash(bytes).to_hex().as_bytes())
    }

    /// The same with newer files, to be written.
    pub(crate) fn with(&self, noted: &Noted) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.text.len() + noted.len() * 96);
        let mut new = noted.iter().peekable();
        let put = |text: &mut Vec<u8>,
                   (role, (version, digest)): (&String, &(Version, FileDigest))| {
            let line = format!("{role}\t{version}\t{}\n", digest.to_hex());
            text.extend_from_slice(line.as_bytes());
        };
        for &end in &self.ends {
            let line = self.line(end);
            let name = name_of(line);
            while let Some(noted) = new.next_if(|(role, _)| role.as_bytes() < name) {
                put(&mut text, noted);
            }
            match new.next_if(|(role, _)| role.as_bytes() == name) {
                Some(noted) => put(&mut text, noted),
                None => {
                    text.extend_from_slice(line);
                    text.push(b'\n');
                }
            }
        }
        new.for_each(|noted| put(&mut text, noted));
        text
    }

    /// The line that ends there.
    fn line(&self, end: usize) -> &[u8] {
        let start = memchr::memrchr(b'\n', &self.text[..end]).map_or(0, |before| before + 1);
        &self.text[start..end]
    }
}

fn name_of(line: &[u8]) -> &[u8] {
    &line[..memchr::memchr(b'\t', line).unwrap_or(line.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(rows: &[(&str, u64, &str)]) -> Noted {
        let row = |(role, version, bytes): &(&str, u64, &str)| {
            let version = Version::new(*version).unwrap();
            ((*role).to_owned(), (version, blake3::hash(bytes.as_bytes())))
        };
        rows.iter().map(row).collect()
    }

    fn check(digests: &Digests, rows: &[(&str, u64, &str, bool)]) {
        for (role, version, bytes, expected) in rows {
            let version = Version::new(*version).unwrap();
            assert_eq!(digests.has(role, version, bytes.as_bytes()), *expected, "{role} {version}");
        }
    }

    #[test]
    fn newer_files_take_the_places_of_older_ones() {
        let first = Digests::default().with(&noted(&[("b", 1, "one"), ("d", 1, "two")]));
        let first = Digests::read(first);
        check(&first, &[("b", 1, "one", true), ("d", 1, "two", true), ("c", 1, "one", false)]);
        let next = first.with(&noted(&[("a", 1, "x"), ("b", 2, "three"), ("e", 1, "y")]));
        let next = Digests::read(next);
        let rows = [
            ("a", 1, "x", true),
            ("b", 1, "one", false),
            ("b", 2, "three", true),
            ("b", 3, "three", false),
            ("b", 2, "threw", false),
            ("d", 1, "two", true),
            ("e", 1, "y", true),
            ("f", 1, "y", false),
        ];
        check(&next, &rows);
        assert_eq!(next.ends.len(), 4);
    }

    #[test]
    fn damage_is_as_good_as_nothing() {
        let whole = Digests::default().with(&noted(&[("a", 1, "one"), ("b", 1, "two")]));
        for cut in 0..whole.len() {
            let digests = Digests::read(whole[..cut].to_vec());
            assert!(!digests.has("b", Version::FIRST, b"two"), "{cut}");
        }
        for text in ["\n\n", "\t\t\n", "a\n", "a\t1\n", "\0\0\0"] {
            assert!(!Digests::read(text.into()).has("a", Version::FIRST, b"one"), "{text:?}");
        }
    }
}
