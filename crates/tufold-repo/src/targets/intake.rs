//! A list of any length, read within bounded memory.
//!
//! Rows are packed as they are read, by all cores, and spread over parts by the leading bits of the
//! SHA-256 of their paths. Where the parts grow too large they go to a temporary file, which has no
//! name and so goes with the process, however that ends.
//!
//! A packed row: the first four bytes of the hash (big-endian), the number of its line (8), the
//! length of the path (2) and of what follows it (4, all little-endian); the path; then the file's
//! length (8) and SHA-256, or, where it has more than these, its JSON.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tufold_meta::{Digest, Hashes, TargetFile, TargetPath};

use super::binned::{Binned, sort};
use super::error::quote;
use super::read::{
    TARGETS_HEADER, columns, is_blank, target_length, target_sha256, utf8, value_path,
};
use super::source::{Blocks, count_lines, lines_of};
use super::{LineError, ListError, MAX_LINE_BYTES, Progress, Source, Target, TargetList, json};
use crate::memory::Memory;

/// How many parts the rows are spread over: by so many leading bits of the hash.
pub(super) const PART_BITS: u32 = 10;
const PARTS: usize = 1 << PART_BITS;

/// Hash and line, which a sorted row no longer needs.
pub(super) const SORT_KEY_BYTES: usize = 4 + 8;
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
    parts: Vec<Part>,
    spilled: Option<File>,
    spilled_bytes: u64,
}

/// The rows of some leading bits.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) rows: u64,
    /// Those in memory.
    pub(super) held: Vec<u8>,
    /// Where the others are in the temporary file: offset and length.
    pub(super) extents: Vec<(u64, usize)>,
}

/// Rows of one block of the list.
struct Packed {
    bytes: Vec<u8>,
    /// Where each row begins.
    starts: Vec<usize>,
    path_bytes: u64,
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
        let mut intake = Self::new(blocks.name.clone(), memory, folder);
        let mut line = 1 + count_lines(&first);
        let mut batch = vec![Block { line: 1, bytes: first }];
        let wide = rayon::current_num_threads().max(1);
        loop {
            let (packed, next) = rayon::join(
                || batch.par_iter().map(|block| pack(block, json_lines)).collect::<Vec<_>>(),
                || read_blocks(&mut blocks, wide, &mut line),
            );
            let packed = packed.into_iter().collect::<Result<Vec<_>, _>>();
            let packed = packed.map_err(|(line, problem)| blocks.line_error(line, problem))?;
            intake.add(&packed)?;
            progress(intake.rows);
            let (next, fault) = next;
            batch = next;
            if batch.is_empty() {
                return fault.map_or(Ok(intake), Err);
            }
            if let Some(fault) = fault {
                // The lines before it come first: what is wrong with them is the error then.
                for block in &batch {
                    pack(block, json_lines)
                        .map_err(|(line, problem)| blocks.line_error(line, problem))?;
                }
                return Err(fault);
            }
        }
    }

    fn new(name: String, memory: Memory, folder: &Path) -> Self {
        Self {
            name,
            memory,
            folder: folder.to_owned(),
            rows: 0,
            path_bytes: 0,
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

    /// Spreads rows over the parts.
    fn add(&mut self, packed: &[Packed]) -> Result<(), ListError> {
        for packed in packed {
            self.rows += packed.starts.len() as u64;
            self.path_bytes += packed.path_bytes;
        }
        let width = PARTS.div_ceil(rayon::current_num_threads().max(1));
        self.parts.par_chunks_mut(width).enumerate().for_each(|(nth, parts)| {
            let first = nth * width;
            for packed in packed {
                let ends = packed.starts.iter().skip(1).copied().chain([packed.bytes.len()]);
                for (&start, end) in packed.starts.iter().zip(ends) {
                    let row = &packed.bytes[start..end];
                    let part =
                        usize::from(u16::from_be_bytes([row[0], row[1]]) >> (16 - PART_BITS));
                    if let Some(part) = part.checked_sub(first).and_then(|at| parts.get_mut(at)) {
                        part.rows += 1;
                        part.held.extend_from_slice(row);
                    }
                }
            }
        });
        let held: u64 = self.parts.iter().map(|part| part.held.len() as u64).sum();
        if held > self.memory.for_rows() { self.spill() } else { Ok(()) }
    }

    /// Writes what is held to the temporary file.
    fn spill(&mut self) -> Result<(), ListError> {
        let failed = |error| temporary_error(&self.folder, error);
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder).map_err(failed)?),
        };
        for part in self.parts.iter_mut().filter(|part| !part.held.is_empty()) {
            file.write_all(&part.held).map_err(failed)?;
            part.extents.push((self.spilled_bytes, part.held.len()));
            self.spilled_bytes += part.held.len() as u64;
            part.held.clear();
        }
        Ok(())
    }

    /// Sorts the rows into bins; an error if a path is there twice.
    pub(crate) fn into_bins(mut self, bits: tufold_meta::BitLength) -> Result<Binned, ListError> {
        if self.spilled.is_some() {
            self.spill()?;
        }
        let spilled = match self.spilled {
            None => None,
            Some(mut file) => {
                let failed = |error| temporary_error(&self.folder, error);
                file.seek(SeekFrom::Start(0)).map_err(failed)?;
                Some((file, tempfile::tempfile_in(&self.folder).map_err(failed)?))
            }
        };
        sort(self.parts, spilled, bits)
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
                    let mut packed = Packed::with_capacity(rows.len() * 160);
                    let line = nth * piece + (chunk << 14);
                    for (line, target) in (line as u64..).zip(rows) {
                        packed.push(line, target.path.as_str(), &target.file);
                    }
                    packed
                })
                .collect();
            intake.add(&packed).expect("what memory is enough for is not written to a file");
        }
        intake
    }
}

