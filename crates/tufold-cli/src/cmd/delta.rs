//! `tufold delta`: makes, applies, inspects and compares deltas of two files.

mod compare;

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use clap::Subcommand;
use serde::Serialize;
use tufold_delta::{Codec, EncodeOptions, Header, Limits, apply, encode, encode_smallest};
use tufold_repo::targets::Draft;

use crate::output::{Exit, Out, bytes};

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
    Inspect(InspectArgs),
    Compare(compare::Args),
}

/// Make the delta that turns BASE into NEW
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta encode 1.snapshot.json 2.snapshot.json -o 1-2
  tufold delta encode --no-base 2.snapshot.json -o 0-2
  tufold delta encode old.json new.json -o patch --codec zstd")]
struct EncodeArgs {
    #[command(flatten)]
    pair: Pair,
    /// Where the delta goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// columnar, zstd, bsdiff, json-patch, merge-patch, full-zstd, full-gzip, or auto: the smallest
    #[arg(long, value_name = "CODEC", default_value = "auto", value_parser = codec_choice)]
    codec: Choice,
}

/// Rebuild NEW from BASE and a delta
///
/// If anything is wrong, there is no output file.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta apply 1.snapshot.json 1-2 -o 2.snapshot.json
  tufold delta apply --no-base 0-2 -o 2.snapshot.json")]
struct ApplyArgs {
    /// What the delta starts from, and the delta; only the delta with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["BASE", "DELTA"])]
    files: Vec<PathBuf>,
    /// The delta starts from nothing
    #[arg(long)]
    no_base: bool,
    /// Where the rebuilt file goes
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The longest file that may be rebuilt, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_result_len_bytes)]
    max_length: u64,
}

/// Show what a delta says of itself
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta inspect 1-2
  tufold delta inspect 1-2 --json")]
struct InspectArgs {
    /// The delta
    delta: PathBuf,
}

/// Two files, or one without a base.
#[derive(clap::Args, Debug)]
struct Pair {
    /// The file before and the file after; only the file after with --no-base
    #[arg(required = true, num_args = 1..=2, value_names = ["BASE", "NEW"])]
    files: Vec<PathBuf>,
    /// Start from nothing, as a client does that holds no old file
    #[arg(long)]
    no_base: bool,
}

impl Pair {
    fn read(&self) -> anyhow::Result<(Option<Vec<u8>>, Vec<u8>)> {
        let (base, new) = split(&self.files, self.no_base, "NEW")?;
        Ok((base.map(read).transpose()?, read(new)?))
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
        Command::Inspect(args) => run_inspect(&args, out),
        Command::Compare(args) => compare::run(args, out),
    }
}

/// What was made or rebuilt.
#[derive(Serialize)]
struct Done {
    codec: &'static str,
    delta_bytes: u64,
    new_bytes: u64,
}

fn run_encode(args: &EncodeArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (base, new) = args.pair.read()?;
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

fn run_apply(args: &ApplyArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (base, delta) = split(&args.files, args.no_base, "DELTA")?;
    let base = base.map(read).transpose()?;
    let delta = read(delta)?;
    let limits = Limits { max_result_len_bytes: args.max_length, ..Limits::default() };
    let new = apply(base.as_deref(), &delta, &limits)?;
    write(&args.output, &new)?;
    let (header, _) = Header::parse(&delta)?;
    let (delta_bytes, new_bytes) = (delta.len() as u64, new.len() as u64);
    let done = Done { codec: header.codec.name(), delta_bytes, new_bytes };
    out.result(&done, |out| writeln!(out, "{}: {new_bytes} bytes", args.output.display()))?;
    Ok(Exit::Yes)
}

/// A delta's header.
#[derive(Serialize)]
struct Inspection {
    codec: &'static str,
    prediction_kind: u8,
    delta_bytes: u64,
    payload_bytes: u64,
    base_bytes: Option<u64>,
    new_bytes: Option<u64>,
}

fn run_inspect(args: &InspectArgs, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let delta = read(&args.delta)?;
    let (header, payload) =
        Header::parse(&delta).with_context(|| args.delta.display().to_string())?;
    let inspection = Inspection {
        codec: header.codec.name(),
        prediction_kind: header.prediction_kind,
        delta_bytes: delta.len() as u64,
        payload_bytes: payload.len() as u64,
        base_bytes: header.prediction.len_bytes,
        new_bytes: header.result.len_bytes,
    };
    out.result(&inspection, |out| {
        writeln!(out, "codec       {}", inspection.codec)?;
        writeln!(out, "prediction  kind {}", inspection.prediction_kind)?;
        match inspection.base_bytes {
            None => writeln!(out, "base        none")?,
            Some(length) => writeln!(out, "base        {length} bytes")?,
        }
        writeln!(out, "new         {} bytes", inspection.new_bytes.unwrap_or_default())?;
        let header = inspection.delta_bytes - inspection.payload_bytes;
        writeln!(out, "header      {header} bytes")?;
        writeln!(out, "payload     {}", bytes(inspection.payload_bytes))
    })?;
    Ok(Exit::Yes)
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
