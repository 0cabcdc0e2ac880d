//! Binary logarithms in integers, so that every machine makes the same choices.

/// log2(x) with 16 fractional bits, off by less than 2^-14; 0 for 0.
pub(crate) fn log2_fp(x: u64) -> u64 {
    if x == 0 {
        return 0;
    }
    let whole = 63 - u64::from(x.leading_zeros());
    // 32 bits below the leading one; their top 8 pick a table entry, the rest go straight to the next one.
    let fraction = x << x.leading_zeros() << 1 >> 32;
    let (index, step) = ((fraction >> 24) as usize, fraction & 0xff_ffff);
    let (here, next) = (u64::from(TABLE[index]), u64::from(TABLE[index + 1]));
    (whole << 16) + here + (((next - here) * step) >> 24)
}

/// log2(1 + i / 256) with 16 fractional bits.
const TABLE: [u32; 257] = {
    let mut table = [0; 257];
    let mut i = 0;
    while i < 257 {
        // Square the mantissa; each time it passes 2, the next bit of the logarithm is 1.
        let mut mantissa: u128 = (256 + i as u128) << 52;
        let mut bits = 0_u32;
        if mantissa >= 1 << 61 {
            bits = 1 << 16;
            mantissa >>= 1;
        }
        let mut bit = 15;
        let mut value = bits;
        while bit >= 0 {
            mantissa = (mantissa * mantissa) >> 60;
            if mantissa >= 1 << 61 {
                mantissa >>= 1;
                value |= 1 << bit;
            }
            bit -= 1;
        }
        table[i] = value;
        i += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_near_the_real_logarithm() {
        let near = |x: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a test against floating point")]
            let (found, real) = (log2_fp(x) as f64 / 65_536.0, (x as f64).log2());
            assert!((found - real).abs() < 1.0 / 16_384.0, "{x}: {found} and {real}");
        };
        (1..100_000).for_each(near);
        (0..64).for_each(|shift| near(u64::MAX >> shift));
    }
}
