//! Where a long object or array ends: its brackets, found in 64 bytes at a time.

use wide::{bytemuck, u8x16};

use super::scan::string_end;

/// How far it goes by whole blocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Stop {
    /// The value ends here, behind its closing bracket.
    End(usize),
    /// From here on, in no string and this deep, it has to be looked at byte by byte for a while.
    Short { at: usize, depth: usize },
}

/// Goes on in an object or array that is `depth` deep, in no string; `None` if a string has no end.
pub(super) fn skip(text: &[u8], mut at: usize, mut depth: usize) -> Option<Stop> {
    // All ones behind a quote that opened a string in an earlier block.
    let mut in_string = 0_u64;
    while let Some(block) = text.get(at..).and_then(|rest| rest.first_chunk()) {
        let Block { quotes, backslashes, opening, closing } = Block::of(block);
        // A backslash matters in a string only, and then for the byte behind it.
        if backslashes != 0 {
            break;
        }
        let inside = up_to_quote(quotes) ^ in_string;
        let mut brackets = (opening | closing) & !inside;
        while brackets != 0 {
            let place = brackets.trailing_zeros();
            brackets &= brackets - 1;
            if opening >> place & 1 == 1 {
                depth += 1;
                continue;
            }
            depth -= 1;
            if depth == 0 {
                return Some(Stop::End(at + place as usize + 1));
            }
        }
        in_string = (inside >> 63).wrapping_neg();
        at += 64;
    }
    if in_string != 0 {
        at = string_end(text, at - 1)?;
    }
    Some(Stop::Short { at, depth })
}

/// One bit for each byte of a block, the lowest for the first.
struct Block {
    quotes: u64,
    backslashes: u64,
    opening: u64,
    closing: u64,
}

impl Block {
    #[inline]
    fn of(block: &[u8; 64]) -> Self {
        let bytes: [u8x16; 4] = bytemuck::cast(*block);
        let bits = |is: &dyn Fn(u8x16) -> u8x16| {
            let [a, b, c, d] = bytes.map(|bytes| u64::from(is(bytes).to_bitmask()));
            a | b << 16 | c << 32 | d << 48
        };
        let equal = |byte: u8| move |bytes: u8x16| bytes.simd_eq(u8x16::splat(byte));
        // `[` and `{` are one bit apart, as are `]` and `}`.
        let bracket =
            |byte: u8| move |bytes: u8x16| (bytes | u8x16::splat(0x20)).simd_eq(u8x16::splat(byte));
        Self {
            quotes: bits(&equal(b'"')),
            backslashes: bits(&equal(b'\\')),
            opening: bits(&bracket(b'{')),
            closing: bits(&bracket(b'}')),
        }
    }
}

/// All bits from each other quote up to the next one, that one left out.
#[inline]
fn up_to_quote(quotes: u64) -> u64 {
    [1, 2, 4, 8, 16, 32].into_iter().fold(quotes, |bits, by| bits ^ bits << by)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `skip` would go byte by byte.
    fn one_by_one(text: &[u8], mut at: usize, mut depth: usize) -> Option<usize> {
        loop {
            match text.get(at)? {
                b'"' => {
                    at = string_end(text, at)?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            at += 1;
            if depth == 0 {
                return Some(at);
            }
        }
    }

    #[test]
    fn brackets_are_found_as_one_by_one() {
        let mut ends = [0; 3];
        // A multiplicative generator.
        let mut noise = std::iter::successors(Some(7_u64), |n| Some(n * 48_271 % 2_147_483_647));
        for round in 0..20_000 {
            let alphabet: &[u8] =
                if round % 3 == 0 { b"\"{}[]\\ab" } else { b"aaaa\"{[]}aaaaaaaa:,1" };
            let len = noise.next().unwrap() % 300;
            let letter = |n: u64| alphabet[usize::try_from(n).unwrap() % alphabet.len()];
            let text: Vec<u8> =
                noise.by_ref().take(usize::try_from(len).unwrap()).map(letter).collect();
            for depth in 1..4 {
                let expected = one_by_one(&text, 0, depth);
                let found = match skip(&text, 0, depth) {
                    None => None,
                    Some(Stop::End(end)) => {
                        ends[0] += 1;
                        Some(end)
                    }
                    Some(Stop::Short { at, depth }) => {
                        ends[1 + usize::from(at > 0)] += 1;
                        one_by_one(&text, at, depth)
                    }
                };
                assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&text));
            }
        }
        assert!(ends.iter().all(|&count| count > 1_000), "{ends:?}");
    }
}
