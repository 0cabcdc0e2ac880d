//! Counts a history by hashing and by the lengths of paths alone, without a publisher or a codec.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;
use tufold_delta::Ladder;
use tufold_meta::{Selector, Tally, Terminating};
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::targets::{Change, ChangeList, Target};

use crate::Error;
use crate::counts::{Documents, SnapshotSteps, Writes};
use crate::math::digits;
use crate::sizes;

mod deltas;
pub(crate) mod rebin;
mod role;
mod totals;

use role::{Kind, Op, Role, Write};

/// All versions of all roles, and what changed in each.
pub(crate) struct Ledger {
    pub(crate) delegation: Delegation,
    pub(crate) ladder: Ladder,
    has_hashes: bool,
    /// The roles below the top-level one; their numbers never change.
    pub(crate) roles: Vec<Role>,
    numbers: HashMap<String, usize>,
    /// The length of the entry of each path that is listed.
    listed: HashMap<u64, u32>,
    /// The top-level role: what it lists in the flat form, and its delegations elsewhere.
    pub(crate) top: Role,
    top_writes: Vec<TopWrite>,
    pub(crate) bins_version: u64,
    /// Which roles each publish wrote, in order; the first one is left out.
    written: Vec<Vec<u32>>,
    /// How many files the snapshot lists after each publish, and the sum of their versions.
    tallies: Vec<(u64, u64)>,
    writes: Writes,
    /// What the snapshot of each publish is from nothing.
    cold_snapshots: Vec<SnapshotSteps>,
    /// Lengths of documents that list nothing.
    empty: Empty,
}

/// See [`Ledger::empty`]; without the digits of a version.
#[derive(Clone, Copy)]
struct Empty {
    role: u64,
    top: u64,
    bins: u64,
    envelope: u64,
}

/// Stands for the top-level role, and for `bins`, among the numbers of roles.
const TOP: u32 = u32::MAX;
const BINS: u32 = u32::MAX - 1;

/// What one version of the top-level role changed, and has.
#[derive(Default)]
struct TopWrite {
    projects: u64,
    name_bytes: u64,
    paths: u64,
    path_bytes: u64,
    gone: u64,
    /// The projects whose lists change, and how many paths those have.
    touched: Vec<(u32, u64)>,
    all_projects: u64,
    all_bytes: u64,
}

fn hash(path: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}

impl Ledger {
    pub(crate) fn new(layout: Layout, ladder: Ladder, targets: &[Target]) -> Result<Self, Error> {
        let delegation = layout.delegation;
        let bins = delegation.bit_length();
        let is_prefixes = matches!(delegation, Delegation::BinsPrefixes(_));
        let bits = bins.map_or(1, |bits| bits.bits());
        let empty = Empty {
            role: sizes::empty_targets(1, None)? - 1,
            top: match delegation {
                Delegation::Flat => sizes::empty_targets(1, None)? - 1,
                Delegation::ProjectsListed | Delegation::ProjectsWildcard => {
                    sizes::listing_targets(1)? - 1
                }
                Delegation::BinsPrefixes(_) => sizes::prefixes_targets(bits, 1)?.0 - 1,
                Delegation::BinsSuccinct(_) => sizes::succinct_targets(bits)? - 1,
            },
            bins: if is_prefixes { sizes::prefixes_targets(bits, 1)?.1 - 1 } else { 0 },
            envelope: sizes::envelope()?,
        };
        let mut ledger = Self {
            delegation,
            ladder,
            has_hashes: layout.snapshot == SnapshotForm::Hashes,
            roles: Vec::new(),
            numbers: HashMap::new(),
            listed: HashMap::with_capacity(targets.len()),
            top: Role::new("targets".to_owned(), 0),
            top_writes: Vec::new(),
            bins_version: 1,
            written: Vec::new(),
            tallies: Vec::new(),
            writes: Writes::default(),
            cold_snapshots: Vec::new(),
            empty,
        };
        if let Some(bits) = bins {
            bits.bins().for_each(|bin| {
                ledger.number(&bits.role_name("bins", bin), 0);
            });
        }
        let of = |target: &Target| {
            let path = target.path.as_str();
            let len = sizes::target_entry(path, &target.file);
            (delegation.role_of(path), hash(path), u32::try_from(len).unwrap_or(u32::MAX))
        };
        let mut top = TopWrite::default();
        for (chunk, rows) in
            targets.chunks(1 << 16).map(|c| (c, c.par_iter().map(of).collect::<Vec<_>>()))
        {
            for (target, (role, key, len)) in chunk.iter().zip(rows) {
                ledger.listed.insert(key, len);
                let role = ledger.place(&role, 0, target.path.as_str(), &mut top)?;
                role.entries += 1;
                role.entry_bytes += u64::from(len);
            }
        }
        for role in ledger.roles.iter_mut().chain([&mut ledger.top]) {
            role.write(Vec::new());
        }
        ledger.top_writes.push(top);
        ledger.tally();
        ledger.cold_snapshots.push(ledger.cold_snapshot_of(&ledger.listing()));
        Ok(ledger)
    }

