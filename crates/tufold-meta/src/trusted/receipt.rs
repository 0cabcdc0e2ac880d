//! What a client notes of a document that it accepted, so that no later visit verifies it again.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::trusted::{
    Error, RoleChain, Source, Standing, TrustedSet, TrustedSnapshot, check_listed, check_version,
};
use crate::{Digest, Hashes, Key, KeyId, RoleKeys, Snapshot, Targets, Time, Verified, Version};

/// A note that a client writes to itself: a file of exactly these bytes was parsed, and verified
/// under exactly these keys, as this role.
///
/// A receipt replaces parsing and checking signatures, and nothing else: length, hashes, version and
/// expiry are checked at each visit ([`TrustedSet::recall_snapshot`],
/// [`TrustedSet::recall_delegated`]). It is bound to the bytes of the file, the role, the keys and
/// the threshold, so a file that was changed or a key that was withdrawn makes it worthless.
///
/// It is a plain digest and no signature. Whoever can write it can make the client take any bytes,
/// so it belongs where the trusted root lies: whoever can write there decides what is trusted
/// anyway.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Receipt {
    pub(super) version: Version,
    pub(super) expires: Time,
    /// Where the snapshot's `meta` lies in the file; empty for a targets role.
    pub(super) meta: Range<usize>,
    digest: Digest,
}

/// Whether a receipt fitted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Recall {
    /// The document counts as verified.
    Known,
    /// The receipt is of other bytes or keys. Nothing changed; the document is to be verified.
    Unknown,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, expires, meta, digest } = self;
        write!(f, "{version} {expires} {} {} {digest}", meta.start, meta.end)
    }
}

/// The text is no receipt.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a receipt")]
pub struct ReceiptError;

impl FromStr for Receipt {
    type Err = ReceiptError;

    fn from_str(text: &str) -> Result<Self, ReceiptError> {
        let parts: Vec<_> = text.split(' ').collect();
        let [version, expires, start, end, digest] = parts[..] else { return Err(ReceiptError) };
        let number = |text: &str| text.parse().map_err(|_| ReceiptError);
        Ok(Self {
            version: version.parse().ok().and_then(Version::new).ok_or(ReceiptError)?,
            expires: expires.parse().map_err(|_| ReceiptError)?,
            meta: number(start)?..number(end)?,
            digest: Digest::from_hex(digest).ok_or(ReceiptError)?,
        })
    }
}

impl Receipt {
    fn new(
        role: &str,
        version: Version,
        expires: Time,
        meta: Range<usize>,
        keys: &Digest,
        file: &Digest,
    ) -> Self {
        let mut text = format!("tufold receipt 1\n{role}\n{version} {expires} {meta:?}\n");
        text.push_str(&format!("{keys}\n{file}\n"));
        Self { version, expires, meta, digest: Digest::of(text.as_bytes()) }
    }

    /// Whether this is the receipt of the file with this digest, in this role under these keys.
    fn is_of(&self, role: &str, keys: &Digest, file: &Digest) -> bool {
        let meta = self.meta.clone();
        *self == Self::new(role, self.version, self.expires, meta, keys, file)
    }
}

/// The digest of a role's threshold and keys, in the order in which they are listed.
fn keys_digest(keys: &BTreeMap<KeyId, Key>, role: &RoleKeys) -> Digest {
    let mut text = Vec::new();
    role.write(&mut text);
    for id in &role.keyids {
        match keys.get(id) {
            Some(key) => key.write(&mut text),
            None => text.extend_from_slice(b"null"),
        }
    }
    Digest::of(&text)
}

impl TrustedSet {
    /// The receipt of the current snapshot. `None` if there is none, or if its entries cannot be found again in the
    /// file without parsing that.
    pub fn snapshot_receipt(&self) -> Option<Receipt> {
        let (Some(snapshot), Standing::Current) = (&self.snapshot, self.standing) else {
            return None;
        };
        let file = snapshot.sha256.unwrap_or_else(|| Digest::of(snapshot.bytes()));
        let (version, expires) = (snapshot.version(), snapshot.expires());
        let keys = self.snapshot_keys();
        Some(Receipt::new("snapshot", version, expires, snapshot.meta()?, &keys, &file))
    }

    /// Takes a snapshot from the cache, as [`TrustedSet::update_snapshot`] does, but by its receipt:
    /// it is neither parsed nor are its signatures checked.
    ///
    /// # Errors
    /// As [`TrustedSet::update_snapshot`] for [`Source::Cached`].
    pub fn recall_snapshot(&mut self, bytes: Vec<u8>, receipt: &Receipt) -> Result<Recall, Error> {
        let mut listed = self.check_snapshot_order(Source::Cached)?;
        let digest = Digest::of(&bytes);
        if self.snapshot.is_some() || !receipt.is_of("snapshot", &self.snapshot_keys(), &digest) {
            return Ok(Recall::Unknown);
        }
        // Half a megabyte need not be hashed twice.
        listed.hashes = listed.hashes.filter(|hashes| *hashes != Hashes::sha256_only(digest));
        let current = check_listed("snapshot", &listed, &bytes)
            .and_then(|()| check_version("snapshot", listed.version, receipt.version))
            .and_then(|()| self.check_expiry("snapshot", receipt.expires))
            .is_ok();
        let Some(recalled) = TrustedSnapshot::recalled(bytes, receipt, digest) else {
            return Ok(Recall::Unknown);
        };
        self.standing = if current { Standing::Current } else { Standing::Intermediate };
        self.snapshot = Some(recalled);
        Ok(Recall::Known)
    }

    /// The receipt of a targets role that [`TrustedSet::verify_delegated`] gave for `chain`. `None`
    /// if it delegates further: what it delegates to is checked against it, so it must be read.
    pub fn delegated_receipt(
        &self,
        chain: &RoleChain,
        document: &Verified<Targets>,
    ) -> Option<Receipt> {
        if document.delegations.is_some() {
            return None;
        }
        let (keys, role, _) = self.keys_of(chain).ok()?;
        let (keys, file) = (keys_digest(keys, role), Digest::of(document.bytes()));
        let (version, expires) = (document.version, document.expires);
        Some(Receipt::new(chain.role(), version, expires, 0..0, &keys, &file))
    }

    /// Checks a targets role as [`TrustedSet::verify_delegated`] does, but by its receipt.
    ///
    /// # Errors
    /// As [`TrustedSet::verify_delegated`].
    pub fn recall_delegated(
        &self,
        chain: &RoleChain,
        bytes: &[u8],
        receipt: &Receipt,
    ) -> Result<Recall, Error> {
        let name = chain.role();
        let listed = self.listed(name)?;
        let (keys, role, _) = self.keys_of(chain)?;
        if !receipt.is_of(name, &keys_digest(keys, role), &Digest::of(bytes)) {
            return Ok(Recall::Unknown);
        }
        check_listed(name, &listed, bytes)?;
        check_version(name, listed.version, receipt.version)?;
        self.check_expiry(name, receipt.expires)?;
        Ok(Recall::Known)
    }

    fn snapshot_keys(&self) -> Digest {
        keys_digest(&self.root.keys, &self.root.roles[<Snapshot as crate::Role>::TYPE])
    }
}
