//! Where a list comes from: a stream of bytes with a name, decompressed and cut into lines.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use super::{LineError, ListError, Progress};

/// The longest line that is read, without its end.
pub const MAX_LINE_BYTES: usize = 1 << 20;

/// How much is decompressed before it is parsed: enough for two of the longest lines.
const BLOCK_BYTES: usize = 2 * MAX_LINE_BYTES;

/// The largest zstd window that is accepted, 128 MiB: what zstd itself takes without being asked.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// The memory that an xz stream may ask for: four times what `xz -9` does.
const XZ_MEMORY_BYTES: u64 = 256 << 20;

/// How a list is compressed. It prints as the name of the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Compression {
    /// Not at all.
    Plain,
    /// gzip, one member or several.
    Gzip,
    /// zstd, one frame or several.
    Zstd,
    /// xz, one stream or several.
    Xz,
}

impl Compression {
    /// How data that starts with `bytes` is compressed. Six bytes are enough.
    pub fn of_content(bytes: &[u8]) -> Self {
        match bytes {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or a skippable frame in front of one.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }

    /// How a file of this name is to be written: `.gz`, `.zst` and `.xz` are compressed.
    pub fn of_name(path: &Path) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("gz") => Self::Gzip,
            Some("zst") => Self::Zstd,
            Some("xz") => Self::Xz,
            _ => Self::Plain,
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
        })
    }
}

/// A stream of bytes, and the name that errors give it.
pub struct Source<'a> {
    name: String,
    bytes: Box<dyn Read + Send + 'a>,
}

impl<'a> Source<'a> {
    /// The stream `bytes`, called `name` in errors.
    pub fn new(name: impl Into<String>, bytes: impl Read + Send + 'a) -> Self {
        Self { name: name.into(), bytes: Box::new(bytes) }
    }

    /// The file at `path`, or standard input if that is `-`.
    pub fn open(path: &Path) -> Result<Self, ListError> {
        if path == Path::new("-") {
            return Ok(Self::new("standard input", io::stdin()));
        }
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            // Opening a folder succeeds; only reading it fails, and says less.
            if file.metadata()?.is_dir() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(file)
        };
        match open() {
            Ok(file) => Ok(Self::new(name, file)),
            Err(error) => Err(ListError::Io { file: name, error }),
        }
    }
}

impl fmt::Debug for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The decompressed bytes of a source in blocks of whole lines.
pub(super) struct Blocks<'a> {
    pub(super) name: String,
    compression: Compression,
    bytes: Box<dyn Read + Send + 'a>,
    /// The beginning of the line that the last block broke off.
    rest: Vec<u8>,
    state: State,
}

enum State {
    More,
    /// The stream failed; the lines before the fault are handed out first.
    Failed(io::Error),
    /// The line in `rest` is too long.
    TooLong,
    Ended,
}

impl<'a> Blocks<'a> {
    /// Looks at the first bytes of `source` and sets up the decompressor. `Empty` if there is
    /// nothing, compressed or not.
    pub(super) fn open(source: Source<'a>) -> Result<(Self, Vec<u8>), ListError> {
        let Source { name, mut bytes } = source;
        let mut head = Vec::new();
        let mut blocks = match (&mut bytes).take(6).read_to_end(&mut head) {
            Err(error) => return Err(ListError::Io { file: name, error }),
            Ok(_) => {
                let compression = Compression::of_content(&head);
                match decompressor(Cursor::new(head).chain(bytes), compression) {
                    Err(error) => return Err(ListError::Io { file: name, error }),
                    Ok(bytes) => {
                        Self { name, compression, bytes, rest: Vec::new(), state: State::More }
                    }
                }
            }
        };
        match blocks.next(1)? {
            Some(first) => Ok((blocks, first)),
            None => Err(ListError::Empty { file: blocks.name }),
        }
    }

