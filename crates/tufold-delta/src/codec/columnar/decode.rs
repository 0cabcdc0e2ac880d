//! The reader: walks the base, asks the stream what happens at each place, and writes the new document.

use std::ops::Range;

use super::coder::Coder;
use super::models::{self, Children, Class, Event, Kind, LITERAL, MAX_LEAVES, Models, ROOT, Unit};
use super::neighbours::Around;
use super::old::OldEntries;
use super::out::Out;
use super::scan::{self, Cursor, Form, Leaf, Leaves, Shape};
use super::skeleton::Skeleton;
use super::symbols;
use super::tally::Column;
use super::walk::{Bytes, LeafForm, MAX_DEPTH, form_of, leaf_count, record_fits};
use super::{int, time};
use crate::Error;

use Fault::{Impossible, Malformed};

/// Why a reader stops. It is passed up in a register: this is the path that each entry takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    /// The prediction is not cut as it should be.
    Malformed,
    /// The stream asks for what cannot be.
    Impossible,
    /// More comes out than the delta says.
    TooLong,
    /// It takes more work than the payload may ask for.
    TooMuchWork,
}

/// An entry that was passed, in the base or in the new document.
#[derive(Clone, Debug)]
struct Passed {
    place: Place,
    key: Range<usize>,
    value: Range<usize>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Place {
    Base,
    New,
}

/// A value that a new one is likened to.
#[derive(Clone, Copy, Debug)]
enum Template<'t> {
    /// The old value that begins here in the base.
    Old(usize),
    /// A copy of another entry's value, for a new entry.
    Like(&'t [u8]),
    None,
}

pub(super) struct Decoder<'a, C> {
    pub(super) base: &'a [u8],
    pub(super) raw: &'a [u8],
    pub(super) reader: C,
    pub(super) models: Models,
    pub(super) out: Out<'a>,
    pub(super) unsorted: bool,
    /// How many new entries and symbols of strings there may be.
    pub(super) max_symbols: u64,
    /// Of the last record, and the leaves of the one at hand.
    pub(super) skeleton: Skeleton,
    pub(super) leaves: Vec<Leaf>,
}

impl<'a, C: Coder> Decoder<'a, C> {
    /// Rebuilds the whole document, and gives back the coder and what was learned.
    pub(super) fn run(mut self, has_base: bool) -> Result<(Vec<u8>, C, Models), Error> {
        self.document(has_base).map_err(|fault| match fault {
            Malformed => Error::Damaged("the prediction is not the document that it expects"),
            Impossible => Error::Damaged("it asks for what cannot be"),
            Fault::TooLong => Error::Damaged("the result is longer than it should be"),
            Fault::TooMuchWork => Error::TooLarge {
                what: "the work",
                len: self.models.symbols,
                limit: self.max_symbols,
            },
        })?;
        if !self.raw.is_empty() {
            return Err(Error::Damaged("raw bytes are left over"));
        }
        Ok((self.out.finish(), self.reader, self.models))
    }

    fn document(&mut self, has_base: bool) -> Result<(), Fault> {
        let template = if has_base { Template::Old(0) } else { Template::None };
        let end = self.value(ROOT, template, 0)?;
        if has_base && end != self.base.len() {
            return Err(Malformed);
        }
        self.out.settle()
    }

    #[inline]
    fn enter(&mut self, column: Column<'_>) {
        self.reader.enter(column, self.raw.len());
    }

    /// Writes one value; returns where its template ends, if that is in the base.
    fn value(
        &mut self,
        class: Class,
        template: Template<'_>,
        depth: usize,
    ) -> Result<usize, Fault> {
        let base = self.base;
        let old = match template {
            Template::Old(at) => base.get(at..),
            Template::Like(bytes) => Some(bytes),
            Template::None => None,
        };
        let leaves = || leaf_count(old.unwrap_or_default());
        self.enter(Column::Kinds(class));
        let kind = self
            .models
            .kind(&mut self.reader, class, leaves, old.is_some(), Kind::Literal)
            .ok_or(Impossible)?;
        match (kind, template) {
            (Kind::Record(mask, form), Template::Old(at)) => {
                self.record(class, &base[at..], Some(at), (mask, form))
            }
            (Kind::Record(mask, form), _) => {
                self.record(class, old.ok_or(Impossible)?, None, (mask, form))
            }
            (Kind::Merge, _) if depth >= MAX_DEPTH => Err(Impossible),
            (Kind::Merge, Template::Old(at)) => self.merge(class, at, depth),
            (Kind::Merge, _) => self.build(class, depth),
            (Kind::Literal, Template::Old(at)) => {
                let end = scan::value_end(base, at).ok_or(Malformed)?;
                self.enter(Column::Literals(class));
                self.string(class, Some(LITERAL), Some(&base[at..end]), None)?;
                Ok(end)
            }
            (Kind::Literal, _) => {
                self.enter(Column::Literals(class));
                self.string(class, Some(LITERAL), old, None)?;
                Ok(0)
            }
        }
    }

