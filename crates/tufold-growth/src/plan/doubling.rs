//! What a doubling of the bins costs whom, in brief.

use serde::{Deserialize, Serialize};

use crate::cost::{Costs, Provenance};
use crate::scenario::ClientKind;

/// What one doubling of the bins costs, live: the publish that makes it, and the next visit of readers that have missed nothing
/// else. Bytes are of bodies, as they are unless it says otherwise.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct DoublingPrice {
    /// How these numbers came to be.
    pub provenance: Provenance,
    /// Metadata files that the publisher writes: every bin, what delegates to them, the snapshot and the timestamp.
    pub metadata_files: f64,
    /// Their bytes.
    pub metadata_bytes: f64,
    /// Deltas that it writes: an object for each old bin, edges of the snapshot, bundles for mirrors.
    pub delta_files: f64,
    /// Their bytes.
    pub delta_bytes: f64,
    /// The publisher's CPU time, as on the machine of `benches/record/rebins.tsv`.
    pub cpu_ms: Option<f64>,
    /// How many bins the scenario's first returning client holds and looks into.
    pub held_bins: f64,
    /// What that client pays by deltas.
    pub thin_bytes: f64,
    /// What of it each held bin costs: the object that makes both halves of it.
    pub bytes_per_held_bin: f64,
    /// What the same client pays by whole files.
    pub plain_bytes: f64,
    /// The same in gzip.
    pub gzip_bytes: f64,
    /// What a mirror pays by its bundle.
    pub mirror_bytes: f64,
    /// What it pays by whole files.
    pub mirror_plain_bytes: f64,
}

impl DoublingPrice {
    pub(super) fn of(costs: &Costs, held_bins: f64, bytes_per_held_bin: f64) -> Self {
        let publisher = &costs.publisher;
        let of = |kind| costs.clients.iter().find(|client| client.kind == kind);
        let plain = |kind| of(kind).map_or(0.0, |client| client.plain.bytes);
        let by_deltas = |kind| of(kind).and_then(|client| client.delta).map_or(0.0, |d| d.bytes);
        let (returning, mirror) = (ClientKind::Returning, ClientKind::Mirror);
        Self {
            provenance: Provenance::Predicted,
            // One key signs each file.
            metadata_files: publisher.signatures,
            metadata_bytes: publisher.metadata_bytes,
            delta_files: publisher.delta_files,
            delta_bytes: publisher.delta_bytes,
            cpu_ms: publisher.cpu_ms,
            held_bins,
            thin_bytes: by_deltas(returning),
            bytes_per_held_bin,
            plain_bytes: plain(returning),
            gzip_bytes: of(returning).map_or(0.0, |client| client.gzip.bytes),
            mirror_bytes: by_deltas(mirror),
            mirror_plain_bytes: plain(mirror),
        }
    }

    /// What a client pays by deltas that holds so many bins.
    pub fn thin_bytes_for(&self, held_bins: f64) -> f64 {
        self.thin_bytes + (held_bins - self.held_bins) * self.bytes_per_held_bin
    }
}
