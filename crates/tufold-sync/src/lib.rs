//! The TUF client of tufold: brings metadata up to date, looks targets up, downloads them, and
//! mirrors a whole repository's metadata, over HTTP or from a folder.
//!
//! Where the signed timestamp says that there are deltas, documents are rebuilt from those that the cache
//! holds; they take the same way to trust as any other. Whatever is wrong with a delta, the whole file is
//! fetched, and [`DeltaUse`] says so.
//!
//! It drives [`tufold_meta::TrustedSet`], which decides alone what is trusted, with bytes from a
//! cache or a source. It knows neither keys nor a publisher. Every call blocks; the asynchronous
//! HTTP library stays inside [`Http`].
//!
//! ```
//! use tufold_sync::{Client, Limits};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (folder, root, now) = doctest::repository()?;
//! # let (source, cache) = (folder.path().join("repo/public"), folder.path().join("cache"));
//! // Where the folder `metadata/` is, and where this client keeps what it accepted.
//! let mut client = Client::open(&cache, source.to_str().unwrap(), Limits::default())?;
//! client.trust(&root)?; // The root that came with the software; later visits follow on from it.
//! let mut visit = client.visit(now)?; // TUF 5.3 to 5.6: root, timestamp, snapshot, targets.
//! for target in visit.find(&["foo.txt", "absent.txt"])? {
//!     match &target.listed {
//!         Some(listed) => println!("{} has {} bytes", target.path, listed.length_bytes),
//!         None => println!("{} is not listed", target.path),
//!     }
//! }
//! println!("{} requests, {} bytes", visit.cost().requests, visit.cost().bytes);
//! # assert_eq!(visit.cost().requests, 6);
//! # Ok(())
//! # }
//! # mod doctest {
//! #     include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/samples/doctest.rs"));
//! # }
//! ```

/// The README's example must compile.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

mod cache;
mod choose;
mod client;
mod deltas;
mod documents;
mod download;
mod error;
mod fetch;
mod limits;
mod meter;
mod mirror;
mod obtain;
mod parallel;
mod progress;
mod rebin;
mod rebuild;
mod transfer;
mod visit;

pub use choose::{HeldSnapshot, Way, mirror_way, regroup_pays, role_way, snapshot_way};
pub use client::Client;
pub use deltas::{DeltaUse, Fallbacks};
pub use download::Downloaded;
pub use error::Error;
pub use fetch::{Accept, Body, Directory, Encoding, Fetch, FetchError, Http, open_source};
pub use limits::Limits;
pub use meter::Cost;
pub use mirror::{Mirror, Mirrored};
pub use progress::{Event, Progress, Stage};
pub use visit::{Listed, Target, Versions, Visit};
