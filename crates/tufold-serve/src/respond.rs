//! From a request to its response.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::header::{
    ACCEPT_RANGES, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tufold_meta::Digest;
use tufold_meta::names::{DeltaName, METADATA_FOLDER, parse_versioned_file_name};

use crate::Limits;
use crate::activity::InFlight;
use crate::body::Body;
use crate::coding::{Accepted, Coding};
use crate::conditional::{Part, asks_for_part, is_held, part};
use crate::dictionary::{Held, Series, USE_AS_DICTIONARY};
use crate::path::file_name;
use crate::shelf::{Content, Document, Form, Shelf};

/// Compressing less saves nothing.
const MIN_CODED_LEN_BYTES: u64 = 512;
/// Requests that are looked at at once. What they have read is at most as many times the length of a short file.
const MAX_LOOKED_AT: usize = 256;
const KIB: u64 = 1 << 10;

const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The timestamp, and what may be there in a moment.
const FRESH: HeaderValue = HeaderValue::from_static("public, max-age=5");

/// Answers requests.
pub(crate) struct Responder {
    shelf: Arc<Shelf>,
    looked_at: Semaphore,
    /// In KiB.
    under_way: Arc<Semaphore>,
    max_under_way: u32,
    pub(crate) counts: Counts,
}

/// What was answered.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) requests: AtomicU64,
    pub(crate) not_found: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) with_dictionary: AtomicU64,
    pub(crate) body_bytes: Arc<AtomicU64>,
}

/// The form in which a file is sent.
struct Choice {
    coding: Coding,
    /// The dictionary of `dcz`.
    base: Option<(Digest, Document)>,
    vary: Option<HeaderValue>,
}

impl Responder {
    pub(crate) fn new(shelf: Shelf, limits: &Limits) -> Self {
        let max_under_way = u32::try_from(limits.max_response_bytes / KIB).unwrap_or(u32::MAX >> 4);
        let max_under_way = max_under_way.clamp(1, u32::MAX >> 4);
        Self {
            shelf: Arc::new(shelf),
            looked_at: Semaphore::new(MAX_LOOKED_AT),
            under_way: Arc::new(Semaphore::new(max_under_way as usize)),
            max_under_way,
            counts: Counts::default(),
        }
    }

    pub(crate) async fn respond<B>(
        &self,
        request: &Request<B>,
        in_flight: InFlight,
    ) -> Response<Body> {
        self.counts.requests.fetch_add(1, Relaxed);
        let mut response = Response::new(Body::empty(in_flight, self.counts.body_bytes.clone()));
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (mut head, body) = response.into_parts();
        head.status = StatusCode::NOT_FOUND;
        head.headers.insert(CACHE_CONTROL, FRESH);
        head.headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        let mut response = Response::from_parts(head, body);
        let Some(name) = file_name(request.uri().path()) else { return self.missing(response) };
        let answered = async {
            let _looked_at = self.looked_at.acquire().await.map_err(io::Error::other)?;
            let Some(document) = self.shelf.open(name.clone()).await? else { return Ok(None) };
            self.answer(request, &name, document).await.map(Some)
        };
        match answered.await {
            Ok(Some(Answer { status, headers, content })) => {
                *response.status_mut() = status;
                response.headers_mut().extend(headers);
                match content {
                    Some(fill) => fill.into(response),
                    None => response,
                }
            }
            Ok(None) => self.missing(response),
            // The machine's trouble: too many open files, a disk that fails.
            Err(_) => {
                self.counts.failed.fetch_add(1, Relaxed);
                *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
                let headers = response.headers_mut();
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
                response
            }
        }
    }

    fn missing(&self, response: Response<Body>) -> Response<Body> {
        self.counts.not_found.fetch_add(1, Relaxed);
        response
    }

