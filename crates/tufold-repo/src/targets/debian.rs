//! A Debian `Packages` index as a list of targets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::mem;

use tufold_meta::{Hashes, TargetPath};

use super::error::quote;
use super::read::{Rows, plain_file, target_length, target_path, target_sha256, utf8, value};
use super::source::Blocks;
use super::{LineError, ListError, Progress, Source, Target, TargetList};

/// Reads a `Packages` file, plain, gzip, xz or zstd. Each stanza is a target: `Filename` (a `./`
/// in front is dropped, as flat archives write it), `Size` and `SHA256`. A stanza without one of
/// them is an error. The same `Filename` twice is one target if size and digest agree, and an error
/// if they do not.
pub fn import_debian(source: Source<'_>, progress: Progress<'_>) -> Result<TargetList, ListError> {
    let (blocks, first) = Blocks::open(source)?;
    let mut index = Index {
        targets: Rows::new(blocks.name.clone()),
        known: HashMap::new(),
        stanza: Stanza::default(),
        end: 0,
    };
    let parse = |index: &mut Index, line, text: &[u8]| index.line(line, text);
    blocks.for_each_line(first, &mut index, parse, |index| index.targets.rows.len(), progress)?;
    if let Err(problem) = index.end_stanza() {
        return Err(ListError::Line { file: index.targets.file, line: index.end, problem });
    }
    index.targets.sorted(TargetList::from_rows)
}

/// What the lines so far have come to.
struct Index {
    targets: Rows<Target>,
    /// The row of each path, for stanzas that come twice.
    known: HashMap<TargetPath, usize>,
    stanza: Stanza,
    /// The last line that was seen.
    end: u64,
}

/// The stanza that is being read.
#[derive(Default)]
struct Stanza {
    /// Its first line, or 0 between stanzas.
    start: u64,
    path: Option<(u64, TargetPath)>,
    length: Option<u64>,
    sha256: Option<tufold_meta::Digest>,
}

impl Index {
    fn line(&mut self, line: u64, text: &[u8]) -> Result<(), LineError> {
        self.end = line;
        if text.trim_ascii().is_empty() {
            return self.end_stanza();
        }
        if self.stanza.start == 0 {
            self.stanza.start = line;
        } else if matches!(text[0], b' ' | b'\t') {
            // The continuation of a field that is none of ours: ours have one line.
            return Ok(());
        }
        let Some(colon) = text.iter().position(|&byte| byte == b':').filter(|&at| at > 0) else {
            return Err(value("the line", &String::from_utf8_lossy(text), "a field and its value"));
        };
        // Other fields may hold old encodings; only the three are text to us.
        let (field, text) = (&text[..colon], text[colon + 1..].trim_ascii());
        let stanza = &mut self.stanza;
        if field.eq_ignore_ascii_case(b"Filename") {
            let text = utf8(text)?;
            let path = target_path(text.strip_prefix("./").unwrap_or(text))?;
            once("Filename", stanza.path.replace((line, path)))
        } else if field.eq_ignore_ascii_case(b"Size") {
            once("Size", stanza.length.replace(target_length("Size", utf8(text)?)?))
        } else if field.eq_ignore_ascii_case(b"SHA256") {
            once("SHA256", stanza.sha256.replace(target_sha256("SHA256", utf8(text)?)?))
        } else {
            Ok(())
        }
    }

    fn end_stanza(&mut self) -> Result<(), LineError> {
        let Stanza { start, path, length, sha256 } = mem::take(&mut self.stanza);
        if start == 0 {
            return Ok(());
        }
        let missing = |field| LineError::Stanza { start, field };
        let (line, path) = path.ok_or_else(|| missing("Filename"))?;
        let length = length.ok_or_else(|| missing("Size"))?;
        let sha256 = sha256.ok_or_else(|| missing("SHA256"))?;
        let file = plain_file(length, Hashes::sha256_only(sha256));
        match self.known.entry(path) {
            Entry::Vacant(entry) => {
                let path = entry.key().clone();
                entry.insert(self.targets.rows.len());
                self.targets.push(line, Target { path, file });
            }
            Entry::Occupied(entry) => {
                let row = *entry.get();
                if self.targets.rows[row].file != file {
                    let path = quote(entry.key().as_str());
                    return Err(LineError::Conflict { path, first: self.targets.lines[row] });
                }
            }
        }
        Ok(())
    }
}

fn once<T>(field: &'static str, earlier: Option<T>) -> Result<(), LineError> {
    if earlier.is_some() { Err(LineError::Repeated(field)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
