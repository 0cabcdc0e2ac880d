//! Layouts: which role lists a target, and how the roles are delegated.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use tufold_meta::{
    BitLength, DelegatedRole, DelegatedRoles, Delegations, Key, KeyId, RoleKeys, Selector,
    SuccinctRoles, Targets, Terminating,
};

use crate::error::Error;
use crate::project::Project;

/// The role that delegates to the bins in the prefixes form, and the prefix of the bins' names.
pub const BINS: &str = "bins";

/// How targets are spread over roles (DESIGN: delegation forms).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Delegation {
    /// The top-level targets role lists every target itself.
    Flat,
    /// One delegation a project, whose `paths` list every target again (the 2013 signing tool's
    /// "paranoid" form).
    ProjectsListed,
    /// One delegation a project with the project's path patterns.
    ProjectsWildcard,
    /// PEP 458: targets -> `bins` -> 2^b roles by `path_hash_prefixes`.
    BinsPrefixes(BitLength),
    /// TAP 15: targets -> 2^b roles by one `succinct_roles` entry.
    BinsSuccinct(BitLength),
}

/// What the snapshot says of each targets role.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SnapshotForm {
    /// The version only.
    Versions,
    /// Version, length and SHA-256.
    Hashes,
}

/// A layout: delegation form, bin count and snapshot form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Layout {
    /// How targets are spread over roles.
    pub delegation: Delegation,
    /// What the snapshot says of each role.
    pub snapshot: SnapshotForm,
}

/// A form that does not go with a bin count, or an unknown name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LayoutError {
    /// There is no delegation form of this name.
    #[error(
        "`{0}` is not a delegation form: flat, projects-listed, projects-wildcard, bins-prefixes, \
         bins-succinct"
    )]
    Form(String),
    /// There is no snapshot form of this name.
    #[error("`{0}` is not a snapshot form: versions, hashes")]
    Snapshot(String),
    /// Bins come in powers of two.
    #[error("the number of bins is {0}, not a power of two from 2 to 2^32")]
    BinCount(u64),
    /// Every bin is a file, and so many cannot be made.
    #[error("{0} bins are more than the {max} that can be made", max = Delegation::MAX_BINS)]
    TooManyBins(u64),
    /// A form with bins needs their number.
    #[error("{0} needs a number of bins")]
    NoBins(String),
    /// A form without bins has no use for their number.
    #[error("{0} has no bins, yet {1} were asked for")]
    Bins(String, u64),
}

impl Delegation {
    /// The most bins that a repository is made with: one file each, and all in memory. (TAP 15 ends
    /// at 2^32, and tufold reads so many.)
    pub const MAX_BINS: u64 = 1 << 24;

    /// The form called `name` with `bins` bins.
    pub fn from_parts(name: &str, bins: Option<u64>) -> Result<Self, LayoutError> {
        let bits = || {
            let bins = bins.ok_or_else(|| LayoutError::NoBins(name.to_owned()))?;
            let bits = BitLength::from_bin_count(bins).ok_or(LayoutError::BinCount(bins))?;
            if bins > Self::MAX_BINS { Err(LayoutError::TooManyBins(bins)) } else { Ok(bits) }
        };
        let form = match name {
            "bins-prefixes" => return Ok(Self::BinsPrefixes(bits()?)),
            "bins-succinct" => return Ok(Self::BinsSuccinct(bits()?)),
            "flat" => Self::Flat,
            "projects-listed" => Self::ProjectsListed,
            "projects-wildcard" => Self::ProjectsWildcard,
            _ => return Err(LayoutError::Form(name.to_owned())),
        };
        match bins {
            Some(bins) => Err(LayoutError::Bins(name.to_owned(), bins)),
            None => Ok(form),
        }
    }

    /// The name of the form.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::ProjectsListed => "projects-listed",
            Self::ProjectsWildcard => "projects-wildcard",
            Self::BinsPrefixes(_) => "bins-prefixes",
            Self::BinsSuccinct(_) => "bins-succinct",
        }
    }

    /// How many leading bits pick the bin, in the forms that have bins.
    pub const fn bit_length(self) -> Option<BitLength> {
        match self {
            Self::BinsPrefixes(bits) | Self::BinsSuccinct(bits) => Some(bits),
            _ => None,
        }
    }

    /// The role that lists the target at `path`.
    pub fn role_of(self, path: &str) -> String {
        match self {
            Self::Flat => "targets".to_owned(),
            Self::ProjectsListed | Self::ProjectsWildcard => Project::of(path).role_name(),
            Self::BinsPrefixes(bits) | Self::BinsSuccinct(bits) => {
                bits.role_name(BINS, bits.bin(path))
            }
        }
    }

    /// What the delegation of a project with these targets covers, in the forms with a role a project.
    pub fn project_selector<'p>(self, paths: impl Iterator<Item = &'p str>) -> Option<Selector> {
        matches!(self, Self::ProjectsListed | Self::ProjectsWildcard)
            .then(|| crate::init::project_selector(self, paths))
    }

    /// The delegations that the top-level targets role starts with, before any project is there.
    pub(crate) fn top_delegations(self, keys: &BinKeys) -> Option<Delegations> {
        let roles = match self {
            Self::Flat => return None,
            Self::ProjectsListed | Self::ProjectsWildcard => Vec::new(),
            Self::BinsPrefixes(_) => vec![DelegatedRole {
                name: BINS.to_owned(),
                keys: keys.role.clone(),
                // Every path. (An empty prefix would say so too, but not to every reader.)
                selector: Selector::PathHashPrefixes(
                    (0..16).map(|digit| format!("{digit:x}")).collect(),
                ),
                terminating: Terminating::Yes,
                extra: Default::default(),
            }],
            Self::BinsSuccinct(bit_length) => {
                return Some(keys.delegations(DelegatedRoles::Succinct(SuccinctRoles {
                    keys: keys.role.clone(),
                    bit_length,
                    name_prefix: BINS.to_owned(),
                    extra: Default::default(),
                })));
            }
        };
        Some(keys.delegations(DelegatedRoles::List(roles)))
    }

    /// The delegations of the `bins` role in the prefixes form.
    pub(crate) fn bins_delegations(self, keys: &BinKeys) -> Option<Delegations> {
        let Self::BinsPrefixes(bits) = self else { return None };
        let roles = bits.bins().map(|bin| DelegatedRole {
            name: bits.role_name(BINS, bin),
            keys: keys.role.clone(),
            selector: Selector::PathHashPrefixes(bits.hash_prefixes(bin).collect()),
            // PEP 458 calls the bins non-terminating; each path has one bin, so it is the same.
            terminating: Terminating::No,
            extra: Default::default(),
        });
        Some(keys.delegations(DelegatedRoles::List(roles.collect())))
    }
}

