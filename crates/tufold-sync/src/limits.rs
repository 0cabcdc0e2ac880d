//! How much a client takes from a repository, and how long it waits.

use std::time::Duration;

/// Every bound of a visit. The default values are python-tuf's where it has one, else tough's.
///
/// Nothing is unbounded: what is not listed with a signed length has one of these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Lengths of documents, root rotations (TUF 5.3.3) and delegations (TUF 5.6.7.1) of a visit.
    pub metadata: tufold_meta::Limits,
    /// How long a connection may take, and how long a server may send nothing (tough: 10 s).
    pub stall: Duration,
    /// Slow retrieval (TUF 1.5.2): a file that comes slower than this, measured from `stall` on, is
    /// given up. In bytes a second.
    pub min_bytes_per_s: u64,
    /// How long a whole visit may take.
    pub visit: Duration,
    /// How many redirects one request follows (tough and python-tuf: 10).
    pub max_redirects: u32,
    /// How many times a request is made again after an error of the network (tough: 4 tries).
    pub max_retries: u32,
    /// How long the first retry waits; each later one waits twice as long.
    pub first_retry: Duration,
    /// How many requests are under way at once.
    pub max_parallel: usize,
    /// How many requests for deltas are under way at once, beside those: they are small, and a path of
    /// them is waited for once.
    pub max_parallel_deltas: usize,
    /// What [`Limits::stall`] is for deltas. One that does not come in time is done without.
    pub delta_stall: Duration,
    /// The longest document that a mirror rebuilds from a bundle: all that changed in a repository at
    /// once. Some four times as much memory is taken.
    pub bundle_len_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            metadata: tufold_meta::Limits::default(),
            stall: Duration::from_secs(10),
            min_bytes_per_s: 1_000,
            visit: Duration::from_secs(3600),
            max_redirects: 10,
            max_retries: 3,
            first_retry: Duration::from_millis(200),
            max_parallel: 8,
            max_parallel_deltas: 16,
            delta_stall: Duration::from_secs(2),
            bundle_len_bytes: 256 << 20,
        }
    }
}
