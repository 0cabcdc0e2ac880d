//! Digests: SHA-256 as a value, and the `hashes` object that TUF lists beside a length.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _};

/// A SHA-256 digest, 32 bytes. It prints as 64 lower-case hex digits.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The SHA-256 of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
        let mut out = [0; 32];
        out.copy_from_slice(digest.as_ref());
        Self(out)
    }

    /// `None` unless `hex` is exactly 64 hex digits, of either case.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let mut out = [0; 32];
        if hex.len() != 64 {
            return None;
        }
        const_hex::decode_to_slice(hex, &mut out).ok()?;
        Some(Self(out))
    }

    /// The digest of 32 raw bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// 64 lower-case hex digits, without an allocation.
    pub fn to_hex(&self) -> [u8; 64] {
        let mut out = [0; 64];
        const_hex::encode_to_slice(self.0, &mut out).expect("two digits a byte");
        out
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&const_hex::display(self.0), f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The `hashes` of a file: algorithm name to hex digest. SHA-256 is held as raw bytes; any other
/// algorithm, and a SHA-256 that is not written as 64 lower-case hex digits, is kept as its text.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Hashes {
    sha256: Option<Digest>,
    others: BTreeMap<String, String>,
}

impl Hashes {
    /// Only a SHA-256.
    pub const fn sha256_only(digest: Digest) -> Self {
        Self { sha256: Some(digest), others: BTreeMap::new() }
    }

    /// Adds `algorithm`, replacing what was there.
    pub fn insert(&mut self, algorithm: String, hex: String) {
        let digest = Digest::from_hex(&hex).filter(|d| d.to_hex() == *hex.as_bytes());
        if algorithm == "sha256" && digest.is_some() {
            self.sha256 = digest;
            self.others.remove("sha256");
        } else {
            if algorithm == "sha256" {
                self.sha256 = None;
            }
            self.others.insert(algorithm, hex);
        }
    }

    /// The SHA-256, if there is a well-formed one.
    pub const fn sha256(&self) -> Option<Digest> {
        self.sha256
    }

    /// True if no algorithm is listed.
    pub fn is_empty(&self) -> bool {
        self.sha256.is_none() && self.others.is_empty()
    }

    /// Every algorithm with its hex digest, in code-point order of the algorithm.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        let others = self.others.iter().map(|(name, hex)| (name.as_str(), hex.clone()));
        let own = self.sha256.map(|digest| ("sha256", digest.to_string()));
        let mut all: Vec<_> = others.chain(own).collect();
        all.sort_unstable_by_key(|(name, _)| *name);
        all.into_iter()
    }

    /// The hex digest that a target file's name may carry with consistent snapshots: the SHA-256, or
    /// else the first of a known algorithm. `None` if nothing listed could be checked, or if it is
    /// not hex: it must not lead a path elsewhere.
    pub fn hex_for_name(&self) -> Option<String> {
        let is_hex = |hex: &str| !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit());
        self.sha256.map(|digest| digest.to_string()).or_else(|| {
            let mut others = self.others.iter();
            let (_, hex) = others.find(|(name, hex)| algorithm(name).is_some() && is_hex(hex))?;
            Some(hex.clone())
        })
    }

    /// Checks `bytes` against every listed algorithm that tufold knows (SHA-256, SHA-384,
    /// SHA-512). `Err` names the algorithm that differs; a list without a known algorithm is an
    /// error too, since nothing was checked.
    pub fn check(&self, bytes: &[u8]) -> Result<(), String> {
        let mut check = HashCheck::new(self);
        check.update(bytes);
        check.finish()
    }

    /// Appends the canonical JSON object to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let (Some(digest), true) = (self.sha256, self.others.is_empty()) {
            out.extend_from_slice(b"{\"sha256\":\"");
            out.extend_from_slice(&digest.to_hex());
            out.extend_from_slice(b"\"}");
            return;
        }
        let mut object = crate::cjson::ObjectWriter::new(out, None);
        for (name, hex) in self.iter() {
            object.string(name, &hex);
        }
        object.end();
    }
}

