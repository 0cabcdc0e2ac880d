//! The scale-out draft (taps pull 189), section "High churn in TUF metadata using hashed bins".

use std::collections::HashSet;

use tufold_meta::BitLength;

use super::pep458::Constants;
use super::{Line, Lines, documents};
use crate::{Error, Scenario, Synthetic, Trace};

const CHURN: &str = "draft TAP 21, High churn in TUF metadata using hashed bins";
const SCENARIO: &str = "pypi-today";
const EFFICIENCY: &str = "draft TAP 21, Client download efficiency improvements";

/// The draft's assumptions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Targets.
    pub a1: f64,
    /// Releases a minute.
    pub a2: f64,
    /// Bins.
    pub a3: f64,
    /// Dependencies of the example project.
    pub a4: f64,
}

impl Assumptions {
    /// As the draft has them.
    pub const DRAFT: Self = Self { a1: 5e6, a2: 60.0, a3: 16_384.0, a4: 50.0 };

    /// How likely a bin changes in a minute: `1 - ((A3-1)/A3)^A2`.
    pub fn c1(&self) -> f64 {
        -(self.a2 * (-1.0 / self.a3).ln_1p()).exp_m1()
    }

    /// Bins that the example project needs, one for each package and one for its page: `2 x A4`.
    pub fn c2(&self) -> f64 {
        2.0 * self.a4
    }

    /// How many of them change in a minute: `C1 x C2`.
    pub fn c3(&self) -> f64 {
        self.c1() * self.c2()
    }

    /// Minutes until all are new: `C2/C3`.
    pub fn c4(&self) -> f64 {
        self.c2() / self.c3()
    }
}

/// The share of bins that change in a minute when real paths are hashed: what PyPI-shaped releases put, so many a minute.
fn replayed_c1(a: &Assumptions) -> Result<f64, Error> {
    /// Minutes, and targets of the index that is drawn from. The index's size has no part in which bins change.
    const MINUTES: u64 = 400;
    const TARGETS: u64 = 200_000;
    let mut scenario = Scenario::load(SCENARIO)?.scaled(TARGETS);
    scenario.replay.interval_s.value = 60;
    scenario.publish.releases_per_day.value = a.a2 * 1_440.0;
    let bits = BitLength::from_bin_count(crate::math::round(a.a3))
        .ok_or_else(|| Error::Nothing(format!("{} is no number of bins", a.a3)))?;
    let mut trace = Synthetic::new(&scenario, 1);
    let mut changed = 0;
    for _ in 0..MINUTES {
        let Some(changes) = trace.publish()? else { break };
        let paths = changes.rows().iter().map(|change| change.path().as_str());
        changed += paths.map(|path| bits.bin(path)).collect::<HashSet<_>>().len();
    }
    Ok(changed as f64 / (MINUTES as f64 * a.a3))
}

pub(super) fn lines() -> Result<Lines, Error> {
    let a = Assumptions::DRAFT;
    // A release of the draft changes one target; really it has several files, and changes its project's page.
    let scenario = Scenario::load(SCENARIO)?;
    let each = scenario.targets_of_first_release();
    let changes = Assumptions { a2: a.a2 * each as f64, ..a };
    let replayed = replayed_c1(&a)?;
    let c = Constants { c8: a.a1, c10: a.a3, ..Constants::PEP_458 };
    let bin = documents::Entries::of(&scenario)?.bin(a.a1 / a.a3);
    let bins = crate::math::round(a.a3);
    let first_visit = a.c2() * c.v7() + c.v11();
    let lines = vec![
        Line::new("C1: a bin changes in a minute", "%", CHURN)
            .exact(0.37, 2, a.c1() * 100.0)
            .real(changes.c1() * 100.0)
            .replayed(replayed * 100.0),
        Line::new("C2: bins of the example project", "bins", CHURN).exact(100.0, 0, a.c2()),
        Line::new("C3: of them change in a minute", "bins", CHURN)
            .exact(0.3656, 4, a.c3())
            .real(changes.c3())
            .replayed(replayed * a.c2()),
        Line::new("C4: time to a full refresh", "minutes", CHURN)
            .exact(274.0, 0, a.c4())
            .real(changes.c4())
            .replayed(1.0 / replayed),
        Line::new("C4, not rounded", "minutes", CHURN).exact(273.56, 2, a.c4()).real(changes.c4()),
        Line::new("metadata of a first visit (about)", "MB", EFFICIENCY)
            .modelled(Some(10.0), first_visit / 1e6)
            .real((a.c2() * bin + documents::snapshot(bins, &["targets"])?) / 1e6),
    ];
    let notes = vec![
        format!(
            "real: a release changes {each} targets, its files and its project's page; the draft lets it change one, and \
             lets the client fetch two"
        ),
        "replayed: 400 minutes of releases of the scenario pypi-today at that rate, their paths hashed to bins".to_owned(),
        "modelled first visit: PEP 458's V7 and V11 with the draft's targets and bins".to_owned(),
    ];
    Ok((lines, notes))
}
