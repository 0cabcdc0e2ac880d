//! Where the repository of a command is: a folder, or a bucket with a folder.

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use tufold_bucket::{Bucket, is_url};
use tufold_repo::Place;

/// Uploads, and reads, that wait for a bucket at once.
const REQUESTS_AT_ONCE: usize = 32;

/// The repository that a command is about.
#[derive(clap::Args, Debug)]
pub(crate) struct PlaceArgs {
    /// The folder of the repository; or s3://BUCKET/PREFIX, which then holds what would be in its public/ (endpoint and
    /// credentials come from the environment: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)
    repo: PathBuf,
    /// With s3://, the folder on this machine that holds keys and settings
    #[arg(long, value_name = "DIR")]
    private: Option<PathBuf>,
}

impl PlaceArgs {
    pub(crate) fn open(&self) -> anyhow::Result<Place> {
        let Some(url) = bucket_url(&self.repo) else {
            ensure!(
                self.private.is_none(),
                "--private goes with s3://; {self} has its own private/"
            );
            return Ok(Place::folder(&self.repo));
        };
        let private = self.private.as_ref();
        let private = private.with_context(|| format!("{url} needs --private DIR"))?;
        // The work in parallel is waiting, not computing. It fails only if something ran before.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(REQUESTS_AT_ONCE).build_global();
        Ok(Place::apart(url, Box::new(Bucket::open(url)?), private))
    }
}

impl fmt::Display for PlaceArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repo.display().fmt(f)
    }
}

/// The URL, if it is one of a bucket and no folder.
fn bucket_url(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| is_url(text))
}
