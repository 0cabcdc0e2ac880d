//! A repository as its publisher sees it: the documents that are current, verified.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use tufold_meta::names::{self, METADATA_FOLDER, versioned_file_name};
use tufold_meta::{
    BinHistory, DelegatedRoles, Key, KeyId, MetaFile, Renewal, Role, RoleKeys, Root, Selector,
    Signed, Snapshot, Targets, ThresholdError, Time, Timestamp, Verified, Version, version_of,
};
use tufold_store::Store;

use crate::digests::Digests;
use crate::error::Error;
use crate::layout::{BINS, Delegation, Layout, SnapshotForm};
use crate::place::{Place, remove_temporary};
use crate::private::Private;
use crate::rebin::NewBins;
use crate::settings::Settings;

/// The longest document that is read: `flat` with tens of millions of targets.
pub(crate) const MAX_DOCUMENT_LEN_BYTES: u64 = 1 << 33;

/// A repository: what is served, in a folder or elsewhere, and the folder of what is not.
pub struct Repository {
    pub(crate) public: Box<dyn Store>,
    pub(crate) private: Private,
    pub(crate) settings: Settings,
    public_folder: Option<PathBuf>,
}

impl Repository {
    /// Opens the repository in the folder `path`.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::open_at(Place::folder(path))
    }

    /// Opens the repository at a place.
    pub fn open_at(place: Place) -> Result<Self, Error> {
        if !place.private().is_dir() {
            return Err(Error::NotARepository(place.name().to_owned(), "private/".to_owned()));
        }
        let public_folder = place.public_folder().map(Path::to_owned);
        let path = place.private().to_owned();
        let public = place.public()?;
        let private = Private::open(&path)?;
        let settings = private.settings()?;
        Ok(Self { public, private, settings, public_folder })
    }

    /// Removes what killed writers left half-written; the writer's lock must be held.
    pub(crate) fn remove_temporary(&self) -> Result<(), Error> {
        self.private.remove_temporary()?;
        remove_temporary(self.public_folder.as_deref())
    }

    /// Layout and lifetimes.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The layout that is published, and the version that its bins start at. A change of the bins that stopped right after its
    /// publish has not come to the settings yet.
    pub(crate) fn published_layout(&self, state: &State) -> Result<(Layout, Version), Error> {
        let layout = self.settings.layout;
        for NewBins { delegation, first_version } in self.private.rebins()?.into_iter().rev() {
            let changed = Layout { delegation, ..layout };
            if state.disagreement(&changed).is_none() && state.bins_are_from(first_version) {
                return Ok((changed, first_version));
            }
        }
        Ok((layout, Version::FIRST))
    }

    /// The current documents of the top-level roles, verified.
    pub(crate) fn state(&self) -> Result<State, Error> {
        State::load(&*self.public, self.top()?)
    }

    /// The current root, timestamp and snapshot, verified.
    pub(crate) fn top(&self) -> Result<Top, Error> {
        let pinned = self.private.root()?.ok_or_else(|| self.private.missing("root.json"))?;
        Top::load(&*self.public, pinned)
    }
}

/// The current documents that the targets roles hang from.
pub(crate) struct Top {
    /// The roots before the newest one, oldest first.
    pub(crate) former_roots: Vec<Verified<Root>>,
    pub(crate) root: Verified<Root>,
    pub(crate) timestamp: Verified<Timestamp>,
    pub(crate) snapshot: Verified<Snapshot>,
}

/// The current documents of the top-level roles.
pub(crate) struct State {
    /// The roots before the newest one, oldest first.
    pub(crate) former_roots: Vec<Verified<Root>>,
    pub(crate) root: Verified<Root>,
    pub(crate) timestamp: Verified<Timestamp>,
    pub(crate) snapshot: Verified<Snapshot>,
    pub(crate) targets: Verified<Targets>,
    /// The `bins` role, in the prefixes form.
    pub(crate) bins: Option<Verified<Targets>>,
    /// The delegated roles that are listed one by one, below `targets` and then below `bins`.
    listed: [HashMap<String, usize>; 2],
    /// What the publisher remembers of the bins; nothing for anyone else.
    pub(crate) digests: Digests,
}

