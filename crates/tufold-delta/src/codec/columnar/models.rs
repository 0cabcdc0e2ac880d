//! What both sides learn while they walk: one set of adaptive odds for each class of place in the document.
//!
//! A class stands for "the value under this key of that class" or "any value of that large map", apart for entries
//! that changed and entries that are new. Classes are numbered as they are met, which both sides do in the same order.

use std::collections::HashMap;

use super::coder::{Coder, Odds, Training};
use super::int::{self, Mode, Trees};
use super::old::Window;
use super::symbols;
use super::text::{self, Neighbours, Room};

/// More classes than this share the last one, so that a crafted document cannot fill the memory.
pub(super) const MAX_CLASSES: u32 = 1_024;

/// A record has at most this many leaves.
pub(super) const MAX_LEAVES: usize = 16;

/// The number of a literal's string among the leaves.
pub(super) const LITERAL: u8 = 16;

/// Names a class.
pub(super) type Class = u32;

/// The class of the whole document.
pub(super) const ROOT: Class = 0;

/// What happens next in an object or array.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Event {
    /// The next old entry stays; behind the last one: the end.
    Same,
    /// The next old entry has another value.
    Change,
    /// A new entry comes before the next old one.
    Insert,
    /// The next old entry goes.
    Remove,
}

/// How a new value is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// Its template with other leaves: bit i of the mask for leaf i.
    Record(u32, Leaves),
    /// Entry by entry.
    Merge,
    /// As a string.
    Literal,
}

/// Whether all new leaves of a record are of their templates' forms: integers, times, as many hex digits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Leaves {
    Regular,
    Mixed,
}

/// What the decision whether an entry stays depends on; the writer chooses.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Context {
    /// On the event before it.
    pub(super) last_event: bool,
    /// On the size of the old entry's last integer.
    pub(super) size: bool,
}

impl Context {
    /// How many contexts there can be.
    pub(super) const COUNT: usize = 4 * 128;

    pub(super) fn index(self, last: Event, size: u8) -> usize {
        let last = if self.last_event { last as usize } else { 0 };
        let size = if self.size { usize::from(size.min(127)) } else { 0 };
        last << 7 | size
    }
}

/// All that is learned.
#[derive(Debug)]
pub(super) struct Models {
    pub(super) context: Context,
    /// The writer's choice for each column; a reader is told.
    pub(super) modes: HashMap<ColumnName, Mode>,
    classes: Vec<ClassModel>,
    numbers: HashMap<(Class, Vec<u8>), Class>,
    text: Option<Box<text::Model>>,
    pub(super) room: Room,
    /// New entries, and symbols of strings coded or trained on, so far. All other work is for what stands in
    /// the prediction, and in no more proportion to it.
    pub(super) symbols: u64,
    /// For all columns of numbers.
    trees: Trees,
}

/// A leaf of a class as an integer or as a time.
pub(super) type ColumnName = (Class, u8, Unit);

/// What an integer counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Unit {
    One,
    Second,
}

#[derive(Debug)]
struct ClassModel {
    last_event: Event,
    same: Vec<Odds>,
    change: [Odds; 4],
    insert: [Odds; 4],
    end: [Odds; 2],
    last_mask: Option<u32>,
    repeat_mask: Odds,
    record: Odds,
    mixed: Odds,
    merge: Odds,
    uniform: Odds,
    array: Odds,
    leaf_differs: [Odds; MAX_LEAVES],
    leaves: Vec<LeafModel>,
    key: LeafModel,
}

#[derive(Debug)]
struct LeafModel {
    regular: Odds,
    next: Odds,
    stride: u64,
    raw: Odds,
    raw_len: int::Magnitude,
    ones: Option<Box<int::Column>>,
    seconds: Option<Box<int::Column>>,
}

impl Default for LeafModel {
    fn default() -> Self {
        Self {
            regular: Odds::prior(1, 7),
            next: Odds::prior(3, 1),
            stride: 1,
            raw: Odds::prior(31, 1),
            raw_len: int::Magnitude::default(),
            ones: None,
            seconds: None,
        }
    }
}

impl Default for ClassModel {
    fn default() -> Self {
        Self {
            last_event: Event::Same,
            same: Vec::new(),
            change: [Odds::EVEN; 4],
            insert: [Odds::EVEN; 4],
            end: [Odds::EVEN; 2],
            last_mask: None,
            repeat_mask: Odds::prior(1, 3),
            record: Odds::prior(1, 7),
            mixed: Odds::prior(7, 1),
            merge: Odds::EVEN,
            uniform: Odds::EVEN,
            array: Odds::prior(7, 1),
            leaf_differs: [Odds::prior(1, 3); MAX_LEAVES],
            leaves: Vec::new(),
            key: LeafModel::default(),
        }
    }
}

impl Models {
    pub(super) fn new(context: Context, room: Room) -> Self {
        Self {
            context,
            modes: HashMap::new(),
            classes: vec![ClassModel::default()],
            numbers: HashMap::new(),
            text: None,
            room,
            symbols: 0,
            trees: Trees::default(),
        }
    }

