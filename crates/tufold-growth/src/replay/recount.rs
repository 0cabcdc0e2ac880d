//! Counts a history anew that was replayed before: what was measured stays, and how it is counted may have got better.

use std::path::Path;

use super::{ReplayOptions, applied, counts_of, experiment, visitors};
use crate::Error;
use crate::counts::{Counts, mean};
use crate::layout::LayoutSpec;
use crate::ledger::Ledger;
use crate::scenario::Scenario;
use crate::trace::{Synthetic, Trace};
use crate::workload::Activity;

/// What [`super::replay`] counts, or [`super::replay_rebin`] if the last publish changes the layout to another; without a
/// publisher or a client.
pub(crate) fn recount(
    scenario: &Scenario,
    (layout, to): (LayoutSpec, Option<LayoutSpec>),
    options: ReplayOptions,
) -> Result<Counts, Error> {
    let mut trace = Synthetic::new(scenario, options.seed);
    let list = trace.start();
    let mut ledger = Ledger::new(layout.to_layout()?, options.ladder, list.rows())?;
    let mut listed = to.map(|_| list.clone());
    drop(list);
    let activity = Activity::new(scenario, experiment(scenario));
    let (publishes, packages) = (activity.experiment.publishes, trace.packages());
    let nowhere = Path::new("");
    let mut visitors = visitors(scenario, packages, options, &activity, nowhere, publishes);
    let mut rebinned = None;
    for publish in 1..=publishes {
        let due = visitors.iter_mut().filter(|visitor| visitor.first + 1 == publish);
        due.for_each(|visitor| visitor.hold(&visitor.paths(&trace), &ledger));
        if let (Some(to), Some(list), true) = (to, &listed, publish == publishes) {
            rebinned = Some(ledger.rebinned(to.to_layout()?, list.rows())?);
            break;
        }
        let Some(changes) = trace.publish()? else { break };
        ledger.publish(&changes, activity.is_resign(publish))?;
        if let Some(list) = &mut listed {
            *list = applied(&changes, list, scenario)?;
        }
    }
    drop(listed);
    let mut counted = counts_of(&ledger, rebinned.as_ref())?;
    for at in 0..scenario.client.len() {
        let of_kind = visitors.iter().filter(|visitor| visitor.client == at);
        let reads = of_kind
            .map(|visitor| visitor.reads_of((&ledger, rebinned.as_ref()), &visitor.paths(&trace)));
        counted.reads.push(mean(reads.collect::<Result<Vec<_>, Error>>()?.into_iter()));
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use tufold_delta::Ladder;

    use super::*;
    use crate::rebins::doubling;
    use crate::replay::{replay, replay_rebin};

    fn counts_alike(counted: &Counts, again: &Counts) {
        let text = |counts| serde_json::to_string(counts).unwrap();
        assert_eq!(text(counted), text(again));
    }

    #[test]
    fn a_history_is_counted_alike_with_and_without_a_publisher() {
        let options = ReplayOptions { ladder: Ladder::default(), seed: 5, visitors: 1 };
        let work = tempfile::tempdir().unwrap();
        for (name, layout) in [("pypi-today", "bins-prefixes:16"), ("npm", "projects-wildcard")] {
            let scenario = Scenario::load(name).unwrap().scaled(500);
            let layout: LayoutSpec = layout.parse().unwrap();
            let replayed = replay(&scenario, layout, options, work.path(), &|_, _| ()).unwrap();
            counts_alike(&replayed.counted, &recount(&scenario, (layout, None), options).unwrap());
        }
        let doubling = doubling(&Scenario::load("pypi-today").unwrap().scaled(500));
        let [from, to]: [LayoutSpec; 2] =
            ["bins-succinct:16", "bins-succinct:32"].map(|layout| layout.parse().unwrap());
        let replayed =
            replay_rebin(&doubling, (from, to), options, work.path(), &|_, _| ()).unwrap();
        counts_alike(&replayed.counted, &recount(&doubling, (from, Some(to)), options).unwrap());
    }
}
