//! `tufold init`: a new repository.

use std::path::PathBuf;

use tufold_growth::{Form, bins_for};
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::settings::{Lifetime, Lifetimes, RoleKind, Settings, parse_ladder};
use tufold_repo::targets::{Intake, Source};
use tufold_repo::{KeyRequest, Memory, NewRepository, Published};

use crate::bars;
use crate::cmd::place::PlaceArgs;
use crate::cmd::{Now, named_command, of_kind, signers};
use crate::output::{Exit, Out, bytes, count};

/// Make a signed TUF repository from a list of targets
///
/// REPO/public is what a web server serves, REPO/private holds keys and settings. The list is TSV
/// (path, length, sha256) or JSON Lines, plain, gzip or zstd. Stopped half-way, nothing is
/// published; the same command then takes the work up again.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold init demo --targets datasets/debian-forky-amd64.tsv.zst --bins 1024
  tufold init demo --targets list.jsonl --bins 16384 --delegation bins-prefixes --snapshot hashes
  tufold init demo --targets list.tsv --bins 256 --keys keys/ --threshold root=2 --expires bins=1d
  tufold init demo --targets list.tsv.zst --bins auto
  tufold init demo --targets list.tsv --bins 4096 --dry-run --json
  tufold init demo --targets ten-million.tsv.zst --bins 65536 --memory 512MiB
  tufold init s3://index/public --private keys --targets list.tsv --bins 4096")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// The list of targets; `-` is standard input
    #[arg(long, value_name = "FILE")]
    targets: PathBuf,
    /// How targets are spread over roles: flat, projects-listed, projects-wildcard, bins-prefixes
    /// (PEP 458) or bins-succinct (TAP 15)
    #[arg(long, value_name = "FORM", default_value = "bins-succinct")]
    delegation: String,
    /// How many bins: a power of two, or auto for as many as `tufold plan` finds best for a list of this length
    #[arg(long, value_name = "N", value_parser = parse_bins)]
    bins: Option<BinCount>,
    /// What the snapshot says of each role: versions, or hashes (version, length and SHA-256)
    #[arg(long, value_name = "FORM", default_value = "versions")]
    snapshot: SnapshotForm,
    /// How long a kind of role is valid: root, targets, bins, snapshot or timestamp, as in
    /// `bins=90d`
    #[arg(long, value_name = "ROLE=TIME", value_parser = of_kind::<Lifetime>)]
    expires: Vec<(RoleKind, Lifetime)>,
    /// A folder with keys in PEM, `<role>.pem` and `<role>-<any>.pem` for each of root, targets,
    /// bins, snapshot and timestamp; without it, Ed25519 keys are made. A public key stands for a
    /// private one that is elsewhere
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// A program that signs for the public key NAME.pem in --keys, as in `timestamp-kms=kms-sign 7`: the message is on its standard
    /// input, and it prints the signature, raw or in hex
    #[arg(long, value_name = "NAME=CMD", value_parser = named_command, requires = "keys")]
    signer: Vec<(String, String)>,
    /// How long a program may take to sign
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "signer")]
    signer_timeout: Lifetime,
    /// How many keys are made for a kind of role
    #[arg(long, value_name = "ROLE=N", value_parser = of_kind::<u64>)]
    key_count: Vec<(RoleKind, u64)>,
    /// How many keys of a kind of role have to sign
    #[arg(long, value_name = "ROLE=N", value_parser = of_kind::<u64>)]
    threshold: Vec<(RoleKind, u64)>,
    /// Which deltas are kept for clients and mirrors: pow2:N (to N versions back), climb:N, chain:N, direct:N, tiered:N or
    /// off
    #[arg(long, value_name = "LADDER", default_value = "pow2:1024")]
    deltas: String,
    /// How much memory may be taken: longer lists are sorted in a temporary file beside REPO, and a form that puts all targets
    /// into one document refuses what will not fit
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Memory,
    /// Do everything but write, and print what would be written
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

/// What `--bins` may be.
#[derive(Clone, Copy, Debug)]
enum BinCount {
    Auto,
    Count(u64),
}

