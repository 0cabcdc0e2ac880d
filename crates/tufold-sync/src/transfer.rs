//! Fetching within the limits: time, length, decompressed length, retries.

use std::io::{self, Read, Write};
use std::time::Instant;

use crate::deltas::Reason;
use crate::fetch::{Accept, Body, Encoding, Fetch, FetchError};
use crate::meter::{Meter, add};
use crate::{Error, Limits};

/// The largest window of zstd over HTTP (RFC 9659), as a power of two.
const ZSTD_WINDOW_LOG: u32 = 23;
/// Compressed data may be this much longer than what it holds: frames, and blocks that do not
/// compress.
const OVERHEAD_LEN_BYTES: u64 = 4096;
const BUFFER_LEN_BYTES: usize = 64 * 1024;

/// A source with the limits and the meter of a visit.
#[derive(Clone, Copy)]
pub(crate) struct Transfer<'v> {
    pub(crate) fetch: &'v dyn Fetch,
    pub(crate) limits: &'v Limits,
    pub(crate) meter: &'v Meter,
}

impl Transfer<'_> {
    /// The file at `path`, asked for compressed; `None` if there is none. Neither what comes nor
    /// what it decompresses to may be longer than `max_len_bytes`, but for a little overhead.
    pub(crate) fn bytes(&self, path: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        self.with_retries(path, || {
            let body = self.open(path, Accept::Compressed)?;
            let encoding = body.encoding;
            let wire = Guarded::new(self, body, wire_limit(encoding, max_len_bytes));
            let mut bytes = Vec::new();
            let mut limited = decoder(encoding, wire)?.take(max_len_bytes.saturating_add(1));
            match limited.read_to_end(&mut bytes).map_err(|error| decode_error(encoding, error)) {
                Err(FetchError::TooLong { .. }) => {
                    return Err(FetchError::TooLong { max_len_bytes });
                }
                read => read?,
            };
            if bytes.len() as u64 > max_len_bytes {
                return Err(FetchError::TooLong { max_len_bytes });
            }
            Ok(bytes)
        })
    }

    /// The delta at `path`, which is asked for once: it does not compress, and it can be done without.
    pub(crate) fn delta(&self, path: &str, max_len_bytes: u64) -> Result<Vec<u8>, Reason> {
        let attempt = || {
            self.check_visit()?;
            add(&self.meter.requests, 1);
            add(&self.meter.deltas.requests, 1);
            let body = self.fetch.open_within(path, Accept::Identity, self.limits.stall)?;
            let mut bytes = Vec::new();
            let mut wire = Guarded::new(self, body, max_len_bytes);
            let read = wire.read_to_end(&mut bytes).map_err(FetchError::from_read);
            add(&self.meter.deltas.bytes, wire.read_len_bytes);
            read.map(|_| bytes)
        };
        attempt().map_err(|error: FetchError| Reason::from(&error))
    }

    /// Copies the file at `path` to what `begin` makes, piece by piece; `None` if there is none.
    /// `begin` is called again when the network fails on the way.
    pub(crate) fn copy<W: Write>(
        &self,
        path: &str,
        max_len_bytes: u64,
        begin: impl Fn() -> io::Result<W>,
    ) -> Result<Option<W>, Error> {
        self.with_retries(path, || {
            let body = self.open(path, Accept::Identity)?;
            let mut wire = Guarded::new(self, body, max_len_bytes);
            let mut out = begin().map_err(FetchError::Io)?;
            let mut buffer = vec![0; BUFFER_LEN_BYTES];
            loop {
                match wire.read(&mut buffer).map_err(FetchError::from_read)? {
                    0 => return Ok(out),
                    read => out.write_all(&buffer[..read]).map_err(FetchError::Io)?,
                }
            }
        })
    }

    fn open(&self, path: &str, accept: Accept) -> Result<Body, FetchError> {
        self.check_visit()?;
        add(&self.meter.requests, 1);
        self.fetch.open(path, accept)
    }

    /// Tries again with a growing pause, after errors of the network only.
    fn with_retries<T>(
        &self,
        path: &str,
        attempt: impl Fn() -> Result<T, FetchError>,
    ) -> Result<Option<T>, Error> {
        let mut pause = self.limits.first_retry;
        let mut retries = 0;
        loop {
            match attempt() {
                Ok(value) => return Ok(Some(value)),
                Err(FetchError::Missing) => return Ok(None),
                Err(FetchError::Network(_)) if retries < self.limits.max_retries => {
                    std::thread::sleep(pause);
                    pause = pause.saturating_mul(2);
                    retries += 1;
                    add(&self.meter.retries, 1);
                }
                Err(why) => return Err(Error::Fetch { file: path.to_owned(), why }),
            }
        }
    }

    fn check_visit(&self) -> Result<(), FetchError> {
        let over = self.meter.elapsed() > self.limits.visit;
        if over { Err(FetchError::Visit(self.limits.visit)) } else { Ok(()) }
    }
}

