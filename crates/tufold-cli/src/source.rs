//! What `sync` reads from: besides what the client knows by itself, a bucket.

use std::io;

use tufold_bucket::{Bucket, is_url};
use tufold_store::Error as StoreError;
use tufold_sync::{Accept, Body, Encoding, Fetch, FetchError, Limits, open_source};

struct Objects(Bucket);

/// The files at `source`: a URL of `http`, `https` or `s3`, or a folder.
pub(crate) fn open(source: &str, limits: &Limits) -> anyhow::Result<Box<dyn Fetch>> {
    if is_url(source) {
        return Ok(Box::new(Objects(Bucket::open(source)?)));
    }
    Ok(open_source(source, limits)?)
}

impl Fetch for Objects {
    fn open(&self, path: &str, _accept: Accept) -> Result<Body, FetchError> {
        match self.0.reader(path) {
            Ok(Some((_, reader))) => {
                Ok(Body { encoding: Encoding::Identity, reader: Box::new(reader) })
            }
            Ok(None) | Err(StoreError::BadName { .. }) => Err(FetchError::Missing),
            Err(StoreError::Io { source, .. }) => Err(FetchError::Io(source)),
            Err(error) => Err(FetchError::Io(io::Error::other(error))),
        }
    }
}
