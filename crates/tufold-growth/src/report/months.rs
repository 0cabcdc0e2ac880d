//! What a month costs a user, and where deltas stop paying.

use tufold_report::{Axis, Column, Lines, Mark, Origin, Plot, Section, Series, Table, Unit, Value};

use super::{origin, section};
use crate::survey::{Design, GapCost, MonthCost, Survey, User};

/// A section for each user.
pub(super) fn months(survey: &Survey) -> Vec<Section> {
    [User::OnePackage, User::Project].into_iter().filter_map(|user| month(survey, user)).collect()
}

fn month(survey: &Survey, user: User) -> Option<Section> {
    let rows: Vec<&MonthCost> = survey.months.iter().filter(|row| row.user == user).collect();
    let (first, last) = (*rows.first()?, *rows.last()?);
    let of = |design: Design| rows.iter().filter(move |row| row.design == design);
    let series = Design::ALL.map(|design| {
        let points = of(design).map(|row| (row.targets as f64, row.percent)).collect();
        Series::new(design.name(), Origin::Predicted, points)
    });
    let at = |design: Design, times: u64| of(design).find(|row| row.times_today == times);
    let ours = (at(Design::Deltas, first.times_today)?, at(Design::Deltas, last.times_today)?);
    let others = [Design::Pep458, Design::BinsAlone, Design::Proofs, Design::ManyProofs];
    let ratios: Vec<String> = others
        .into_iter()
        .filter_map(|design| {
            let ratio = |times| Some(at(design, times)?.bytes / at(Design::Deltas, times)?.bytes);
            let (now, then) = (ratio(first.times_today)?, ratio(last.times_today)?);
            Some(format!(
                "{}: {} times the bytes of deltas today, {} times at {} times the index.",
                design.name(),
                Unit::Count.short(now),
                Unit::Count.short(then),
                last.times_today
            ))
        })
        .collect();
    let whole = at(Design::BinsAlone, first.times_today)?;
    let finding = format!(
        "With deltas a month costs {}, {} of a download, and {} at {} times today's index; bins alone cost {} times as much",
        Unit::Bytes.short(ours.0.bytes),
        Unit::Percent.short(ours.0.percent),
        Unit::Bytes.short(ours.1.bytes),
        last.times_today,
        Unit::Count.short(whole.bytes / ours.0.bytes)
    );
    let title = match user {
        User::OnePackage => "A month of a user of one package",
        User::Project => "A month of a project's packages",
    };
    let mut marks = vec![Mark::Y { at: 3.5, label: "Mercury, published: 3.5 %".to_owned() }];
    if user == User::OnePackage {
        marks.push(Mark::Y { at: 9.0, label: "PEP 458, published: 5 to 9 %".to_owned() });
    }
    let doublings = (last.targets as f64 / first.targets as f64).log2();
    let plot = Plot::Lines(Lines {
        x: Axis::doublings(
            "targets",
            Unit::Count,
            first.targets as f64,
            u32::try_from(crate::math::round(doublings)).unwrap_or(0),
        ),
        y: Axis::log("metadata of a month, of an average download", Unit::Percent),
        series: series.to_vec(),
        marks,
    });
    let mut section = section(
        title,
        finding,
        plot,
        vec![
            match user {
                User::OnePackage => "One visit after thirty days, for one package: its page and one file.".to_owned(),
                User::Project => "The scenario's first returning client, as often as its gap fits into thirty days.".to_owned(),
            },
            "Signing everything again is included: the mean over the time from one such signing to the next, PEP 458's bins \
             daily, the others' as the scenario says. Bins alone and deltas have the number of bins that is best for this user, \
             TAP 16's proofs that of bins alone. With 16.8 million bins hardly a target shares one, so a visit is small; but \
             each publish changes the proof of every bin."
                .to_owned(),
            "Mercury's list is its published 23 kB a month for 3,612 changed projects, times the projects that change here; it \
             lists no targets, so a client that has it still fetches each project's metadata. Its 3.5 % are of a package of \
             660 kB, PEP 458's figures of a download of 2.18 MB."
                .to_owned(),
        ],
    );
    section.notes.push(ratios.join(" "));
    let row = |row: &&MonthCost| {
        vec![
            Value::Text(row.design.to_string()),
            Value::Given(row.times_today as f64),
            Value::Given(row.targets as f64),
            row.bins.map_or(Value::Nothing, |bins| Value::Given(bins as f64)),
            Value::Number(row.bytes, origin(row.provenance)),
            Value::Number(row.resign_bytes, origin(row.provenance)),
            Value::Number(row.percent, origin(row.provenance)),
        ]
    };
    section.table = Table {
        columns: vec![
            Column::text("design"),
            Column::number("times today", Unit::Count),
            Column::number("targets", Unit::Count),
            Column::number("bins", Unit::Count),
            Column::number("a month", Unit::Bytes),
            Column::number("because all is signed again", Unit::Bytes),
            Column::number("of an average download", Unit::Percent),
        ],
        rows: rows.iter().map(row).collect(),
    };
    Some(section)
}

