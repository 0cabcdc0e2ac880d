//! HTTP/2 written by hand: frames that cost a server more than the client that sends them.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tufold_serve::Limits;
use tufold_tests::scratch;

use super::Serving;
use super::clients::Certificate;
use super::readers::{folder, impatient};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// No attack sends more, and each is ended long before.
const ATTACK_LEN_BYTES: usize = 64 << 20;
/// What a server may take of an attack: what it and the system have buffered when it ends the connection.
const MAX_TAKEN_LEN_BYTES: usize = 16 << 20;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a short payload").to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a request: two entries of HPACK's static table, and two literals under names of it.
fn head(path: &str) -> Vec<u8> {
    let literal = |name: u8, value: &str| {
        let len = u8::try_from(value.len()).expect("a short value");
        [&[name, len], value.as_bytes()].concat()
    };
    [vec![0x82, 0x87], literal(4, path), literal(1, "localhost")].concat()
}

/// A connection that was attacked, when it has ended.
#[derive(Debug, Default)]
struct Ended {
    /// What was written until then.
    written_len_bytes: usize,
    /// Whether the server ended it before everything was written.
    is_cut: bool,
    /// Answers that began.
    answers: usize,
    /// Streams that the server refused.
    refused: usize,
    /// The server's last word.
    goaway: Option<u32>,
}

struct Place {
    folder: tempfile::TempDir,
    certificate: Certificate,
    _scratch: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let scratch = scratch();
        let certificate = Certificate::make(scratch.path());
        Self { folder: folder(), certificate, _scratch: scratch }
    }

    fn serve(&self, limits: Limits) -> Serving {
        Serving::with_tls(self.folder.path(), Some(self.certificate.tls()), limits)
    }

    fn connect(&self, server: &Serving) -> StreamOwned<ClientConnection, TcpStream> {
        let mut roots = RootCertStore::empty();
        let own = CertificateDer::from_pem_file(&self.certificate.chain).expect("a certificate");
        roots.add(own).expect("a certificate");
        let mut config =
            ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let name = ServerName::try_from("localhost").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a client");
        let stream = TcpStream::connect(server.address).expect("a server");
        // A server that keeps the connection fails the test instead of stopping it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        StreamOwned::new(connection, stream)
    }

    /// Sends all frames, or as many as the server takes, and then reads until it ends the connection.
    fn attack(&self, server: &Serving, frames: impl Iterator<Item = Vec<u8>>) -> Ended {
        let mut stream = self.connect(server);
        let mut ended = Ended::default();
        let begin = [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[])].into_iter();
        for bytes in begin.chain(frames) {
            if stream.write_all(&bytes).is_err() {
                return Ended { is_cut: true, ..ended };
            }
            ended.written_len_bytes += bytes.len();
        }
        while let Ok((kind, payload)) = read_frame(&mut stream) {
            let code = |at: usize| {
                payload
                    .get(at..at + 4)
                    .map(|four| u32::from_be_bytes(four.try_into().expect("four bytes")))
            };
            match kind {
                HEADERS => ended.answers += 1,
                // REFUSED_STREAM
                RST_STREAM if code(0) == Some(7) => ended.refused += 1,
                GOAWAY => ended.goaway = code(4),
                _ => {}
            }
        }
        ended
    }

    /// Attacks a server that takes one connection at a time; another client is served afterwards.
    fn check(
        &self,
        what: &str,
        frames: impl Iterator<Item = Vec<u8>>,
    ) -> (Ended, tufold_serve::Served) {
        let server = self.serve(impatient());
        let ended = self.attack(&server, frames);
        assert!(ended.written_len_bytes < MAX_TAKEN_LEN_BYTES, "{what}: {ended:?}");
        let mut stream = self.connect(&server);
        let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &head("/small"));
        stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat()).expect(what);
        let body = loop {
            let (kind, payload) = read_frame(&mut stream).expect(what);
            if kind == DATA {
                break payload;
            }
        };
        assert_eq!(body, b"small", "{what}");
        drop(stream);
        (ended, server.end())
    }
}

fn read_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 9];
    stream.read_exact(&mut head)?;
    let len = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    stream.read_exact(&mut payload)?;
    Ok((head[3], payload))
}

