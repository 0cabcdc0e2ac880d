//! Benchmark documents in the wire shape of a repository: snapshots with a history, and bins as PyPI would fill them.
//! All from a seed, the same on every machine.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::should_implement_trait,
    reason = "shared by tests and the benchmarks; each uses a part"
)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "samples are drawn in floating point"
)]

pub mod cases;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// splitmix64.
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Noise {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(n)) >> 64) as u64
    }

    /// In (0, 1).
    pub fn unit(&mut self) -> f64 {
        ((self.next() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64
    }

    /// Poisson: exactly by waiting times up to 3,000, by the normal approximation above.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 3_000.0 {
            let gauss: f64 = (0..12).map(|_| self.unit()).sum::<f64>() - 6.0;
            return (mean + gauss * mean.sqrt()).round().max(0.0) as u64;
        }
        let (mut count, mut waited) = (0, -self.unit().ln());
        while waited < mean {
            count += 1;
            waited -= self.unit().ln();
        }
        count
    }

    pub fn hex(&mut self, bytes: usize) -> String {
        let mut out = String::new();
        while out.len() < bytes * 2 {
            write!(out, "{:016x}", self.next()).unwrap();
        }
        out.truncate(bytes * 2);
        out
    }

    /// `count` different numbers below `n`.
    pub fn choose(&mut self, n: usize, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for i in 0..count {
            let j = i + self.below((n - i) as u64) as usize;
            all.swap(i, j);
        }
        all.truncate(count);
        all
    }
}

/// Whether a snapshot lists lengths and digests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Form {
    Versions,
    Hashes,
}

#[derive(Clone, Debug)]
pub struct Snapshot {
    pub form: Form,
    pub version: u64,
    pub expires: u64,
    pub bins: Vec<Bin>,
}

#[derive(Clone, Debug)]
pub struct Bin {
    pub version: u64,
    pub length: u64,
    pub sha256: String,
}

impl Snapshot {
    /// Bins at these versions.
    pub fn new(form: Form, versions: impl IntoIterator<Item = u64>, noise: &mut Noise) -> Self {
        let bins = versions.into_iter().map(|version| Bin {
            version,
            length: 13_000 + noise.below(1_200),
            sha256: noise.hex(32),
        });
        Self { form, version: 1_234, expires: 1_795_910_400, bins: bins.collect() }
    }

    /// Each bin at a Poisson version.
    pub fn poisson(form: Form, bins: usize, mean: f64, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let versions: Vec<_> = (0..bins).map(|_| noise.poisson(mean).max(1)).collect();
        Self::new(form, versions, &mut noise)
    }

    /// The next snapshot, `changed` bins one version up.
    pub fn next(&self, changed: &[usize], seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut next = self.clone();
        next.version += 1;
        next.expires += 86_400 + noise.below(3_600);
        for &i in changed {
            let bin = &mut next.bins[i];
            bin.version += 1;
            // One target more: 5.4 bits of length.
            bin.length += 200 + noise.below(42);
            bin.sha256 = noise.hex(32);
        }
        next
    }

    /// The next snapshot, every bin signed again with the same targets.
    pub fn signed_again(&self, seed: u64) -> Self {
        let mut noise = Noise(seed);
        let mut next = self.clone();
        next.version += 1;
        next.expires += 86_400 + noise.below(3_600);
        for bin in &mut next.bins {
            let digits = bin.version.ilog10();
            bin.version += 1;
            bin.length += u64::from(bin.version.ilog10() - digits);
            bin.sha256 = noise.hex(32);
        }
        next
    }

    pub fn signed(&self) -> Vec<u8> {
        let digits = format!("{:x}", self.bins.len() - 1).len();
        let mut out =
            format!("{{\"_type\":\"snapshot\",\"expires\":\"{}\",\"meta\":{{", time(self.expires));
        for (i, bin) in self.bins.iter().enumerate() {
            write!(out, "\"bins-{i:0digits$x}.json\":{{").unwrap();
            if self.form == Form::Hashes {
                write!(
                    out,
                    "\"hashes\":{{\"sha256\":\"{}\"}},\"length\":{},",
                    bin.sha256, bin.length
                )
                .unwrap();
            }
            write!(out, "\"version\":{}}},", bin.version).unwrap();
        }
        write!(
            out,
            "\"targets.json\":{{\"version\":1}}}},\"spec_version\":\"1.0.34\",\"version\":{}}}",
            self.version
        )
        .unwrap();
        out.into_bytes()
    }
}

