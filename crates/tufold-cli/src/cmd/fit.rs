//! `tufold fit`: in which time an index doubles.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tufold_growth::{Fit, fit};
use tufold_meta::Time;

use crate::output::{Exit, Out};

/// Estimate in which time something doubles, with its error
///
/// FILE is TSV or CSV with a header. A row is a count at a date; or, without --count, it is one thing with the date at which
/// it came, and rows are summed up. Dates are YYYY-MM or YYYY-MM-DD; rows without one are left out. Plain or zstd.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold fit datasets/pypi-projects.tsv.zst --date month --since 2018-01
  tufold fit counts.csv --date day --count packages --json")]
pub(crate) struct Args {
    /// The table; `-` is standard input
    file: PathBuf,
    /// The column of dates
    #[arg(long, value_name = "COLUMN", default_value = "date")]
    date: String,
    /// The column of counts; without it rows are counted, month by month
    #[arg(long, value_name = "COLUMN")]
    count: Option<String>,
    /// Leaves out what is before this date from the line (it is counted all the same)
    #[arg(long, value_name = "DATE")]
    since: Option<String>,
    /// Leaves out what is after this date
    #[arg(long, value_name = "DATE")]
    until: Option<String>,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let since = args.since.as_deref().map(day).transpose()?.unwrap_or(f64::MIN);
    let until = args.until.as_deref().map(day).transpose()?.unwrap_or(f64::MAX);
    let points = read(&args)?;
    let points: Vec<_> = points.into_iter().filter(|p| (since..=until).contains(&p.0)).collect();
    let found = fit(&points).with_context(|| args.file.display().to_string())?;
    out.result(&found, |out| text(&found, out))?;
    Ok(Exit::Yes)
}

fn text(fit: &Fit, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let Fit {
        points, doubling_time_days, from_days, to_days, r_squared, last, last_fitted, ..
    } = fit;
    writeln!(
        out,
        "doubles in {doubling_time_days:.0} days ({:.2} years)",
        doubling_time_days / 365.25
    )?;
    writeln!(
        out,
        "95 %       {from_days:.0} to {to_days:.0} days; {:.1} x as wide as if the {points} counts erred independently",
        fit.widening
    )?;
    writeln!(
        out,
        "deviations keep {:.0} % from one count to the next, and go together over {}",
        100.0 * fit.autocorrelation,
        fit.lags
    )?;
    writeln!(
        out,
        "line       explains {:.2} % of the variance; last count {last:.0}, by the line {last_fitted:.0}",
        100.0 * r_squared
    )
}

/// Days since 1970.
fn day(text: &str) -> anyhow::Result<f64> {
    let full = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
    let time: Time = format!("{full}T00:00:00Z")
        .parse()
        .ok()
        .with_context(|| format!("`{text}` is not a date of the form YYYY-MM or YYYY-MM-DD"))?;
    Ok(time.unix_seconds() as f64 / 86_400.0)
}

fn read(args: &Args) -> anyhow::Result<Vec<(f64, f64)>> {
    let name = args.file.display().to_string();
    let mut lines = open(&args.file)?.lines();
    let header = lines.next().transpose()?.with_context(|| format!("{name} is empty"))?;
    let separator = if header.contains('\t') { '\t' } else { ',' };
    let columns: Vec<&str> = header.split(separator).map(str::trim).collect();
    let column = |wanted: &str| match columns.iter().position(|column| *column == wanted) {
        Some(at) => Ok(at),
        None => bail!("{name} has no column `{wanted}`, but {}", columns.join(", ")),
    };
    let date = column(&args.date)?;
    let count = args.count.as_deref().map(column).transpose()?;
    let (mut points, mut came) = (Vec::new(), BTreeMap::<String, f64>::new());
    for (line, number) in lines.zip(2..) {
        let line = line.with_context(|| name.clone())?;
        let cells: Vec<&str> = line.split(separator).map(str::trim).collect();
        let text = cells.get(date).copied().unwrap_or_default();
        if text.is_empty() {
            continue;
        }
        let wrong = || format!("{name}, line {number}");
        match count {
            Some(at) => {
                let cell = cells.get(at).copied().unwrap_or_default();
                let value: f64 =
                    cell.parse().with_context(|| format!("{}: `{cell}` is no count", wrong()))?;
                points.push((day(text).with_context(wrong)?, value));
            }
            None => {
                day(text).with_context(wrong)?;
                *came.entry(text.get(..7).unwrap_or(text).to_owned()).or_default() += 1.0;
            }
        }
    }
    let mut sum = 0.0;
    for (month, more) in came {
        sum += more;
        points.push((day(&month)?, sum));
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Ok(points)
}

fn open(file: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if file == Path::new("-") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    let opened =
        std::fs::File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    if file.extension().is_some_and(|extension| extension == "zst") {
        return Ok(Box::new(BufReader::new(zstd::Decoder::new(opened)?)));
    }
    Ok(Box::new(BufReader::new(opened)))
}
