//! A bucket that speaks S3's protocol, as a [`Store`](tufold_store::Store).
//!
//! What is immutable is put only where nothing is. What is mutable is replaced only if it still is what was read or written
//! last through the same [`Bucket`], so of two writers that read the same version one fails. Both take conditional writes
//! (`If-None-Match`, `If-Match`), which the server must know; one that ignores them is found out before the first object is
//! replaced.
//!
//! Where the bucket is and who we are comes from the environment alone (`AWS_*`). This crate knows nothing of TUF. Every call
//! blocks; the asynchronous library stays inside.
//!
//! ```no_run
//! use tufold_bucket::Bucket;
//! use tufold_store::Store;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bucket = Bucket::open("s3://index/public")?;
//! bucket.create("metadata/1.root.json", b"{}")?;
//! bucket.replace("metadata/timestamp.json", b"{}")?;
//! # Ok(())
//! # }
//! ```

mod bucket;
mod error;
mod reader;

pub use bucket::{Bucket, is_url};
pub use error::Error;
pub use reader::Reader;
