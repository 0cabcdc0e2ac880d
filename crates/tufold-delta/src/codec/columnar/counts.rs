//! What came up behind hashed contexts: counts of zeros and ones.

/// Contexts that are looked up by their hash.
pub(super) const HASHED: usize = 6;

/// A check byte, then two four-bit counts for each bit of half a symbol.
pub(super) type Bucket = [u8; 16];

/// The buckets of all contexts.
#[derive(Debug)]
pub(super) struct Counts {
    tables: [Vec<Bucket>; HASHED],
    bits: u32,
}

impl Counts {
    /// 2^bits buckets for each context.
    pub(super) fn new(bits: u32) -> Self {
        Self { tables: std::array::from_fn(|_| vec![[0; 16]; 1 << bits]), bits }
    }

    /// Where the counts for the next four bits of each context are; they are cleared if they were another's.
    #[inline]
    pub(super) fn buckets(&mut self, hashes: &[u32; HASHED], node: u32) -> [&mut Bucket; HASHED] {
        let [a, b, c, d, e, f] = &mut self.tables;
        let [g, h, i, j, k, l] = hashes.map(|hash| hash ^ node.wrapping_mul(0x9e37_79b1));
        let shift = 32 - self.bits;
        [
            bucket(a, g, shift),
            bucket(b, h, shift),
            bucket(c, i, shift),
            bucket(d, j, shift),
            bucket(e, k, shift),
            bucket(f, l, shift),
        ]
    }
}

#[inline]
fn bucket(table: &mut [Bucket], hash: u32, shift: u32) -> &mut Bucket {
    let hash = hash.wrapping_mul(0x85eb_ca6b);
    let bucket = &mut table[(hash >> (shift & 31)) as usize];
    let check = (hash & 0xff) as u8;
    if bucket[0] != check {
        *bucket = [0; 16];
        bucket[0] = check;
    }
    bucket
}

/// One more zero or one; a surprise halves what spoke against it.
#[inline]
pub(super) fn counted(counts: u8, bit: bool) -> u8 {
    COUNTED[usize::from(bit)][usize::from(counts)]
}

#[expect(clippy::cast_possible_truncation, reason = "both counts together have eight bits")]
const COUNTED: [[u8; 256]; 2] = {
    let mut table = [[0; 256]; 2];
    let mut counts = 0;
    while counts < 256 {
        let (zeros, ones) = (counts as u8 >> 4, counts as u8 & 15);
        table[0][counts] = up(zeros) << 4 | halved(ones);
        table[1][counts] = halved(zeros) << 4 | up(ones);
        counts += 1;
    }
    table
};

const fn up(count: u8) -> u8 {
    if count < 15 { count + 1 } else { 15 }
}

const fn halved(count: u8) -> u8 {
    if count > 2 { count / 2 + 1 } else { count }
}
