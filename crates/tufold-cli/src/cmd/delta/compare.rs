//! `tufold delta compare`: every codec on one pair of files.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use serde::Serialize;
use tufold_delta::{Codec, EncodeOptions, Error, Floor, Limits, apply, encode, fresh_hex_bytes};

use crate::cmd::delta::Pair;
use crate::output::{Exit, Out, bytes};

/// Compare all codecs on two files
///
/// The floor is the strict one: the bytes of signatures and digests in NEW that are not in BASE; everything else
/// counts as known. The break-even bandwidth is that of the line on which fetching and applying the delta takes as
/// long as fetching and unpacking the file in zstd: on any slower line the delta wins.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta compare 1.snapshot.json 2.snapshot.json
  tufold delta compare --no-base 2.snapshot.json --json")]
pub(crate) struct Args {
    #[command(flatten)]
    pair: Pair,
}

/// All codecs on one pair.
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

pub(super) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let (base, new) = args.pair.read()?;
    let base = base.as_deref();
    let floor = Floor::strict(fresh_hex_bytes(base, &new), 0);
    let bar = indicatif::ProgressBar::new(Codec::ALL.len() as u64);
    let mut measured = Vec::new();
    for codec in Codec::ALL {
        measured.push((codec, measure(codec, base, &new)?));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let full = measured.iter().find(|(codec, _)| *codec == Codec::FullZstd);
    let full = full.and_then(|(_, measures)| measures.as_ref()).map(|m| (m.delta, m.apply));
    let comparison = Comparison {
        base_bytes: base.map(|base| base.len() as u64),
        new_bytes: new.len() as u64,
        floor: "strict",
        floor_bytes: floor.bytes,
        codecs: measured.iter().map(|(codec, m)| row(*codec, m.as_ref(), floor, full)).collect(),
    };
    out.result(&comparison, |out| table(&comparison, out))?;
    Ok(Exit::Yes)
}

struct Measures {
    delta: u64,
    encode: Duration,
    apply: Duration,
    peak_encode: Option<u64>,
    peak_apply: Option<u64>,
}

/// `None` if the codec declines the pair.
fn measure(codec: Codec, base: Option<&[u8]>, new: &[u8]) -> anyhow::Result<Option<Measures>> {
    let peak = Peak::start();
    let start = Instant::now();
    let delta = match encode(codec, base, new, &EncodeOptions::default()) {
        Err(Error::Declined { .. }) => return Ok(None),
        delta => delta?,
    };
    let encode = start.elapsed();
    let peak_encode = peak.and_then(Peak::stop);
    let limits = Limits { max_result_len_bytes: new.len() as u64, ..Limits::default() };
    let peak = Peak::start();
    let first = timed(|| apply(base, &delta, &limits))?;
    let peak_apply = peak.and_then(Peak::stop);
    // The fastest of several, for as long as a person does not notice.
    let mut fastest = first;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(100) {
        fastest = fastest.min(timed(|| apply(base, &delta, &limits))?);
    }
    let delta = delta.len() as u64;
    Ok(Some(Measures { delta, encode, apply: fastest, peak_encode, peak_apply }))
}

fn timed(work: impl Fn() -> Result<Vec<u8>, Error>) -> Result<Duration, Error> {
    let start = Instant::now();
    std::hint::black_box(work()?);
    Ok(start.elapsed())
}

fn row(
    codec: Codec,
    measures: Option<&Measures>,
    floor: Floor,
    full: Option<(u64, Duration)>,
) -> Row {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let saved = measures.zip(full).map(|(m, (bytes, apply))| {
        (bytes as f64 - m.delta as f64, m.apply.as_secs_f64() - apply.as_secs_f64())
    });
    let always_wins = saved.is_some_and(|(bytes, seconds)| bytes > 0.0 && seconds <= 0.0);
    let break_even = saved.filter(|(bytes, seconds)| *bytes > 0.0 && *seconds > 0.0);
    Row {
        codec: codec.name(),
        bytes: measures.map(|m| m.delta),
        ratio: measures.map(|m| floor.ratio(m.delta)).filter(|ratio| ratio.is_finite()),
        excess_bytes: measures.map(|m| floor.excess_bytes(m.delta)),
        encode_ms: measures.map(|m| ms(m.encode)),
        apply_ms: measures.map(|m| ms(m.apply)),
        peak_encode_bytes: measures.and_then(|m| m.peak_encode),
        peak_apply_bytes: measures.and_then(|m| m.peak_apply),
        break_even_mbit_per_s: break_even.map(|(bytes, seconds)| bytes * 8.0 / seconds / 1e6),
        always_wins,
    }
}

fn table(comparison: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let base = comparison.base_bytes.map_or("nothing".to_owned(), bytes);
    writeln!(out, "from {base} to {}", bytes(comparison.new_bytes))?;
    writeln!(out, "{} floor: {:.0} bytes", comparison.floor, comparison.floor_bytes)?;
    writeln!(
        out,
        "{:12} {:>10} {:>8} {:>10} {:>10} {:>10} {:>11} {:>11} {:>12}",
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
    for row in &comparison.codecs {
        let Some(length) = row.bytes else {
            writeln!(out, "{:12} declines", row.codec)?;
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
            "{:12} {length:>10} {ratio:>8} {:>10.0} {:>10} {:>10} {:>11} {:>11} {break_even:>12}",
            row.codec,
            row.excess_bytes.unwrap_or_default(),
            time(row.encode_ms),
            time(row.apply_ms),
            memory(row.peak_encode_bytes),
            memory(row.peak_apply_bytes),
        )?;
    }
    Ok(())
}

/// The growth of this process's memory, where Linux says it.
struct Peak {
    before: u64,
}

impl Peak {
    /// Sets the kernel's high-water mark back to what is in use.
    fn start() -> Option<Self> {
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { before: status_bytes("VmRSS:")? })
    }

    fn stop(self) -> Option<u64> {
        Some(status_bytes("VmHWM:")?.saturating_sub(self.before))
    }
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
