//! The HTTP server of tufold: gives clients and mirrors the files of one folder, and nothing else.
//!
//! Any web server can do that, for a repository is plain files under their final names. This one knows what the names
//! mean: which file never changes, which is worth compressing, and which earlier version a client that has it can take as
//! the dictionary of the next (RFC 9842). It bounds its memory, its connections and the time that each may take.
//!
//! It is no client and no publisher: it verifies nothing, and what it serves is as good as the files are. Every call blocks;
//! the asynchronous library stays inside.
//!
//! ```
//! use std::io::{Read, Write};
//! use tufold_serve::{Limits, Server};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("tufold-serve-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(folder.join("metadata"))?;
//! # std::fs::write(folder.join("metadata/timestamp.json"), "{}")?;
//! let server = Server::bind(&folder, "127.0.0.1:0", None, Limits::default())?;
//! let (address, stop) = (server.address(), server.stop_handle());
//! let running = std::thread::spawn(|| server.run());
//!
//! let mut stream = std::net::TcpStream::connect(address)?;
//! stream.write_all(b"GET /metadata/timestamp.json HTTP/1.1\r\nHost: index\r\nConnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
//!
//! stop.stop();
//! let served = running.join().expect("no panic");
//! assert_eq!(served.requests, 1);
//! # std::fs::remove_dir_all(folder)?;
//! # Ok(())
//! # }
//! ```

mod activity;
mod body;
mod coding;
mod conditional;
mod connection;
mod dictionary;
mod error;
mod limits;
mod pages;
mod path;
mod respond;
mod server;
mod shelf;
mod tls;

pub use error::Error;
pub use limits::Limits;
pub use pages::{MakePage, Page};
pub use server::{Served, Server, StopHandle};
pub use tls::Tls;