/// How much may come for so much of a document.
fn wire_limit(encoding: Encoding, max_len_bytes: u64) -> u64 {
    match encoding {
        Encoding::Identity => max_len_bytes,
        Encoding::Zstd | Encoding::Gzip => {
            max_len_bytes.saturating_add(max_len_bytes / 128).saturating_add(OVERHEAD_LEN_BYTES)
        }
    }
}

fn decoder<'r>(encoding: Encoding, wire: impl Read + 'r) -> Result<Box<dyn Read + 'r>, FetchError> {
    Ok(match encoding {
        Encoding::Identity => Box::new(wire),
        Encoding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(wire)),
        Encoding::Zstd => {
            let failed = |error| decode_error(encoding, error);
            let mut decoder = zstd::stream::read::Decoder::new(wire).map_err(failed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(failed)?;
            Box::new(decoder)
        }
    })
}

/// What a decoder says of the bytes, unless it only passes on what the network said.
fn decode_error(encoding: Encoding, error: io::Error) -> FetchError {
    match FetchError::from_read(error) {
        FetchError::Io(error) if encoding != Encoding::Identity => {
            FetchError::Encoding { encoding: encoding.to_string(), why: error.to_string() }
        }
        other => other,
    }
}

/// Reads a body as it comes: counts it, and ends it when it is too long, too slow or too late.
struct Guarded<'v> {
    transfer: Transfer<'v>,
    body: Body,
    max_len_bytes: u64,
    read_len_bytes: u64,
    started: Instant,
}

impl<'v> Guarded<'v> {
    fn new(transfer: &Transfer<'v>, body: Body, max_len_bytes: u64) -> Self {
        let started = Instant::now();
        Self { transfer: *transfer, body, max_len_bytes, read_len_bytes: 0, started }
    }

    fn check(&self) -> Result<(), FetchError> {
        if self.read_len_bytes > self.max_len_bytes {
            return Err(FetchError::TooLong { max_len_bytes: self.max_len_bytes });
        }
        self.transfer.check_visit()?;
        // Slow retrieval: so much must have come since the server began.
        let (limits, within) = (self.transfer.limits, self.started.elapsed());
        let due = within.as_secs_f64() * limits.min_bytes_per_s as f64;
        if within > limits.stall && (self.read_len_bytes as f64) < due {
            return Err(FetchError::Slow { read_len_bytes: self.read_len_bytes, within });
        }
        Ok(())
    }
}

impl Read for Guarded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.reader.read(buffer).map_err(|error| {
            match FetchError::from_read(error) {
                FetchError::Slow { within, .. } => {
                    FetchError::Slow { read_len_bytes: self.read_len_bytes, within }
                }
                other => other,
            }
            .into_read()
        })?;
        add(&self.transfer.meter.bytes, read as u64);
        self.read_len_bytes += read as u64;
        if read > 0 {
            self.check().map_err(FetchError::into_read)?;
        }
        Ok(read)
    }
}
