//! One delta for all that changed in a repository: its targets roles as one document, sorted by
//! path over the whole repository, and back. `PROTOCOL.md` specifies it.
//!
//! A publisher, and a reader with what it holds:
//!
//! ```text
//! publisher: RoleChanges with its outline, flatten_old, flatten_new, two deltas, Bundle
//! reader:    Bundle, the outline by the first delta, RoleChanges, flatten_old, the second delta, rebuild
//! ```

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use crate::cjson::{self, CanonicalObject, CanonicalText, Entry, unescape};
use crate::names::TOP_LEVEL_ROLES;
use crate::predict::{
    Listed, Prediction, Tally, Written, canonical, fill_in, fill_in_written, listed, outline,
};
use crate::{Delegations, Digest, Version, listed_versions, varint};

mod flatten;
mod prefixes;
mod sort;
mod table;
#[cfg(test)]
mod tests;

use flatten::{Document, Side, flatten, flatten_both, with_fields};
use table::{Chain, Home, Table};

/// Why a bundle cannot be made, or not be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum BundleError {
    /// The bundle, or what its deltas gave, is not what it has to be.
    #[error("damaged bundle: {0}")]
    Damaged(&'static str),
    /// A file that is needed is not there.
    #[error("the file of role {0} is not there")]
    Missing(String),
    /// A file is not one line of compact canonical JSON with the fields of a targets role, so it
    /// would not come back byte for byte.
    #[error("the file of role {0} is not a targets role in canonical form")]
    NotCanonical(String),
    /// A file's version is not the one that the snapshot lists.
    #[error("the file of role {role} has version {found}, the snapshot lists {listed}")]
    Version {
        /// Which role.
        role: String,
        /// What the snapshot lists.
        listed: u64,
        /// What the file has.
        found: u64,
    },
    /// The new snapshot lists a changed role that nobody delegates to.
    #[error("role {0} is not delegated")]
    NotDelegated(String),
    /// A target belongs to a bin that did not change.
    #[error("target {0:?} does not belong to a role that changed")]
    Elsewhere(String),
}

/// A bundle's two deltas.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Bundle<'a> {
    /// From the old snapshot's canonical `signed` to the [outline](RoleChanges::outline) of the new one.
    pub outline: &'a [u8],
    /// From the flattened old roles to the flattened new ones.
    pub roles: &'a [u8],
}

impl<'a> Bundle<'a> {
    /// Takes a bundle apart.
    pub fn parse(mut bytes: &'a [u8]) -> Result<Self, BundleError> {
        let cut = BundleError::Damaged("it is cut short");
        let outline = varint::take_bytes(&mut bytes).ok_or(cut)?;
        Ok(Self { outline, roles: bytes })
    }

    /// The bundle's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.outline.len() + self.roles.len() + 10);
        varint::write(self.outline.len() as u64, &mut out);
        out.extend_from_slice(self.outline);
        out.extend_from_slice(self.roles);
        out
    }
}

/// Gives the file of a targets role, or of `snapshot`.
pub type Files<'f, 'a> = dyn Fn(&str) -> Option<Cow<'a, [u8]>> + Sync + 'f;

/// Which roles a step from one snapshot to another changes.
#[derive(Clone, Debug)]
pub struct RoleChanges {
    /// The new snapshot, not yet filled in.
    outline: Vec<u8>,
    /// Every role that the old snapshot lists.
    old: Vec<Role>,
    /// The roles that it does not list, or with another version.
    new: Vec<Role>,
    /// The roles down to the new bins, where the new files are known.
    chain: Option<Chain>,
}

/// A role that a snapshot lists.
#[derive(Clone, Debug)]
struct Role {
    name: String,
    version: u64,
    /// Whether the other snapshot lists another version or none.
    changed: bool,
}

/// What a bundle gave.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rebuilt {
    /// The files of the changed roles, in the order of the snapshot. Nothing was verified.
    pub roles: Vec<(String, Version, Vec<u8>)>,
    /// The file of the snapshot.
    pub snapshot: Vec<u8>,
}

