//! What delta files are called, and how a timestamp says that there are any.

use std::fmt;

use percent_encoding::{percent_decode_str, utf8_percent_encode};

use super::{QUOTED, Version};
use crate::cjson::Object;

/// The folder of the deltas below the document root.
pub const DELTAS_FOLDER: &str = "deltas/";

/// The field of the signed timestamp that says which deltas there are.
pub const DELTAS_FIELD: &str = "x-tufold-deltas";

/// Names one delta.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DeltaName {
    /// The snapshot's own; without a base it starts from nothing.
    Snapshot {
        /// The version that the reader holds.
        from: Option<Version>,
        /// The version that it gets.
        to: Version,
    },
    /// The bundle for a mirror, by versions of the snapshot.
    Mirror {
        /// The version that the reader holds.
        from: Version,
        /// The version that it gets.
        to: Version,
    },
    /// One targets role's.
    Role {
        /// Which role.
        role: String,
        /// The version that the reader holds.
        from: Version,
        /// The version that it gets.
        to: Version,
    },
    /// The new bins of a group from its old ones, where their number changed ([`Regroup`](crate::Regroup)).
    Bins {
        /// The version that the new bins start at.
        first: Version,
        /// The group's larger bin: the old one that splits, or the new one that old ones merge into.
        role: String,
    },
}

impl DeltaName {
    /// The path below the document root.
    pub fn path(&self) -> String {
        format!("{DELTAS_FOLDER}{self}")
    }

    /// The role by whose versions the delta goes.
    pub fn role(&self) -> &str {
        match self {
            Self::Snapshot { .. } | Self::Mirror { .. } => "snapshot",
            Self::Role { role, .. } | Self::Bins { role, .. } => role,
        }
    }

    /// Whether the signatures of the version that it ends in travel with it. Of the snapshot's edges those of
    /// one step have them, and those from nothing: the longer ones mostly lie in the middle of a path, and a
    /// reader whose path ends in one takes the signatures from the step to the same version.
    pub fn has_signatures(&self) -> bool {
        match self {
            Self::Snapshot { from, to } => from.is_none_or(|from| from.next() == *to),
            Self::Role { .. } | Self::Bins { .. } => true,
            Self::Mirror { .. } => false,
        }
    }

    /// The version that the reader holds; `None` if the delta starts from nothing, or only it says from where.
    pub fn from(&self) -> Option<Version> {
        match self {
            Self::Bins { .. } => None,
            Self::Snapshot { from, .. } => *from,
            Self::Mirror { from, .. } | Self::Role { from, .. } => Some(*from),
        }
    }

    /// The version that the reader gets.
    pub fn to(&self) -> Version {
        match self {
            Self::Snapshot { to, .. } | Self::Mirror { to, .. } | Self::Role { to, .. } => *to,
            Self::Bins { first, .. } => *first,
        }
    }

    /// Takes a path of [`DeltaName::path`] apart; `None` for any other.
    pub fn parse_path(path: &str) -> Option<Self> {
        let (folder, edge) = path.strip_prefix(DELTAS_FOLDER)?.rsplit_once('/')?;
        if let Some(first) = folder.strip_prefix("bins/") {
            let first = Version::new(first.parse().ok()?)?;
            let role = percent_decode_str(edge).decode_utf8().ok()?.into_owned();
            let name = Self::Bins { first, role };
            return (!edge.is_empty() && name.path() == path).then_some(name);
        }
        let (from, to) = edge.split_once('-')?;
        let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
        let to = Version::new(to).filter(|to| from < to.get())?;
        let name = match (folder, Version::new(from)) {
            ("snapshot", from) => Self::Snapshot { from, to },
            ("mirror", Some(from)) => Self::Mirror { from, to },
            (folder, Some(from)) => {
                let role = percent_decode_str(folder.strip_prefix("roles/")?).decode_utf8().ok()?;
                Self::Role { role: role.into_owned(), from, to }
            }
            _ => return None,
        };
        (name.path() == path).then_some(name)
    }
}

impl fmt::Display for DeltaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Snapshot { from: None, to } => write!(f, "snapshot/0-{to}"),
            Self::Snapshot { from: Some(from), to } => write!(f, "snapshot/{from}-{to}"),
            Self::Mirror { from, to } => write!(f, "mirror/{from}-{to}"),
            Self::Role { role, from, to } => {
                write!(f, "roles/{}/{from}-{to}", utf8_percent_encode(role, QUOTED))
            }
            Self::Bins { first, role } => {
                write!(f, "bins/{first}/{}", utf8_percent_encode(role, QUOTED))
            }
        }
    }
}

