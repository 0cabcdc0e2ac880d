//! gzip of the whole document: what most servers do today.

use std::io::{Read, Write};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};

use crate::{Codec, Error};

pub(super) fn compress(new: &[u8]) -> Result<Vec<u8>, Error> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let written = encoder.write_all(new).and_then(|()| encoder.finish());
    written.map_err(|_| Error::Declined { codec: Codec::FullGzip, why: "gzip failed" })
}

/// Exactly `len` bytes, or an error.
pub(super) fn decompress(payload: &[u8], len: usize) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(len);
    let mut decoder = GzDecoder::new(payload);
    let read = decoder.by_ref().take(len as u64).read_to_end(&mut out);
    // The member's own checksum is read with the byte that must not be there.
    let ended = read.is_ok() && out.len() == len && matches!(decoder.read(&mut [0]), Ok(0));
    if ended { Ok(out) } else { Err(Error::Damaged("its gzip member does not decode")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_bounded_and_exact() {
        let new = vec![b'a'; 1 << 20];
        let payload = compress(&new).unwrap();
        assert_eq!(decompress(&payload, new.len()).unwrap(), new);
        for len in [0, 1, new.len() - 1, new.len() + 1] {
            assert!(matches!(decompress(&payload, len), Err(Error::Damaged(_))));
        }
    }
}