fn parse_bins(text: &str) -> Result<BinCount, String> {
    match text {
        "auto" => Ok(BinCount::Auto),
        _ => text
            .parse()
            .map(BinCount::Count)
            .map_err(|_| format!("`{text}` is no number and not auto")),
    }
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let now = args.now.get()?;
    let place = args.place.open()?;
    let folder = place.scratch_folder();
    let read = || {
        let progress = bars::rows("reading targets");
        Intake::read(Source::open(&args.targets)?, args.memory, &folder, &progress)
    };
    let (bins, list) = match args.bins {
        Some(BinCount::Auto) => {
            let list = read()?;
            let form = Form::ALL.into_iter().find(|form| form.name() == args.delegation);
            let targets = list.rows();
            let bins = form.filter(|form| form.has_bins()).map(|form| bins_for(targets, form));
            (bins.transpose()?, Some(list))
        }
        Some(BinCount::Count(bins)) => (Some(bins), None),
        None => (None, None),
    };
    let delegation = Delegation::from_parts(&args.delegation, bins)?;
    let mut lifetimes = Lifetimes::default();
    for (kind, lifetime) in args.expires {
        lifetimes.set(kind, lifetime);
    }
    let layout = Layout { delegation, snapshot: args.snapshot };
    let ladder = parse_ladder(&args.deltas).map_err(anyhow::Error::msg)?;
    let settings = Settings { layout, lifetimes, ladder, signers: Default::default() };
    let request = KeyRequest {
        folder: args.keys,
        counts: args.key_count.into_iter().collect(),
        thresholds: args.threshold.into_iter().collect(),
        signers: signers(args.signer, args.signer_timeout),
    };
    place.require_unused()?;
    // Making keys takes some hundredths of a second of one core.
    let prepare = || NewRepository::prepare_at(place, settings, &request, now);
    let (repository, list) = match list {
        Some(list) => (prepare(), Ok(list)),
        None => rayon::join(prepare, read),
    };
    let (repository, list) = (repository?, list?);
    let plan = repository.plan(list)?;
    let progress = bars::bars();
    let published = if args.dry_run {
        repository.rehearse(plan, &progress)?
    } else {
        repository.commit(plan, &progress)?
    };
    out.result(&published, |out| {
        let done = if args.dry_run { "would make" } else { "made" };
        let path = &args.place;
        writeln!(out, "{done} {path}: {layout}")?;
        written(&published, out)
    })?;
    Ok(Exit::Yes)
}

/// The figures of a publish, as `init` and `publish` print them.
pub(crate) fn written(published: &Published, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let Published {
        summary, files, targets_bytes, snapshot_bytes, timestamp_bytes, deltas, ..
    } = published;
    let counts = summary.counts;
    let (added, changed, removed) =
        (count(counts.added), count(counts.changed), count(counts.removed));
    writeln!(out, "targets    {added} added, {changed} changed, {removed} removed")?;
    let resigned = match summary.resigned {
        0 => String::new(),
        n => format!(", {} only signed again", count(n)),
    };
    writeln!(
        out,
        "roles      {} written{resigned}, {}",
        count(summary.roles),
        bytes(*targets_bytes)
    )?;
    if let Some(version) = summary.snapshot_version {
        writeln!(out, "snapshot   version {version}, {}", bytes(*snapshot_bytes))?;
    }
    if let Some(version) = summary.timestamp_version {
        writeln!(out, "timestamp  version {version}, {}", bytes(*timestamp_bytes))?;
    }
    if let Some(deltas) = deltas {
        let step = bytes(deltas.step_bytes);
        writeln!(
            out,
            "deltas     {}, {}; one step {step}",
            count(deltas.files),
            bytes(deltas.bytes)
        )?;
        if deltas.declined > 0 {
            writeln!(out, "           {} bundles could not be made", count(deltas.declined))?;
        }
        if deltas.without_base > 0 {
            writeln!(
                out,
                "           {} lacked an old version to start from",
                count(deltas.without_base)
            )?;
        }
    }
    writeln!(out, "files      {}", count(*files))
}

/// What is due to be signed again by a rotation, a line each.
pub(crate) fn waiting(published: &Published, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    published.summary.waiting.iter().try_for_each(|waiting| {
        let (role, expires, command) = (waiting.role, waiting.expires, &waiting.command);
        writeln!(out, "{role} expires at {expires}: {command}")
    })
}
