//! How much memory a command may take.

use std::fmt;
use std::str::FromStr;

/// The memory that a command may take in all, as its flags have it: `1GiB`, `512MiB`.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Memory(u64);

impl Memory {
    /// Less does not hold the program, its keys and one block of a list for each core.
    const LEAST_BYTES: u64 = 64 << 20;

    /// So many bytes, or 64 MiB if that is more.
    pub fn from_bytes(bytes: u64) -> Self {
        Self(bytes.max(Self::LEAST_BYTES))
    }

    /// As much as there is.
    pub const UNBOUNDED: Self = Self(u64::MAX);

    /// None at all: everything goes to files.
    #[cfg(test)]
    pub(crate) const NONE: Self = Self(0);

    /// The bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    /// What the rows of a list may take before they go to a temporary file: the rest is for the
    /// documents of the roles, for what is sorted at the moment, and for the program itself.
    pub(crate) const fn for_rows(self) -> u64 {
        self.0 / 8 * 3
    }

    /// What the order of rows may take that are sorted. Where it takes more they are sorted twice.
    pub(crate) const fn for_order(self) -> u64 {
        self.0 / 8
    }

    /// What a publish may keep of the documents that it read for its plan.
    pub(crate) const fn for_documents(self) -> u64 {
        self.0 / 4
    }
}

impl Default for Memory {
    /// One GiB.
    fn default() -> Self {
        Self(1 << 30)
    }
}

impl Memory {
    /// A number of bytes with a unit of 1,024, or without one: `64KiB`, `100000`.
    pub fn parse_bytes(text: &str) -> Option<u64> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit {
            "KiB" | "K" => 10,
            "MiB" | "M" => 20,
            "GiB" | "G" => 30,
            "TiB" | "T" => 40,
            "" | "B" => 0,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(1 << shift)
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = Self::parse_bytes(text).filter(|bytes| *bytes >= Self::LEAST_BYTES);
        bytes
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not an amount of memory from 64MiB, such as 1GiB"))
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes % (1 << 30) == 0 => write!(f, "{}GiB", bytes >> 30),
            bytes => write!(f, "{}MiB", bytes.div_ceil(1 << 20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_units() {
        let rows =
            [("1GiB", 1 << 30), ("64MiB", 64 << 20), ("2G", 2 << 30), ("67108864", 64 << 20)];
        for (text, bytes) in rows {
            assert_eq!(text.parse(), Ok(Memory(bytes)), "{text}");
        }
        for text in ["", "1", "GiB", "63MiB", "1 GiB", "1GB", "99999999TiB"] {
            assert!(text.parse::<Memory>().is_err(), "{text}");
        }
        assert_eq!(Memory::default().to_string(), "1GiB");
        assert_eq!(Memory(100 << 20).to_string(), "100MiB");
    }
}
