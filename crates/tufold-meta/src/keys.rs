//! Keys: sign and verify one message.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    self, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, ParsedPublicKey,
};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::cjson::{Object, ObjectWriter};

/// The name of a key in metadata. tufold names its own keys by the SHA-256 of the key's canonical
/// JSON; of other publishers' keys any name is taken (TUF 4.2: "unique").
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    /// The key id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for KeyId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl AsRef<str> for KeyId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key as metadata lists it (TUF 4.2). A key of a type that tufold does not know is kept
/// and verifies nothing.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Key {
    /// `ed25519`, `ecdsa` or `rsa`.
    pub keytype: String,
    /// `ed25519`, `ecdsa-sha2-nistp256`, `ecdsa-sha2-nistp384`, `rsassa-pss-sha256` and so on.
    pub scheme: String,
    /// `public`, in hex for Ed25519 and in PEM (SubjectPublicKeyInfo) for the others, and what
    /// else stands there.
    pub keyval: Object,
    /// Fields that tufold does not know.
    #[serde(flatten)]
    pub extra: Object,
}

impl Key {
    /// The SHA-256 of the canonical JSON of the key, as securesystemslib makes it.
    pub fn id(&self) -> KeyId {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        KeyId(Digest::of(&bytes).to_string())
    }

    /// The key ready to verify with; `None` if the scheme is unknown or the public key is not of
    /// its form.
    pub fn verifier(&self) -> Option<Verifier> {
        let public = self.keyval.get_str("public")?;
        let algorithm: &'static dyn signature::VerificationAlgorithm =
            match (self.keytype.as_str(), self.scheme.as_str()) {
                ("ed25519", "ed25519") => &signature::ED25519,
                ("ecdsa" | "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256") => {
                    &signature::ECDSA_P256_SHA256_ASN1
                }
                ("ecdsa" | "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384") => {
                    &signature::ECDSA_P384_SHA384_ASN1
                }
                ("rsa", "rsassa-pss-sha256") => &signature::RSA_PSS_2048_8192_SHA256,
                ("rsa", "rsassa-pss-sha384") => &signature::RSA_PSS_2048_8192_SHA384,
                ("rsa", "rsassa-pss-sha512") => &signature::RSA_PSS_2048_8192_SHA512,
                _ => return None,
            };
        let bytes = if self.keytype == "ed25519" {
            HEXLOWER_PERMISSIVE.decode(public.as_bytes()).ok()?
        } else {
            let pem = pem::parse(public).ok()?;
            (pem.tag() == "PUBLIC KEY").then(|| pem.into_contents())?
        };
        Some(Verifier(ParsedPublicKey::new(algorithm, bytes).ok()?))
    }

    /// Appends the canonical JSON to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.string("keytype", &self.keytype);
        self.keyval.write(object.key("keyval"));
        object.string("scheme", &self.scheme);
        object.end();
    }
}

impl Key {
    /// Reads a public key in PEM (SubjectPublicKeyInfo): Ed25519, ECDSA P-256 or P-384, or RSA,
    /// which signs by PSS with SHA-256. The private half may be anywhere.
    pub fn from_public_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::PublicPem)?;
        if pem.tag() != "PUBLIC KEY" {
            return Err(KeyError::PublicPem);
        }
        if let Some(raw) = pem.contents().strip_prefix(ED25519_SPKI) {
            return Self::new("ed25519", "ed25519", HEXLOWER.encode(raw)).checked();
        }
        let public = public_pem(pem.contents());
        [
            ("ecdsa", "ecdsa-sha2-nistp256"),
            ("ecdsa", "ecdsa-sha2-nistp384"),
            ("rsa", "rsassa-pss-sha256"),
        ]
        .into_iter()
        .find_map(|(keytype, scheme)| Self::new(keytype, scheme, public.clone()).checked().ok())
        .ok_or(KeyError::PublicPem)
    }

    fn new(keytype: &str, scheme: &str, public: String) -> Self {
        let mut keyval = Object::default();
        keyval.insert("public", public.as_str());
        let (keytype, scheme) = (keytype.to_owned(), scheme.to_owned());
        Self { keytype, scheme, keyval, extra: Object::default() }
    }

    fn checked(self) -> Result<Self, KeyError> {
        if self.verifier().is_some() { Ok(self) } else { Err(KeyError::PublicPem) }
    }
}

