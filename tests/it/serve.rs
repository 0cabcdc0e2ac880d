//! The HTTP server: what it serves and how, over a real connection.

mod browser;
mod clients;
mod http2;
mod readers;
mod wire;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;

use tufold_serve::{Limits, Served, Server, StopHandle, Tls};

/// A server on a free port of this machine. It ends when it is dropped.
struct Serving {
    address: SocketAddr,
    stop: StopHandle,
    thread: Option<JoinHandle<Served>>,
}

impl Serving {
    fn start(root: &Path, limits: Limits) -> Self {
        Self::with_tls(root, None, limits)
    }

    fn with_tls(root: &Path, tls: Option<Tls>, limits: Limits) -> Self {
        let server = Server::bind(root, "127.0.0.1:0", tls, limits).expect("a server");
        let (address, stop) = (server.address(), server.stop_handle());
        Self { address, stop, thread: Some(std::thread::spawn(|| server.run())) }
    }

    /// Asks once, on a connection of its own.
    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        stream.write_all(format!("{request}\r\n").as_bytes()).expect("a server that reads");
        Answer::read(&mut stream)
    }

    fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask("GET", path, headers)
    }

    /// What it did, now that it ends.
    fn end(mut self) -> Served {
        self.stop.stop();
        self.thread.take().expect("it runs").join().expect("no panic")
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the server fails the test that asks it.
            let _ = thread.join();
        }
    }
}

/// What came back.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    /// Reads until the server closes the connection.
    fn read(stream: &mut TcpStream) -> Self {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).expect("an answer");
        let end =
            bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an end of the head");
        let body = bytes.split_off(end + 4);
        let head = String::from_utf8(bytes).expect("a head in ASCII");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(": ").expect("a header");
            (name.to_owned(), value.to_owned())
        });
        let headers: BTreeMap<_, _> = headers.collect();
        Self { status: status.parse().expect("a number"), headers, body }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}
