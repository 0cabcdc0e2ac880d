//! Clients that take, or ask, as slowly as they can.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;
use tufold_serve::Limits;
use tufold_tests::scratch;

use super::{Answer, Serving};

const LARGE_LEN_BYTES: u64 = 256 << 20;

/// A folder with a file that no system buffers whole, and a small one.
pub(super) fn folder() -> TempDir {
    let folder = scratch();
    let large = File::create(folder.path().join("large")).expect("room for a file");
    large.set_len(LARGE_LEN_BYTES).expect("a file of holes");
    std::fs::write(folder.path().join("small"), "small").expect("room, and a server");
    folder
}

/// One connection at a time, and little patience.
pub(super) fn impatient() -> Limits {
    Limits {
        max_connections: 1,
        head: Duration::from_millis(150),
        stall: Duration::from_millis(150),
        ..Limits::default()
    }
}

fn connect(server: &Serving, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("room, and a server");
    stream.write_all(bytes).expect("room, and a server");
    stream
}

/// All that comes until the server closes the connection.
fn read_until_closed(mut stream: TcpStream) -> u64 {
    let (mut total, mut buffer) = (0, vec![0; 1 << 16]);
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return total,
            Ok(read) => total += read as u64,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return total,
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_reader_that_takes_nothing_gives_way_to_the_next() {
    let folder = folder();
    let server = Serving::start(folder.path(), impatient());
    let stalled = connect(&server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    // There is one place; it is free only when the first reader was turned out.
    assert_eq!(server.get("/small", &[]).body, b"small");
    assert!(read_until_closed(stalled) < LARGE_LEN_BYTES / 2);
    assert_eq!(server.end().slow_readers, 1);
}

#[test]
fn requests_without_end_are_closed() {
    let folder = folder();
    let server = Serving::start(folder.path(), impatient());
    for begun in [
        &b""[..],
        b"G",
        b"GET /small HTTP/1.1\r\n",
        b"GET /small HTTP/1.1\r\nHost: x\r\nX-A: b",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ] {
        let stream = connect(&server, begun);
        // It is answered with an error or not at all; either way it is closed.
        assert!(read_until_closed(stream) < 500);
        assert_eq!(server.get("/small", &[]).body, b"small");
    }
}

#[test]
fn heads_without_end_are_refused() {
    let folder = folder();
    let server = Serving::start(folder.path(), impatient());
    let mut stream = connect(&server, b"GET /small HTTP/1.1\r\nHost: x\r\n");
    let line = format!("X: {}\r\n", "a".repeat(1_000));
    // Written until the server hangs up.
    let written = (1..).take_while(|_| stream.write_all(line.as_bytes()).is_ok()).count();
    assert!(written < 10_000, "{written}");
    assert_eq!(server.get("/small", &[]).body, b"small");
    assert_eq!(server.end().requests, 1);
}

#[test]
fn a_connection_serves_many_requests_and_is_closed_when_it_idles() {
    let folder = folder();
    let server = Serving::start(folder.path(), impatient());
    let request = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n".repeat(20);
    let mut stream = connect(&server, &request);
    // Nobody asks for the end: the server closes it by itself.
    let answer = Answer::read(&mut stream);
    let text = String::from_utf8(answer.body).unwrap();
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 19);
    let served = server.end();
    assert_eq!((served.connections, served.requests, served.slow_readers), (1, 20, 0));
}

#[test]
fn responses_under_way_end_before_the_server_does() {
    let folder = folder();
    let server = Serving::start(folder.path(), Limits::default());
    let mut stream = connect(&server, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    let mut first = [0; 1];
    stream.read_exact(&mut first).unwrap();
    server.stop.stop();
    assert!(read_until_closed(stream) > LARGE_LEN_BYTES);
    // Nobody listens any more.
    let address = server.address;
    server.end();
    assert!(TcpStream::connect(address).is_err());
}
