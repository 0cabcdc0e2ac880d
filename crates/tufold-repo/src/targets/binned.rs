//! Targets sorted by bin and path: each bin is one run of bytes.
//!
//! Rows stay where they were read to, in blocks in memory and in a temporary file. Of a group of bins only the order of its rows is
//! kept; the group is copied in that order when the first of its bins is asked for. Rows from all over memory, one after another, would
//! take longer to write than the copy does to make.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use tufold_meta::{BitLength, TargetFile, TargetPath};

use super::error::quote;
use super::intake::{PART_BITS, PARTS, Packed, Part, packed_row, sorted_row, temporary_error};
use super::{LineError, ListError, Target};
use crate::memory::Memory;

/// The targets of every bin.
#[derive(Debug)]
pub(crate) struct Binned {
    runs: Vec<Run>,
}

/// The targets of one bin, sorted by path. What it holds is not read before it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    sorted: Arc<Sorted>,
    group: usize,
    start: usize,
    len: usize,
    count: u64,
}

/// All rows, as they were read, and in which order they stand.
#[derive(Debug)]
struct Sorted {
    rows: Rows,
    /// Of each group.
    orders: Vec<Order>,
    /// The groups that were last put in order: as many as the cores work on, and those that they are done with.
    recent: Mutex<VecDeque<(usize, Arc<Vec<u8>>)>>,
}

/// Where the rows are.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) blocks: Vec<Packed>,
    pub(super) parts: Vec<Part>,
    pub(super) spilled: Option<Mutex<File>>,
    pub(super) bits: BitLength,
    pub(super) count: u64,
}

/// Where each row of a group begins in the group's bytes.
#[derive(Debug)]
enum Order {
    Kept(Vec<u32>),
    /// Memory does not hold it, so the group is sorted once more.
    Again,
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

/// Sorts rows. Of several paths that stand twice, the error names the one whose second line comes first.
pub(super) fn sort(rows: Rows, memory: Memory) -> Result<Binned, Fault> {
    let keeps_order = rows.count * size_of::<u32>() as u64 <= memory.for_order();
    let groups = (0..PARTS / rows.parts_of_group()).into_par_iter().map(|group| {
        let bytes = rows.gather(group)?;
        let (sorted, bins) = sort_group(&bytes, group, rows.bits)?;
        let starts = || sorted.iter().map(|row| u32::try_from(row.start)).collect::<Result<_, _>>();
        let order = keeps_order.then(starts).and_then(Result::ok);
        Ok((order.map_or(Order::Again, Order::Kept), bins))
    });
    let mut orders = Vec::new();
    let mut bins = Vec::new();
    let mut twice: Option<(String, u64, u64)> = None;
    for group in groups.collect::<Vec<Result<_, Fault>>>() {
        match group {
            Ok((order, of_group)) => {
                orders.push(order);
                bins.push(of_group);
            }
            Err(Fault::Twice(path, first, line)) => {
                if twice.as_ref().is_none_or(|(_, _, other)| line < *other) {
                    twice = Some((path, first, line));
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    if let Some((path, first, line)) = twice {
        return Err(Fault::Twice(path, first, line));
    }
    let sorted = Arc::new(Sorted { rows, orders, recent: Mutex::default() });
    let runs = bins.into_iter().enumerate().flat_map(|(group, bins)| {
        let (sorted, mut start) = (sorted.clone(), 0);
        bins.into_iter().map(move |Bin { len, count }| {
            let run = Run { sorted: sorted.clone(), group, start, len, count };
            start += len;
            run
        })
    });
    Ok(Binned { runs: runs.collect() })
}

impl Rows {
    /// A bin is never in two groups, and a group has one part or more.
    fn parts_of_group(&self) -> usize {
        1 << PART_BITS.saturating_sub(self.bits.bits())
    }

    /// All rows of a group, in the order in which they were read.
    fn gather(&self, group: usize) -> io::Result<Vec<u8>> {
        let count = self.parts_of_group();
        let parts = group * count..(group + 1) * count;
        let extents = || self.parts[parts.clone()].iter().flat_map(|part| &part.extents);
        let pieces = || self.blocks.iter().map(|block| block.of_parts(parts.clone()));
        let spilled: usize = extents().map(|&(_, len)| len).sum();
        let held: usize = pieces().map(<[u8]>::len).sum();
        let mut bytes = Vec::with_capacity(spilled + held);
        if let Some(file) = &self.spilled {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            for &(offset, len) in extents() {
                file.seek(SeekFrom::Start(offset))?;
                let end = bytes.len() + len;
                Read::by_ref(&mut *file).take(len as u64).read_to_end(&mut bytes)?;
                if bytes.len() != end {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
        pieces().for_each(|piece| bytes.extend_from_slice(piece));
        Ok(bytes)
    }
}

impl Sorted {
    /// The rows of a group in order.
    fn group(&self, group: usize) -> io::Result<Arc<Vec<u8>>> {
        let lock = || self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = lock().iter().find(|(recent, _)| *recent == group) {
            return Ok(bytes.clone());
        }
        // Another thread may do the same meanwhile, which costs time and no more.
        let bytes = self.rows.gather(group)?;
        let mut sorted = Vec::with_capacity(bytes.len());
        match &self.orders[group] {
            Order::Kept(starts) => {
                for &start in starts {
                    let row = packed_row(&bytes, start as usize).ok_or_else(damaged)?;
                    sorted.extend_from_slice(row.sorted);
                }
            }
            Order::Again => {
                let rows = sort_group(&bytes, group, self.rows.bits).map_err(|_| damaged())?.0;
                rows.iter().for_each(|row| sorted.extend_from_slice(row.sorted));
            }
        }
        let sorted = Arc::new(sorted);
        let mut recent = lock();
        if recent.len() >= 2 * rayon::current_num_threads() {
            recent.pop_front();
        }
        recent.push_back((group, sorted.clone()));
        Ok(sorted)
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
struct SortedRow<'b> {
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
) -> Result<(Vec<SortedRow<'_>>, Vec<Bin>), Fault> {
    let mut rows = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let row = packed_row(bytes, start).ok_or_else(damaged)?;
        rows.push(SortedRow {
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
        let group = self.sorted.group(self.group)?;
        let mut rest = &group[self.start..self.start + self.len];
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
}