/// What comes before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410).
const ED25519_SPKI: &[u8] = &[48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0];

/// A SubjectPublicKeyInfo as metadata lists it.
fn public_pem(der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new("PUBLIC KEY", der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}

/// A public key that has been parsed.
pub struct Verifier(ParsedPublicKey);

impl Verifier {
    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

/// A signature as metadata lists it (TUF 4.2.1).
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub struct Signature {
    /// Which key signed.
    pub keyid: KeyId,
    /// The signature in hex; empty where a role still waits for it.
    pub sig: String,
    /// Fields that tufold does not know.
    #[serde(flatten)]
    pub extra: Object,
}

impl Signature {
    /// The signature's bytes; `None` if it is not hex.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        HEXLOWER_PERMISSIVE.decode(self.sig.as_bytes()).ok()
    }

    /// Appends the canonical JSON to `out`.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, Some(&self.extra));
        object.string("keyid", self.keyid.as_str());
        object.string("sig", &self.sig);
        object.end();
    }
}

/// A private key that signs: Ed25519 or ECDSA P-256.
pub struct SigningKey {
    pair: Pair,
    public: Key,
    id: KeyId,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    EcdsaP256(EcdsaKeyPair),
}

/// Why a private key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not PEM with the tag `PRIVATE KEY` (PKCS#8, not encrypted).
    #[error("not an unencrypted PKCS#8 private key in PEM")]
    Pem,
    /// The text is not PEM with the tag `PUBLIC KEY` and a key of an algorithm that verifies.
    #[error("not an Ed25519, ECDSA P-256 or P-384, or RSA public key in PEM")]
    PublicPem,
    /// The key is of another algorithm, or damaged.
    #[error("neither an Ed25519 nor an ECDSA P-256 private key")]
    Algorithm,
    /// The crypto library failed.
    #[error("the crypto library could not make a key or a signature")]
    Crypto,
}

impl From<aws_lc_rs::error::Unspecified> for KeyError {
    fn from(_: aws_lc_rs::error::Unspecified) -> Self {
        Self::Crypto
    }
}

