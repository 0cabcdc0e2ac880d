//! Costs by living through a history: the real publisher writes, the real client visits, the real codecs count.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;
use tufold_meta::Time;
use tufold_repo::layout::Layout;
use tufold_repo::settings::{Lifetime, Lifetimes, RoleKind, Settings};
use tufold_repo::targets::{ChangeList, TargetList};
use tufold_repo::{
    Input, Memory, NewRepository, Pruner, Published, Publisher, Rebinner, Refresh, Repository,
};

use crate::Error;
use crate::cost::{ClientCost, Costs, EgressCost, PublisherCost, Transfer};
use crate::counts::Counts;
use crate::layout::LayoutSpec;
use crate::ledger::Ledger;
use crate::ledger::rebin::Rebinned;
use crate::scenario::{Client, ClientKind, DAY_S, Scenario};
use crate::trace::{Synthetic, Trace, dependencies};
use crate::workload::{Activity, Experiment};

mod keys;
mod recount;
mod source;
mod visitor;
pub(crate) mod work;

pub(crate) use keys::{keys, pem};
pub(crate) use recount::recount;
use source::Shelf;
pub(crate) use source::{gzip_len, zstd_len};
use visitor::Visitor;
use work::Work;

/// What a replay measured.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Replayed {
    /// The costs.
    pub costs: Costs,
    /// What the history did, for the predictor.
    pub(crate) counted: Counts,
    /// How that was counted.
    #[serde(default)]
    pub(crate) counting: u32,
    /// Where it happened: to remove a million files may take minutes, and until then the costs can be noted.
    #[serde(skip)]
    _work: Option<Arc<Work>>,
}

/// Goes up with each number that [`Counts`] gets: what was noted by an older one is counted anew, and not replayed.
pub(crate) const COUNTING: u32 = 1;

/// How a replay is done.
#[derive(Clone, Copy, Debug)]
pub struct ReplayOptions {
    /// Which deltas are kept.
    pub ladder: Ladder,
    /// The seed of the history.
    pub seed: u64,
    /// How many visitors of each kind there are; one mirror.
    pub visitors: u64,
}

/// An event of a replay, for progress: the publish that is done, of how many.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Sync);

/// Old versions of millions of targets would fill a disk: what nobody fetches any more goes, every so many publishes.
const PRUNED_EVERY: u64 = 8;

/// The publisher of a large index has the memory that its bundles take (`publish --memory`): with one GiB, 4 M targets in 16,384
/// bins have none, and mirrors fetch whole files.
const MEMORY_BYTES: u64 = 8 << 30;

/// When the first publish is: 2026-01-01T00:00:00Z.
const START_S: i64 = 1_767_225_600;

/// Makes a repository of `scenario` in the folder `work`, publishes as the scenario's replay says, and visits it. The
/// folder is as it was once the result is dropped.
///
/// # Errors
/// Any of the publisher and the client.
pub fn replay(
    scenario: &Scenario,
    layout: LayoutSpec,
    options: ReplayOptions,
    work: &Path,
    progress: Progress<'_>,
) -> Result<Replayed, Error> {
    let mut trace = Synthetic::new(scenario, options.seed);
    replay_trace(scenario, &mut trace, layout, options, work, progress)
}

/// As [`replay`] with any history; the scenario says the rest.
///
/// # Errors
/// As [`replay`].
pub fn replay_trace(
    scenario: &Scenario,
    trace: &mut dyn Trace,
    layout: LayoutSpec,
    options: ReplayOptions,
    work: &Path,
    progress: Progress<'_>,
) -> Result<Replayed, Error> {
    live(scenario, trace, (layout, None), options, work, progress)
}

/// As [`replay`], but the last publish gives the targets other bins: `to`. Only that publish is counted, and each visitor's
/// visit that finds the new bins.
///
/// # Errors
/// As [`replay`].
pub fn replay_rebin(
    scenario: &Scenario,
    layouts: (LayoutSpec, LayoutSpec),
    options: ReplayOptions,
    work: &Path,
    progress: Progress<'_>,
) -> Result<Replayed, Error> {
    let mut trace = Synthetic::new(scenario, options.seed);
    let layouts = (layouts.0, Some(layouts.1));
    live(scenario, &mut trace, layouts, options, work, progress)
}

