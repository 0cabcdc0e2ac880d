//! `tufold serve`: a repository's public files over HTTP.

use std::io::Write;
use std::path::PathBuf;

use anyhow::ensure;
use serde::Serialize;
use tufold_serve::{Limits, Server, Tls};

use crate::interrupt;
use crate::output::{Exit, Out, bytes, count};

/// Serve the public files of a repository or a mirror over HTTP
///
/// Only REPO/public is served, and nothing is verified: clients do that. Files come compressed, and to browsers that hold an
/// earlier version of a document as a delta to it (RFC 9842). The URL is printed once it listens; Ctrl-C lets the responses
/// under way end, and prints what was served.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold serve demo
  tufold serve demo --listen 127.0.0.1:0 --json
  tufold serve mirror --listen [::]:443 --tls-cert chain.pem --tls-key key.pem")]
pub(crate) struct Args {
    /// The folder of the repository or the mirror
    repo: PathBuf,
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The certificate chain in PEM, for https
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// How many connections are taken at once; more wait
    #[arg(long, value_name = "N", default_value_t = Limits::default().max_connections)]
    max_connections: usize,
}

/// Where it listens.
#[derive(Serialize)]
struct Listening {
    url: String,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let public = args.repo.join("public");
    ensure!(public.is_dir(), "{} has no public/ to serve", args.repo.display());
    let tls = args.tls_cert.as_ref().zip(args.tls_key.as_ref());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let tls = tls.map(|(chain, key)| Tls::from_pem_files(chain, key)).transpose()?;
    let limits = Limits { max_connections: args.max_connections, ..Limits::default() };
    let server = Server::bind(&public, &args.listen, tls, limits)?;
    let stop = server.stop_handle();
    interrupt::end_with(move || stop.stop());
    // The host as it was given: a certificate is for a name.
    let host = args.listen.rsplit_once(':').map_or(args.listen.as_str(), |(host, _)| host);
    let url = format!("{scheme}://{host}:{}", server.address().port());
    out.result(&Listening { url: url.clone() }, |out| writeln!(out, "{url}"))?;
    out.flush()?;
    let served = server.run();
    out.result(&served, |out| {
        let (requests, connections) = (count(served.requests), count(served.connections));
        let sent = bytes(served.body_bytes);
        writeln!(out, "served {requests} requests on {connections} connections, {sent}")
    })?;
    Ok(Exit::Yes)
}