    /// The number of a role, which is made if there is none.
    fn number(&mut self, name: &str, publish: usize) -> usize {
        if let Some(&number) = self.numbers.get(name) {
            return number;
        }
        self.numbers.insert(name.to_owned(), self.roles.len());
        self.roles.push(Role::new(name.to_owned(), publish));
        self.roles.len() - 1
    }

    /// The role that lists a new path; what the top-level role says of it is added to `top`.
    fn place(
        &mut self,
        name: &str,
        publish: usize,
        path: &str,
        top: &mut TopWrite,
    ) -> Result<&mut Role, Error> {
        if self.delegation == Delegation::Flat {
            return Ok(&mut self.top);
        }
        let known = self.roles.len();
        let number = self.number(name, publish);
        if self.delegation.bit_length().is_none() {
            let is_listed = self.delegation == Delegation::ProjectsListed;
            if number == known {
                let paths = (!is_listed).then_some(path).into_iter();
                let selector = self.delegation.project_selector(paths);
                let selector = selector.unwrap_or(Selector::Paths(Vec::new()));
                let bytes = sizes::delegation(name, selector, Terminating::Yes)?;
                top.projects += 1;
                top.all_projects += 1;
                top.name_bytes += name.len() as u64;
                // A list has a comma less than it has paths.
                top.all_bytes += bytes - u64::from(is_listed);
            }
            if is_listed {
                let bytes = (path.len() + "\"\",".len()) as u64;
                top.paths += 1;
                top.path_bytes += path.len() as u64;
                top.all_bytes += bytes;
            }
        }
        Ok(&mut self.roles[number])
    }

    pub(crate) fn publish(&mut self, changes: &ChangeList, resign: bool) -> Result<(), Error> {
        let publish = self.written.len() + 1;
        let last = self.top_writes.last().map(|top| (top.all_projects, top.all_bytes));
        let (all_projects, all_bytes) = last.unwrap_or_default();
        let mut top = TopWrite { all_projects, all_bytes, ..TopWrite::default() };
        let role_of = |change: &Change| self.delegation.role_of(change.path().as_str());
        let names: Vec<String> = changes.rows().par_iter().map(role_of).collect();
        let mut ops: BTreeMap<u32, Vec<Op>> = BTreeMap::new();
        for (change, name) in changes.rows().iter().zip(names) {
            let path = change.path().as_str();
            let key = hash(path);
            let path_bytes = u32::try_from(path.len()).unwrap_or(u32::MAX);
            let held = self.listed.get(&key).copied();
            let new = match change {
                Change::Put(target) => {
                    Some(u32::try_from(sizes::target_entry(path, &target.file)).unwrap_or(u32::MAX))
                }
                Change::Remove(_) => None,
            };
            match new {
                Some(len) => self.listed.insert(key, len),
                None => self.listed.remove(&key),
            };
            let kind = match (held, new) {
                (None, Some(_)) => Kind::Add,
                (Some(_), Some(_)) => Kind::Change,
                (Some(_), None) => Kind::Remove,
                (None, None) => continue,
            };
            let role = if kind == Kind::Add {
                self.place(&name, publish, path, &mut top)?
            } else if self.delegation == Delegation::Flat {
                &mut self.top
            } else {
                let number = self.number(&name, publish);
                &mut self.roles[number]
            };
            role.entries =
                role.entries + u64::from(kind == Kind::Add) - u64::from(kind == Kind::Remove);
            role.entry_bytes =
                role.entry_bytes + u64::from(new.unwrap_or(0)) - u64::from(held.unwrap_or(0));
            if self.delegation == Delegation::ProjectsListed && kind == Kind::Remove {
                top.gone += 1;
                top.all_bytes -= (path.len() + "\"\",".len()) as u64;
            }
            let number = match self.delegation {
                Delegation::Flat => TOP,
                _ => u32::try_from(self.numbers[&name]).unwrap_or(BINS - 1),
            };
            ops.entry(number).or_default().push(Op { path: key, path_bytes, kind });
        }
        let is_listed = self.delegation == Delegation::ProjectsListed;
        let is_top = match self.delegation {
            Delegation::Flat => ops.contains_key(&TOP),
            Delegation::ProjectsListed => top.paths + top.gone > 0,
            Delegation::ProjectsWildcard => top.projects > 0,
            Delegation::BinsPrefixes(_) | Delegation::BinsSuccinct(_) => false,
        };
        if resign {
            let all = u32::try_from(self.roles.len()).unwrap_or(BINS);
            (0..all).for_each(|number| {
                ops.entry(number).or_default();
            });
        }
        let mut written: Vec<u32> = Vec::with_capacity(ops.len() + 1);
        for (number, ops) in ops {
            if number != TOP {
                let role = &mut self.roles[number as usize];
                let is_old = role.born < publish;
                if is_listed && is_old && ops.iter().any(|op| op.kind != Kind::Change) {
                    top.touched.push((number, role.entries));
                }
                role.write(ops);
                written.push(number);
            } else {
                self.top.write(ops);
            }
        }
        if resign && self.is_prefixes() {
            self.bins_version += 1;
            written.push(BINS);
        }
        if is_top {
            if self.delegation != Delegation::Flat {
                self.top.write(Vec::new());
            }
            self.top_writes.push(top);
            written.push(TOP);
        }
        self.written.push(written);
        self.tally();
        self.count_writes();
        Ok(())
    }