/// A month of a project's packages over the size of the index, for the top of a page.
pub(super) fn picture(survey: &Survey) -> Option<String> {
    let rows = || survey.months.iter().filter(|row| row.user == User::Project);
    let of = |design: Design| rows().filter(move |row| row.design == design);
    // What counts comes first, in the first colour.
    let mut designs = Design::ALL;
    designs.reverse();
    let series = designs.map(|design| {
        let points = of(design).map(|row| (row.times_today as f64, row.bytes)).collect();
        Series::new(design.name(), Origin::Predicted, points)
    });
    let first = rows().next()?;
    let last = rows().next_back()?;
    let lines = Lines {
        x: Axis::doublings("times today's index", Unit::Ratio, 1.0, last.times_today.ilog2()),
        y: Axis::log("metadata of a month", Unit::Bytes),
        series: series.to_vec(),
        marks: Vec::new(),
    };
    let title = "What a project's packages cost in metadata, a month";
    let subtitle = format!(
        "from {} targets today by doublings; visits, cadence and signing again as in the scenario; predicted",
        Unit::Count.short(first.targets as f64)
    );
    Some(lines.to_svg(title, &subtitle))
}

/// Deltas that spare less than this part are not worth a codec.
const WORTH_PERCENT: f64 = 90.0;

/// What a visit costs after each gap, with deltas and by bins alone.
pub(super) fn gaps(survey: &Survey) -> Option<Section> {
    let mut scales: Vec<u64> = survey.gaps.iter().map(|row| row.times_today).collect();
    scales.dedup();
    let of = |scale: u64| survey.gaps.iter().filter(move |row| row.times_today == scale);
    let mut series = Vec::new();
    for &scale in &scales {
        let points = |bytes: fn(&GapCost) -> f64| -> Vec<(f64, f64)> {
            of(scale).map(|row| (row.gap_s as f64, bytes(row))).collect()
        };
        let name = |what: &str| format!("{what}, {scale} × today");
        series.push(Series::new(
            name("bins alone"),
            Origin::Predicted,
            points(|row| row.gzip_bytes),
        ));
        series.push(Series::new(name("deltas"), Origin::Predicted, points(|row| row.delta_bytes)));
    }
    let sentences: Vec<String> = [*scales.first()?, *scales.last()?]
        .into_iter()
        .filter_map(|scale| {
            let (least, most) = (of(scale).next()?, of(scale).next_back()?);
            let name = match scale {
                1 => "Today".to_owned(),
                _ => format!("at {scale} times the index"),
            };
            let (after, percent) = (Unit::Seconds.short(most.gap_s as f64), most.percent());
            let stop = of(scale).find(|row| row.percent() > WORTH_PERCENT);
            Some(match stop {
                Some(stop) => format!(
                    "{name} deltas stop paying at gaps of {}: {} of bins alone",
                    Unit::Seconds.short(stop.gap_s as f64),
                    Unit::Percent.short(stop.percent())
                ),
                None => format!(
                    "{name} deltas cost {} of bins alone after {} and {} after {after}",
                    Unit::Percent.short(least.percent()),
                    Unit::Seconds.short(least.gap_s as f64),
                    Unit::Percent.short(percent)
                ),
            })
        })
        .collect();
    let finding = sentences.join("; ");
    let plot = Plot::Lines(Lines {
        x: Axis {
            ticks: vec![600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0, 31_104_000.0],
            ..Axis::log("time since the last visit", Unit::Seconds)
        },
        y: Axis::log("bytes of one visit", Unit::Bytes),
        series,
        marks: Vec::new(),
    });
    let note = "The scenario's first returning client at its real cadence, in as many bins as are best for clients without \
                deltas; signing everything again is included as in the plots of a month. A ladder forgets what lies further \
                back than its horizon; then whole files are fetched."
        .to_owned();
    Some(section("Where deltas stop paying", finding, plot, vec![note]))
}
