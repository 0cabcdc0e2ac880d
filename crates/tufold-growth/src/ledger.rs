//! Counts a history by hashing and by the lengths of paths alone, without a publisher or a codec.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use rayon::prelude::*;
use tufold_delta::Ladder;
use tufold_meta::{Selector, Tally, Terminating};
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::targets::{Change, ChangeList, Target};

use crate::Error;
use crate::counts::{
    Add, Bundles, Counts, Documents, Listing, SnapshotSteps, Spread, Steps, Top, TopSteps, Writes,
};
use crate::math::{choice_bytes, digits, entropy_bytes};
use crate::sizes;

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
    wholes: Vec<SnapshotSteps>,
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

/// One role.
pub(crate) struct Role {
    pub(crate) name: String,
    /// The publish that wrote it first.
    born: usize,
    entries: u64,
    entry_bytes: u64,
    /// What each version changed.
    log: Vec<Write>,
}

/// One version of a role.
struct Write {
    /// How many targets it lists.
    entries: u64,
    entry_bytes: u64,
    ops: Vec<Op>,
}

#[derive(Clone, Copy)]
struct Op {
    path: u64,
    path_bytes: u32,
    kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Add,
    Change,
    Remove,
}

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
            wholes: Vec::new(),
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
        ledger.wholes.push(ledger.whole_snapshot(&ledger.listing()));
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
                if is_listed && ops.iter().any(|op| op.kind != Kind::Change) {
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
        Tally { files, versions, has_hashes: self.has_hashes }
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

    /// The delta of a role from one version to another.
    pub(crate) fn step(&self, role: usize, from: u64, to: u64) -> Steps {
        self.roles[role].step(from, to)
    }

    /// The same of the top-level role.
    pub(crate) fn top_step(&self, from: u64, to: u64) -> (TopSteps, Steps) {
        if self.delegation == Delegation::Flat {
            return (TopSteps::default(), self.top.step(from, to));
        }
        let mut step = TopSteps { count: 1.0, ..TopSteps::default() };
        let mut touched = HashMap::new();
        for write in &self.top_writes[at(from) + 1..=at(to)] {
            step.projects += write.projects as f64;
            step.name_bytes += write.name_bytes as f64;
            step.paths += write.paths as f64;
            step.path_bytes += write.path_bytes as f64;
            step.gone += write.gone as f64;
            touched.extend(write.touched.iter().copied());
        }
        step.touched = touched.len() as f64;
        step.touched_paths = touched.values().map(|&paths| paths as f64).sum();
        (step, Steps::default())
    }

    /// How often each role was written between two publishes.
    fn rises(&self, from: usize, to: usize) -> HashMap<u32, u64> {
        let mut rises = HashMap::new();
        for number in self.written[from..to].iter().flatten() {
            *rises.entry(*number).or_default() += 1;
        }
        rises
    }

    fn is_new(&self, number: u32, from: usize) -> bool {
        number < BINS && self.roles[number as usize].born > from
    }

    /// The delta of the snapshot between two publishes.
    pub(crate) fn snapshot_step(&self, from: usize, to: usize) -> SnapshotSteps {
        self.snapshot_step_of(&self.rises(from, to), from, to)
    }

    fn snapshot_step_of(&self, rises: &HashMap<u32, u64>, from: usize, to: usize) -> SnapshotSteps {
        let mut step = SnapshotSteps {
            count: 1.0,
            signed: f64::from(u8::from(to == from + 1)),
            ..SnapshotSteps::default()
        };
        let (mut times, mut changed) = (BTreeMap::<u64, u64>::new(), 0_u64);
        for (&number, &rise) in rises {
            if self.is_new(number, from) {
                step.names += 1.0;
                step.name_bytes += self.roles[number as usize].name.len() as f64;
            } else {
                *times.entry(rise).or_default() += 1;
                changed += 1;
            }
        }
        let files = self.tallies[from].0;
        step.entropy =
            choice_bytes(files as f64, changed as f64) + entropy_bytes(times.values().copied());
        step.digests = if self.has_hashes { rises.len() as f64 } else { 0.0 };
        step
    }

    /// The bundle between two publishes.
    pub(crate) fn bundle(&self, from: usize, to: usize) -> Bundles {
        let rises = self.rises(from, to);
        let mut bundle = Bundles {
            count: 1.0,
            outline: SnapshotSteps {
                digests: 0.0,
                signed: 0.0,
                ..self.snapshot_step_of(&rises, from, to)
            },
            ..Bundles::default()
        };
        let mut entries = 0;
        for (&number, &rise) in &rises {
            let step = match number {
                BINS => Steps { count: 1.0, ..Steps::default() },
                TOP => {
                    let version = self.top.version_at(self.written_after(TOP, to));
                    let (top, flat) = self.top_step(version - rise, version);
                    entries += self.top.entries_at(version - rise);
                    bundle.top.add(&top, 1.0);
                    flat
                }
                number => {
                    let role = &self.roles[number as usize];
                    let version = role.version_at(self.written_after(number, to));
                    // A role that is new has no version before its first.
                    let old = version - rise.min(version);
                    entries += role.entries_at(old);
                    role.step(old, version)
                }
            };
            bundle.roles.add(&step, 1.0);
        }
        bundle.roles = bundle.roles.placed(entries as f64);
        bundle
    }

    /// How often a role was written after a publish.
    fn written_after(&self, number: u32, publish: usize) -> u64 {
        let later = self.written[publish..].iter();
        later.filter(|written| written.binary_search(&number).is_ok()).count() as u64
    }

    /// What the snapshot lists now.
    pub(crate) fn listing(&self) -> Listing {
        let version = self.now() as u64 + 1;
        let mut listing = Listing {
            own_digits: digits(version) as f64,
            top: self.top_now(),
            bins_digits: digits(self.bins_version) as f64,
            ..Listing::default()
        };
        let mut times = BTreeMap::<u64, u64>::new();
        let mut add = |name: &str, version: u64, length: u64| {
            listing.roles += 1.0;
            listing.name_bytes += name.len() as f64;
            listing.digits += digits(version) as f64;
            listing.length_digits += digits(length) as f64;
            *times.entry(version).or_default() += 1;
        };
        for role in &self.roles {
            let version = role.version();
            add(
                &role.name,
                version,
                role.log.last().map_or(0, |write| self.length(write, version)),
            );
        }
        add("targets", self.top.version(), self.top_length(self.top.version()));
        if self.is_prefixes() {
            add("bins", self.bins_version, self.empty.bins + digits(self.bins_version));
        }
        if !self.has_hashes {
            listing.length_digits = 0.0;
        }
        listing.entropy = entropy_bytes(times.values().copied());
        listing
    }

    fn top_now(&self) -> Top {
        let version = self.top.version();
        let last = self.top_writes.last().map(|top| (top.all_projects, top.all_bytes));
        let (projects, delegation_bytes) = last.unwrap_or_default();
        let flat = match self.delegation {
            Delegation::Flat => Documents::one(version, self.top.entries, self.top.entry_bytes),
            _ => Documents::default(),
        };
        Top {
            count: 1.0,
            digits: digits(version) as f64,
            projects: projects as f64,
            delegation_bytes: delegation_bytes as f64,
            flat,
        }
    }

    /// Counts what the last publish wrote.
    fn count_writes(&mut self) {
        let now = self.now();
        let written = &self.written[now - 1];
        let mut writes = Writes { listing: self.listing(), ..Writes::default() };
        let is_top = written.contains(&TOP);
        if !is_top {
            writes.listing.top = Top::default();
        }
        for &number in written {
            match number {
                TOP => {
                    for edge in self.ladder.writes(self.top.version()) {
                        let (top, flat) = self.top_step(edge.from, edge.to);
                        writes.top.add(&top, 1.0);
                        writes.flat_top.add(&flat, 1.0);
                        writes.delta_files += 1.0;
                    }
                }
                BINS => {
                    writes.bins = 1.0;
                    let edges = self.ladder.writes(self.bins_version).len() as f64;
                    writes.bins_steps.count += edges;
                    writes.delta_files += edges;
                }
                number => {
                    let role = &self.roles[number as usize];
                    writes.roles.add(&self.document(number as usize), 1.0);
                    for edge in self.ladder.writes(role.version()) {
                        writes.steps.add(&role.step(edge.from, edge.to), 1.0);
                        writes.delta_files += 1.0;
                    }
                }
            }
        }
        for edge in self.ladder.writes(now as u64 + 1) {
            let (from, to) = (at(edge.from), at(edge.to));
            writes.snapshot.add(&self.snapshot_step(from, to), 1.0);
            writes.bundles.add(&self.bundle(from, to), 1.0);
            writes.delta_files += 2.0;
        }
        writes.step_from_nothing = self.whole_snapshot(&writes.listing);
        self.wholes.push(writes.step_from_nothing.clone());
        writes.delta_files += 1.0;
        self.writes.add(&writes, 1.0);
    }

    /// The snapshot of a publish from nothing.
    pub(crate) fn step_from_nothing(&self, publish: usize) -> SnapshotSteps {
        self.wholes.get(publish).cloned().unwrap_or_default()
    }

    fn whole_snapshot(&self, listing: &Listing) -> SnapshotSteps {
        SnapshotSteps {
            count: 1.0,
            signed: 0.0,
            entropy: listing.entropy,
            digests: if self.has_hashes { listing.roles } else { 0.0 },
            names: if self.delegation.bit_length().is_some() { 0.0 } else { listing.roles },
            name_bytes: if self.delegation.bit_length().is_some() {
                0.0
            } else {
                listing.name_bytes
            },
        }
    }

    /// All of it, but for the visits.
    pub(crate) fn counts(&self) -> Counts {
        let mut writes = Writes::default();
        writes.add(&self.writes, 1.0 / self.now().max(1) as f64);
        let mut roles = Documents::default();
        let mut spread = BTreeMap::<u64, f64>::new();
        for role in &self.roles {
            let Documents { count, empty, digits, entry_bytes, .. } =
                Documents::one(role.version(), role.entries, role.entry_bytes);
            let one = Documents { count, empty, digits, entry_bytes, spread: Spread::default() };
            roles.add(&one, 1.0);
            *spread.entry(role.entries).or_default() += 1.0;
        }
        roles.spread = Spread(spread.into_iter().map(|(n, roles)| (n as f64, roles)).collect());
        let longest = self.roles.iter().map(|role| role.entry_bytes).max().unwrap_or(0) as f64;
        Counts { reads: Vec::new(), writes, listing: self.listing(), roles, longest }
    }
}

