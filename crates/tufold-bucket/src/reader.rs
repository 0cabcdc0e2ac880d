//! An object that is read piece by piece.

use std::io::{self, Read};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::GetResult;
use tokio::runtime::Runtime;

/// The rest of an object.
pub struct Reader {
    runtime: Arc<Runtime>,
    pieces: BoxStream<'static, io::Result<Vec<u8>>>,
    piece: io::Cursor<Vec<u8>>,
}

impl Reader {
    pub(crate) fn new(runtime: Arc<Runtime>, found: GetResult) -> Self {
        let pieces = found.into_stream().map(|piece| match piece {
            Ok(bytes) => Ok(bytes.into()),
            Err(error) => Err(io::Error::other(error)),
        });
        Self { runtime, pieces: pieces.boxed(), piece: io::Cursor::default() }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            match self.runtime.block_on(self.pieces.next()) {
                Some(piece) => self.piece = io::Cursor::new(piece?),
                None => return Ok(0),
            }
        }
    }
}
