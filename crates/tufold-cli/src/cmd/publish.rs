//! `tufold publish`: changes, and signing again what expires.

use std::path::PathBuf;

use tufold_repo::settings::parse_ladder;
use tufold_repo::targets::{Intake, Source, read_changes};
use tufold_repo::{Input, Memory, Published, Publisher, Refresh, Repository};

use crate::bars;
use crate::cmd::Now;
use crate::cmd::auto::{self, BoundsArgs};
use crate::cmd::init::{waiting, written};
use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out};

/// Publish changes, and sign again what is near its expiry
///
/// Only the roles that change are written, then the snapshot and, last of all, the timestamp. With
/// nothing to change, whatever has lived half of its lifetime is signed again. One publisher works
/// at a time. Stopped half-way, clients keep seeing the old repository whole.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold publish demo --targets datasets/debian-sid-amd64.tsv.zst
  tufold targets diff old.tsv new.tsv | tufold publish demo --changes -
  tufold publish demo
  tufold publish demo --refresh all
  tufold publish demo --changes changes.tsv --auto-rebin
  tufold publish s3://index/public --private keys --changes changes.tsv")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// The whole new list of targets; `-` is standard input
    #[arg(long, value_name = "FILE", conflicts_with = "changes")]
    targets: Option<PathBuf>,
    /// A list of changes; `-` is standard input
    #[arg(long, value_name = "FILE")]
    changes: Option<PathBuf>,
    /// Sign again at once: the name of a targets role, `bins` (every delegated role), `snapshot`,
    /// `timestamp` or `all`
    #[arg(long, value_name = "ROLE")]
    refresh: Vec<Refresh>,
    /// Which deltas this publish and later ones write: pow2:N, climb:N, chain:N, direct:N, tiered:N or off
    #[arg(long, value_name = "LADDER")]
    deltas: Option<String>,
    /// How much memory may be taken: longer lists are sorted in a temporary file beside REPO
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Memory,
    /// Then double the bins if a bound is passed, by a second publish
    #[arg(long)]
    auto_rebin: bool,
    #[command(flatten)]
    bounds: BoundsArgs,
    /// Do everything but write, and print what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let now = args.now.get()?;
    let place = args.place.open()?;
    let input = match (args.targets, args.changes) {
        (Some(path), _) => {
            let (folder, progress) = (place.scratch_folder(), bars::rows("reading targets"));
            Input::Intake(Intake::read(Source::open(&path)?, args.memory, &folder, &progress)?)
        }
        (None, Some(path)) => {
            Input::Changes(read_changes(Source::open(&path)?, &bars::rows("reading changes"))?)
        }
        (None, None) => Input::Nothing,
    };
    let ladder = args.deltas.as_deref().map(parse_ladder).transpose();
    let ladder = ladder.map_err(anyhow::Error::msg)?;
    let mut publisher = Publisher::of(Repository::open_at(place)?)?;
    publisher.set_memory(args.memory);
    if let Some(ladder) = ladder {
        publisher.set_ladder(ladder);
    }
    let progress = bars::bars();
    let plan = publisher.plan(input, &args.refresh.into_iter().collect(), now, &progress)?;
    let path = &args.place;
    let published = if args.dry_run {
        let published = publisher.rehearse(plan, &progress)?;
        drop(publisher);
        published
    } else {
        publisher.commit(plan, &progress)?
    };
    let rebin = match args.auto_rebin {
        true => {
            Some(auto::rebin(path, &args.bounds.get(), args.memory, now, args.dry_run, &progress)?)
        }
        false => None,
    };
    let done = Done { published: &published, rebin };
    out.result(&done, |out| {
        if published.files == 0 {
            writeln!(out, "{path} needs nothing")?;
        } else {
            writeln!(out, "{} {path}", if args.dry_run { "would publish" } else { "published" })?;
            written(&published, out)?;
        }
        waiting(&published, out)?;
        done.rebin.as_ref().map_or(Ok(()), |rebin| rebin.print(path, out))
    })?;
    Ok(Exit::Yes)
}

/// What `--json` prints.
#[derive(serde::Serialize)]
struct Done<'d> {
    #[serde(flatten)]
    published: &'d Published,
    #[serde(skip_serializing_if = "Option::is_none")]
    rebin: Option<auto::AutoRebin>,
}
