//! Pages that a function makes, under the same bounds as files.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, Response, StatusCode};
use tokio::sync::Semaphore;

use crate::Limits;
use crate::activity::InFlight;
use crate::body::Body;
use crate::respond::Counts;

/// Pages that are made at once; more requests wait.
const MAX_MADE: usize = 2;

/// What a function answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Page {
    /// HTML.
    Html(String),
    /// JSON.
    Json(String),
    /// The query cannot be answered, and why.
    Refused(String),
}

/// From a path and its query (empty if there is none) to a page; `None` for a path that there is not.
pub type MakePage = dyn Fn(&str, &str) -> Option<Page> + Send + Sync;

/// Answers requests by a function.
pub(crate) struct Pages {
    make: Arc<MakePage>,
    making: Arc<Semaphore>,
    /// In bytes.
    under_way: Arc<Semaphore>,
    max_under_way: u32,
    pub(crate) counts: Counts,
}

impl Pages {
    pub(crate) fn new(make: Arc<MakePage>, limits: &Limits) -> Self {
        let max_under_way = u32::try_from(limits.max_response_bytes).unwrap_or(u32::MAX >> 4);
        let max_under_way = max_under_way.clamp(1, u32::MAX >> 4);
        Self {
            make,
            making: Arc::new(Semaphore::new(MAX_MADE)),
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
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            return response;
        }
        let (status, kind, body) = match self.made(request).await {
            Ok(Some(Page::Html(html))) => (StatusCode::OK, "text/html; charset=utf-8", html),
            Ok(Some(Page::Json(json))) => (StatusCode::OK, "application/json", json),
            Ok(Some(Page::Refused(why))) => {
                (StatusCode::BAD_REQUEST, "text/plain; charset=utf-8", why)
            }
            Ok(None) => {
                self.counts.not_found.fetch_add(1, Relaxed);
                (StatusCode::NOT_FOUND, "text/plain; charset=utf-8", String::new())
            }
            // The function panicked, or the server ends.
            Err(()) => {
                self.counts.failed.fetch_add(1, Relaxed);
                (StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", String::new())
            }
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_LENGTH, (body.len() as u64).into());
        if *request.method() == Method::HEAD {
            return response;
        }
        let share = u32::try_from(body.len()).unwrap_or(u32::MAX).clamp(1, self.max_under_way);
        match self.under_way.clone().acquire_many_owned(share).await {
            Ok(share) => response.map(|empty| empty.with_bytes(Bytes::from(body), share)),
            Err(_) => response,
        }
    }

    /// Makes the page on a thread that may block.
    async fn made<B>(&self, request: &Request<B>) -> Result<Option<Page>, ()> {
        let place = self.making.clone().acquire_owned().await.map_err(|_| ())?;
        let make = self.make.clone();
        let path = request.uri().path().to_owned();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let made = tokio::task::spawn_blocking(move || {
            let page = make(&path, &query);
            drop(place);
            page
        });
        made.await.map_err(|_| ())
    }
}