/// The same bytes again and again, some at a time.
fn flood(first: Vec<u8>, again: Vec<u8>) -> impl Iterator<Item = Vec<u8>> {
    let at_once = again.repeat(16_384_usize.div_ceil(again.len()));
    let times = ATTACK_LEN_BYTES / at_once.len();
    std::iter::once(first).chain(std::iter::repeat_n(at_once, times))
}

#[test]
fn streams_that_are_reset_at_once_end_the_connection() {
    let place = Place::new();
    let opened_and_reset = |number: u32| {
        let open = frame(HEADERS, END_STREAM | END_HEADERS, number, &head("/large"));
        [open, frame(RST_STREAM, 0, number, &8_u32.to_be_bytes())].concat()
    };
    // Some hundred of them go out at once.
    let batch =
        |batch: u32| (0..500).flat_map(|n| opened_and_reset(batch * 1_000 + n * 2 + 1)).collect();
    let (ended, served) = place.check("rapid reset", (0..2_000).map(batch));
    assert!(ended.is_cut || ended.goaway.is_some_and(|code| code != 0), "{ended:?}");
    assert!(served.requests < 5_000, "{served:?}");
}

#[test]
fn a_head_without_end_ends_the_connection() {
    let place = Place::new();
    let begun = || frame(HEADERS, END_STREAM, 1, &head("/small"));
    // A literal that no table keeps: name "x", 1,000 bytes.
    let literal = [&[0x00, 1, b'x', 0x7f, 0xe9, 0x06][..], &[b'y'; 1_000]].concat();
    for (what, more) in [("long", literal), ("empty", Vec::new())] {
        let (ended, served) = place.check(what, flood(begun(), frame(CONTINUATION, 0, 1, &more)));
        assert!(ended.is_cut, "{what}: {ended:?}");
        // Only what the other client asked for.
        assert_eq!(served.requests, 1, "{what}");
    }
    // One that ends, and is too long.
    let parts = (0..40).map(|n| {
        frame(
            CONTINUATION,
            if n == 39 { END_HEADERS } else { 0 },
            1,
            &[0x00, 1, b'x', 0x7f, 0xe9, 0x06]
                .iter()
                .copied()
                .chain([b'y'; 1_000])
                .collect::<Vec<u8>>(),
        )
    });
    let (_, served) = place.check("too long", std::iter::once(begun()).chain(parts));
    assert_eq!(served.requests, 1);
}

#[test]
fn only_so_many_streams_are_answered_at_once_and_none_waits_for_ever() {
    let place = Place::new();
    // The server may send no byte of a body.
    let closed = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let opened =
        (0..1_000).map(|n| frame(HEADERS, END_STREAM | END_HEADERS, n * 2 + 1, &head("/large")));
    let (ended, served) = place.check("many streams", std::iter::once(closed).chain(opened));
    let most = Limits::default().max_streams as usize;
    assert!(ended.answers <= most && ended.refused >= 1_000 - 2 * most, "{ended:?}");
    assert_eq!(served.slow_readers, 1);
    assert!(served.requests <= 1 + most as u64, "{served:?}");
}

#[test]
fn frames_that_ask_for_answers_which_nobody_reads_end_the_connection() {
    let place = Place::new();
    for (what, asked) in [
        ("ping", frame(PING, 0, 0, &[7; 8])),
        ("settings", frame(SETTINGS, 0, 0, &[])),
        // To streams that were never opened.
        ("window", frame(8, 0, 1, &1_u32.to_be_bytes())),
    ] {
        let (ended, served) = place.check(what, flood(Vec::new(), asked));
        assert!(ended.is_cut, "{what}: {ended:?}");
        assert_eq!(served.requests, 1, "{what}");
    }
}

#[test]
fn bodies_that_nobody_asked_for_are_not_taken() {
    let place = Place::new();
    let begun = || frame(HEADERS, END_HEADERS, 1, &head("/small"));
    for (what, data) in [("empty", Vec::new()), ("beyond the window", vec![0; 16_000])] {
        let (ended, served) = place.check(what, flood(begun(), frame(DATA, 0, 1, &data)));
        assert!(ended.is_cut, "{what}: {ended:?}");
        assert!(served.requests <= 2, "{what}");
    }
}
