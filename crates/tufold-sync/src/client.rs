//! A client: a cache and a source.

use std::path::Path;

use tufold_meta::{Time, TrustedSet};

use crate::cache::{Cache, Found};
use crate::fetch::{Fetch, open_source};
use crate::visit::Visit;
use crate::{Error, Limits};

/// A client of one repository. It holds the lock of its cache.
pub struct Client {
    pub(crate) cache: Cache,
    pub(crate) source: Source,
    pub(crate) limits: Limits,
    pub(crate) deltas: Deltas,
}

/// Whether a client takes deltas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Deltas {
    WhenAdvertised,
    Never,
}

/// Where the documents of a repository are.
pub(crate) struct Source {
    pub(crate) fetch: Box<dyn Fetch>,
    /// Below the source; empty, or with a slash at its end.
    pub(crate) metadata_folder: String,
    /// What holds `deltas/`: the folder around the metadata. Empty, or with a slash at its end.
    pub(crate) base_folder: String,
}

impl Client {
    /// A client that keeps what it accepts in the folder `cache`, which is made if it is missing.
    /// `source` is the URL or the folder that holds `metadata/`.
    ///
    /// # Errors
    /// [`Error::Source`]; [`Error::Cache`], also while another client is at work there.
    pub fn open(cache: &Path, source: &str, limits: Limits) -> Result<Self, Error> {
        Self::with_source(cache, open_source(source, &limits)?, "metadata/", limits)
    }

    /// As [`Client::open`] with any source; `metadata_folder` is empty or ends with a slash. Deltas
    /// are looked for beside it, so there are none if it is empty.
    ///
    /// # Errors
    /// [`Error::Cache`].
    pub fn with_source(
        cache: &Path,
        fetch: Box<dyn Fetch>,
        metadata_folder: &str,
        limits: Limits,
    ) -> Result<Self, Error> {
        let inner = metadata_folder.strip_suffix('/').unwrap_or("");
        let base_folder = inner.rsplit_once('/').map_or("", |(folder, _)| folder);
        let slash = if base_folder.is_empty() { "" } else { "/" };
        let source = Source {
            fetch,
            metadata_folder: metadata_folder.to_owned(),
            base_folder: format!("{base_folder}{slash}"),
        };
        // Without a folder of its own, the metadata's neighbours are out of the source's reach.
        let deltas =
            if metadata_folder.is_empty() { Deltas::Never } else { Deltas::WhenAdvertised };
        Ok(Self { cache: Cache::open(cache)?, source, limits, deltas })
    }

    /// The same client, which asks for no deltas even if the repository has some.
    #[must_use]
    pub fn without_deltas(self) -> Self {
        Self { deltas: Deltas::Never, ..self }
    }

    /// Trusts `root` if the cache holds no root that can be read yet. The cache's own is newer or
    /// the same, and counts; a newer chain starts in an empty cache.
    ///
    /// # Errors
    /// [`Error::Refused`] if it is no root that signs itself.
    pub fn trust(&mut self, root: &[u8]) -> Result<(), Error> {
        if self.trusted(Time::EPOCH).is_ok() {
            return Ok(());
        }
        TrustedSet::new(root.to_vec(), Time::EPOCH)?;
        self.cache.keep_top("root", root)
    }

    /// Brings root, timestamp, snapshot and the top-level targets role up to date (TUF 5.3 to 5.6).
    /// `now` is the time of the whole visit.
    ///
    /// # Errors
    /// Any. What was accepted before the error is kept, as TUF asks.
    pub fn visit(&mut self, now: Time) -> Result<Visit<'_>, Error> {
        Visit::refresh(self, self.start(now)?)
    }

    /// What a visit begins with.
    pub(crate) fn start(&self, now: Time) -> Result<TrustedSet, Error> {
        Ok(self.trusted(now)?.with_limits(self.limits.metadata))
    }

    /// The set with the root in the cache.
    fn trusted(&self, now: Time) -> Result<TrustedSet, Error> {
        match self.cache.root(self.limits.metadata.root_len_bytes)? {
            Found::Bytes(root) => Ok(TrustedSet::new(root, now)?),
            Found::Nothing | Found::Damaged => {
                Err(Error::NoRoot { cache: self.cache.folder().to_owned() })
            }
        }
    }
}
