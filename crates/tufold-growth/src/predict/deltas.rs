//! What deltas cost: edges of the ladder, by rates that were measured.

use tufold_delta::Edge;

use super::{Predictor, Top};
use crate::Error;
use crate::cost::Transfer;
use crate::layout::{Form, LayoutSpec, Snapshots};
use crate::math::round;
use crate::rates::{role_features, weigh};
use crate::scenario::{Client, ClientKind};
use crate::workload::{Changes, Reads};

impl Predictor<'_> {
    /// The bytes that tell which versions rose between two publishes, by how much: their entropy.
    fn snapshot_entropy(&self, layout: LayoutSpec, from: u64, to: u64) -> f64 {
        let roles = self.activity.roles(layout, to as f64);
        roles * self.activity.writes(layout, from, to).entropy_bits() / 8.0
    }

    /// An edge of the snapshot.
    pub(super) fn snapshot_edge(&self, layout: LayoutSpec, from: u64, to: u64) -> f64 {
        let changes = self.activity.changes(layout, (to - from) as f64);
        let resigned = self.activity.resigns_any(from, to);
        let written = if resigned { self.activity.roles(layout, to as f64) } else { changes.roles };
        let digests = if layout.snapshot == Snapshots::Hashes { written } else { 0.0 };
        let names = if layout.form.has_bins() { 0.0 } else { changes.new_projects };
        let entropy = self.snapshot_entropy(layout, from, to);
        let signature = if to == from + 1 { 65.0 } else { 0.0 };
        weigh(&self.rates.delta.snapshot, &[1.0, entropy, digests, names]) + signature
    }

    /// The snapshot from nothing.
    pub(super) fn cold_snapshot(&self, layout: LayoutSpec, publish: u64) -> f64 {
        let roles = self.activity.roles(layout, publish as f64);
        let digests = if layout.snapshot == Snapshots::Hashes { roles } else { 0.0 };
        let names = if layout.form.has_bins() { 0.0 } else { roles };
        let entropy = self.snapshot_entropy(layout, 0, publish);
        weigh(&self.rates.delta.cold, &[1.0, entropy, names, digests])
    }

    /// The edges of a role that hold this together.
    fn role_edges(&self, layout: LayoutSpec, edges: f64, changes: &Changes) -> f64 {
        let mut features = role_features(changes.added, changes.pages, changes.removed);
        features[0] = edges;
        let rates = &self.rates.delta;
        let rates = if layout.form.has_bins() || layout.form == Form::Flat {
            &rates.role
        } else {
            &rates.project
        };
        rates.iter().zip(features).map(|(rate, feature)| rate * feature).sum::<f64>().max(0.0)
    }

    /// An edge of the top-level role, in the forms in which it changes.
    fn top_edge(&self, layout: LayoutSpec, from: u64, to: u64) -> f64 {
        let changes = self.activity.changes(layout, (to - from) as f64);
        match layout.form {
            Form::Flat => {
                let flat = LayoutSpec { form: Form::Flat, ..layout };
                self.role_edges(flat, 1.0, &changes)
            }
            Form::ProjectsWildcard => {
                weigh(&self.rates.delta.wildcard, &[1.0, changes.new_projects])
            }
            Form::ProjectsListed => {
                // A project that comes lists its page too.
                let more = changes.added + changes.new_projects - changes.removed;
                weigh(&self.rates.delta.listed, &[1.0, more.max(0.0)])
            }
            Form::BinsPrefixes | Form::BinsSuccinct => 0.0,
        }
    }

    /// The bundle between two publishes.
    pub(super) fn bundle(&self, layout: LayoutSpec, from: u64, to: u64) -> f64 {
        let changes = self.activity.changes(layout, (to - from) as f64);
        let resigned = self.activity.resigns_any(from, to);
        let all = self.activity.roles(layout, to as f64);
        let roles = if resigned { all } else { changes.roles };
        let mut features = vec![1.0, roles];
        features.extend(&role_features(changes.added, changes.pages, changes.removed)[1..]);
        let rates = &self.rates.delta;
        let rates = if layout.form.has_bins() { &rates.bundle } else { &rates.project_bundle };
        let top = self.top_edge(layout, from, to);
        weigh(rates, &features) + if layout.form.has_bins() { 0.0 } else { top }
    }

    /// A visit that takes deltas where the ladder has them.
    pub(super) fn delta_visit(
        &self,
        layout: LayoutSpec,
        client: &Client,
        reads: &Reads,
        top: &Top,
        gap: u64,
    ) -> Result<Transfer, Error> {
        let end = self.activity.experiment.publishes;
        let (mut bytes, mut requests) = (top.timestamp.gzip, 2.0);
        let is_cold = client.kind == ClientKind::Cold;
        // Versions of the snapshot are those of publishes, from 1.
        let path = (!is_cold).then(|| self.ladder.path(1 + end - gap, 1 + end)).flatten();
        if !is_cold && gap == 0 {
            return Ok(Transfer { bytes, requests, round_trips: requests });
        }
        if let (Some(path), ClientKind::Mirror) = (&path, client.kind) {
            let bundle = |edge: &Edge| self.bundle(layout, edge.from - 1, edge.to - 1);
            bytes += path.iter().map(bundle).sum::<f64>();
            requests += path.len() as f64;
            return Ok(Transfer { bytes, requests, round_trips: 3.0 });
        }
        match path {
            Some(path) => {
                let edge = |edge: &Edge| self.snapshot_edge(layout, edge.from - 1, edge.to - 1);
                bytes += path.iter().map(edge).sum::<f64>();
                requests += path.len() as f64;
                if path.last().is_some_and(|edge| edge.from + 1 < edge.to) {
                    // A longer edge has no signature, which the step to the same version has.
                    bytes += self.snapshot_edge(layout, end - 1, end);
                    requests += 1.0;
                }
            }
            // From nothing.
            None => {
                bytes += self.cold_snapshot(layout, end).min(top.snapshot.gzip);
                requests += 1.0;
            }
        }
        let mut round_trips = 3.0 + reads.top + reads.bins;
        requests += reads.top + reads.bins;
        let whole = self.leaf_reads(layout, client, reads, gap)?.gzip;
        if is_cold {
            bytes += reads.top * top.targets.gzip + reads.bins * top.bins.gzip + whole;
            requests += reads.fetched;
            round_trips += (reads.fetched / super::PARALLEL).ceil();
            return Ok(Transfer { bytes, requests, round_trips });
        }
        if reads.top > 0.0 {
            bytes += self.top_edge(layout, end - gap, end).min(top.targets.gzip);
        }
        if reads.bins > 0.0 {
            // Only its version and expiry change.
            bytes += self.role_edges(layout, reads.bins, &Changes::default());
        }
        let changes = self.activity.changes(layout, gap as f64);
        let resigned = self.activity.resigns_any(end - gap, end);
        let all = self.activity.roles(layout, end as f64);
        let changed = if resigned { all } else { changes.roles };
        let held = reads.fetched - reads.unheld;
        let share = held / changed.max(1e-12);
        let part = Changes {
            roles: held,
            pages: changes.pages * share,
            added: changes.added * share,
            removed: changes.removed * share,
            new_projects: 0.0,
        };
        let unheld = whole * reads.unheld / reads.fetched.max(1e-12);
        bytes += self.role_edges(layout, reads.edges, &part).min(whole - unheld) + unheld;
        requests += reads.edges + reads.unheld;
        round_trips += ((reads.edges + reads.unheld) / super::PARALLEL).ceil();
        Ok(Transfer { bytes, requests, round_trips })
    }

    /// Files and bytes of the deltas of a publish, the mean of all.
    pub(super) fn publish_deltas(
        &self,
        layout: LayoutSpec,
        roles: f64,
    ) -> Result<(f64, f64), Error> {
        if layout.snapshot == Snapshots::Merkle {
            return Ok((0.0, 0.0));
        }
        let publishes = self.activity.experiment.publishes;
        // The ladder repeats itself; of a long history the last stretch stands for all.
        let first = publishes.saturating_sub(256) + 1;
        let count = (publishes + 1 - first) as f64;
        let (mut files, mut bytes) = (0.0, 0.0);
        for publish in first..=publishes {
            for edge in self.ladder.writes(publish + 1) {
                let (from, to) = (edge.from - 1, edge.to - 1);
                bytes += self.snapshot_edge(layout, from, to) + self.bundle(layout, from, to);
                files += 2.0;
            }
            bytes += self.cold_snapshot(layout, publish);
            files += 1.0;
        }
        let each = self.activity.changes(layout, 1.0);
        let per_publish = self.activity.writes(layout, 0, publishes);
        let newest = 1 + round(per_publish.fixed + per_publish.trials * per_publish.chance);
        // Edges of a role: of each length one at every so many versions.
        let versions = (newest.saturating_sub(64).max(1) + 1)..=newest.max(2);
        let written = versions.end() + 1 - versions.start();
        let (mut edges, mut spans) = (0.0, 0.0);
        for version in versions {
            for edge in self.ladder.writes(version) {
                edges += 1.0 / written as f64;
                spans += (edge.to - edge.from) as f64 / written as f64;
            }
        }
        let content = Changes {
            roles,
            pages: each.pages * spans,
            added: each.added * spans,
            removed: each.removed * spans,
            new_projects: 0.0,
        };
        bytes = bytes / count.max(1.0) + self.role_edges(layout, roles * edges, &content);
        files = files / count.max(1.0) + roles * edges;
        Ok((files, bytes))
    }

    /// The deltas that a reader of the newest version can use.
    pub(super) fn kept_deltas(&self, layout: LayoutSpec) -> Result<f64, Error> {
        if layout.snapshot == Snapshots::Merkle {
            return Ok(0.0);
        }
        let publisher = self.publisher(layout, None)?;
        let kept = self.activity.experiment.publishes.min(self.ladder.horizon());
        Ok(publisher.delta_bytes * kept as f64)
    }
}