impl RoleChanges {
    /// For a publisher, who has the canonical `signed` of both snapshots and the new files.
    pub fn to_published(
        old: &[u8],
        new: &[u8],
        published: &Files<'_, '_>,
    ) -> Result<Self, BundleError> {
        let chain = Chain::find(|role| delegations_of(role, published))?;
        let changes = Self::between(old, new.to_vec())?;
        let stale = chain.stale_among(changes.new_roles());
        let outline = outline(old, new, |role| !stale.contains(role))?;
        drop(stale);
        Ok(Self { outline, chain: Some(chain), ..changes })
    }

    /// The new snapshot before its changed roles are filled in: the lengths and digests of those that a bundle brings are the old
    /// ones, for a reader can compute the new ones.
    pub fn outline(&self) -> &[u8] {
        &self.outline
    }

    /// Compares the canonical `signed` of the old snapshot with the outline of the new one.
    pub fn between(old: &[u8], outline: Vec<u8>) -> Result<Self, BundleError> {
        let old_list = listed(canonical(old)?)?;
        let new_list = listed(canonical(&outline)?)?;
        let old = compared(&old_list, &new_list).collect();
        let new: Vec<_> = compared(&new_list, &old_list).filter(|role| role.changed).collect();
        if new.iter().any(|role| role.name != "targets" && is_top_level(&role.name)) {
            return Err(BundleError::Damaged("it changes a role that is no targets role"));
        }
        Ok(Self { outline, old, new, chain: None })
    }

    /// The roles whose old files a reader needs to have for a prediction of this kind are among
    /// these. (Whoever has all of them can answer any bundle.)
    pub fn old_roles(&self) -> impl Iterator<Item = &str> {
        self.old.iter().map(|role| role.name.as_str())
    }

    /// The changed roles, in the order of the snapshot. A bundle brings those of them that are not stale.
    pub fn new_roles(&self) -> impl Iterator<Item = &str> {
        self.new.iter().map(|role| role.name.as_str())
    }

    /// The document that the bundle's second delta starts from.
    pub fn flatten_old(
        &self,
        prediction: Prediction,
        held: &Files<'_, '_>,
    ) -> Result<Vec<u8>, BundleError> {
        let chain = self.chain_of_old(held)?;
        let mut bins = HashSet::new();
        match prediction {
            Prediction::Touched => {}
            Prediction::AllBins => bins = chain.bins_among(self.old_roles()),
            _ => return Err(BundleError::Damaged("its prediction is of another kind")),
        }
        let roles = self.old_side(&chain, &bins);
        flatten_roles(&roles, &chain, held, &|_, _| false, |_, _| (), |_, _| Ok(()))
    }

    /// The roles of the old side that are flattened: those that changed, but no stale ones, and these bins.
    fn old_side(&self, chain: &Chain, bins: &HashSet<&str>) -> Vec<&Role> {
        let changed = || self.old.iter().filter(|role| role.changed);
        let stale = chain.stale_among(changed().map(|role| role.name.as_str()));
        let wanted = |role: &&Role| {
            let name = role.name.as_str();
            role.changed && !stale.contains(name) || bins.contains(name)
        };
        self.old.iter().filter(wanted).collect()
    }

    /// The roles that the bundle brings.
    fn new_side(&self, chain: &Chain) -> Vec<&Role> {
        let stale = chain.stale_among(self.new_roles());
        self.new.iter().filter(|role| !stale.contains(role.name.as_str())).collect()
    }

    fn chain_of_new(&self, published: &Files<'_, '_>) -> Result<Chain, BundleError> {
        match &self.chain {
            Some(chain) => Ok(chain.clone()),
            None => Chain::find(|role| delegations_of(role, published)),
        }
    }

    /// The document that the bundle's second delta ends in.
    pub fn flatten_new(&self, published: &Files<'_, '_>) -> Result<Vec<u8>, BundleError> {
        let chain = self.chain_of_new(published)?;
        let roles = self.new_side(&chain);
        flatten_roles(&roles, &chain, published, &|_, _| false, |_, _| (), |_, _| Ok(()))
    }

