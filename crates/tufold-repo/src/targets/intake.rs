//! A list of any length, read within bounded memory.
//!
//! Each core reads a block of the list and packs its rows; within the block each row is put with the
//! others of its part, which is told by the leading bits of the SHA-256 of its path. Where the blocks
//! grow too many, those that are there go part by part to a temporary file, which has no name and so
//! goes with the process, however that ends.
//!
//! A packed row: the first four bytes of the hash (big-endian), the number of its line (8), the
//! length of the path (2) and of what follows it (4, all little-endian); the path; then the file's
//! length (8) and SHA-256, or, where it has more than these, its JSON.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;
use tufold_meta::{Digest, Hashes, TargetFile, TargetPath};

use super::binned::{Binned, Rows, sort};
use super::error::quote;
use super::read::{
    TARGETS_HEADER, columns, is_blank, target_length, target_sha256, utf8, value_path,
};
use super::source::{Blocks, count_lines, lines_of};
use super::{LineError, ListError, MAX_LINE_BYTES, Progress, Source, Target, TargetList, json};
use crate::memory::Memory;

/// How many parts the rows are spread over: by so many leading bits of the hash.
pub(super) const PART_BITS: u32 = 10;
pub(super) const PARTS: usize = 1 << PART_BITS;

/// Hash and line, which a sorted row no longer needs.
const SORT_KEY_BYTES: usize = 4 + 8;
const LENGTHS_BYTES: usize = 2 + 4;

/// What stands for the length of a file that has a length and a SHA-256 alone.
const PLAIN: u32 = u32::MAX;
const PLAIN_BYTES: usize = 8 + 32;

/// A list that was read, in any order.
#[derive(Debug)]
pub struct Intake {
    name: String,
    memory: Memory,
    folder: PathBuf,
    rows: u64,
    path_bytes: u64,
    /// What is in memory.
    held: Vec<Packed>,
    held_bytes: u64,
    /// What is in the temporary file, for each part.
    parts: Vec<Part>,
    spilled: Option<File>,
    spilled_bytes: u64,
}

/// The rows of some leading bits that are in the temporary file.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// Where they are: offset and length.
    pub(super) extents: Vec<(u64, usize)>,
}

/// Rows of one block of the list, part after part.
#[derive(Debug)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    /// Where each part ends in the bytes.
    ends: Vec<usize>,
    rows: u64,
    path_bytes: u64,
}

/// A row that is not packed yet.
struct Row<'b> {
    hash: [u8; 4],
    line: u64,
    path: Cow<'b, str>,
    file: RowFile,
}

enum RowFile {
    Plain(u64, Digest),
    Json(Vec<u8>),
}

/// A block of whole lines with the number of the first.
struct Block {
    line: u64,
    bytes: Vec<u8>,
}