/// The ladder that a timestamp advertises: a name and a number, as in `pow2:1024`. Which deltas a
/// ladder has is for whoever fetches them to know; of one unknown to it, a reader asks for none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advertised(String);

impl Advertised {
    /// So many characters at most: the whole field with its comma takes 32 bytes then.
    pub const MAX_LEN_BYTES: usize = 11;

    /// `None` unless `ladder` is lower-case letters and digits that begin with a letter, a colon, and
    /// a number from 1 up without a leading zero.
    pub fn new(ladder: &str) -> Option<Self> {
        let (name, number) = ladder.split_once(':')?;
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let good = ladder.len() <= Self::MAX_LEN_BYTES
            && name.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
            && name.bytes().all(lower)
            && matches!(number.bytes().next(), Some(b'1'..=b'9'))
            && number.bytes().all(|b| b.is_ascii_digit());
        good.then(|| Self(ladder.to_owned()))
    }

    /// What the unknown fields of a timestamp advertise.
    pub fn read(extra: &Object) -> Option<Self> {
        Self::new(extra.get_str(DELTAS_FIELD)?)
    }

    /// Sets the field among the unknown fields of a timestamp, or removes it.
    pub fn set(ladder: Option<&Self>, extra: &mut Object) {
        match ladder {
            Some(ladder) => extra.insert(DELTAS_FIELD, &ladder.0),
            None => extra.remove(DELTAS_FIELD),
        }
    }

    /// The ladder as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Version {
        Version::new(number).unwrap()
    }

    #[test]
    fn delta_paths_read_back() {
        let role = |role: &str| DeltaName::Role {
            role: role.to_owned(),
            from: version(8),
            to: version(9),
        };
        let rows = [
            (DeltaName::Snapshot { from: None, to: version(7) }, "deltas/snapshot/0-7"),
            (DeltaName::Snapshot { from: Some(version(3)), to: version(7) }, "deltas/snapshot/3-7"),
            (DeltaName::Mirror { from: version(3), to: version(7) }, "deltas/mirror/3-7"),
            (role("bins-0a"), "deltas/roles/bins-0a/8-9"),
            (
                DeltaName::Bins { first: version(9), role: "a/b-0a".to_owned() },
                "deltas/bins/9/a%2Fb-0a",
            ),
            (role("../a/é-1"), "deltas/roles/..%2Fa%2F%C3%A9-1/8-9"),
        ];
        for (name, path) in rows {
            assert_eq!(name.path(), path);
            assert_eq!(DeltaName::parse_path(path), Some(name));
        }
        for path in [
            "snapshot/1-2",
            "deltas/snapshot/2-2",
            "deltas/snapshot/3-2",
            "deltas/snapshot/01-2",
            "deltas/snapshot/+1-2",
            "deltas/snapshot/1-2/",
            "deltas/snapshot/1",
            "deltas/mirror/0-2",
            "deltas/roles/a/0-2",
            "deltas/roles/a/b/1-2",
            "deltas/roles/%61/1-2",
            "deltas/roles/%ff/1-2",
            "deltas/other/1-2",
            "deltas/bins/9/",
            "deltas/bins/0/bins-0a",
            "deltas/bins/09/bins-0a",
            "deltas/bins/bins-0a",
            "deltas/bins/9/a/b",
        ] {
            assert_eq!(DeltaName::parse_path(path), None, "{path}");
        }
    }

    #[test]
    fn advertisements_take_32_bytes_at_most() {
        let mut extra = Object::default();
        for ladder in ["pow2:1024", "climb:99999", "direct:9999"] {
            let advertised = Advertised::new(ladder).unwrap();
            Advertised::set(Some(&advertised), &mut extra);
            assert_eq!(Advertised::read(&extra), Some(advertised));
            let mut field = Vec::new();
            extra.write(&mut field);
            assert!(field.len() - "{}".len() + ",".len() <= 32, "{ladder}");
        }
        Advertised::set(None, &mut extra);
        assert!(extra.is_empty() && Advertised::read(&extra).is_none());
        for bad in ["", "pow2", "pow2:", "pow2:0", "pow2:01", "pow2:+1", ":1", "2pow:1", "Pow2:1"] {
            assert_eq!(Advertised::new(bad), None, "{bad}");
        }
        assert_eq!(Advertised::new("pow2:1234567"), None);
    }
}
