//! How much a server gives to one client and to all of them.

use std::time::Duration;

/// Every bound of a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Connections at once; more wait until one ends. Fewer if the system allows fewer open files.
    pub max_connections: usize,
    /// How long a TLS handshake, or the head of a request, may take, and how long a connection may be idle.
    pub head: Duration,
    /// How long a reader may take nothing. From then on it has to take what it asked for at `min_bytes_per_s`.
    pub stall: Duration,
    /// See `stall`; in bytes a second, for all responses of a connection together, and for what leaves the machine in
    /// every span of `stall`.
    pub min_bytes_per_s: u64,
    /// Length of the head of a request.
    pub max_head_len_bytes: usize,
    /// Requests of one HTTP/2 connection at once.
    pub max_streams: u32,
    /// How many bytes of compressed files are kept.
    pub cache_bytes: u64,
    /// How many bytes of responses may be under way at once, for all connections; more requests wait.
    pub max_response_bytes: u64,
    /// How long an ending server waits for the responses that are under way.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            head: Duration::from_secs(15),
            stall: Duration::from_secs(20),
            min_bytes_per_s: 1_000,
            max_head_len_bytes: 16 << 10,
            max_streams: 64,
            cache_bytes: 64 << 20,
            max_response_bytes: 256 << 20,
            grace: Duration::from_secs(5),
        }
    }
}
