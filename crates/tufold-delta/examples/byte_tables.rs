//! Prints what each codec costs on the benchmark documents: bytes with a signature, ratio to the floor, excess over it, and
//! the fastest of some runs. `byte_tables columnar` prints that codec alone; the slow ones take minutes.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    reason = "a program for people; sizes are small"
)]

#[path = "../tests/samples/mod.rs"]
mod samples;

use std::time::Instant;

use samples::Form;
use samples::cases::{self, Case, SIGNATURE_BYTES};
use tufold_delta::{Codec, EncodeOptions, Error, Limits, apply, encode};

const BIN_SEEDS: u64 = 200;

fn main() {
    let chosen: Option<Codec> = std::env::args().nth(1).map(|name| name.parse().unwrap());
    let codecs: Vec<Codec> = chosen.map_or(Codec::ALL.into(), |codec| vec![codec]);
    println!(
        "{:<24} {:<12} {:>8} {:>7} {:>8} {:>8}  MB/s: encode, apply",
        "case", "codec", "bytes", "ratio", "excess", "at most"
    );
    let shares = [0, 1, 16, 164, 1_638, 8_192, 16_384];
    for form in [Form::Versions, Form::Hashes] {
        for changed in shares {
            print(&codecs, &[cases::uniform(form, changed)]);
        }
    }
    for expected in [164.0, 1_638.0, 8_192.0] {
        print(&codecs, &[cases::zipf(expected)]);
    }
    print(&codecs, &[cases::cold()]);
    let projects = samples::dataset();
    for targets in [16, 61, 139, 976] {
        for added in [0, 1, 10] {
            let cases: Vec<_> =
                (0..BIN_SEEDS).map(|seed| cases::bin(targets, added, &projects, seed)).collect();
            print(&codecs, &cases);
        }
    }
}

/// One line for each codec; several cases are averaged.
fn print(codecs: &[Codec], cases: &[Case]) {
    let count = cases.len() as f64;
    let mean = |value: &dyn Fn(&Case) -> f64| cases.iter().map(value).sum::<f64>() / count;
    let floor = mean(&|case| case.floor.bytes);
    let most = mean(&|case| case.most);
    for &codec in codecs {
        let runs: Result<Vec<Run>, Error> = cases.iter().map(|case| run(codec, case)).collect();
        let Ok(runs) = runs else {
            println!("{:<24} {codec:<12} declined", cases[0].name);
            continue;
        };
        let total = |value: &dyn Fn(&Run) -> f64| runs.iter().map(value).sum::<f64>();
        let bytes = total(&|run| run.bytes) / count;
        let megabytes = cases.iter().map(|case| case.new.len() as f64).sum::<f64>() / 1e6;
        let (encoded, applied) =
            (megabytes / total(&|run| run.encode_s), megabytes / total(&|run| run.apply_s));
        let (ratio, excess) = (bytes / floor, bytes - floor);
        let name = &cases[0].name;
        println!(
            "{name:<24} {codec:<12} {bytes:>8.1} {ratio:>7.3} {excess:>8.1} {most:>8.1}  {encoded:.1}, {applied:.0}"
        );
    }
}

struct Run {
    bytes: f64,
    encode_s: f64,
    apply_s: f64,
}

fn run(codec: Codec, case: &Case) -> Result<Run, Error> {
    let base = case.base.as_deref();
    let (delta, encode_s) = fastest(|| encode(codec, base, &case.new, &EncodeOptions::default()));
    let delta = delta?;
    let (found, apply_s) = fastest(|| apply(base, &delta, &Limits::default()));
    assert!(found? == case.new, "{codec} does not rebuild {}", case.name);
    Ok(Run { bytes: (delta.len() as u64 + SIGNATURE_BYTES) as f64, encode_s, apply_s })
}

/// The last result and the shortest time of the runs that fit into a tenth of a second.
fn fastest<T>(mut work: impl FnMut() -> T) -> (T, f64) {
    let started = Instant::now();
    let mut shortest = f64::INFINITY;
    loop {
        let start = Instant::now();
        let result = work();
        shortest = shortest.min(start.elapsed().as_secs_f64());
        if started.elapsed().as_secs_f64() > 0.1 {
            return (result, shortest);
        }
    }
}
