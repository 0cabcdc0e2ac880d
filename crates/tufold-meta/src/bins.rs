//! Which hashed bin lists a target, and what the bins are called (PEP 458, TAP 15).

use std::fmt;

use crate::Digest;

/// How many leading bits of SHA-256(path) pick a bin: 1 to 32, so 2 to 2^32 bins.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct BitLength(u32);

/// One bin: the leading bits as a number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bin(u32);

impl BitLength {
    /// `None` outside 1..=32 (TAP 15).
    pub fn new(bits: u32) -> Option<Self> {
        (1..=32).contains(&bits).then_some(Self(bits))
    }

    /// `None` unless `bins` is a power of two from 2 to 2^32.
    pub fn from_bin_count(bins: u64) -> Option<Self> {
        if bins.is_power_of_two() { Self::new(bins.trailing_zeros()) } else { None }
    }

    /// The number of bits.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// The number of bins: 2 to the number of bits.
    pub const fn bin_count(self) -> u64 {
        1 << self.0
    }

    /// The bin of the target at `path`. Doubling the bins only appends a bit:
    /// `next.bin(p) == half` or `half + 1` of `split(self.bin(p))`.
    pub fn bin(self, path: &str) -> Bin {
        self.bin_of_digest(&Digest::of(path.as_bytes()))
    }

    /// The bin of a target whose path has this SHA-256.
    pub fn bin_of_digest(self, digest: &Digest) -> Bin {
        let [a, b, c, d, ..] = *digest.as_bytes();
        Bin(u32::from_be_bytes([a, b, c, d]) >> (32 - self.0))
    }

    /// Every bin, in order.
    pub fn bins(self) -> impl DoubleEndedIterator<Item = Bin> + Clone {
        (0..=(u32::MAX >> (32 - self.0))).map(Bin)
    }

    /// The bin with this number, if there are so many.
    pub fn nth(self, number: u32) -> Option<Bin> {
        (number <= u32::MAX >> (32 - self.0)).then_some(Bin(number))
    }

    /// The digits of a bin in its name: as many as the last bin needs in hex (TAP 15).
    pub const fn hex_digits(self) -> usize {
        self.0.div_ceil(4) as usize
    }

    /// The role name of `bin`: the prefix, a dash, the bin in hex.
    pub fn role_name(self, prefix: &str, bin: Bin) -> String {
        format!("{prefix}-{:0width$x}", bin.0, width = self.hex_digits())
    }

    /// The bin that a role name stands for; `None` for any other name, so that nothing but the
    /// bins themselves is delegated.
    pub fn parse_role_name(self, prefix: &str, name: &str) -> Option<Bin> {
        let digits = name.strip_prefix(prefix)?.strip_prefix('-')?;
        if digits.len() != self.hex_digits() || digits.bytes().any(|b| b.is_ascii_uppercase()) {
            return None;
        }
        // from_str_radix would take a sign.
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        self.nth(u32::from_str_radix(digits, 16).ok()?)
    }

    /// The `path_hash_prefixes` that cover `bin`: one where the bits fill whole hex digits, else
    /// 2, 4 or 8 (PEP 458).
    pub fn hash_prefixes(self, bin: Bin) -> impl Iterator<Item = String> {
        let digits = self.hex_digits();
        let spare = u32::try_from(digits).unwrap_or(8) * 4 - self.0;
        let first = u64::from(bin.0) << spare;
        (first..first + (1 << spare)).map(move |prefix| format!("{prefix:0digits$x}"))
    }

    /// The two bins that `bin` becomes when the bins double; `None` at 32 bits.
    pub fn split(self, bin: Bin) -> Option<(Self, [Bin; 2])> {
        Some((Self::new(self.0 + 1)?, [Bin(bin.0 << 1), Bin(bin.0 << 1 | 1)]))
    }

    /// The bin that `bin` becomes part of when the bins are halved; `None` at 1 bit.
    pub fn merge(self, bin: Bin) -> Option<(Self, Bin)> {
        Some((Self::new(self.0 - 1)?, Bin(bin.0 >> 1)))
    }
}

impl Bin {
    /// The bin as a number, 0 and up.
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for BitLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The prefix and the number of a bin's name, whatever the bins: `None` if the name has no dash with lower-case hex digits
/// behind it.
pub(crate) fn bin_name_parts(name: &str) -> Option<(&str, &str)> {
    let (prefix, number) = name.rsplit_once('-')?;
    let is_digit = |byte: u8| byte.is_ascii_hexdigit() && !byte.is_ascii_uppercase();
    (!number.is_empty() && number.bytes().all(is_digit)).then_some((prefix, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check_bin(path: &str, bits: u32, name: &str) {
        let bits = BitLength::new(bits).unwrap();
        let bin = bits.bin(path);
        assert_eq!(bits.role_name("bins", bin), name);
        assert_eq!(bits.parse_role_name("bins", name), Some(bin));
    }

    #[test]
    fn leading_hash_bits_pick_the_bin() {
        check_bin("foo.txt", 3, "bins-6");
        check_bin("foo.txt", 4, "bins-d");
        check_bin("foo.txt", 10, "bins-376");
        check_bin("foo.txt", 11, "bins-6ed");
        check_bin("foo.txt", 32, "bins-ddab29ff");
    }

    fn check_prefixes(bits: u32, bin: u32, expected: &[&str]) {
        let bits = BitLength::new(bits).unwrap();
        let found: Vec<_> = bits.hash_prefixes(bits.nth(bin).unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn prefixes_fill_up_whole_hex_digits() {
        check_prefixes(1, 1, &["8", "9", "a", "b", "c", "d", "e", "f"]);
        check_prefixes(3, 6, &["c", "d"]);
        check_prefixes(4, 13, &["d"]);
        check_prefixes(10, 0x376, &["dd8", "dd9", "dda", "ddb"]);
        check_prefixes(32, u32::MAX, &["ffffffff"]);
    }

    #[test]
    fn other_names_are_no_bins() {
        let bits = BitLength::new(10).unwrap();
        for name in
            ["bins-400", "bins-3FF", "bins-3f", "bins-03ff", "bin-3ff", "bins-+ff", "bins3ff"]
        {
            assert_eq!(bits.parse_role_name("bins", name), None, "{name}");
        }
    }

    #[test]
    fn bit_lengths_are_1_to_32() {
        assert!(BitLength::new(0).is_none() && BitLength::new(33).is_none());
        assert_eq!(BitLength::from_bin_count(16_384), BitLength::new(14));
        assert_eq!(BitLength::from_bin_count(1 << 32), BitLength::new(32));
        for bins in [0, 1, 3, 1000, 1 << 33] {
            assert_eq!(BitLength::from_bin_count(bins), None, "{bins}");
        }
        assert_eq!(BitLength::new(32).unwrap().bins().next_back().unwrap().number(), u32::MAX);
    }

    proptest! {
        #[test]
        fn doubling_appends_a_bit(path: String, bits in 1_u32..32) {
            let bits = BitLength::new(bits).unwrap();
            let (next, halves) = bits.split(bits.bin(&path)).unwrap();
            prop_assert!(halves.contains(&next.bin(&path)));
            prop_assert_eq!(next.merge(next.bin(&path)), Some((bits, bits.bin(&path))));
        }

        #[test]
        fn prefixes_select_the_same_bin_as_bits(path: String, bits in 1_u32..=32) {
            let bits = BitLength::new(bits).unwrap();
            let hex = Digest::of(path.as_bytes()).to_string();
            let bin = bits.bin(&path);
            prop_assert!(bits.hash_prefixes(bin).any(|prefix| hex.starts_with(&prefix)));
        }
    }
}