    /// Which prediction a bundle of this step starts from: where the bins are others than before, every target moves, and all old bins are needed.
    pub fn prediction(
        &self,
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
    ) -> Result<Prediction, BundleError> {
        let new = self.chain_of_new(published)?;
        Ok(if self.chain_of_old(held)? == new { Prediction::Touched } else { Prediction::AllBins })
    }

    /// The prediction of [`RoleChanges::prediction`], and what [`RoleChanges::flatten_old`] for it and [`RoleChanges::flatten_new`] give, if a mirror rebuilds from them exactly what is published.
    ///
    /// The files are not put together to see that, and as long as the delegations to the bins stay, a target that is listed in both files of a role is hashed and sorted
    /// once. The files come back because each is canonical, flattening leaves out nothing but what the outline and hashing give back, and a bin's targets stay in
    /// order. What is left to see is that each role is delegated to and that the snapshot lists these files.
    /// `is_checked` says which files, by role and version, are known to be canonical: these are not looked at once more.
    pub fn flatten_both(
        &self,
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
        is_checked: &dyn Fn(&str, u64) -> bool,
    ) -> Result<(Prediction, Vec<u8>, Vec<u8>), BundleError> {
        let chain = self.chain_of_new(published)?;
        let old_chain = self.chain_of_old(held)?;
        if old_chain != chain {
            return self.flatten_regrouped(held, published, is_checked, (&old_chain, &chain));
        }
        let (old, brought) = (self.old_side(&chain, &HashSet::new()), self.new_side(&chain));
        let old = Opened::new(&old, held, is_checked)?;
        let new = Opened::new(&brought, published, is_checked)?;
        let old_side = old.side(None)?;
        let new_side = new.side(Some(&old_side))?;
        self.check_delegated(&chain, &brought, held, || {
            let documents = new_side.roles.iter().map(|(role, document)| (*role, document));
            all_delegations(documents)
        })?;
        let mut files = HashMap::new();
        for role in &brought {
            let version = Version::new(role.version);
            files.extend(published(&role.name).zip(version).map(|file| (role.name.as_str(), file)));
        }
        let file = |role: &str| files.get(role).map(|(file, version)| (*version, &**file));
        let filled_in = fill_in(&self.outline, file)?;
        if new_side.snapshot.get("signed").map(|signed| signed.value) != Some(&filled_in) {
            return Err(BundleError::Damaged(OTHER_FILES));
        }
        let (old, new) = flatten_both(&old_side, &new_side, &chain);
        Ok((Prediction::Touched, old, new))
    }

    /// [`RoleChanges::flatten_both`] for bins that are others than before: then a side is the whole repository, and of
    /// its files one is held at a time.
    fn flatten_regrouped(
        &self,
        held: &Files<'_, '_>,
        published: &Files<'_, '_>,
        is_checked: &dyn Fn(&str, u64) -> bool,
        (old_chain, chain): (&Chain, &Chain),
    ) -> Result<(Prediction, Vec<u8>, Vec<u8>), BundleError> {
        let bins = old_chain.bins_among(self.old_roles());
        let old = self.old_side(old_chain, &bins);
        let before = flatten_roles(&old, old_chain, held, is_checked, |_, _| (), |_, _| Ok(()))?;

        let snapshot = file_of("snapshot", published)?;
        let signed = snapshot.object().and_then(|file| file.get("signed"));
        let signed = signed.ok_or_else(|| BundleError::NotCanonical("snapshot".to_owned()))?.value;
        let has_hashes = Tally::of(signed).is_some_and(|tally| tally.has_hashes);
        let (mut written, mut delegating) = (HashMap::new(), Vec::new());
        let new = self.new_side(chain);
        let measure = |role: &Role, file: &[u8]| {
            let Some(version) = Version::new(role.version) else { return };
            let sha256 = has_hashes.then(|| Digest::of(file));
            written
                .insert(role.name.clone(), Written { version, length: file.len() as u64, sha256 });
        };
        let after =
            flatten_roles(&new, chain, published, is_checked, measure, |role, document| {
                delegating.extend(document.delegations(&role.name)?);
                Ok(())
            })?;
        self.check_delegated(chain, &new, held, || Ok(delegating))?;
        if signed != fill_in_written(&self.outline, |role| written.get(role))? {
            return Err(BundleError::Damaged(OTHER_FILES));
        }
        Ok((Prediction::AllBins, before, after))
    }

