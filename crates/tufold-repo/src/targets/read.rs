//! Lists in, either format.

use tufold_meta::cjson::Object;
use tufold_meta::{Digest, Hashes, PathError, TargetFile, TargetPath};

use super::error::quote;
use super::source::Blocks;
use super::{
    Change, ChangeList, DuplicatePath, LineError, ListError, Progress, Source, Target, TargetList,
    json,
};

/// The header of a target list.
pub(super) const TARGETS_HEADER: &str = "path\tlength\tsha256";

/// The header of a change list.
pub(super) const CHANGES_HEADER: &str = "change\tpath\tlength\tsha256";

/// Reads a list of targets in either format.
pub fn read_targets(source: Source<'_>, progress: Progress<'_>) -> Result<TargetList, ListError> {
    let tsv = |text: &str| {
        let [path, length, sha256] = columns(text)?;
        target(path, length, sha256)
    };
    read(source, progress, TARGETS_HEADER, tsv, json::read_target)?.sorted(TargetList::from_rows)
}

/// Reads a list of changes in either format.
pub fn read_changes(source: Source<'_>, progress: Progress<'_>) -> Result<ChangeList, ListError> {
    let tsv = |text: &str| {
        let [change, path, length, sha256] = columns(text)?;
        match change {
            "put" => Ok(Change::Put(target(path, length, sha256)?)),
            "remove" if !length.is_empty() => {
                Err(value("length", length, "nothing, since the path is removed"))
            }
            "remove" if !sha256.is_empty() => {
                Err(value("sha256", sha256, "nothing, since the path is removed"))
            }
            "remove" => Ok(Change::Remove(target_path(path)?)),
            _ => Err(value("change", change, "put or remove")),
        }
    };
    read(source, progress, CHANGES_HEADER, tsv, json::read_change)?.sorted(ChangeList::from_rows)
}

/// Rows, and the line that each came from.
pub(super) struct Rows<T> {
    pub(super) file: String,
    pub(super) rows: Vec<T>,
    pub(super) lines: Vec<u64>,
}

impl<T> Rows<T> {
    pub(super) const fn new(file: String) -> Self {
        Self { file, rows: Vec::new(), lines: Vec::new() }
    }

    pub(super) fn push(&mut self, line: u64, row: T) {
        self.rows.push(row);
        self.lines.push(line);
    }

    /// Sorts the rows; a path that is there twice becomes an error with both lines.
    pub(super) fn sorted<L>(
        self,
        list: impl FnOnce(Vec<T>) -> Result<L, DuplicatePath>,
    ) -> Result<L, ListError> {
        let Self { file, rows, lines } = self;
        list(rows).map_err(|DuplicatePath { path, first, second }| ListError::Line {
            file,
            line: lines[second],
            problem: LineError::Duplicate { path: quote(path.as_str()), first: lines[first] },
        })
    }
}

fn read<T: Send>(
    source: Source<'_>,
    progress: Progress<'_>,
    header: &'static str,
    tsv: impl Fn(&str) -> Result<T, LineError> + Sync,
    json: impl Fn(&str) -> Result<T, LineError> + Sync,
) -> Result<Rows<T>, ListError> {
    let (blocks, first) = Blocks::open(source)?;
    let json_lines = first.iter().find(|byte| !is_blank(byte)) == Some(&b'{');
    let parse = |rows: &mut Rows<T>, line, text: &[u8]| {
        let text = utf8(text)?;
        if json_lines {
            if !text.bytes().all(|byte| is_blank(&byte)) {
                rows.push(line, json(text)?);
            }
        } else if line > 1 {
            rows.push(line, tsv(text)?);
        } else if text != header {
            return Err(LineError::Header { found: quote(text), expected: header });
        }
        Ok(())
    };
    let mut rows = Rows::new(blocks.name.clone());
    blocks.for_each_line(first, &mut rows, parse, |rows| rows.rows.len(), progress)?;
    Ok(rows)
}

/// What JSON counts as white space.
pub(super) const fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// The line as text.
pub(super) fn utf8(text: &[u8]) -> Result<&str, LineError> {
    std::str::from_utf8(text).map_err(|_| LineError::Utf8(quote(text)))
}

/// The columns of a TSV line.
pub(super) fn columns<const N: usize>(text: &str) -> Result<[&str; N], LineError> {
    let mut columns = [""; N];
    let (mut found, mut start) = (0, 0);
    for end in memchr::memchr_iter(b'\t', text.as_bytes()).chain([text.len()]) {
        if let Some(slot) = columns.get_mut(found) {
            *slot = &text[start..end];
        }
        found += 1;
        start = end + 1;
    }
    if found == N { Ok(columns) } else { Err(LineError::Columns { found, expected: N }) }
}

fn target(path: &str, length: &str, sha256: &str) -> Result<Target, LineError> {
    let path = target_path(path)?;
    let length = target_length("length", length)?;
    let hashes = Hashes::sha256_only(target_sha256("sha256", sha256)?);
    Ok(Target { path, file: plain_file(length, hashes) })
}

/// A file with a length and hashes alone.
pub(super) fn plain_file(length: u64, hashes: Hashes) -> TargetFile {
    TargetFile { length, hashes, custom: None, extra: Object::default() }
}

/// A column or field that is wrong.
pub(super) fn value(name: &str, found: &str, expected: &'static str) -> LineError {
    LineError::Value { name: name.to_owned(), found: quote(found), expected }
}

pub(super) fn target_path(path: &str) -> Result<TargetPath, LineError> {
    value_path(path, TargetPath::new(path))
}

/// What was made of a path, or the error that names it.
pub(super) fn value_path<T>(path: &str, made: Result<T, PathError>) -> Result<T, LineError> {
    made.map_err(|reason| LineError::Path { path: quote(path), reason })
}

/// A length: digits without a sign or a leading zero, and no more than every reader's integer
/// holds.
pub(super) fn target_length(name: &str, text: &str) -> Result<u64, LineError> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    let length = text.parse().ok().filter(|&length| plain && i64::try_from(length).is_ok());
    length.ok_or_else(|| value(name, text, "a whole number from 0 to 9223372036854775807"))
}

pub(super) fn target_sha256(name: &str, hex: &str) -> Result<Digest, LineError> {
    Digest::from_hex(hex).ok_or_else(|| value(name, hex, "64 hex digits"))
}

#[cfg(test)]
mod tests;