    /// Writes a record like its template but for the leaves in `mask`. `origin` is where the template is in the base.
    #[inline]
    fn record(
        &mut self,
        class: Class,
        old: &[u8],
        origin: Option<usize>,
        (mut mask, form): (u32, models::Leaves),
    ) -> Result<usize, Fault> {
        let mut leaves = std::mem::take(&mut self.leaves);
        let Some(end) = self.skeleton.cut(old, &mut leaves) else {
            return self.long_record(class, old, origin, (mask, form));
        };
        let mut copied = 0;
        while mask != 0 {
            // A mask has 16 bits.
            let index = mask.trailing_zeros() & 31;
            mask &= mask - 1;
            let Some(leaf) = leaves.get(index as usize) else { break };
            let index = index as u8;
            self.piece(old, origin, copied..leaf.range.start)?;
            self.leaf((class, index), old, leaf, form)?;
            copied = leaf.range.end;
        }
        self.leaves = leaves;
        self.piece(old, origin, copied..end)?;
        Ok(origin.unwrap_or(0) + end)
    }

    /// As `record`, for what has more leaves than a record that is told anew.
    #[cold]
    fn long_record(
        &mut self,
        class: Class,
        old: &[u8],
        origin: Option<usize>,
        (mask, form): (u32, models::Leaves),
    ) -> Result<usize, Fault> {
        let mut leaves = Leaves::new(old, 0);
        let (mut copied, mut index) = (0, 0_u8);
        while let Some(leaf) = leaves.next().ok_or(Malformed)? {
            if usize::from(index) < MAX_LEAVES && mask >> index & 1 == 1 {
                self.piece(old, origin, copied..leaf.range.start)?;
                self.leaf((class, index), old, &leaf, form)?;
                copied = leaf.range.end;
            }
            index = index.saturating_add(1);
        }
        let end = leaves.position();
        self.piece(old, origin, copied..end)?;
        Ok(origin.unwrap_or(0) + end)
    }

    #[inline]
    fn piece(
        &mut self,
        old: &[u8],
        origin: Option<usize>,
        range: Range<usize>,
    ) -> Result<(), Fault> {
        match origin {
            Some(origin) => self.out.copy(origin + range.start..origin + range.end),
            None => self.out.push(&old[range]),
        }
    }

    #[inline]
    fn leaf(
        &mut self,
        (class, leaf): (Class, u8),
        record: &[u8],
        place: &Leaf,
        leaves: models::Leaves,
    ) -> Result<(), Fault> {
        let old = Bytes::new(record, place);
        let mut form = match place.form {
            Form::Hex => LeafForm::Hex(place.range.len()),
            Form::Number | Form::Text => form_of(&old),
        };
        if form != LeafForm::Text && leaves == models::Leaves::Mixed {
            self.enter(Column::Kinds(class));
            if !self.models.regular(&mut self.reader, class, leaf, true) {
                form = LeafForm::Text;
            }
        }
        self.enter(Column::Leaf { class, record, at: place.range.start, form });
        match form {
            LeafForm::Integer(template) => {
                let value =
                    self.models.integer(&mut self.reader, (class, leaf, Unit::One), template, 0);
                if !(-int::MAX..=int::MAX).contains(&value) {
                    return Err(Impossible);
                }
                self.out.write(|bytes| int::write(bytes, value))
            }
            LeafForm::Time(template) => {
                let value =
                    self.models.integer(&mut self.reader, (class, leaf, Unit::Second), template, 0);
                self.out.write(|bytes| time::write(bytes, value))?.ok_or(Impossible)
            }
            LeafForm::Hex(len) => {
                let (digits, rest) = self.raw.split_at_checked(len / 2).ok_or(Impossible)?;
                self.raw = rest;
                if len > self.out.room() {
                    return Err(Impossible);
                }
                self.out.write(|bytes| symbols::write_hex(bytes, digits))
            }
            LeafForm::Text => self.string(class, Some(leaf), Some(old.bytes()), None),
        }
    }

