//! PEP 458, section "Metadata Scalability": tables 2 and 3.
//!
//! The PEP counts hashes, paths, lengths and versions, and none of the JSON, the signatures or the compression around
//! them; it leaves out root, timestamp and the top-level targets role. A client needs two bins for a distribution: one
//! has the project's page and one the file.

use super::{Line, Lines, documents};
use crate::{Error, Scenario, sizes};

const TABLE_2: &str = "PEP 458, table 2";
const TABLE_3: &str = "PEP 458, table 3";
const TEN_FOLD: &str = "PEP 458, Metadata Scalability, below table 3";

/// Table 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Bytes of a SHA2-512 hexadecimal digest.
    pub c1: f64,
    /// Bytes of a public key ID.
    pub c2: f64,
    /// Bytes of an Ed25519 signature.
    pub c3: f64,
    /// Bytes of an Ed25519 public key.
    pub c4: f64,
    /// Bytes of a target's relative file path.
    pub c5: f64,
    /// Bytes of a target's file size.
    pub c6: f64,
    /// Bytes of a version number.
    pub c7: f64,
    /// Targets: simple indices and distributions.
    pub c8: f64,
    /// Average bytes of a downloaded distribution.
    pub c9: f64,
    /// Bins.
    pub c10: f64,
}

impl Constants {
    /// As the PEP has them, from November 2019.
    pub const PEP_458: Self = Self {
        c1: 128.0,
        c2: 64.0,
        c3: 128.0,
        c4: 64.0,
        c5: 256.0,
        c6: 7.0,
        c7: 6.0,
        c8: 2_273_539.0,
        c9: 2_184_393.0,
        c10: 16_384.0,
    };

    /// The length of a path hash prefix: `ceil(log(C10, 16))`.
    pub fn v1(&self) -> f64 {
        (self.c10.log2() / 4.0).ceil()
    }

    /// The number of path hash prefixes: `16**V1`.
    pub fn v2(&self) -> f64 {
        (self.v1() * 4.0).exp2()
    }

    /// Targets per bin: `ceil(C8/C10)`.
    pub fn v3(&self) -> f64 {
        (self.c8 / self.c10).ceil()
    }

    /// SHA-512 hashes per bin: `V3*C1`.
    pub fn v4(&self) -> f64 {
        self.v3() * self.c1
    }

    /// Target paths per bin: `V3*C5`.
    pub fn v5(&self) -> f64 {
        self.v3() * self.c5
    }

    /// Lengths per bin: `V3*C6`.
    pub fn v6(&self) -> f64 {
        self.v3() * self.c6
    }

    /// A bin: `V4+V5+V6`.
    pub fn v7(&self) -> f64 {
        self.v4() + self.v5() + self.v6()
    }

    /// Public key IDs in `bins`: `C10*C2`.
    pub fn v8(&self) -> f64 {
        self.c10 * self.c2
    }

    /// Path hash prefixes in `bins`: `V1*V2`.
    pub fn v9(&self) -> f64 {
        self.v1() * self.v2()
    }

    /// `bins`: `V8+V9`.
    pub fn v10(&self) -> f64 {
        self.v8() + self.v9()
    }

    /// The snapshot: `C10*C7`.
    pub fn v11(&self) -> f64 {
        self.c10 * self.c7
    }

    /// What a returning user downloads for a distribution with the same snapshot: `2*V7`.
    pub fn v12(&self) -> f64 {
        2.0 * self.v7()
    }

    /// V12 in percent of a distribution: `round((V12/C9)*100)`.
    pub fn v13(&self) -> f64 {
        self.percent(self.v12())
    }

    /// What a returning user downloads with another snapshot: `V12+V11`.
    pub fn v14(&self) -> f64 {
        self.v12() + self.v11()
    }

    /// V14 in percent of a distribution: `round((V14/C9)*100)`.
    pub fn v15(&self) -> f64 {
        self.percent(self.v14())
    }

    /// What a new user downloads: `V14+V10`.
    pub fn v16(&self) -> f64 {
        self.v14() + self.v10()
    }

    /// V16 in percent of a distribution: `round((V16/C9)*100)`.
    pub fn v17(&self) -> f64 {
        self.percent(self.v16())
    }

    fn percent(&self, bytes: f64) -> f64 {
        (bytes / self.c9 * 100.0).round()
    }
}

/// What tufold writes for the same targets, bins and downloads.
pub(super) struct Real {
    constants: Constants,
    /// V7.
    pub(super) bin: f64,
    /// V10: the `bins` role by path hash prefixes.
    pub(super) bins: f64,
    /// V11.
    pub(super) snapshot: f64,
}

