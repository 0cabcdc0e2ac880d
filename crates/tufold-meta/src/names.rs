//! Names and versions: every name of a metadata file or delta is built here.

use std::fmt;
use std::num::NonZeroU64;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

mod deltas;

pub use deltas::{Advertised, DELTAS_FIELD, DELTAS_FOLDER, DeltaName};

/// The version of a role: 1 and up.
#[derive(
    Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, serde::Deserialize, serde::Serialize,
)]
#[serde(transparent)]
pub struct Version(NonZeroU64);

impl Version {
    /// The first version.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// `None` for 0.
    pub fn new(version: u64) -> Option<Self> {
        NonZeroU64::new(version).map(Self)
    }

    /// The version as a number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version after this one; 2^64 - 1 has none and stays.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What RFC 3986 calls unreserved stays as it is, as in python-tuf's `quote(name, safe="")`.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The top-level roles of TUF 4, none of which can be delegated.
pub const TOP_LEVEL_ROLES: [&str; 4] = ["root", "timestamp", "snapshot", "targets"];

/// The folder of the metadata files below the document root.
pub const METADATA_FOLDER: &str = "metadata/";

/// Any text as one segment of a URL's path, and as a file name on any system.
pub fn quoted(text: &str) -> String {
    utf8_percent_encode(text, QUOTED).to_string()
}

/// The name of the role's file without a version, as `timestamp.json` has it, quoted for a URL.
pub fn file_name(role: &str) -> String {
    format!("{}.json", utf8_percent_encode(role, QUOTED))
}

/// The name of one version of the role's file (TUF 3.6.1, consistent snapshots).
pub fn versioned_file_name(role: &str, version: Version) -> String {
    format!("{version}.{}.json", utf8_percent_encode(role, QUOTED))
}

/// Takes a name of [`versioned_file_name`] apart: the version and the role. `None` for any other
/// name.
pub fn parse_versioned_file_name(name: &str) -> Option<(Version, String)> {
    let (version, rest) = name.split_once('.')?;
    let role = percent_encoding::percent_decode_str(rest.strip_suffix(".json")?);
    let role = role.decode_utf8().ok()?.into_owned();
    let version = Version::new(version.parse().ok()?)?;
    (versioned_file_name(&role, version) == name).then_some((version, role))
}

/// The entry of a role in the snapshot's `meta`: not quoted (TUF 4.4).
pub fn meta_name(role: &str) -> String {
    format!("{role}.json")
}

/// The path of a target file below the targets' base URL: with consistent snapshots the hash
/// stands before the file's name (TUF 3.6.1), whichever of the listed algorithms it is of.
pub fn target_file_path(path: &str, hex: Option<&str>) -> String {
    match (hex, path.rsplit_once('/')) {
        (None, _) => path.to_owned(),
        (Some(hex), Some((folder, name))) => format!("{folder}/{hex}.{name}"),
        (Some(hex), None) => format!("{hex}.{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_role_names_for_urls() {
        let version = Version::new(7).unwrap();
        let rows = [
            ("bins-0a", "7.bins-0a.json"),
            ("projects/django", "7.projects%2Fdjango.json"),
            ("../root", "7...%2Froot.json"),
            ("a b?%é", "7.a%20b%3F%25%C3%A9.json"),
        ];
        for (role, name) in rows {
            assert_eq!(versioned_file_name(role, version), name);
            assert_eq!(parse_versioned_file_name(name), Some((version, role.to_owned())));
        }
        for name in
            ["timestamp.json", "0.root.json", "07.root.json", "7.a/b.json", "7.root.jsn", "x"]
        {
            assert_eq!(parse_versioned_file_name(name), None, "{name}");
        }
    }

    #[test]
    fn target_files_carry_their_hash_before_the_name() {
        assert_eq!(target_file_path("a/b.txt", Some("e3b0")), "a/e3b0.b.txt");
        assert_eq!(target_file_path("b.txt", Some("e3b0")), "e3b0.b.txt");
        assert_eq!(target_file_path("a/b.txt", None), "a/b.txt");
    }
}
