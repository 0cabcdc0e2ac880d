//! What a stream is spent on: a reader that adds up the ideal cost of its decisions column by column.

use std::collections::{BTreeMap, HashMap};

use super::coder::{Coder, Reader, Split};
use super::models::{Class, MAX_CLASSES, Models, ROOT};
use super::scan::{self, Cursor, Shape};
use super::walk::LeafForm;
use crate::anatomy::{self, Content, Entries};

/// Where in the document the decisions are that a decoder asks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column<'c> {
    /// Which entries stay, change, come and go.
    Events(Class),
    /// How values are told.
    Kinds(Class),
    /// New keys.
    Keys(Class),
    /// Values told as strings.
    Literals(Class),
    /// The leaf of a record that is at this place of its template.
    Leaf { class: Class, record: &'c [u8], at: usize, form: LeafForm },
}

/// A column by its class and the path within the record.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Name {
    class: Class,
    content: Content,
    path: Vec<String>,
}

impl Name {
    fn of(column: Column<'_>) -> Self {
        let (class, content) = match column {
            Column::Events(class) => (class, Content::Events),
            Column::Kinds(class) => (class, Content::Kinds),
            Column::Keys(class) => (class, Content::Keys),
            Column::Literals(class) => (class, Content::Text),
            Column::Leaf { class, form, .. } => match form {
                LeafForm::Integer(_) => (class, Content::Integers),
                LeafForm::Time(_) => (class, Content::Times),
                LeafForm::Hex(_) => (class, Content::Hex),
                LeafForm::Text => (class, Content::Text),
            },
        };
        let mut path = Vec::new();
        if let Column::Leaf { record, at, .. } = column {
            descend(record, at, &mut path);
        }
        Self { class, content, path }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    values: u64,
    bits: f64,
    raw_bytes: u64,
}

/// Reads a stream and keeps the accounts.
pub(super) struct Tally<'a> {
    reader: Reader<'a>,
    accounts: HashMap<Name, Spent>,
    /// The column that is being read, and the raw bytes that were left when it began.
    open: Option<(Name, usize)>,
    bits: f64,
}

impl<'a> Tally<'a> {
    pub(super) fn new(reader: Reader<'a>) -> Self {
        Self { reader, accounts: HashMap::new(), open: None, bits: 0.0 }
    }

    fn close(&mut self, raw_left: usize) {
        let bits = std::mem::take(&mut self.bits);
        let Some((name, raw_before)) = self.open.take() else { return };
        let spent = self.accounts.entry(name).or_default();
        spent.values += 1;
        spent.bits += bits;
        spent.raw_bytes += (raw_before - raw_left) as u64;
    }

    /// The columns, the dearest first. No raw bytes are left.
    pub(super) fn finish(mut self, models: &Models) -> Vec<anatomy::Column> {
        self.close(0);
        let places = places(models);
        let mut merged: BTreeMap<(String, Entries, Content), Spent> = BTreeMap::new();
        for (Name { class, content, path }, spent) in self.accounts {
            let (entries, mut place) = places.get(&class).cloned().unwrap_or_default();
            place.extend(path);
            let sum = merged.entry((place.join("."), entries, content)).or_default();
            sum.values += spent.values;
            sum.bits += spent.bits;
            sum.raw_bytes += spent.raw_bytes;
        }
        let column = |((place, entries, content), spent): (_, Spent)| anatomy::Column {
            place,
            entries,
            content,
            values: spent.values,
            stream_bytes: spent.bits / 8.0,
            raw_bytes: spent.raw_bytes,
        };
        let mut columns: Vec<_> = merged.into_iter().map(column).collect();
        columns.sort_by(|left, right| right.bytes().total_cmp(&left.bytes()));
        columns
    }
}

impl Coder for Tally<'_> {
    fn decide(&mut self, bit: bool, split: Split) -> bool {
        let bit = self.reader.decide(bit, split);
        let [zeros, ones] = split.odds();
        let chosen = if bit { ones } else { zeros };
        self.bits += (f64::from(zeros + ones) / f64::from(chosen)).log2();
        bit
    }

    fn plain(&mut self, value: u64, count: u32) -> u64 {
        self.bits += f64::from(count);
        self.reader.plain(value, count)
    }

    fn enter(&mut self, column: Column<'_>, raw_left: usize) {
        self.close(raw_left);
        self.open = Some((Name::of(column), raw_left));
    }
}

/// The keys on the way to each class, and whether one of the entries on it is new.
fn places(models: &Models) -> HashMap<Class, (Entries, Vec<String>)> {
    let mut above: Vec<_> = models.classes().collect();
    // A class is numbered after its parent.
    above.sort_by_key(|(class, ..)| *class);
    let mut places = HashMap::from([(ROOT, (Entries::Old, Vec::new()))]);
    for (class, parent, key, new) in above {
        let (mut entries, mut path) = places.get(&parent).cloned().unwrap_or_default();
        if new {
            entries = Entries::New;
        }
        path.push(step(key.unwrap_or_default()));
        places.insert(class, (entries, path));
    }
    places.insert(MAX_CLASSES, (Entries::Old, vec!["(other places)".to_owned()]));
    places
}

/// A key as part of a path. An array's elements have none.
fn step(key: &[u8]) -> String {
    if key.is_empty() {
        return "*".to_owned();
    }
    String::from_utf8_lossy(key).replace(char::is_control, "\u{fffd}")
}

/// Appends the keys from the record at the start of `text` down to the leaf at `at`.
fn descend(text: &[u8], at: usize, path: &mut Vec<String>) {
    let mut start = 0;
    while Shape::at(text, start).is_some() {
        let Some(mut cursor) = Cursor::new(text, start) else { return };
        let entry = loop {
            let Some(Some(entry)) = cursor.peek() else { return };
            let Some(end) = scan::value_end(text, entry.value) else { return };
            if at < end {
                break entry;
            }
            cursor.step(end);
        };
        path.push(step(&text[entry.key]));
        start = entry.value;
    }
}
