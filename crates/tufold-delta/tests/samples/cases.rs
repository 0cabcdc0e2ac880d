//! Benchmark pairs with the floor that each is held to, expiry and all other small fields counting as nothing.

use super::{Form, Noise, Project, Snapshot, Targets, zipf_rates};
use tufold_delta::{Floor, chances_bits, poisson_bits};

/// A signature beside each delta.
pub const SIGNATURE_BYTES: u64 = 64;

/// One pair, its floor, and the most bytes that a delta and its signature may take.
pub struct Case {
    pub name: String,
    pub base: Option<Vec<u8>>,
    pub new: Vec<u8>,
    pub floor: Floor,
    pub most: f64,
}

const BINS: usize = 16_384;

/// `changed` of 16,384 bins one version up, each as likely as any other.
pub fn uniform(form: Form, changed: usize) -> Case {
    let base = Snapshot::poisson(form, BINS, 1_000.0, 1);
    let new = base.next(&Noise(7).choose(BINS, changed), 3);
    let digests = if form == Form::Hashes { changed as u64 } else { 0 };
    let strict = Floor::strict(SIGNATURE_BYTES, digests);
    let mut floor = Floor::uniform(strict, BINS as u64, changed as u64, &vec![1; changed]);
    // Lengths grow by one of 42 values.
    floor.bytes += digests as f64 * 42_f64.log2() / 8.0;
    let most =
        if form == Form::Hashes { 1.01 * floor.bytes + 48.0 } else { 1.02 * floor.bytes + 44.0 };
    Case {
        name: format!("{form:?} {changed}"),
        base: Some(base.signed()),
        new: new.signed(),
        floor,
        most,
    }
}

/// About `expected` of 16,384 bins one version up, by Zipf's law, after a history by the same.
pub fn zipf(expected: f64) -> Case {
    let rates = zipf_rates(BINS, expected, 5);
    let mut noise = Noise(99);
    let chances: Vec<f64> = rates.iter().map(|rate| 1.0 - (-rate).exp()).collect();
    let mean = rates.iter().sum::<f64>() / BINS as f64;
    let versions: Vec<u64> =
        rates.iter().map(|rate| 1 + noise.poisson(rate / mean * 1_000.0)).collect();
    let base = Snapshot::new(Form::Versions, versions, &mut noise);
    let changes: Vec<bool> = chances.iter().map(|&chance| noise.unit() < chance).collect();
    let changed: Vec<usize> = (0..BINS).filter(|&i| changes[i]).collect();
    let bits = chances_bits(chances.into_iter().zip(changes));
    let floor = Floor::oracle(Floor::strict(SIGNATURE_BYTES, 0), bits);
    let new = base.next(&changed, 4).signed();
    let most = 1.04 * floor.bytes + 48.0;
    Case { name: format!("Zipf {}", changed.len()), base: Some(base.signed()), new, floor, most }
}

/// A versions-only snapshot for a client that has nothing.
pub fn cold() -> Case {
    let snapshot = Snapshot::poisson(Form::Versions, BINS, 300.0, 2);
    let bits = snapshot.bins.iter().map(|bin| poisson_bits(300.0, bin.version)).sum();
    let floor = Floor::oracle(Floor::strict(0, 0), bits);
    let most = 1.03 * floor.bytes + 200.0;
    Case { name: "cold Poisson(300)".into(), base: None, new: snapshot.signed(), floor, most }
}

/// A bin of `targets` signed again with `added` new ones.
pub fn bin(targets: usize, added: usize, projects: &[Project], seed: u64) -> Case {
    let mut noise = Noise(seed * 1_000);
    let base = Targets::new(targets, projects, &mut noise);
    let mut new = base.clone();
    new.resign(&mut noise);
    let bits: f64 = (0..added).map(|_| new.add(projects, &mut noise)).sum();
    // The expiry's four bytes; the digests are among the generator's bits.
    let floor = Floor::oracle(Floor::strict(SIGNATURE_BYTES + 4, 0), bits);
    let most = if added == 0 { 100.0 } else { 1.28 * floor.bytes };
    let name = format!("bin of {targets}, {added} added");
    Case { name, base: Some(base.signed()), new: new.signed(), floor, most }
}
