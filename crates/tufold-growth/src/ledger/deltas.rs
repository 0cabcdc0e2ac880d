//! What deltas of a history hold: of a role, of the top-level one, of the snapshot, of all of it.

use std::collections::{BTreeMap, HashMap};

use tufold_repo::layout::Delegation;

use super::{BINS, Ledger, TOP, at};
use crate::counts::{Add, Bundles, SnapshotSteps, Steps, TopSteps};
use crate::math::{choice_bytes, entropy_bytes};

impl Ledger {
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
        let projects = self.top_writes[at(from)].all_projects;
        (step.placed(projects as f64, touched.values().sum::<u64>() as f64), Steps::default())
    }

    /// How often each role was written between two publishes.
    pub(super) fn rises(&self, from: usize, to: usize) -> BTreeMap<u32, u64> {
        let mut rises = BTreeMap::new();
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

    fn snapshot_step_of(
        &self,
        rises: &BTreeMap<u32, u64>,
        from: usize,
        to: usize,
    ) -> SnapshotSteps {
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
}
