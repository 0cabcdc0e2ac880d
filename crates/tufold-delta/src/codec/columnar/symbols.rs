//! Strings as the symbols that the string model codes, and hex.
//!
//! Long runs of hex digits are taken out: they hold no pattern, and leave as raw bytes.

/// Ends a string.
pub(super) const END: u8 = 0;
/// Stands for a run of hex digits; the next symbol is half its length.
pub(super) const RUN: u8 = 1;
/// Shorter runs are spelled out.
const SHORTEST_RUN: usize = 16;
const LONGEST_RUN: usize = 254;

/// Splits a string into the symbols that the model codes and the bytes of its long hex runs.
/// `None` if it holds one of the two bytes that the symbols need.
pub(super) fn split(text: &[u8], hex: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut symbols = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let run = text[at..]
            .iter()
            .take(LONGEST_RUN)
            .take_while(|&&b| VALUES[usize::from(b)] < 16)
            .count()
            & !1;
        if run < SHORTEST_RUN {
            let spelled = run.max(1);
            if text[at..at + spelled].iter().any(|&b| b <= RUN) {
                return None;
            }
            symbols.extend_from_slice(&text[at..at + spelled]);
            at += spelled;
        } else {
            symbols.extend_from_slice(&[RUN, u8::try_from(run / 2).ok()?]);
            read_hex(&text[at..at + run], hex);
            at += run;
        }
    }
    Some(symbols)
}

/// Undoes `split`, taking the runs off the front of `hex`; `None` if there are too few.
pub(super) fn join(symbols: &[u8], hex: &mut &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut symbols = symbols.iter();
    while let Some(&symbol) = symbols.next() {
        if symbol == RUN {
            let (run, rest) = hex.split_at_checked(usize::from(*symbols.next()?))?;
            *hex = rest;
            write_hex(out, run);
        } else {
            out.push(symbol);
        }
    }
    Some(())
}

/// Appends the bytes that an even number of hex digits stands for.
pub(super) fn read_hex(digits: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + digits.len() / 2, 0);
    for (byte, pair) in out[start..].iter_mut().zip(digits.chunks_exact(2)) {
        *byte = VALUES[usize::from(pair[0])] << 4 | VALUES[usize::from(pair[1])] & 15;
    }
}

/// Whether all of a string is lower-case hex digits.
#[inline]
pub(super) fn is_hex(text: &[u8]) -> bool {
    text.iter().fold(true, |all, &b| all & (b.wrapping_sub(b'0') < 10 || b.wrapping_sub(b'a') < 6))
}

/// Whether a string counts as hex and not as text.
pub(super) fn is_hex_leaf(text: &[u8]) -> bool {
    text.len() >= 8 && text.len().is_multiple_of(2) && is_hex(text)
}

/// Appends bytes as lower-case hex.
pub(super) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len() * 2, 0);
    for (pair, &byte) in out[start..].chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
}

/// The value of each lower-case hex digit; 255 for other bytes.
#[expect(clippy::cast_possible_truncation, reason = "a digit's value has four bits")]
const VALUES: [u8; 256] = {
    let mut table = [255; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut i = 0;
    while i < 256 {
        table[i] = [digits[i >> 4], digits[i & 15]];
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_reserved_bytes_are_declined() {
        assert_eq!(split(b"a\0", &mut Vec::new()), None);
        assert_eq!(split(b"\x01", &mut Vec::new()), None);
    }
}
