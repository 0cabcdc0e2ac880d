//! `tufold rebin`: other bins, while clients keep running.

use anyhow::ensure;
use tufold_repo::layout::Delegation;
use tufold_repo::{Advice, Memory, Rebinned, Rebinner, Repository};

use crate::bars;
use crate::cmd::Now;
use crate::cmd::auto::{self, BoundsArgs};
use crate::cmd::init::written;
use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out, bytes, count};

/// Change the number of bins, or move targets into bins
///
/// One publish writes all new bins; stopped half-way, clients keep seeing the old ones. Clients follow without a word. Bins that
/// are no longer delegated stay listed in the snapshot, as TUF asks, until `tufold rotate --role snapshot` replaces its keys.
/// The top-level targets role has to be signed, unless prefix bins stay prefix bins. With --auto, bins double if a bound is
/// passed, and else nothing happens.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold rebin demo --bins 2048 --dry-run
  tufold rebin demo --bins 2048
  tufold rebin demo --bins 2048 --delegation bins-prefixes
  tufold rebin demo --bins 2048 --memory 512MiB
  tufold rebin demo --auto --dry-run
  tufold rebin demo --auto --max-bin 32KiB
  tufold rotate demo --role snapshot --role timestamp")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// How many bins: a power of two
    #[arg(long, value_name = "N", required_unless_present = "auto")]
    bins: Option<u64>,
    /// Double the bins if a bound is passed, as often as it takes
    #[arg(long, conflicts_with_all = ["bins", "delegation", "threshold"])]
    auto: bool,
    #[command(flatten)]
    bounds: BoundsArgs,
    /// bins-prefixes (PEP 458) or bins-succinct (TAP 15); without it, the form stays, and what had no bins gets succinct ones
    #[arg(long, value_name = "FORM")]
    delegation: Option<String>,
    /// How many keys have to sign bins, where the repository was flat
    #[arg(long, value_name = "N")]
    threshold: Option<u64>,
    /// How much memory may be taken; where there is no room for a mirror's bundle, mirrors make each group of bins by itself
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Memory,
    /// Do everything but write, and print what would be written and what each reader pays for it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let now = args.now.get()?;
    let path = &args.place;
    let mut rebinner = Rebinner::of(Repository::open_at(path.open()?)?)?;
    rebinner.set_memory(args.memory);
    let from = rebinner.delegation();
    let advice = args.auto.then(|| rebinner.advice(&args.bounds.get())).transpose()?;
    let kept = if from.bit_length().is_some() { from.name() } else { "bins-succinct" };
    let form = args.delegation.as_deref().unwrap_or(kept);
    let to = Delegation::from_parts(form, advice.as_ref().map(|advice| advice.to).or(args.bins))?;
    ensure!(to.bit_length().is_some(), "--delegation {form} has no bins");
    let progress = bars::bars();
    let Some(plan) = rebinner.plan(to, args.threshold, now, &progress)? else {
        let nothing = Nothing { from: from.to_string(), to: to.to_string(), files: 0, advice };
        out.result(&nothing, |out| match &nothing.advice {
            None => writeln!(out, "{path} is {to} already"),
            Some(advice) => auto::print(advice, path, out),
        })?;
        return Ok(Exit::Yes);
    };
    let rebinned = if args.dry_run {
        rebinner.rehearse(plan, &progress)?
    } else {
        rebinner.commit(plan, &progress)?
    };
    let done = if args.dry_run { "would change" } else { "changed" };
    let changed = Changed { rebinned: &rebinned, advice };
    out.result(&changed, |out| {
        if let Some(advice) = &changed.advice {
            auto::print(advice, path, out)?;
        }
        print(&rebinned, done, path, out)
    })?;
    Ok(Exit::Yes)
}

/// What `--json` prints if the bins are those that were asked for.
#[derive(serde::Serialize)]
struct Nothing {
    from: String,
    to: String,
    files: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

/// What `--json` prints of other bins.
#[derive(serde::Serialize)]
struct Changed<'c> {
    #[serde(flatten)]
    rebinned: &'c Rebinned,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<Advice>,
}

pub(crate) fn print(
    rebinned: &Rebinned,
    done: &str,
    path: &PlaceArgs,
    out: &mut dyn std::io::Write,
) -> std::io::Result<()> {
    let Rebinned { from, to, targets, first_version, stale_roles, published, cost } = rebinned;
    writeln!(out, "{done} {path}: {from}\n{:width$}  to {to}", "", width = done.len())?;
    writeln!(
        out,
        "moved      {} targets, into bins that start at version {first_version}",
        count(*targets)
    )?;
    if *stale_roles > 0 {
        let roles = count(*stale_roles);
        writeln!(out, "stale      {roles} roles stay listed until the snapshot's keys rotate")?;
    }
    written(published, out)?;
    writeln!(
        out,
        "a client   that looks one target up pays {}, one that begins {}",
        bytes(cost.warm_bytes),
        bytes(cost.cold_bytes)
    )?;
    if let (Some(warm), Some(delta)) = (cost.warm_delta_bytes, cost.mean_delta_bytes) {
        let (warm, delta) = (bytes(warm), bytes(delta));
        writeln!(out, "by deltas  {warm}, and {delta} for the bins that come of each further one")?;
    }
    write!(out, "a mirror   pays {}", bytes(cost.mirror_bytes))?;
    match cost.mirror_delta_bytes {
        Some(bundle) => writeln!(out, ", by its bundle {}", bytes(bundle)),
        None => writeln!(out),
    }
}
