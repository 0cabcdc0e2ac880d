//! How fast are deltas made and applied, beside zstd with and without the base?
//!
//! Throughput is in bytes of the new document; for a bundle, of all files that it brings. `encode` applies each delta once
//! before it gives it back. Bytes and memory are in the tables of `delta-tables`.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tufold_benches::contender::Contender;
use tufold_benches::samples::Form;
use tufold_benches::samples::cases::{self, BINS, Shape};
use tufold_benches::tables::debian::repositories;
use tufold_benches::tables::{Case, bins};
use tufold_benches::work::{Told, Work};
use tufold_delta::Codec;

const CODECS: [Codec; 3] = [Codec::Columnar, Codec::Zstd, Codec::FullZstd];

fn check(c: &mut Criterion, name: &str, work: &Work) {
    let mut group = c.benchmark_group(name);
    group.sample_size(10).throughput(Throughput::Bytes(work.new_len_bytes()));
    for codec in CODECS {
        let contender = Contender::Codec(codec);
        let deltas = work.encode(contender).expect("a delta");
        assert_eq!(work.apply(contender, &deltas).expect("good data"), work.results());
        group.bench_function(format!("{codec} encode"), |bencher| {
            bencher.iter(|| black_box(work.encode(contender)));
        });
        group.bench_function(format!("{codec} apply"), |bencher| {
            bencher.iter(|| black_box(work.apply(contender, &deltas)));
        });
    }
    group.finish();
}

fn snapshots(c: &mut Criterion) {
    for form in [Form::Versions, Form::Hashes] {
        for changed in [BINS / 100, BINS] {
            let case = Case::from(cases::uniform(Shape::usual(form), changed));
            check(c, &format!("snapshot of {BINS} bins, {form:?}, {changed} changed"), &case.work);
        }
    }
    check(c, &format!("snapshot of {BINS} bins, cold"), &Case::from(cases::cold()).work);
}

fn documents(c: &mut Criterion) {
    for (targets, added) in [(61, 0), (61, 1), (976, 1)] {
        check(
            c,
            &format!("200 bins of {targets} targets, {added} added"),
            &bins::case(targets, added).work,
        );
    }
}

fn debian(c: &mut Criterion) {
    let (old, new) = repositories(1_024);
    check(
        c,
        "bundle from forky to sid, 1,024 bins",
        &Work::Repository { old, new, told: Told::AsBundle },
    );
}

criterion_group!(delta, snapshots, documents, debian);
criterion_main!(delta);
