//! Measures what crosses a live change of the bins, on small repositories.

use std::path::Path;

use tufold_delta::{Codec, EncodeOptions, encode};
use tufold_meta::names::DeltaName;
use tufold_meta::{BitLength, Role, Selector, Terminating};
use tufold_repo::{Rebinner, Repository};

use super::measure::{Run, SEED, live};
use super::{DeltaRates, RebinRates, SIGNATURE_BYTES};
use crate::Error;
use crate::counts::Crossing;
use crate::layout::{Form, LayoutSpec};
use crate::ledger::Ledger;
use crate::ledger::rebin::Rebinned;
use crate::math::{index, least_squares};
use crate::scenario::{DAY_S, Scenario};
use crate::sizes;

/// A change, and the index that it is measured on: no grid replays one of that size.
const fn change(layout: &'static str, targets: u64, to_bits: u32) -> (Run, u32) {
    (Run { layout, targets, changes_per_publish: 20.0, publishes: 4, histories: 1 }, to_bits)
}

/// Names of bins keep their digits, or have one more. Few bins are empty: those have one signature, which costs but once.
const CHANGES: [(Run, u32); 9] = [
    change("bins-succinct:32", 5_300, 6),
    change("bins-succinct:256", 9_100, 9),
    change("bins-succinct:1024", 9_100, 11),
    change("bins-succinct:4096", 37_000, 13),
    change("bins-succinct:8192", 91_000, 14),
    change("bins-succinct:512/hashes", 5_300, 10),
    change("bins-succinct:256/hashes", 5_300, 9),
    change("bins-succinct:1024", 91_000, 11),
    change("bins-prefixes:2048", 21_000, 12),
];

/// How many steps [`measure`] takes.
pub(super) const STEPS: u64 = CHANGES.len() as u64;

/// Rows of features and bytes.
type Rows = Vec<(Vec<f64>, f64)>;

#[derive(Default)]
struct Samples {
    snapshot: Rows,
    bundle: Rows,
    top: Rows,
}

/// `delta` are the rates of what does not cross a change.
pub(super) fn measure(
    scenario: &Scenario,
    delta: &DeltaRates,
    work: &Path,
    progress: &dyn Fn(&str),
) -> Result<RebinRates, Error> {
    let (mut samples, mut names) = (Samples::default(), Vec::new());
    for (run, to_bits) in &CHANGES {
        progress(run.layout);
        let folder = tempfile::tempdir_in(work).map_err(Error::io("make a folder in", work))?;
        let scaled = scenario.scaled(run.targets);
        let (ledger, list) = live(&scaled, run, SEED, folder.path())?;
        let layout = run.layout.parse::<LayoutSpec>()?;
        let to = layout.with_bits(*to_bits).to_layout()?;
        let rebinned = ledger.rebinned(to, list.rows())?;
        let repo = folder.path().join("repo");
        let rebinner = Rebinner::of(Repository::open(&repo)?)?;
        let now = tufold_meta::Time::EPOCH.plus_seconds((run.publishes + 1) * DAY_S);
        if let Some(plan) = rebinner.plan(to.delegation, None, now, &|_| ())? {
            rebinner.commit(plan, &|_| ())?;
        }
        crossings(&repo.join("public"), &ledger, &rebinned, delta, layout, &mut samples)?;
        names.push(format!("{} of {} targets to 2^{to_bits}", run.layout, run.targets));
    }
    let top = samples.top.iter().map(|(_, bytes)| bytes).sum::<f64>();
    Ok(RebinRates {
        snapshot: least_squares(&samples.snapshot),
        bundle: least_squares(&samples.bundle),
        bins_role: bins_role()?,
        top: top / samples.top.len().max(1) as f64,
        provenance: format!("seed {SEED}: {}", names.join(", ")),
    })
}

/// What `benches/peers/rebins` recorded last, on the machine that its first line names.
const RECORD: &str = include_str!("../../../../benches/record/rebins.tsv");
/// The targets of the record.
const RECORD_TARGETS: f64 = 1e6;

/// The publisher's CPU time of a change to so many bins, by the record: so much a new bin, and so much a target. `None` if the
/// record does not have two sizes.
pub(crate) fn recorded_cpu_ms(bins: f64, targets: f64) -> Option<f64> {
    let rows: Rows = RECORD.lines().filter_map(recorded).collect();
    if rows.len() < 2 {
        return None;
    }
    Some(crate::counts::weigh(&least_squares(&rows), &[bins, targets]))
}

