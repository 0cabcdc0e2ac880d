//! What a repository holds, for people.

use std::collections::BTreeMap;

use serde::Serialize;
use tufold_meta::names::{meta_name, versioned_file_name};
use tufold_meta::{Role, TargetFile, Time, names};

use crate::error::Error;
use crate::layout::BINS;
use crate::repository::{Repository, State};

/// A repository at a glance.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Overview {
    /// Delegation form, bins and snapshot form.
    pub layout: String,
    /// The top-level roles and, in the prefixes form, `bins`.
    pub roles: Vec<RoleRow>,
    /// How many roles list targets below the top-level one.
    pub leaf_roles: u64,
}

/// One role.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoleRow {
    /// Its name.
    pub role: String,
    /// The name of its current file.
    pub file: String,
    /// Its version.
    pub version: u64,
    /// When it expires.
    pub expires: Time,
    /// The length of its file in bytes.
    pub length_bytes: u64,
    /// How many keys it has, and how many of them have to sign.
    pub keys: u64,
    /// How many of its keys have to sign.
    pub threshold: u64,
    /// How many targets it lists, if it is a targets role.
    pub targets: Option<u64>,
}

/// One role and the paths that it lists.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RoleView {
    /// The role.
    #[serde(flatten)]
    pub row: RoleRow,
    /// The paths of its targets, sorted.
    pub paths: Vec<String>,
}

/// A target and the role that lists it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct TargetRow {
    /// The target path.
    pub path: String,
    /// The role that lists it, or would.
    pub role: String,
    /// The name of that role's current file, if the role is there.
    pub file: Option<String>,
    /// The length of the target file in bytes; `None` if the target is not listed.
    pub length_bytes: Option<u64>,
    /// Its hashes in hex, by algorithm.
    pub hashes: BTreeMap<String, String>,
    /// Its custom data.
    pub custom: Option<tufold_meta::cjson::Object>,
}

/// The repository at a glance.
pub fn overview(repository: &Repository) -> Result<Overview, Error> {
    let state = repository.state()?;
    let State { root, timestamp, snapshot, targets, bins, .. } = &state;
    let top = |role: &str, document: &dyn Summed, targets| {
        let keys = &root.roles[role];
        row(role, document, (keys.keyids.len() as u64, keys.threshold.get()), targets)
    };
    let mut roles = vec![
        top("root", root, None),
        top("timestamp", timestamp, None),
        top("snapshot", snapshot, None),
        top("targets", targets, Some(targets.targets.len() as u64)),
    ];
    if let Some(bins) = bins {
        let keys = state
            .keys_of(BINS)
            .map_or((0, 0), |(_, keys)| (keys.keyids.len() as u64, keys.threshold.get()));
        roles.push(row(BINS, bins, keys, Some(bins.targets.len() as u64)));
    }
    Ok(Overview {
        layout: repository.published_layout(&state)?.0.to_string(),
        roles,
        leaf_roles: state.leaf_roles().len() as u64,
    })
}

/// One role and the paths of its targets.
pub fn role(repository: &Repository, name: &str) -> Result<RoleView, Error> {
    let state = repository.state()?;
    let overview = overview(repository)?;
    if let Some(row) = overview.roles.into_iter().find(|row| row.role == name) {
        let paths = match name {
            "targets" => state.targets.targets.keys().cloned().collect(),
            _ => Vec::new(),
        };
        return Ok(RoleView { row, paths });
    }
    let document = state.targets_role(&*repository.public, name)?;
    let keys = state
        .keys_of(name)
        .map_or((0, 0), |(_, keys)| (keys.keyids.len() as u64, keys.threshold.get()));
    let file = versioned_file_name(name, document.version);
    let bytes = crate::repository::read(&*repository.public, &file)?;
    let row = RoleRow {
        role: name.to_owned(),
        file,
        version: document.version.get(),
        expires: document.expires,
        length_bytes: bytes.map_or(0, |bytes| bytes.len() as u64),
        keys: keys.0,
        threshold: keys.1,
        targets: Some(document.targets.len() as u64),
    };
    Ok(RoleView { row, paths: document.into_payload().targets.into_keys().collect() })
}

/// The target at `path`, looked up in the role that the layout gives it.
pub fn target(repository: &Repository, path: &str) -> Result<TargetRow, Error> {
    let state = repository.state()?;
    let (layout, _) = repository.published_layout(&state)?;
    let role = layout.delegation.role_of(path);
    let listed = state.snapshot.meta.get(&meta_name(&role));
    let found: Option<TargetFile> = match (role.as_str(), listed) {
        ("targets", _) => state.targets.targets.get(path).cloned(),
        (_, None) => None,
        (role, Some(_)) => {
            state.targets_role(&*repository.public, role)?.into_payload().targets.remove(path)
        }
    };
    let file = listed.map(|file| versioned_file_name(&role, file.version));
    let hashes = found.as_ref().map(|target| target.hashes.clone()).unwrap_or_default();
    Ok(TargetRow {
        path: path.to_owned(),
        role,
        file,
        length_bytes: found.as_ref().map(|target| target.length),
        hashes: hashes.iter().map(|(name, hex)| (name.to_owned(), hex)).collect(),
        custom: found.and_then(|target| target.custom),
    })
}

/// What a row needs of a document of any role.
trait Summed {
    fn facts(&self) -> (names::Version, Time, usize);
}

impl<R: Role> Summed for tufold_meta::Verified<R> {
    fn facts(&self) -> (names::Version, Time, usize) {
        (self.version(), self.expires(), self.bytes().len())
    }
}

fn row(
    role: &str,
    document: &dyn Summed,
    (keys, threshold): (u64, u64),
    targets: Option<u64>,
) -> RoleRow {
    let (version, expires, length) = document.facts();
    let file = match role {
        "timestamp" => names::file_name(role),
        role => versioned_file_name(role, version),
    };
    RoleRow {
        role: role.to_owned(),
        file,
        version: version.get(),
        expires,
        length_bytes: length as u64,
        keys,
        threshold,
        targets,
    }
}