    async fn answer<B>(
        &self,
        request: &Request<B>,
        name: &str,
        document: Document,
    ) -> io::Result<Answer> {
        let asked = request.headers();
        let series = Series::of(name);
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, if is_immutable(name) { IMMUTABLE } else { FRESH });
        headers.insert(CONTENT_TYPE, content_type(name));
        headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let Some(choice) = self.choose(asked, name, series.as_ref(), &document).await? else {
            return Ok(Answer { status: StatusCode::NOT_ACCEPTABLE, headers, content: None });
        };
        let etag = etag(document.content, &choice);
        headers.insert(ETAG, HeaderValue::try_from(&etag).map_err(io::Error::other)?);
        if let Some(vary) = &choice.vary {
            headers.insert(VARY, vary.clone());
        }
        if let Some(header) = series.and_then(|series| series.header()) {
            headers.insert(USE_AS_DICTIONARY, header);
            if let Content::Known(digest) = document.content {
                self.shelf.note_sent(digest, name);
            }
        }
        if is_held(asked, &etag) {
            headers.remove(CONTENT_TYPE);
            return Ok(Answer { status: StatusCode::NOT_MODIFIED, headers, content: None });
        }
        if choice.coding != Coding::Identity {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(choice.coding.name()));
        }
        let wanted = match choice.coding {
            Coding::Identity => part(asked, &etag, document.len),
            _ => Part::Whole,
        };
        let range = match wanted {
            Part::Unsatisfiable => {
                headers.insert(CONTENT_RANGE, content_range(format!("*/{}", document.len))?);
                headers.insert(CACHE_CONTROL, FRESH);
                headers.remove(CONTENT_TYPE);
                let status = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(Answer { status, headers, content: None });
            }
            Part::Whole => None,
            Part::Of(range) => Some(range),
        };
        let mut status = StatusCode::OK;
        if let Some(range) = &range {
            status = StatusCode::PARTIAL_CONTENT;
            let text = format!("{}-{}/{}", range.start, range.end - 1, document.len);
            headers.insert(CONTENT_RANGE, content_range(text)?);
        }
        let coded = self.coded(&document, choice).await?;
        let len = match (&coded, &range) {
            (Some(bytes), _) => bytes.len() as u64,
            (None, Some(range)) => range.end - range.start,
            (None, None) => document.len,
        };
        headers.insert(CONTENT_LENGTH, len.into());
        if request.method() == Method::HEAD {
            return Ok(Answer { status, headers, content: None });
        }
        let first = range.map_or(0, |range| range.start);
        let content = match (coded, document.content) {
            (Some(bytes), _) => Fill::Bytes(bytes, self.share(len).await?),
            (None, Content::Long(_)) => {
                // Only what is just being sent is in memory.
                let share = self.share(64 * KIB).await?;
                Fill::File(document.into_file(first)?, len, share)
            }
            (None, Content::Known(_)) => {
                let share = self.share(document.len).await?;
                let (from, len) = (to_usize(first)?, to_usize(len)?);
                Fill::Bytes(document.read().await?.slice(from..from + len), share)
            }
        };
        Ok(Answer { status, headers, content: Some(content) })
    }

    /// Which form the client gets; `None` if it takes none.
    async fn choose(
        &self,
        asked: &HeaderMap,
        name: &str,
        series: Option<&Series>,
        document: &Document,
    ) -> io::Result<Option<Choice>> {
        let accepted = Accepted::read(asked);
        let plain = Choice { coding: Coding::Identity, base: None, vary: None };
        let Content::Known(_) = document.content else {
            return Ok(accepted.best(&[Coding::Identity]).map(|_| plain));
        };
        if document.len < MIN_CODED_LEN_BYTES || !name.ends_with(".json") {
            return Ok(accepted.best(&[Coding::Identity]).map(|_| plain));
        }
        let vary = Some(HeaderValue::from_static(match series {
            Some(_) => "accept-encoding, available-dictionary",
            None => "accept-encoding",
        }));
        // A part of a compressed form would bind the client to this very encoder.
        if asks_for_part(asked) && accepted.best(&[Coding::Identity]).is_some() {
            return Ok(Some(Choice { vary, ..plain }));
        }
        let mut offered = vec![Coding::Zstd, Coding::Gzip, Coding::Identity];
        let mut base = None;
        if accepted.best(&[Coding::Dcz]).is_some() {
            base = self.base(asked, series).await?;
            offered.extend(base.is_some().then_some(Coding::Dcz));
        }
        Ok(accepted.best(&offered).map(|coding| {
            let base = base.filter(|_| coding == Coding::Dcz);
            Choice { coding, base, vary }
        }))
    }

    /// The dictionary that the client has, if it is an earlier version that still stands.
    async fn base(
        &self,
        asked: &HeaderMap,
        series: Option<&Series>,
    ) -> io::Result<Option<(Digest, Document)>> {
        let Some(held) = Held::read(asked) else { return Ok(None) };
        let name_of = |digest| self.shelf.name_of(digest);
        let earlier = series.and_then(|series| series.earlier(held, name_of));
        let Some(earlier) = earlier else { return Ok(None) };
        let Some(base) = self.shelf.open(earlier).await? else { return Ok(None) };
        let same = base.content == Content::Known(held.digest);
        Ok(same.then_some((held.digest, base)))
    }

    /// The compressed form; `None` if the file is sent as it is.
    async fn coded(
        &self,
        document: &Document,
        choice: Choice,
    ) -> io::Result<Option<hyper::body::Bytes>> {
        let Content::Known(digest) = document.content else { return Ok(None) };
        let (form, base) = match (choice.coding, choice.base) {
            (Coding::Zstd, _) => (Form::Zstd, None),
            (Coding::Gzip, _) => (Form::Gzip, None),
            (Coding::Dcz, Some((digest, base))) => (Form::Dcz(digest), Some(base)),
            _ => return Ok(None),
        };
        if base.is_some() {
            self.counts.with_dictionary.fetch_add(1, Relaxed);
        }
        self.shelf.clone().form(document, digest, form, base).await.map(Some)
    }

    /// Compressed forms that were computed; all other compressed answers came from the cache.
    pub(crate) fn computed(&self) -> u64 {
        self.shelf.computed.load(Relaxed)
    }

    /// A share of what may be under way.
    async fn share(&self, bytes: u64) -> io::Result<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX).min(self.max_under_way);
        self.under_way.clone().acquire_many_owned(kib).await.map_err(io::Error::other)
    }
}

