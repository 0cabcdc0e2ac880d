//! One connection: its protocol, its time-outs, its end.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::activity::{Activity, InFlight, Verdict, Watched};
use crate::body::Body;
use crate::pages::Pages;
use crate::respond::{Counts, Responder};
use crate::{Limits, Tls};

/// What an HTTP/1.1 connection buffers each way; also what an HTTP/2 stream does.
const BUFFER_LEN_BYTES: usize = 32 << 10;

/// What connections share.
pub(crate) struct Shared {
    pub(crate) source: Source,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    /// Connections that were closed because they took too little.
    pub(crate) cut: AtomicU64,
}

/// What is served.
pub(crate) enum Source {
    Files(Responder),
    Pages(Pages),
}

impl Source {
    async fn respond(&self, request: &Request<Incoming>, in_flight: InFlight) -> Response<Body> {
        match self {
            Self::Files(files) => files.respond(request, in_flight).await,
            Self::Pages(pages) => pages.respond(request, in_flight).await,
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        match self {
            Self::Files(files) => &files.counts,
            Self::Pages(pages) => &pages.counts,
        }
    }

    /// Compressed forms that were computed.
    pub(crate) fn computed(&self) -> u64 {
        match self {
            Self::Files(files) => files.computed(),
            Self::Pages(_) => 0,
        }
    }
}

/// A connection that can be asked to end.
trait Ending: Future<Output = hyper::Result<()>> {
    /// After the responses that are under way.
    fn end(self: Pin<&mut Self>);
}

/// Serves one connection to its end.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>, stop: watch::Receiver<bool>) {
    let activity = Activity::new();
    // Small answers are not held back to be sent with later ones.
    let _ = stream.set_nodelay(true);
    let stream = Watched::new(stream, activity.clone());
    let Some(tls) = &shared.tls else {
        return http1(stream, &shared, &activity, stop).await;
    };
    let Ok(Ok(stream)) = timeout(shared.limits.head, tls.0.accept(stream)).await else { return };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream, &shared, &activity, stop).await;
    } else {
        http1(stream, &shared, &activity, stop).await;
    }
}

async fn http1<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    stop: watch::Receiver<bool>,
) {
    let limits = &shared.limits;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_LEN_BYTES.max(limits.max_head_len_bytes))
        .max_header_size(limits.max_head_len_bytes)
        .serve_connection(TokioIo::new(stream), service(shared, activity));
    drive(connection, shared, activity, stop).await;
}

async fn http2<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
    stop: watch::Receiver<bool>,
) {
    let limits = &shared.limits;
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(u32::try_from(limits.max_head_len_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_LEN_BYTES)
        // No request has a body that is read.
        .initial_stream_window_size(1 << 10)
        .initial_connection_window_size(1 << 16)
        .serve_connection(TokioIo::new(stream), service(shared, activity));
    drive(connection, shared, activity, stop).await;
}

fn service(
    shared: &Arc<Shared>,
    activity: &Arc<Activity>,
) -> impl HttpService<
    Incoming,
    ResBody = Body,
    Error = Infallible,
    Future = impl Future<Output = Result<Response<Body>, Infallible>> + Send + 'static,
> {
    let (shared, activity) = (shared.clone(), activity.clone());
    service_fn(move |request: Request<Incoming>| {
        let (shared, in_flight) = (shared.clone(), activity.begin());
        async move { Ok(shared.source.respond(&request, in_flight).await) }
    })
}

/// Runs a connection until it ends, or until its client is too slow.
async fn drive<C: Ending>(
    connection: C,
    shared: &Shared,
    activity: &Activity,
    mut stop: watch::Receiver<bool>,
) {
    let limits = &shared.limits;
    let mut connection = std::pin::pin!(connection);
    let tick = (limits.head.min(limits.stall) / 4).max(Duration::from_millis(5));
    let mut ticks = interval(tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut ending, mut told_to_stop) = (false, false);
    loop {
        tokio::select! {
            // What the client does wrong is the client's own affair.
            _ = connection.as_mut() => return,
            _ = stop.wait_for(|stop| *stop), if !told_to_stop => {
                told_to_stop = true;
                connection.as_mut().end();
            }
            _ = ticks.tick() => match activity.verdict(limits) {
                Verdict::Fine => {}
                Verdict::Slow => {
                    shared.cut.fetch_add(1, Relaxed);
                    return;
                }
                // It was asked to go, and did not.
                Verdict::Idle if ending => return,
                Verdict::Idle => {
                    ending = true;
                    connection.as_mut().end();
                }
            },
        }
    }
}

impl<S, I> Ending for http1::Connection<I, S>
where
    Self: Future<Output = hyper::Result<()>>,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<S, I> Ending for http2::Connection<I, S, TokioExecutor>
where
    Self: Future<Output = hyper::Result<()>>,
    S: HttpService<Incoming, ResBody = Body>,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    fn end(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}
