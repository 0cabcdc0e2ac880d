//! Strings: bit by bit, from what the last characters, the word, the place and the sorted neighbours suggest.

use std::ops::Range;

use super::coder::Coder;
use super::counts::{Bucket, Counts, HASHED, counted};
use super::mix::{Chance, Input, Inputs, Mixer, meaning, squash};
use super::symbols::{END, RUN};

/// The strings around the one to be coded, as symbols.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Neighbours<'a> {
    /// Sorts before it, or is what it replaces.
    pub(super) low: &'a [u8],
    /// Sorts after it.
    pub(super) high: &'a [u8],
    /// Whether the order may be relied upon.
    pub(super) sorted: Sorted,
}

impl Neighbours<'_> {
    /// Whether a string is where it is said to be.
    pub(super) fn hold_for(self, symbols: &[u8]) -> bool {
        let mut state = StringState::new(0, self);
        for len in 1..=symbols.len() + 1 {
            let symbol = symbols.get(len - 1).copied().unwrap_or(END);
            let (floor, ceiling) = state.bounds();
            if u32::from(symbol) < floor || u32::from(symbol) > ceiling {
                return false;
            }
            state.tighten(len, symbol);
        }
        true
    }
}

/// Whether a string lies between its neighbours.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Sorted {
    /// After the low one.
    AfterLow,
    /// After the low one and before the high one.
    Between,
    /// Not necessarily.
    #[default]
    No,
}

/// Places where the string is expected to go on as another one did.
const MATCHES: usize = 3;

/// What a guess is worth at first, by the trust in it and its next bit.
const TRUSTED: [[Chance; 2]; 64] = {
    let mut table = [[Chance::new(0, 0); 2]; 64];
    let mut trust = 0;
    while trust < 64_u32 {
        let right = 65_536 - 65_536 / (trust % 32 + 3);
        table[trust as usize] = [Chance::new(65_536 - right, 4), Chance::new(right, 4)];
        trust += 1;
    }
    table
};

/// Weights are kept for four degrees of trust in the low neighbour.
fn trust_set(low: Option<(u8, usize)>) -> usize {
    match low.map(|(_, trust)| trust & 31) {
        None => 0,
        Some(0..=2) => 1,
        Some(3..=11) => 2,
        Some(_) => 3,
    }
}

/// How much a model learns and keeps; the writer says, since it alone knows how much there is to code.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Room(u8);

impl Room {
    /// The largest room takes 3.2 MB.
    pub(super) const LARGEST: u8 = 5;

    /// For so many symbols to be coded.
    pub(super) fn for_symbols(symbols: usize) -> Self {
        let level = symbols.max(1).ilog2().saturating_sub(6);
        Self(u8::try_from(level).map_or(Self::LARGEST, |level| level.min(Self::LARGEST)))
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        (number <= Self::LARGEST).then_some(Self(number))
    }

    pub(super) fn number(self) -> u8 {
        self.0
    }

    /// Bytes of old keys to be learned before the first new one.
    pub(super) fn first_bytes(self) -> usize {
        1_024 << self.0.min(2)
    }
}

/// What is learned from all the strings of a document.
#[derive(Debug)]
pub(super) struct Model {
    counts: Counts,
    /// For each guess, each trust and each value of its next bit.
    matches: Box<[[[Chance; 2]; 64]; MATCHES]>,
    beyond_ascii: Chance,
    mixer: Mixer,
    past: Vec<u8>,
    seen_at: Vec<u32>,
}

impl Model {
    pub(super) fn new(room: Room) -> Self {
        Self {
            counts: Counts::new(10 + u32::from(room.0)),
            matches: Box::new([TRUSTED; MATCHES]),
            beyond_ascii: Chance::new(400, 40),
            mixer: Mixer::new(),
            past: Vec::new(),
            seen_at: vec![0; 1 << 14],
        }
    }

    /// Codes one string of a column; a reader gets its symbols, `None` if there are more than `limit`.
    pub(super) fn code<C: Coder>(
        &mut self,
        coder: &mut C,
        column: u32,
        neighbours: Neighbours<'_>,
        symbols: &[u8],
        limit: usize,
    ) -> Option<Vec<u8>> {
        let mut state = StringState::new(column, neighbours);
        let mut found = Vec::with_capacity(symbols.len());
        loop {
            let wanted = symbols.get(found.len()).copied().unwrap_or(END);
            let symbol = self.code_symbol(coder, &mut state, &found, wanted);
            if symbol == END {
                self.past.push(END);
                return Some(found);
            }
            if found.len() == limit {
                return None;
            }
            found.push(symbol);
            state.advance(&found, symbol);
            self.remember(&found, &mut state);
        }
    }

