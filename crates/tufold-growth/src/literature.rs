//! What the literature says an index costs, beside what this model says of the same, and what real documents take.
//!
//! One file a source, and one function a formula, called as the source calls it. A figure is `exact` if the source's own
//! arithmetic is followed and must give the printed digits, and `modelled` if its data are not public or its words are
//! round; then the deviation says how far apart the two are.
//!
//! ```
//! use tufold_growth::literature::{Work, pep458::Constants};
//!
//! assert_eq!(Constants::PEP_458.v17(), 69.0);
//! let tap = Work::Tap16.reproduce(&[])?;
//! assert!(tap.lines.iter().all(|line| line.agrees()));
//! # Ok::<(), tufold_growth::Error>(())
//! ```

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::Error;

pub mod bins_gist;
mod documents;
pub mod mercury;
pub mod pep458;
pub mod rfc3724;
pub mod scale_out;
pub mod tap15;
pub mod tap16;

/// A source whose figures can be reproduced.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// PEP 458, Metadata Scalability.
    Pep458,
    /// TAP 15, Rationale.
    Tap15,
    /// TAP 16, Motivation.
    Tap16,
    /// The draft of a scale-out TAP.
    ScaleOut,
    /// The script that finds the best number of bins.
    BinsGist,
    /// Mercury (USENIX ATC 2017).
    Mercury,
    /// RFC 3724 of Rust, whose question is answered here.
    Rfc3724,
}

/// A figure, from up to four hands.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// What it is.
    pub quantity: String,
    /// What it is counted in.
    pub unit: &'static str,
    /// As the source prints it.
    pub published: Option<f64>,
    /// By the model, under the source's assumptions.
    pub modelled: Option<f64>,
    /// The same with documents as tufold writes them.
    pub real: Option<f64>,
    /// The same as measured by running it.
    pub replayed: Option<f64>,
    /// How far the modelled figure is above the published one, as a part of it.
    pub deviation: Option<f64>,
    /// How the two have to agree.
    pub exactness: Exactness,
    /// Where it stands.
    pub source: &'static str,
}

/// How a modelled figure has to agree with the published one.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exactness {
    /// In every printed digit: rounded to so many decimals, they are equal. Minus two is hundreds.
    Exact {
        /// How many decimals are printed.
        decimals: i32,
    },
    /// As far as the deviation shows.
    Modelled,
}

/// A source with all its figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Reproduction {
    /// Which source.
    pub work: Work,
    /// Its name, and where it is.
    pub title: &'static str,
    /// What the real figures stand for, and what was found.
    pub notes: Vec<String>,
    /// The figures.
    pub lines: Vec<Line>,
}

impl Work {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Pep458,
        Self::Tap15,
        Self::Tap16,
        Self::ScaleOut,
        Self::BinsGist,
        Self::Mercury,
        Self::Rfc3724,
    ];

    /// How flags call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pep458 => "pep458",
            Self::Tap15 => "tap15",
            Self::Tap16 => "tap16",
            Self::ScaleOut => "scale-out",
            Self::BinsGist => "bins-gist",
            Self::Mercury => "mercury",
            Self::Rfc3724 => "rfc3724",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Pep458 => "PEP 458, \"Metadata Scalability\" (peps.python.org/pep-0458)",
            Self::Tap15 => {
                "TAP 15, succinct hashed bin delegations (github.com/theupdateframework/taps)"
            }
            Self::Tap16 => "TAP 16, snapshot Merkle trees (github.com/theupdateframework/taps)",
            Self::ScaleOut => {
                "Scale-out architecture, draft TAP 21 (github.com/theupdateframework/taps, pull 189)"
            }
            Self::BinsGist => "Optimal bin numbers (gist.github.com/lukpueh/f6313234)",
            Self::Mercury => "Mercury, Kuppusamy, Diaz and Cappos (USENIX ATC 2017)",
            Self::Rfc3724 => "RFC 3724, TUF for Rust (github.com/rust-lang/rfcs, pull 3724)",
        }
    }

    /// Whether its figures follow from the names of an index's projects.
    pub const fn needs_names(self) -> bool {
        matches!(self, Self::Mercury)
    }

    /// All its figures. `names` are those of an index's projects; only [`Work::needs_names`] looks at them.
    pub fn reproduce(self, names: &[&str]) -> Result<Reproduction, Error> {
        let (lines, notes) = match self {
            Self::Pep458 => pep458::lines()?,
            Self::Tap15 => tap15::lines()?,
            Self::Tap16 => tap16::lines()?,
            Self::ScaleOut => scale_out::lines()?,
            Self::BinsGist => bins_gist::lines()?,
            Self::Mercury => mercury::lines(names)?,
            Self::Rfc3724 => rfc3724::lines()?,
        };
        Ok(Reproduction { work: self, title: self.title(), notes, lines })
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Work {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|work| work.name() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is not one of {known}")
        })
    }
}

impl Line {
    /// A figure without a value yet.
    fn new(quantity: impl Into<String>, unit: &'static str, source: &'static str) -> Self {
        Self {
            quantity: quantity.into(),
            unit,
            published: None,
            modelled: None,
            real: None,
            replayed: None,
            deviation: None,
            exactness: Exactness::Modelled,
            source,
        }
    }

    /// With what is published and what the model says, which must be the same in so many decimals.
    fn exact(self, published: f64, decimals: i32, modelled: f64) -> Self {
        let exactness = Exactness::Exact { decimals };
        Self { exactness, ..self.modelled(Some(published), modelled) }
    }

    /// With what the model says, and what is published if anything is.
    fn modelled(mut self, published: Option<f64>, modelled: f64) -> Self {
        (self.published, self.modelled) = (published, Some(modelled));
        self.deviation = published.map(|published| modelled / published - 1.0);
        self
    }

    fn real(mut self, real: f64) -> Self {
        self.real = Some(real);
        self
    }

    fn replayed(mut self, replayed: f64) -> Self {
        self.replayed = Some(replayed);
        self
    }

    /// Whether an exact figure is what was published. Any other one may deviate.
    pub fn agrees(&self) -> bool {
        match (self.exactness, self.published, self.modelled) {
            (Exactness::Exact { decimals }, Some(published), Some(modelled)) => {
                rounded(modelled, decimals) == rounded(published, decimals)
            }
            (Exactness::Exact { .. }, ..) => false,
            (Exactness::Modelled, ..) => true,
        }
    }
}

impl Reproduction {
    /// Whether every exact figure is what was published.
    pub fn agrees(&self) -> bool {
        self.lines.iter().all(Line::agrees)
    }
}

/// In units of the last printed decimal, so that equal figures compare equal.
fn rounded(value: f64, decimals: i32) -> f64 {
    (value * 10_f64.powi(decimals)).round()
}

/// The figures of a source and the notes under them.
type Lines = (Vec<Line>, Vec<String>);

#[cfg(test)]
mod tests;
