//! Every codec on the documents that a publish of the replay changes.

use std::collections::BTreeSet;

use rayon::prelude::*;
use tufold_delta::{Codec, EncodeOptions, Floor, Header, encode, fresh_hex_bytes};
use tufold_meta::{Envelope, KeyId, Time};
use tufold_repo::{
    ChangedDocument, Input, KeyRequest, Mirror, NewRepository, Publisher, Refresh,
    changed_documents,
};

use super::{CodecCost, SUCCINCT};
use crate::Error;
use crate::grid::{Cells, Event, Grid};
use crate::layout::LayoutSpec;
use crate::plan::cheapest_bits;
use crate::predict::Predictor;
use crate::rates::Rates;
use crate::replay::{experiment, settings};
use crate::scenario::Scenario;
use crate::trace::{Synthetic, Trace};

/// So many changed bins stand for all.
const MAX_BINS: usize = 200;

/// When the repositories begin: 2026-01-01T00:00:00Z.
const START_S: i64 = 1_767_225_600;

pub(super) fn costs(
    scenario: &Scenario,
    rates: &Rates,
    grid: &Grid,
    replayed: &[u64],
    progress: &(dyn Fn(Event) + Sync),
) -> Result<Vec<CodecCost>, Error> {
    let (mut rows, mut cells) = (Vec::new(), Cells::of(grid)?);
    for &targets in replayed {
        progress(Event::Publish(format!("codecs, {targets} targets"), 0, 1));
        let scaled = scenario.scaled(targets);
        let ladder = grid.options.ladder;
        let predictor = Predictor::new(&scaled, experiment(&scaled), rates.clone(), ladder)?;
        let layout = SUCCINCT.with_bits(cheapest_bits(&predictor, SUCCINCT)?);
        let key = cells.key("codecs", &scaled, layout)?;
        rows.extend(cells.codecs(key, &mut || at_size(&scaled, layout, grid))?);
        progress(Event::Cell);
    }
    Ok(rows)
}

/// The codecs on the second publish of a history, when every document has an earlier version.
fn at_size(scenario: &Scenario, layout: LayoutSpec, grid: &Grid) -> Result<Vec<CodecCost>, Error> {
    let experiment = experiment(scenario);
    let folder = tempfile::Builder::new().prefix("tufold-codecs-").tempdir_in(&grid.work);
    let folder = folder.map_err(Error::io("make a folder in", &grid.work))?;
    let repo = folder.path().join("repo");
    let start = Time::from_unix_seconds(START_S).unwrap_or(Time::EPOCH);
    let mut trace = Synthetic::new(scenario, grid.options.seed);
    let mut settings = settings(layout.to_layout()?, grid.options.ladder);
    // Deltas are made here, by each codec.
    settings.ladder = None;
    let new = NewRepository::prepare(&repo, settings, &KeyRequest::default(), start)?;
    let plan = new.plan(trace.start())?;
    new.commit(plan, &|_| ())?;
    let mut before = Mirror::open(&repo)?;
    for publish in 1..=2 {
        let Some(changes) = trace.publish()? else { break };
        before = Mirror::open(&repo)?;
        let publisher = Publisher::open(&repo)?;
        let now = start.plus_seconds(publish * experiment.interval_s);
        let refresh = BTreeSet::from([Refresh::Snapshot]);
        let plan = publisher.plan(Input::Changes(changes), &refresh, now, &|_| ())?;
        publisher.commit(plan, &|_| ())?;
    }
    let documents = changed_documents(&before, &Mirror::open(&repo)?)?;
    let (snapshots, roles): (Vec<_>, Vec<_>) =
        documents.into_iter().partition(|document| document.role == "snapshot");
    let changed = roles.len() as u64;
    let entries = layout.bin_count().unwrap_or(1);
    let ones = vec![1; roles.len()];
    let held: Vec<_> = roles.into_iter().filter(|role| role.old.is_some()).take(MAX_BINS).collect();
    let strict = |documents: &[ChangedDocument]| {
        let fresh = |document: &ChangedDocument| {
            let hex: usize = document.signatures.iter().map(|s| s.sig.len()).sum();
            fresh_hex_bytes(document.old.as_deref(), &document.new) + hex as u64 / 2
        };
        Floor::strict(documents.iter().map(fresh).sum(), 0)
    };
    let of_snapshot = Floor::uniform(strict(&snapshots), entries, changed, &ones);
    let kinds =
        [("snapshot", "uniform", of_snapshot, snapshots), ("bins", "strict", strict(&held), held)];
    let mut rows = Vec::new();
    for (what, kind, floor, documents) in kinds {
        if documents.is_empty() {
            continue;
        }
        for codec in Codec::ALL {
            rows.push(CodecCost {
                targets: scenario.index.targets.value,
                layout: layout.to_string(),
                what: what.to_owned(),
                codec: codec.name().to_owned(),
                documents: documents.len() as u64,
                bytes: all(codec, &documents),
                floor: kind.to_owned(),
                floor_bytes: floor.bytes,
            });
        }
    }
    Ok(rows)
}

/// The bytes of all documents; `None` if the codec declines one.
fn all(codec: Codec, documents: &[ChangedDocument]) -> Option<u64> {
    documents.par_iter().map(|document| fetched(codec, document)).sum()
}

/// What a client fetches: a file as a server would pack it, or signatures and a delta.
fn fetched(codec: Codec, document: &ChangedDocument) -> Option<u64> {
    let whole = matches!(codec, Codec::FullZstd | Codec::FullGzip);
    let (base, new) = match whole {
        true => (None, &document.file),
        false => (document.old.as_deref(), &document.new),
    };
    let delta = encode(codec, base, new, &EncodeOptions::default()).ok()?;
    if whole {
        return Header::parse(&delta).ok().map(|(header, _)| header.payload_len_bytes);
    }
    let keyids: Vec<KeyId> = document.signatures.iter().map(|s| s.keyid.clone()).collect();
    let mut envelope = Vec::new();
    Envelope::new(document.signatures.clone())?.write(&keyids, &mut envelope);
    Some((envelope.len() + delta.len()) as u64)
}
