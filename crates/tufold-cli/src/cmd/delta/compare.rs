//! `tufold delta compare`: every codec on one pair of files, or of repositories.

mod repositories;

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use tufold_delta::{Codec, EncodeOptions, Error, Floor, Limits, apply, encode, fresh_hex_bytes};

use super::measure::{Measures, measure};
use super::{Input, Pair};
use crate::bars;
use crate::output::{Exit, Out, bytes};

/// Compare all codecs on two files, or two repositories
///
/// The floor is the strict one: the bytes of signatures and digests in NEW that are not in BASE; everything else
/// counts as known. The break-even bandwidth is that of the line on which fetching and applying the delta takes as
/// long as fetching and unpacking the file in zstd: on any slower line the delta wins. Peak memory is by how much this
/// process grew: what an earlier line of the table has freed is used again and does not count.
///
/// Of two repositories, the bundle that a mirror fetches stands beside the deltas of all documents that changed, each
/// with its signatures, and beside those documents fetched whole. The times of a bundle include reading the files.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta compare 1.snapshot.json 2.snapshot.json
  tufold delta compare --no-base 2.snapshot.json --json
  tufold delta compare demo-yesterday demo")]
pub(crate) struct Args {
    #[command(flatten)]
    pair: Pair,
}

/// All codecs on one pair of files.
#[derive(Serialize)]
struct Comparison {
    base_bytes: Option<u64>,
    new_bytes: u64,
    floor: &'static str,
    floor_bytes: f64,
    codecs: Vec<Row>,
}

/// One codec. `None` where it declined, or where the system does not say.
#[derive(Serialize)]
struct Row {
    codec: &'static str,
    bytes: Option<u64>,
    ratio: Option<f64>,
    excess_bytes: Option<f64>,
    encode_ms: Option<f64>,
    apply_ms: Option<f64>,
    peak_encode_bytes: Option<u64>,
    peak_apply_bytes: Option<u64>,
    /// `None` with `always_wins`: there is no line on which the full file is faster.
    break_even_mbit_per_s: Option<f64>,
    always_wins: bool,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    match args.pair.read()? {
        Input::Files { base, new } => files(base.as_deref(), &new, out),
        Input::Repositories { old, new } => repositories::run(&old, &new, out),
    }
}

fn files(base: Option<&[u8]>, new: &[u8], out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let floor = Floor::strict(fresh_hex_bytes(base, new), 0);
    let bar = bars::steps("comparing codecs", Codec::ALL.len() as u64);
    let mut measured = Vec::new();
    for codec in Codec::ALL {
        measured.push((codec, measure_file(codec, base, new)?));
        bar.inc(1);
    }
    let full = measured.iter().find(|(codec, _)| *codec == Codec::FullZstd);
    let full = full.and_then(|(_, measures)| measures.as_ref()).map(|m| (m.bytes, m.apply));
    let row =
        |(codec, m): &(Codec, Option<Measures>)| Row::new(codec.name(), m.as_ref(), floor, full);
    let comparison = Comparison {
        base_bytes: base.map(|base| base.len() as u64),
        new_bytes: new.len() as u64,
        floor: "strict",
        floor_bytes: floor.bytes,
        codecs: measured.iter().map(row).collect(),
    };
    drop(bar);
    out.result(&comparison, |out| {
        let base = comparison.base_bytes.map_or("nothing".to_owned(), bytes);
        writeln!(out, "from {base} to {}", bytes(comparison.new_bytes))?;
        writeln!(out, "{} floor: {:.0} bytes", comparison.floor, comparison.floor_bytes)?;
        table(comparison.codecs.iter().map(|row| (row.codec.to_owned(), row)), out)
    })?;
    Ok(Exit::Yes)
}

/// `None` if the codec declines the pair.
fn measure_file(codec: Codec, base: Option<&[u8]>, new: &[u8]) -> anyhow::Result<Option<Measures>> {
    let limits = Limits { max_result_len_bytes: new.len() as u64, ..Limits::default() };
    measure(
        || made(encode(codec, base, new, &EncodeOptions::default())),
        |delta: &Vec<u8>| delta.len() as u64,
        |delta| {
            black_box(apply(base, delta, &limits)?);
            Ok(())
        },
    )
}

/// `None` for a codec that declined.
fn made(delta: Result<Vec<u8>, Error>) -> anyhow::Result<Option<Vec<u8>>> {
    match delta {
        Err(Error::Declined { .. }) => Ok(None),
        delta => Ok(Some(delta?)),
    }
}

impl Row {
    /// `full` is what the whole thing in zstd takes: bytes, and time to unpack.
    fn new(
        codec: &'static str,
        measures: Option<&Measures>,
        floor: Floor,
        full: Option<(u64, Duration)>,
    ) -> Self {
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let saved = measures.zip(full).map(|(m, (bytes, apply))| {
            (bytes as f64 - m.bytes as f64, m.apply.as_secs_f64() - apply.as_secs_f64())
        });
        let always_wins = saved.is_some_and(|(bytes, seconds)| bytes > 0.0 && seconds <= 0.0);
        let break_even = saved.filter(|(bytes, seconds)| *bytes > 0.0 && *seconds > 0.0);
        Self {
            encode_ms: measures.map(|m| ms(m.encode)),
            apply_ms: measures.map(|m| ms(m.apply)),
            peak_encode_bytes: measures.and_then(|m| m.peak_encode),
            peak_apply_bytes: measures.and_then(|m| m.peak_apply),
            break_even_mbit_per_s: break_even.map(|(bytes, seconds)| bytes * 8.0 / seconds / 1e6),
            always_wins,
            ..Self::of_bytes(codec, measures.map(|m| m.bytes), floor)
        }
    }

    /// A row without times.
    fn of_bytes(codec: &'static str, bytes: Option<u64>, floor: Floor) -> Self {
        Self {
            codec,
            bytes,
            ratio: bytes.map(|bytes| floor.ratio(bytes)).filter(|ratio| ratio.is_finite()),
            excess_bytes: bytes.map(|bytes| floor.excess_bytes(bytes)),
            encode_ms: None,
            apply_ms: None,
            peak_encode_bytes: None,
            peak_apply_bytes: None,
            break_even_mbit_per_s: None,
            always_wins: false,
        }
    }
}

/// Prints rows with their labels.
fn table<'r>(rows: impl Iterator<Item = (String, &'r Row)>, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<_> = rows.collect();
    let width = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0).max(12);
    writeln!(
        out,
        "{:width$} {:>10} {:>8} {:>10} {:>11} {:>11} {:>11} {:>11} {:>12}",
        "codec",
        "bytes",
        "x floor",
        "excess",
        "encode",
        "apply",
        "peak enc.",
        "peak apply",
        "break-even"
    )?;
    for (label, row) in rows {
        let Some(length) = row.bytes else {
            writeln!(out, "{label:width$} declines")?;
            continue;
        };
        let ratio = row.ratio.map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let time = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.2} ms"));
        let memory = |length: Option<u64>| length.map_or("-".to_owned(), bytes);
        let break_even = match row.break_even_mbit_per_s {
            Some(rate) => format!("{rate:.0} Mbit/s"),
            None if row.always_wins => "any line".to_owned(),
            None => "-".to_owned(),
        };
        writeln!(
            out,
            "{label:width$} {length:>10} {ratio:>8} {:>10.0} {:>11} {:>11} {:>11} {:>11} {break_even:>12}",
            row.excess_bytes.unwrap_or_default(),
            time(row.encode_ms),
            time(row.apply_ms),
            memory(row.peak_encode_bytes),
            memory(row.peak_apply_bytes),
        )?;
    }
    Ok(())
}
