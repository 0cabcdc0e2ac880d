//! Where a document's bytes come from: the cache, or the source. Nothing here decides what is
//! trusted.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tufold_delta::Ladder;
use tufold_meta::names::{Advertised, DeltaName};
use tufold_meta::{Request, Timestamp, TrustedSnapshot, Version};

use crate::cache::Found;
use crate::client::{Client, Deltas};
use crate::deltas::Reason;
use crate::meter::{Meter, add};
use crate::obtain::Obtained;
use crate::rebuild::Base;
use crate::transfer::Transfer;
use crate::{Error, Limits};

/// The longest document that is read from the cache to be a base.
const BASE_MAX_LEN_BYTES: u64 = 1 << 30;

/// The documents of one visit.
pub(crate) struct Documents<'c> {
    pub(crate) client: &'c Client,
    pub(crate) meter: Meter,
    /// The deltas that the repository has, if the client wants any.
    pub(crate) ladder: Option<Ladder>,
    /// What bundles brought, by role.
    pub(crate) brought: Mutex<HashMap<String, (Version, Obtained)>>,
}

impl<'c> Documents<'c> {
    pub(crate) fn new(client: &'c Client) -> Self {
        Self { client, meter: Meter::start(), ladder: None, brought: Mutex::default() }
    }

    /// What the cache holds for a role.
    pub(crate) fn cache_entry(&self, role: &str, max_len_bytes: u64) -> Result<Found, Error> {
        self.client.cache.get(role, max_len_bytes)
    }

    /// As [`Documents::cache_entry`]; what is damaged is noted, and as good as nothing.
    pub(crate) fn cached(&self, role: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.cache_entry(role, max_len_bytes)? {
            Found::Bytes(bytes) => Ok(Some(bytes)),
            Found::Nothing => Ok(None),
            Found::Damaged => {
                self.note_damage();
                Ok(None)
            }
        }
    }

    /// Notes which deltas the repository says that it has. Of a ladder that nobody knows there are none.
    pub(crate) fn note_deltas(&mut self, timestamp: &Timestamp) {
        let advertised = Advertised::read(&timestamp.extra);
        let ladder = advertised.and_then(|ladder| ladder.as_str().parse().ok());
        self.ladder = ladder.filter(|_| self.client.deltas == Deltas::WhenAdvertised);
    }

    /// What the cache holds of a role in an older version than the wanted one, if deltas can start
    /// from it.
    pub(crate) fn base(&self, role: &str, request: &Request) -> Result<Option<Base>, Error> {
        if !self.takes_deltas() {
            return Ok(None);
        }
        let Found::Bytes(file) = self.client.cache.get(role, BASE_MAX_LEN_BYTES)? else {
            return Ok(None);
        };
        let base = Base::of_file(&file);
        Ok(base.filter(|base| request.version.is_some_and(|wanted| base.version < wanted)))
    }

    /// As [`Documents::base`] for a snapshot that is held already.
    pub(crate) fn base_of(&self, held: &TrustedSnapshot, request: &Request) -> Option<Base> {
        let is_older = request.version.is_some_and(|wanted| held.version() < wanted);
        let signed = held.canonical().filter(|_| is_older && self.takes_deltas())?;
        Some(Base { version: held.version(), signed: signed.to_owned() })
    }

    pub(crate) fn takes_deltas(&self) -> bool {
        self.ladder.is_some() && self.meter.deltas.asks()
    }

    /// Takes what bundles brought.
    pub(crate) fn bring(&self, brought: HashMap<String, (Version, Obtained)>) {
        *self.brought.lock().unwrap_or_else(PoisonError::into_inner) = brought;
    }

    /// Takes one document that was made without a request for it.
    pub(crate) fn bring_one(&self, role: &str, version: Version, obtained: Obtained) {
        let mut brought = self.brought.lock().unwrap_or_else(PoisonError::into_inner);
        brought.insert(role.to_owned(), (version, obtained));
    }

    /// Whether a bundle brought a document of this role.
    pub(crate) fn is_brought(&self, role: &str) -> bool {
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).contains_key(role)
    }

    /// A cached document was refused: it is fetched again. One that was merely superseded is no
    /// damage.
    pub(crate) fn note_refused(&self, error: &tufold_meta::Error) {
        use tufold_meta::Error::{Parse, Threshold};
        if matches!(error, Parse { .. } | Threshold { .. }) {
            self.note_damage();
        }
    }

    pub(crate) fn note_damage(&self) {
        add(&self.meter.damaged, 1);
    }

    /// Fetches the document that `request` names; `None` if it is not there.
    pub(crate) fn fetch(&self, request: &Request) -> Result<Option<Vec<u8>>, Error> {
        self.transfer().bytes(&self.path_of(request), request.max_len_bytes)
    }

    /// As [`Documents::fetch`], but the document must be there.
    pub(crate) fn fetch_existing(&self, request: &Request) -> Result<Vec<u8>, Error> {
        self.fetch(request)?.ok_or_else(|| Error::missing(&self.path_of(request)))
    }

    /// Fetches a delta, once and within a time of its own.
    pub(crate) fn fetch_delta(
        &self,
        name: &DeltaName,
        max_len_bytes: u64,
    ) -> Result<Vec<u8>, Reason> {
        if !self.meter.deltas.asks() {
            return Err(Reason::NotAsked);
        }
        let limits =
            Limits { stall: self.client.limits.delta_stall, max_retries: 0, ..self.client.limits };
        let transfer = Transfer { limits: &limits, ..self.transfer() };
        let path = format!("{}{}", self.client.source.base_folder, name.path());
        let fetched = transfer.delta(&path, max_len_bytes);
        let is_bundle = matches!(name, DeltaName::Mirror { .. });
        fetched.inspect_err(|reason| match reason {
            Reason::Missing if is_bundle => {}
            reason => self.meter.deltas.note(*reason),
        })
    }

    /// So many requests had to wait for one another.
    pub(crate) fn count_round_trips(&self, count: u64) {
        add(&self.meter.round_trips, count);
    }

    pub(crate) fn transfer(&self) -> Transfer<'_> {
        let Client { source, limits, .. } = self.client;
        Transfer { fetch: &*source.fetch, limits, meter: &self.meter }
    }

    fn path_of(&self, request: &Request) -> String {
        format!("{}{}", self.client.source.metadata_folder, request.file_name)
    }
}
