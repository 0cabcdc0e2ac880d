//! What TUF metadata costs as an index doubles and doubles again.
//!
//! A [`Scenario`] is an index model: how much is listed, what is published and who visits, each figure with its source.
//! A [`Trace`] is a history after it, the same on every machine, or a real one. Two ways lead to the same [`Costs`]:
//! [`Predictor`] has closed forms of exact lengths and measured rates, and [`replay`] lets the real publisher
//! and client live through a history. This crate signs nothing and fetches nothing itself.

mod census;
mod cost;
mod counts;
mod error;
mod explore;
mod fit;
mod grid;
mod layout;
mod ledger;
pub mod literature;
mod math;
mod plan;
mod predict;
mod rates;
mod rebins;
mod replay;
mod report;
mod scenario;
mod shape;
pub mod sizes;
mod survey;
mod tail;
mod trace;
mod workload;

pub use cost::{
    ClientCost, Costs, EgressCost, Provenance, PublisherCost, Refusal, Row, StorageCost, Transfer,
};
pub use error::Error;
pub use explore::Explore;
pub use fit::{Fit, fit};
pub use grid::{Agreement, Deviation, Event, Grid, Growth, grow, grow_lists, summary};
pub use layout::{Bins, Form, LayoutSpec, Snapshots};
pub use plan::{
    Deltas, Doubling, DoublingPrice, PlanOptions, Planned, Priced, SeedRow, Sensitivity, Weights,
    bins_for, plan,
};
pub use predict::Predictor;
pub use rates::{
    Curve, DeltaRates, Rates, RebinRates, STEPS as RATES_STEPS, WholeRates,
    measure as measure_rates,
};
pub use rebins::{CURRENT, RebinRow};
pub use replay::work::Work;
pub use replay::{
    Progress as ReplayProgress, ReplayOptions, Replayed, experiment, replay, replay_rebin,
    replay_trace,
};
pub use report::{Run, picture, report};
pub use scenario::{
    Client, ClientKind, DAY_S, Expiry, Figure, Index, Paths, Publishing, Replay, Scenario,
    names as scenario_names,
};
pub use shape::Template;
pub use survey::{
    BinsCost, CodecCost, Design, GapCost, LadderCost, MonthCost, Survey, User, survey,
};
pub use trace::{Lists, Synthetic, Trace, dependencies};
pub use workload::Experiment;