impl Intake {
    /// Reads a list of targets in either format. What `memory` does not hold goes to a temporary
    /// file in `folder`, which should not be on a disk in memory.
    pub fn read(
        source: Source<'_>,
        memory: Memory,
        folder: &Path,
        progress: Progress<'_>,
    ) -> Result<Self, ListError> {
        let (mut blocks, first) = Blocks::open(source)?;
        let json_lines = first.iter().find(|byte| !is_blank(byte)) == Some(&b'{');
        let name = blocks.name.clone();
        let intake = Mutex::new(Self::new(name.clone(), memory, folder));
        let failed = AtomicBool::new(false);
        let mut line = 1;
        let mut first = Some(first);
        // Whichever core has nothing to pack reads the next block.
        let read = std::iter::from_fn(|| {
            if failed.load(Ordering::Relaxed) {
                return None;
            }
            let next = match first.take() {
                Some(first) => Ok(Some(first)),
                None => blocks.next(line),
            };
            next.transpose().map(|next| {
                let start = line;
                let next = next.map(|bytes| {
                    line += count_lines(&bytes);
                    Block { line: start, bytes }
                });
                next.map_err(|error| (start, error))
            })
        });
        let faults = read.par_bridge().filter_map(|block| {
            let add = |block: Block| {
                let packed = pack(&block, json_lines).map_err(|(line, problem)| {
                    (line, ListError::Line { file: name.clone(), line, problem })
                })?;
                let mut intake = intake.lock().unwrap_or_else(PoisonError::into_inner);
                intake.add(packed).map_err(|error| (block.line, error))?;
                progress(intake.rows);
                Ok(())
            };
            let fault = block.and_then(add).err();
            failed.fetch_or(fault.is_some(), Ordering::Relaxed);
            fault
        });
        // Blocks are handed out in order, so the lines before the first fault have been looked at too.
        match faults.min_by_key(|(line, _)| *line) {
            Some((_, error)) => Err(error),
            None => Ok(intake.into_inner().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    fn new(name: String, memory: Memory, folder: &Path) -> Self {
        Self {
            name,
            memory,
            folder: folder.to_owned(),
            rows: 0,
            path_bytes: 0,
            held: Vec::new(),
            held_bytes: 0,
            parts: std::iter::repeat_with(Part::default).take(PARTS).collect(),
            spilled: None,
            spilled_bytes: 0,
        }
    }

    /// How many targets were read.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// What a document of all these targets takes in memory while it is made, signed and written,
    /// estimated: each target as a value (some 300 bytes beside its path), its text, and the text
    /// in the signed file.
    pub(crate) const fn estimate_bytes(&self) -> u64 {
        self.rows * 600 + self.path_bytes * 3
    }

    /// The memory that it was read within.
    pub(crate) const fn memory(&self) -> Memory {
        self.memory
    }

    /// Takes the rows of a block.
    fn add(&mut self, packed: Packed) -> Result<(), ListError> {
        self.rows += packed.rows;
        self.path_bytes += packed.path_bytes;
        self.held_bytes += packed.bytes.len() as u64;
        self.held.push(packed);
        if self.held_bytes > self.memory.for_rows() { self.spill() } else { Ok(()) }
    }

    /// Writes what is held to the temporary file.
    fn spill(&mut self) -> Result<(), ListError> {
        let failed = |error| temporary_error(&self.folder, error);
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder).map_err(failed)?),
        };
        let mut file = BufWriter::with_capacity(1 << 20, file);
        for (nth, part) in self.parts.iter_mut().enumerate() {
            let mut len = 0;
            for packed in &self.held {
                let bytes = packed.of_parts(nth..nth + 1);
                file.write_all(bytes).map_err(failed)?;
                len += bytes.len();
            }
            if len > 0 {
                part.extents.push((self.spilled_bytes, len));
                self.spilled_bytes += len as u64;
            }
        }
        file.flush().map_err(failed)?;
        drop(file);
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }

    /// Sorts the rows into bins; an error if a path is there twice.
    pub(crate) fn into_bins(self, bits: tufold_meta::BitLength) -> Result<Binned, ListError> {
        let (parts, spilled) = (self.parts, self.spilled.map(Mutex::new));
        sort(Rows { blocks: self.held, parts, spilled, bits, count: self.rows }, self.memory)
            .map_err(|fault| fault.into_list_error(self.name, &self.folder))
    }

    /// All targets in the order of their paths, in memory.
    pub(crate) fn into_list(self) -> Result<TargetList, ListError> {
        // By what the parts are told apart, so that each is a bin.
        let bits = tufold_meta::BitLength::new(PART_BITS).unwrap_or_else(|| unreachable!());
        let folder = self.folder.clone();
        let mut rows = Vec::new();
        for bin in self.into_bins(bits)?.into_runs() {
            rows.extend(bin.targets().map_err(|error| temporary_error(&folder, error))?);
        }
        rows.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Ok(TargetList(rows))
    }
}

impl From<TargetList> for Intake {
    fn from(list: TargetList) -> Self {
        let mut intake = Self::new("the list".to_owned(), Memory::UNBOUNDED, Path::new("."));
        let rows = list.into_rows();
        // In pieces, so that both forms of a long list are never there whole.
        let piece = (1 << 14) * rayon::current_num_threads().max(1);
        for (nth, rows) in rows.chunks(piece).enumerate() {
            let packed: Vec<Packed> = rows
                .par_chunks(1 << 14)
                .enumerate()
                .map(|(chunk, rows)| {
                    let line = nth * piece + (chunk << 14);
                    let rows = (line as u64..).zip(rows).map(|(line, Target { path, file })| {
                        Row::new(line, Cow::Borrowed(path.as_str()), file)
                    });
                    Packed::of(&rows.collect::<Vec<_>>())
                })
                .collect();
            for packed in packed {
                intake.add(packed).expect("what memory is enough for is not written to a file");
            }
        }
        intake
    }
}

