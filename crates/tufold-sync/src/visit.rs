//! One visit: the client workflow of TUF 5, step by step.

use std::collections::BTreeMap;

use tufold_delta::Ladder;
use tufold_meta::{
    Cache as CacheState, Outcome, Recall, Request, RoleChain, Source, Step, TargetFile,
    TargetSearch, TrustedSet, Version, first_targets, listed_versions,
};

use crate::cache::{Found, Receipts};
use crate::client::Client;
use crate::documents::Documents;
use crate::obtain::{Obtained, Origin, Wanted};
use crate::rebin::{Bins, Group, NewBin, OldBin};
use crate::rebuild::Base;
use crate::{Cost, Error};

/// The longest timestamp and snapshot that are read from the cache. An earlier visit accepted them,
/// whatever length was listed then.
const CACHED_MAX_LEN_BYTES: u64 = 1 << 30;

/// How many targets tell the bins of today from those of yesterday.
const TARGETS_OF_BASE: usize = 8;

/// A client whose top-level roles are up to date.
pub struct Visit<'c> {
    pub(crate) documents: Documents<'c>,
    pub(crate) set: TrustedSet,
    pub(crate) receipts: Receipts,
}

/// A targets role that the cache does not have in the listed version, and what deltas to that version can start from.
type Missing<'m> = (&'m RoleChain, &'m Request, Option<Base>);

/// What came out of old bins beside the wanted ones.
struct Regrouped {
    delegator: RoleChain,
    others: Vec<NewBin>,
    old: Vec<OldBin>,
}

/// A target that was looked up.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Target {
    /// The target path.
    pub path: String,
    /// What the repository says of it; `None` if no role lists it.
    pub listed: Option<Listed>,
    /// How many roles, at least, the limit on delegations kept the search from.
    pub left_out: usize,
}

/// What a role says of a target.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Listed {
    /// The role that lists it.
    pub role: String,
    /// The length of the file.
    pub length_bytes: u64,
    /// Each algorithm with its hex digest.
    pub hashes: BTreeMap<String, String>,
    /// All of it, what the application keeps beside the file included.
    #[serde(skip)]
    pub file: TargetFile,
}

/// The versions that a visit came to.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Versions {
    /// Of the root.
    pub root: u64,
    /// Of the timestamp.
    pub timestamp: u64,
    /// Of the snapshot.
    pub snapshot: u64,
    /// Of the top-level targets role.
    pub targets: u64,
}

impl<'c> Visit<'c> {
    pub(crate) fn refresh(client: &'c Client, set: TrustedSet) -> Result<Self, Error> {
        let mut visit = Self::begin(client, set)?;
        visit.rest()?;
        Ok(visit)
    }

    /// Root and timestamp.
    pub(crate) fn begin(client: &'c Client, set: TrustedSet) -> Result<Self, Error> {
        let receipts = client.cache.receipts()?;
        let mut visit = Self { documents: Documents::new(client), set, receipts };
        visit.roots()?;
        visit.timestamp()?;
        Ok(visit)
    }

    /// Snapshot and top-level targets role.
    pub(crate) fn rest(&mut self) -> Result<(), Error> {
        self.snapshot()?;
        self.load(&[(RoleChain::top(), self.set.targets_request(&RoleChain::top())?)])
    }

    /// TUF 5.3: one root after the other, until there is none.
    fn roots(&mut self) -> Result<(), Error> {
        let cache = &self.documents.client.cache;
        while let Some(request) = self.set.root_request() {
            self.documents.count_round_trips(1);
            let Some(bytes) = self.documents.fetch(&request)? else { break };
            if self.set.update_root(bytes)? == CacheState::Void {
                // TUF 5.3.11, and before the root is kept: no later visit would notice.
                cache.forget_versions()?;
            }
            cache.keep_top("root", self.set.root().bytes())?;
        }
        Ok(())
    }

    /// TUF 5.4.
    fn timestamp(&mut self) -> Result<(), Error> {
        let request = self.set.timestamp_request()?;
        if let Some(bytes) = self.documents.cached("timestamp", CACHED_MAX_LEN_BYTES)?
            && let Err(error) = self.set.update_timestamp(bytes, Source::Cached)
        {
            self.documents.note_refused(&error);
        }
        self.documents.count_round_trips(1);
        let bytes = self.documents.fetch_existing(&request)?;
        let outcome = self.set.update_timestamp(bytes, Source::Fetched)?;
        if let Some(timestamp) = self.set.timestamp() {
            self.documents.note_deltas(timestamp);
        }
        match self.set.timestamp() {
            Some(new) if outcome == Outcome::New => {
                self.documents.client.cache.keep_top("timestamp", new.bytes())
            }
            _ => Ok(()),
        }
    }

