//! `tufold delta`: makes, applies, inspects and compares deltas of two files or two repositories.

mod compare;
mod form;
mod inspect;
mod measure;

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use serde::Serialize;
use tufold_delta::{Codec, EncodeOptions, Header, Limits, apply, encode, encode_smallest};
use tufold_repo::targets::Draft;
use tufold_repo::{Mirror, Step};

use crate::bars;
use crate::cmd::delta::form::Form;
use crate::output::{Exit, Out, count};

/// Make, apply, inspect and compare deltas
///
/// A delta holds what turns one exact file into another. It is no source of trust: what it rebuilds is
/// verified like a file that was fetched.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Encode(EncodeArgs),
    Apply(ApplyArgs),
    Inspect(inspect::Args),
    Compare(compare::Args),
}

/// Make the delta that turns BASE into NEW
///
/// Of two repositories it makes the bundle that a mirror fetches. A repository is a folder that init made, or any folder
/// with metadata/ as a mirror has; what its timestamp lists is the state that counts.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta encode 1.snapshot.json 2.snapshot.json -o 1-2
  tufold delta encode --no-base 2.snapshot.json -o 0-2
  tufold delta encode old.json new.json -o patch --codec zstd
  tufold delta encode demo-yesterday demo -o bundle")]
struct EncodeArgs {
    #[command(flatten)]
    pair: Pair,
    /// Where the delta goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// columnar, zstd, bsdiff, json-patch, merge-patch, full-zstd, full-gzip, or auto: the smallest; of repositories
    /// columnar, as publish has it
    #[arg(long, value_name = "CODEC", default_value = "auto", value_parser = codec_choice)]
    codec: Choice,
}

/// Rebuild NEW from BASE and a delta
///
/// If anything is wrong, there is no output. What is rebuilt was not verified: a client still has to.
///
/// From a repository and a bundle it makes a folder with metadata/: the roots and targets roles and the snapshot, but no
/// timestamp, which is always fetched. The repository may be newer than what the bundle starts from, if it still holds
/// the files.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta apply 1.snapshot.json 1-2 -o 2.snapshot.json
  tufold delta apply --no-base 0-2 -o 2.snapshot.json
  tufold delta apply demo-yesterday bundle -o rebuilt
  tufold delta apply demo demo/public/deltas/mirror/1-2 -o rebuilt")]
struct ApplyArgs {
    /// What the delta starts from, and the delta; only the delta with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["BASE", "DELTA"])]
    files: Vec<PathBuf>,
    /// The delta starts from nothing
    #[arg(long)]
    no_base: bool,
    /// Where the rebuilt file goes, or the rebuilt folder
    #[arg(short, long, value_name = "PATH")]
    output: PathBuf,
    /// The longest document that may be rebuilt, in bytes; of a bundle all that changed counts as one
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_result_len_bytes)]
    max_length: u64,
}

/// Two files or two repositories, or one file without a base.
#[derive(clap::Args, Debug)]
struct Pair {
    /// The file or repository before, and after; only the file after with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["BASE", "NEW"])]
    files: Vec<PathBuf>,
    /// Start from nothing, as a client does that holds no old file
    #[arg(long)]
    no_base: bool,
}

/// What a pair holds.
enum Input {
    Files { base: Option<Vec<u8>>, new: Vec<u8> },
    Repositories { old: Box<Mirror>, new: Box<Mirror> },
}

impl Pair {
    fn read(&self) -> anyhow::Result<Input> {
        let (base, new) = split(&self.files, self.no_base, "NEW")?;
        let open = |path| Mirror::open(path).map(Box::new);
        match base {
            Some(base) if base.is_dir() && new.is_dir() => {
                Ok(Input::Repositories { old: open(base)?, new: open(new)? })
            }
            Some(base) if base.is_dir() || new.is_dir() => {
                let (base, new) = (base.display(), new.display());
                bail!("{base} and {new} are a file and a folder: a delta goes from like to like")
            }
            None if new.is_dir() => {
                bail!("{} is a folder, and a bundle needs an old repository", new.display())
            }
            base => Ok(Input::Files { base: base.map(read).transpose()?, new: read(new)? }),
        }
    }
}

/// Which codec to use.
#[derive(Clone, Copy, Debug)]
enum Choice {
    Smallest,
    One(Codec),
}

fn codec_choice(text: &str) -> Result<Choice, String> {
    match text {
        "auto" => Ok(Choice::Smallest),
        text => {
            text.parse().map(Choice::One).map_err(|error: tufold_delta::Error| error.to_string())
        }
    }
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    match args.command {
        Command::Encode(args) => run_encode(&args, out),
        Command::Apply(args) => run_apply(&args, out),
        Command::Inspect(args) => inspect::run(&args, out),
        Command::Compare(args) => compare::run(&args, out),
    }
}

/// What was made or rebuilt.
#[derive(Serialize)]
struct Done {
    codec: &'static str,
    delta_bytes: u64,
    new_bytes: u64,
}

/// The bundle that was made or applied.
#[derive(Serialize)]
struct BundleDone {
    bundle_bytes: u64,
    old_snapshot: u64,
    new_snapshot: u64,
    /// How many roles it brings; `None` where none was rebuilt.
    roles: Option<u64>,
}

