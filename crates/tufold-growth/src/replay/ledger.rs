//! Which role has which version, counted from a history by hashing alone, without a publisher.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rayon::prelude::*;
use tufold_repo::layout::Delegation;
use tufold_repo::targets::{Change, ChangeList, Target};

/// The versions of all targets roles.
pub(super) struct Ledger {
    delegation: Delegation,
    /// Of each role below the top-level one.
    versions: HashMap<String, u64>,
    /// Of the top-level targets role, and of the role `bins`.
    pub(super) top: u64,
    pub(super) bins: u64,
    /// What is listed, in the form whose top-level role lists it again.
    listed: HashSet<String>,
    written: Vec<u64>,
}

impl Ledger {
    pub(super) fn new(delegation: Delegation, targets: &[Target]) -> Self {
        let roles: HashSet<String> = match delegation.bit_length() {
            Some(bits) => bits.bins().map(|bin| bits.role_name("bins", bin)).collect(),
            None if delegation == Delegation::Flat => HashSet::new(),
            None => targets.par_iter().map(|t| delegation.role_of(t.path.as_str())).collect(),
        };
        let is_listed = delegation == Delegation::ProjectsListed;
        let paths = targets.iter().filter(|_| is_listed).map(|t| t.path.as_str().to_owned());
        Self {
            delegation,
            versions: roles.into_iter().map(|role| (role, 1)).collect(),
            top: 1,
            bins: 1,
            listed: paths.collect(),
            written: Vec::new(),
        }
    }

    pub(super) fn publish(&mut self, changes: &ChangeList, resign: bool) {
        let role_of = |change: &Change| self.delegation.role_of(change.path().as_str());
        let changed: BTreeSet<String> = changes.rows().par_iter().map(role_of).collect();
        let known = changed.iter().all(|role| self.versions.contains_key(role));
        let mut top = match self.delegation {
            Delegation::Flat => !changes.rows().is_empty(),
            _ => self.delegation.bit_length().is_none() && !known,
        };
        if self.delegation == Delegation::ProjectsListed {
            for change in changes.rows() {
                let path = change.path().as_str();
                top |= match change {
                    Change::Put(_) => self.listed.insert(path.to_owned()),
                    Change::Remove(_) => self.listed.remove(path),
                };
            }
        }
        self.top += u64::from(top);
        self.bins += u64::from(resign);
        let mut written = 0;
        if resign {
            // What changes as well is written once.
            self.versions.values_mut().for_each(|version| *version += 1);
            written = self.versions.len() as u64;
        }
        if self.delegation != Delegation::Flat {
            for role in changed {
                match self.versions.get_mut(&role) {
                    Some(_) if resign => {}
                    Some(version) => {
                        *version += 1;
                        written += 1;
                    }
                    None => {
                        self.versions.insert(role, 1);
                        written += 1;
                    }
                }
            }
        }
        self.written.push(written);
    }

    /// Roles that a publish wrote, below the top-level one.
    pub(super) fn mean_roles(&self) -> f64 {
        self.written.iter().sum::<u64>() as f64 / self.written.len().max(1) as f64
    }

    /// The roles that list these paths, with their versions.
    pub(super) fn roles_of(&self, paths: &[String]) -> BTreeMap<String, u64> {
        let roles = paths.iter().map(|path| self.delegation.role_of(path));
        roles.filter_map(|role| Some((role.clone(), *self.versions.get(&role)?))).collect()
    }

    /// Whether the role `bins` delegates to the bins.
    pub(super) fn is_prefixes(&self) -> bool {
        matches!(self.delegation, Delegation::BinsPrefixes(_))
    }

    /// All roles below the top-level one.
    pub(super) fn all(&self) -> BTreeMap<String, u64> {
        self.versions.iter().map(|(role, version)| (role.clone(), *version)).collect()
    }
}
