//! Numbers as LEB128: seven bits a byte, least significant first, the top bit set on all but the
//! last; only the shortest form counts.

/// Appends `value`.
pub(crate) fn write(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

/// Takes a number off the front; `None` if it is cut short, too large or not in its shortest form.
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        value |= bits << shift;
        if byte < 0x80 {
            return (byte != 0 || shift == 0).then_some(value);
        }
    }
    None
}

/// Takes a number and then as many bytes.
pub(crate) fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take(bytes)?).ok()?;
    let (taken, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_shortest_form_counts() {
        let rows: &[(&[u8], Option<u64>)] = &[
            (&[0], Some(0)),
            (&[127], Some(127)),
            (&[0x80, 1], Some(128)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], Some(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2], None),
            (&[0xff; 11], None),
            (&[0x80, 0], None),
            (&[0x80], None),
            (&[], None),
        ];
        for (wire, value) in rows {
            assert_eq!(take(&mut &wire[..]), *value, "{wire:?}");
            if let Some(value) = *value {
                let mut out = Vec::new();
                write(value, &mut out);
                assert_eq!(out, *wire);
            }
        }
    }
}