    fn code_symbol<C: Coder>(
        &mut self,
        coder: &mut C,
        state: &mut StringState<'_>,
        found: &[u8],
        wanted: u8,
    ) -> u8 {
        let hashes = state.hashes(found);
        let guesses = state.guesses(found, &self.past);
        let set = trust_set(guesses[0]) << 7;
        let bounds = state.bounds();
        let guesses = guesses.map(Expected::new);

        // Hardly any string has more than ASCII: not worth a mix.
        let ones = self.beyond_ascii.probability().clamp(8, 65_528);
        let bit = coder.bit(wanted >> 7 == 1, 65_536 - ones, ones);
        self.beyond_ascii.learn(bit);
        let node = 2 | u32::from(bit);
        let Self { counts, matches, mixer, .. } = self;
        let mut bits = Bits { coder, matches, mixer, wanted, set, bounds, guesses, node };
        let mut buckets = counts.buckets(&hashes, 1);
        bits.code::<6>(&mut buckets);
        bits.code::<5>(&mut buckets);
        bits.code::<4>(&mut buckets);
        let mut buckets = counts.buckets(&hashes, bits.node);
        bits.code::<3>(&mut buckets);
        bits.code::<2>(&mut buckets);
        bits.code::<1>(&mut buckets);
        bits.code::<0>(&mut buckets);
        (bits.node & 0xff) as u8
    }

    /// Keeps the string so far for later matches and follows or looks for one.
    fn remember(&mut self, found: &[u8], state: &mut StringState<'_>) {
        let symbol = found[found.len() - 1];
        if let Some((at, len)) = state.past {
            state.past = (self.past.get(at) == Some(&symbol)).then_some((at + 1, len + 1));
        }
        self.past.push(symbol);
        if found.len() >= 4 {
            let hash = state.last.wrapping_mul(0x9e37_79b1);
            let entry = &mut self.seen_at[(hash >> 18) as usize];
            if state.past.is_none() && *entry > 0 {
                state.past = Some((*entry as usize, 0));
            }
            *entry = u32::try_from(self.past.len()).unwrap_or(0);
        }
    }
}

/// A symbol on its way, bit by bit.
struct Bits<'m, C> {
    coder: &'m mut C,
    matches: &'m mut [[[Chance; 2]; 64]; MATCHES],
    mixer: &'m mut Mixer,
    wanted: u8,
    /// The first of its sets of weights.
    set: usize,
    /// The least and the greatest that it can be.
    bounds: (u32, u32),
    guesses: [Expected; MATCHES],
    /// A one, and then the bits so far.
    node: u32,
}

impl<C: Coder> Bits<'_, C> {
    /// Codes the bit at this place, from the counts for its half of the symbol.
    #[inline(always)]
    fn code<const SHIFT: u32>(&mut self, buckets: &mut [&mut Bucket; HASHED]) {
        let node = self.node;
        let (floor, ceiling) = self.bounds;
        if floor > 0 || ceiling < 255 {
            // Bits that the sorted neighbours leave no choice about are free.
            let zero_to = ((node << 1 | 1) << SHIFT) - 1 - 256;
            let one_from = ((node << 1 | 1) << SHIFT) - 256;
            if zero_to < floor || one_from > ceiling {
                self.node = node << 1 | u32::from(zero_to < floor);
                return;
            }
        }
        // Within a bucket: 1, 2 to 3, 4 to 7, 8 to 15 for the four bits of a half.
        let first = 8 >> (SHIFT & 3);
        let place = (first | node & (first - 1)) as usize & 15;
        let [a, b, c, d, e, f] = std::array::from_fn(|i| meaning(buckets[i][place]));
        let [g, h, i] = std::array::from_fn(|i| {
            let guess = self.guesses[i];
            if guess.holds_for::<SHIFT>(node) {
                self.matches[i][guess.trust & 63][guess.bit::<SHIFT>()].input()
            } else {
                Input::NONE
            }
        });
        let inputs = Inputs::new([a, b, c, d, e, f, g, h, i]);
        let weights = self.mixer.set(self.set | node as usize & 127);
        let ones = squash(weights.position(&inputs));
        let bit = self.coder.bit(self.wanted >> SHIFT & 1 == 1, 65_536 - ones, ones);

        weights.learn(&inputs, ones, bit);
        for bucket in buckets {
            bucket[place] = counted(bucket[place], bit);
        }
        for (guess, matches) in self.guesses.iter().zip(&mut *self.matches) {
            if guess.holds_for::<SHIFT>(node) {
                matches[guess.trust & 63][guess.bit::<SHIFT>()].learn(bit);
            }
        }
        self.node = node << 1 | u32::from(bit);
    }
}