    /// TUF 5.5.
    fn snapshot(&mut self) -> Result<(), Error> {
        let known = self.cached_snapshot()?;
        let cache = &self.documents.client.cache;
        if let Some(request) = self.set.snapshot_request()? {
            let base = match self.set.snapshot() {
                // It was read, and found canonical, a moment ago.
                Some(held) if held.canonical().is_some() => self.documents.base_of(held, &request),
                _ => self.documents.base("snapshot", &request)?,
            };
            let keyids = &self.set.root().roles["snapshot"].keyids.clone();
            let wanted = Wanted { role: "snapshot", request: &request, keyids, base };
            let (documents, set) = (&self.documents, &mut self.set);
            let (obtained, round_trips) = documents.obtain(&[wanted]);
            documents.count_round_trips(round_trips);
            for obtained in obtained {
                documents.accept(obtained?, &request, |bytes| {
                    set.update_snapshot(bytes, Source::Fetched)
                })?;
            }
            if let Some(new) = self.set.snapshot() {
                cache.keep_top("snapshot", new.bytes())?;
            }
        } else if known == Recall::Known {
            return Ok(());
        }
        self.receipts.set_snapshot(self.set.snapshot_receipt());
        cache.keep_receipts(&self.receipts)
    }

    /// Takes the cached snapshot: by its receipt, or verified again.
    fn cached_snapshot(&mut self) -> Result<Recall, Error> {
        let read = || self.documents.cached("snapshot", CACHED_MAX_LEN_BYTES);
        if let Some(receipt) = self.receipts.snapshot()
            && let Some(bytes) = read()?
            && self.set.recall_snapshot(bytes, receipt)? == Recall::Known
        {
            return Ok(Recall::Known);
        }
        if let Some(bytes) = read()?
            && let Err(error) = self.set.update_snapshot(bytes, Source::Cached)
        {
            self.documents.note_refused(&error);
        }
        Ok(Recall::Unknown)
    }

    /// TUF 5.6: takes targets roles, from the cache if that has them, else fetched, several at once.
    fn load(&mut self, wanted: &[(RoleChain, Request)]) -> Result<(), Error> {
        let mut missing = Vec::new();
        for (chain, request) in wanted {
            let cached = self.documents.cache_entry(chain.role(), request.max_len_bytes)?;
            let refused = match cached {
                Found::Bytes(bytes) => match self.set.update_delegated(chain, bytes) {
                    Ok(()) => continue,
                    Err(error) => Some(error),
                },
                Found::Nothing => {
                    missing.push((chain, request, None));
                    continue;
                }
                Found::Damaged => None,
            };
            // What deltas can start from is only superseded, whatever else is wrong with it.
            let base = self.documents.base(chain.role(), request)?;
            let base = base.filter(|base| self.lists_its_targets(chain, base));
            let bins = Bins::of(&self.set, chain);
            let is_of_today =
                |base: &Base| bins.as_ref().is_none_or(|b| b.is_of_today(base.version));
            let base = base.filter(is_of_today);
            match (&base, refused) {
                (Some(_), _) => {}
                (None, Some(error)) => self.documents.note_refused(&error),
                (None, None) => self.documents.note_damage(),
            }
            missing.push((chain, request, base));
        }
        let regrouped = self.regroup(&mut missing)?;
        let documents = &self.documents;
        let keyids = |chain| self.set.keyids_of(chain).unwrap_or_default().to_vec();
        let keyids: Vec<_> = missing.iter().map(|(chain, ..)| keyids(chain)).collect();
        let wanted = missing.iter_mut().zip(&keyids).map(|((chain, request, base), keyids)| {
            Wanted { role: chain.role(), request, keyids, base: base.take() }
        });
        let (obtained, round_trips) = documents.obtain(&wanted.collect::<Vec<_>>());
        documents.count_round_trips(round_trips);
        let set = &mut self.set;
        for ((chain, request, _), obtained) in missing.into_iter().zip(obtained) {
            documents.accept(obtained?, request, |bytes| set.update_delegated(chain, bytes))?;
            if let Some(new) = set.targets(chain) {
                documents.client.cache.keep_targets(chain.role(), new.bytes())?;
            }
        }
        self.keep_others(regrouped)
    }