impl Packed {
    fn of(rows: &[Row<'_>]) -> Self {
        let mut counts = vec![0; PARTS];
        for row in rows {
            counts[row.part()] += 1;
        }
        // Where the next row of each part stands in the order.
        let mut next: Vec<usize> = Vec::with_capacity(PARTS);
        let mut before = 0;
        for count in &counts {
            next.push(before);
            before += *count;
        }
        let mut order = vec![0; rows.len()];
        for (at, row) in rows.iter().enumerate() {
            let next = &mut next[row.part()];
            order[*next] = at;
            *next += 1;
        }
        let mut bytes = Vec::with_capacity(rows.iter().map(Row::packed_len).sum());
        let mut order = order.into_iter();
        let ends = counts.into_iter().map(|count| {
            order.by_ref().take(count).for_each(|at| rows[at].pack(&mut bytes));
            bytes.len()
        });
        let ends = ends.collect();
        let path_bytes = rows.iter().map(|row| row.path.len() as u64).sum();
        Self { bytes, ends, rows: rows.len() as u64, path_bytes }
    }

    /// The rows of some parts.
    pub(super) fn of_parts(&self, parts: Range<usize>) -> &[u8] {
        let end = |parts: usize| parts.checked_sub(1).map_or(0, |last| self.ends[last]);
        &self.bytes[end(parts.start)..end(parts.end)]
    }
}

impl<'b> Row<'b> {
    fn plain(line: u64, path: Cow<'b, str>, length: u64, sha256: Digest) -> Self {
        let [a, b, c, d, ..] = *Digest::of(path.as_bytes()).as_bytes();
        Self { hash: [a, b, c, d], line, path, file: RowFile::Plain(length, sha256) }
    }

    fn new(line: u64, path: Cow<'b, str>, file: &TargetFile) -> Self {
        let mut row = Self::plain(line, path, file.length, Digest::from_bytes([0; 32]));
        row.file = match file.hashes.sha256() {
            Some(sha256) if *file == TargetFile::new(file.length, sha256) => {
                RowFile::Plain(file.length, sha256)
            }
            _ => {
                let mut canonical = Vec::new();
                file.write(&mut canonical);
                // Raw control characters, which canonical JSON has, are no JSON.
                RowFile::Json(tufold_meta::cjson::file_text(&canonical).into_owned())
            }
        };
        row
    }

    fn part(&self) -> usize {
        usize::from(u16::from_be_bytes([self.hash[0], self.hash[1]]) >> (16 - PART_BITS))
    }

    fn packed_len(&self) -> usize {
        let file = match &self.file {
            RowFile::Plain(..) => PLAIN_BYTES,
            RowFile::Json(json) => json.len(),
        };
        SORT_KEY_BYTES + LENGTHS_BYTES + self.path.len() + file
    }

    fn pack(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.hash);
        bytes.extend_from_slice(&self.line.to_le_bytes());
        let path_len =
            u16::try_from(self.path.len()).expect("a target path has at most 4,096 bytes");
        bytes.extend_from_slice(&path_len.to_le_bytes());
        let file_len = match &self.file {
            RowFile::Plain(..) => PLAIN,
            RowFile::Json(json) => u32::try_from(json.len()).expect("a row is one line of a list"),
        };
        bytes.extend_from_slice(&file_len.to_le_bytes());
        bytes.extend_from_slice(self.path.as_bytes());
        match &self.file {
            RowFile::Plain(length, sha256) => {
                bytes.extend_from_slice(&length.to_le_bytes());
                bytes.extend_from_slice(sha256.as_bytes());
            }
            RowFile::Json(json) => bytes.extend_from_slice(json),
        }
    }
}

/// A row of a part, taken apart.
pub(super) struct PackedRow<'p> {
    pub(super) hash: u32,
    pub(super) line: u64,
    pub(super) path: &'p [u8],
    /// What a sorted row keeps.
    pub(super) sorted: &'p [u8],
    pub(super) end: usize,
}

