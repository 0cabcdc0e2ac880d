//! Files of a web server, over HTTP/1.1 and, where TLS negotiates it, HTTP/2.

use std::future::Future;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use tokio::runtime::{Builder, Runtime};

use crate::fetch::{Accept, Body, Encoding, Fetch, FetchError};
use crate::{Error, Limits};

/// A web server as a source. Connections are kept and shared by all threads.
///
/// Of `https` no redirect leads to `http`.
pub struct Http {
    base: Url,
    connection: Arc<Connection>,
    max_redirects: u32,
}

/// The blocking side of the asynchronous library: whichever thread waits drives all connections.
struct Connection {
    runtime: Runtime,
    /// For `http`. Without certificates, since reading the system's takes longer than a visit.
    plain: OnceLock<Client>,
    /// For `https`, with the certificates that the system trusts.
    tls: OnceLock<Client>,
    stall: Duration,
}

/// The body of a response.
struct Chunks {
    connection: Arc<Connection>,
    response: Response,
    chunk: io::Cursor<Vec<u8>>,
    stall: Duration,
}

impl Http {
    /// The files below the URL `base`.
    ///
    /// # Errors
    /// [`Error::Source`] if it is no URL of `http` or `https`.
    pub fn new(base: &str, limits: &Limits) -> Result<Self, Error> {
        let failed = |why: String| Error::Source { source_name: base.to_owned(), why };
        let slash = if base.ends_with('/') { "" } else { "/" };
        let url: Url =
            format!("{base}{slash}").parse().map_err(|e| failed(format!("is no URL: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") || url.query().or(url.fragment()).is_some() {
            return Err(failed("is not a plain http or https URL".into()));
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let connection = Connection {
            runtime: runtime.map_err(|error| failed(format!("cannot be opened: {error}")))?,
            plain: OnceLock::new(),
            tls: OnceLock::new(),
            stall: limits.stall,
        };
        let max_redirects = limits.max_redirects;
        Ok(Self { base: url, connection: Arc::new(connection), max_redirects })
    }

    fn url(&self, path: &str) -> Result<Url, FetchError> {
        // Plain text: `join` would take `//host` and `http:` for other places.
        let url = format!("{}{path}", self.base);
        let url: Url = url.parse().map_err(|error| FetchError::Network(format!("{error}")))?;
        let inside = url.as_str().starts_with(self.base.as_str());
        if inside { Ok(url) } else { Err(FetchError::Missing) }
    }
}

impl Fetch for Http {
    fn open(&self, path: &str, accept: Accept) -> Result<Body, FetchError> {
        self.open_within(path, accept, self.connection.stall)
    }

    fn open_within(&self, path: &str, accept: Accept, stall: Duration) -> Result<Body, FetchError> {
        let mut url = self.url(path)?;
        for _ in 0..=self.max_redirects {
            let response = self.connection.get(&url, accept, stall)?;
            match response.status().as_u16() {
                200 => return body(self.connection.clone(), response, stall),
                301 | 302 | 303 | 307 | 308 => url = redirect(&url, &response)?,
                403 | 404 | 410 => return Err(FetchError::Missing),
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirects { max: self.max_redirects })
    }
}

/// Where a redirect leads.
fn redirect(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let to = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("");
    let refused = || FetchError::Redirect { from: from.to_string(), to: to.to_owned() };
    let url = from.join(to).map_err(|_| refused())?;
    let safe = url.scheme() == "https" || url.scheme() == "http" && from.scheme() == "http";
    if safe && !to.is_empty() { Ok(url) } else { Err(refused()) }
}

fn body(
    connection: Arc<Connection>,
    response: Response,
    stall: Duration,
) -> Result<Body, FetchError> {
    let encoding = match response.headers().get(CONTENT_ENCODING).map(|value| value.as_bytes()) {
        None | Some(b"" | b"identity") => Encoding::Identity,
        Some(b"zstd") => Encoding::Zstd,
        Some(b"gzip" | b"x-gzip") => Encoding::Gzip,
        Some(other) => {
            let encoding = other.escape_ascii().to_string();
            return Err(FetchError::Encoding { encoding, why: "it was not asked for".into() });
        }
    };
    let reader = Chunks { connection, response, chunk: io::Cursor::new(Vec::new()), stall };
    Ok(Body { encoding, reader: Box::new(reader) })
}

impl Connection {
    fn get(&self, url: &Url, accept: Accept, stall: Duration) -> Result<Response, FetchError> {
        let encodings = match accept {
            Accept::Identity => "identity",
            Accept::Compressed => "zstd, gzip",
        };
        let client = self.client(url)?;
        self.wait(client.get(url.clone()).header(ACCEPT_ENCODING, encodings).send(), stall)
    }

    fn client(&self, url: &Url) -> Result<&Client, FetchError> {
        let is_tls = url.scheme() == "https";
        let slot = if is_tls { &self.tls } else { &self.plain };
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let builder = Client::builder()
            .user_agent(concat!("tufold/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none());
        let builder = if is_tls { builder } else { builder.tls_certs_only([]) };
        let client = builder.build().map_err(network)?;
        Ok(slot.get_or_init(|| client))
    }

    /// Waits for the server, but not for ever.
    fn wait<T>(
        &self,
        answer: impl Future<Output = Result<T, reqwest::Error>>,
        within: Duration,
    ) -> Result<T, FetchError> {
        let answer = async { tokio::time::timeout(within, answer).await };
        match self.runtime.block_on(answer) {
            Ok(answer) => answer.map_err(network),
            Err(_) => Err(FetchError::Slow { read_len_bytes: 0, within }),
        }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.chunk.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let next = self.connection.wait(self.response.chunk(), self.stall);
            let next = next.map_err(FetchError::into_read)?;
            let Some(next) = next else { return Ok(0) };
            self.chunk = io::Cursor::new(next.into());
        }
    }
}

/// The whole story: reqwest's own text ends before the cause.
fn network(error: reqwest::Error) -> FetchError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    FetchError::Network(text)
}