impl Packed {
    fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), starts: Vec::new(), path_bytes: 0 }
    }

    fn head(&mut self, line: u64, path: &str, file_len: u32) {
        self.starts.push(self.bytes.len());
        self.path_bytes += path.len() as u64;
        self.bytes.extend_from_slice(&Digest::of(path.as_bytes()).as_bytes()[..4]);
        self.bytes.extend_from_slice(&line.to_le_bytes());
        let path_len = u16::try_from(path.len()).expect("a target path has at most 4,096 bytes");
        self.bytes.extend_from_slice(&path_len.to_le_bytes());
        self.bytes.extend_from_slice(&file_len.to_le_bytes());
        self.bytes.extend_from_slice(path.as_bytes());
    }

    fn push_plain(&mut self, line: u64, path: &str, length: u64, sha256: &Digest) {
        self.head(line, path, PLAIN);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(sha256.as_bytes());
    }

    fn push(&mut self, line: u64, path: &str, file: &TargetFile) {
        match file.hashes.sha256() {
            Some(sha256) if *file == TargetFile::new(file.length, sha256) => {
                self.push_plain(line, path, file.length, &sha256);
            }
            _ => {
                let mut canonical = Vec::new();
                file.write(&mut canonical);
                // Raw control characters, which canonical JSON has, are no JSON.
                let json = tufold_meta::cjson::file_text(&canonical);
                let len = u32::try_from(json.len()).expect("a row is one line of a list");
                self.head(line, path, len);
                self.bytes.extend_from_slice(&json);
            }
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

/// The next blocks, at most `wide`, and the error that came after them.
fn read_blocks(
    blocks: &mut Blocks<'_>,
    wide: usize,
    line: &mut u64,
) -> (Vec<Block>, Option<ListError>) {
    let mut read = Vec::with_capacity(wide);
    for _ in 0..wide {
        match blocks.next(*line) {
            Ok(Some(bytes)) => {
                let lines = count_lines(&bytes);
                read.push(Block { line: *line, bytes });
                *line += lines;
            }
            Ok(None) => break,
            Err(error) => return (read, Some(error)),
        }
    }
    (read, None)
}

/// Packs the lines of a block; or says which one is wrong, and why.
fn pack(block: &Block, json_lines: bool) -> Result<Packed, (u64, LineError)> {
    let mut packed = Packed::with_capacity(block.bytes.len());
    for (number, text) in (block.line..).zip(lines_of(&block.bytes)) {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let result = if text.len() > MAX_LINE_BYTES {
            Err(LineError::TooLong)
        } else if json_lines {
            pack_json(&mut packed, number, text)
        } else {
            pack_tsv(&mut packed, number, text)
        };
        result.map_err(|problem| (number, problem))?;
    }
    Ok(packed)
}

fn pack_json(packed: &mut Packed, line: u64, text: &[u8]) -> Result<(), LineError> {
    let text = utf8(text)?;
    if !text.bytes().all(|byte| is_blank(&byte)) {
        let Target { path, file } = json::read_target(text)?;
        packed.push(line, path.as_str(), &file);
    }
    Ok(())
}

fn pack_tsv(packed: &mut Packed, line: u64, text: &[u8]) -> Result<(), LineError> {
    let text = utf8(text)?;
    if line == 1 {
        let header = || LineError::Header { found: quote(text), expected: TARGETS_HEADER };
        return if text == TARGETS_HEADER { Ok(()) } else { Err(header()) };
    }
    let [path, length, sha256] = columns(text)?;
    value_path(path, TargetPath::check(path))?;
    let length = target_length("length", length)?;
    packed.push_plain(line, path, length, &target_sha256("sha256", sha256)?);
    Ok(())
}

/// The temporary file failed.
pub(super) fn temporary_error(folder: &Path, error: std::io::Error) -> ListError {
    ListError::Io { file: format!("a temporary file in {}", folder.display()), error }
}

#[cfg(test)]
mod tests;
