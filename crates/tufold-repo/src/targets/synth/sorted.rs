//! Lines of any number, sorted within bounded memory: runs in a temporary file, then one merge.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;

/// How much of each run is read at once.
const READ_BYTES: usize = 1 << 18;

/// Takes lines, each with its end, in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    most_bytes: usize,
    lines: Vec<u8>,
    starts: Vec<usize>,
    file: Option<File>,
    /// Offset and length of each run.
    runs: Vec<(u64, u64)>,
}

impl Sorter {
    /// Holds up to so many bytes of lines, and writes the others to a temporary file without a name in `folder`.
    pub(super) fn new(most_bytes: usize, folder: PathBuf) -> Self {
        let (lines, starts, runs) = (Vec::new(), Vec::new(), Vec::new());
        Self { folder, most_bytes, lines, starts, file: None, runs }
    }

    /// Takes some whole lines.
    pub(super) fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        if !self.lines.is_empty() && self.lines.len() + lines.len() > self.most_bytes {
            self.spill()?;
        }
        let mut start = self.lines.len();
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            self.starts.push(start);
            start += line.len();
        }
        self.lines.extend_from_slice(lines);
        Ok(())
    }

    /// Writes all lines in the order of their bytes.
    pub(super) fn write(mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.file.is_none() {
            return self.write_held(out);
        }
        self.spill()?;
        self.lines = Vec::new();
        let Some(file) = self.file else { return Ok(()) };
        let file = Arc::new(Mutex::new(file));
        let mut runs: Vec<BufReader<RunReader>> = (self.runs.iter())
            .map(|&(at, len)| {
                let end = at + len;
                BufReader::with_capacity(READ_BYTES, RunReader { file: file.clone(), at, end })
            })
            .collect();
        let mut heap = BinaryHeap::new();
        for (nth, run) in runs.iter_mut().enumerate() {
            heap.extend(next_line(run)?.map(|line| Reverse((line, nth))));
        }
        while let Some(Reverse((line, nth))) = heap.pop() {
            out.write_all(&line)?;
            heap.extend(next_line(&mut runs[nth])?.map(|line| Reverse((line, nth))));
        }
        Ok(())
    }

    fn write_held(&mut self, out: &mut dyn Write) -> io::Result<()> {
        let lines = &self.lines;
        let line = |start: usize| {
            let rest = &lines[start..];
            let len = rest.iter().position(|&byte| byte == b'\n').map_or(rest.len(), |end| end + 1);
            &rest[..len]
        };
        self.starts.par_sort_unstable_by(|&a, &b| line(a).cmp(line(b)));
        self.starts.iter().try_for_each(|&start| out.write_all(line(start)))
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile_in(&self.folder)?,
        };
        let start = self.runs.last().map_or(0, |&(at, len)| at + len);
        let mut out = io::BufWriter::with_capacity(READ_BYTES, file);
        self.write_held(&mut out)?;
        self.file = Some(out.into_inner().map_err(io::IntoInnerError::into_error)?);
        self.runs.push((start, self.lines.len() as u64));
        self.lines.clear();
        self.starts.clear();
        Ok(())
    }
}

/// One run of a file that all runs share.
struct RunReader {
    file: Arc<Mutex<File>>,
    at: u64,
    end: u64,
}

impl Read for RunReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(self.at))?;
        let read = Read::by_ref(&mut *file).take(self.end - self.at).read(buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

fn next_line(run: &mut BufReader<RunReader>) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    Ok((run.read_until(b'\n', &mut line)? > 0).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_out_sorted_however_little_is_held() {
        let mut lines: Vec<String> =
            (0..500_u32).map(|i| format!("{}\t{i}\n", i * 7919 % 499)).collect();
        let text = lines.concat();
        lines.sort_unstable();
        for most_bytes in [0, 1, 100, 1_000, 1 << 20] {
            let folder = tempfile::tempdir().unwrap();
            let mut sorter = Sorter::new(most_bytes, folder.path().to_owned());
            for piece in text.split_inclusive('\n').collect::<Vec<_>>().chunks(3) {
                sorter.add(piece.concat().as_bytes()).unwrap();
            }
            let mut out = Vec::new();
            sorter.write(&mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), lines.concat(), "{most_bytes}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
