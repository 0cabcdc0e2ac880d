//! A web server that behaves as a test tells it to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the server does when a path is asked for.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Gives the file.
    File(Vec<u8>),
    /// Gives bytes that are said to be encoded so.
    Encoded(&'static str, Vec<u8>),
    /// Gives this again and again, for ever.
    Endless(Option<&'static str>, Vec<u8>),
    /// Gives a byte every ten milliseconds.
    Drip,
    /// Gives nothing, and keeps the connection.
    Silence,
    /// Closes the connection half-way through the file.
    Cut(Vec<u8>),
    /// Sends the client elsewhere.
    Redirect(String),
    /// Gives a status without a body.
    Status(u16),
}

/// What is served, and what was asked for.
#[derive(Debug, Default)]
pub struct Site {
    /// The answers, by the path without its first slash.
    pub answers: BTreeMap<String, Answer>,
    /// Where any other path is looked for.
    pub folder: Option<PathBuf>,
    /// The paths in order.
    pub requests: Vec<String>,
}

/// A server on a free port of this machine. It ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    site: Arc<Mutex<Site>>,
    ended: Arc<AtomicBool>,
}

impl Server {
    /// Begins to serve.
    ///
    /// # Panics
    /// If no port is free.
    pub fn start(site: Site) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let server = Self {
            address,
            site: Arc::new(Mutex::new(site)),
            ended: Arc::new(AtomicBool::new(false)),
        };
        let (site, ended) = (server.site.clone(), server.ended.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Relaxed) {
                    return;
                }
                let site = site.clone();
                // A client that goes away ends the thread.
                std::thread::spawn(move || stream.map(|stream| talk(&stream, &site)));
            }
        });
        server
    }

    /// The files of a folder.
    pub fn of_folder(folder: PathBuf) -> Self {
        Self::start(Site { folder: Some(folder), ..Site::default() })
    }

    /// The URL, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What is served.
    pub fn site(&self) -> MutexGuard<'_, Site> {
        self.site.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The paths that were asked for since the last call, in order.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.site().requests)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.ended.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Answers the requests of one connection.
fn talk(stream: &TcpStream, site: &Mutex<Site>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream).lines();
    while let Some(first) = lines.next() {
        let first = first?;
        let path = first.split(' ').nth(1).unwrap_or("/").trim_start_matches('/').to_owned();
        for line in lines.by_ref() {
            if line?.is_empty() {
                break;
            }
        }
        let answer = {
            let mut site = site.lock().unwrap_or_else(PoisonError::into_inner);
            site.requests.push(path.clone());
            let file = || site.folder.as_ref().and_then(|dir| std::fs::read(dir.join(&path)).ok());
            let answer = site.answers.get(&path).cloned();
            answer.or_else(|| file().map(Answer::File)).unwrap_or(Answer::Status(404))
        };
        answer.give(stream)?;
    }
    Ok(())
}

impl Answer {
    fn give(&self, mut out: &TcpStream) -> std::io::Result<()> {
        let encoding = match self {
            Self::Encoded(encoding, _) | Self::Endless(Some(encoding), _) => {
                format!("Content-Encoding: {encoding}\r\n")
            }
            _ => String::new(),
        };
        match self {
            Self::File(bytes) | Self::Encoded(_, bytes) => {
                let len = bytes.len();
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n{encoding}\r\n")?;
                out.write_all(bytes)
            }
            Self::Endless(_, bytes) => {
                write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n{encoding}\r\n")?;
                loop {
                    out.write_all(bytes)?;
                }
            }
            Self::Drip => {
                write!(out, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
                loop {
                    out.write_all(b" ")?;
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
            Self::Silence => {
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")?;
                let mut rest = String::new();
                BufReader::new(out).read_line(&mut rest).map(drop)
            }
            Self::Cut(bytes) => {
                write!(out, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes.len())?;
                out.write_all(&bytes[..bytes.len() / 2])?;
                out.shutdown(std::net::Shutdown::Both)
            }
            Self::Redirect(to) => {
                write!(out, "HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
            }
            Self::Status(status) => {
                write!(out, "HTTP/1.1 {status} Status\r\nContent-Length: 0\r\n\r\n")
            }
        }
    }
}
