//! A signed document: its exact bytes beside what they say, and the payload only after its
//! signatures were checked.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::{Deref, Range};

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::cjson::{self, CanonicalError, ObjectWriter};
use crate::keys::KeyError;
use crate::{Key, KeyId, Role, RoleKeys, Root, Signature, SigningKey};

/// A document that was parsed but not verified. Its payload comes out through [`Signed::verify`]
/// only.
#[derive(Clone, Debug)]
pub struct Signed<T> {
    bytes: Vec<u8>,
    canonical: Canonical,
    signatures: Vec<Signature>,
    payload: T,
}

/// A document whose signatures reached the threshold of the role it was verified for.
#[derive(Clone, Debug)]
pub struct Verified<T>(Signed<T>);

/// The canonical bytes of `signed`: usually a slice of the file.
#[derive(Clone, Debug)]
enum Canonical {
    Slice(Range<usize>),
    Own(Vec<u8>),
}

/// Why bytes are not a document of the expected role.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// Not JSON, or not a signed object of this role.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    /// `signed` has no canonical form.
    #[error("`signed` has no canonical form: {0}")]
    Canonical(#[from] CanonicalError),
    /// A key id stands twice in `signatures`.
    #[error("key id {0} signed twice")]
    SignedTwice(KeyId),
}

/// Too few good signatures.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{valid} of {threshold} required signatures are good")]
pub struct ThresholdError {
    /// How many different keys of the role signed well.
    pub valid: u64,
    /// How many must.
    pub threshold: u64,
}

struct Envelope<'a> {
    signed: &'a RawValue,
    signatures: Vec<Signature>,
}

/// Takes a file apart without reading what it says: the canonical bytes of `signed`, and the
/// signatures.
pub fn canonical_parts(file: &[u8]) -> Result<(Cow<'_, [u8]>, Vec<Signature>), ParseError> {
    if let Some((signatures, signed)) = compact_parts(file)
        && cjson::is_canonical(&file[signed.clone()])
    {
        return Ok((Cow::Borrowed(&file[signed]), signatures));
    }
    let envelope: Envelope<'_> = serde_json::from_slice(file)?;
    let canonical = cjson::canonicalize(envelope.signed.get().as_bytes())?;
    Ok((canonical, envelope.signatures))
}

/// Where the canonical `signed` of a file lies that was found to have it there before; `None` if it is not of the form
/// that [`assemble`] writes.
pub(crate) fn canonical_place(file: &[u8]) -> Option<Range<usize>> {
    compact_parts(file).map(|(_, signed)| signed)
}

/// The signatures of a file of the form that [`assemble`] writes, and where its `signed` would be, which is not looked at.
fn compact_parts(file: &[u8]) -> Option<(Vec<Signature>, Range<usize>)> {
    let list = file.strip_prefix(b"{\"signatures\":")?;
    let mut values = serde_json::Deserializer::from_slice(list).into_iter();
    let signatures = values.next()?.ok()?;
    let (end, key) = (file.len() - list.len() + values.byte_offset(), b",\"signed\":");
    let signed = file.get(end..)?.strip_prefix(key)?.strip_suffix(b"}")?;
    Some((signatures, end + key.len()..end + key.len() + signed.len()))
}

/// TUF 4.2.1: a key id must be unique among the signatures.
fn signed_twice(signatures: &[Signature]) -> Option<&KeyId> {
    let mut seen = HashSet::new();
    signatures.iter().map(|signature| &signature.keyid).find(|keyid| !seen.insert(*keyid))
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        struct Fields<'a> {
            #[serde(borrow)]
            signed: &'a RawValue,
            signatures: Vec<Signature>,
        }
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of `signed` and `signatures`")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Envelope<'de>, A::Error> {
                let Fields { signed, signatures } =
                    Fields::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Envelope { signed, signatures })
            }
        }
        // What serde derives would take an array of the two, which no other reader does.
        deserializer.deserialize_map(Object)
    }
}