/// The row of a part that begins at `start`; `None` if it is damaged.
pub(super) fn packed_row(part: &[u8], start: usize) -> Option<PackedRow<'_>> {
    let (hash, rest) = part.get(start..)?.split_first_chunk()?;
    let (line, rest) = rest.split_first_chunk()?;
    let (path, _, used) = split_row(rest)?;
    Some(PackedRow {
        hash: u32::from_be_bytes(*hash),
        line: u64::from_le_bytes(*line),
        path,
        sorted: &rest[..used],
        end: start + SORT_KEY_BYTES + used,
    })
}

/// The first of some sorted rows: its path, what is packed of its file, and its length.
pub(super) fn sorted_row(rows: &[u8]) -> Option<(&str, PackedFile<'_>, usize)> {
    let (path, file, used) = split_row(rows)?;
    Some((std::str::from_utf8(path).ok()?, file, used))
}

fn split_row(rows: &[u8]) -> Option<(&[u8], PackedFile<'_>, usize)> {
    let (path_len, rest) = rows.split_first_chunk()?;
    let (file_len, rest) = rest.split_first_chunk()?;
    let path_len = usize::from(u16::from_le_bytes(*path_len));
    let (path, rest) = rest.split_at_checked(path_len)?;
    let file_len = u32::from_le_bytes(*file_len);
    let is_plain = file_len == PLAIN;
    let len = if is_plain { PLAIN_BYTES } else { usize::try_from(file_len).ok()? };
    let bytes = rest.get(..len)?;
    let file = if is_plain { PackedFile::Plain(bytes) } else { PackedFile::Json(bytes) };
    Some((path, file, LENGTHS_BYTES + path_len + len))
}

/// What is packed of a file.
pub(super) enum PackedFile<'p> {
    Plain(&'p [u8]),
    Json(&'p [u8]),
}

impl PackedFile<'_> {
    pub(super) fn unpack(&self) -> Option<TargetFile> {
        match self {
            Self::Plain(bytes) => {
                let (length, sha256) = bytes.split_first_chunk()?;
                let sha256 = Digest::from_bytes(sha256.try_into().ok()?);
                let hashes = Hashes::sha256_only(sha256);
                Some(super::read::plain_file(u64::from_le_bytes(*length), hashes))
            }
            Self::Json(json) => serde_json::from_slice(json).ok(),
        }
    }
}

/// Packs the lines of a block; or says which one is wrong, and why.
fn pack(block: &Block, json_lines: bool) -> Result<Packed, (u64, LineError)> {
    let mut rows = Vec::new();
    for (number, text) in (block.line..).zip(lines_of(&block.bytes)) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let result = if text.len() > MAX_LINE_BYTES {
            Err(LineError::TooLong)
        } else if json_lines {
            json_row(number, text)
        } else {
            tsv_row(number, text)
        };
        rows.extend(result.map_err(|problem| (number, problem))?);
    }
    Ok(Packed::of(&rows))
}

/// `None` for a line with nothing in it.
fn json_row(line: u64, text: &[u8]) -> Result<Option<Row<'_>>, LineError> {
    let text = utf8(text)?;
    if text.bytes().all(|byte| is_blank(&byte)) {
        return Ok(None);
    }
    let Target { path, file } = json::read_target(text)?;
    Ok(Some(Row::new(line, Cow::Owned(path.as_str().to_owned()), &file)))
}

/// `None` for the header.
fn tsv_row(line: u64, text: &[u8]) -> Result<Option<Row<'_>>, LineError> {
    let text = utf8(text)?;
    if line == 1 {
        let header = || LineError::Header { found: quote(text), expected: TARGETS_HEADER };
        return if text == TARGETS_HEADER { Ok(None) } else { Err(header()) };
    }
    let [path, length, sha256] = columns(text)?;
    value_path(path, TargetPath::check(path))?;
    let length = target_length("length", length)?;
    let sha256 = target_sha256("sha256", sha256)?;
    Ok(Some(Row::plain(line, Cow::Borrowed(path), length, sha256)))
}

/// The temporary file failed.
pub(super) fn temporary_error(folder: &Path, error: std::io::Error) -> ListError {
    ListError::Io { file: format!("a temporary file in {}", folder.display()), error }
}

#[cfg(test)]
mod tests;
