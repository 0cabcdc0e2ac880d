//! Layouts as people write them: `bins-succinct:1024`, `bins-prefixes:auto/hashes`, `flat/merkle`.

use std::fmt;
use std::str::FromStr;

use tufold_meta::BitLength;
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};

use crate::Error;

/// How targets are spread over roles. (As `tufold_repo::layout::Delegation`, but for any number of bins.)
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Form {
    /// The top-level targets role lists every target.
    Flat,
    /// One delegation a project that lists each path.
    ProjectsListed,
    /// One delegation a project with its patterns.
    ProjectsWildcard,
    /// PEP 458.
    BinsPrefixes,
    /// TAP 15.
    BinsSuccinct,
}

/// How many bins.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Bins {
    /// The form has none.
    None,
    /// As many as cost least, at each size anew.
    Auto,
    /// Two to the power of this.
    Bits(u32),
}

/// What the snapshot says.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Snapshots {
    /// The version of each role.
    Versions,
    /// Also length and SHA-256.
    Hashes,
    /// TAP 16: a proof for each role. Nothing here implements it.
    Merkle,
}

/// A layout.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LayoutSpec {
    /// How targets are spread.
    pub form: Form,
    /// Over how many bins.
    pub bins: Bins,
    /// What the snapshot says.
    pub snapshot: Snapshots,
}

impl Form {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Flat,
        Self::ProjectsListed,
        Self::ProjectsWildcard,
        Self::BinsPrefixes,
        Self::BinsSuccinct,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::ProjectsListed => "projects-listed",
            Self::ProjectsWildcard => "projects-wildcard",
            Self::BinsPrefixes => "bins-prefixes",
            Self::BinsSuccinct => "bins-succinct",
        }
    }

    /// Whether it has bins.
    pub const fn has_bins(self) -> bool {
        matches!(self, Self::BinsPrefixes | Self::BinsSuccinct)
    }
}

impl LayoutSpec {
    /// How many bins, if that is settled.
    pub fn bin_count(self) -> Option<u64> {
        match self.bins {
            Bins::Bits(bits) => Some(1 << bits),
            Bins::None | Bins::Auto => None,
        }
    }

    /// The bits of a bin's number; 0 without bins.
    pub fn bits(self) -> u32 {
        if let Bins::Bits(bits) = self.bins { bits } else { 0 }
    }

    /// The same with so many bins, if it has any.
    #[must_use]
    pub fn with_bits(self, bits: u32) -> Self {
        if self.form.has_bins() { Self { bins: Bins::Bits(bits), ..self } } else { self }
    }

    /// As the publisher has it.
    ///
    /// # Errors
    /// [`Error::Layout`] for what it cannot make: Merkle trees, or more bins than it writes files.
    pub fn to_layout(self) -> Result<Layout, Error> {
        let error = |problem: String| Error::Layout { text: self.to_string(), problem };
        let snapshot = match self.snapshot {
            Snapshots::Versions => SnapshotForm::Versions,
            Snapshots::Hashes => SnapshotForm::Hashes,
            Snapshots::Merkle => return Err(error("it is predicted only".to_owned())),
        };
        let delegation = Delegation::from_parts(self.form.name(), self.bin_count());
        Ok(Layout { delegation: delegation.map_err(|e| error(e.to_string()))?, snapshot })
    }
}

impl FromStr for LayoutSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error =
            |problem: &str| Error::Layout { text: text.to_owned(), problem: problem.to_owned() };
        let (left, snapshot) = text.split_once('/').unwrap_or((text, "versions"));
        let (name, bins) = left.split_once(':').unwrap_or((left, ""));
        let form = Form::ALL.into_iter().find(|form| form.name() == name).ok_or_else(|| {
            error("a form is flat, projects-listed, projects-wildcard, bins-prefixes or bins-succinct")
        })?;
        let snapshot = match snapshot {
            "versions" => Snapshots::Versions,
            "hashes" => Snapshots::Hashes,
            "merkle" => Snapshots::Merkle,
            _ => return Err(error("a snapshot is of versions, hashes or merkle")),
        };
        let bins = match (form.has_bins(), bins) {
            (false, "") => Bins::None,
            (true, "" | "auto") => Bins::Auto,
            (true, number) => {
                let bits = number.parse().ok().and_then(BitLength::from_bin_count);
                let expected = "bins are auto or a power of two from 2 to 2^32";
                Bins::Bits(bits.ok_or_else(|| error(expected))?.bits())
            }
            (false, _) => return Err(error("the form has no bins")),
        };
        Ok(Self { form, bins, snapshot })
    }
}

impl fmt::Display for LayoutSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.form.name())?;
        match self.bins {
            Bins::None => {}
            Bins::Auto => f.write_str(":auto")?,
            Bins::Bits(bits) => write!(f, ":{}", 1_u64 << bits)?,
        }
        match self.snapshot {
            Snapshots::Versions => Ok(()),
            Snapshots::Hashes => f.write_str("/hashes"),
            Snapshots::Merkle => f.write_str("/merkle"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_read_back() {
        for text in [
            "flat",
            "bins-succinct:1024",
            "bins-prefixes:auto/hashes",
            "bins-succinct:4294967296/merkle",
        ] {
            assert_eq!(text.parse::<LayoutSpec>().unwrap().to_string(), text);
        }
        for text in ["", "flat:2", "bins-succinct:3", "bins-succinct:1", "flat/trees", "bins"] {
            assert!(text.parse::<LayoutSpec>().is_err(), "{text}");
        }
        let merkle: LayoutSpec = "flat/merkle".parse().unwrap();
        assert!(merkle.to_layout().unwrap_err().to_string().contains("predicted only"));
    }
}