impl Top {
    /// Follows the documents from the root that is pinned, as a client would; but an expired
    /// document is no fault here, for a publish is what mends it.
    pub(crate) fn load(public: &dyn Store, pinned: Vec<u8>) -> Result<Self, Error> {
        let file = "private/root.json";
        let mut root = parse::<Root>(file, pinned)?
            .verify_by_itself()
            .map_err(|error| Error::damaged(file, error))?;
        let mut former_roots = Vec::new();
        loop {
            let file = versioned_file_name("root", root.version.next());
            let Some(bytes) = read(public, &file)? else { break };
            // TUF 5.3.4: signed by the old keys and by its own.
            let next = parse::<Root>(&file, bytes)?
                .verify(&root.keys, &root.roles["root"])
                .and_then(|verified| verified.into_signed().verify_by_itself())
                .map_err(|error| Error::damaged(&file, error))?;
            if next.version != root.version.next() {
                return Err(Error::damaged(&file, format!("has version {}", next.version)));
            }
            former_roots.push(std::mem::replace(&mut root, next));
        }
        let top = |role: &str| (&root.keys, &root.roles[role]);
        let timestamp: Verified<Timestamp> =
            load(public, &names::file_name("timestamp"), top("timestamp"), None)?;
        let snapshot: Verified<Snapshot> = {
            let file = versioned_file_name("snapshot", timestamp.snapshot.version);
            load(public, &file, top("snapshot"), Some(&timestamp.snapshot))?
        };
        Ok(Self { former_roots, root, timestamp, snapshot })
    }
}

impl State {
    fn load(public: &dyn Store, top: Top) -> Result<Self, Error> {
        let Top { former_roots, root, timestamp, snapshot } = top;
        let keys = (&root.keys, &root.roles["targets"]);
        let targets = load_listed(public, "targets", keys, &snapshot)?;
        let listed = [places(&targets), HashMap::new()];
        let mut state = Self {
            former_roots,
            root,
            timestamp,
            snapshot,
            targets,
            bins: None,
            listed,
            digests: Digests::default(),
        };
        let delegations = state.targets.delegations.as_ref();
        if let Some(bins) = delegations.and_then(|delegations| delegations.role(BINS)) {
            let keys = (&delegations.expect("bins is delegated").keys, bins.keys);
            let bins = load_listed(public, BINS, keys, &state.snapshot)?;
            state.listed[1] = places(&bins);
            state.bins = Some(bins);
        }
        Ok(state)
    }

    /// The keys of a targets role and its threshold; `None` if nothing delegates to it.
    pub(crate) fn keys_of(&self, role: &str) -> Option<(&BTreeMap<KeyId, Key>, &RoleKeys)> {
        if role == "targets" {
            return Some((&self.root.keys, &self.root.roles[role]));
        }
        let documents = [Some(&self.targets), self.bins.as_ref()];
        documents.into_iter().zip(&self.listed).find_map(|(document, places)| {
            let delegations = document?.delegations.as_ref()?;
            let keys = match &delegations.roles {
                DelegatedRoles::List(roles) => &roles[*places.get(role)?].keys,
                DelegatedRoles::Succinct(_) => delegations.role(role)?.keys,
            };
            Some((&delegations.keys, keys))
        })
    }

    /// Verifies a snapshot of any age: by the newest root or by one before it, whose keys were
    /// the right ones then.
    pub(crate) fn verify_old_snapshot(
        &self,
        signed: &Signed<Snapshot>,
    ) -> Result<Verified<Snapshot>, ThresholdError> {
        let verify = |root: &Root| signed.clone().verify(&root.keys, &root.roles["snapshot"]);
        let by_newest = verify(&self.root);
        let former = || self.former_roots.iter().rev().find_map(|root| verify(root).ok());
        by_newest.or_else(|error| former().ok_or(error))
    }

