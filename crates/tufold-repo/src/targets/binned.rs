//! Targets sorted by bin and path: each bin is one run of bytes, in memory or in a temporary file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rayon::prelude::*;
use tufold_meta::{BitLength, TargetFile, TargetPath};

use super::error::quote;
use super::intake::{
    PART_BITS, Packed, Part, SORT_KEY_BYTES, packed_row, sorted_row, temporary_error,
};
use super::{LineError, ListError, Target};

/// The targets of every bin.
#[derive(Debug)]
pub(crate) struct Binned {
    runs: Vec<Run>,
}

/// The targets of one bin, sorted by path. What it holds is not read before it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    held: Arc<Held>,
    start: u64,
    len: usize,
    count: u64,
}

/// Where the runs of a group are.
#[derive(Debug)]
enum Held {
    Memory(Group),
    File(Arc<Mutex<File>>),
}

/// A group in the blocks in which it was read. It is copied in order when the first of its runs is asked for, and the copy goes with the
/// last of them: rows from all over memory, one after another, would take longer to write than the copy does to make.
#[derive(Debug)]
struct Group {
    blocks: Arc<[Packed]>,
    parts: Range<usize>,
    /// Where each row begins in the group's bytes, block after block.
    order: Vec<usize>,
    len: usize,
    sorted: OnceLock<Vec<u8>>,
}

/// Why rows were not sorted.
pub(super) enum Fault {
    /// A path, its first line and its second.
    Twice(String, u64, u64),
    Temporary(io::Error),
}

