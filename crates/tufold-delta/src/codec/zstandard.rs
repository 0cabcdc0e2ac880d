//! zstd: with the prediction as prefix, alone, and as the last stage of other codecs.

use zstd::zstd_safe::{
    CCtx, CParameter, DCtx, compress_bound, find_frame_compressed_size, get_error_name,
};

use crate::{Codec, Error, varint};

/// Windows are capped at 128 MiB, writing and reading (as RFC 9842 has it).
const MAX_WINDOW_BITS: u32 = 27;
/// Beyond this zstd's prefix no longer finds matches at every distance.
const MAX_PREFIX_BYTES: usize = 1 << 30;

/// `dcz` in RFC 9842: the head of a response body whose dictionary is the prediction with this SHA-256. The payload of
/// a `zstd` delta follows it as it is. A decoder with a prefix must not see these 40 bytes: they would use up the prefix.
pub fn dcz_head(dictionary_sha256: [u8; 32]) -> [u8; 40] {
    let mut head = [0; 40];
    head[..8].copy_from_slice(&[0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0]);
    head[8..].copy_from_slice(&dictionary_sha256);
    head
}

/// One frame with its content size, no checksum and no dictionary number.
pub(super) fn compress(
    prefix: Option<&[u8]>,
    new: &[u8],
    level: i32,
    codec: Codec,
) -> Result<Vec<u8>, Error> {
    let prefix = prefix.unwrap_or_default();
    if prefix.len() > MAX_PREFIX_BYTES || new.len() > MAX_PREFIX_BYTES {
        return Err(Error::Declined { codec, why: "it is too large for a zstd window" });
    }
    // The window holds prefix and document, or the prefix's start would be out of reach at the document's end.
    let reach = (prefix.len() + new.len()).max(1 << 10);
    let window_bits = (usize::BITS - (reach - 1).leading_zeros()).min(MAX_WINDOW_BITS);
    let failed = |code| Error::Declined { codec, why: get_error_name(code) };
    let mut context = CCtx::create();
    context.set_parameter(CParameter::CompressionLevel(level)).map_err(failed)?;
    context.set_parameter(CParameter::WindowLog(window_bits)).map_err(failed)?;
    // Without it low levels do not see the prefix's far parts, and say nothing.
    context
        .set_parameter(CParameter::EnableLongDistanceMatching(!prefix.is_empty()))
        .map_err(failed)?;
    context.set_parameter(CParameter::ChecksumFlag(false)).map_err(failed)?;
    context.set_parameter(CParameter::DictIdFlag(false)).map_err(failed)?;
    context.ref_prefix(prefix).map_err(failed)?;
    let mut frame = Vec::with_capacity(compress_bound(new.len()));
    context.compress2(&mut frame, new).map_err(failed)?;
    Ok(frame)
}

/// Exactly `len` bytes, or an error; no more is allocated.
pub(super) fn decompress(
    prefix: Option<&[u8]>,
    frame: &[u8],
    len: usize,
) -> Result<Vec<u8>, Error> {
    let failed = |_| Error::Damaged("its zstd frame does not decode");
    // A frame before this one, the head of a `dcz` body for instance, would use up the prefix.
    if !has_window(frame) || find_frame_compressed_size(frame) != Ok(frame.len()) {
        return Err(Error::Damaged("it is not one zstd frame of a window that a reader allows"));
    }
    let mut context = DCtx::create();
    context.ref_prefix(prefix.unwrap_or_default()).map_err(failed)?;
    let mut out = Vec::with_capacity(len);
    context.decompress(&mut out, frame).map_err(failed)?;
    if out.len() != len {
        return Err(Error::Damaged("its zstd frame is shorter than it should be"));
    }
    Ok(out)
}

/// Whether a frame is announced whose window is no larger than the cap. zstd asks this only of streams.
fn has_window(frame: &[u8]) -> bool {
    const SINGLE_SEGMENT: u8 = 0x20;
    let [0x28, 0xb5, 0x2f, 0xfd, descriptor, window, ..] = *frame else { return false };
    // A single segment is its own window. Else: an exponent above 2^10, and eighths to add.
    let largest = (MAX_WINDOW_BITS - 10) << 3;
    descriptor & SINGLE_SEGMENT != 0 || u32::from(window) <= largest
}

