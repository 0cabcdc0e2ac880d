//! Benchmark pairs with the floor that each is held to, expiry and all other small fields counting as nothing.

use std::collections::BTreeMap;

use super::{Form, Noise, Project, Snapshot, Targets, zipf_rates};
use tufold_delta::{Floor, chances_bits, poisson_bits};

/// A signature beside each delta.
pub const SIGNATURE_BYTES: u64 = 64;

/// One pair, its floor, and the most bytes that a delta and its signature may take where there is such a bound.
pub struct Case {
    pub name: String,
    pub base: Option<Vec<u8>>,
    pub new: Vec<u8>,
    pub floor: Floor,
    pub most: Option<f64>,
}

/// The size for which bounds are stated.
pub const BINS: usize = 16_384;

/// How often bins have changed before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum History {
    /// Versions of about 2.
    Fresh,
    /// Versions of about 1,000.
    Long,
}

/// What a snapshot looks like before it changes.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub form: Form,
    pub bins: usize,
    pub history: History,
}

impl Shape {
    /// 16,384 bins with a long history.
    pub fn usual(form: Form) -> Self {
        Self { form, bins: BINS, history: History::Long }
    }

    pub fn name(self) -> String {
        let Self { form, bins, history } = self;
        format!("{bins} bins, {form:?}, {history:?} history").to_lowercase()
    }

    fn mean_version(self) -> f64 {
        match self.history {
            History::Fresh => 2.0,
            History::Long => 1_000.0,
        }
    }

    /// `bound` is a factor of the floor and some bytes, for versions only.
    fn case(
        self,
        change: &str,
        base: &Snapshot,
        new: &Snapshot,
        floor: Floor,
        bound: (f64, f64),
    ) -> Case {
        let (factor, more) = if self.form == Form::Hashes { (1.01, 48.0) } else { bound };
        Case {
            name: format!("{}, {change}", self.name()),
            base: Some(base.signed()),
            new: new.signed(),
            floor,
            most: (self.bins == BINS).then_some(factor * floor.bytes + more),
        }
    }

    fn strict(self, changed: usize) -> Floor {
        let digests = if self.form == Form::Hashes { changed as u64 } else { 0 };
        Floor::strict(SIGNATURE_BYTES, digests)
    }

    /// Lengths grow by one of 42 values.
    fn lengths_bits(self, changed: usize) -> f64 {
        if self.form == Form::Hashes { changed as f64 * 42_f64.log2() } else { 0.0 }
    }
}

/// `changed` bins one version up, each as likely as any other.
pub fn uniform(shape: Shape, changed: usize) -> Case {
    let base = Snapshot::poisson(shape.form, shape.bins, shape.mean_version(), 1);
    let new = base.next(&Noise(7).choose(shape.bins, changed), 3);
    let mut floor = uniform_floor(shape, changed);
    floor.bytes += shape.lengths_bits(changed) / 8.0;
    shape.case(&format!("uniform {changed}"), &base, &new, floor, (1.02, 44.0))
}

/// Every bin signed again, as PEP 458 does daily: the length says nothing new.
pub fn signed_again(shape: Shape) -> Case {
    let base = Snapshot::poisson(shape.form, shape.bins, shape.mean_version(), 1);
    let new = base.signed_again(3);
    shape.case("all signed again", &base, &new, uniform_floor(shape, shape.bins), (1.02, 44.0))
}

fn uniform_floor(shape: Shape, changed: usize) -> Floor {
    Floor::uniform(shape.strict(changed), shape.bins as u64, changed as u64, &vec![1; changed])
}

/// About `expected` bins one version up, by Zipf's law, after a history by the same.
pub fn zipf(shape: Shape, expected: usize) -> Case {
    let Zipf { chances, base, changes, .. } = Zipf::draw(shape, expected);
    let changed: Vec<usize> = (0..shape.bins).filter(|&i| changes[i]).collect();
    let bits = chances_bits(chances.into_iter().zip(changes)) + shape.lengths_bits(changed.len());
    let floor = Floor::oracle(shape.strict(changed.len()), bits);
    let new = base.next(&changed, 4);
    shape.case(&format!("zipf about {expected}"), &base, &new, floor, (1.04, 48.0))
}

/// What the same change takes whoever knows the law, its scale and the old versions, but not which bin has which rank: less than that
/// nobody can be expected to send who does not ask the generator. Versions only.
pub fn zipf_told_by_versions(shape: Shape, expected: usize) -> Floor {
    let Zipf { chances, means, base, changes } = Zipf::draw(shape, expected);
    let mut told: BTreeMap<u64, f64> = BTreeMap::new();
    for bin in &base.bins {
        told.entry(bin.version).or_insert_with(|| {
            // By Bayes, each rank being as likely. What does not depend on the rank cancels out.
            let seen = (bin.version - 1) as f64;
            let best = if seen > 0.0 { seen * seen.ln() - seen } else { 0.0 };
            let weights = means.iter().map(|mean| (seen * mean.ln() - mean - best).exp());
            let (mut sum, mut all) = (0.0, 0.0);
            for (weight, chance) in weights.zip(&chances) {
                sum += weight * chance;
                all += weight;
            }
            sum / all
        });
    }
    let bits = chances_bits(base.bins.iter().map(|bin| told[&bin.version]).zip(changes.clone()));
    Floor::oracle(shape.strict(changes.into_iter().filter(|&changed| changed).count()), bits)
}

/// A snapshot and the bins that change next.
struct Zipf {
    /// With which chance each bin changes.
    chances: Vec<f64>,
    /// How often each has changed before, on average.
    means: Vec<f64>,
    base: Snapshot,
    changes: Vec<bool>,
}

impl Zipf {
    fn draw(shape: Shape, expected: usize) -> Self {
        let rates = zipf_rates(shape.bins, expected as f64, 5);
        let mut noise = Noise(99);
        let chances: Vec<f64> = rates.iter().map(|rate| 1.0 - (-rate).exp()).collect();
        let mean = rates.iter().sum::<f64>() / shape.bins as f64;
        let means: Vec<f64> = rates.iter().map(|rate| rate / mean * shape.mean_version()).collect();
        let versions: Vec<u64> = means.iter().map(|&mean| 1 + noise.poisson(mean)).collect();
        let base = Snapshot::new(shape.form, versions, &mut noise);
        let changes = chances.iter().map(|&chance| noise.unit() < chance).collect();
        Self { chances, means, base, changes }
    }
}

/// A versions-only snapshot for a client that has nothing.
pub fn cold() -> Case {
    let snapshot = Snapshot::poisson(Form::Versions, BINS, 300.0, 2);
    let bits = snapshot.bins.iter().map(|bin| poisson_bits(300.0, bin.version)).sum();
    let floor = Floor::oracle(Floor::strict(0, 0), bits);
    let most = Some(1.03 * floor.bytes + 200.0);
    let name = format!("{BINS} bins, versions, cold, poisson 300");
    Case { name, base: None, new: snapshot.signed(), floor, most }
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
    let most = match added {
        0 => Some(100.0),
        1 => Some(1.28 * floor.bytes),
        _ => None,
    };
    let name = format!("bin of {targets}, {added} added");
    Case { name, base: Some(base.signed()), new: new.signed(), floor, most }
}
