//! A targets document that gets another version and expiry, without parsing its targets.

use std::ops::Range;

use crate::cjson::CanonicalObject;
use crate::{Role, Targets, Time, Version};

/// Where the version and the expiry of a document stand, and what the expiry becomes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Renewal {
    expires_at: Range<usize>,
    version_at: Range<usize>,
    expires: Time,
}

impl Renewal {
    /// Looks at the canonical bytes of a targets document, which were verified. `None` if they are no targets document of
    /// this version.
    pub fn of_targets(canonical: &[u8], version: Version, expires: Time) -> Option<Self> {
        let (mut kind, mut expires_at, mut version_at) = (None, None, None);
        let mut fields = CanonicalObject::checked_before(canonical)?.entries();
        while let Some((key, _)) = fields.peek() {
            // Nothing has to be stepped over where the version comes last, as tufold writes it.
            if key == b"targets" && expires_at.is_some() {
                version_at = last_version(canonical);
                if version_at.is_some() {
                    break;
                }
            }
            let entry = fields.next()?;
            match entry.raw_key {
                b"_type" => kind = Some(entry.value),
                b"expires" => expires_at = Some(range_in(canonical, entry.value)),
                b"version" => version_at = Some(range_in(canonical, entry.value)),
                _ => {}
            }
        }
        let is_targets = kind? == format!("\"{}\"", Targets::TYPE).as_bytes();
        let (expires_at, version_at) = (expires_at?, version_at?);
        let same = canonical[version_at.clone()] == *version.get().to_string().as_bytes();
        (is_targets && same && expires_at.end < version_at.start).then_some(Self {
            expires_at,
            version_at,
            expires,
        })
    }

    /// The document at another version; `canonical` are the bytes that were looked at.
    pub fn at(&self, canonical: &[u8], version: Version) -> Vec<u8> {
        let mut out = Vec::with_capacity(canonical.len() + 32);
        out.extend_from_slice(&canonical[..self.expires_at.start]);
        out.extend_from_slice(format!("\"{}\"", self.expires).as_bytes());
        out.extend_from_slice(&canonical[self.expires_at.end..self.version_at.start]);
        out.extend_from_slice(version.get().to_string().as_bytes());
        out.extend_from_slice(&canonical[self.version_at.end..]);
        out
    }
}

/// Where the number of the field `version` stands if that is the last one of a canonical object. (A quote behind a comma
/// begins a string: within one it would have a backslash before it.)
fn last_version(canonical: &[u8]) -> Option<Range<usize>> {
    let end = canonical.len().checked_sub(1)?;
    let digits = canonical[..end].iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let start = end - digits;
    (digits > 0 && canonical[..start].ends_with(b",\"version\":")).then_some(start..end)
}

/// Where a part of some bytes is in them.
pub(crate) fn range_in(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Signed;

    const FIRST: &str = r#"{"_type":"targets","expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{"version":{"hashes":{"sha256":"2c"},"length":3}},"version":9,"x":{"version":9}}"#;

    /// The same with the version last.
    fn usual() -> String {
        FIRST.replace(r#","x":{"version":9}"#, "")
    }

    #[test]
    fn a_renewal_is_what_parsing_would_give() {
        check_renewal(FIRST);
        check_renewal(&usual());
        // No version of its own at the end.
        check_renewal(&FIRST.replace(r#""x":{"version":9}"#, r#""x":9"#));
    }

    fn check_renewal(first: &str) {
        let time = |text: &str| text.parse::<Time>().unwrap();
        let version = |number| Version::new(number).unwrap();
        let renewal =
            Renewal::of_targets(first.as_bytes(), version(9), time("2031-02-03T04:05:06Z"))
                .unwrap();
        let renewed = renewal.at(first.as_bytes(), version(10));
        let file = format!(r#"{{"signatures":[],"signed":{first}}}"#);
        let mut parsed: Targets =
            serde_json::from_slice(Signed::take_apart(file.into()).unwrap().canonical()).unwrap();
        parsed.version = version(10);
        parsed.expires = time("2031-02-03T04:05:06Z");
        assert_eq!(renewed, parsed.to_canonical());
    }

    #[test]
    fn what_is_no_targets_document_of_the_version_is_not_renewed() {
        let expires: Time = "2031-02-03T04:05:06Z".parse().unwrap();
        for (wrong, version) in [
            (FIRST.to_owned(), 8),
            (usual(), 8),
            (usual().replace("\"targets\",", "\"snapshot\","), 9),
            (FIRST.replace("\"targets\",", "\"snapshot\","), 9),
            (FIRST.replace("\"expires\"", "\"expired\""), 9),
            ("[]".to_owned(), 9),
        ] {
            let version = Version::new(version).unwrap();
            assert_eq!(Renewal::of_targets(wrong.as_bytes(), version, expires), None, "{wrong}");
        }
    }
}