    /// Writes a string's characters.
    fn string(
        &mut self,
        class: Class,
        leaf: Option<u8>,
        low: Option<&[u8]>,
        high: Option<&[u8]>,
    ) -> Result<(), Fault> {
        if let Some(low) = low
            && let Some(next) = self.models.successor(class, leaf, low)
            && self.models.is_next(&mut self.reader, class, leaf, false)
        {
            return self.out.push(&next);
        }
        if let Some(len) = self.models.raw(&mut self.reader, class, leaf, None) {
            let len = usize::try_from(len).map_err(|_| Impossible)?;
            let (bytes, rest) = self.raw.split_at_checked(len).ok_or(Impossible)?;
            self.raw = rest;
            return self.finish_string(class, leaf, low, bytes);
        }
        let around = Around::new(leaf, low, high, self.unsorted);
        let left = self.max_symbols.saturating_sub(self.models.symbols);
        let room = self.out.room().min(usize::try_from(left).unwrap_or(usize::MAX));
        let symbols = self
            .models
            .text(&mut self.reader, class, leaf, around.neighbours(), &[], room)
            .ok_or(Impossible)?;
        self.check_work()?;
        let mut bytes = Vec::new();
        symbols::join(&symbols, &mut self.raw, &mut bytes).ok_or(Impossible)?;
        self.finish_string(class, leaf, low, &bytes)
    }

    fn finish_string(
        &mut self,
        class: Class,
        leaf: Option<u8>,
        low: Option<&[u8]>,
        bytes: &[u8],
    ) -> Result<(), Fault> {
        if let Some(low) = low {
            self.models.learn_stride(class, leaf, low, bytes);
        }
        self.out.push(bytes)
    }

    fn check_work(&self) -> Result<(), Fault> {
        if self.models.symbols > self.max_symbols {
            return Err(Fault::TooMuchWork);
        }
        Ok(())
    }

    /// Writes an object or array from nothing.
    fn build(&mut self, class: Class, depth: usize) -> Result<usize, Fault> {
        self.enter(Column::Kinds(class));
        let array = self.models.array(&mut self.reader, class, false);
        let shape = if array { Shape::Array } else { Shape::Object };
        let uniform = self.models.uniform(&mut self.reader, class, false);
        self.out.push(&[shape.open()])?;
        let mut level = Level::new(class, shape, uniform, depth);
        while self.event_at_end(class) == Event::Insert {
            self.insert(&mut level, None)?;
        }
        self.out.push(&[shape.close()])?;
        Ok(0)
    }

    /// Writes an object or array entry by entry along the old one that begins at `at`; returns its end.
    fn merge(&mut self, class: Class, at: usize, depth: usize) -> Result<usize, Fault> {
        let base = self.base;
        let mut cursor = Cursor::new(base, at).ok_or(Malformed)?;
        self.enter(Column::Kinds(class));
        let uniform = self.models.uniform(&mut self.reader, class, false);
        self.out.copy(at..at + 1)?;
        let mut level = Level::new(class, cursor.shape(), uniform, depth);
        level.old = Some(cursor.clone());
        loop {
            let Some(entry) = cursor.peek().ok_or(Malformed)? else {
                if self.event_at_end(class) == Event::Insert {
                    self.insert(&mut level, None)?;
                    continue;
                }
                let end = cursor.position() + 1;
                self.out.copy(end - 1..end)?;
                return Ok(end);
            };
            // Measured once, however many new entries come before it.
            let (mut end, mut size) = (None, 0);
            if uniform && self.models.context.size {
                let found = scan::value_end(base, entry.value).ok_or(Malformed)?;
                size = scan::size_of_last_integer(base, found);
                end = Some(found);
            }
            let event = loop {
                self.enter(Column::Events(class));
                match self.models.event(&mut self.reader, class, size, Event::Same) {
                    Event::Insert => self.insert(&mut level, Some(entry.key.clone()))?,
                    event => break event,
                }
            };
            if event != Event::Remove {
                // The old comma goes along wherever there is one, so that what stays is copied in one piece.
                match (level.written > 0, level.passed > 0) {
                    (true, true) => self.out.copy(cursor.position()..entry.value)?,
                    (true, false) => {
                        self.out.push(b",")?;
                        self.out.copy(entry.start..entry.value)?;
                    }
                    (false, _) => self.out.copy(entry.start..entry.value)?,
                }
                level.written += 1;
            }
            let end = if event == Event::Change {
                let child = level.children.of(&mut self.models, &base[entry.key.clone()], event);
                self.value(child, Template::Old(entry.value), depth + 1)?
            } else {
                let end = end.or_else(|| scan::value_end(base, entry.value)).ok_or(Malformed)?;
                if event == Event::Same {
                    self.out.copy(entry.value..end)?;
                }
                end
            };
            level.last =
                Some(Passed { place: Place::Base, key: entry.key, value: entry.value..end });
            level.passed += 1;
            cursor.step(end);
        }
    }

