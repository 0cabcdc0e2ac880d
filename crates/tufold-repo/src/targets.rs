//! Lists of targets and of changes: what an index hands to the publisher.
//!
//! | list | TSV, with its header line | JSON Lines, one object a line |
//! |---|---|---|
//! | targets | `path length sha256` | `{"path": …, "length": …, "hashes": {"sha256": …}, "custom": {…}}` |
//! | changes | `change path length sha256` | `{"put": {a target}}` or `{"remove": path}` |
//!
//! In TSV one tab stands between columns; a change is `put`, or `remove` with an empty length and
//! an empty SHA-256. In JSON Lines `hashes` holds the SHA-256 and any further algorithm, `custom`
//! may be left out, blank lines are skipped, and an unknown or repeated key is an error. Lines end
//! with LF or CR LF. A length is a whole number from 0 to 2^63 - 1, hex may have either case (it is
//! kept in lower case), a path is listed once, and the order of lines does not matter. A header
//! without rows is an empty list; a file without a byte is an error.
//!
//! A file is plain, gzip, zstd or xz. Compression and format are told from the content, never from
//! the name. Reading streams: a line holds at most [`MAX_LINE_BYTES`], a zstd window at most 128 MiB.
//!
//! ```
//! use tufold_repo::targets::{Source, diff, read_targets};
//!
//! let old = "path\tlength\tsha256\n";
//! let new = format!("path\tlength\tsha256\nfoo.txt\t3\t{}\n", "2c".repeat(32));
//! let old = read_targets(Source::new("old.tsv", old.as_bytes()), &|_| ())?;
//! let new = read_targets(Source::new("new.tsv", new.as_bytes()), &|_| ())?;
//! assert_eq!(diff(&old, &new).apply(&old)?, new);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::cmp::Ordering;

use rayon::prelude::*;
use tufold_meta::{TargetFile, TargetPath};

mod binned;
mod debian;
mod dir;
mod error;
mod intake;
mod json;
mod read;
mod source;
mod synth;
mod write;

pub(crate) use binned::Run;
pub use debian::import_debian;
pub use dir::import_dir;
pub use error::{LineError, ListError, NameError};
pub use intake::Intake;
pub use read::{read_changes, read_targets};
pub use source::{Compression, MAX_LINE_BYTES, Source};
pub use synth::{Project, Projects, Random, Synth, read_projects};
pub use write::Draft;

/// Called now and then, from any thread, with the number of rows or files done so far.
pub type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// One row of a list: a path and what the metadata says of the file there.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where the file is.
    pub path: TargetPath,
    /// Its length, hashes and custom data.
    pub file: TargetFile,
}

/// Targets sorted by path, each path once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetList(Vec<Target>);

/// What happens to one path.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// The target is added, or takes the place of the one at its path.
    Put(Target),
    /// The path is no longer listed.
    Remove(TargetPath),
}

/// Changes sorted by path, at most one a path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChangeList(Vec<Change>);

/// Two rows have the same path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{path} is in row {first} and again in row {second}")]
pub struct DuplicatePath {
    /// The path of both.
    pub path: TargetPath,
    /// Index of the earlier row, from 0.
    pub first: usize,
    /// Index of the later row.
    pub second: usize,
}

/// A change removes a path that is not listed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} cannot be removed, it is not listed")]
pub struct NotListed(pub TargetPath);

impl TargetList {
    /// Sorts `rows`. Of several paths that stand twice, the error names the one whose second row
    /// comes first.
    pub fn from_rows(rows: Vec<Target>) -> Result<Self, DuplicatePath> {
        sorted(rows, |target| &target.path).map(Self)
    }

    /// The targets in the order of their paths.
    pub fn rows(&self) -> &[Target] {
        &self.0
    }

    /// The targets in the order of their paths, given away.
    pub fn into_rows(self) -> Vec<Target> {
        self.0
    }

    /// What is listed at `path`.
    pub fn get(&self, path: &str) -> Option<&TargetFile> {
        let at = self.0.binary_search_by(|target| target.path.as_str().cmp(path)).ok()?;
        Some(&self.0[at].file)
    }
}

impl Change {
    /// The path that changes.
    pub const fn path(&self) -> &TargetPath {
        match self {
            Self::Put(target) => &target.path,
            Self::Remove(path) => path,
        }
    }
}

impl ChangeList {
    /// Sorts `rows`. Of several paths that stand twice, the error names the one whose second row
    /// comes first.
    pub fn from_rows(rows: Vec<Change>) -> Result<Self, DuplicatePath> {
        sorted(rows, Change::path).map(Self)
    }

    /// The changes in the order of their paths.
    pub fn rows(&self) -> &[Change] {
        &self.0
    }

    /// The changes in the order of their paths, given away.
    pub fn into_rows(self) -> Vec<Change> {
        self.0
    }

    /// `old` after these changes. To put what is listed already is no error; to remove what is not
    /// listed is one.
    pub fn apply(&self, old: &TargetList) -> Result<TargetList, NotListed> {
        let mut new = Vec::with_capacity(old.0.len());
        let mut kept = old.0.iter().peekable();
        for change in &self.0 {
            while let Some(target) = kept.next_if(|target| target.path < *change.path()) {
                new.push(target.clone());
            }
            let replaced = kept.next_if(|target| target.path == *change.path());
            match change {
                Change::Put(target) => new.push(target.clone()),
                Change::Remove(path) if replaced.is_none() => return Err(NotListed(path.clone())),
                Change::Remove(_) => {}
            }
        }
        new.extend(kept.cloned());
        Ok(TargetList(new))
    }
}

/// The changes that turn `old` into `new`.
pub fn diff(old: &TargetList, new: &TargetList) -> ChangeList {
    let (mut olds, mut news) = (old.0.iter().peekable(), new.0.iter().peekable());
    let mut changes = Vec::new();
    loop {
        let order = match (olds.peek(), news.peek()) {
            (None, None) => return ChangeList(changes),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(new)) => old.path.cmp(&new.path),
        };
        let old = olds.next_if(|_| order.is_le());
        let new = news.next_if(|_| order.is_ge());
        match (old, new) {
            (Some(old), None) => changes.push(Change::Remove(old.path.clone())),
            (old, Some(new)) if old != Some(new) => changes.push(Change::Put(new.clone())),
            _ => {}
        }
    }
}

/// `rows` in the order of their paths. The sort moves indices and looks at the rows only once
/// they are known to be out of order, so a sorted file costs one scan.
fn sorted<T: Send + Sync>(
    mut rows: Vec<T>,
    path: impl Fn(&T) -> &TargetPath + Sync,
) -> Result<Vec<T>, DuplicatePath> {
    if rows.is_sorted_by(|a, b| path(a) < path(b)) {
        return Ok(rows);
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.par_sort_unstable_by(|&a, &b| path(&rows[a]).cmp(path(&rows[b])).then(a.cmp(&b)));
    let twice = order.windows(2).filter(|pair| path(&rows[pair[0]]) == path(&rows[pair[1]]));
    if let Some(pair) = twice.min_by_key(|pair| pair[1]) {
        let path = path(&rows[pair[0]]).clone();
        return Err(DuplicatePath { path, first: pair[0], second: pair[1] });
    }
    // Follow each cycle of the permutation: row `order[i]` belongs at `i`.
    for start in 0..rows.len() {
        let mut at = start;
        while order[at] != start {
            let from = order[at];
            rows.swap(at, from);
            order[at] = at;
            at = from;
        }
        order[at] = at;
    }
    Ok(rows)
}

#[cfg(test)]
mod tests;
