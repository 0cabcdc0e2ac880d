//! The strings around a new one as the string model takes them, the same for writer and reader.

use super::symbols;
use super::text::{Neighbours, Sorted};

/// A longer neighbour counts as none: the model may look through all of it for each symbol.
const MAX_LEN_BYTES: usize = 4_096;

/// The symbols of a string's neighbours, and whether their order binds.
pub(super) struct Around {
    low: Vec<u8>,
    high: Vec<u8>,
    sorted: Sorted,
}

impl Around {
    /// Keys (strings that are no leaf) stand in order, unless the document says otherwise.
    pub(super) fn new(
        leaf: Option<u8>,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
        unsorted: bool,
    ) -> Self {
        let symbols = |text: Option<&[u8]>| {
            let text = text.unwrap_or_default();
            if text.len() > MAX_LEN_BYTES { None } else { symbols::split(text, &mut Vec::new()) }
        };
        let (low, high, has_high) = (symbols(low), symbols(high), high.is_some());
        // The order of a neighbour without symbols does not bind, nor does the other's then.
        let sorted = match leaf {
            None if !unsorted && low.is_some() && high.is_some() => {
                if has_high {
                    Sorted::Between
                } else {
                    Sorted::AfterLow
                }
            }
            _ => Sorted::No,
        };
        Self { low: low.unwrap_or_default(), high: high.unwrap_or_default(), sorted }
    }

    pub(super) fn neighbours(&self) -> Neighbours<'_> {
        Neighbours { low: &self.low, high: &self.high, sorted: self.sorted }
    }
}
