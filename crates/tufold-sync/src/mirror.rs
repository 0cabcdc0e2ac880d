//! A mirror: every current metadata document, verified, in a folder that can be served again.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tufold_meta::names::{DeltaName, METADATA_FOLDER, file_name, parse_versioned_file_name};
use tufold_meta::{
    DelegatedRoles, Recall, Receipt, Request, RoleChain, Time, TrustedSet, Verified,
};
use tufold_store::{DirectoryStore, Store};

use crate::cache::{Receipts, put};
use crate::fetch::{Fetch, open_source};
use crate::meter::add;
use crate::obtain::Wanted;
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress, Stage};
use crate::visit::{Versions, Visit};
use crate::{Client, Cost, Error, Limits};

mod bundles;
mod edges;
mod roots;

use bundles::Shown;

/// A mirror of a repository's metadata.
///
/// `public/` is laid out as the source is, so it can be served as it is, or be the source of other
/// clients. `private/` is the mirror's own cache. The timestamp is written last: whoever reads sees
/// the old state whole or the new one. Older versions stay.
pub struct Mirror {
    client: Client,
    public: DirectoryStore,
    role_deltas: RoleDeltas,
}

/// Whether a mirror computes the deltas of targets roles for its own clients.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RoleDeltas {
    /// A client that changes bins asks for one delta, which is not there, and fetches them whole.
    None,
    Computed,
}

/// What a mirror did.
#[derive(Clone, Copy, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Mirrored {
    /// The versions of the top-level roles.
    pub versions: Versions,
    /// Targets roles in the mirror.
    pub roles: u64,
    /// Those of them that were fetched or rebuilt.
    pub fetched: u64,
    /// What it cost.
    pub cost: Cost,
}

impl Mirror {
    /// A mirror in `folder`, which is made if it is missing, of `source`, the URL or folder that
    /// holds `metadata/`.
    ///
    /// # Errors
    /// As [`Client::open`].
    pub fn open(folder: &Path, source: &str, limits: Limits) -> Result<Self, Error> {
        Self::with_source(folder, open_source(source, &limits)?, limits)
    }

    /// As [`Mirror::open`] with any source.
    ///
    /// # Errors
    /// [`Error::Cache`].
    pub fn with_source(
        folder: &Path,
        fetch: Box<dyn Fetch>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let client = Client::with_source(&folder.join("private"), fetch, METADATA_FOLDER, limits)?;
        let public = DirectoryStore::create(folder.join("public"))?;
        public.remove_temporary(METADATA_FOLDER)?;
        Ok(Self { client, public, role_deltas: RoleDeltas::None })
    }

    /// The same mirror, which computes the deltas of targets roles for its own clients as well. That
    /// takes several times as much CPU time as all the rest of a sync, as it does the publisher.
    #[must_use]
    pub fn with_role_deltas(self) -> Self {
        Self { role_deltas: RoleDeltas::Computed, ..self }
    }

    /// The same mirror, which asks for no deltas and offers none.
    #[must_use]
    pub fn without_deltas(self) -> Self {
        Self { client: self.client.without_deltas(), ..self }
    }

    /// As [`Client::trust`].
    ///
    /// # Errors
    /// As [`Client::trust`].
    pub fn trust(&mut self, root: &[u8]) -> Result<(), Error> {
        self.client.trust(root)
    }

    /// Brings every metadata document up to date. What is in the mirror already, and what an
    /// interrupted sync left there, is verified and not fetched again.
    ///
    /// # Errors
    /// Any. The mirror shows the old state then.
    pub fn sync(&mut self, now: Time, progress: Progress<'_>) -> Result<Mirrored, Error> {
        let visit = Visit::begin(&self.client, self.client.start(now)?)?;
        let (fetched, bundles) = (AtomicU64::new(0), Vec::new());
        let shown = Shown::default();
        let (public, role_deltas) = (&self.public, self.role_deltas);
        let mut sync = Sync { visit, public, role_deltas, fetched, shown, bundles, progress };
        sync.bundles()?;
        sync.visit.rest()?;
        sync.roots()?;
        let roles = sync.roles()?;
        sync.snapshot_and_timestamp()?;
        progress(Event::Finish);
        let Sync { visit, fetched, .. } = sync;
        let (versions, cost) = (visit.versions(), visit.cost());
        Ok(Mirrored { versions, roles, fetched: fetched.into_inner(), cost })
    }
}