/// A patch on its way: its length, then a frame.
pub(super) fn pack(patch: &[u8], level: i32, codec: Codec) -> Result<Vec<u8>, Error> {
    let mut payload = Vec::new();
    varint::write(&mut payload, patch.len() as u64);
    payload.extend_from_slice(&compress(None, patch, level, codec)?);
    Ok(payload)
}

/// Undoes `pack` for a patch of at most `limit` bytes.
pub(super) fn unpack(mut payload: &[u8], limit: u64) -> Result<Vec<u8>, Error> {
    let len = varint::read(&mut payload)?;
    let too_large = Error::TooLarge { what: "the patch", len, limit };
    if len > limit {
        return Err(too_large);
    }
    decompress(None, payload, usize::try_from(len).map_err(|_| too_large)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of noise, `count` of them, which repeat nowhere.
    fn noise(count: u64) -> Vec<u8> {
        let line = |i: u64| {
            format!(
                "{:016x}{:016x}\n",
                i.wrapping_mul(0x9e37_79b9_7f4a_7c15),
                (i + 7).wrapping_pow(5)
            )
        };
        (1..=count).map(line).collect::<String>().into_bytes()
    }

    #[test]
    fn low_levels_see_the_whole_prefix() {
        let base = noise(60_000);
        let mut new = base.clone();
        new.rotate_left(1_000_000);
        let frame = compress(Some(&base), &new, 3, Codec::Zstd).unwrap();
        assert!(frame.len() < 10_000, "{}", frame.len());
        assert_eq!(decompress(Some(&base), &frame, new.len()).unwrap(), new);
    }

    #[test]
    fn a_wrong_prefix_may_decode_and_only_the_digest_tells() {
        // zstd forgets a prefix that overlaps the document in memory, so the document is a copy.
        let (base, other, new) = (noise(1_000), noise(1_001)[33..].to_vec(), noise(1_000));
        let frame = compress(Some(&base), &new, 3, Codec::Zstd).unwrap();
        let found = decompress(Some(&other), &frame, new.len()).unwrap();
        assert!(found != new, "the frame does not need its prefix");
    }

    #[test]
    fn a_dcz_body_is_its_head_and_the_frame() {
        let (base, new) = (noise(1_000), noise(1_000));
        let frame = compress(Some(&base), &new, 3, Codec::Zstd).unwrap();
        let body = [&dcz_head([7; 32])[..], &frame].concat();
        assert_eq!(body[..8], [0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0]);
        assert!(decompress(Some(&base), &body[40..], new.len()) == Ok(new.clone()));
        assert!(matches!(decompress(Some(&base), &body, new.len()), Err(Error::Damaged(_))));
        assert!(frame.len() < 200, "{}", frame.len());
    }

    #[test]
    fn windows_are_bounded() {
        // One raw block of three bytes behind a head that asks for a window of so many bits.
        let frame = |bits: u8| {
            let head = [0x28, 0xb5, 0x2f, 0xfd, 0x80, (bits - 10) << 3, 3, 0, 0, 0];
            [&head[..], &[0x19, 0, 0], b"abc"].concat()
        };
        assert_eq!(decompress(None, &frame(27), 3).unwrap(), b"abc");
        for bits in 28..=41 {
            assert!(matches!(decompress(None, &frame(bits), 3), Err(Error::Damaged(_))), "{bits}");
        }
    }

    #[test]
    fn one_frame_is_one_frame() {
        let frame = compress(None, b"abc", 3, Codec::FullZstd).unwrap();
        let empty = compress(None, b"", 3, Codec::FullZstd).unwrap();
        assert_eq!(decompress(None, &frame, 3).unwrap(), b"abc");
        for frames in [[&frame[..], &empty].concat(), [&empty[..], &frame].concat()] {
            assert!(matches!(decompress(None, &frames, 3), Err(Error::Damaged(_))));
        }
    }

    #[test]
    fn output_is_bounded() {
        let bomb = compress(None, &vec![0; 1 << 24], 3, Codec::FullZstd).unwrap();
        assert!(bomb.len() < 2_000);
        assert!(matches!(decompress(None, &bomb, 1_000), Err(Error::Damaged(_))));
        let packed = pack(&vec![0; 1 << 24], 3, Codec::Bsdiff).unwrap();
        assert!(matches!(unpack(&packed, 1_000), Err(Error::TooLarge { limit: 1_000, .. })));
    }
}
