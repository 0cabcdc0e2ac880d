//! What a visit costs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::deltas::{DeltaMeter, DeltaUse};

/// What a visit took. Bytes are those of bodies as they came, compressed or not.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub struct Cost {
    /// Bytes of all answers' bodies.
    pub bytes: u64,
    /// Requests, those included that were answered with "not there" or made again.
    pub requests: u64,
    /// Requests that had to wait for one another. Those that were under way at the same time count
    /// once; neither connecting nor redirects count.
    pub round_trips: u64,
    /// Requests that were made again after an error of the network.
    pub retries: u64,
    /// Files of the cache that were damaged or foreign, and so fetched again.
    pub damaged: u64,
    /// What deltas did.
    pub deltas: DeltaUse,
    /// Time by the clock, in microseconds.
    pub wall_us: u64,
    /// CPU time of the process since it began, in microseconds. `None` where the system does not
    /// say.
    pub cpu_us: Option<u64>,
    /// The most memory that the process has held, in bytes. `None` where the system does not say.
    pub peak_memory_bytes: Option<u64>,
}

/// Counts while a visit goes on.
#[derive(Debug)]
pub(crate) struct Meter {
    started: Instant,
    pub(crate) bytes: AtomicU64,
    pub(crate) requests: AtomicU64,
    pub(crate) round_trips: AtomicU64,
    pub(crate) retries: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) deltas: DeltaMeter,
}

impl Meter {
    pub(crate) fn start() -> Self {
        Self {
            started: Instant::now(),
            bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            round_trips: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            deltas: DeltaMeter::default(),
        }
    }

    /// Since the visit began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn cost(&self) -> Cost {
        Cost {
            bytes: self.bytes.load(Relaxed),
            requests: self.requests.load(Relaxed),
            round_trips: self.round_trips.load(Relaxed),
            retries: self.retries.load(Relaxed),
            damaged: self.damaged.load(Relaxed),
            deltas: self.deltas.used(),
            wall_us: micros(self.elapsed()),
            cpu_us: cpu_time().map(micros),
            peak_memory_bytes: peak_memory_bytes(),
        }
    }
}

pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Relaxed);
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(unix)]
fn cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Some(Duration::new(time.tv_sec.try_into().ok()?, time.tv_nsec.try_into().ok()?))
}

#[cfg(not(unix))]
fn cpu_time() -> Option<Duration> {
    None
}

/// Linux keeps the peak in `/proc/self/status`; elsewhere there is no such file.
fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn says_what_the_process_took() {
        let cost = Meter::start().cost();
        assert!(cost.cpu_us.is_some_and(|time| time > 0));
        assert!(cost.peak_memory_bytes.is_some_and(|bytes| bytes > 1 << 20));
    }
}