/// [`Hashes::check`] of bytes that come piece by piece.
#[derive(Clone)]
pub(crate) struct HashCheck {
    /// Each known algorithm with the expected digest in hex.
    digests: Vec<(String, String, aws_lc_rs::digest::Context)>,
}

impl HashCheck {
    pub(crate) fn new(hashes: &Hashes) -> Self {
        let known = hashes.iter().filter_map(|(name, expected)| {
            let context = aws_lc_rs::digest::Context::new(algorithm(name)?);
            Some((name.to_owned(), expected, context))
        });
        Self { digests: known.collect() }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.digests.iter_mut().for_each(|(_, _, context)| context.update(bytes));
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        if self.digests.is_empty() {
            return Err("no hash of a known algorithm is listed".into());
        }
        for (name, expected, context) in self.digests {
            let found = const_hex::encode(context.finish());
            if !found.eq_ignore_ascii_case(&expected) {
                return Err(format!("{name} is {found}, expected {expected}"));
            }
        }
        Ok(())
    }
}

fn algorithm(name: &str) -> Option<&'static aws_lc_rs::digest::Algorithm> {
    match name {
        "sha256" => Some(&aws_lc_rs::digest::SHA256),
        "sha384" => Some(&aws_lc_rs::digest::SHA384),
        "sha512" => Some(&aws_lc_rs::digest::SHA512),
        _ => None,
    }
}

impl<'de> Deserialize<'de> for Hashes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Hashes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of hash algorithms with their hex digests")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Hashes, A::Error> {
                let mut hashes = Hashes::default();
                while let Some(name) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                    let hex: std::borrow::Cow<'de, str> = map.next_value()?;
                    hashes.insert(name.into_owned(), hex.into_owned());
                }
                // TUF 4.5: HASHES lists one or more algorithms.
                if hashes.is_empty() {
                    return Err(A::Error::custom("hashes lists no algorithm"));
                }
                Ok(hashes)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOO: &str = "ddab29ff2c393ee52855d21a240eb05f775df88e3ce347df759f0c4b80356c35";

    #[test]
    fn hashes_keep_every_algorithm_in_order() {
        let json = format!(r#"{{"md5":"ab","sha256":"{FOO}","sha512":"cd"}}"#);
        let hashes: Hashes = serde_json::from_str(&json).unwrap();
        assert_eq!(hashes.sha256(), Digest::from_hex(FOO));
        let mut out = Vec::new();
        hashes.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), json);
    }

    #[test]
    fn an_upper_case_sha256_is_kept_as_its_text() {
        let json = format!(r#"{{"sha256":"{}"}}"#, FOO.to_uppercase());
        let hashes: Hashes = serde_json::from_str(&json).unwrap();
        let mut out = Vec::new();
        hashes.write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), json);
        assert!(hashes.check(b"foo.txt").is_ok());
    }

    #[test]
    fn check_names_the_algorithm_that_differs() {
        let hashes = Hashes::sha256_only(Digest::of(b"foo.txt"));
        assert!(hashes.check(b"foo.txt").is_ok());
        assert!(hashes.check(b"bar.txt").unwrap_err().starts_with("sha256 is "));
        let mut unknown = Hashes::default();
        unknown.insert("md5".into(), "00".into());
        assert!(unknown.check(b"").is_err());
    }

    fn check_name(listed: &[(&str, &str)], expected: Option<&str>) {
        let mut hashes = Hashes::default();
        for (name, hex) in listed {
            hashes.insert((*name).into(), (*hex).into());
        }
        assert_eq!(hashes.hex_for_name().as_deref(), expected);
    }

    #[test]
    fn file_names_carry_a_hash_that_can_be_checked() {
        check_name(&[("sha512", "cd"), ("sha256", FOO)], Some(FOO));
        check_name(&[("md5", "ab"), ("sha512", "cd")], Some("cd"));
        check_name(&[("md5", "ab")], None);
        check_name(&[("sha512", "../../x")], None);
    }

    #[test]
    fn hex_is_strict() {
        assert_eq!(Digest::of(b"foo.txt").to_string(), FOO);
        assert!(Digest::from_hex(&FOO[1..]).is_none());
        assert!(Digest::from_hex(&FOO.replace('d', "g")).is_none());
    }
}