impl Real {
    pub(super) fn of(constants: Constants) -> Result<Self, Error> {
        let bins = crate::math::round(constants.c10);
        let bits = bins.trailing_zeros();
        let entries = documents::Entries::of(&Scenario::load("pypi-pep458")?)?;
        Ok(Self {
            constants,
            bin: entries.bin(constants.c8 / constants.c10),
            bins: sizes::prefixes_targets(bits, 1)?.1 as f64,
            snapshot: documents::snapshot(bins, &["bins", "targets"])?,
        })
    }

    pub(super) fn same_snapshot(&self) -> f64 {
        2.0 * self.bin
    }

    pub(super) fn other_snapshot(&self) -> f64 {
        self.same_snapshot() + self.snapshot
    }

    pub(super) fn new_user(&self) -> f64 {
        self.other_snapshot() + self.bins
    }

    /// In percent of a distribution, to a tenth.
    pub(super) fn percent(&self, bytes: f64) -> f64 {
        (bytes / self.constants.c9 * 1_000.0).round() / 10.0
    }
}

pub(super) fn lines() -> Result<Lines, Error> {
    let c = Constants::PEP_458;
    let real = Real::of(c)?;
    let line = |name: &str, unit, published, modelled| {
        Line::new(name, unit, TABLE_3).exact(published, 0, modelled)
    };
    let mut lines = vec![
        Line::new("C8: targets", "targets", TABLE_2).exact(2_273_539.0, 0, c.c8).real(c.c8),
        Line::new("C10: bins", "bins", TABLE_2).exact(16_384.0, 0, c.c10).real(c.c10),
        line("V1: length of a path hash prefix", "digits", 4.0, c.v1()).real(c.v1()),
        line("V2: path hash prefixes", "prefixes", 65_536.0, c.v2()).real(c.v2()),
        line("V3: targets in a bin", "targets", 139.0, c.v3()).real(c.c8 / c.c10),
        line("V4: hashes in a bin", "bytes", 17_792.0, c.v4()),
        line("V5: paths in a bin", "bytes", 35_584.0, c.v5()),
        line("V6: lengths in a bin", "bytes", 973.0, c.v6()),
        line("V7: a bin", "bytes", 54_349.0, c.v7()).real(real.bin),
        line("V8: key IDs in bins", "bytes", 1_048_576.0, c.v8()),
        line("V9: prefixes in bins", "bytes", 262_144.0, c.v9()),
        line("V10: bins", "bytes", 1_310_720.0, c.v10()).real(real.bins),
        line("V11: snapshot", "bytes", 98_304.0, c.v11()).real(real.snapshot),
        line("V12: returning user, same snapshot", "bytes", 108_698.0, c.v12())
            .real(real.same_snapshot()),
        line("V13: of a download", "%", 5.0, c.v13()).real(real.percent(real.same_snapshot())),
        line("V14: returning user, other snapshot", "bytes", 207_002.0, c.v14())
            .real(real.other_snapshot()),
        line("V15: of a download", "%", 9.0, c.v15()).real(real.percent(real.other_snapshot())),
        line("V16: new user", "bytes", 1_517_722.0, c.v16()).real(real.new_user()),
        line("V17: of a download", "%", 69.0, c.v17()).real(real.percent(real.new_user())),
    ];
    let c = Constants { c8: c.c8 * 10.0, ..c };
    let real_10 = Real::of(c)?;
    let line = |name, published, modelled, bytes| {
        let line = Line::new(name, "%", TEN_FOLD).exact(published, 0, modelled);
        line.real(real_10.percent(bytes))
    };
    lines.extend([
        line("V13 at ten times the targets", 50.0, c.v13(), real_10.same_snapshot()),
        line("V15 at ten times the targets", 54.0, c.v15(), real_10.other_snapshot()),
        line("V17 at ten times the targets", 114.0, c.v17(), real_10.new_user()),
    ]);
    let notes = vec![
        "real: compact canonical JSON with one Ed25519 signature, SHA-256, PyPI-shaped paths of the scenario \
         pypi-pep458, and versions of three digits"
            .to_owned(),
        format!(
            "the PEP takes 256 bytes a path and 6 a bin in the snapshot; a real entry of a bin there takes {:.0}, so a \
             returning user pays {:.1} % and not 9 %",
            documents::snapshot_entry(16_384),
            real.percent(real.other_snapshot()),
        ),
    ];
    Ok((lines, notes))
}