    /// What the settings say that the metadata does not.
    pub(crate) fn disagreement(&self, layout: &Layout) -> Option<String> {
        let roles = self.targets.delegations.as_ref().map(|delegations| &delegations.roles);
        let found = match (roles, &self.bins) {
            (None, _) => "flat".to_owned(),
            (Some(DelegatedRoles::Succinct(succinct)), _) => {
                format!("bins-succinct, {} bins", succinct.bit_length.bin_count())
            }
            (Some(DelegatedRoles::List(_)), Some(_)) => {
                format!("bins-prefixes, {} bins", self.listed[1].len())
            }
            (Some(DelegatedRoles::List(roles)), None) => {
                let mut patterns = roles.iter().filter_map(|role| match &role.selector {
                    Selector::Paths(paths) if !role.name.starts_with("project.") => paths.first(),
                    _ => None,
                });
                match (patterns.next().map(|pattern| pattern.ends_with('*')), layout.delegation) {
                    (Some(true), _) | (None, Delegation::ProjectsWildcard) => {
                        "projects-wildcard".to_owned()
                    }
                    _ => "projects-listed".to_owned(),
                }
            }
        };
        let expected = layout.delegation.to_string();
        if found != expected {
            return Some(format!("says {expected}, but what is published is {found}"));
        }
        let has_hashes = layout.snapshot == SnapshotForm::Hashes;
        let other = self.snapshot.meta.iter().find(|(_, file)| file.hashes.is_some() != has_hashes);
        other.map(|(name, _)| {
            let (form, with) = (layout.snapshot, if has_hashes { "no hash" } else { "a hash" });
            format!("says snapshot of {form}, but the snapshot gives {name} {with}")
        })
    }

    /// Reads and verifies the current document of a targets role.
    pub(crate) fn targets_role(
        &self,
        public: &dyn Store,
        role: &str,
    ) -> Result<Verified<Targets>, Error> {
        let keys = self.keys_of(role).ok_or_else(|| Error::Change {
            path: role.to_owned(),
            problem: "no role of this name is delegated".to_owned(),
        })?;
        load_listed(public, role, keys, &self.snapshot)
    }

    /// Whether every role that lists targets below the top-level one has this version, or a later one.
    fn bins_are_from(&self, first: Version) -> bool {
        let delegates = |role: &str| role == "targets" || role == BINS;
        let mut roles = self.roles().filter(|role| !delegates(role));
        roles.all(|role| self.snapshot.meta[&names::meta_name(role)].version >= first)
    }

    /// The names of all targets roles that the snapshot lists, those included that nothing delegates to any more.
    pub(crate) fn listed_roles(&self) -> impl Iterator<Item = &str> {
        self.snapshot.meta.keys().filter_map(|name| name.strip_suffix(".json"))
    }

    /// Those of them that nothing delegates to, which clients want to see listed all the same (TUF 5.5.5).
    pub(crate) fn stale_roles(&self) -> impl Iterator<Item = &str> {
        self.listed_roles().filter(|role| self.keys_of(role).is_none())
    }

    /// Reads and verifies the current document of a targets role without parsing its targets, to be signed again with this
    /// expiry. `None` if it is not written as tufold writes.
    pub(crate) fn renewable(
        &self,
        public: &dyn Store,
        role: &str,
        expires: Time,
    ) -> Result<Option<(Signed<()>, Renewal)>, Error> {
        let Some((keys, role_keys)) = self.keys_of(role) else { return Ok(None) };
        let Some(listed) = self.snapshot.meta.get(&names::meta_name(role)) else { return Ok(None) };
        let file = versioned_file_name(role, listed.version);
        let bytes = read(public, &file)?.ok_or_else(|| Error::damaged(&file, "is missing"))?;
        let signed = match self.known(role, listed, bytes) {
            Ok(known) => known,
            Err(bytes) => {
                listed.check(&bytes).map_err(|error| Error::damaged(&file, error))?;
                let Ok(signed) = Signed::take_apart(bytes) else { return Ok(None) };
                let verified =
                    signed.verify(keys, role_keys).map_err(|error| Error::damaged(&file, error))?;
                verified.into_parts().1
            }
        };
        let renewal = Renewal::of_targets(signed.canonical(), listed.version, expires);
        Ok(renewal.map(|renewal| (signed, renewal)))
    }

    /// The file of a role, if it is the one that the publisher signed; else its bytes.
    fn known(&self, role: &str, listed: &MetaFile, bytes: Vec<u8>) -> Result<Signed<()>, Vec<u8>> {
        match self.digests.has(role, listed.version, &bytes) {
            true => Signed::known(bytes),
            false => Err(bytes),
        }
    }