    fn chain_of_old(&self, held: &Files<'_, '_>) -> Result<Chain, BundleError> {
        Chain::find(|role| match self.old.iter().find(|old| old.name == role) {
            Some(_) => delegations_of(role, held),
            None => Ok(None),
        })
    }

    /// Turns the document that the second delta ends in into files again. `held` gives the old
    /// files.
    pub fn rebuild(&self, flattened: &[u8], held: &Files<'_, '_>) -> Result<Rebuilt, BundleError> {
        let most_bins = || listed_versions(&self.outline).map_or(0, |listed| listed.len() as u64);
        let flattened = prefixes::expand(flattened, most_bins)?;
        let fields =
            CanonicalObject::parse(&flattened).map(|top| top.entries().collect::<Vec<_>>());
        let [roles, snapshot, targets] = fields.as_deref().unwrap_or_default() else {
            return Err(BundleError::Damaged("its document is no flattened repository"));
        };
        let named = [roles, snapshot, targets].map(|entry| entry.raw_key);
        let objects = [roles, snapshot, targets].map(|entry| CanonicalObject::of(*entry));
        let ([b"roles", b"snapshot", b"targets"], [Some(roles), Some(snapshot), Some(targets)]) =
            (named, objects)
        else {
            return Err(BundleError::Damaged("its document is no flattened repository"));
        };
        let (names, documents) = flattened_documents(roles)?;
        let chain = Chain::find(|role| match names.iter().position(|name| name == role) {
            Some(place) => documents[place].delegations(role),
            None => delegations_of(role, held),
        })?;
        let brought = self.new_side(&chain);
        if !brought.iter().map(|role| &role.name).eq(&names) {
            return Err(BundleError::Damaged(OTHER_ROLES));
        }
        let names = || brought.iter().map(|role| role.name.as_str());
        self.check_delegated(&chain, &brought, held, || all_delegations(names().zip(&documents)))?;

        let table = Table::new(&chain, names());
        let mut lists: Vec<Vec<Entry<'_>>> = vec![Vec::new(); documents.len()];
        for target in targets.entries() {
            let path = unescape(target.raw_key);
            match table.home(&path) {
                Some(Home::Role(place)) => lists[place].push(target),
                _ => {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    return Err(BundleError::Elsewhere(path));
                }
            }
        }
        let mut files = Vec::with_capacity(documents.len());
        for ((document, role), list) in documents.iter().zip(&brought).zip(&lists) {
            let version = Version::new(role.version);
            let version = version.ok_or(BundleError::Damaged("a role has version 0"))?;
            files.push((role.name.clone(), version, document.file(list, version)?));
        }
        let by_name: HashMap<&str, (Version, &[u8])> = files
            .iter()
            .map(|(role, version, file)| (role.as_str(), (*version, file.as_slice())))
            .collect();
        let signed = fill_in(&self.outline, |role| by_name.get(role).copied())?;
        let signed = [b"\"signed\":", signed.as_slice()].concat();
        let mut file = Vec::with_capacity(signed.len() + 512);
        let fields: Vec<_> = snapshot.entries().collect();
        with_fields(&fields, b"", &[Entry::new(b"signed", &signed)], &mut file)?;
        Ok(Rebuilt { roles: files, snapshot: cjson::file_text(&file).into_owned() })
    }

