//! bsdiff and zstd. The crate writes bare control triples and bytes, so length and caps are ours.

use super::zstandard;
use crate::{Codec, Error};

/// The suffix array takes about 17 bytes for each of the base.
const MAX_BASE_BYTES: usize = 32 << 20;

pub(super) fn encode(base: &[u8], new: &[u8], level: i32) -> Result<Vec<u8>, Error> {
    let declined = |why| Error::Declined { codec: Codec::Bsdiff, why };
    if base.len() > MAX_BASE_BYTES {
        return Err(declined("its base takes too much memory"));
    }
    let mut patch = Vec::new();
    ::bsdiff::diff(base, new, &mut patch).map_err(|_| declined("bsdiff failed"))?;
    if patch.len() as u64 > max_patch(new.len()) {
        return Err(declined("its patch is longer than a reader allows"));
    }
    zstandard::pack(&patch, level, Codec::Bsdiff)
}

pub(super) fn apply(base: &[u8], payload: &[u8], result_len: usize) -> Result<Vec<u8>, Error> {
    let patch = zstandard::unpack(payload, max_patch(result_len))?;
    // All output bytes come out of the patch, so its length bounds them, whatever its triples say.
    let mut out = Vec::with_capacity(result_len);
    ::bsdiff::patch(base, &mut &patch[..], &mut out)
        .map_err(|_| Error::Damaged("its bsdiff patch does not fit the base"))?;
    Ok(out)
}

/// Three numbers of eight bytes for each stretch, and stretches are rarely shorter than eight bytes.
fn max_patch(result_len: usize) -> u64 {
    result_len as u64 * 4 + (1 << 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply_patch(patch: &[u8], result_len: usize) -> Result<Vec<u8>, Error> {
        apply(b"base", &zstandard::pack(patch, 3, Codec::Bsdiff).unwrap(), result_len)
    }

    #[test]
    fn output_is_bounded() {
        // One stretch of a million copied bytes, which zstd packs into a hundred.
        let mut patch = [0, 1 << 20, 0].map(u64::to_le_bytes).concat();
        patch.resize(patch.len() + (1 << 20), 0);
        assert_eq!(apply_patch(&patch, 1 << 20), Ok(vec![0; 1 << 20]));
        let limit = max_patch(100);
        let too_large = Err(Error::TooLarge { what: "the patch", len: patch.len() as u64, limit });
        assert_eq!(apply_patch(&patch, 100), too_large);
    }

    #[test]
    fn crafted_triples_are_refused() {
        let triple =
            |mix: u64, copy: u64, seek: u64| [mix, copy, seek].map(u64::to_le_bytes).concat();
        for patch in [
            triple(u64::MAX, 0, 0),
            triple(1 << 62, 1 << 62, 0),
            triple(100, 0, 0),
            triple(0, 0, u64::MAX),
            triple(0, 0, 1 << 63 | 1),
            [triple(0, 0, i64::MAX as u64), triple(0, 0, 1)].concat(),
            vec![0; 23],
        ] {
            assert!(matches!(apply_patch(&patch, 100), Err(Error::Damaged(_))), "{patch:?}");
        }
    }
}