/// A symbol that is expected, if any.
#[derive(Clone, Copy)]
struct Expected {
    /// With the bit above its eight, or 0.
    symbol: u32,
    trust: usize,
}

impl Expected {
    fn new(guess: Option<(u8, usize)>) -> Self {
        guess.map_or(Self { symbol: 0, trust: 0 }, |(symbol, trust)| Self {
            symbol: u32::from(symbol) | 256,
            trust,
        })
    }

    /// Whether the bits so far are those expected.
    #[inline]
    fn holds_for<const SHIFT: u32>(self, node: u32) -> bool {
        self.symbol >> (SHIFT + 1) == node
    }

    #[inline]
    fn bit<const SHIFT: u32>(self) -> usize {
        (self.symbol >> SHIFT & 1) as usize
    }
}

/// Where one string stands.
struct StringState<'a> {
    column: u32,
    /// The last four symbols.
    last: u32,
    low: &'a [u8],
    high: &'a [u8],
    along_low: Follower,
    along_high: Follower,
    /// How long the string equals the low, and the high neighbour, from its start.
    tight_low: Option<u8>,
    tight_high: Option<u8>,
    /// Where the last four symbols stood before, and for how long it held.
    past: Option<(usize, usize)>,
    word_start: usize,
    words: u32,
    /// Where the part behind the last slash begins, and the part before it, which this one may repeat.
    part_start: usize,
    part_before: Range<usize>,
    echo: Follower,
}

impl<'a> StringState<'a> {
    fn new(column: u32, neighbours: Neighbours<'a>) -> Self {
        let Neighbours { low, high, sorted } = neighbours;
        let first = |s: &[u8]| Some(s.first().copied().unwrap_or(END));
        Self {
            column,
            last: 0,
            low,
            high,
            along_low: Follower::default(),
            along_high: Follower::default(),
            tight_low: if sorted == Sorted::No { None } else { first(low) },
            tight_high: if sorted == Sorted::Between { first(high) } else { None },
            past: None,
            word_start: 0,
            words: 0,
            part_start: 0,
            part_before: 0..0,
            echo: Follower::default(),
        }
    }

    fn bounds(&self) -> (u32, u32) {
        (self.tight_low.map_or(0, u32::from), self.tight_high.map_or(255, u32::from))
    }

    fn hashes(&self, found: &[u8]) -> [u32; HASHED] {
        let in_word = u32::try_from(found.len() - self.word_start).unwrap_or(0);
        let words = self.words.min(15);
        let last = self.last;
        let after_digit = last.to_le_bytes()[0].is_ascii_digit();
        let salted = |i: u32, x: u32| (x ^ i.wrapping_mul(0x6c07_8965)).wrapping_mul(0x9e37_79b1);
        [
            salted(1, self.column << 8 | words),
            salted(2, last & 0xff | self.column << 8),
            salted(3, last & 0xffff),
            salted(4, last & 0xff_ffff),
            salted(5, last),
            salted(6, words << 16 | in_word.min(40) << 8 | u32::from(after_digit)),
        ]
    }

    fn guesses(&self, found: &[u8], past: &[u8]) -> [Option<(u8, usize)>; MATCHES] {
        let low = self.along_low.guess(self.low);
        let high = self.along_high.guess(self.high);
        let same = low.is_some() && low.map(|g| g.0) == high.map(|g| g.0);
        let echo = self.echo.guess(&found[self.part_before.clone()]);
        [
            low.map(|(symbol, trust)| (symbol, trust | usize::from(same) << 5)),
            self.past.and_then(|(at, len)| Some((*past.get(at)?, len.min(31)))),
            echo.filter(|(symbol, _)| *symbol != END),
        ]
    }

    /// Follows the order by the symbol that makes the string `len` long.
    fn tighten(&mut self, len: usize, symbol: u8) {
        let next = |tight: Option<u8>, s: &[u8]| {
            // Behind a hex run the order is the run's, which is not known here.
            let holds = tight == Some(symbol) && symbol != RUN;
            holds.then(|| s.get(len).copied().unwrap_or(END))
        };
        self.tight_low = next(self.tight_low, self.low);
        self.tight_high = next(self.tight_high, self.high);
    }

