//! Scratch.
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
fn best(n: usize, mut f: impl FnMut()) -> f64 {
    (0..n)
        .map(|_| {
            let s = Instant::now();
            f();
            s.elapsed().as_secs_f64()
        })
        .fold(1e9, f64::min)
}
fn main() {
    let what = std::env::args().nth(1).unwrap();
    let n: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    if what == "bins" {
        let tsv = zstd::decode_all(&include_bytes!("../../../datasets/pypi-projects.tsv.zst")[..])
            .unwrap();
        let projects = samples::projects(std::str::from_utf8(&tsv).unwrap());
        for count in [61, 976] {
            let mut noise = Noise(1_000);
            let bin = Targets::new(count, &projects, &mut noise);
            let mut next = bin.clone();
            next.resign(&mut noise);
            next.add(&projects, &mut noise);
            let (b, x) = (bin.signed(), next.signed());
            let d = encode(Codec::Columnar, Some(&b), &x, &EncodeOptions::default()).unwrap();
            println!(
                "{count}: encode {:.2} ms, apply {:.2} ms",
                best(n, || {
                    encode(Codec::Columnar, Some(&b), &x, &EncodeOptions::default()).unwrap();
                }) * 1e3,
                best(n, || {
                    apply(Some(&b), &d, &Limits::default()).unwrap();
                }) * 1e3
            );
        }
        return;
    }
    let form = if what == "hashes" { Form::Hashes } else { Form::Versions };
    let base = Snapshot::poisson(form, 16_384, 1_000.0, 1);
    for k in [164, 1_638, 8192, 16_384] {
        let new = base.next(&Noise(7).choose(16_384, k), 3).signed();
        let b = base.signed();
        let d = encode(Codec::Columnar, Some(&b), &new, &EncodeOptions::default()).unwrap();
        let mb = new.len() as f64 / 1e6;
        println!(
            "{k}: encode {:.0} MB/s, apply {:.0} MB/s",
            mb / best(n, || {
                encode(Codec::Columnar, Some(&b), &new, &EncodeOptions::default()).unwrap();
            }),
            mb / best(n, || {
                apply(Some(&b), &d, &Limits::default()).unwrap();
            })
        );
    }
    if form == Form::Versions {
        let cold = Snapshot::poisson(Form::Versions, 16_384, 300.0, 2).signed();
        let d = encode(Codec::Columnar, None, &cold, &EncodeOptions::default()).unwrap();
        let mb = cold.len() as f64 / 1e6;
        println!(
            "cold: encode {:.0} MB/s, apply {:.0} MB/s",
            mb / best(n, || {
                encode(Codec::Columnar, None, &cold, &EncodeOptions::default()).unwrap();
            }),
            mb / best(n, || {
                apply(None, &d, &Limits::default()).unwrap();
            })
        );
    }
}