    /// The next whole lines, never none; `None` at the end. The last line may lack its end. `line`
    /// is the number of the first of them, for the error.
    pub(super) fn next(&mut self, line: u64) -> Result<Option<Vec<u8>>, ListError> {
        let mut block = std::mem::take(&mut self.rest);
        while matches!(self.state, State::More) {
            let wanted = BLOCK_BYTES.saturating_sub(block.len());
            block.reserve_exact(wanted);
            match self.bytes.by_ref().take(wanted as u64).read_to_end(&mut block) {
                Ok(read) if read < wanted => self.state = State::Ended,
                Ok(_) => {}
                Err(error) => self.state = State::Failed(error),
            }
            if matches!(self.state, State::Ended) {
                break;
            }
            match memchr::memrchr(b'\n', &block) {
                Some(end) => {
                    self.rest = block.split_off(end + 1);
                    return Ok(Some(block));
                }
                None if matches!(self.state, State::More) => self.state = State::TooLong,
                None => {}
            }
        }
        let error = match std::mem::replace(&mut self.state, State::Ended) {
            State::TooLong => self.line_error(line, LineError::TooLong),
            State::Failed(error) => self.fault(line, error),
            State::Ended | State::More => {
                return Ok((!block.is_empty()).then_some(block));
            }
        };
        Err(error)
    }

    /// The error that line `line` is wrong.
    pub(super) fn line_error(&self, line: u64, problem: LineError) -> ListError {
        ListError::Line { file: self.name.clone(), line, problem }
    }

    fn fault(&self, line: u64, error: io::Error) -> ListError {
        let file = self.name.clone();
        // The system's own errors carry a code; a decompressor's do not.
        if self.compression == Compression::Plain || error.raw_os_error().is_some() {
            ListError::Io { file, error }
        } else {
            ListError::Damaged { file, line, compression: self.compression, error }
        }
    }

    /// Hands every line from `block` on to `parse`, with its number and without its end, while the
    /// next block is read on another thread. `rows` counts what `parse` has made so far.
    pub(super) fn for_each_line<R: Send>(
        mut self,
        mut block: Vec<u8>,
        made: &mut R,
        parse: impl Fn(&mut R, u64, &[u8]) -> Result<(), LineError> + Sync,
        rows: impl Fn(&R) -> usize,
        progress: Progress<'_>,
    ) -> Result<(), ListError> {
        let mut line = 1;
        loop {
            let lines = count_lines(&block);
            let parse_block = || {
                for (number, text) in (line..).zip(lines_of(&block)) {
                    let text = text.strip_suffix(b"\r").unwrap_or(text);
                    let parsed = if text.len() > MAX_LINE_BYTES {
                        Err(LineError::TooLong)
                    } else {
                        parse(made, number, text)
                    };
                    parsed.map_err(|problem| (number, problem))?;
                }
                Ok(())
            };
            let (parsed, next) = rayon::join(parse_block, || self.next(line + lines));
            parsed.map_err(|(number, problem)| self.line_error(number, problem))?;
            progress(rows(made) as u64);
            line += lines;
            match next? {
                Some(next) => block = next,
                None => return Ok(()),
            }
        }
    }
}

/// How many lines end in `block`.
pub(super) fn count_lines(block: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', block).count() as u64
}

/// The lines of `block`, without their ends.
pub(super) fn lines_of(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let block = block.strip_suffix(b"\n").unwrap_or(block);
    let mut start = 0;
    memchr::memchr_iter(b'\n', block).chain([block.len()]).map(move |end| {
        let line = &block[start..end];
        start = end + 1;
        line
    })
}

fn decompressor<'a>(
    bytes: impl Read + Send + 'a,
    compression: Compression,
) -> io::Result<Box<dyn Read + Send + 'a>> {
    Ok(match compression {
        Compression::Plain => Box::new(bytes),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(BufReader::new(bytes))),
        Compression::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            Box::new(decoder)
        }
        Compression::Xz => {
            let flags = liblzma::stream::CONCATENATED;
            let stream = liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY_BYTES, flags)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(BufReader::new(bytes), stream))
        }
    })
}