impl<T: Role> Signed<T> {
    /// Parses a whole file. The caller bounds its length.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, ParseError> {
        // The usual file is walked once less. What is wrong with any other is said below.
        let read = Self::read_compact(bytes, |file, signed| {
            let text = str::from_utf8(&file[signed]).ok()?;
            cjson::is_canonical(text.as_bytes()).then(|| serde_json::from_str(text).ok())?
        });
        let bytes = match read {
            Ok(read) => return Ok(read),
            Err(bytes) => bytes,
        };
        let envelope: Envelope<'_> = serde_json::from_slice(&bytes)?;
        let text = envelope.signed.get();
        let signatures = envelope.signatures;
        if let Some(keyid) = signed_twice(&signatures) {
            return Err(ParseError::SignedTwice(keyid.clone()));
        }
        if cjson::is_canonical(text.as_bytes()) {
            let payload = serde_json::from_str(text)?;
            let start = text.as_ptr() as usize - bytes.as_ptr() as usize;
            let canonical = Canonical::Slice(start..start + text.len());
            return Ok(Self { canonical, signatures, payload, bytes });
        }
        // What is verified must be what is read: the payload is taken from the value that the
        // canonical bytes are made of.
        let value: serde_json::Value = serde_json::from_str(text)?;
        let mut canonical = Vec::with_capacity(text.len());
        cjson::write_value(&value, &mut canonical)?;
        let payload = serde_json::from_value(value)?;
        Ok(Self { canonical: Canonical::Own(canonical), signatures, payload, bytes })
    }
}

impl<T> Signed<T> {
    /// Checks the signatures: at least `threshold` of the role's keys, each counted once, must have
    /// signed the canonical bytes (TUF 4.2.1, 5.3.4 and the like). Signatures of other keys do not
    /// count and do no harm.
    pub fn verify(
        self,
        keys: &BTreeMap<KeyId, Key>,
        role: &RoleKeys,
    ) -> Result<Verified<T>, ThresholdError> {
        self.verify_for(keys, role)
    }
}

impl<T> Signed<T> {
    /// Reads a file of the form that [`assemble`] writes. `read` gets the file and the place of `signed` in it, checks
    /// that this is canonical, and makes the payload of it. The file comes back if it is not so.
    pub(crate) fn read_compact(
        file: Vec<u8>,
        read: impl FnOnce(&[u8], Range<usize>) -> Option<T>,
    ) -> Result<Self, Vec<u8>> {
        let parts = compact_parts(&file).filter(|(all, _)| signed_twice(all).is_none());
        let Some((signatures, signed)) = parts else { return Err(file) };
        match read(&file, signed.clone()) {
            Some(payload) => {
                Ok(Self { canonical: Canonical::Slice(signed), signatures, payload, bytes: file })
            }
            None => Err(file),
        }
    }

    /// As [`Signed::verify`], whatever the payload is.
    pub(crate) fn verify_for(
        self,
        keys: &BTreeMap<KeyId, Key>,
        role: &RoleKeys,
    ) -> Result<Verified<T>, ThresholdError> {
        let threshold = role.threshold.get();
        let valid = self.count_valid(keys, role);
        if valid < threshold {
            Err(ThresholdError { valid, threshold })
        } else {
            Ok(Verified(self))
        }
    }

    fn count_valid(&self, keys: &BTreeMap<KeyId, Key>, role: &RoleKeys) -> u64 {
        let threshold = role.threshold.get();
        let mut valid = 0;
        // TUF 4.2: two key ids may name one key; it must not count twice.
        let mut counted: HashSet<(&str, Option<&str>)> = HashSet::new();
        for id in &role.keyids {
            if valid == threshold {
                break;
            }
            let Some(key) = keys.get(id) else { continue };
            let identity = (key.scheme.as_str(), key.keyval.get_str("public"));
            if counted.contains(&identity) {
                continue;
            }
            let Some(verifier) = key.verifier() else { continue };
            let of_key = self.signatures.iter().find(|signature| signature.keyid == *id);
            let signature = of_key.and_then(Signature::bytes);
            if signature.is_some_and(|bytes| verifier.verifies(self.canonical(), &bytes)) {
                counted.insert(identity);
                valid += 1;
            }
        }
        valid
    }
}

impl Signed<Root> {
    /// Checks a root document against its own keys (TUF 5.3.4).
    pub fn verify_by_itself(self) -> Result<Verified<Root>, ThresholdError> {
        let root = &self.payload;
        let role = &root.roles["root"];
        let threshold = role.threshold.get();
        let valid = self.count_valid(&root.keys, role);
        if valid < threshold {
            Err(ThresholdError { valid, threshold })
        } else {
            Ok(Verified(self))
        }
    }
}

