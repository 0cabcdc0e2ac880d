//! LEB128: seven bits a byte, least significant first, the top bit set on all but the last; only the shortest form counts.

use crate::Error;

/// Appends `value`.
pub(crate) fn write(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Takes a value off the front of `bytes`.
pub(crate) fn read(bytes: &mut &[u8]) -> Result<u64, Error> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let Some((&byte, rest)) = bytes.split_first() else {
            return Err(Error::Truncated { needed: 1, found: 0 });
        };
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return Err(Error::Damaged("a length does not fit 64 bits"));
        }
        value |= bits << shift;
        if byte < 0x80 {
            if byte == 0 && shift > 0 {
                return Err(Error::Damaged("a length is not in its shortest form"));
            }
            return Ok(value);
        }
    }
    Err(Error::Damaged("a length does not fit 64 bits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: u64, wire: &[u8]) {
        let mut out = Vec::new();
        write(&mut out, value);
        assert_eq!(out, wire);
        let mut rest = wire;
        assert_eq!(read(&mut rest), Ok(value));
        assert!(rest.is_empty());
    }

    #[test]
    fn shortest_form_both_ways() {
        check(0, &[0]);
        check(127, &[127]);
        check(128, &[0x80, 1]);
        check(533_141, &[0x95, 0xc5, 0x20]);
        check(u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]);
    }

    #[test]
    fn refuses_what_is_long_large_or_cut() {
        let damaged = |wire: &[u8]| assert!(matches!(read(&mut &*wire), Err(Error::Damaged(_))));
        damaged(&[0x80, 0]);
        damaged(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]);
        damaged(&[0xff; 11]);
        assert!(matches!(read(&mut &[0x80][..]), Err(Error::Truncated { .. })));
    }
}
