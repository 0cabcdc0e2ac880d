//! Keys that follow from a seed, so that a replay has the same bytes each time. Nothing else may trust them.

use std::path::Path;

use tufold_repo::KeyRequest;
use tufold_repo::settings::RoleKind;
use tufold_repo::targets::Random;

use crate::Error;

/// What stands before the seed of an Ed25519 key in PKCS#8 (RFC 8410, section 7).
const PKCS8_HEAD: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// Stands for keys among what a seed gives.
const STREAM: u64 = 12;

/// One key for each kind of role, written into the new folder `folder`.
pub(crate) fn keys(folder: &Path, seed: u64) -> Result<KeyRequest, Error> {
    std::fs::create_dir(folder).map_err(Error::io("make", folder))?;
    for (kind, number) in RoleKind::ALL.into_iter().zip(0..) {
        let file = folder.join(format!("{kind}.pem"));
        std::fs::write(&file, pem(&[seed, STREAM, number])).map_err(Error::io("write", &file))?;
    }
    Ok(KeyRequest { folder: Some(folder.to_owned()), ..KeyRequest::default() })
}

/// The private key that follows from some numbers.
pub(crate) fn pem(seed: &[u64]) -> String {
    let mut der = PKCS8_HEAD.to_vec();
    der.extend(Random::of(seed).bytes());
    pem::encode(&pem::Pem::new("PRIVATE KEY", der))
}
