//! Bodies of responses.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;

use crate::activity::InFlight;

/// What a connection takes at once, and so what it may hold of a body that has ended here.
const FRAME_LEN_BYTES: usize = 32 << 10;

/// The body of a response.
pub(crate) struct Body {
    source: Source,
    request: InFlight,
    /// Its share of what may be under way.
    share: Option<OwnedSemaphorePermit>,
    sent: Arc<AtomicU64>,
}

enum Source {
    Bytes(Bytes),
    File { left: u64, reading: Reading },
}

enum Reading {
    Paused(Option<File>),
    Running(JoinHandle<(File, io::Result<Vec<u8>>)>),
}

impl Body {
    pub(crate) fn empty(request: InFlight, sent: Arc<AtomicU64>) -> Self {
        Self { source: Source::Bytes(Bytes::new()), request, share: None, sent }
    }

    #[must_use]
    pub(crate) fn with_bytes(mut self, bytes: Bytes, share: OwnedSemaphorePermit) -> Self {
        // From now on it is the reader who is waited for, even if it lets nothing begin.
        self.request.took(0);
        self.source = Source::Bytes(bytes);
        self.share = Some(share);
        self
    }

    /// The next `len` bytes of the file.
    #[must_use]
    pub(crate) fn with_file(mut self, file: File, len: u64, share: OwnedSemaphorePermit) -> Self {
        self.request.took(0);
        self.source = Source::File { left: len, reading: Reading::Paused(Some(file)) };
        self.share = Some(share);
        self
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match &mut self.source {
            Source::Bytes(bytes) if bytes.is_empty() => None,
            Source::Bytes(bytes) => Some(Ok(bytes.split_to(bytes.len().min(FRAME_LEN_BYTES)))),
            Source::File { left: 0, .. } => None,
            Source::File { left, reading } => Some(ready!(reading.poll(*left, context))),
        };
        if let (Source::File { left, .. }, Some(Ok(bytes))) = (&mut self.source, &frame) {
            *left -= bytes.len() as u64;
        }
        if let Some(Ok(bytes)) = &frame {
            self.request.took(bytes.len() as u64);
            self.sent.fetch_add(bytes.len() as u64, Relaxed);
        }
        Poll::Ready(frame.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.source {
            Source::Bytes(bytes) => bytes.len() as u64,
            Source::File { left, .. } => *left,
        })
    }
}

impl Reading {
    /// The next bytes of a file of which so many are left.
    fn poll(&mut self, left: u64, context: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if let Self::Paused(file) = self {
            let mut file = file.take().ok_or(io::ErrorKind::UnexpectedEof)?;
            let len = left.min(2 * FRAME_LEN_BYTES as u64);
            *self = Self::Running(tokio::task::spawn_blocking(move || {
                let mut bytes = Vec::new();
                let read = (&mut file).take(len).read_to_end(&mut bytes);
                (file, read.map(|_| bytes))
            }));
        }
        let Self::Running(running) = self else { return Poll::Pending };
        let (file, bytes) = ready!(Pin::new(running).poll(context)).map_err(io::Error::other)?;
        *self = Self::Paused(Some(file));
        let bytes = bytes?;
        if bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        Poll::Ready(Ok(bytes.into()))
    }
}