/// Rates of change under Zipf churn such that `expected` of `bins` change at least once; the ranks are shuffled.
pub fn zipf_rates(bins: usize, expected: f64, seed: u64) -> Vec<f64> {
    let mut noise = Noise(seed);
    let ranks = noise.choose(bins, bins);
    let total = |scale: f64| (1..=bins).map(|rank| 1.0 - (-scale / rank as f64).exp()).sum::<f64>();
    let (mut low, mut high) = (0.0, 1e12);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if total(middle) < expected { low = middle } else { high = middle }
    }
    ranks.into_iter().map(|rank| high / (rank + 1) as f64).collect()
}

/// A project's newest release: its name and version.
pub type Project = (String, String);

/// All names of the project's dataset, decompressed.
pub fn projects(tsv: &str) -> Vec<Project> {
    let rows = tsv.lines().skip(1).filter_map(|line| {
        let mut fields = line.split('\t');
        Some((fields.next()?.to_owned(), fields.next()?.to_owned()))
    });
    rows.filter(|(name, version)| !name.is_empty() && !version.is_empty()).collect()
}

/// A bin as PyPI would fill it: paths to lengths and digests.
#[derive(Clone, Debug)]
pub struct Targets {
    pub version: u64,
    pub expires: u64,
    pub targets: BTreeMap<String, (u64, String)>,
}

impl Targets {
    pub fn new(count: usize, projects: &[Project], noise: &mut Noise) -> Self {
        let mut bin = Self {
            version: 1 + noise.below(2_000),
            expires: 1_795_910_400,
            targets: BTreeMap::new(),
        };
        while bin.targets.len() < count {
            bin.add(projects, noise);
        }
        bin
    }

    /// One more target; returns minus the log2 of its chance.
    pub fn add(&mut self, projects: &[Project], noise: &mut Noise) -> f64 {
        let (name, version) = &projects[noise.below(projects.len() as u64) as usize];
        let wheel = noise.below(2) == 1;
        let file = if wheel {
            format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
        } else {
            format!("{name}-{version}.tar.gz")
        };
        let path = noise.hex(32);
        let path = format!("packages/{}/{}/{}/{file}", &path[..2], &path[2..4], &path[4..]);
        // From 1 kB to 16 MB, every doubling as likely.
        let length = 2_f64.powf(10.0 + 14.0 * noise.unit()) as u64;
        self.targets.insert(path, (length, noise.hex(32)));
        let name_bits = (projects.len() as f64).log2() + 1.0;
        let length_bits = (length as f64 * 14.0 * std::f64::consts::LN_2).log2();
        256.0 + 256.0 + name_bits + length_bits
    }

    /// Signed again, later.
    pub fn resign(&mut self, noise: &mut Noise) {
        self.version += 1;
        self.expires += 86_400 + noise.below(3_600);
    }

    pub fn signed(&self) -> Vec<u8> {
        let mut out = format!(
            "{{\"_type\":\"targets\",\"expires\":\"{}\",\"spec_version\":\"1.0.34\",\"targets\":{{",
            time(self.expires)
        );
        for (i, (path, (length, sha256))) in self.targets.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            write!(
                out,
                "{comma}\"{path}\":{{\"hashes\":{{\"sha256\":\"{sha256}\"}},\"length\":{length}}}"
            )
            .unwrap();
        }
        write!(out, "}},\"version\":{}}}", self.version).unwrap();
        out.into_bytes()
    }
}

/// A time of day in November and December 2026 and after, good for some weeks.
pub fn time(seconds: u64) -> String {
    let days = seconds / 86_400 - 20_758; // 2026-11-01
    let (month, day) = if days < 30 { (11, days + 1) } else { (12, days - 29) };
    let second = seconds % 86_400;
    format!(
        "2026-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        second / 3_600,
        second / 60 % 60,
        second % 60
    )
}

/// The project's dataset of PyPI's names.
pub fn dataset() -> Vec<Project> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = |folder: &Path| folder.join("datasets/pypi-projects.tsv.zst");
    let path = package.ancestors().map(path).find(|path| path.exists()).unwrap();
    let tsv = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
    projects(std::str::from_utf8(&tsv).unwrap())
}
