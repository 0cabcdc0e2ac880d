//! HTTP/2 over TLS, against a server that speaks nothing else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tufold_tests::{NOW, checked_output, tufold_binary};

use super::Place;

/// A server of a folder, and how many connections it took.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
}

impl Server {
    /// Serves until the tests end. Writes its certificate to `certificate`.
    fn start(folder: PathBuf, certificate: &Path) -> Self {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        std::fs::write(certificate, own.cert.pem()).expect("room for a certificate");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config =
            config.with_single_cert(vec![own.cert.der().clone()], key).expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicU64::new(0));
        let count = connections.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                while let Ok((stream, _)) = listener.accept().await {
                    count.fetch_add(1, Relaxed);
                    let (acceptor, folder) = (acceptor.clone(), folder.clone());
                    tokio::spawn(async move {
                        let Ok(stream) = acceptor.accept(stream).await else { return };
                        let service = service_fn(|request| answer(request, folder.clone()));
                        let served = http2::Builder::new(TokioExecutor::new())
                            .serve_connection(TokioIo::new(stream), service);
                        // The client ends the connection as it likes.
                        let _ = served.await;
                    });
                }
            });
        });
        Self { address, connections }
    }
}

async fn answer(
    request: Request<Incoming>,
    folder: PathBuf,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert_eq!(request.version(), Version::HTTP_2);
    let file = std::fs::read(folder.join(request.uri().path().trim_start_matches('/')));
    let status = if file.is_ok() { 200 } else { 404 };
    let body = Full::new(Bytes::from(file.unwrap_or_default()));
    Ok(Response::builder().status(status).body(body).expect("a status"))
}

#[test]
fn one_connection_of_http2_carries_a_whole_visit() {
    let paths: Vec<String> = (0..40).map(|n| format!("target-{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::new("bins-succinct:16 hashes", &paths);
    let certificate = place.folder.path().join("certificate.pem");
    let server = Server::start(place.repo.path().join("public"), &certificate);
    let url = format!("https://localhost:{}", server.address.port());
    let sync = |trusted: &Path| {
        let mut command = Command::new(tufold_binary());
        command.args(["sync", &url, "--now", NOW, "--json", "--into"]).arg(place.cache());
        command.arg("--root").arg(place.repo.metadata().join("1.root.json"));
        command.args(paths.iter().flat_map(|path| ["--target", path]));
        command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
        command
    };
    // A server that nobody vouches for is not talked to.
    let nobody = place.folder.path().join("nobody.pem");
    std::fs::write(&nobody, "").unwrap();
    let refused = sync(&nobody).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    server.connections.store(0, Relaxed);
    let answer = checked_output(&mut sync(&certificate), "tufold sync");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let targets = answer["targets"].as_array().unwrap();
    assert!(targets.len() == 40 && targets.iter().all(|target| target["listed"].is_object()));
    assert!(answer["cost"]["requests"].as_u64() > Some(10), "{answer}");
    assert_eq!(server.connections.load(Relaxed), 1);
}