    /// Each new role must have been there before or be delegated now.
    fn check_delegated(
        &self,
        chain: &Chain,
        brought: &[&Role],
        held: &Files<'_, '_>,
        delegations_of_new: impl FnOnce() -> Result<Vec<Delegations>, BundleError>,
    ) -> Result<(), BundleError> {
        let before: HashSet<&str> = self.old_roles().collect();
        let mut unknown: HashSet<&str> = brought.iter().map(|role| role.name.as_str()).collect();
        unknown.retain(|role| *role != "targets" && !before.contains(role));
        let delegated = chain.bins_among(unknown.iter().copied());
        unknown.retain(|role| !delegated.contains(role));
        unknown.retain(|role| !chain.roles.iter().any(|above| above == role));
        if unknown.is_empty() {
            return Ok(());
        }
        let mut delegating = delegations_of_new()?;
        if !brought.iter().any(|role| role.name == "targets") {
            delegating.extend(delegations_of("targets", held)?);
        }
        for delegations in &delegating {
            let chain = Chain { roles: Vec::new(), bins: Some(delegations.roles.clone()) };
            let delegated = chain.bins_among(unknown.iter().copied());
            unknown.retain(|role| !delegated.contains(role));
        }
        let first = unknown.into_iter().min();
        first.map_or(Ok(()), |role| Err(BundleError::NotDelegated(role.to_owned())))
    }
}

/// The roles that bundles bring and start from, of those that a snapshot lists: all but stale ones, which a mirror need not
/// have. `files` gives those that delegate to the bins.
pub fn without_stale<'r>(
    roles: impl Iterator<Item = &'r str> + Clone,
    files: &Files<'_, '_>,
) -> Result<Vec<&'r str>, BundleError> {
    let stale = Chain::find(|role| delegations_of(role, files))?.stale_among(roles.clone());
    Ok(roles.filter(|role| !stale.contains(role)).collect())
}

/// The roles that a snapshot lists, beside another one.
fn compared<'l>(
    list: &'l [Listed<'_>],
    other: &'l [Listed<'_>],
) -> impl Iterator<Item = Role> + 'l {
    let mut other = other.iter().peekable();
    list.iter().filter_map(move |entry| {
        // Both are in the same order.
        let is_before = |other: &&Listed<'_>| {
            other.raw_key != entry.raw_key && unescape(other.raw_key) < unescape(entry.raw_key)
        };
        while other.next_if(is_before).is_some() {}
        let same = other.next_if(|other| other.raw_key == entry.raw_key);
        let changed = same.is_none_or(|same| same.version != entry.version);
        let name = entry.role.as_deref()?.to_owned();
        Some(Role { name, version: entry.version, changed })
    })
}

/// The roles of a flattened repository, by name.
fn flattened_documents<'a>(
    roles: CanonicalObject<'a>,
) -> Result<(Vec<String>, Vec<Document<'a>>), BundleError> {
    let document = |entry: Entry<'a>| {
        let name = String::from_utf8(unescape(entry.raw_key).into()).unwrap_or_default();
        let role = name.strip_suffix(".json").ok_or(BundleError::Damaged(OTHER_ROLES))?;
        let document = CanonicalObject::of(entry).and_then(Document::flattened);
        let no_role = BundleError::Damaged("one of its roles is no targets role");
        Ok((role.to_owned(), document.ok_or(no_role)?))
    };
    let documents = roles.entries().map(document).collect::<Result<Vec<_>, _>>()?;
    Ok(documents.into_iter().unzip())
}

const OTHER_ROLES: &str = "it holds other roles than the snapshot says";
const OTHER_FILES: &str = "a mirror would rebuild other files";

fn is_top_level(role: &str) -> bool {
    TOP_LEVEL_ROLES.contains(&role)
}

fn file_of<'a>(role: &str, files: &Files<'_, 'a>) -> Result<CanonicalText<'a>, BundleError> {
    canonical_text(role, files(role))
}

fn canonical_text<'a>(
    role: &str,
    file: Option<Cow<'a, [u8]>>,
) -> Result<CanonicalText<'a>, BundleError> {
    let file = file.ok_or_else(|| BundleError::Missing(role.to_owned()))?;
    CanonicalText::of_file(file).ok_or_else(|| BundleError::NotCanonical(role.to_owned()))
}

fn delegations_of(role: &str, files: &Files<'_, '_>) -> Result<Option<Delegations>, BundleError> {
    let file = file_of(role, files)?;
    let document = file.object().and_then(Document::whole);
    let not_canonical = || BundleError::NotCanonical(role.to_owned());
    document.ok_or_else(not_canonical)?.delegations(role)
}