    /// Reads and verifies the current document of a targets role without parsing its targets.
    pub(crate) fn signed_role(&self, public: &dyn Store, role: &str) -> Result<Signed<()>, Error> {
        let missing = || Error::damaged(&names::meta_name(role), "is not in the snapshot");
        let listed = self.snapshot.meta.get(&names::meta_name(role)).ok_or_else(missing)?;
        let (keys, role_keys) = self.keys_of(role).ok_or_else(missing)?;
        let file = versioned_file_name(role, listed.version);
        let bytes = read(public, &file)?.ok_or_else(|| Error::damaged(&file, "is missing"))?;
        let bytes = match self.known(role, listed, bytes) {
            Ok(known) => return Ok(known),
            Err(bytes) => bytes,
        };
        listed.check(&bytes).map_err(|error| Error::damaged(&file, error))?;
        let signed = Signed::take_apart(bytes)
            .map_err(|error| Error::damaged(&file, format!("is damaged: {error}")))?;
        let verified =
            signed.verify(keys, role_keys).map_err(|error| Error::damaged(&file, error))?;
        let ((), signed) = verified.into_parts();
        match version_of(signed.canonical()) {
            Some(found) if found == listed.version => Ok(signed),
            found => {
                let found = found.map_or_else(|| "none".to_owned(), |found| found.to_string());
                let problem = format!("has version {found}, expected {}", listed.version);
                Err(Error::damaged(&file, problem))
            }
        }
    }

    /// Which bins there are and were, as far as the role says that delegates to them.
    pub(crate) fn bin_history(&self) -> BinHistory {
        BinHistory::read(&self.bins.as_ref().unwrap_or(&self.targets).extra)
    }

    /// The names of the roles below the top-level targets role that list targets, sorted.
    pub(crate) fn leaf_roles(&self) -> Vec<String> {
        let is_leaf = |role: &&str| *role != "targets" && !(*role == BINS && self.bins.is_some());
        self.roles().filter(is_leaf).map(str::to_owned).collect()
    }

    /// The names of all targets roles, sorted. What lost its delegation stays in the snapshot
    /// (TUF 5.5.5), but is a role no more.
    pub(crate) fn roles(&self) -> impl Iterator<Item = &str> {
        self.listed_roles().filter(|role| self.keys_of(role).is_some())
    }
}

/// Where each role stands in a list of delegations.
fn places(document: &Targets) -> HashMap<String, usize> {
    match document.delegations.as_ref().map(|delegations| &delegations.roles) {
        Some(DelegatedRoles::List(roles)) => {
            roles.iter().enumerate().map(|(i, role)| (role.name.clone(), i)).collect()
        }
        _ => HashMap::new(),
    }
}

/// The bytes of a metadata file.
pub(crate) fn read(public: &dyn Store, file: &str) -> Result<Option<Vec<u8>>, Error> {
    Ok(public.get(&format!("{METADATA_FOLDER}{file}"), MAX_DOCUMENT_LEN_BYTES)?)
}

fn parse<R: Role>(file: &str, bytes: Vec<u8>) -> Result<Signed<R>, Error> {
    Signed::parse(bytes).map_err(|error| Error::damaged(file, format!("is damaged: {error}")))
}

fn load_listed<R: Role>(
    public: &dyn Store,
    role: &str,
    keys: (&BTreeMap<KeyId, Key>, &RoleKeys),
    snapshot: &Snapshot,
) -> Result<Verified<R>, Error> {
    let listed = snapshot
        .meta
        .get(&names::meta_name(role))
        .ok_or_else(|| Error::damaged(&names::meta_name(role), "is not in the snapshot"))?;
    load(public, &versioned_file_name(role, listed.version), keys, Some(listed))
}

fn load<R: Role>(
    public: &dyn Store,
    file: &str,
    (keys, role): (&BTreeMap<KeyId, Key>, &RoleKeys),
    listed: Option<&MetaFile>,
) -> Result<Verified<R>, Error> {
    let bytes = read(public, file)?.ok_or_else(|| Error::damaged(file, "is missing"))?;
    if let Some(listed) = listed {
        listed.check(&bytes).map_err(|error| Error::damaged(file, error))?;
    }
    let document =
        parse::<R>(file, bytes)?.verify(keys, role).map_err(|error| Error::damaged(file, error))?;
    match listed {
        Some(listed) if listed.version != document.version() => Err(Error::damaged(
            file,
            format!("has version {}, expected {}", document.version(), listed.version),
        )),
        _ => Ok(document),
    }
}
