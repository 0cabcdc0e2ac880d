//! What an index costs whom: one struct, whether it was predicted or measured.

use serde::{Deserialize, Serialize};

use crate::scenario::ClientKind;

/// How a number came to be.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Provenance {
    /// By the real publisher, codecs and client.
    Measured,
    /// By the model, of what can be measured too.
    Predicted,
    /// By the model, of what nothing here implements.
    PredictedOnly,
}

/// One cell of the grid: a layout at a size.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Row {
    /// The scenario's name.
    pub scenario: String,
    /// How often the index has doubled since the scenario's start; negative before it.
    pub doubling: i32,
    /// The layout, as flags have it.
    pub layout: String,
    /// How many bins it has, if any.
    pub bins: Option<u64>,
    /// Which deltas are kept.
    pub ladder: String,
    /// Targets at the start.
    pub targets: u64,
    /// Time from one publish to the next.
    pub interval_s: u64,
    /// How many publishes there have been.
    pub publishes: u64,
    /// How the costs came to be.
    pub provenance: Provenance,
    /// The costs.
    pub costs: Costs,
}

/// All costs of a cell. Every number is a mean.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Costs {
    /// Each kind of client.
    pub clients: Vec<ClientCost>,
    /// Whoever publishes.
    pub publisher: PublisherCost,
    /// What lies on the server.
    pub storage: StorageCost,
    /// Sent in a day to all clients that know deltas, and to all that do not (gzip).
    pub egress: EgressCost,
    /// The clients that cannot use it with their default limits.
    pub refused: Vec<Refusal>,
}

/// What one visit of one kind of client costs.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ClientCost {
    /// The client's name in the scenario.
    pub client: String,
    /// Its kind.
    pub kind: ClientKind,
    /// Plain TUF: whole files as they are. With a layout of bins this is the baseline of bins alone.
    pub plain: Transfer,
    /// Plain TUF: whole files in gzip.
    pub gzip: Transfer,
    /// Plain TUF: whole files in zstd, at the level at which servers compress.
    #[serde(default)]
    pub zstd: Transfer,
    /// With deltas where the ladder has them, else whole files in gzip.
    pub delta: Option<Transfer>,
    /// Bytes of the cheapest of these in percent of an average download (PEP 458 and Mercury measure so).
    pub overhead_percent: f64,
}

/// What comes over the line.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Transfer {
    /// Bytes of bodies.
    pub bytes: f64,
    /// Requests, the one for a root that is not there included.
    pub requests: f64,
    /// Requests that had to wait for one another.
    pub round_trips: f64,
}

/// What one publish costs.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct PublisherCost {
    /// Targets roles that are written.
    pub roles: f64,
    /// Bytes of metadata.
    pub metadata_bytes: f64,
    /// Bytes of deltas.
    pub delta_bytes: f64,
    /// Delta files.
    pub delta_files: f64,
    /// Signatures.
    pub signatures: f64,
    /// CPU time of the publishing process, where it was measured.
    pub cpu_ms: Option<f64>,
    /// Bytes of metadata and deltas in a day.
    pub bytes_per_day: f64,
    /// Signatures in a day.
    pub signatures_per_day: f64,
}

/// What lies on the server.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct StorageCost {
    /// The current version of every document.
    pub current_bytes: f64,
    /// The deltas that a reader can use.
    pub delta_bytes: f64,
}

/// Bytes sent in a day.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct EgressCost {
    /// To clients that take gzip and no deltas.
    pub gzip_bytes_per_day: f64,
    /// To clients that take deltas.
    pub delta_bytes_per_day: f64,
}

/// A client that cannot use a layout.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Refusal {
    /// Which client.
    pub client: String,
    /// Why.
    pub why: String,
}

impl ClientCost {
    /// The cheapest transfer.
    pub fn best(&self) -> Transfer {
        let others =
            [Some(self.gzip), Some(self.zstd).filter(|zstd| zstd.requests > 0.0), self.delta];
        let less = |best: Transfer, other: Transfer| {
            if other.bytes < best.bytes { other } else { best }
        };
        others.into_iter().flatten().fold(self.plain, less)
    }

    pub(crate) fn rate(&mut self, average_download_bytes: u64) {
        self.overhead_percent = 100.0 * self.best().bytes / average_download_bytes as f64;
    }
}

impl Costs {
    /// What a client of this name pays.
    pub fn client(&self, name: &str) -> Option<&ClientCost> {
        self.clients.iter().find(|client| client.client == name)
    }
}
