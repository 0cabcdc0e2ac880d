//! Codecs, ladders, and the line from which on deltas cost time.

use std::fmt::Write as _;

use tufold_report::{
    Axis, Column, Lines, Mark, Origin, Plot, Section, Series, Table, Unit, Value,
    codecs as held_to_floor, ladder_paths,
};

use super::{origin, record, section};
use crate::Error;
use crate::cost::Provenance;
use crate::survey::{LadderCost, Survey};

const SNAPSHOTS: &str = include_str!("../../../../benches/record/snapshots.tsv");
const LADDERS: &str = include_str!("../../../../benches/record/ladder-paths.tsv");
const VISITS: &str = include_str!("../../../../benches/record/visits.tsv");

/// The codecs on what the survey published, at its smallest and its largest size.
pub(super) fn codecs(survey: &Survey) -> Result<Option<Section>, Error> {
    let (Some(first), Some(last)) = (survey.codecs.first(), survey.codecs.last()) else {
        return Ok(None);
    };
    let mut tsv = "case\tcodec\tbytes\tfloor\tfloor_bytes\n".to_owned();
    let mut cases: Vec<String> = Vec::new();
    for row in &survey.codecs {
        if ![first.targets, last.targets].contains(&row.targets) {
            continue;
        }
        let size = Unit::Count.short(row.targets as f64);
        let case = match row.what.as_str() {
            "snapshot" => format!("snapshot, {size} targets"),
            _ => format!("{} bins, {size} targets", row.documents),
        };
        let bytes = row.bytes.map_or(String::new(), |bytes| bytes.to_string());
        // Writing to a string cannot fail.
        let _ = writeln!(tsv, "{case}\t{}\t{bytes}\t{}\t{}", row.codec, row.floor, row.floor_bytes);
        if !cases.contains(&case) {
            cases.push(case);
        }
    }
    let cases: Vec<(&str, &str)> =
        cases.iter().map(|case| (case.as_str(), case.as_str())).collect();
    let mut section = held_to_floor("the survey's codecs", &tsv, &cases).map_err(record)?;
    section.title = "Codecs against the floor".to_owned();
    section.notes.push(format!(
        "One publish of the scenario in {}: every codec on the same documents, signatures included.",
        last.layout
    ));
    Ok(Some(section))
}

/// The codecs on snapshots of the size that PEP 458 has.
pub(super) fn recorded_codecs() -> Result<Section, Error> {
    let cases = [
        ("16384 bins, versions, long history, uniform 163", "versions, 1 % of bins changed"),
        ("16384 bins, versions, long history, uniform 1638", "versions, 10 % changed"),
        ("16384 bins, versions, long history, all signed again", "versions, all signed again"),
        ("16384 bins, hashes, long history, uniform 163", "hashes, 1 % changed"),
        ("16384 bins, hashes, long history, uniform 16384", "hashes, all changed"),
    ];
    let file = "benches/record/snapshots.tsv";
    let mut section = held_to_floor(file, SNAPSHOTS, &cases).map_err(record)?;
    section.title = "Codecs on snapshots of 16,384 bins".to_owned();
    section.notes.push(format!("From {file}."));
    Ok(section)
}

/// The ladders on a snapshot of the size that PEP 458 has.
pub(super) fn recorded_ladders() -> Result<Section, Error> {
    let file = "benches/record/ladder-paths.tsv";
    let mut section = ladder_paths(file, LADDERS).map_err(record)?;
    section.title = "Ladders on a snapshot of 16,384 bins".to_owned();
    section.notes.push(format!("From {file}: 1 % of the bins change with each publish."));
    Ok(section)
}