/// A history in a layout, and the one that its last publish changes to.
fn live(
    scenario: &Scenario,
    trace: &mut dyn Trace,
    (layout, to): (LayoutSpec, Option<LayoutSpec>),
    options: ReplayOptions,
    work: &Path,
    progress: Progress<'_>,
) -> Result<Replayed, Error> {
    let work = Work::new(work)?;
    let repo = work.path().join("repo");
    let start = Time::from_unix_seconds(START_S).unwrap_or(Time::EPOCH);
    let made = layout.to_layout()?;
    let settings = settings(made, options.ladder);
    let keys = keys(&work.path().join("keys"), options.seed)?;
    let new = NewRepository::prepare(&repo, settings, &keys, start)?;
    let list = trace.start();
    let mut ledger = Ledger::new(made, options.ladder, list.rows())?;
    // What is listed in the end tells which new bin lists it.
    let mut listed = to.map(|_| list.clone());
    let plan = new.plan(list)?;
    new.commit(plan, &|_| ())?;

    let Experiment { interval_s, publishes } = experiment(scenario);
    let activity = Activity::new(scenario, experiment(scenario));
    let packages = trace.packages();
    let mut visitors = visitors(scenario, packages, options, &activity, work.path(), publishes);
    let shelf = Shelf::new(repo.join("public"));
    let (mut cpu_ms, mut written) = (0.0, Vec::new());
    let mut rebinned: Option<Rebinned> = None;
    for publish in 1..=publishes {
        let due = visitors.par_iter_mut().filter(|visitor| visitor.first + 1 == publish);
        due.try_for_each(|visitor| visitor.first_visit(&shelf, trace, &ledger, start))?;
        let now = start.plus_seconds(publish * interval_s);
        if let (Some(to), Some(list), true) = (to, &listed, publish == publishes) {
            let made = to.to_layout()?;
            rebinned = Some(ledger.rebinned(made, list.rows())?);
            let before = source::cpu_ms();
            let mut rebinner = Rebinner::of(Repository::open(&repo)?)?;
            rebinner.set_memory(Memory::from_bytes(MEMORY_BYTES));
            let plan = rebinner.plan(made.delegation, None, now, &|_| ())?;
            let plan = plan.ok_or_else(|| Error::Nothing(format!("no other bins than {to}")))?;
            written = vec![rebinner.commit(plan, &|_| ())?.published];
            cpu_ms = source::cpu_ms() - before;
            progress(publish, publishes);
            break;
        }
        let Some(changes) = trace.publish()? else { break };
        let resign = activity.is_resign(publish);
        ledger.publish(&changes, resign)?;
        if let Some(list) = &mut listed {
            *list = applied(&changes, list, scenario)?;
        }
        let mut refresh = BTreeSet::from([Refresh::Snapshot]);
        refresh.extend(resign.then_some(Refresh::Bins));
        let before = source::cpu_ms();
        let mut publisher = Publisher::open(&repo)?;
        publisher.set_memory(Memory::from_bytes(MEMORY_BYTES));
        let plan = publisher.plan(Input::Changes(changes), &refresh, now, &|_| ())?;
        written.push(publisher.commit(plan, &|_| ())?);
        cpu_ms += source::cpu_ms() - before;
        if publish.is_multiple_of(PRUNED_EVERY) {
            let pruner = Pruner::open(&repo)?;
            let plan = pruner.plan(Lifetime::days(1), now)?;
            pruner.commit(&plan, &|_| ())?;
        }
        progress(publish, publishes);
    }
    drop(listed);
    let now = start.plus_seconds(publishes * interval_s);
    let mut costs =
        Costs { publisher: publisher(&written, cpu_ms, interval_s), ..Costs::default() };
    let mut counted = counts_of(&ledger, rebinned.as_ref())?;
    for (at, client) in scenario.client.iter().enumerate() {
        let of_kind = visitors.par_iter().filter(|visitor| visitor.client == at);
        let visits = of_kind
            .map(|visitor| visitor.last_visit(&shelf, trace, (&ledger, rebinned.as_ref()), now))
            .collect::<Result<Vec<_>, Error>>()?;
        let (mut cost, reads) = visitor::mean_of(client, visits);
        cost.rate(scenario.index.average_download_bytes.value);
        costs.clients.push(cost);
        counted.reads.push(reads);
    }
    let visits = |bytes: &dyn Fn(&ClientCost) -> f64| {
        let pairs = costs.clients.iter().zip(&scenario.client);
        pairs.map(|(cost, client)| bytes(cost) * activity.visits_per_day(client)).sum::<f64>()
    };
    costs.egress = EgressCost {
        gzip_bytes_per_day: visits(&|cost| cost.gzip.bytes),
        delta_bytes_per_day: visits(&|cost| cost.delta.unwrap_or(cost.gzip).bytes),
    };
    let (storage, documents) = source::storage(&repo.join("public"))?;
    costs.storage = storage;
    costs.refused = crate::predict::limits::refused(to.unwrap_or(layout), &documents);
    Ok(Replayed { costs, counted, counting: COUNTING, _work: Some(Arc::new(work)) })
}

