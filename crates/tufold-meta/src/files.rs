//! How one document lists another: a metadata file in `meta`, a target file in `targets`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use crate::cjson::{Object, ObjectWriter, write_number};
use crate::digest::HashCheck;
use crate::{Hashes, Version};

/// A metadata file as the timestamp or the snapshot lists it (TUF 4.4, METAFILES).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MetaFile {
    /// The version of the role.
    pub version: Version,
    /// The length of the file in bytes, if it is listed.
    pub length: Option<u64>,
    /// The hashes of the file, if they are listed.
    pub hashes: Option<Hashes>,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// A target file as a targets role lists it (TUF 4.5, TARGETS).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetFile {
    /// The length of the file in bytes.
    pub length: u64,
    /// The hashes of the file, one or more.
    pub hashes: Hashes,
    /// What the application keeps beside the file.
    pub custom: Option<Object>,
    /// Fields that tufold does not know.
    pub extra: Object,
}

/// A file whose bytes are not what was listed.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// The length differs.
    #[error("is {found} bytes long, expected {expected}")]
    Length {
        /// What was listed.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// A hash differs.
    #[error("has other bytes: {0}")]
    Hash(String),
}

impl MetaFile {
    /// Only the version.
    pub fn version_only(version: Version) -> Self {
        Self { version, length: None, hashes: None, extra: Object::default() }
    }

    /// Checks length and hashes as far as they are listed (TUF 5.4.1, 5.5.2).
    pub fn check(&self, bytes: &[u8]) -> Result<(), Mismatch> {
        if let Some(expected) = self.length {
            check_length(expected, bytes.len() as u64)?;
        }
        self.hashes.as_ref().map_or(Ok(()), |hashes| hashes.check(bytes)).map_err(Mismatch::Hash)
    }

    /// Appends the canonical JSON to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        if let Some(hashes) = &self.hashes {
            hashes.write(object.key("hashes"));
        }
        if let Some(length) = self.length {
            object.number("length", length);
        }
        object.number("version", self.version.get());
        object.end();
    }
}

impl TargetFile {
    /// Only a length and a SHA-256.
    pub fn new(length: u64, sha256: crate::Digest) -> Self {
        let hashes = Hashes::sha256_only(sha256);
        Self { length, hashes, custom: None, extra: Object::default() }
    }

    /// Checks length and hashes (TUF 5.7.1).
    pub fn check(&self, bytes: &[u8]) -> Result<(), Mismatch> {
        let mut check = self.checker();
        check.update(bytes);
        check.finish()
    }

    /// Checks length and hashes of a file that comes piece by piece.
    pub fn checker(&self) -> FileCheck {
        FileCheck { expected: self.length, found: 0, hashes: HashCheck::new(&self.hashes) }
    }

    /// Appends the canonical JSON to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        if self.custom.is_none() && self.extra.is_empty() {
            // Nearly every target is one of these, and an index has millions.
            out.extend_from_slice(b"{\"hashes\":");
            self.hashes.write(out);
            out.extend_from_slice(b",\"length\":");
            write_number(self.length, out);
            out.push(b'}');
            return;
        }
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        if let Some(custom) = &self.custom {
            custom.write(object.key("custom"));
        }
        self.hashes.write(object.key("hashes"));
        object.number("length", self.length);
        object.end();
    }
}

/// [`TargetFile::check`] of bytes that come piece by piece.
#[derive(Clone)]
pub struct FileCheck {
    expected: u64,
    found: u64,
    hashes: HashCheck,
}

impl FileCheck {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.found += bytes.len() as u64;
        self.hashes.update(bytes);
    }

    /// What the whole file came to.
    pub fn finish(self) -> Result<(), Mismatch> {
        check_length(self.expected, self.found)?;
        self.hashes.finish().map_err(Mismatch::Hash)
    }
}

fn check_length(expected: u64, found: u64) -> Result<(), Mismatch> {
    if found == expected { Ok(()) } else { Err(Mismatch::Length { expected, found }) }
}

/// The fields of either kind of entry. An index has an entry for each target and each bin, so
/// they are read by hand: serde's `flatten` would buffer every field.
#[derive(Default)]
struct Fields {
    version: Option<Version>,
    length: Option<u64>,
    hashes: Option<Hashes>,
    custom: Option<Object>,
    extra: Map<String, Value>,
}

/// Which fields are known, and what the entry is called in an error.
struct FieldsVisitor {
    known: &'static [&'static str],
    expecting: &'static str,
}

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let known = if self.known.contains(&&*key) { &*key } else { "" };
            let twice = match known {
                "version" => fields.version.replace(map.next_value()?).is_some(),
                "length" => fields.length.replace(map.next_value()?).is_some(),
                "hashes" => fields.hashes.replace(map.next_value()?).is_some(),
                "custom" => fields.custom.replace(map.next_value()?).is_some(),
                _ => fields.extra.insert(key.clone().into_owned(), map.next_value()?).is_some(),
            };
            if twice {
                return Err(A::Error::custom(format!("duplicate field `{key}`")));
            }
        }
        Ok(fields)
    }
}

impl<'de> Deserialize<'de> for MetaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = deserializer.deserialize_map(FieldsVisitor {
            known: &["version", "length", "hashes"],
            expecting: "the version of a metadata file, and its length and hashes",
        })?;
        Ok(Self {
            version: fields.version.ok_or_else(|| D::Error::missing_field("version"))?,
            length: fields.length,
            hashes: fields.hashes,
            extra: Object::new(fields.extra).map_err(D::Error::custom)?,
        })
    }
}

impl<'de> Deserialize<'de> for TargetFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = deserializer.deserialize_map(FieldsVisitor {
            known: &["length", "hashes", "custom"],
            expecting: "the length and the hashes of a target file",
        })?;
        Ok(Self {
            length: fields.length.ok_or_else(|| D::Error::missing_field("length"))?,
            hashes: fields.hashes.ok_or_else(|| D::Error::missing_field("hashes"))?,
            custom: fields.custom,
            extra: Object::new(fields.extra).map_err(D::Error::custom)?,
        })
    }
}
