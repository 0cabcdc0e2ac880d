//! One role through a history: what each of its versions changed.

use std::collections::HashMap;

use super::at;
use crate::counts::{SHORT, Steps};

/// One role.
pub(crate) struct Role {
    pub(crate) name: String,
    /// The publish that wrote it first.
    pub(super) born: usize,
    pub(super) entries: u64,
    pub(super) entry_bytes: u64,
    /// What each version changed.
    pub(super) log: Vec<Write>,
}

/// One version of a role.
pub(super) struct Write {
    /// How many targets it lists.
    pub(super) entries: u64,
    pub(super) entry_bytes: u64,
    pub(super) ops: Vec<Op>,
}

#[derive(Clone, Copy)]
pub(super) struct Op {
    pub(super) path: u64,
    pub(super) path_bytes: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Kind {
    Add,
    Change,
    Remove,
}

impl Role {
    pub(super) fn new(name: String, born: usize) -> Self {
        Self { name, born, entries: 0, entry_bytes: 0, log: Vec::new() }
    }

    pub(super) fn write(&mut self, ops: Vec<Op>) {
        let (entries, entry_bytes) = (self.entries, self.entry_bytes);
        self.log.push(Write { entries, entry_bytes, ops });
    }

    pub(crate) fn version(&self) -> u64 {
        self.log.len() as u64
    }

    /// The version before so many writes.
    pub(super) fn version_at(&self, writes_since: u64) -> u64 {
        self.version() - writes_since
    }

    pub(super) fn entries_at(&self, version: u64) -> u64 {
        if version == 0 { 0 } else { self.log[at(version)].entries }
    }

    /// What changes from one version to another; from 0, all of it is new.
    pub(super) fn step(&self, from: u64, to: u64) -> Steps {
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
        let longest = self.entries_at(from).max(self.entries_at(to));
        let flag = |is: bool| f64::from(u8::from(is));
        let adds = flag(step.added > 0.0);
        step.placed(self.entries_at(from) as f64).shortly(flag(longest < SHORT), adds)
    }
}