/// One sync under way.
struct Sync<'m> {
    visit: Visit<'m>,
    public: &'m DirectoryStore,
    role_deltas: RoleDeltas,
    fetched: AtomicU64,
    /// What the mirror had before.
    shown: Shown,
    /// What came.
    bundles: Vec<(DeltaName, Vec<u8>)>,
    progress: Progress<'m>,
}

/// A role that is in the mirror.
enum Role {
    /// It delegates no further.
    Leaf(Option<Receipt>),
    /// Its document, which the roles below it are checked against.
    Delegator(Vec<u8>),
}

impl Sync<'_> {
    /// Every targets role that is delegated and listed, level by level.
    fn roles(&mut self) -> Result<u64, Error> {
        let top = RoleChain::top();
        let request = self.set().targets_request(&top)?;
        if let Some(document) = self.set().targets(&top) {
            self.keep(&request.file_name, document.bytes())?;
        }
        let mut receipts = Receipts::default();
        receipts.set_snapshot(self.visit.receipts.snapshot().cloned());
        let (mut roles, mut delegators) = (1, vec![top]);
        let mut seen = std::collections::BTreeSet::new();
        while !delegators.is_empty() {
            let mut level = Vec::new();
            for delegator in &delegators {
                for chain in self.listed_below(delegator) {
                    if seen.insert(chain.role().to_owned()) {
                        level.push((self.set().targets_request(&chain)?, chain));
                    }
                }
            }
            roles += level.len() as u64;
            delegators = self.level(level, &mut receipts)?;
        }
        self.visit.receipts = receipts;
        Ok(roles)
    }

    /// Takes so many roles; gives those that delegate further.
    fn level(
        &mut self,
        level: Vec<(Request, RoleChain)>,
        receipts: &mut Receipts,
    ) -> Result<Vec<RoleChain>, Error> {
        (self.progress)(Event::Start(Stage::Roles, level.len() as u64));
        let requests = &self.visit.documents.meter.requests;
        let before = requests.load(Relaxed);
        let threads = self.visit.documents.client.limits.max_parallel;
        let (taken, _) = in_parallel(&level, threads, |(request, chain)| {
            let role = self.role(request, chain);
            (self.progress)(Event::Advance(1));
            role
        });
        let made = requests.load(Relaxed) - before;
        self.visit.documents.count_round_trips(made.div_ceil(threads.max(1) as u64));
        let mut delegators = Vec::new();
        for ((_, chain), role) in level.into_iter().zip(taken) {
            match role? {
                Role::Leaf(None) => {}
                Role::Leaf(Some(receipt)) => receipts.set_targets(&chain, receipt),
                Role::Delegator(bytes) => {
                    self.visit.set.update_delegated(&chain, bytes)?;
                    delegators.push(chain);
                }
            }
        }
        Ok(delegators)
    }

    /// The roles that the role at the end of `chain` delegates to, as far as the snapshot lists
    /// them; what it does not list no client can ask for.
    fn listed_below(&self, chain: &RoleChain) -> Vec<RoleChain> {
        let document = self.set().targets(chain);
        let delegations = document.and_then(|document| document.delegations.as_ref());
        let names = match delegations.map(|delegations| (&delegations.roles, delegations)) {
            None => Vec::new(),
            Some((DelegatedRoles::List(roles), _)) => {
                let listed =
                    |name: &&str| self.set().targets_request(&chain.delegate(name)).is_ok();
                roles.iter().map(|role| role.name.as_str()).filter(listed).collect()
            }
            // Of 2^32 bins only those that are listed.
            Some((DelegatedRoles::Succinct(_), delegations)) => {
                self.set().listed_roles().filter(|name| delegations.role(name).is_some()).collect()
            }
        };
        names.into_iter().map(|name| chain.delegate(name)).collect()
    }

    /// Takes one role: as it is in the mirror, else fetched.
    fn role(&self, request: &Request, chain: &RoleChain) -> Result<Role, Error> {
        if let Some(bytes) = self.held(&request.file_name, request.max_len_bytes)? {
            let receipt = self.visit.receipts.targets(chain);
            if let Some(receipt) = receipt
                && matches!(self.set().recall_delegated(chain, &bytes, receipt), Ok(Recall::Known))
            {
                return Ok(Role::Leaf(Some(receipt.clone())));
            }
            match self.set().verify_delegated(chain, bytes) {
                Ok(document) => return Ok(self.verified(chain, document)),
                Err(error) => self.visit.documents.note_refused(&error),
            }
        }
        let documents = &self.visit.documents;
        let (role, base) = (chain.role(), self.base(chain, request)?);
        let keyids = self.set().keyids_of(chain).unwrap_or_default();
        let (obtained, _) = documents.obtain(&[Wanted { role, request, keyids, base }]);
        let obtained = obtained.into_iter().next().unwrap_or_else(|| unreachable!());
        let document = documents
            .accept(obtained?, request, |bytes| self.set().verify_delegated(chain, bytes))?;
        self.keep(&request.file_name, document.bytes())?;
        if self.role_deltas == RoleDeltas::Computed {
            self.role_edges(chain, document.version, document.bytes())?;
        }
        add(&self.fetched, 1);
        Ok(self.verified(chain, document))
    }

    fn verified(&self, chain: &RoleChain, document: Verified<tufold_meta::Targets>) -> Role {
        if document.delegations.is_some() {
            return Role::Delegator(document.bytes().to_vec());
        }
        Role::Leaf(self.set().delegated_receipt(chain, &document))
    }

    /// The commit: everything is durable before the timestamp names it.
    fn snapshot_and_timestamp(&self) -> Result<(), Error> {
        (self.progress)(Event::Start(Stage::Sync, 1));
        let Some(timestamp) = self.set().timestamp() else { return Ok(()) };
        let cache = &self.visit.documents.client.cache;
        let snapshot = self.visit.documents.cached("snapshot", u64::MAX)?.unwrap_or_default();
        self.keep(
            &self.set().current_file_name("snapshot", timestamp.snapshot.version),
            &snapshot,
        )?;
        for (name, bundle) in &self.bundles {
            put(self.public, &name.path(), bundle)?;
        }
        self.snapshot_edges(timestamp.snapshot.version, &snapshot)?;
        let name = file_name("timestamp");
        if self.held(&name, u64::MAX)?.as_deref() == Some(timestamp.bytes()) {
            self.public.sync()?;
        } else {
            let name = format!("{METADATA_FOLDER}{name}");
            self.public.sync_and_replace(&name, timestamp.bytes())?;
        }
        cache.keep_receipts(&self.visit.receipts)
    }

    /// What the mirror holds under a name, if it is a file of at most that length.
    fn held(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.public.get(&format!("{METADATA_FOLDER}{name}"), max_len_bytes) {
            Err(error @ tufold_store::Error::Io { .. }) => Err(error.into()),
            Err(_) => Ok(None),
            Ok(bytes) => Ok(bytes),
        }
    }

    /// Writes a file unless it is there. One whose name carries its version is made, any other is
    /// replaced as a whole.
    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        if self.held(name, bytes.len() as u64)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        let path = format!("{METADATA_FOLDER}{name}");
        match parse_versioned_file_name(name) {
            Some(_) => put(self.public, &path, bytes),
            None => Ok(self.public.replace(&path, bytes)?),
        }
    }

    fn set(&self) -> &TrustedSet {
        &self.visit.set
    }
}
