//! The entries of an old object, of which some are learned before each new one: many around the first, then a few
//! around each.

use std::ops::Range;

use super::models::{Class, Unit};
use super::scan::Cursor;
use super::text::Room;
use super::walk::{Bytes, LeafForm, Records, form_of};
use super::{int, time};

/// Keys learned on either side of each new one after the first.
const NEAR: usize = 2;

/// The old entries of a uniform object.
#[derive(Debug)]
pub(super) struct OldEntries<'a> {
    /// What new entries are.
    child: Class,
    /// Keys and values.
    entries: Vec<(&'a [u8], &'a [u8])>,
    /// Entries before this one are learned or passed.
    learned_to: usize,
    started: bool,
}

impl<'a> OldEntries<'a> {
    /// Of the object at whose first entry the cursor is; `None` if it is malformed.
    pub(super) fn new(cursor: Cursor<'a>, child: Class) -> Option<Self> {
        Self::of_first(cursor, usize::MAX, child)
    }

    /// Of the object at whose first entry the cursor is, with its first entries only, so many; the others are to be pushed.
    pub(super) fn of_first(cursor: Cursor<'a>, count: usize, child: Class) -> Option<Self> {
        let entries = cursor.first_entries(count)?;
        Some(Self { child, entries, learned_to: 0, started: false })
    }

    pub(super) fn push(&mut self, key: &'a [u8], value: &'a [u8]) {
        self.entries.push((key, value));
    }

    pub(super) fn child(&self) -> Class {
        self.child
    }

    /// What to learn before a new entry that comes ahead of the old one at `index`.
    pub(super) fn around(&mut self, index: usize, room: Room) -> Window<'_, 'a> {
        let range = if self.started { self.near(index) } else { self.first(index, room) };
        self.started = true;
        let range = range.start.max(self.learned_to)..range.end.max(self.learned_to);
        self.learned_to = range.end;
        Window { entries: &self.entries, range }
    }

    /// What is to be learned before the first new entry.
    pub(super) fn first_window(&self, index: usize, room: Room) -> Window<'_, 'a> {
        Window { entries: &self.entries, range: self.first(index, room) }
    }

    fn near(&self, index: usize) -> Range<usize> {
        index.saturating_sub(NEAR)..(index + NEAR).min(self.entries.len())
    }

    fn first(&self, index: usize, room: Room) -> Range<usize> {
        let Range { start: mut from, end: mut to } = self.near(index);
        let mut bytes = room.first_bytes();
        let key_len = |at: usize| self.entries[at].0.len();
        let mut grow = true;
        while grow {
            grow = false;
            if from > 0 && key_len(from - 1) <= bytes {
                from -= 1;
                bytes -= key_len(from);
                grow = true;
            }
            if to < self.entries.len() && key_len(to) <= bytes {
                bytes -= key_len(to);
                to += 1;
                grow = true;
            }
        }
        from..to
    }
}

/// Some old entries that stand one behind the other.
#[derive(Debug)]
pub(super) struct Window<'w, 'a> {
    entries: &'w [(&'a [u8], &'a [u8])],
    range: Range<usize>,
}

impl<'a> Window<'_, 'a> {
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.entries[self.range.clone()].iter().map(|(key, _)| *key)
    }

    /// Calls `learn` with each integer and time in which a value differs from the one before, if it differs in
    /// nothing but leaves: the leaf, its unit, the value before and the value.
    pub(super) fn for_each_number(&self, mut learn: impl FnMut(u8, Unit, i64, i64)) {
        let mut records = Records::default();
        let from = self.range.start.saturating_sub(1);
        for two in self.entries[from..self.range.end].windows(2) {
            let (old, new) = (two[0].1, two[1].1);
            if records.compare(old, new).is_none() {
                continue;
            }
            for (leaf, (old, new)) in (0..).zip(&records.pairs).filter(|(_, (old, new))| old != new)
            {
                let (unit, template, value) = match (form_of(old), new) {
                    (LeafForm::Integer(old), Bytes::Number(new)) => {
                        (Unit::One, old, int::parse(new))
                    }
                    (LeafForm::Time(old), Bytes::Text(new)) => {
                        (Unit::Second, old, time::parse(new))
                    }
                    _ => continue,
                };
                if let Some(value) = value {
                    learn(leaf, unit, template, value);
                }
            }
        }
    }
}