    /// Makes bins out of those that the cache holds of former times: whole documents, or the bases of deltas. Gives what came
    /// out beside them, for each delegator.
    fn regroup(&self, missing: &mut [Missing<'_>]) -> Result<Vec<Regrouped>, Error> {
        if !self.documents.takes_deltas() {
            return Ok(Vec::new());
        }
        let mut delegators: BTreeMap<RoleChain, Vec<usize>> = BTreeMap::new();
        for (place, (chain, _, base)) in missing.iter().enumerate() {
            if let (None, Some(delegator)) = (base, chain.delegator()) {
                delegators.entry(delegator).or_default().push(place);
            }
        }
        let mut regrouped = Vec::new();
        for (delegator, places) in delegators {
            let Some(mut bins) = places.first().and_then(|&at| Bins::of(&self.set, missing[at].0))
            else {
                continue;
            };
            // Of changes that are long ago the repository has no objects any more.
            let horizon = self.documents.ladder.map_or(0, Ladder::horizon);
            bins.forget_before(self.newest_listed().saturating_sub(horizon));
            let wanted: BTreeMap<&str, usize> =
                places.iter().map(|&at| (missing[at].0.role(), at)).collect();
            let roles: Vec<&str> = wanted.keys().copied().collect();
            for role in &roles {
                self.documents.set_aside(&bins, role)?;
            }
            for group in self.documents.regroup(&bins, &roles)? {
                let Group { bins: new, old, mut delta_len_bytes } = group;
                let mut others = Vec::new();
                for bin in new {
                    let Some(&at) = wanted.get(bin.role.as_str()) else {
                        others.push(bin);
                        continue;
                    };
                    let (_, request, base) = &mut missing[at];
                    if request.version == Some(bin.version) {
                        let origin = Origin::Rebuilt {
                            delta_len_bytes: std::mem::take(&mut delta_len_bytes),
                        };
                        let obtained = Obtained { bytes: bin.file(), origin };
                        self.documents.bring_one(&bin.role, bin.version, obtained);
                    } else {
                        *base = Some(Base { version: bin.version, signed: bin.signed });
                    }
                }
                regrouped.push(Regrouped { delegator: delegator.clone(), others, old });
            }
        }
        Ok(regrouped)
    }

    /// The newest version of a delegated role.
    fn newest_listed(&self) -> u64 {
        let snapshot = self.set.snapshot().and_then(|snapshot| snapshot.canonical());
        let mut listed = snapshot.and_then(listed_versions).unwrap_or_default();
        listed.remove("targets");
        listed.into_values().map(Version::get).max().unwrap_or(0)
    }

    /// Keeps the bins that came out beside the wanted ones, as far as they are current. Old bins that nothing more can come
    /// out of are let go.
    fn keep_others(&self, regrouped: Vec<Regrouped>) -> Result<(), Error> {
        let documents = &self.documents;
        let mut spent = Vec::new();
        for Regrouped { delegator, others, old } in regrouped {
            let mut all_kept = true;
            for bin in others {
                let chain = delegator.delegate(&bin.role);
                let request = self.set.targets_request(&chain);
                let is_current = request.is_ok_and(|request| request.version == Some(bin.version));
                let verified = is_current.then(|| self.set.verify_delegated(&chain, bin.file()));
                match (verified, Bins::of(&self.set, &chain)) {
                    (Some(Ok(document)), Some(bins)) => {
                        documents.set_aside(&bins, &bin.role)?;
                        documents.client.cache.keep_targets(&bin.role, document.bytes())?;
                    }
                    _ => all_kept = false,
                }
            }
            if all_kept {
                spent.extend(old);
            }
        }
        spent.iter().try_for_each(|old| documents.forget(old))
    }

    /// Whether what the cache holds of a role is of the bins that there are now. A bin of others may have had its name, and no
    /// delta leads from it.
    fn lists_its_targets(&self, chain: &RoleChain, base: &Base) -> bool {
        let listed = first_targets(&base.signed, TARGETS_OF_BASE);
        self.set.is_trusted_with(chain, &listed)
    }

    /// Looks targets up (TUF 5.6.7). Roles are fetched when a search needs them, those of several
    /// searches at once.
    ///
    /// # Errors
    /// Any. A target that no role lists is none.
    pub fn find(&mut self, paths: &[impl AsRef<str>]) -> Result<Vec<Target>, Error> {
        let mut searches: Vec<_> =
            paths.iter().map(|path| TargetSearch::new(path.as_ref())).collect();
        loop {
            let mut wanted = BTreeMap::new();
            let mut found = Vec::with_capacity(paths.len());
            for (search, path) in searches.iter_mut().zip(paths) {
                match search.step(&self.set)? {
                    Step::Needs { chain, request } => {
                        wanted.insert(chain, request);
                    }
                    Step::Found { chain, file } => {
                        let listed = Some(Listed::new(chain.role(), file));
                        found.push(Target { path: path.as_ref().into(), listed, left_out: 0 });
                    }
                    Step::NotFound { left_out } => {
                        found.push(Target { path: path.as_ref().into(), listed: None, left_out });
                    }
                }
            }
            if wanted.is_empty() {
                return Ok(found);
            }
            self.load(&Vec::from_iter(wanted))?;
        }
    }

    /// The documents that are trusted now.
    pub fn trusted(&self) -> &TrustedSet {
        &self.set
    }

    /// The versions of the top-level roles.
    pub fn versions(&self) -> Versions {
        let timestamp = self.set.timestamp();
        let targets = self.set.targets(&RoleChain::top());
        Versions {
            root: self.set.root().version.get(),
            timestamp: timestamp.map_or(0, |timestamp| timestamp.version.get()),
            // The snapshot is the one that the timestamp names.
            snapshot: timestamp.map_or(0, |timestamp| timestamp.snapshot.version.get()),
            targets: targets.map_or(0, |targets| targets.version.get()),
        }
    }

    /// What the visit has cost until now.
    pub fn cost(&self) -> Cost {
        self.documents.meter.cost()
    }
}

impl Listed {
    fn new(role: &str, file: TargetFile) -> Self {
        let hashes = file.hashes.iter().map(|(name, hex)| (name.to_owned(), hex)).collect();
        Self { role: role.to_owned(), length_bytes: file.length, hashes, file }
    }
}
