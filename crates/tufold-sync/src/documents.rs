//! Where a document's bytes come from: the cache, or the source. Nothing here decides what is
//! trusted.

use tufold_meta::Request;

use crate::Error;
use crate::cache::Found;
use crate::client::Client;
use crate::meter::{Meter, add};
use crate::transfer::Transfer;

/// The documents of one visit.
pub(crate) struct Documents<'c> {
    pub(crate) client: &'c Client,
    pub(crate) meter: Meter,
}

impl<'c> Documents<'c> {
    pub(crate) fn new(client: &'c Client) -> Self {
        Self { client, meter: Meter::start() }
    }

    /// What the cache holds for a role.
    pub(crate) fn cached(&self, role: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.client.cache.get(role, max_len_bytes)? {
            Found::Bytes(bytes) => Ok(Some(bytes)),
            Found::Nothing => Ok(None),
            Found::Damaged => {
                self.note_damage();
                Ok(None)
            }
        }
    }

    /// A cached document was refused: it is fetched again. One that was merely superseded is no
    /// damage.
    pub(crate) fn note_refused(&self, error: &tufold_meta::Error) {
        use tufold_meta::Error::{Parse, Threshold};
        if matches!(error, Parse { .. } | Threshold { .. }) {
            self.note_damage();
        }
    }

    fn note_damage(&self) {
        add(&self.meter.damaged, 1);
    }

    /// Fetches the document that `request` names; `None` if it is not there.
    pub(crate) fn fetch(&self, request: &Request) -> Result<Option<Vec<u8>>, Error> {
        self.transfer().bytes(&self.path(request), request.max_len_bytes)
    }

    /// As [`Documents::fetch`], but the document must be there.
    pub(crate) fn fetch_existing(&self, request: &Request) -> Result<Vec<u8>, Error> {
        self.fetch(request)?.ok_or_else(|| Error::missing(&self.path(request)))
    }

    /// So many requests had to wait for one another.
    pub(crate) fn count_round_trips(&self, count: u64) {
        add(&self.meter.round_trips, count);
    }

    pub(crate) fn transfer(&self) -> Transfer<'_> {
        let Client { source, limits, .. } = self.client;
        Transfer { fetch: &*source.fetch, limits, meter: &self.meter }
    }

    fn path(&self, request: &Request) -> String {
        format!("{}{}", self.client.source.metadata_folder, request.file_name)
    }
}