/// The keys that all delegated roles share.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BinKeys {
    pub(crate) keys: BTreeMap<KeyId, Key>,
    pub(crate) role: RoleKeys,
}

impl BinKeys {
    /// The keys that a targets role delegates to.
    pub(crate) fn of(targets: &Targets) -> Result<Self, Error> {
        let Some(delegations) = &targets.delegations else {
            return Err(Error::damaged("targets.json", "delegates to no role"));
        };
        let keys = delegations.keys.clone();
        let role = match &delegations.roles {
            DelegatedRoles::Succinct(succinct) => Some(&succinct.keys),
            DelegatedRoles::List(roles) => roles.first().map(|role| &role.keys),
        };
        let role = match role {
            Some(role) => role.clone(),
            // Before the first project, the keys that the delegations hold are the ones.
            None => {
                let all = NonZeroU64::new(keys.len() as u64).unwrap_or(NonZeroU64::MIN);
                RoleKeys::new(keys.keys().cloned().collect(), all).map_err(Error::Keys)?
            }
        };
        Ok(Self { keys, role })
    }

    /// Makes a targets role delegate to these keys alone.
    pub(crate) fn set(&self, targets: &mut Targets) -> Result<(), Error> {
        let Some(delegations) = &mut targets.delegations else {
            return Err(Error::damaged("targets.json", "delegates to no role"));
        };
        delegations.keys = self.keys.clone();
        match &mut delegations.roles {
            DelegatedRoles::Succinct(succinct) => succinct.keys = self.role.clone(),
            DelegatedRoles::List(roles) if roles.is_empty() => self.check_without_projects()?,
            DelegatedRoles::List(roles) => {
                roles.iter_mut().for_each(|role| role.keys = self.role.clone());
            }
        }
        Ok(())
    }

    /// Before the first project, no role holds a threshold.
    pub(crate) fn check_without_projects(&self) -> Result<(), Error> {
        if self.role.threshold.get() == self.keys.len() as u64 {
            return Ok(());
        }
        Err(Error::Keys(
            "a repository of projects that starts without a target holds no threshold for the \
             first project; all keys of bins have to sign"
                .to_owned(),
        ))
    }

    fn delegations(&self, roles: DelegatedRoles) -> Delegations {
        Delegations { keys: self.keys.clone(), roles, extra: Default::default() }
    }
}

impl fmt::Display for SnapshotForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Versions => "versions",
            Self::Hashes => "hashes",
        })
    }
}

impl FromStr for SnapshotForm {
    type Err = LayoutError;

    fn from_str(text: &str) -> Result<Self, LayoutError> {
        match text {
            "versions" => Ok(Self::Versions),
            "hashes" => Ok(Self::Hashes),
            _ => Err(LayoutError::Snapshot(text.to_owned())),
        }
    }
}

impl fmt::Display for Delegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self.bit_length() {
            Some(bits) => write!(f, ", {} bins", bits.bin_count()),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, snapshot of {}", self.delegation, self.snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_and_bin_counts_have_to_agree() {
        let rows = [
            ("bins-succinct", Some(1024), ""),
            ("flat", None, ""),
            ("bins-succinct", None, "bins-succinct needs a number of bins"),
            (
                "bins-prefixes",
                Some(1000),
                "the number of bins is 1000, not a power of two from 2 to 2^32",
            ),
            (
                "bins-prefixes",
                Some(1),
                "the number of bins is 1, not a power of two from 2 to 2^32",
            ),
            (
                "bins-succinct",
                Some(1 << 32),
                "4294967296 bins are more than the 16777216 that can be made",
            ),
            ("flat", Some(2), "flat has no bins, yet 2 were asked for"),
        ];
        for (name, bins, expected) in rows {
            let found = Delegation::from_parts(name, bins);
            assert_eq!(found.err().map(|e| e.to_string()).unwrap_or_default(), expected);
        }
        assert!(Delegation::from_parts("bin", None).is_err());
    }

    #[test]
    fn a_target_has_one_role() {
        let bits = BitLength::from_bin_count(1024).unwrap();
        assert_eq!(Delegation::BinsSuccinct(bits).role_of("foo.txt"), "bins-376");
        assert_eq!(Delegation::Flat.role_of("foo.txt"), "targets");
        assert_eq!(Delegation::ProjectsWildcard.role_of("a/b/c"), "project~a~b");
    }
}
