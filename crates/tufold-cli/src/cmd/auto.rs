//! Bins that double by themselves: the bounds as flags, and what became of them.

use std::io::Write;

use tufold_meta::Time;
use tufold_repo::layout::Delegation;
use tufold_repo::{Advice, Bounds, Error, Memory, Progress, Rebinned, Rebinner, Repository};

use crate::cmd::place::PlaceArgs;
use crate::cmd::rebin;
use crate::output::bytes;

/// The bounds past which bins double.
#[derive(clap::Args, Debug)]
#[command(next_help_heading = "Bounds of automatic doubling")]
pub(crate) struct BoundsArgs {
    /// The mean length of a bin
    #[arg(long, value_name = "SIZE", default_value = "64KiB", value_parser = size)]
    max_bin: u64,
    /// The longest targets role that clients accept: the largest bin stays below four fifths of it. 5,000,000 bytes is the
    /// default of python-tuf, go-tuf, rust-tuf and sigstore-tuf, 100000 that of php-tuf
    #[arg(long, value_name = "SIZE", default_value = "5000000", value_parser = size)]
    client_limit: u64,
    /// What a returning client without deltas fetches to look one target up, in percent of an average download
    #[arg(long, value_name = "PERCENT", default_value_t = Bounds::default().overhead_percent)]
    max_overhead: f64,
    /// That download; PEP 458's without this
    #[arg(long, value_name = "SIZE", default_value = "2184393", value_parser = size)]
    average_download: u64,
}

impl BoundsArgs {
    pub(crate) fn get(&self) -> Bounds {
        Bounds {
            mean_bin_bytes: self.max_bin,
            client_limit_bytes: self.client_limit,
            overhead_percent: self.max_overhead,
            average_download_bytes: self.average_download,
        }
    }
}

/// A number of bytes, with a unit or without.
fn size(text: &str) -> Result<u64, String> {
    Memory::parse_bytes(text).filter(|bytes| *bytes > 0).ok_or_else(|| {
        format!("`{text}` is not a number of bytes from 1 up, such as 100000 or 64KiB")
    })
}

/// What `publish --auto-rebin` did about bins.
#[derive(serde::Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub(crate) enum AutoRebin {
    /// No bound is passed, or more bins would not do.
    Stays { advice: Advice },
    /// A rotation of keys comes first.
    Waits { reason: String },
    /// The bins doubled, or would.
    Doubles { advice: Advice, rebinned: Box<Rebinned> },
}

/// Doubles the bins if a bound is passed, as often as it takes.
pub(crate) fn rebin(
    place: &PlaceArgs,
    bounds: &Bounds,
    memory: Memory,
    now: Time,
    dry_run: bool,
    progress: Progress<'_>,
) -> anyhow::Result<AutoRebin> {
    let mut rebinner = match Rebinner::of(Repository::open_at(place.open()?)?) {
        Err(Error::Rotation(reason)) => return Ok(AutoRebin::Waits { reason }),
        rebinner => rebinner?,
    };
    rebinner.set_memory(memory);
    let advice = rebinner.advice(bounds)?;
    let to = Delegation::from_parts(rebinner.delegation().name(), Some(advice.to))?;
    Ok(match rebinner.plan(to, None, now, progress)? {
        None => AutoRebin::Stays { advice },
        Some(plan) => {
            let rebinned = match dry_run {
                true => rebinner.rehearse(plan, progress)?,
                false => rebinner.commit(plan, progress)?,
            };
            AutoRebin::Doubles { advice, rebinned: Box::new(rebinned) }
        }
    })
}

impl AutoRebin {
    pub(crate) fn print(&self, place: &PlaceArgs, out: &mut dyn Write) -> std::io::Result<()> {
        match self {
            Self::Stays { advice } => print(advice, place, out),
            Self::Waits { reason } => writeln!(out, "bins       stay as they are: {reason}"),
            Self::Doubles { advice, rebinned } => {
                print(advice, place, out)?;
                rebin::print(rebinned, "bins", place, out)
            }
        }
    }
}

/// Why bins double, or do not.
pub(crate) fn print(
    advice: &Advice,
    place: &PlaceArgs,
    out: &mut dyn Write,
) -> std::io::Result<()> {
    for passed in &advice.passed {
        writeln!(out, "bound      passed: {passed}")?;
    }
    if let Some(reason) = &advice.held_back {
        writeln!(out, "bins       could be more, but {reason}")?;
    }
    if advice.to == advice.bins {
        writeln!(
            out,
            "bins       of {place} stay {}: {} each on average, {} at most, and a returning client pays {}",
            advice.bins,
            bytes(advice.mean_bin_bytes),
            bytes(advice.largest_bin_bytes),
            bytes(advice.returning_bytes)
        )?;
    }
    Ok(())
}