/// What is listed after a publish.
pub(crate) fn applied(
    changes: &ChangeList,
    list: &TargetList,
    scenario: &Scenario,
) -> Result<TargetList, Error> {
    changes
        .apply(list)
        .map_err(|error| Error::Form { file: scenario.name.clone(), problem: error.to_string() })
}

/// All that a history counts, but for the visits.
fn counts_of(ledger: &Ledger, rebinned: Option<&Rebinned>) -> Result<Counts, Error> {
    match rebinned {
        Some(rebinned) => ledger.counts_after(rebinned),
        None => ledger.counts(),
    }
}

/// The experiment that a scenario's replay is.
pub fn experiment(scenario: &Scenario) -> Experiment {
    let replay = &scenario.replay;
    Experiment { interval_s: replay.interval_s.value, publishes: replay.publishes.value }
}

/// Lifetimes are so long that nothing expires on its own: the scenario says what is signed again.
pub(crate) fn settings(layout: Layout, ladder: Ladder) -> Settings {
    let mut lifetimes = Lifetimes::default();
    RoleKind::ALL.into_iter().for_each(|kind| lifetimes.set(kind, Lifetime::days(36_500)));
    Settings { layout, lifetimes, ladder: Some(ladder), signers: Default::default() }
}

fn visitors(
    scenario: &Scenario,
    packages: u64,
    options: ReplayOptions,
    activity: &Activity<'_>,
    folder: &Path,
    publishes: u64,
) -> Vec<Visitor> {
    let of_kind = |(at, client): (usize, &Client)| -> Vec<Visitor> {
        let count = if client.kind == ClientKind::Mirror { 1 } else { options.visitors };
        // A cold client has no first visit.
        let first = match client.kind {
            ClientKind::Cold => u64::MAX - 1,
            ClientKind::Returning | ClientKind::Mirror => publishes - activity.gap(client),
        };
        let chosen = dependencies(client, packages, count, options.seed);
        let visitor = |(visitor, packages)| Visitor {
            client: at,
            kind: client.kind,
            packages,
            folder: folder.join(format!("client-{at}-{visitor}")),
            first,
            held: None,
        };
        chosen.into_iter().enumerate().map(visitor).collect()
    };
    scenario.client.iter().enumerate().flat_map(of_kind).collect()
}

fn publisher(written: &[Published], cpu_ms: f64, interval_s: u64) -> PublisherCost {
    let count = written.len().max(1) as f64;
    let mean = |of: &dyn Fn(&Published) -> u64| written.iter().map(of).sum::<u64>() as f64 / count;
    let roles = mean(&|p| p.summary.roles);
    let metadata = mean(&|p| p.targets_bytes + p.snapshot_bytes + p.timestamp_bytes);
    let delta_bytes = mean(&|p| p.deltas.map_or(0, |deltas| deltas.bytes));
    let per_day = DAY_S as f64 / interval_s as f64;
    PublisherCost {
        roles,
        metadata_bytes: metadata,
        delta_bytes,
        delta_files: mean(&|p| p.deltas.map_or(0, |deltas| deltas.files)),
        signatures: roles + 2.0,
        cpu_ms: (cpu_ms > 0.0).then_some(cpu_ms / count),
        bytes_per_day: (metadata + delta_bytes) * per_day,
        signatures_per_day: (roles + 2.0) * per_day,
    }
}

/// The mean of some transfers.
fn mean_transfer(transfers: impl Iterator<Item = Transfer>) -> Transfer {
    let (mut sum, mut count) = (Transfer::default(), 0.0_f64);
    for Transfer { bytes, requests, round_trips } in transfers {
        sum.bytes += bytes;
        sum.requests += requests;
        sum.round_trips += round_trips;
        count += 1.0;
    }
    let count = count.max(1.0);
    Transfer {
        bytes: sum.bytes / count,
        requests: sum.requests / count,
        round_trips: sum.round_trips / count,
    }
}
