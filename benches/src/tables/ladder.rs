//! What each policy costs at PyPI-like churn: readers that were away for some publishes, and the publisher.

use std::collections::{BTreeSet, HashMap};

use rayon::prelude::*;
use tufold_delta::{Codec, Edge, EncodeOptions, Floor, Ladder, encode};
use tufold_meta::Version;
use tufold_meta::names::DeltaName;

use super::Table;
use crate::samples::cases::{BINS, SIGNATURE_BYTES};
use crate::samples::{Bin, Form, Noise, Snapshot};

const POLICIES: [&str; 6] =
    ["pow2:1024", "climb:1024", "chain:1024", "direct:30", "direct:1440", "tiered:1440"];

/// How many publishes a reader was away.
const GAPS: [u64; 13] = [1, 2, 5, 10, 30, 60, 100, 150, 200, 300, 600, 1_000, 1_440];

/// Where readers start: each rest of 32 once.
const STARTS: u64 = 32;
const FIRST_START: u64 = 1_441;
const START_STEP: u64 = 45;

/// Whose costs are counted.
const NEWEST: u64 = 3_000;

const LAST: u64 = FIRST_START + START_STEP * (STARTS - 1) + 1_440;

/// New files a minute, and there is a publish every minute.
const FILES_PER_PUBLISH: usize = 25;
const SECONDS_PER_PUBLISH: u64 = 60;

/// The signature and two bytes around it; without it, one byte.
const ENVELOPE_BYTES: u64 = SIGNATURE_BYTES + 1;

/// The bound on the mean path of the default policy.
const BOUND: (f64, f64, u64) = (1.7, 100.0, 300);

const PATH_COLUMNS: [&str; 16] = [
    "policy",
    "gap",
    "starts",
    "mean_applies",
    "mean_requests",
    "mean_bytes",
    "direct_mean_bytes",
    "ratio_to_direct",
    "limit_bytes",
    "within",
    "floor",
    "floor_mean_bytes",
    "ratio",
    "excess_bytes",
    "whole_raw_bytes",
    "whole_zstd_bytes",
];

const COST_COLUMNS: [&str; 10] = [
    "policy",
    "publishes_averaged",
    "writes_per_publish",
    "written_bytes_per_publish",
    "kept_deltas",
    "kept_bytes",
    "kept_bases",
    "longest_path",
    "whole_raw_bytes",
    "whole_zstd_bytes",
];

/// What readers pay: mean over where they start. `quick` takes the first gap only.
pub fn paths(quick: bool) -> Table {
    let churn = Churn::new();
    let gaps = if quick { &GAPS[..1] } else { &GAPS };
    let ends = |gap: u64| {
        (0..STARTS)
            .map(move |i| FIRST_START + i * START_STEP)
            .map(move |from| Edge { from, to: from + gap })
    };
    // Beyond the horizon it is the edge from nothing.
    let path = |ladder: Ladder, Edge { from, to }: Edge| {
        ladder.path(from, to).unwrap_or_else(|| vec![Edge { from: 0, to }])
    };
    let ladders = POLICIES.map(|policy| (policy, policy.parse::<Ladder>().expect("a policy")));
    let mut needed: BTreeSet<Edge> = gaps.iter().flat_map(|&gap| ends(gap)).collect();
    for (_, ladder) in ladders {
        needed.extend(
            gaps.iter().flat_map(|&gap| ends(gap)).flat_map(|end| fetched(path(ladder, end))),
        );
    }
    let costs = churn.costs(&needed);
    let mut rows = Vec::new();
    for &gap in gaps {
        let mean = |value: &dyn Fn(Edge) -> f64| ends(gap).map(value).sum::<f64>() / STARTS as f64;
        // One delta with its signature.
        let signature = |edge| if is_signed(edge) { 0 } else { ENVELOPE_BYTES - 1 };
        let direct = mean(&|end| (costs[&end] + signature(end)) as f64);
        let floor = mean(&|end| churn.floor(end).bytes);
        let (raw, zstd) = churn.whole(FIRST_START + gap);
        for (policy, ladder) in ladders {
            let cost = |edges: Vec<Edge>| edges.iter().map(|edge| costs[edge] as f64).sum();
            let bytes = mean(&|end| cost(fetched(path(ladder, end))));
            let requests = mean(&|end| fetched(path(ladder, end)).len() as f64);
            let applies = mean(&|end| path(ladder, end).len() as f64);
            let is_bound = ladder == Ladder::default() && gap <= BOUND.2;
            let limit = is_bound.then_some(BOUND.0 * direct + BOUND.1);
            rows.push(vec![
                policy.to_owned(),
                gap.to_string(),
                STARTS.to_string(),
                format!("{applies:.2}"),
                format!("{requests:.2}"),
                format!("{bytes:.1}"),
                format!("{direct:.1}"),
                format!("{:.3}", bytes / direct),
                limit.map_or(String::new(), |limit| format!("{limit:.1}")),
                limit.map_or("", |limit| if bytes <= limit { "yes" } else { "NO" }).to_owned(),
                "uniform".to_owned(),
                format!("{floor:.1}"),
                format!("{:.3}", bytes / floor),
                format!("{:.1}", bytes - floor),
                raw.to_string(),
                zstd.to_string(),
            ]);
        }
    }
    Table { name: "ladder-paths", columns: &PATH_COLUMNS, rows }
}

