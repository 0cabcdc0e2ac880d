//! What a delta's bytes are spent on.

use crate::codec::{accept, admit, columnar};
use crate::{Codec, Error, Header, Limits};

/// The parts of a delta that show without its prediction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Sections {
    /// What it says of itself.
    pub header: Header,
    /// Length of the header.
    pub header_bytes: u64,
    /// Length of what is in front of a columnar payload: its flags and the number of raw bytes.
    pub head_bytes: u64,
    /// Hex digits and other noise, as bytes; 0 unless the codec is columnar.
    pub raw_bytes: u64,
    /// The rest of the payload.
    pub stream_bytes: u64,
}

impl Sections {
    /// Takes a delta apart.
    ///
    /// # Errors
    /// Those of [`Header::parse`]; of a columnar delta also `Damaged` and `Unsupported`.
    pub fn of(delta: &[u8]) -> Result<Self, Error> {
        let (header, payload) = Header::parse(delta)?;
        let (raw_bytes, stream_bytes) = match header.codec {
            Codec::Columnar => columnar::section_lens(payload)?,
            _ => (0, header.payload_len_bytes),
        };
        Ok(Self {
            header,
            header_bytes: delta.len() as u64 - header.payload_len_bytes,
            head_bytes: header.payload_len_bytes - raw_bytes - stream_bytes,
            raw_bytes,
            stream_bytes,
        })
    }
}

/// What one column of a columnar delta takes.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// The keys down to it with dots between them, `*` for any entry of a large map or an array, empty for the
    /// whole document.
    pub place: String,
    /// Of which entries.
    pub entries: Entries,
    /// What it tells of them.
    pub content: Content,
    /// How often.
    pub values: u64,
    /// The ideal cost of its decisions in the stream. The coder adds less than a bit to all columns together, rounds up
    /// to whole bytes, and leaves zeros at the end out.
    pub stream_bytes: f64,
    /// Its raw bytes.
    pub raw_bytes: u64,
}

impl Column {
    /// All that the column takes.
    #[expect(clippy::cast_precision_loss, reason = "lengths are far below 2^53")]
    pub fn bytes(&self) -> f64 {
        self.stream_bytes + self.raw_bytes as f64
    }
}

/// Entries that the prediction has, or that it has not.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Entries {
    /// Old ones.
    #[default]
    Old,
    /// New ones, and what is in them.
    New,
}

/// What a column tells.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Content {
    /// Which entries of an object or array stay, change, come and go.
    Events,
    /// How values are told, and which of their leaves differ.
    Kinds,
    /// The keys of new entries.
    Keys,
    /// Integers.
    Integers,
    /// Times.
    Times,
    /// Hex digits.
    Hex,
    /// Other strings and values.
    Text,
}

/// What each column of a delta takes, the dearest first. `None` if the codec has no columns. The delta was applied then.
///
/// # Errors
/// Those of [`apply`](crate::apply).
pub fn columns(
    prediction: Option<&[u8]>,
    delta: &[u8],
    limits: &Limits,
) -> Result<Option<Vec<Column>>, Error> {
    let (header, payload, result_len) = admit(prediction, delta, limits)?;
    if header.codec != Codec::Columnar {
        return crate::apply(prediction, delta, limits).map(|_| None);
    }
    let (rebuilt, columns) = columnar::tally(prediction, payload, result_len)?;
    accept(&header, rebuilt)?;
    Ok(Some(columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EncodeOptions, encode};

    fn snapshot(version: u32) -> Vec<u8> {
        let entries: Vec<String> = (0..40)
            .map(|bin| {
                let (version, hex) = (version + bin % 3 * version, version * 7 + bin % 5);
                format!(r#""b-{bin:02}.json":{{"hashes":{{"sha256":"{hex:064x}"}},"version":{version}}}"#)
            })
            .collect();
        let (meta, day) = (entries.join(","), version % 28 + 1);
        format!(
            r#"{{"expires":"2030-01-{day:02}T00:00:00Z","meta":{{{meta}}},"version":{version}}}"#
        )
        .into_bytes()
    }

    fn check(base: Option<&[u8]>, new: &[u8], expected: &[(&str, Entries, Content, u64, u64)]) {
        let delta = encode(Codec::Columnar, base, new, &EncodeOptions::default()).unwrap();
        let sections = Sections::of(&delta).unwrap();
        let whole = sections.header_bytes
            + sections.head_bytes
            + sections.raw_bytes
            + sections.stream_bytes;
        assert_eq!(whole, delta.len() as u64);
        let columns = columns(base, &delta, &Limits::default()).unwrap().unwrap();
        let raw: u64 = columns.iter().map(|column| column.raw_bytes).sum();
        assert_eq!(raw, sections.raw_bytes);
        // Each decision is accounted for: what the stream has beyond them is the coder's last bytes.
        let ideal: f64 = columns.iter().map(|column| column.stream_bytes).sum();
        let rounding = sections.stream_bytes as f64 - ideal;
        assert!((-1.0..2.0).contains(&rounding), "{rounding}");
        for &(place, entries, content, values, raw_bytes) in expected {
            let found = columns
                .iter()
                .find(|c| (&*c.place, c.entries, c.content) == (place, entries, content))
                .unwrap_or_else(|| panic!("no {place} {content:?} in {columns:#?}"));
            assert_eq!((found.values, found.raw_bytes), (values, raw_bytes), "{place} {content:?}");
        }
    }

    #[test]
    fn columns_are_named_by_their_place() {
        use {Content::*, Entries::*};
        check(
            Some(&snapshot(3)),
            &snapshot(4),
            &[
                ("", Old, Events, 4, 0),
                ("meta", Old, Events, 41, 0),
                ("meta.*", Old, Kinds, 40, 0),
                ("meta.*.hashes.sha256", Old, Hex, 40, 40 * 32),
                ("meta.*.version", Old, Integers, 40, 0),
                ("expires", Old, Times, 1, 0),
                ("version", Old, Integers, 1, 0),
            ],
        );
    }

    #[test]
    fn from_nothing_all_is_new() {
        use {Content::*, Entries::*};
        check(
            None,
            &snapshot(3),
            &[
                ("meta", New, Keys, 40, 0),
                ("meta.*.version", New, Integers, 39, 0),
                ("expires", New, Text, 1, 0),
            ],
        );
    }

    #[test]
    fn what_does_not_apply_has_no_columns() {
        let (old, new) = (snapshot(3), snapshot(4));
        let good = encode(Codec::Columnar, Some(&old), &new, &EncodeOptions::default()).unwrap();
        let limits = Limits::default();
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                let applied = crate::apply(Some(&old), &bad, &limits).map(drop);
                assert_eq!(columns(Some(&old), &bad, &limits).map(drop), applied, "{at}");
            }
            assert!(columns(Some(&old), &good[..at], &limits).is_err());
        }
    }

    #[test]
    fn other_codecs_have_no_columns() {
        let (old, new) = (snapshot(3), snapshot(4));
        let delta = encode(Codec::Zstd, Some(&old), &new, &EncodeOptions::default()).unwrap();
        assert_eq!(columns(Some(&old), &delta, &Limits::default()), Ok(None));
        let wrong = columns(Some(&new), &delta, &Limits::default());
        assert!(matches!(wrong, Err(Error::WrongBase { .. })), "{wrong:?}");
    }
}
