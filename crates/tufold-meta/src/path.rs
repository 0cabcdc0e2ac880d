//! Target paths as a publisher may list them.

use std::fmt;

/// A target path that is safe to publish: relative, `/` between segments, no empty, `.` or `..`
/// segment, no control character and no backslash. (TUF 4.5: TARGETPATH is a path relative to
/// the mirror's base; clients turn it into a file name.) Documents that come in may hold any
/// string; this type is for what tufold itself writes.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TargetPath(Box<str>);

/// Why a string is not a target path.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathError {
    /// The string is empty.
    #[error("the target path is empty")]
    Empty,
    /// The path starts with a slash.
    #[error("the target path starts with a slash")]
    Absolute,
    /// The path ends with a slash or has two in a row.
    #[error("the target path has an empty segment")]
    EmptySegment,
    /// A segment is `.` or `..`.
    #[error("the target path has a segment `.` or `..`")]
    DotSegment,
    /// A NUL or another control character.
    #[error("the target path has a control character")]
    Control,
    /// A backslash, which some systems take for a separator.
    #[error("the target path has a backslash")]
    Backslash,
    /// The path is longer than [`TargetPath::MAX_LEN_BYTES`].
    #[error("the target path is longer than {} bytes", TargetPath::MAX_LEN_BYTES)]
    TooLong,
}

impl TargetPath {
    /// The longest path, in bytes of UTF-8: the PATH_MAX of Linux.
    pub const MAX_LEN_BYTES: usize = 4096;

    /// Checks `path`.
    pub fn new(path: &str) -> Result<Self, PathError> {
        Self::check(path)?;
        Ok(Self(path.into()))
    }

    /// Whether `path` could be a target path, without making one.
    pub fn check(path: &str) -> Result<(), PathError> {
        if path.is_empty() {
            return Err(PathError::Empty);
        }
        if path.len() > Self::MAX_LEN_BYTES {
            return Err(PathError::TooLong);
        }
        if path.starts_with('/') {
            return Err(PathError::Absolute);
        }
        // Lists are long and nearly all of their paths plain, which loops without an early way out
        // tell by whole vectors.
        let bytes = path.as_bytes();
        let is_plain = bytes
            .iter()
            .fold(true, |plain, &byte| plain & matches!(byte, b' '..=b'~') & (byte != b'\\'));
        if !is_plain {
            if path.chars().any(char::is_control) {
                return Err(PathError::Control);
            }
            if path.contains('\\') {
                return Err(PathError::Backslash);
            }
        }
        let pairs = bytes.iter().zip(&bytes[1..]);
        let has_short = pairs
            .fold(bytes[0] == b'.' || path.ends_with('/'), |has, (&byte, &next)| {
                has | ((byte == b'/') & ((next == b'/') | (next == b'.')))
            });
        if has_short {
            for segment in path.split('/') {
                match segment {
                    "" => return Err(PathError::EmptySegment),
                    "." | ".." => return Err(PathError::DotSegment),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TargetPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<TargetPath> for String {
    fn from(path: TargetPath) -> Self {
        path.0.into()
    }
}

impl AsRef<str> for TargetPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for TargetPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_paths_that_are_not_plain() {
        let rows = [
            ("", PathError::Empty),
            ("/etc/passwd", PathError::Absolute),
            ("a//b", PathError::EmptySegment),
            ("a/", PathError::EmptySegment),
            ("a/../b", PathError::DotSegment),
            ("./a", PathError::DotSegment),
            ("a\0b", PathError::Control),
            ("a\u{85}b", PathError::Control),
            ("a\\b", PathError::Backslash),
        ];
        for (path, error) in rows {
            assert_eq!(TargetPath::new(path), Err(error), "{path:?}");
        }
        assert_eq!(TargetPath::new(&"a".repeat(4097)), Err(PathError::TooLong));
    }

    #[test]
    fn keeps_other_text_as_it_is() {
        for path in ["foo.txt", "a/..b/c.", "e\u{301}", "\u{10ffff}", "a b%2F\"'*?[x]"] {
            assert_eq!(TargetPath::new(path).unwrap().as_str(), path);
        }
    }
}