    fn advance(&mut self, found: &[u8], symbol: u8) {
        let len = found.len();
        self.last = self.last << 8 | u32::from(symbol);
        self.tighten(len, symbol);
        self.along_low.advance(self.low, symbol);
        self.along_high.advance(self.high, symbol);
        if symbol == b'/' {
            let part = self.part_start..len - 1;
            self.part_before = if part.len() > LONGEST_PART { 0..0 } else { part };
            self.part_start = len;
            self.echo = Follower::default();
        } else {
            self.echo.advance(&found[self.part_before.clone()], symbol);
        }
        if !symbol.is_ascii_alphanumeric() && symbol < 0x80 {
            self.words += 1;
            self.word_start = len;
        }
    }
}

/// A longer part is not looked for again.
const LONGEST_PART: usize = 256;

/// Follows a text word by word.
#[derive(Clone, Copy)]
struct Follower {
    at: usize,
    trust: usize,
}

impl Default for Follower {
    fn default() -> Self {
        Self { at: 0, trust: 8 }
    }
}

impl Follower {
    /// The symbol expected next and how long the expectations have held, below 32.
    fn guess(&self, text: &[u8]) -> Option<(u8, usize)> {
        if text.is_empty() || self.at > text.len() {
            return None;
        }
        Some((text.get(self.at).copied().unwrap_or(END), self.trust))
    }

    fn advance(&mut self, text: &[u8], symbol: u8) {
        if text.get(self.at) == Some(&symbol) {
            self.at += 1;
            self.trust = (self.trust + 1).min(31);
            return;
        }
        self.trust = 0;
        if symbol.is_ascii_alphanumeric() {
            // One symbol for another, unless the text's word is over.
            if text.get(self.at).is_some_and(u8::is_ascii_alphanumeric) {
                self.at += 1;
            }
        } else if let Some(skip) =
            text.get(self.at..).and_then(|t| t.iter().position(|&b| b == symbol))
        {
            // The word is over: go on behind the same separator.
            self.at += skip + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::columnar::coder::{Reader, Training, Writer};
    use crate::codec::columnar::symbols::{join, split};

    fn round_trip(texts: &[&str], sorted: Sorted) -> Vec<usize> {
        let mut sizes = Vec::new();
        let (mut writing, mut reading) =
            (Model::new(Room::for_symbols(4_096)), Model::new(Room::for_symbols(4_096)));
        let mut low = Vec::new();
        for text in texts {
            let mut hex = Vec::new();
            let symbols = split(text.as_bytes(), &mut hex).unwrap();
            let neighbours = Neighbours { low: &low, high: &[], sorted };
            let mut writer = Writer::new();
            writing.code(&mut writer, 1, neighbours, &symbols, usize::MAX).unwrap();
            let stream = writer.finish();
            let found = reading.code(&mut Reader::new(&stream), 1, neighbours, &[], 1_000).unwrap();
            assert_eq!(found, symbols);
            let mut out = Vec::new();
            join(&found, &mut &hex[..], &mut out).unwrap();
            assert_eq!(out, text.as_bytes());
            sizes.push(stream.len() + hex.len());
            low = symbols;
        }
        sizes
    }

    #[test]
    fn strings_survive_and_later_ones_cost_less() {
        let texts = [
            "packages/0a/1b/1122334455667788990011223344556677889900112233445566778899aa/foo-1.0.tar.gz",
            "packages/1a/1b/2122334455667788990011223344556677889900112233445566778899aa/bar-1.0.tar.gz",
            "packages/2a/1b/3122334455667788990011223344556677889900112233445566778899aa/baz-2.0.tar.gz",
            "",
            "é ü \u{7f}",
        ];
        let sizes = round_trip(&texts, Sorted::No);
        assert!(sizes[2] < 30 + 10, "{sizes:?}");
        round_trip(&texts[..3], Sorted::AfterLow);
    }

    #[test]
    fn odd_and_endless_hex_runs_survive() {
        let long = "0123456789abcdef".repeat(40) + "7";
        round_trip(
            &[&long, "0123456789abcdef0", "0123456789abcde", "x0123456789ABCDEF0123456789abcdef"],
            Sorted::No,
        );
    }

    #[test]
    fn an_endless_string_is_stopped() {
        let mut model = Model::new(Room::default());
        for _ in 0..8 {
            model.code(&mut Training, 0, Neighbours::default(), &[b'a'; 2_000], usize::MAX);
        }
        let found = model.code(&mut Reader::new(&[0x55; 9]), 0, Neighbours::default(), &[], 50);
        assert!(found.is_none_or(|f| f.len() <= 50));
    }
}
