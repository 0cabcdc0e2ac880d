//! Files are brought to the disk while later ones are still made, so that the one sync that counts finds little left to do.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use tufold_store::Store;

use crate::error::Error;

/// So much is written before the disk is set to work, each time, while a publish is short: what it takes some milliseconds for.
const EVERY_BYTES: u64 = 1 << 20;

/// A publish that writes more is long.
const SHORT_BYTES: u64 = 32 << 20;

/// Of a long one the disk gets some hundreds of bins at a time.
const EVERY_BYTES_OF_LONG: u64 = 8 << 20;

/// A thread that syncs a store as often as enough was written and the disk is free.
pub(crate) struct EarlySync<'s> {
    wake: SyncSender<()>,
    thread: ScopedJoinHandle<'s, Result<(), Error>>,
    written_bytes: AtomicU64,
}

impl<'s> EarlySync<'s> {
    /// Starts the thread, which does `first` before it waits. It ends with this value.
    pub(crate) fn start(
        scope: &'s Scope<'s, '_>,
        store: &'s dyn Store,
        first: impl FnOnce() -> Result<(), Error> + Send + 's,
    ) -> Self {
        // One message waits at most: a sync brings all there is.
        let (wake, woken) = sync_channel(1);
        let thread = scope.spawn(move || {
            first()?;
            woken.into_iter().try_for_each(|()| Ok(store.sync()?))
        });
        Self { wake, thread, written_bytes: AtomicU64::new(0) }
    }

    /// Counts what was written.
    pub(crate) fn add(&self, len_bytes: u64) {
        let before = self.written_bytes.fetch_add(len_bytes, Ordering::Relaxed);
        if step(before) != step(before + len_bytes) {
            // It fails where a message waits already, or where a sync has failed, which `finish` tells.
            let _ = self.wake.try_send(());
        }
    }

    /// How much was written.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.written_bytes.load(Ordering::Relaxed)
    }

    /// Waits for what is under way. What failed to be written is told once, so its error is the commit's.
    pub(crate) fn finish(self) -> Result<(), Error> {
        drop(self.wake);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// How often the disk has been set to work once so much is written.
fn step(written_bytes: u64) -> u64 {
    let short = written_bytes.min(SHORT_BYTES);
    short / EVERY_BYTES + (written_bytes - short) / EVERY_BYTES_OF_LONG
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_works_often_at_first() {
        let steps = (1..=56 << 4).filter(|at| step((at - 1) << 16) != step(at << 16));
        let mebibytes: Vec<u64> = steps.map(|at| at >> 4).collect();
        assert_eq!(mebibytes, (1..=32).chain([40, 48, 56]).collect::<Vec<u64>>());
    }
}