    fn of(&mut self, class: Class) -> &mut ClassModel {
        &mut self.classes[class as usize]
    }

    /// The class of a value in an object or array of `parent`: by its key, or one for all of a large map.
    fn child(&mut self, parent: Class, key: Option<&[u8]>, event: Event) -> Class {
        let mut name = vec![u8::from(event == Event::Insert), u8::from(key.is_some())];
        name.extend_from_slice(key.unwrap_or_default());
        let next = u32::try_from(self.classes.len()).unwrap_or(u32::MAX);
        let name = (parent, name);
        if let Some(class) = self.numbers.get(&name) {
            return *class;
        }
        if next > MAX_CLASSES {
            return MAX_CLASSES;
        }
        self.numbers.insert(name, next);
        self.classes.push(ClassModel::default());
        next
    }

    /// Each class with its parent, its key (`None` in a uniform parent), and whether its entries are new.
    pub(super) fn classes(&self) -> impl Iterator<Item = (Class, Class, Option<&[u8]>, bool)> {
        self.numbers.iter().map(|((parent, name), class)| {
            let key = (name[1] != 0).then_some(&name[2..]);
            (*class, *parent, key, name[0] != 0)
        })
    }

    #[inline]
    pub(super) fn event<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        size: u8,
        event: Event,
    ) -> Event {
        let context = self.context;
        let model = &mut self.classes[class as usize];
        let last = model.last_event;
        let index = context.index(last, size);
        if model.same.is_empty() {
            let count = if context == Context::default() { 1 } else { Context::COUNT };
            model.same.resize(count, Odds::EVEN);
        }
        let event = if !model.same[index].code(coder, event != Event::Same) {
            Event::Same
        } else if model.change[last as usize].code(coder, event == Event::Change) {
            Event::Change
        } else if model.insert[last as usize].code(coder, event == Event::Insert) {
            Event::Insert
        } else {
            Event::Remove
        };
        model.last_event = event;
        self.symbols += u64::from(event == Event::Insert);
        event
    }

    /// Behind the last old entry: one more new one, or the end.
    #[inline]
    pub(super) fn event_at_end<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        event: Event,
    ) -> Event {
        let model = self.of(class);
        let last_was_insert = usize::from(model.last_event == Event::Insert);
        let insert = model.end[last_was_insert].code(coder, event == Event::Insert);
        model.last_event = if insert { Event::Insert } else { Event::Same };
        self.symbols += u64::from(insert);
        if insert { Event::Insert } else { Event::Same }
    }

    /// Whether the entries of this object or array are all of one kind.
    pub(super) fn uniform<C: Coder>(&mut self, coder: &mut C, class: Class, uniform: bool) -> bool {
        self.of(class).uniform.code(coder, uniform)
    }

    /// Whether a value without a template is an array, and not an object.
    pub(super) fn array<C: Coder>(&mut self, coder: &mut C, class: Class, array: bool) -> bool {
        self.of(class).array.code(coder, array)
    }

    /// How a value is told; `leaves` counts those of the template, if there is one that can serve as a record.
    #[inline]
    pub(super) fn kind<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        leaves: impl FnOnce() -> Option<usize>,
        has_template: bool,
        kind: Kind,
    ) -> Option<Kind> {
        let model = self.of(class);
        if has_template {
            if let Some(last) = model.last_mask
                && model.repeat_mask.code(coder, kind == Kind::Record(last, Leaves::Regular))
            {
                return Some(Kind::Record(last, Leaves::Regular));
            }
            if model.record.code(coder, matches!(kind, Kind::Record(..))) {
                let (wanted, form) = if let Kind::Record(mask, form) = kind {
                    (mask, form)
                } else {
                    (0, Leaves::Regular)
                };
                let mut mask = 0;
                for leaf in 0..leaves()? {
                    let differs = model.leaf_differs[leaf].code(coder, wanted >> leaf & 1 == 1);
                    mask |= u32::from(differs) << leaf;
                }
                model.last_mask = Some(mask);
                let mixed = model.mixed.code(coder, form == Leaves::Mixed);
                return Some(Kind::Record(
                    mask,
                    if mixed { Leaves::Mixed } else { Leaves::Regular },
                ));
            }
        }
        Some(if model.merge.code(coder, kind == Kind::Merge) { Kind::Merge } else { Kind::Literal })
    }

    /// Whether a leaf is of its template's form: an integer, a time, as many hex digits.
    #[inline]
    pub(super) fn regular<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        leaf: u8,
        regular: bool,
    ) -> bool {
        self.leaf(class, Some(leaf)).regular.code(coder, regular)
    }

    #[inline]
    pub(super) fn integer<C: Coder>(
        &mut self,
        coder: &mut C,
        name: ColumnName,
        template: i64,
        value: i64,
    ) -> i64 {
        let (column, trees) = self.column(coder, name);
        column.code(coder, template, value, trees)
    }

    /// A column of integers, whose mode is coded when it is first met.
    fn column<C: Coder>(
        &mut self,
        coder: &mut C,
        name: ColumnName,
    ) -> (&mut int::Column, &mut Trees) {
        let (class, leaf, unit) = name;
        let mode = &self.modes;
        let model = leaf_of(&mut self.classes[class as usize], Some(leaf));
        let column = if unit == Unit::One { &mut model.ones } else { &mut model.seconds };
        let column = column.get_or_insert_with(|| {
            let mode = mode.get(&name).copied().unwrap_or(Mode::DEFAULT).code(coder);
            Box::new(int::Column::new(mode))
        });
        (column, &mut self.trees)
    }

    fn leaf(&mut self, class: Class, leaf: Option<u8>) -> &mut LeafModel {
        leaf_of(&mut self.classes[class as usize], leaf)
    }

    /// The string that would continue a numbered sequence from `template`.
    pub(super) fn successor(
        &mut self,
        class: Class,
        leaf: Option<u8>,
        template: &[u8],
    ) -> Option<Vec<u8>> {
        super::scan::successor(template, self.leaf(class, leaf).stride)
    }

    /// Whether that string is the one.
    pub(super) fn is_next<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        leaf: Option<u8>,
        is: bool,
    ) -> bool {
        self.leaf(class, leaf).next.code(coder, is)
    }

    /// Learns the step from one string of a sequence to the next.
    pub(super) fn learn_stride(&mut self, class: Class, leaf: Option<u8>, from: &[u8], to: &[u8]) {
        if let Some(stride) = super::scan::stride(from, to).filter(|&s| s > 0) {
            self.leaf(class, leaf).stride = stride;
        }
    }

    /// Whether a string goes past the model, and then how long it is.
    pub(super) fn raw<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        leaf: Option<u8>,
        len_bytes: Option<u64>,
    ) -> Option<u64> {
        let model = leaf_of(&mut self.classes[class as usize], leaf);
        let is_raw = model.raw.code(coder, len_bytes.is_some());
        is_raw.then(|| model.raw_len.code(coder, len_bytes.unwrap_or(0), &mut self.trees))
    }

    /// Codes the symbols of a string; `None` if a reader finds more than `limit`.
    pub(super) fn text<C: Coder>(
        &mut self,
        coder: &mut C,
        class: Class,
        leaf: Option<u8>,
        neighbours: Neighbours<'_>,
        symbols: &[u8],
        limit: usize,
    ) -> Option<Vec<u8>> {
        let room = self.room;
        let model = self.text.get_or_insert_with(|| Box::new(text::Model::new(room)));
        let found = model.code(coder, column(class, leaf), neighbours, symbols, limit)?;
        self.symbols += found.len() as u64 + 1;
        Some(found)
    }

    /// Learns old entries of a uniform object before a new one, whose value is of class `child`, is coded.
    pub(super) fn learn<C: Coder>(
        &mut self,
        coder: &mut C,
        (class, child): (Class, Class),
        window: &Window<'_, '_>,
    ) {
        let mut low = Vec::new();
        for key in window.keys() {
            let Some(symbols) = symbols::split(key, &mut Vec::new()) else { continue };
            let neighbours = Neighbours { low: &low, ..Neighbours::default() };
            self.text(&mut Training, class, None, neighbours, &symbols, usize::MAX);
            low = symbols;
        }
        window.for_each_number(|leaf, unit, template, value| {
            let (column, trees) = self.column(coder, (child, leaf, unit));
            column.code(&mut Training, template, value, trees);
        });
    }
}

/// The classes of one object's or array's values. Those of a uniform one are looked up once.
#[derive(Debug)]
pub(super) struct Children {
    parent: Class,
    uniform: bool,
    changed: Option<Class>,
    inserted: Option<Class>,
}

impl Children {
    pub(super) fn new(parent: Class, uniform: bool) -> Self {
        Self { parent, uniform, changed: None, inserted: None }
    }

    #[inline]
    pub(super) fn of(&mut self, models: &mut Models, key: &[u8], event: Event) -> Class {
        if !self.uniform {
            return models.child(self.parent, Some(key), event);
        }
        let class = if event == Event::Insert { &mut self.inserted } else { &mut self.changed };
        *class.get_or_insert_with(|| models.child(self.parent, None, event))
    }
}

fn leaf_of(model: &mut ClassModel, leaf: Option<u8>) -> &mut LeafModel {
    let Some(leaf) = leaf else { return &mut model.key };
    let leaf = usize::from(leaf);
    if model.leaves.len() <= leaf {
        model.leaves.resize_with(leaf + 1, LeafModel::default);
    }
    &mut model.leaves[leaf]
}

fn column(class: Class, leaf: Option<u8>) -> u32 {
    class << 5 | leaf.map_or(31, u32::from)
}