impl Signed<()> {
    /// Takes a file apart without reading what it says.
    pub fn take_apart(file: Vec<u8>) -> Result<Self, ParseError> {
        let (canonical, signatures) = canonical_parts(&file)?;
        let canonical = match canonical {
            Cow::Borrowed(slice) => {
                let start = slice.as_ptr() as usize - file.as_ptr() as usize;
                Canonical::Slice(start..start + slice.len())
            }
            Cow::Owned(bytes) => Canonical::Own(bytes),
        };
        Ok(Self { bytes: file, canonical, signatures, payload: () })
    }

    /// Takes a file apart that is known, byte for byte, to be one of which [`Signed::is_as_signed`] was true: it is not
    /// looked at again. It comes back if it is none.
    pub fn known(file: Vec<u8>) -> Result<Self, Vec<u8>> {
        Self::read_compact(file, |_, _| Some(()))
    }

    /// The file that [`assemble()`] makes of these, which has not to be taken apart again.
    pub fn assemble(canonical: &[u8], mut signatures: Vec<Signature>) -> Self {
        let (bytes, text) = assemble_text(canonical, &signatures);
        signatures.sort_by(|left, right| left.keyid.cmp(&right.keyid));
        let canonical = match text {
            // All that stands behind `signed` is a brace.
            Text::Canonical => Canonical::Slice(bytes.len() - 1 - canonical.len()..bytes.len() - 1),
            Text::Escaped => Canonical::Own(canonical.to_vec()),
        };
        Self { bytes, canonical, signatures, payload: () }
    }
}

impl<T> Signed<T> {
    /// The file as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The canonical bytes of `signed`, which the signatures cover.
    pub fn canonical(&self) -> &[u8] {
        match &self.canonical {
            Canonical::Slice(range) => &self.bytes[range.clone()],
            Canonical::Own(bytes) => bytes,
        }
    }

    /// Whether the file has the canonical bytes as they are, and is of the form that [`assemble()`] writes.
    pub fn is_as_signed(&self) -> bool {
        let end = self.bytes.len().checked_sub(1);
        matches!(&self.canonical, Canonical::Slice(signed) if Some(signed.end) == end)
            && self.bytes.starts_with(b"{\"signatures\":")
    }

    /// Whether the whole file is canonical, and not `signed` alone, which is not looked at again.
    pub fn is_canonical(&self) -> bool {
        let Canonical::Slice(signed) = &self.canonical else { return false };
        let (before, after) = (&self.bytes[..signed.start], &self.bytes[signed.end..]);
        cjson::is_canonical(&[before, b"{}", after].concat())
    }

    /// The signatures as they are listed, good or bad.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }
}

impl<T> Verified<T> {
    /// The document that was verified.
    pub fn signed(&self) -> &Signed<T> {
        &self.0
    }

    /// The file as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The payload, without the bytes.
    pub fn into_payload(self) -> T {
        self.0.payload
    }

    /// The payload, and the file without it.
    pub fn into_parts(self) -> (T, Signed<()>) {
        let Signed { bytes, canonical, signatures, payload } = self.0;
        (payload, Signed { bytes, canonical, signatures, payload: () })
    }
}

impl Verified<Root> {
    /// Takes the signatures off again, to check them against other keys as well.
    pub fn into_signed(self) -> Signed<Root> {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.payload
    }
}

/// Signs canonical bytes with each key and gives the file: one line of compact JSON whose `signed`
/// is the canonical bytes (but for raw control characters, which JSON escapes).
pub fn sign(canonical: &[u8], keys: &[&SigningKey]) -> Result<Vec<u8>, KeyError> {
    let signatures: Vec<_> =
        keys.iter().map(|key| key.sign(canonical)).collect::<Result<_, _>>()?;
    Ok(assemble(canonical, &signatures))
}

/// Puts canonical bytes and their signatures, sorted by key id, into a file.
pub fn assemble(canonical: &[u8], signatures: &[Signature]) -> Vec<u8> {
    assemble_text(canonical, signatures).0
}

/// Whether a file has its canonical bytes as they are.
enum Text {
    Canonical,
    /// Control characters are escaped.
    Escaped,
}

