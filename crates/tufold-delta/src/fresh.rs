//! What no encoding can guess of a document: the hex strings that it does not share with its base.

use std::collections::HashSet;

/// A digest of 32 bytes is the shortest thing that counts as noise.
const MIN_HEX_DIGITS: usize = 64;

/// The raw bytes of all quoted hex strings of 64 digits or more (digests, signatures) in `new` that do not stand in
/// `base`, each counted once. For the strict floor; the documents need not be JSON.
pub fn fresh_hex_bytes(base: Option<&[u8]>, new: &[u8]) -> u64 {
    let known: HashSet<&[u8]> = base.into_iter().flat_map(hex_strings).collect();
    let fresh: HashSet<&[u8]> = hex_strings(new).filter(|hex| !known.contains(hex)).collect();
    fresh.into_iter().map(|hex| hex.len() as u64 / 2).sum()
}

fn hex_strings(document: &[u8]) -> impl Iterator<Item = &[u8]> {
    let is_hex = |hex: &&[u8]| hex.len() >= MIN_HEX_DIGITS && hex.iter().all(u8::is_ascii_hexdigit);
    document.split(|&byte| byte == b'"').filter(is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_new_digest_once() {
        let (a, b) = ("aa".repeat(32), "bb".repeat(64));
        let base = format!(r#"{{"x":"{a}"}}"#);
        let new = format!(r#"{{"x":"{a}","y":["{b}","{b}"],"z":"{}"}}"#, "cc".repeat(20));
        assert_eq!(fresh_hex_bytes(Some(base.as_bytes()), new.as_bytes()), 64);
        assert_eq!(fresh_hex_bytes(None, new.as_bytes()), 96);
    }
}
