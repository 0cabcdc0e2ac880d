//! What a connection is doing, and whether its reader takes what it asked for.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use crate::Limits;

/// What one connection is doing.
#[derive(Debug)]
pub(crate) struct Activity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    next: u64,
    /// The requests that are not answered whole.
    requests: BTreeMap<u64, Answer>,
    /// When the last one ended.
    idle_since: Instant,
    /// Since when the system takes no more bytes.
    blocked_since: Option<Instant>,
    /// Bytes that the system has taken.
    written: u64,
    /// While answers are under way: a moment of late, and what was written until then.
    watched: Option<(Instant, u64)>,
}

/// How far the answer to one request is.
#[derive(Debug, Default)]
struct Answer {
    begun: Option<Instant>,
    taken: u64,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(crate) struct InFlight {
    activity: Arc<Activity>,
    number: u64,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Nothing.
    Fine,
    /// It has asked for nothing for too long.
    Idle,
    /// It takes its answers too slowly.
    Slow,
}

impl Activity {
    pub(crate) fn new() -> Arc<Self> {
        let requests = BTreeMap::new();
        let idle_since = Instant::now();
        let (blocked_since, watched) = (None, None);
        let state = State { next: 0, requests, idle_since, blocked_since, written: 0, watched };
        Arc::new(Self { state: Mutex::new(state) })
    }

    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.requests.insert(number, Answer::default());
        InFlight { activity: self.clone(), number }
    }

    pub(crate) fn verdict(&self, limits: &Limits) -> Verdict {
        let (mut state, now) = (self.state(), Instant::now());
        if state.blocked_since.is_some_and(|since| now - since > limits.stall) {
            return Verdict::Slow;
        }
        if state.takes_too_little(limits, now) {
            return Verdict::Slow;
        }
        let answers = state.requests.len() as u64;
        for answer in state.requests.values() {
            let Some(begun) = answer.begun else { continue };
            let Some(beyond) = (now - begun).checked_sub(limits.stall) else { continue };
            // The link is shared by all answers of the connection.
            let due = beyond.as_secs_f64() * limits.min_bytes_per_s as f64 / answers.max(1) as f64;
            if (answer.taken as f64) < due.max(1.0) {
                return Verdict::Slow;
            }
        }
        let idle = state.requests.is_empty() && state.blocked_since.is_none();
        if idle && now - state.idle_since > limits.head { Verdict::Idle } else { Verdict::Fine }
    }

    // No method panics half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What an HTTP/2 stream has taken of an answer may lie in a buffer here, behind a window that the client keeps shut.
    /// So it also counts what left: in every span of this length that answers are under way.
    fn takes_too_little(&mut self, limits: &Limits, now: Instant) -> bool {
        if self.requests.values().all(|answer| answer.begun.is_none()) {
            self.watched = None;
            return false;
        }
        let (since, before) = *self.watched.get_or_insert((now, self.written));
        let span = now - since;
        if span <= limits.stall {
            return false;
        }
        let due = span.as_secs_f64() * limits.min_bytes_per_s as f64;
        self.watched = Some((now, self.written));
        ((self.written - before) as f64) < due
    }
}

impl InFlight {
    /// The connection has taken so many more bytes of the answer.
    pub(crate) fn took(&self, bytes: u64) {
        if let Some(answer) = self.activity.state().requests.get_mut(&self.number) {
            answer.begun.get_or_insert_with(Instant::now);
            answer.taken += bytes;
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.requests.remove(&self.number);
        state.idle_since = Instant::now();
    }
}

/// A connection's bytes; tells the activity whether the system takes them.
pub(crate) struct Watched<T> {
    stream: T,
    activity: Arc<Activity>,
}

impl<T> Watched<T> {
    pub(crate) fn new(stream: T, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }

    fn seen(&self, poll: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let mut state = self.activity.state();
        if let Poll::Ready(written) = &poll {
            state.blocked_since = None;
            state.written += written.as_ref().map_or(0, |len| *len as u64);
        } else {
            state.blocked_since.get_or_insert_with(Instant::now);
        }
        poll
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.seen(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.seen(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Limits = Limits {
        max_connections: 1,
        head: Duration::from_secs(15),
        stall: Duration::from_secs(20),
        min_bytes_per_s: 1_000,
        max_head_len_bytes: 1,
        max_streams: 1,
        cache_bytes: 1,
        max_response_bytes: 1,
        grace: Duration::ZERO,
    };

    /// What becomes of a connection whose `answers` began so many seconds ago and gave so many bytes.
    fn check(answers: &[(u64, u64)], blocked_s: Option<u64>, idle_s: u64, verdict: Verdict) {
        let activity = Activity::new();
        let ago = |seconds| Instant::now().checked_sub(Duration::from_secs(seconds));
        let requests: Vec<InFlight> = answers.iter().map(|_| activity.begin()).collect();
        for (request, &(seconds, taken)) in requests.iter().zip(answers) {
            request.took(taken);
            let mut state = activity.state();
            state.requests.get_mut(&request.number).unwrap().begun = ago(seconds);
        }
        activity.state().blocked_since = blocked_s.and_then(ago);
        activity.state().idle_since = ago(idle_s).unwrap();
        assert_eq!(activity.verdict(&LIMITS), verdict, "{answers:?} {blocked_s:?} {idle_s}");
        drop(requests);
        assert!(answers.is_empty() || activity.verdict(&LIMITS) != Verdict::Idle);
    }

    #[test]
    fn what_stays_in_a_buffer_is_not_taken() {
        let activity = Activity::new();
        let request = activity.begin();
        request.took(1 << 20);
        let check = |seconds, written, verdict| {
            let ago = Instant::now().checked_sub(Duration::from_secs(seconds)).unwrap();
            let mut state = activity.state();
            state.watched = Some((ago, state.written));
            state.written += written;
            drop(state);
            assert_eq!(activity.verdict(&LIMITS), verdict, "{seconds} {written}");
        };
        check(19, 0, Verdict::Fine);
        check(21, 20_000, Verdict::Slow);
        check(21, 22_000, Verdict::Fine);
        // What was taken before is no merit.
        check(5, 1 << 30, Verdict::Fine);
        check(21, 0, Verdict::Slow);
        drop(request);
        check(21, 0, Verdict::Fine);
    }

    #[test]
    fn tells_slow_readers_from_others() {
        check(&[], None, 0, Verdict::Fine);
        check(&[], None, 14, Verdict::Fine);
        check(&[], None, 16, Verdict::Idle);
        check(&[(0, 0)], None, 100, Verdict::Fine);
        check(&[(19, 0)], None, 0, Verdict::Fine);
        check(&[(21, 0)], None, 0, Verdict::Slow);
        check(&[(30, 9_000)], None, 0, Verdict::Slow);
        check(&[(30, 11_000)], None, 0, Verdict::Fine);
        check(&[(30, 6_000), (30, 6_000)], None, 0, Verdict::Fine);
        check(&[(30, 11_000), (30, 0)], None, 0, Verdict::Slow);
        check(&[], Some(19), 100, Verdict::Fine);
        check(&[], Some(21), 0, Verdict::Slow);
    }
}