/// Where a version, from 1, stands in a list.
fn at(version: u64) -> usize {
    crate::math::index(version - 1)
}

impl Role {
    fn new(name: String, born: usize) -> Self {
        Self { name, born, entries: 0, entry_bytes: 0, log: Vec::new() }
    }

    fn write(&mut self, ops: Vec<Op>) {
        let (entries, entry_bytes) = (self.entries, self.entry_bytes);
        self.log.push(Write { entries, entry_bytes, ops });
    }

    pub(crate) fn version(&self) -> u64 {
        self.log.len() as u64
    }

    /// The version before so many writes.
    fn version_at(&self, writes_since: u64) -> u64 {
        self.version() - writes_since
    }

    fn entries_at(&self, version: u64) -> u64 {
        if version == 0 { 0 } else { self.log[at(version)].entries }
    }

    /// What changes from one version to another; from 0, all of it is new.
    fn step(&self, from: u64, to: u64) -> Steps {
        let mut step = Steps { count: 1.0, ..Steps::default() };
        let ops = self.log[crate::math::index(from)..=at(to)].iter().flat_map(|write| &write.ops);
        let mut count = |op: &Op, kind: Kind| match kind {
            Kind::Add => {
                step.added += 1.0;
                step.added_bytes += f64::from(op.path_bytes);
            }
            Kind::Change => step.changed += 1.0,
            Kind::Remove => step.removed += 1.0,
        };
        if to == from + 1 {
            ops.for_each(|op| count(op, op.kind));
        } else {
            // The first and the last of what was done to a path say what all of it did.
            let mut paths: HashMap<u64, (&Op, Kind)> = HashMap::new();
            for op in ops {
                paths.entry(op.path).or_insert((op, op.kind)).1 = op.kind;
            }
            for (first, last) in paths.values() {
                match (first.kind, last) {
                    (Kind::Add, Kind::Remove) => {}
                    (Kind::Add, _) => count(first, Kind::Add),
                    (_, Kind::Remove) => count(first, Kind::Remove),
                    _ => count(first, Kind::Change),
                }
            }
        }
        step.placed(self.entries_at(from) as f64)
    }
}