fn assemble_text(canonical: &[u8], signatures: &[Signature]) -> (Vec<u8>, Text) {
    let mut sorted: Vec<_> = signatures.iter().collect();
    sorted.sort_by(|left, right| left.keyid.cmp(&right.keyid));
    let mut out = Vec::with_capacity(canonical.len() + 64 + 256 * sorted.len());
    let mut envelope = ObjectWriter::new(&mut out, None);
    let list = envelope.key("signatures");
    list.push(b'[');
    for (i, signature) in sorted.into_iter().enumerate() {
        if i > 0 {
            list.push(b',');
        }
        signature.write(list);
    }
    list.push(b']');
    envelope.key("signed").extend_from_slice(canonical);
    envelope.end();
    // Key ids may hold control characters as well as `signed`.
    match cjson::file_text(&out) {
        Cow::Borrowed(_) => (out, Text::Canonical),
        Cow::Owned(text) => (text, Text::Escaped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Targets;

    const CANONICAL: &[u8] = br#"{"_type":"targets","expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{},"version":1}"#;

    #[test]
    fn a_file_is_an_object() {
        let signed = str::from_utf8(CANONICAL).unwrap();
        let file = format!(r#"{{"signed":{signed},"x":1,"signatures":[]}}"#);
        assert!(Signed::<Targets>::parse(file.into()).is_ok());
        let error = Signed::<Targets>::parse(format!("[{signed},[]]").into()).unwrap_err();
        assert!(error.to_string().contains("an object of `signed` and `signatures`"), "{error}");
    }

    #[test]
    fn a_file_taken_apart_is_the_same_however_it_is_written() {
        let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
        let signature = key.sign(CANONICAL).unwrap();
        let compact = assemble(CANONICAL, std::slice::from_ref(&signature));
        let value: serde_json::Value = serde_json::from_slice(&compact).unwrap();
        let pretty = serde_json::to_vec_pretty(&value).unwrap();
        let with_more = [&compact[..compact.len() - 1], b",\"x\":1}"].concat();
        for file in [compact.clone(), pretty, with_more] {
            let apart = Signed::take_apart(file.clone()).unwrap();
            assert_eq!(apart.bytes(), file);
            assert_eq!(apart.is_canonical(), cjson::is_canonical(&file));
            assert_eq!(
                (apart.canonical(), apart.signatures()),
                (CANONICAL, &[signature.clone()][..])
            );
        }
        for canonical in [CANONICAL, b"{\"a\":\"\x01\"}"] {
            let made = Signed::assemble(canonical, vec![signature.clone()]);
            let apart = Signed::take_apart(made.bytes().to_vec()).unwrap();
            assert_eq!((made.canonical(), apart.canonical()), (canonical, canonical));
            assert_eq!(made.signatures(), apart.signatures());
            assert_eq!(made.is_as_signed(), canonical == CANONICAL);
            assert_eq!(apart.is_as_signed(), canonical == CANONICAL);
            let known = Signed::known(made.bytes().to_vec()).unwrap();
            assert_eq!(known.canonical() == canonical, canonical == CANONICAL);
        }
        for cut in 0..compact.len() {
            assert!(Signed::take_apart(compact[..cut].to_vec()).is_err());
        }
    }

    #[test]
    fn a_key_id_with_control_characters_makes_a_file_too() {
        let keyid = KeyId::from("\u{0}\n".to_owned());
        let signature = Signature { keyid, sig: "00".into(), extra: cjson::Object::default() };
        let file = assemble(CANONICAL, std::slice::from_ref(&signature));
        let parsed = Signed::<Targets>::parse(file).unwrap();
        assert_eq!((parsed.signatures(), parsed.canonical()), (&[signature][..], CANONICAL));
    }

    #[test]
    fn refuses_two_signatures_of_one_key_id() {
        let key = SigningKey::from_pem(&SigningKey::generate_ed25519_pem().unwrap()).unwrap();
        let signature = key.sign(CANONICAL).unwrap();
        let file = assemble(CANONICAL, std::slice::from_ref(&signature));
        assert!(Signed::<Targets>::parse(file).is_ok());
        let file = assemble(CANONICAL, &[signature.clone(), signature]);
        let error = Signed::<Targets>::parse(file).unwrap_err().to_string();
        assert_eq!(error, format!("key id {} signed twice", key.id()));
    }
}