/// What a reader fetches for a path: the signatures of the last version are in the edge of one step to it.
fn fetched(mut path: Vec<Edge>) -> Vec<Edge> {
    let to = path.last().map_or(0, |edge| edge.to);
    if !path.last().copied().is_some_and(is_signed) {
        path.push(Edge { from: to - 1, to });
    }
    path
}

/// Whether an edge of the snapshot carries signatures, as `DeltaName::has_signatures` says.
fn is_signed(Edge { from, to }: Edge) -> bool {
    let name =
        DeltaName::Snapshot { from: Version::new(from), to: Version::new(to).expect("a version") };
    name.has_signatures()
}

/// What the publisher pays; the deltas from nothing come besides under every policy.
pub fn costs() -> Table {
    let churn = Churn::new();
    let (raw, zstd) = churn.whole(NEWEST);
    let mut rows = Vec::new();
    for policy in POLICIES {
        let ladder: Ladder = policy.parse().expect("a policy");
        let window = averaged(ladder);
        let written: Vec<Edge> =
            (NEWEST + 1 - window..=NEWEST).flat_map(|to| ladder.writes(to)).collect();
        let kept: Vec<Edge> = (NEWEST - ladder.horizon()..=NEWEST)
            .flat_map(|to| ladder.writes(to))
            .filter(|&edge| ladder.keeps(edge, NEWEST))
            .collect();
        let costs = churn.costs(&written.iter().chain(&kept).copied().collect());
        let sum = |edges: &[Edge]| edges.iter().map(|edge| costs[edge]).sum::<u64>();
        let horizon = NEWEST - ladder.horizon()..=NEWEST;
        let longest = horizon.clone().filter_map(|from| ladder.path(from, NEWEST)).map(|p| p.len());
        rows.push(vec![
            policy.to_owned(),
            window.to_string(),
            format!("{:.3}", written.len() as f64 / window as f64),
            format!("{:.1}", sum(&written) as f64 / window as f64),
            kept.len().to_string(),
            sum(&kept).to_string(),
            horizon.filter(|&version| ladder.wants(version, NEWEST)).count().to_string(),
            longest.max().unwrap_or(0).to_string(),
            raw.to_string(),
            zstd.to_string(),
        ]);
    }
    Table { name: "ladder-costs", columns: &COST_COLUMNS, rows }
}

/// Publishes after which the writes of a policy repeat, or so many that the mean is steady.
fn averaged(ladder: Ladder) -> u64 {
    match ladder {
        Ladder::Pow2 { .. } | Ladder::Chain { .. } => 1_024,
        Ladder::Climb { .. } => 128,
        Ladder::Direct { .. } => 1,
        Ladder::Tiered { .. } => 1_440,
    }
}

/// The versions of all bins at each publish.
struct Churn {
    versions: Vec<Vec<u16>>,
}

impl Churn {
    fn new() -> Self {
        let mut noise = Noise(11);
        let first = (0..BINS).map(|_| u16::try_from(noise.poisson(1_000.0)).unwrap_or(1).max(1));
        let mut versions = vec![first.collect::<Vec<_>>()];
        for _ in 1..=LAST {
            let mut next = versions[versions.len() - 1].clone();
            let files = (0..FILES_PER_PUBLISH)
                .map(|_| usize::try_from(noise.below(BINS as u64)).expect("a bin"));
            for bin in files.collect::<BTreeSet<_>>() {
                next[bin] += 1;
            }
            versions.push(next);
        }
        Self { versions }
    }

    fn at(&self, publish: u64) -> &[u16] {
        &self.versions[usize::try_from(publish).expect("a few thousand")]
    }

    fn document(&self, publish: u64) -> Vec<u8> {
        let bin = |&version| Bin { version: u64::from(version), length: 0, sha256: String::new() };
        let expires = 1_795_910_400 + publish * SECONDS_PER_PUBLISH;
        let bins = self.at(publish).iter().map(bin).collect();
        Snapshot { form: Form::Versions, version: publish, expires, bins }.signed()
    }

    /// Bytes of each edge, signature included; from 0 is from nothing.
    fn costs(&self, edges: &BTreeSet<Edge>) -> HashMap<Edge, u64> {
        let cost = |edge: &Edge| {
            let base = (edge.from > 0).then(|| self.document(edge.from));
            let new = self.document(edge.to);
            let delta = encode(Codec::Columnar, base.as_deref(), &new, &EncodeOptions::default());
            let envelope = if is_signed(*edge) { ENVELOPE_BYTES } else { 1 };
            (*edge, delta.expect("a delta").len() as u64 + envelope)
        };
        edges.into_par_iter().map(cost).collect()
    }

    fn floor(&self, Edge { from, to }: Edge) -> Floor {
        let versions = self.at(from).iter().zip(self.at(to));
        let differences: Vec<i64> = versions
            .map(|(old, new)| i64::from(*new) - i64::from(*old))
            .filter(|&d| d > 0)
            .collect();
        let strict = Floor::strict(SIGNATURE_BYTES, 0);
        Floor::uniform(strict, BINS as u64, differences.len() as u64, &differences)
    }

    /// The baseline: the snapshot fetched whole, raw and in zstd.
    fn whole(&self, publish: u64) -> (u64, u64) {
        let new = self.document(publish);
        let zstd = encode(Codec::FullZstd, None, &new, &EncodeOptions::default());
        let zstd = zstd.expect("a delta").len() as u64;
        (new.len() as u64 + SIGNATURE_BYTES, zstd + SIGNATURE_BYTES)
    }
}