fn all_delegations<'d>(
    documents: impl Iterator<Item = (&'d str, &'d Document<'d>)>,
) -> Result<Vec<Delegations>, BundleError> {
    let of = |(role, document): (&str, &Document<'_>)| document.delegations(role).transpose();
    documents.filter_map(of).collect()
}

/// Flattens roles whose files are read one after another. `measure` gets each file, `seen` what it says.
fn flatten_roles(
    roles: &[&Role],
    chain: &Chain,
    files: &Files<'_, '_>,
    is_checked: &dyn Fn(&str, u64) -> bool,
    mut measure: impl FnMut(&Role, &[u8]),
    mut seen: impl FnMut(&Role, &Document<'_>) -> Result<(), BundleError>,
) -> Result<Vec<u8>, BundleError> {
    let snapshot = file_of("snapshot", files)?;
    let not_canonical = || BundleError::NotCanonical("snapshot".to_owned());
    let snapshot = snapshot.object().ok_or_else(not_canonical)?;
    let names: Vec<&str> = roles.iter().map(|role| role.name.as_str()).collect();
    let table = Table::new(chain, names.iter().copied());
    let file = |place: usize| {
        let role = roles[place];
        let file = files(&role.name);
        if let Some(file) = &file {
            measure(role, file);
        }
        role.text(file, is_checked)
    };
    let seen = |place: usize, document: &Document<'_>| {
        roles[place].check_version(document)?;
        seen(roles[place], document)
    };
    flatten(snapshot, &names, &table, file, seen)
}

impl Role {
    /// The text of its file, which is checked unless it was before.
    fn text<'a>(
        &self,
        file: Option<Cow<'a, [u8]>>,
        is_checked: &dyn Fn(&str, u64) -> bool,
    ) -> Result<CanonicalText<'a>, BundleError> {
        match file {
            Some(file) if is_checked(&self.name, self.version) => {
                Ok(CanonicalText::checked_before(file))
            }
            file => canonical_text(&self.name, file),
        }
    }

    fn check_version(&self, document: &Document<'_>) -> Result<(), BundleError> {
        let found = document.version.unwrap_or(0);
        if found == self.version {
            return Ok(());
        }
        Err(BundleError::Version { role: self.name.clone(), listed: self.version, found })
    }
}

/// The files of some roles and of their snapshot.
struct Opened<'r, 'a> {
    roles: &'r [&'r Role],
    snapshot: CanonicalText<'a>,
    texts: Vec<CanonicalText<'a>>,
}

impl<'r, 'a> Opened<'r, 'a> {
    fn new(
        roles: &'r [&'r Role],
        files: &Files<'_, 'a>,
        is_checked: &dyn Fn(&str, u64) -> bool,
    ) -> Result<Self, BundleError> {
        let snapshot = file_of("snapshot", files)?;
        let text = |role: &&Role| role.text(files(&role.name), is_checked);
        let texts = roles.iter().map(text).collect::<Result<_, _>>()?;
        Ok(Self { roles, snapshot, texts })
    }

    /// From the side before it, if there is one, it is quicker.
    fn side(&self, before: Option<&Side<'_>>) -> Result<Side<'_>, BundleError> {
        let places = before.map(Side::places).unwrap_or_default();
        let mut documents = Vec::with_capacity(self.roles.len());
        for (role, text) in self.roles.iter().zip(&self.texts) {
            let place = places.get(role.name.as_str());
            let before = before.zip(place).map(|(before, &place)| &before.roles[place].1);
            let document = text.object().and_then(|file| Document::whole_after(file, before));
            let document = document.ok_or_else(|| BundleError::NotCanonical(role.name.clone()))?;
            role.check_version(&document)?;
            documents.push((role.name.as_str(), document));
        }
        let not_canonical = || BundleError::NotCanonical("snapshot".to_owned());
        let snapshot = self.snapshot.object().ok_or_else(not_canonical)?;
        Ok(Side { snapshot, roles: documents })
    }
}
