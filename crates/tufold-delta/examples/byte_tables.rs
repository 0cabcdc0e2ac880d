//! Prints what the codecs cost on the benchmark documents.
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an example prints"
)]

#[path = "../tests/samples/mod.rs"]
mod samples;

use samples::{Form, Noise, Snapshot, Targets};
use std::time::Instant;
use tufold_delta::{Codec, EncodeOptions, Limits, apply, encode};

fn size(base: Option<&[u8]>, new: &[u8]) -> (usize, f64, f64) {
    let start = Instant::now();
    let delta = encode(Codec::Columnar, base, new, &EncodeOptions::default()).unwrap();
    let encoded = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let mut times = 0;
    while times < 5 {
        assert_eq!(apply(base, &delta, &Limits::default()).unwrap(), new);
        times += 1;
    }
    let applied = start.elapsed().as_secs_f64() / 5.0;
    let mb = new.len() as f64 / 1e6;
    (64 + delta.len(), mb / encoded, mb / applied)
}

fn log2_choose(n: usize, k: usize) -> f64 {
    (0..k).map(|i| ((n - i) as f64 / (k - i) as f64).log2()).sum()
}

fn main() {
    for form in [Form::Versions, Form::Hashes] {
        let base = Snapshot::poisson(form, 16_384, 1_000.0, 1);
        for k in [1, 16, 164, 1_638, 8_192, 16_384] {
            let new = base.next(&Noise(7).choose(16_384, k), 3);
            let (bytes, enc, dec) = size(Some(&base.signed()), &new.signed());
            let mut floor = 64.0 + log2_choose(16_385, k) / 8.0;
            if k == 16_384 {
                floor = 64.0
            }
            let (mut factor, mut plus) = (1.02, 44.0);
            if form == Form::Hashes {
                floor += k as f64 * (32.0 + 42_f64.log2() / 8.0);
                (factor, plus) = (1.01, 48.0);
            }
            println!(
                "{form:?} {k}: {bytes} floor {floor:.0} target {:.0} | enc {enc:.0} MB/s apply {dec:.0} MB/s",
                floor * factor + plus
            );
        }
    }
    for k in [164.0, 1_638.0, 8_192.0] {
        let chances = samples::zipf_chances(16_384, k, 5);
        let mut noise = Noise(99);
        let versions: Vec<u64> = chances
            .iter()
            .map(|p| -(1.0 - p).ln() * 1_000.0 / 0.105)
            .map(|mean| 1 + noise.poisson(mean))
            .collect();
        let base = Snapshot::new(Form::Versions, versions, &mut noise);
        let mut oracle = 0.0;
        let changed: Vec<usize> = chances
            .iter()
            .enumerate()
            .filter(|&(_, &p)| {
                let is = noise.unit() < p;
                oracle -= if is { p.log2() } else { (1.0 - p).log2() };
                is
            })
            .map(|(i, _)| i)
            .collect();
        let floor = 64.0 + oracle / 8.0;
        let new = base.next(&changed, 4);
        let (bytes, enc, dec) = size(Some(&base.signed()), &new.signed());
        println!(
            "Zipf {}: {bytes} oracle {floor:.0} target {:.0} | enc {enc:.0} apply {dec:.0}",
            changed.len(),
            1.04 * floor + 48.0
        );
    }
    let cold = Snapshot::poisson(Form::Versions, 16_384, 300.0, 2);
    let (bytes, enc, dec) = size(None, &cold.signed());
    let entropy =
        16_384.0 * 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * 300.0).log2() / 8.0;
    println!(
        "cold: {bytes} entropy {entropy:.0} target {:.0} | enc {enc:.0} apply {dec:.0}",
        1.03 * entropy + 200.0
    );
    let tsv =
        zstd::decode_all(&include_bytes!("../../../datasets/pypi-projects.tsv.zst")[..]).unwrap();
    let projects = samples::projects(std::str::from_utf8(&tsv).unwrap());
    for count in [16, 61, 139, 976] {
        let (mut resigned, mut one, mut ten, mut oracle, mut ten_oracle) =
            (0.0, 0.0, 0.0, 0.0, 0.0);
        let start = Instant::now();
        let n = 200;
        for seed in 0..n {
            let mut noise = Noise(seed * 1_000);
            let bin = Targets::new(count, &projects, &mut noise);
            let mut next = bin.clone();
            next.resign(&mut noise);
            resigned += size(Some(&bin.signed()), &next.signed()).0 as f64;
            oracle += 68.0 + next.add(&projects, &mut noise) / 8.0;
            one += size(Some(&bin.signed()), &next.signed()).0 as f64;
            ten_oracle += 68.0 - 20.0 / 8.0;
            next = bin.clone();
            next.resign(&mut noise);
            for _ in 0..10 {
                ten_oracle += next.add(&projects, &mut noise) / 8.0;
            }
            ten += size(Some(&bin.signed()), &next.signed()).0 as f64;
        }
        let n = n as f64;
        println!(
            "bin {count}: resigned {:.1} (100), +1 {:.1} oracle {:.1} = {:.3} (1.28), +10 {:.1} = {:.3} | {:.2} ms a bin for all",
            resigned / n,
            one / n,
            oracle / n,
            one / oracle,
            ten / n,
            ten / ten_oracle,
            start.elapsed().as_secs_f64() * 1000.0 / n
        );
    }
}