/// A row of the record that is of a change of the bins with deltas.
fn recorded(line: &str) -> Option<(Vec<f64>, f64)> {
    let columns: Vec<&str> = line.split('\t').collect();
    let bins = columns.get(1)?.strip_prefix("rebin to ")?.strip_suffix(", deltas pow2:1024")?;
    Some((vec![bins.parse().ok()?, RECORD_TARGETS], columns.get(3)?.parse().ok()?))
}

/// Every delta that leads to the snapshot of the change.
fn crossings(
    public: &Path,
    ledger: &Ledger,
    rebinned: &Rebinned,
    delta: &DeltaRates,
    layout: LayoutSpec,
    samples: &mut Samples,
) -> Result<(), Error> {
    let now = ledger.now() as u64 + 2;
    for kind in ["snapshot", "mirror", "roles/targets"] {
        let folder = public.join("deltas").join(kind);
        if !folder.is_dir() {
            continue;
        }
        let entries = std::fs::read_dir(&folder).map_err(Error::io("read", &folder))?;
        let mut files =
            entries.collect::<Result<Vec<_>, _>>().map_err(Error::io("read", &folder))?;
        files.sort_by_key(std::fs::DirEntry::path);
        for file in files {
            let path = file.path();
            let bytes = file.metadata().map_err(Error::io("read", &path))?.len() as f64;
            let name = path.strip_prefix(public).unwrap_or(&path).to_string_lossy().into_owned();
            let Some(name) = DeltaName::parse_path(&name) else { continue };
            let Some(from) = name.from() else { continue };
            let publish = index(from.get() - 1);
            match name {
                DeltaName::Snapshot { to, .. } if to.get() == now => {
                    let crossing = ledger.crossing(rebinned, publish);
                    let signature = SIGNATURE_BYTES * crossing.signed;
                    samples.snapshot.push((crossing.features(), bytes - signature));
                }
                DeltaName::Mirror { to, .. } if to.get() == now => {
                    let other = delta.bundle(layout.form, &ledger.changes_since(publish));
                    let crossing = rebinned.delegated();
                    samples.bundle.push((crossing.features(), bytes - other));
                }
                DeltaName::Role { .. } if layout.form == Form::BinsSuccinct => {
                    samples.top.push((Vec::new(), bytes));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Bytes of an edge of `bins` to twice as many, for each of them, by the bits of their number: there is no chance in it.
fn bins_role() -> Result<super::Curve, Error> {
    let document = |bits: u32| {
        let bits =
            BitLength::new(bits).unwrap_or(BitLength::new(1).unwrap_or_else(|| unreachable!()));
        let bin = |bin| {
            let prefixes = Selector::PathHashPrefixes(bits.hash_prefixes(bin).collect());
            (bits.role_name("bins", bin), prefixes, Terminating::No)
        };
        sizes::delegator(bits.bins().map(bin)).map(|role| role.to_canonical())
    };
    let mut curve = super::Curve::default();
    for bits in 2..=16 {
        let (old, new) = (document(bits - 1)?, document(bits)?);
        let options = EncodeOptions { verify: false, ..EncodeOptions::default() };
        let delta = encode(Codec::Columnar, Some(&old), &new, &options);
        let delta = delta.map_err(|error| Error::Form {
            file: "the role `bins`".to_owned(),
            problem: error.to_string(),
        })?;
        let bytes = delta.len() as f64 + SIGNATURE_BYTES;
        curve.push((f64::from(bits), bytes / f64::from(bits).exp2()));
    }
    Ok(curve)
}

impl RebinRates {
    /// An edge of `bins` to other bins.
    pub(crate) fn bins_role(&self, crossing: &Crossing) -> f64 {
        let bins = (crossing.kept + crossing.renamed).max(1.0);
        if crossing.count <= 0.0 {
            return 0.0;
        }
        let each = bins / crossing.count;
        bins * super::by_bits(&self.bins_role, each.log2())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_that_of_the_record() {
        assert!(RECORD.lines().next().unwrap().contains(" 1000000 targets"), "{RECORD}");
        let rows: Rows = RECORD.lines().filter_map(recorded).collect();
        assert!(rows.len() > 1, "{RECORD}");
        for (features, cpu_ms) in rows {
            let predicted = recorded_cpu_ms(features[0], RECORD_TARGETS).unwrap();
            assert!((predicted / cpu_ms - 1.0).abs() < 0.01, "{predicted} is not {cpu_ms}");
        }
    }
}