impl SigningKey {
    /// Makes an Ed25519 key from the system's randomness and returns its PKCS#8 PEM text, which
    /// [`SigningKey::from_pem`] and OpenSSL read.
    pub fn generate_ed25519_pem() -> Result<String, KeyError> {
        let document = Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new())?;
        Ok(pem::encode_config(
            &pem::Pem::new("PRIVATE KEY", document.as_ref()),
            pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
        ))
    }

    /// Reads a PKCS#8 private key in PEM.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let pem = pem::parse(text).map_err(|_| KeyError::Pem)?;
        if pem.tag() != "PRIVATE KEY" {
            return Err(KeyError::Pem);
        }
        let der = pem.contents();
        let (pair, keytype, scheme, public) =
            if let Ok(pair) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                let public = HEXLOWER.encode(pair.public_key().as_ref());
                (Pair::Ed25519(pair), "ed25519", "ed25519", public)
            } else {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der)
                    .map_err(|_| KeyError::Algorithm)?;
                let public = public_pem(pair.public_key().as_der()?.as_ref());
                (Pair::EcdsaP256(pair), "ecdsa", "ecdsa-sha2-nistp256", public)
            };
        let public = Key::new(keytype, scheme, public);
        let id = public.id();
        Ok(Self { pair, public, id })
    }

    /// The public key as metadata lists it.
    pub fn public(&self) -> &Key {
        &self.public
    }

    /// The key id.
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    /// Signs `message`. Ed25519 gives the same signature every time, ECDSA a new one.
    pub fn sign(&self, message: &[u8]) -> Result<Signature, KeyError> {
        let sig = match &self.pair {
            Pair::Ed25519(pair) => HEXLOWER.encode(pair.sign(message).as_ref()),
            Pair::EcdsaP256(pair) => {
                HEXLOWER.encode(pair.sign(&SystemRandom::new(), message)?.as_ref())
            }
        };
        Ok(Signature { keyid: self.id.clone(), sig, extra: Object::default() })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({} {})", self.public.scheme, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, 7.1, test 1.
    const RFC8032: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";

    #[test]
    fn signs_as_rfc_8032_has_it() {
        let key = SigningKey::from_pem(RFC8032).unwrap();
        assert_eq!(
            key.public().keyval.get_str("public"),
            Some("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
        );
        let signature = key.sign(b"").unwrap();
        assert!(signature.sig.starts_with("e5564300c360ac729086e2cc806e828a84877f1eb8e5d974"));
        let verifier = key.public().verifier().unwrap();
        assert!(verifier.verifies(b"", &signature.bytes().unwrap()));
        assert!(!verifier.verifies(b"x", &signature.bytes().unwrap()));
    }

    #[test]
    fn generated_keys_read_back() {
        let pem = SigningKey::generate_ed25519_pem().unwrap();
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(key.id(), &key.public().id());
        assert!(!format!("{key:?}").contains(pem.lines().nth(1).unwrap()));
    }

    #[test]
    fn signs_with_ecdsa_p256() {
        let document =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .unwrap();
        let pem = pem::encode(&pem::Pem::new("PRIVATE KEY", document.as_ref()));
        let key = SigningKey::from_pem(&pem).unwrap();
        assert_eq!(key.public().scheme, "ecdsa-sha2-nistp256");
        let signature = key.sign(b"message").unwrap().bytes().unwrap();
        let verifier = key.public().verifier().unwrap();
        assert!(verifier.verifies(b"message", &signature));
        assert!(!verifier.verifies(b"messagf", &signature));
    }

    /// Both halves of one key have one name, whatever its line ends.
    #[test]
    fn public_keys_are_read_without_their_private_halves() {
        let ecdsa =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .unwrap();
        let ecdsa = pem::encode(&pem::Pem::new("PRIVATE KEY", ecdsa.as_ref()));
        let ecdsa = SigningKey::from_pem(&ecdsa).unwrap();
        let text = ecdsa.public().keyval.get_str("public").unwrap();
        for text in [text.to_owned(), text.replace('\n', "\r\n")] {
            assert_eq!(&Key::from_public_pem(&text).unwrap(), ecdsa.public());
        }

        let ed25519 = SigningKey::from_pem(RFC8032).unwrap();
        let raw = ed25519.public().keyval.get_str("public").unwrap();
        let raw = HEXLOWER.decode(raw.as_bytes()).unwrap();
        let spki = |raw: &[u8]| public_pem(&[ED25519_SPKI, raw].concat());
        let read = Key::from_public_pem(&spki(&raw)).unwrap();
        assert_eq!((&read, read.id()), (ed25519.public(), ed25519.id().clone()));

        let rsa = pem::encode(&pem::Pem::new("PUBLIC KEY", vec![0x30, 0]));
        for text in ["", RFC8032, &spki(&raw[..31]), &rsa] {
            assert!(matches!(Key::from_public_pem(text), Err(KeyError::PublicPem)));
        }
    }

    #[test]
    fn says_why_a_private_key_is_refused() {
        let rsa = pem::encode(&pem::Pem::new("PRIVATE KEY", vec![0x30, 0]));
        assert!(matches!(SigningKey::from_pem(&rsa), Err(KeyError::Algorithm)));
        for text in ["", "MC4CAQAwBQYDK2Vw", &RFC8032.replace("PRIVATE", "PUBLIC")] {
            assert!(matches!(SigningKey::from_pem(text), Err(KeyError::Pem)));
        }
    }

    #[test]
    fn unknown_schemes_verify_nothing() {
        let mut key = SigningKey::from_pem(RFC8032).unwrap().public().clone();
        for (keytype, scheme) in [("ed25519", "ed448"), ("rsa", "ed25519"), ("", "")] {
            key.keytype = keytype.into();
            key.scheme = scheme.into();
            assert!(key.verifier().is_none());
        }
    }
}