    /// What comes behind the last old entry.
    fn event_at_end(&mut self, class: Class) -> Event {
        self.enter(Column::Events(class));
        self.models.event_at_end(&mut self.reader, class, Event::Same)
    }

    /// Writes a new entry; `high` is the next old key.
    fn insert(&mut self, level: &mut Level<'a>, high: Option<Range<usize>>) -> Result<(), Fault> {
        self.check_work()?;
        if level.written > 0 {
            self.out.push(b",")?;
        }
        level.written += 1;
        let base = self.base;
        let (low_key, low_value) = self.passed(level)?;
        let mut key_range = self.out.len()..self.out.len();
        if level.shape == Shape::Object {
            if level.uniform {
                self.learn(level)?;
            }
            self.out.push(b"\"")?;
            key_range.start = self.out.len();
            self.enter(Column::Keys(level.class));
            self.string(level.class, None, low_key.as_deref(), high.map(|range| &base[range]))?;
            key_range.end = self.out.len();
            self.out.push(b"\":")?;
        }
        let key = self.out.written()?[key_range.clone()].to_vec();
        let child = level.children.of(&mut self.models, &key, Event::Insert);
        let start = self.out.len();
        let template = match &low_value {
            Some(value) if level.uniform && record_fits(value) => Template::Like(value),
            _ => Template::None,
        };
        self.value(child, template, level.depth + 1)?;
        level.last =
            Some(Passed { place: Place::New, key: key_range, value: start..self.out.len() });
        Ok(())
    }

    /// Copies of the key and, where it may serve as a template, of the value of the entry passed last.
    #[expect(clippy::type_complexity, reason = "a key and a value, taken apart at once")]
    fn passed(&mut self, level: &Level<'_>) -> Result<(Option<Vec<u8>>, Option<Vec<u8>>), Fault> {
        let Some(Passed { place, key, value }) = level.last.clone() else {
            return Ok((None, None));
        };
        let text = match place {
            Place::Base => self.base,
            Place::New => self.out.written()?,
        };
        Ok((Some(text[key].to_vec()), level.uniform.then(|| text[value].to_vec())))
    }

    /// Learns old entries before a new one.
    fn learn(&mut self, level: &mut Level<'a>) -> Result<(), Fault> {
        let Some(cursor) = &level.old else { return Ok(()) };
        let old = match &mut level.old_entries {
            Some(old) => old,
            None => {
                let child = level.children.of(&mut self.models, &[], Event::Insert);
                let old = OldEntries::new(cursor.clone(), child).ok_or(Malformed)?;
                level.old_entries.insert(old)
            }
        };
        let (child, room) = (old.child(), self.models.room);
        let window = old.around(level.passed, room);
        self.models.learn(&mut self.reader, (level.class, child), &window);
        self.check_work()
    }
}

/// The object or array that is being written.
struct Level<'a> {
    class: Class,
    shape: Shape,
    uniform: bool,
    depth: usize,
    children: Children,
    last: Option<Passed>,
    /// Old entries passed, and entries written.
    passed: usize,
    written: usize,
    /// At the first old entry.
    old: Option<Cursor<'a>>,
    old_entries: Option<OldEntries<'a>>,
}

impl Level<'_> {
    fn new(class: Class, shape: Shape, uniform: bool, depth: usize) -> Self {
        Self {
            class,
            shape,
            uniform,
            depth,
            children: Children::new(class, uniform),
            last: None,
            passed: 0,
            written: 0,
            old: None,
            old_entries: None,
        }
    }
}
