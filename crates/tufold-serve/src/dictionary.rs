//! Earlier versions as compression dictionaries (RFC 9842).

use data_encoding::BASE64;
use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use tufold_meta::Digest;
use tufold_meta::names::{METADATA_FOLDER, Version, parse_versioned_file_name};

pub(crate) const USE_AS_DICTIONARY: HeaderName = HeaderName::from_static("use-as-dictionary");
const AVAILABLE_DICTIONARY: HeaderName = HeaderName::from_static("available-dictionary");
const DICTIONARY_ID: HeaderName = HeaderName::from_static("dictionary-id");

/// A document whose later versions resemble it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Series {
    version: Version,
    /// The file's name behind the version: `snapshot.json`.
    tail: String,
}

/// What a client holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    pub(crate) digest: Digest,
    /// What the client was told of it, if it says.
    version: Option<Version>,
}

impl Series {
    /// `None` if the file is no document that has earlier versions. A root has, but they differ in all that matters.
    pub(crate) fn of(name: &str) -> Option<Self> {
        let file = name.strip_prefix(METADATA_FOLDER)?;
        let (version, role) = parse_versioned_file_name(file)?;
        let tail = file.split_once('.')?.1.to_owned();
        (role != "root").then_some(Self { version, tail })
    }

    /// The value of `Use-As-Dictionary`: for whatever other version is asked for later. The version travels as the id, so
    /// that the file is found again without a search.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let Self { version, tail } = self;
        let value = format!("match=\"/{METADATA_FOLDER}*.{tail}\", id=\"{version}\"");
        HeaderValue::try_from(value).ok()
    }

    /// The file that a client has, if it is an earlier version of this one. A client need not say which version it has
    /// (RFC 9842, 2.3); then `name_of` tells which file has this digest.
    pub(crate) fn earlier(
        &self,
        held: Held,
        name_of: impl FnOnce(Digest) -> Option<String>,
    ) -> Option<String> {
        let version = match held.version {
            Some(version) => version,
            None => Self::of(&name_of(held.digest)?).filter(|of| of.tail == self.tail)?.version,
        };
        (version < self.version).then(|| format!("{METADATA_FOLDER}{version}.{}", self.tail))
    }
}

impl Held {
    /// `None` if the client has no dictionary, or none that came from here.
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        let one = |name| {
            let mut values = headers.get_all(name).iter();
            let value = values.next()?.to_str().ok()?;
            values.next().is_none().then_some(value.trim())
        };
        // RFC 8941: a byte sequence, and a string.
        let digest = one(AVAILABLE_DICTIONARY)?.strip_prefix(':')?.strip_suffix(':')?;
        let digest: [u8; 32] = BASE64.decode(digest.as_bytes()).ok()?.try_into().ok()?;
        let version = match headers.contains_key(DICTIONARY_ID) {
            true => {
                let id = one(DICTIONARY_ID)?.strip_prefix('"')?.strip_suffix('"')?;
                Some(Version::new(id.parse().ok()?)?)
            }
            false => None,
        };
        Some(Self { digest: Digest::from_bytes(digest), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_what_it_serves_for() {
        for (name, header) in [
            ("metadata/7.snapshot.json", Some(r#"match="/metadata/*.snapshot.json", id="7""#)),
            ("metadata/12.bins-0a.json", Some(r#"match="/metadata/*.bins-0a.json", id="12""#)),
            ("metadata/1.root.json", None),
            ("metadata/timestamp.json", None),
            ("metadata/07.snapshot.json", None),
            ("deltas/snapshot/1-2", None),
            ("7.snapshot.json", None),
        ] {
            let found = Series::of(name).and_then(|series| series.header());
            assert_eq!(found.as_ref().and_then(|value| value.to_str().ok()), header, "{name}");
        }
    }

    #[test]
    fn finds_what_the_client_holds() {
        let series = Series::of("metadata/7.snapshot.json").unwrap();
        let digest = format!(":{}:", BASE64.encode(&[9; 32]));
        let short = format!(":{}:", BASE64.encode(&[9; 31]));
        for (dictionary, id, earlier) in [
            (digest.as_str(), "\"6\"", Some("metadata/6.snapshot.json")),
            (&digest, "\"7\"", None),
            (&digest, "\"8\"", None),
            (&digest, "\"0\"", None),
            (&digest, "\"../6\"", None),
            (&digest, "6", None),
            (&digest, "", None),
            (&short, "\"6\"", None),
            ("x", "\"6\"", None),
            (":!:", "\"6\"", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(AVAILABLE_DICTIONARY, dictionary.parse().unwrap());
            headers.insert(DICTIONARY_ID, id.parse().unwrap());
            let held = Held::read(&headers);
            let found = held.and_then(|held| series.earlier(held, |_| panic!("it is told")));
            assert_eq!(found.as_deref(), earlier, "{dictionary} {id}");
            headers.append(DICTIONARY_ID, "\"6\"".parse().unwrap());
            assert_eq!(Held::read(&headers), None);
        }
    }

    #[test]
    fn finds_by_its_digest_what_nobody_names() {
        let series = Series::of("metadata/7.snapshot.json").unwrap();
        let mut headers = HeaderMap::new();
        let digest = format!(":{}:", BASE64.encode(&[9; 32]));
        headers.insert(AVAILABLE_DICTIONARY, digest.parse().unwrap());
        let held = Held::read(&headers).unwrap();
        for (name, earlier) in [
            (Some("metadata/6.snapshot.json"), Some("metadata/6.snapshot.json")),
            (Some("metadata/7.snapshot.json"), None),
            (Some("metadata/6.bins-0a.json"), None),
            (None, None),
        ] {
            let found = series.earlier(held, |asked| {
                assert_eq!(asked, Digest::from_bytes([9; 32]));
                name.map(str::to_owned)
            });
            assert_eq!(found.as_deref(), earlier, "{name:?}");
        }
    }
}