/// What a visit costs by ladder and gap.
pub(super) fn ladders(survey: &Survey) -> Option<Section> {
    let shown = largest_measured(survey)?;
    let mut names: Vec<&str> = Vec::new();
    for row in &survey.ladders {
        if !names.contains(&row.ladder.as_str()) {
            names.push(&row.ladder);
        }
    }
    let of = |ladder: &str, wanted: Origin| {
        let (ladder, rows) = (ladder.to_owned(), of_size(survey, shown.targets));
        rows.filter(move |row| row.ladder == ladder && origin(row.provenance) == wanted)
    };
    let mut series = Vec::new();
    for name in &names {
        for wanted in [Origin::Measured, Origin::Predicted] {
            let points: Vec<(f64, f64)> =
                of(name, wanted).map(|row| (row.gap as f64, row.bytes)).collect();
            if !points.is_empty() {
                series.push(Series::new(*name, wanted, points));
            }
        }
    }
    let whole: Vec<(f64, f64)> =
        of(names[0], Origin::Predicted).map(|row| (row.gap as f64, row.gzip_bytes)).collect();
    let longest = whole.last()?.0;
    series.push(Series::new("whole files in gzip", Origin::Predicted, whole));
    let finding = ladder_finding(survey, shown.targets, &names)?;
    let text = |row: &LadderCost| {
        vec![
            Value::Given(row.targets as f64),
            Value::Text(row.ladder.clone()),
            Value::Given(row.gap as f64),
            Value::Number(row.bytes, origin(row.provenance)),
            Value::Number(row.requests, origin(row.provenance)),
            Value::Number(row.gzip_bytes, origin(row.provenance)),
            Value::Number(row.written_bytes, origin(row.provenance)),
            Value::Number(row.written_files, origin(row.provenance)),
        ]
    };
    let mut section = section(
        "Ladders over gaps",
        finding,
        Plot::Lines(Lines {
            x: Axis::doublings(
                "publishes since the last visit",
                Unit::Count,
                1.0,
                doublings(longest),
            ),
            y: Axis::log("bytes of one visit", Unit::Bytes),
            series,
            marks: Vec::new(),
        }),
        vec![format!(
            "{} targets in {}, a publish an hour. A ladder says which deltas a publisher keeps; a client takes the cheapest \
             path from what it holds, or the whole file. The table has every size that was tried.",
            Unit::Count.short(shown.targets as f64),
            shown.layout
        )],
    );
    section.table = Table {
        columns: vec![
            Column::number("targets", Unit::Count),
            Column::text("ladder"),
            Column::number("publishes since the last visit", Unit::Count),
            Column::number("one visit", Unit::Bytes),
            Column::number("requests", Unit::Count),
            Column::number("whole files in gzip", Unit::Bytes),
            Column::number("written by a publish", Unit::Bytes),
            Column::number("files written by a publish", Unit::Count),
        ],
        rows: survey.ladders.iter().map(text).collect(),
    };
    Some(section)
}

/// The largest index on which ladders were measured; the largest at all if none was.
pub(super) fn largest_measured(survey: &Survey) -> Option<&LadderCost> {
    let mut rows = survey.ladders.iter().rev();
    rows.find(|row| row.provenance == Provenance::Measured).or(survey.ladders.last())
}

/// The ladders on an index of this size.
fn of_size(survey: &Survey, targets: u64) -> impl Iterator<Item = &LadderCost> {
    survey.ladders.iter().filter(move |row| row.targets == targets)
}

fn doublings(longest: f64) -> u32 {
    u32::try_from(crate::math::round(longest.max(1.0).log2())).unwrap_or(0)
}

/// The cheapest and the dearest visit at the longest gap that was measured (else predicted), and what they write.
fn ladder_finding(survey: &Survey, targets: u64, names: &[&str]) -> Option<String> {
    let measured = of_size(survey, targets).any(|row| row.provenance == Provenance::Measured);
    let wanted = if measured { Provenance::Measured } else { Provenance::Predicted };
    let rows = || of_size(survey, targets).filter(|row| row.provenance == wanted);
    let gap = rows().map(|row| row.gap).filter(|gap| *gap <= 32).max()?;
    let at = |name: &str| rows().find(|row| row.ladder == name && row.gap == gap);
    let at: Vec<&LadderCost> = names.iter().filter_map(|name| at(name)).collect();
    let cheapest = at.iter().min_by(|a, b| a.bytes.total_cmp(&b.bytes))?;
    let dearest = at.iter().max_by(|a, b| a.bytes.total_cmp(&b.bytes))?;
    let thrifty = at.iter().min_by(|a, b| a.written_bytes.total_cmp(&b.written_bytes))?;
    let lavish = at.iter().max_by(|a, b| a.written_bytes.total_cmp(&b.written_bytes))?;
    let visit = if dearest.bytes < 1.01 * cheapest.bytes {
        format!("{} with any ladder", Unit::Bytes.short(cheapest.bytes))
    } else {
        format!(
            "{} with {} and {} with {}",
            Unit::Bytes.short(cheapest.bytes),
            cheapest.ladder,
            Unit::Bytes.short(dearest.bytes),
            dearest.ladder
        )
    };
    Some(format!(
        "{gap} publishes behind, a visit costs {visit}; {} writes least, {} a publish, {} writes {}",
        thrifty.ladder,
        Unit::Bytes.short(thrifty.written_bytes),
        lavish.ladder,
        Unit::Bytes.short(lavish.written_bytes)
    ))
}

/// A visit after a change, as the record has it.
struct Visit {
    name: &'static str,
    bytes: f64,
    cpu_s: f64,
}

/// How many targets the visitor of the record looks up.
const LOOKED_UP: &str = "100";