impl Fault {
    pub(super) fn into_list_error(self, file: String, folder: &Path) -> ListError {
        match self {
            Self::Twice(path, first, line) => {
                let problem = LineError::Duplicate { path: quote(path), first };
                ListError::Line { file, line, problem }
            }
            Self::Temporary(error) => temporary_error(folder, error),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Temporary(error)
    }
}

/// Sorts rows: those that are `held` and those that are in the first of the files `spilled`, from where all go to the second. Of
/// several paths that stand twice, the error names the one whose second line comes first.
pub(super) fn sort(
    held: Vec<Packed>,
    parts: &[Part],
    spilled: Option<(File, File)>,
    bits: BitLength,
) -> Result<Binned, Fault> {
    // A bin is never in two groups, and a group has one part or more.
    let parts_of_group = 1 << PART_BITS.saturating_sub(bits.bits());
    let (from, to) = spilled.unzip();
    let (from, to) = (from.map(Mutex::new), to.map(|file| Arc::new(Mutex::new(file))));
    let mut place = 0;
    let groups: Vec<(u64, &[Part])> = parts
        .chunks(parts_of_group)
        .map(|group| {
            let at = place;
            place += group.iter().map(Part::sorted_bytes).sum::<u64>();
            (at, group)
        })
        .collect();
    let held: Arc<[Packed]> = held.into();
    let sorted: Vec<Result<Vec<Run>, Fault>> = groups
        .into_par_iter()
        .enumerate()
        .map(|(nth, (place, group))| {
            let parts = nth * parts_of_group..(nth + 1) * parts_of_group;
            let bytes = match &from {
                None => gather(&held, parts.clone()),
                Some(file) => gather_spilled(group, file)?,
            };
            let (rows, bins) = sort_group(&bytes, nth, bits)?;
            let len = bins.iter().map(|bin| bin.len).sum();
            let (held, mut start) = match &to {
                None => {
                    let (blocks, order) =
                        (held.clone(), rows.iter().map(|row| row.start).collect());
                    (Held::Memory(Group { blocks, parts, order, len, sorted: OnceLock::new() }), 0)
                }
                Some(file) => {
                    let mut sorted = Vec::with_capacity(len);
                    rows.iter().for_each(|row| sorted.extend_from_slice(row.sorted));
                    let mut locked = file.lock().unwrap_or_else(PoisonError::into_inner);
                    locked.seek(SeekFrom::Start(place))?;
                    locked.write_all(&sorted)?;
                    (Held::File(file.clone()), place)
                }
            };
            let held = Arc::new(held);
            let runs = bins.into_iter().map(|Bin { len, count }| {
                let run = Run { held: held.clone(), start, len, count };
                start += len as u64;
                run
            });
            Ok(runs.collect())
        })
        .collect();
    let mut runs = Vec::new();
    let mut twice: Option<(String, u64, u64)> = None;
    for group in sorted {
        match group {
            Ok(group) => runs.extend(group),
            Err(Fault::Twice(path, first, line)) => {
                if twice.as_ref().is_none_or(|(_, _, other)| line < *other) {
                    twice = Some((path, first, line));
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    match twice {
        Some((path, first, line)) => Err(Fault::Twice(path, first, line)),
        None => Ok(Binned { runs }),
    }
}

impl Part {
    fn bytes(&self) -> u64 {
        self.extents.iter().map(|&(_, len)| len as u64).sum()
    }

    fn sorted_bytes(&self) -> u64 {
        self.bytes() - self.rows * SORT_KEY_BYTES as u64
    }
}

/// All rows of some parts that are in memory.
fn gather(blocks: &[Packed], parts: Range<usize>) -> Vec<u8> {
    let pieces = || blocks.iter().map(|block| block.of_parts(parts.clone()).0);
    let mut bytes = Vec::with_capacity(pieces().map(<[u8]>::len).sum());
    pieces().for_each(|piece| bytes.extend_from_slice(piece));
    bytes
}

/// All rows of some parts that are in the file.
fn gather_spilled(group: &[Part], file: &Mutex<File>) -> io::Result<Vec<u8>> {
    let len = group.iter().map(Part::bytes).sum::<u64>();
    let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
    let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
    for &(offset, len) in group.iter().flat_map(|part| &part.extents) {
        file.seek(SeekFrom::Start(offset))?;
        let end = bytes.len() + len;
        Read::by_ref(&mut *file).take(len as u64).read_to_end(&mut bytes)?;
        if bytes.len() != end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(bytes)
}

impl Group {
    /// The rows in order.
    fn sorted(&self) -> io::Result<&[u8]> {
        if let Some(sorted) = self.sorted.get() {
            return Ok(sorted);
        }
        let bytes = gather(&self.blocks, self.parts.clone());
        let mut sorted = Vec::with_capacity(self.len);
        for &start in &self.order {
            sorted.extend_from_slice(packed_row(&bytes, start).ok_or_else(damaged)?.sorted);
        }
        // Another thread may have been first, with the same bytes.
        Ok(self.sorted.get_or_init(|| sorted))
    }
}

fn damaged() -> io::Error {
    io::Error::other("a row that was written is damaged")
}

/// How many bytes and rows a bin has.
struct Bin {
    len: usize,
    count: u64,
}

/// A row of a group.
struct Sorted<'b> {
    bin: u32,
    line: u64,
    start: usize,
    path: &'b [u8],
    sorted: &'b [u8],
}

/// The rows of a group by bin and path, and its bins.
fn sort_group(
    bytes: &[u8],
    nth: usize,
    bits: BitLength,
) -> Result<(Vec<Sorted<'_>>, Vec<Bin>), Fault> {
    let mut rows = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let row = packed_row(bytes, start).ok_or_else(damaged)?;
        rows.push(Sorted {
            bin: row.hash >> (32 - bits.bits()),
            line: row.line,
            start,
            path: row.path,
            sorted: row.sorted,
        });
        start = row.end;
    }
    rows.sort_unstable_by(|a, b| {
        a.bin.cmp(&b.bin).then_with(|| a.path.cmp(b.path)).then(a.line.cmp(&b.line))
    });
    let pairs = rows.windows(2).filter(|pair| pair[0].path == pair[1].path);
    if let Some([first, second]) = pairs.min_by_key(|pair| pair[1].line) {
        let path = String::from_utf8_lossy(first.path).into_owned();
        return Err(Fault::Twice(path, first.line, second.line));
    }
    let bins_of_group = 1_usize << bits.bits().saturating_sub(PART_BITS);
    let mut rest = rows.iter().peekable();
    let bins = (nth * bins_of_group..(nth + 1) * bins_of_group).map(|bin| {
        let mut of_bin = Bin { len: 0, count: 0 };
        while let Some(row) = rest.next_if(|row| row.bin as usize == bin) {
            of_bin.len += row.sorted.len();
            of_bin.count += 1;
        }
        of_bin
    });
    let bins = bins.collect();
    Ok((rows, bins))
}

impl Binned {
    /// The runs of all bins, in order.
    pub(crate) fn into_runs(self) -> Vec<Run> {
        self.runs
    }
}

impl Run {
    /// How many targets there are.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// What they take packed.
    pub(crate) const fn len_bytes(&self) -> usize {
        self.len
    }

    /// Calls `with` on every target in the order of the paths.
    pub(crate) fn for_each(&self, mut with: impl FnMut(&str, TargetFile)) -> io::Result<()> {
        let bytes = self.bytes()?;
        let mut rest = &*bytes;
        while !rest.is_empty() {
            let row = sorted_row(rest).and_then(|(path, file, used)| {
                with(path, file.unpack()?);
                Some(used)
            });
            let used = row.ok_or_else(damaged)?;
            rest = &rest[used..];
        }
        Ok(())
    }

    /// The targets as values.
    pub(crate) fn targets(&self) -> io::Result<Vec<Target>> {
        let mut targets = Vec::with_capacity(usize::try_from(self.count).unwrap_or(0));
        let mut wrong = None;
        self.for_each(|path, file| match TargetPath::new(path) {
            Ok(path) => targets.push(Target { path, file }),
            Err(error) => wrong = Some(error),
        })?;
        wrong.map_or(Ok(targets), |error| Err(io::Error::other(error)))
    }

    fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match &*self.held {
            Held::Memory(group) => {
                let start = usize::try_from(self.start).map_err(io::Error::other)?;
                Ok(Cow::Borrowed(&group.sorted()?[start..start + self.len]))
            }
            Held::File(file) => {
                let mut bytes = vec![0; self.len];
                let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
                file.seek(SeekFrom::Start(self.start))?;
                file.read_exact(&mut bytes)?;
                Ok(Cow::Owned(bytes))
            }
        }
    }
}