/// A response without its body.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    content: Option<Fill>,
}

/// What fills a body.
enum Fill {
    Bytes(hyper::body::Bytes, OwnedSemaphorePermit),
    File(std::fs::File, u64, OwnedSemaphorePermit),
}

impl Fill {
    fn into(self, response: Response<Body>) -> Response<Body> {
        response.map(|body| match self {
            Self::Bytes(bytes, share) => body.with_bytes(bytes, share),
            Self::File(file, len, share) => body.with_file(file, len, share),
        })
    }
}

/// Whether the file never changes: versioned metadata (TUF 3.6.1) and deltas.
fn is_immutable(name: &str) -> bool {
    match name.strip_prefix(METADATA_FOLDER) {
        Some(file) => parse_versioned_file_name(file).is_some(),
        None => DeltaName::parse_path(name).is_some(),
    }
}

fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.ends_with(".json") {
        true => "application/json",
        false => "application/octet-stream",
    })
}

/// Strong: each form of each content has its own.
fn etag(content: Content, choice: &Choice) -> String {
    let cut = |digest: Digest, len: usize| digest.to_string()[..len].to_owned();
    let content = match content {
        Content::Known(digest) => cut(digest, 32),
        Content::Long([len, changed, number]) => format!("{len:x}-{changed:x}-{number:x}"),
    };
    match (choice.coding, &choice.base) {
        (Coding::Identity, _) => format!("\"{content}\""),
        (Coding::Dcz, Some((base, _))) => format!("\"{content}-dcz-{}\"", cut(*base, 16)),
        (coding, _) => format!("\"{content}-{}\"", coding.name()),
    }
}

fn content_range(range: String) -> io::Result<HeaderValue> {
    HeaderValue::try_from(format!("bytes {range}")).map_err(io::Error::other)
}

fn to_usize(len: u64) -> io::Result<usize> {
    usize::try_from(len).map_err(io::Error::other)
}
