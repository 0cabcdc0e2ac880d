//! `tufold rebin`: other bins, while clients keep running.

use anyhow::ensure;
use tufold_repo::layout::Delegation;
use tufold_repo::{Rebinned, Rebinner, Repository};

use crate::bars;
use crate::cmd::Now;
use crate::cmd::init::written;
use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out, bytes, count};

/// Change the number of bins, or move targets into bins
///
/// One publish writes all new bins; stopped half-way, clients keep seeing the old ones. Clients follow without a word. Bins that
/// are no longer delegated stay listed in the snapshot, as TUF asks, until `tufold rotate --role snapshot` replaces its keys.
/// The top-level targets role has to be signed, unless prefix bins stay prefix bins.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold rebin demo --bins 2048 --dry-run
  tufold rebin demo --bins 2048
  tufold rebin demo --bins 2048 --delegation bins-prefixes
  tufold rotate demo --role snapshot --role timestamp")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// How many bins: a power of two
    #[arg(long, value_name = "N")]
    bins: u64,
    /// bins-prefixes (PEP 458) or bins-succinct (TAP 15); without it, the form stays, and what had no bins gets succinct ones
    #[arg(long, value_name = "FORM")]
    delegation: Option<String>,
    /// How many keys have to sign bins, where the repository was flat
    #[arg(long, value_name = "N")]
    threshold: Option<u64>,
    /// Do everything but write, and print what would be written and what each reader pays for it
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let now = args.now.get()?;
    let path = &args.place;
    let rebinner = Rebinner::of(Repository::open_at(path.open()?)?)?;
    let from = rebinner.delegation();
    let kept = if from.bit_length().is_some() { from.name() } else { "bins-succinct" };
    let form = args.delegation.as_deref().unwrap_or(kept);
    let to = Delegation::from_parts(form, Some(args.bins))?;
    ensure!(to.bit_length().is_some(), "--delegation {form} has no bins");
    let progress = bars::bars();
    let Some(plan) = rebinner.plan(to, args.threshold, now, &progress)? else {
        return out
            .result(
                &serde_json::json!({"from": from.to_string(), "to": to.to_string(), "files": 0}),
                |out| writeln!(out, "{path} is {to} already"),
            )
            .map(|()| Exit::Yes);
    };
    let rebinned = if args.dry_run {
        rebinner.rehearse(plan, &progress)?
    } else {
        rebinner.commit(plan, &progress)?
    };
    out.result(&rebinned, |out| {
        let done = if args.dry_run { "would change" } else { "changed" };
        print(&rebinned, done, path, out)
    })?;
    Ok(Exit::Yes)
}

fn print(
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
    writeln!(out, "a mirror   pays {}", bytes(cost.mirror_bytes))
}
