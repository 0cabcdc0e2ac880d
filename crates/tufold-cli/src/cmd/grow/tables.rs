//! What `grow` computed as CSV, a row for each number of a cell.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context;
use tufold_growth::{ClientCost, Growth, Survey, Transfer};

use super::mark;

/// Writes all tables into a folder.
pub(super) fn write(growth: &Growth, survey: Option<&Survey>, folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut tables = vec![
        ("clients.csv", clients(growth)),
        ("publishers.csv", publishers(growth)),
        ("rebins.csv", rebins(growth)),
        ("agreement.csv", agreement(growth)),
    ];
    if let Some(survey) = survey {
        tables.extend([
            ("ladders.csv", ladders(survey)),
            ("codecs.csv", codecs(survey)),
            ("bins.csv", bins(survey)),
            ("months.csv", months(survey)),
            ("gaps.csv", gaps(survey)),
        ]);
    }
    for (name, table) in tables {
        super::write(&folder.join(name), table.text.as_bytes())?;
    }
    Ok(())
}

/// Lines of cells; none of them has a comma.
struct Table {
    text: String,
}

impl Table {
    fn new(header: &str) -> Self {
        Self { text: format!("{header}\n") }
    }

    fn row(&mut self, cells: &[&dyn std::fmt::Display]) {
        for (at, cell) in cells.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(self.text, "{comma}{cell}");
        }
        self.text.push('\n');
    }
}

/// A number that may be missing.
fn maybe(number: Option<impl std::fmt::Display>) -> String {
    number.map_or(String::new(), |number| number.to_string())
}

/// Who visits, and what that costs without deltas and with them.
fn visit(client: &ClientCost) -> String {
    let delta = |of: fn(Transfer) -> f64| maybe(client.delta.map(of));
    let (plain, gzip) = (client.plain, client.gzip.bytes);
    let (bytes, requests) = (delta(|delta| delta.bytes), delta(|delta| delta.requests));
    format!("{},{},{},{gzip},{bytes},{requests}", client.client, plain.bytes, plain.requests)
}

fn clients(growth: &Growth) -> Table {
    let mut table = Table::new(
        "layout,bins,targets,provenance,client,plain_bytes,plain_requests,gzip_bytes,delta_bytes,delta_requests,overhead_percent",
    );
    for row in &growth.rows {
        for c in &row.costs.clients {
            table.row(&[
                &row.layout,
                &maybe(row.bins),
                &row.targets,
                &mark(row.provenance),
                &visit(c),
                &c.overhead_percent,
            ]);
        }
    }
    table
}

fn publishers(growth: &Growth) -> Table {
    let mut table = Table::new(
        "layout,bins,targets,provenance,roles,metadata_bytes,delta_bytes,delta_files,signatures,cpu_ms,bytes_per_day,stored_bytes,delta_stored_bytes,egress_gzip_per_day,egress_delta_per_day,refused_by",
    );
    for row in &growth.rows {
        let (p, costs) = (&row.costs.publisher, &row.costs);
        let refused: Vec<&str> = costs.refused.iter().map(|r| r.client.as_str()).collect();
        table.row(&[
            &row.layout,
            &maybe(row.bins),
            &row.targets,
            &mark(row.provenance),
            &p.roles,
            &p.metadata_bytes,
            &p.delta_bytes,
            &p.delta_files,
            &p.signatures,
            &maybe(p.cpu_ms),
            &p.bytes_per_day,
            &costs.storage.current_bytes,
            &costs.storage.delta_bytes,
            &costs.egress.gzip_bytes_per_day,
            &costs.egress.delta_bytes_per_day,
            &refused.join(" "),
        ]);
    }
    table
}

/// Doublings of the bins: the publish, and the next visit of each client.
fn rebins(growth: &Growth) -> Table {
    let mut table = Table::new(
        "targets,from_bins,to_bins,provenance,who,plain_bytes,plain_files,gzip_bytes,delta_bytes,delta_files,cpu_ms",
    );
    for rebin in &growth.rebins {
        let row = &rebin.row;
        let (to, how) = (maybe(row.bins), mark(row.provenance));
        let publisher = &row.costs.publisher;
        table.row(&[
            &row.targets,
            &rebin.from_bins,
            &to,
            &how,
            &"publisher",
            &publisher.metadata_bytes,
            &publisher.signatures,
            &"",
            &publisher.delta_bytes,
            &publisher.delta_files,
            &maybe(publisher.cpu_ms),
        ]);
        for c in &row.costs.clients {
            table.row(&[&row.targets, &rebin.from_bins, &to, &how, &visit(c), &""]);
        }
    }
    table
}

fn agreement(growth: &Growth) -> Table {
    let mut table =
        Table::new("layout,targets,what,measured,predicted,expected,percent,expected_percent");
    for d in &growth.agreement {
        table.row(&[
            &d.layout,
            &d.targets,
            &d.what,
            &d.measured,
            &d.predicted,
            &d.expected,
            &d.percent(),
            &d.expected_percent(),
        ]);
    }
    table
}

fn ladders(survey: &Survey) -> Table {
    let mut table = Table::new(
        "ladder,layout,targets,gap,provenance,bytes,requests,gzip_bytes,written_bytes,written_files",
    );
    for row in &survey.ladders {
        table.row(&[
            &row.ladder,
            &row.layout,
            &row.targets,
            &row.gap,
            &mark(row.provenance),
            &row.bytes,
            &row.requests,
            &row.gzip_bytes,
            &row.written_bytes,
            &row.written_files,
        ]);
    }
    table
}

fn codecs(survey: &Survey) -> Table {
    let mut table =
        Table::new("targets,layout,what,codec,documents,provenance,bytes,floor,floor_bytes");
    for row in &survey.codecs {
        table.row(&[
            &row.targets,
            &row.layout,
            &row.what,
            &row.codec,
            &row.documents,
            &"measured",
            &maybe(row.bytes),
            &row.floor,
            &row.floor_bytes,
        ]);
    }
    table
}

fn bins(survey: &Survey) -> Table {
    let mut table = Table::new("targets,bins,provenance,gzip_bytes,delta_bytes");
    for row in &survey.bins {
        table.row(&[&row.targets, &row.bins, &"predicted", &row.gzip_bytes, &row.delta_bytes]);
    }
    table
}

fn months(survey: &Survey) -> Table {
    let mut table = Table::new(
        "design,user,times_today,targets,bins,provenance,bytes,resign_bytes,percent_of_download",
    );
    for row in &survey.months {
        table.row(&[
            &row.design.key(),
            &row.user.key(),
            &row.times_today,
            &row.targets,
            &maybe(row.bins),
            &mark(row.provenance),
            &row.bytes,
            &row.resign_bytes,
            &row.percent,
        ]);
    }
    table
}

fn gaps(survey: &Survey) -> Table {
    let mut table = Table::new("times_today,gap_s,bins,provenance,gzip_bytes,delta_bytes,percent");
    for row in &survey.gaps {
        table.row(&[
            &row.times_today,
            &row.gap_s,
            &row.bins,
            &"predicted",
            &row.gzip_bytes,
            &row.delta_bytes,
            &row.percent(),
        ]);
    }
    table
}