fn run_encode(args: &EncodeArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (base, new) = match args.pair.read()? {
        Input::Files { base, new } => (base, new),
        Input::Repositories { old, new } => return encode_bundle(args, &old, &new, out),
    };
    let options = EncodeOptions::default();
    let delta = match args.codec {
        Choice::Smallest => encode_smallest(base.as_deref(), &new, &options)?,
        Choice::One(codec) => encode(codec, base.as_deref(), &new, &options)?,
    };
    write(&args.output, &delta)?;
    let (header, _) = Header::parse(&delta)?;
    let (delta_bytes, new_bytes) = (delta.len() as u64, new.len() as u64);
    let done = Done { codec: header.codec.name(), delta_bytes, new_bytes };
    out.result(&done, |out| {
        let path = args.output.display();
        writeln!(out, "{path}: {delta_bytes} bytes by {} for {new_bytes}", done.codec)
    })?;
    Ok(Exit::Yes)
}

fn encode_bundle(
    args: &EncodeArgs,
    old: &Mirror,
    new: &Mirror,
    out: &mut Out<'_>,
) -> anyhow::Result<Exit> {
    let codec = match args.codec {
        Choice::Smallest => None,
        Choice::One(codec) => Some(codec),
    };
    let bundle = Step::of(old, new)?.bundle(codec)?;
    write(&args.output, &bundle)?;
    let (from, to) = (old.version().get(), new.version().get());
    let bundle_bytes = bundle.len() as u64;
    let done = BundleDone { bundle_bytes, old_snapshot: from, new_snapshot: to, roles: None };
    out.result(&done, |out| {
        let path = args.output.display();
        writeln!(out, "{path}: {bundle_bytes} bytes from snapshot {from} to {to}")
    })?;
    Ok(Exit::Yes)
}

fn run_apply(args: &ApplyArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (base, file) = split(&args.files, args.no_base, "DELTA")?;
    let limits = Limits { max_result_len_bytes: args.max_length, ..Limits::default() };
    let bytes = read(file)?;
    let about = || match base {
        Some(base) => format!("cannot apply {} to {}", file.display(), base.display()),
        None => format!("cannot apply {}", file.display()),
    };
    let form = Form::of(&bytes).with_context(about)?;
    match (form, base) {
        (Form::Delta(_), Some(base)) if base.is_dir() => {
            bail!("{} is the delta of one file, {} a folder", file.display(), base.display())
        }
        (Form::Delta(delta), base) => {
            let base = base.map(read).transpose()?;
            let new = apply(base.as_deref(), delta, &limits).with_context(about)?;
            write(&args.output, &new)?;
            let (header, _) = Header::parse(delta)?;
            let (delta_bytes, new_bytes) = (delta.len() as u64, new.len() as u64);
            let done = Done { codec: header.codec.name(), delta_bytes, new_bytes };
            out.result(&done, |out| writeln!(out, "{}: {new_bytes} bytes", args.output.display()))?;
        }
        (Form::Bundle { .. }, Some(base)) if base.is_dir() => {
            let old = Mirror::open(base)?;
            let done = apply_bundle(old, &bytes, &limits, &args.output).with_context(about)?;
            out.result(&done, |out| {
                let (path, to) = (args.output.display(), done.new_snapshot);
                let roles = count(done.roles.unwrap_or_default());
                writeln!(out, "{path}: snapshot {to}, with {roles} roles that changed")
            })?;
        }
        (Form::Bundle { .. }, _) => {
            bail!("{} is a bundle, which applies to a repository", file.display())
        }
        (Form::Bins(_), _) => bail!(
            "{} makes new bins of old ones; only a client with the keys can put them together",
            file.display()
        ),
        (Form::Edge { .. }, _) => bail!(
            "{} is an edge of a ladder: signatures and a delta of what they sign; only a client \
             with the keys can put them together",
            file.display()
        ),
    }
    Ok(Exit::Yes)
}

fn apply_bundle(
    old: Mirror,
    bundle: &[u8],
    limits: &Limits,
    to: &Path,
) -> anyhow::Result<BundleDone> {
    let old = old.at_start_of(bundle)?;
    let rebuilt = old.open_bundle(bundle, limits)?.rebuild()?;
    let version = old.write_next(&rebuilt, to, &bars::bars())?;
    Ok(BundleDone {
        bundle_bytes: bundle.len() as u64,
        old_snapshot: old.version().get(),
        new_snapshot: version.get(),
        roles: Some(rebuilt.roles.len() as u64),
    })
}

/// Limits for deltas that were made a moment ago.
fn unlimited() -> Limits {
    Limits { max_delta_len_bytes: u64::MAX, max_result_len_bytes: u64::MAX }
}

/// The base, if there is one, and the other file.
fn split<'f>(
    files: &'f [PathBuf],
    no_base: bool,
    other: &str,
) -> anyhow::Result<(Option<&'f Path>, &'f Path)> {
    match files {
        [base, new] => {
            ensure!(!no_base, "--no-base goes with {other} alone, not with a BASE");
            Ok((Some(base), new))
        }
        [new] => {
            ensure!(no_base, "BASE and {other} are needed, or --no-base and {other}");
            Ok((None, new))
        }
        _ => anyhow::bail!("BASE and {other} are needed"),
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The file appears whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    Ok(Draft::write(path, |out| out.write_all(bytes))?.commit()?)
}
