//! `tufold prune`: removes old versions.

use tufold_repo::settings::Lifetime;
use tufold_repo::{Pruner, Repository};

use crate::bars;
use crate::cmd::Now;
use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out, bytes, count};

/// Remove old versions that no client can still want
///
/// Whatever was current at any moment of the last `--keep` stays, and so do all roots.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold prune demo --keep 48h
  tufold prune demo --keep 7d --dry-run
  tufold prune s3://index/public --private keys --keep 48h")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// How long a version stays after it was superseded
    #[arg(long, value_name = "TIME", default_value = "48h")]
    keep: Lifetime,
    /// Print what would be removed
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let pruner = Pruner::of(Repository::open_at(args.place.open()?)?)?;
    let plan = pruner.plan(args.keep, args.now.get()?)?;
    if !args.dry_run {
        pruner.commit(&plan, &bars::bars())?;
    }
    out.result(&plan, |out| {
        let done = if args.dry_run { "would remove" } else { "removed" };
        let (files, size) = (count(plan.files), bytes(plan.bytes));
        writeln!(out, "{done} {files} files ({size}) older than snapshot {}", plan.oldest_snapshot)
    })?;
    Ok(Exit::Yes)
}
