//! Scratch.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::cast_precision_loss, reason = "x")]
#[path = "../tests/samples/mod.rs"]
mod samples;
use samples::{Form, Noise, Snapshot};
use std::time::Instant;
use tufold_delta::{Codec, EncodeOptions, Limits, apply, encode};
fn main() {
    let what = std::env::args().nth(1).unwrap();
    let form = if what == "hashes" { Form::Hashes } else { Form::Versions };
    let base = Snapshot::poisson(form, 16_384, 100.0, 1);
    let new = base.next(&Noise(7).choose(16_384, 16_384), 3).signed();
    let b = base.signed();
    let d = encode(Codec::Columnar, Some(&b), &new, &EncodeOptions::default()).unwrap();
    let t = (0..800)
        .map(|_| {
            let s = Instant::now();
            apply(Some(&b), &d, &Limits::default()).unwrap();
            s.elapsed().as_secs_f64()
        })
        .fold(1e9, f64::min);
    println!("{:.0} MB/s", new.len() as f64 / 1e6 / t);
}
