//! A server: it listens, and ends when it is told to.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Semaphore, watch};
use tufold_store::DirectoryStore;

use crate::connection::{Shared, Source, serve};
use crate::pages::Pages;
use crate::respond::Responder;
use crate::shelf::Shelf;
use crate::{Error, Limits, MakePage, Tls};

/// What the system buffers for one connection; a reader that stalls costs no more than that.
const SEND_BUFFER_LEN_BYTES: u32 = 256 << 10;
/// What else is opened: the listener, libraries, a few files at once.
const OTHER_OPEN_FILES: usize = 128;

/// A server that listens.
pub struct Server {
    runtime: Runtime,
    listener: TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: StopHandle,
}

/// Ends a server, from any thread.
#[derive(Clone, Debug)]
pub struct StopHandle(Arc<watch::Sender<bool>>);

/// What a server did.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Served {
    /// Connections that were taken.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// Those of them that named nothing that is served.
    pub not_found: u64,
    /// Those of them that failed for a reason of this machine.
    pub failed: u64,
    /// Those of them that were answered with a delta to what the client held (RFC 9842).
    pub with_dictionary: u64,
    /// Compressed forms that were computed; other answers took them from the cache.
    pub computed: u64,
    /// Bytes of bodies, as they were sent.
    pub body_bytes: u64,
    /// Connections that were closed because their readers were too slow.
    pub slow_readers: u64,
}

impl Server {
    /// Listens on `address`, as in `127.0.0.1:8080`, for requests of the files in the folder `root`. Port 0 is any free
    /// one. With `tls` it is `https`.
    ///
    /// # Errors
    /// Any but [`Error::Tls`].
    pub fn bind(
        root: &Path,
        address: &str,
        tls: Option<Tls>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let store = DirectoryStore::open(root)?;
        let files = Responder::new(Shelf::new(store, limits.cache_bytes), &limits);
        Self::of(Source::Files(files), address, tls, limits)
    }

    /// Listens as [`Server::bind`] does, for requests of pages that `make` makes. Two are made at once.
    ///
    /// # Errors
    /// [`Error::Listen`] and [`Error::Threads`].
    pub fn bind_pages(make: Arc<MakePage>, address: &str, limits: Limits) -> Result<Self, Error> {
        Self::of(Source::Pages(Pages::new(make, &limits)), address, None, limits)
    }

    fn of(
        source: Source,
        address: &str,
        tls: Option<Tls>,
        mut limits: Limits,
    ) -> Result<Self, Error> {
        limits.max_connections = limits.max_connections.clamp(1, max_connections(&limits));
        let failed = |source| Error::Listen { address: address.to_owned(), source };
        let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(64).build();
        let runtime = runtime.map_err(Error::Threads)?;
        let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(failed)?.collect();
        let entered = runtime.enter();
        let listener = listen(&addresses).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        drop(entered);
        let shared = Shared { source, limits, tls, cut: AtomicU64::new(0) };
        let stop = StopHandle(Arc::new(watch::Sender::new(false)));
        Ok(Self { runtime, listener, address, shared: Arc::new(shared), stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What ends it.
    pub fn stop_handle(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Serves until it is told to stop; then the responses that are under way may end.
    pub fn run(self) -> Served {
        let Self { runtime, listener, shared, stop, .. } = self;
        let connections = runtime.block_on(accept(listener, &shared, &stop));
        runtime.shutdown_background();
        let counts = shared.source.counts();
        Served {
            connections,
            requests: counts.requests.load(Relaxed),
            not_found: counts.not_found.load(Relaxed),
            failed: counts.failed.load(Relaxed),
            with_dictionary: counts.with_dictionary.load(Relaxed),
            computed: shared.source.computed(),
            body_bytes: counts.body_bytes.load(Relaxed),
            slow_readers: shared.cut.load(Relaxed),
        }
    }
}

impl StopHandle {
    /// Tells the server to stop.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

/// Listens on the first address that lets us.
fn listen(addresses: &[SocketAddr]) -> std::io::Result<TcpListener> {
    let mut result = Err(std::io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        result = listen_on(*address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen_on(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_LEN_BYTES)?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(1024)
}

/// Takes connections; gives how many, when the last has ended.
async fn accept(listener: TcpListener, shared: &Arc<Shared>, stop: &StopHandle) -> u64 {
    let max = shared.limits.max_connections;
    let free = Arc::new(Semaphore::new(max));
    let mut stopping = stop.0.subscribe();
    let mut connections = 0;
    loop {
        // While all are taken, more wait in the system's queue.
        let next = async {
            let place = free.clone().acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            next = next => next,
            _ = stopping.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, _)) = accepted else {
            // Out of open files, most likely: some connection must end first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        connections += 1;
        let (shared, stopping) = (shared.clone(), stop.0.subscribe());
        tokio::spawn(async move {
            serve(stream, shared, stopping).await;
            drop(place);
        });
    }
    drop(listener);
    let all = u32::try_from(max).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(shared.limits.grace, free.acquire_many(all)).await;
    connections
}

/// How many connections the system allows, once it was asked for more.
fn max_connections(limits: &Limits) -> usize {
    let most = u32::MAX as usize >> 4;
    #[cfg(unix)]
    let open_files = {
        use rustix::process::{Resource, getrlimit, setrlimit};
        // A connection, and the files that it reads just now.
        let wanted = (2 * limits.max_connections.min(most) + OTHER_OPEN_FILES) as u64;
        let mut allowed = getrlimit(Resource::Nofile);
        if allowed.current.is_some_and(|current| current < wanted) {
            let mut raised = allowed;
            raised.current = Some(allowed.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
            if setrlimit(Resource::Nofile, raised).is_ok() {
                allowed = raised;
            }
        }
        allowed.current.map_or(most, |current| usize::try_from(current).unwrap_or(most))
    };
    #[cfg(not(unix))]
    let open_files = most;
    (open_files.saturating_sub(OTHER_OPEN_FILES) / 2).clamp(1, most)
}