/// The visit of `client` in the record `tsv`, whose first line that is no comment names the columns.
fn recorded_visit(tsv: &str, client: &str, name: &'static str) -> Option<Visit> {
    let mut lines = tsv.lines().filter(|line| !line.starts_with('#'));
    let head: Vec<&str> = lines.next()?.split('\t').collect();
    let column = |name: &str| head.iter().position(|column| *column == name);
    let wanted = [
        (column("form")?, "bins-succinct"),
        (column("targets")?, LOOKED_UP),
        (column("visit")?, "changed"),
        (column("client")?, client),
    ];
    let (bytes, cpu_ms) = (column("bytes")?, column("cpu_ms")?);
    let mut rows = lines.map(|line| line.split('\t').collect::<Vec<_>>());
    let row = rows.find(|cells| wanted.iter().all(|(at, text)| cells.get(*at) == Some(text)))?;
    let number = |at: usize| row.get(at)?.parse::<f64>().ok();
    Some(Visit { name, bytes: number(bytes)?, cpu_s: number(cpu_ms)? / 1e3 })
}

/// Time until a client is current, over the bandwidth.
pub(super) fn break_even() -> Result<Section, Error> {
    let visit = |client: &'static str, name: &'static str| {
        recorded_visit(VISITS, client, name).ok_or_else(|| Error::Form {
            file: "benches/record/visits.tsv".to_owned(),
            problem: format!("no changed visit of {client} for {LOOKED_UP} targets"),
        })
    };
    let visits = [
        visit("python-tuf", "python-tuf, whole files")?,
        visit("tufold, no deltas", "tufold, whole files")?,
        visit("tufold", "tufold, deltas")?,
    ];
    let bandwidths = || (0..=18).map(|n: i32| 1e4 * 10f64.powf(f64::from(n) / 3.0));
    let series = visits.iter().map(|visit| {
        let time = |bandwidth: f64| (bandwidth, visit.bytes * 8.0 / bandwidth + visit.cpu_s);
        Series::new(visit.name, Origin::Predicted, bandwidths().map(time).collect())
    });
    let [_, whole, deltas] = &visits;
    let saved_bits = (whole.bytes - deltas.bytes) * 8.0;
    let more_cpu_s = deltas.cpu_s - whole.cpu_s;
    let even = (more_cpu_s > 0.0).then(|| saved_bits / more_cpu_s);
    let finding = match even {
        Some(even) => format!(
            "Deltas spare a client {} and cost it {} of CPU time: on any line slower than {} it is current sooner",
            Unit::Bytes.short(saved_bits / 8.0),
            Unit::Seconds.short(more_cpu_s),
            Unit::BitsPerSecond.short(even)
        ),
        None => format!(
            "Deltas spare a client {} and no CPU time is spent on them: it is current sooner on any line",
            Unit::Bytes.short(saved_bits / 8.0)
        ),
    };
    let mark = |even: f64| Mark::X {
        at: even,
        label: format!("break-even {}", Unit::BitsPerSecond.short(even)),
    };
    let plot = Plot::Lines(Lines {
        x: Axis::log("bandwidth", Unit::BitsPerSecond),
        y: Axis::log("time to be current", Unit::Seconds),
        series: series.collect(),
        marks: even.map(mark).into_iter().collect(),
    });
    let figure = |visit: &Visit| {
        let (bytes, cpu) = (Unit::Bytes.short(visit.bytes), Unit::Seconds.short(visit.cpu_s));
        format!("{} {bytes} and {cpu}", visit.name)
    };
    let figures: Vec<String> = visits.iter().map(figure).collect();
    let notes = vec![
        format!(
            "A visit for {LOOKED_UP} targets after 1,000 changes to 1 M targets in 16,384 bins. Measured bytes and CPU time \
             (benches/record/visits.tsv): {}.",
            figures.join("; ")
        ),
        "The time on a line is bytes by bandwidth plus CPU time, without round trips.".to_owned(),
    ];
    Ok(section("Break-even bandwidth", finding, plot, notes))
}

#[cfg(test)]
mod tests {
    use super::{VISITS, break_even, recorded_visit};

    #[test]
    fn a_visit_is_read_by_the_names_of_the_columns() {
        let tsv = "# how\nclient\tform\ttargets\tvisit\tmore\tcpu_ms\tbytes\n\
            tufold\tbins-succinct\t1\tchanged\t\t5\t10\n\
            tufold\tbins-succinct\t100\tchanged\t\t7.5\t2000\n";
        let visit = recorded_visit(tsv, "tufold", "ours").unwrap();
        assert_eq!((visit.name, visit.bytes, visit.cpu_s), ("ours", 2000.0, 0.0075));
        assert!(recorded_visit(tsv, "python-tuf", "theirs").is_none());
        assert!(recorded_visit(&tsv.replace("cpu_ms", "cpu"), "tufold", "ours").is_none());
    }

    #[test]
    fn the_record_has_every_visit_that_is_shown() {
        break_even().unwrap();
        assert!(recorded_visit(VISITS, "tufold", "").unwrap().cpu_s < 1.0);
    }
}
