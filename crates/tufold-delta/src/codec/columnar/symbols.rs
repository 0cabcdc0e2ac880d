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
        let run = text[at..].iter().take(LONGEST_RUN).take_while(|&&b| is_hex(&[b])).count() & !1;
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
    const_hex::decode_to_slice(digits, &mut out[start..]).expect("hex digits, two a byte");
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
    const_hex::encode_to_slice(bytes, &mut out[start..]).expect("two digits a byte");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_reserved_bytes_are_declined() {
        assert_eq!(split(b"a\0", &mut Vec::new()), None);
        assert_eq!(split(b"\x01", &mut Vec::new()), None);
    }
}