    /// Whether the role `bins` delegates to the bins.
    pub(crate) fn is_prefixes(&self) -> bool {
        matches!(self.delegation, Delegation::BinsPrefixes(_))
    }

    fn tally(&mut self) {
        let (mut files, mut versions) = (self.roles.len() as u64 + 1, self.top.version());
        versions += self.roles.iter().map(Role::version).sum::<u64>();
        if self.is_prefixes() {
            files += 1;
            versions += self.bins_version;
        }
        self.tallies.push((files, versions));
    }

    /// The publish that the last one was.
    pub(crate) fn now(&self) -> usize {
        self.written.len()
    }

    /// What a client that holds the snapshot of a publish counts in it.
    pub(crate) fn tally_at(&self, publish: usize) -> Tally {
        let (files, versions) = self.tallies[publish];
        // A bin's name follows from the one before, but for the first.
        let bins = self.delegation.bit_length().map_or(0, |bits| bits.bin_count());
        let names = files - bins.saturating_sub(1);
        Tally { files, versions, has_hashes: self.has_hashes, names }
    }

    /// The number of a role below the top-level one.
    pub(crate) fn number_of(&self, role: &str) -> Option<usize> {
        self.numbers.get(role).copied()
    }

    /// The roles that list these paths.
    pub(crate) fn roles_of(&self, paths: &[String]) -> BTreeSet<usize> {
        let roles = paths.iter().map(|path| self.delegation.role_of(path));
        roles.filter_map(|role| self.numbers.get(&role).copied()).collect()
    }

    /// The canonical `signed` of a role's version, in bytes.
    pub(crate) fn signed_bytes(&self, role: usize, version: u64) -> u64 {
        let Some(write) = self.roles[role].log.get(at(version)) else { return 0 };
        self.length(write, version) - self.empty.envelope
    }

    fn length(&self, write: &Write, version: u64) -> u64 {
        let comma = u64::from(write.entries > 0);
        self.empty.role + digits(version) + write.entry_bytes - comma
    }

    /// The same of the top-level role.
    pub(crate) fn top_signed_bytes(&self, version: u64) -> u64 {
        self.top_length(version) - self.empty.envelope
    }

    fn top_length(&self, version: u64) -> u64 {
        if self.delegation == Delegation::Flat {
            return self.top.log.get(at(version)).map_or(0, |write| self.length(write, version));
        }
        let bytes = self.top_writes.get(at(version)).map_or(0, |write| write.all_bytes);
        self.empty.top + digits(version) + bytes - u64::from(bytes > 0)
    }

    /// The same of `bins`.
    pub(crate) fn bins_signed_bytes(&self, version: u64) -> u64 {
        self.empty.bins + digits(version) - self.empty.envelope
    }

    /// The role as it is now.
    pub(crate) fn document(&self, role: usize) -> Documents {
        let role = &self.roles[role];
        Documents::one(role.version(), role.entries, role.entry_bytes)
    }
}

/// Where a version, from 1, stands in a list.
fn at(version: u64) -> usize {
    crate::math::index(version - 1)
}
