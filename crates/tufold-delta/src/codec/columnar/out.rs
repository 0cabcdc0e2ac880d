//! The document under construction: pieces of the base, copied as late and as long as possible, and new bytes.

use std::ops::Range;

use super::decode::Fault;

/// What is written at once before it is cut to its length.
const SLACK: usize = 8;

/// Never grows past `limit`.
#[derive(Debug)]
pub(super) struct Out<'a> {
    base: &'a [u8],
    bytes: Vec<u8>,
    pending: Range<usize>,
    limit: usize,
}

impl<'a> Out<'a> {
    pub(super) fn new(base: &'a [u8], limit: usize) -> Self {
        Self { base, bytes: Vec::with_capacity(limit + SLACK), pending: 0..0, limit }
    }

    /// Length so far.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() + self.pending.len()
    }

    /// How much may still come.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.len())
    }

    /// Appends a piece of the base.
    #[inline]
    pub(super) fn copy(&mut self, piece: Range<usize>) -> Result<(), Fault> {
        if self.pending.end == piece.start {
            self.pending.end = piece.end;
            return Ok(());
        }
        self.settle()?;
        self.pending = piece;
        Ok(())
    }

    /// Appends new bytes.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.settle()?;
        self.check(bytes.len())?;
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Lets `write` append a few bytes.
    #[inline]
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> Result<T, Fault> {
        self.settle()?;
        let result = write(&mut self.bytes);
        self.check(0)?;
        Ok(result)
    }

    /// All that was written up to now.
    pub(super) fn written(&mut self) -> Result<&[u8], Fault> {
        self.settle()?;
        Ok(&self.bytes)
    }

    /// All of it, once nothing is to be settled.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends the piece of the base that was put off.
    #[inline]
    pub(super) fn settle(&mut self) -> Result<(), Fault> {
        if !self.pending.is_empty() {
            self.check(0)?;
            self.bytes.extend_from_slice(&self.base[self.pending.clone()]);
            self.pending = 0..0;
        }
        Ok(())
    }

    #[inline]
    fn check(&self, more: usize) -> Result<(), Fault> {
        if self.len() + more > self.limit {
            return Err(Fault::TooLong);
        }
        Ok(())
    }
}
