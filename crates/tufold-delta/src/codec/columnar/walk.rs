//! The writer's first pass: base and new document side by side, turned into a list of operations.

use std::collections::HashMap;

use super::int;
use super::models::{self, Children, Class, Event, Kind, LITERAL, MAX_LEAVES, Models, ROOT, Unit};
use super::neighbours::Around;
use super::old::OldEntries;
use super::scan::{self, Cursor, Form, Leaves, Shape};
use super::skeleton::Skeleton;
use super::symbols;
use super::time;

/// Deeper values are told as strings.
pub(super) const MAX_DEPTH: usize = 32;

/// An object or array with more entries counts as uniform: its entries share a class.
const UNIFORM_FROM: usize = 17;

/// One thing to tell, in the order in which a reader needs it.
#[derive(Debug)]
pub(super) enum Op<'a> {
    Event {
        class: Class,
        size: u8,
        event: Event,
    },
    EventAtEnd {
        class: Class,
        event: Event,
    },
    Uniform {
        class: Class,
        uniform: bool,
    },
    Array {
        class: Class,
        array: bool,
    },
    /// The template, if there is one, has so many leaves; only a record cares.
    Kind {
        class: Class,
        template: Option<u8>,
        kind: Kind,
    },
    Number {
        class: Class,
        leaf: u8,
        unit: Unit,
        template: i64,
        value: i64,
    },
    Hex {
        class: Class,
        leaf: u8,
        digits: &'a [u8],
    },
    Irregular {
        class: Class,
        leaf: u8,
    },
    Text(Box<TextOp<'a>>),
    Learn {
        class: Class,
        /// Which of the walk's old objects, and ahead of which of its entries the new one comes.
        old: usize,
        index: usize,
    },
}

/// A string, its neighbours, and whether it is a leaf or a key.
#[derive(Debug)]
pub(super) struct TextOp<'a> {
    pub(super) class: Class,
    pub(super) leaf: Option<u8>,
    pub(super) low: Option<&'a [u8]>,
    pub(super) high: Option<&'a [u8]>,
    pub(super) text: &'a [u8],
}

/// The walk's result.
#[derive(Debug, Default)]
pub(super) struct Walk<'a> {
    pub(super) ops: Vec<Op<'a>>,
    /// Those that get new entries.
    pub(super) old_entries: Vec<OldEntries<'a>>,
    /// A new key is out of order among its neighbours.
    pub(super) unsorted: bool,
}

/// An entry that was passed: what the next new one is likened to.
#[derive(Clone, Copy, Debug)]
struct Passed<'a> {
    key: &'a [u8],
    value: &'a [u8],
}

/// Walks both documents. `None` if one of them is not one compact JSON value.
pub(super) fn walk<'a>(
    base: Option<&'a [u8]>,
    new: &'a [u8],
    models: &mut Models,
) -> Option<Walk<'a>> {
    let (walk, records) = (Walk::default(), Records::default());
    let mut walker = Walker { base: base.unwrap_or_default(), models, walk, records, old_end: 0 };
    let new_end = walker.value(ROOT, base, new, 0)?;
    let whole = new_end == new.len() && base.is_none_or(|base| walker.old_end == base.len());
    whole.then_some(walker.walk)
}

struct Walker<'a, 'm> {
    base: &'a [u8],
    /// Only for the numbering of classes.
    models: &'m mut Models,
    walk: Walk<'a>,
    records: Records<'a>,
    /// Where the template of the last value ended that was told as a record or entry by entry.
    old_end: usize,
}

impl<'a> Walker<'a, '_> {
    /// Tells the value at the start of `new`; `template` begins with the one it is likened to, and an old one goes on to the end of the base. Returns its end
    /// in `new`.
    fn value(
        &mut self,
        class: Class,
        template: Option<&'a [u8]>,
        new: &'a [u8],
        depth: usize,
    ) -> Option<usize> {
        if let Some(template) = template
            && let Some(end) = self.records.compare(template, new)
        {
            self.old_end = self.records.old_end;
            let pairs = std::mem::take(&mut self.records.pairs);
            let differ = |(old, new): &(Bytes<'a>, Bytes<'a>)| old != new;
            let mask = pairs
                .iter()
                .enumerate()
                .fold(0, |mask, (i, pair)| mask | u32::from(differ(pair)) << i);
            let leaves = u8::try_from(pairs.len()).ok()?;
            let kind_at = self.walk.ops.len();
            let kind = Kind::Record(mask, models::Leaves::Regular);
            self.walk.ops.push(Op::Kind { class, template: Some(leaves), kind });
            let mut irregular = false;
            for (leaf, (old, new)) in (0..).zip(&pairs).filter(|(_, pair)| differ(pair)) {
                irregular |= self.leaf(class, leaf, old, new) == models::Leaves::Mixed;
            }
            if irregular && let Some(Op::Kind { kind, .. }) = self.walk.ops.get_mut(kind_at) {
                *kind = Kind::Record(mask, models::Leaves::Mixed);
            }
            self.records.pairs = pairs;
            return Some(end);
        }
        let told = template.map(|_| 0);
        let shape = Shape::at(new, 0).filter(|_| depth < MAX_DEPTH);
        // A changed object is likened to the old one; a new one is told from nothing.
        let old_shape = template.and_then(|t| Shape::at(t, 0));
        if let Some(shape) = shape
            && (template.is_none() || old_shape == Some(shape))
        {
            self.walk.ops.push(Op::Kind { class, template: told, kind: Kind::Merge });
            return self.merge(class, shape, template, new, depth);
        }
        if depth == 0 {
            return None;
        }
        let end = scan::value_end(new, 0)?;
        self.walk.ops.push(Op::Kind { class, template: told, kind: Kind::Literal });
        let low = template.and_then(|t| Some(&t[..scan::value_end(t, 0)?]));
        self.tell(TextOp { class, leaf: Some(LITERAL), low, high: None, text: &new[..end] });
        Some(end)
    }

    /// Tells a leaf, and whether it is of its template's form.
    fn leaf(&mut self, class: Class, leaf: u8, old: &Bytes<'a>, new: &Bytes<'a>) -> models::Leaves {
        let op =
            match (form_of(old), new) {
                (LeafForm::Integer(template), Bytes::Number(n)) => int::parse(n)
                    .map(|value| Op::Number { class, leaf, unit: Unit::One, template, value }),
                (LeafForm::Time(template), Bytes::Text(n)) => time::parse(n)
                    .map(|value| Op::Number { class, leaf, unit: Unit::Second, template, value }),
                (LeafForm::Hex(len), Bytes::Text(n)) => (n.len() == len && symbols::is_hex(n))
                    .then_some(Op::Hex { class, leaf, digits: n }),
                _ => {
                    self.text(class, leaf, old, new);
                    return models::Leaves::Regular;
                }
            };
        if let Some(op) = op {
            self.walk.ops.push(op);
            return models::Leaves::Regular;
        }
        self.walk.ops.push(Op::Irregular { class, leaf });
        self.text(class, leaf, old, new);
        models::Leaves::Mixed
    }

    fn text(&mut self, class: Class, leaf: u8, old: &Bytes<'a>, new: &Bytes<'a>) {
        self.tell(TextOp {
            class,
            leaf: Some(leaf),
            low: Some(old.bytes()),
            high: None,
            text: new.bytes(),
        });
    }

    fn tell(&mut self, text: TextOp<'a>) {
        self.walk.ops.push(Op::Text(Box::new(text)));
    }

    fn merge(
        &mut self,
        class: Class,
        shape: Shape,
        template: Option<&'a [u8]>,
        new: &'a [u8],
        depth: usize,
    ) -> Option<usize> {
        let empty: &[u8] = if shape == Shape::Object { b"{}" } else { b"[]" };
        let old = template.unwrap_or(empty);
        // What an event depends on may stand before the first entry, as it does for a reader.
        let (base, start) = (self.base, self.base.len().saturating_sub(old.len()));
        let size_at = |uniform, end| size(uniform, base, start + end);
        let mut old_cursor = Cursor::new(old, 0)?;
        let mut new_cursor = Cursor::new(new, 0)?;
        if template.is_none() {
            self.walk.ops.push(Op::Array { class, array: shape == Shape::Array });
        }
        let first_ends = |cursor: &Cursor<'_>| cursor.clone().first_ends::<UNIFORM_FROM>();
        let old_ends = first_ends(&old_cursor)?;
        let uniform = old_ends.is_full() || first_ends(&new_cursor)?.is_full();
        self.walk.ops.push(Op::Uniform { class, uniform });
        let mut matching =
            if shape == Shape::Array { Some(match_elements(old, new)?) } else { None };

        let mut old_entries: Option<usize> = None;
        let mut last: Option<Passed<'a>> = None;
        let mut children = Children::new(class, uniform);
        let (mut old_index, mut new_index) = (0_usize, 0_usize);
        loop {
            let (old_entry, mut old_end) = (old_cursor.peek()?, None);
            if let (Shape::Object, Some(o)) = (shape, &old_entry) {
                // Most entries stay, and then nothing of the new one needs to be looked for.
                let end = *old_end.insert(old_ends.value_end(old, old_index, o.value)?);
                if let Some(new_end) = new_cursor.end_if_next_is(&old[o.start..end]) {
                    let size = size_at(uniform, end);
                    self.walk.ops.push(Op::Event { class, size, event: Event::Same });
                    let passed = Passed { key: &old[o.key.clone()], value: &old[o.value..end] };
                    self.pass(old_entries, passed);
                    last = Some(passed);
                    old_cursor.step(end);
                    new_cursor.step(new_end);
                    old_index += 1;
                    new_index += 1;
                    continue;
                }
            }
            let new_entry = new_cursor.peek()?;
            let end_of =
                |o: &scan::Entry| old_end.or_else(|| old_ends.value_end(old, old_index, o.value));
            let event = match (&old_entry, &new_entry) {
                (None, None) => {
                    self.walk.ops.push(Op::EventAtEnd { class, event: Event::Same });
                    self.old_end = old_cursor.position() + 1;
                    return Some(new_cursor.position() + 1);
                }
                (None, Some(_)) => Event::Insert,
                (Some(_), None) => Event::Remove,
                (Some(o), Some(n)) => match &mut matching {
                    Some(matching) => matching.event(old_index, new_index),
                    None => match old[o.key.clone()].cmp(&new[n.key.clone()]) {
                        std::cmp::Ordering::Less => Event::Remove,
                        std::cmp::Ordering::Equal => Event::Change,
                        std::cmp::Ordering::Greater => Event::Insert,
                    },
                },
            };
            match (event, old_entry, new_entry) {
                (Event::Insert, old_entry, Some(n)) => {
                    let op = match &old_entry {
                        None => Op::EventAtEnd { class, event },
                        Some(o) => {
                            let end = end_of(o)?;
                            Op::Event { class, size: size_at(uniform, end), event }
                        }
                    };
                    self.walk.ops.push(op);
                    let key = &new[n.key.clone()];
                    if shape == Shape::Object {
                        if uniform {
                            let old = match old_entries {
                                Some(old) => old,
                                None => {
                                    let child = children.of(self.models, key, event);
                                    let passed = Cursor::new(old, 0)?;
                                    let old = OldEntries::of_first(passed, old_index, child)?;
                                    self.walk.old_entries.push(old);
                                    *old_entries.insert(self.walk.old_entries.len() - 1)
                                }
                            };
                            self.walk.ops.push(Op::Learn { class, old, index: old_index });
                        }
                        let high = old_entry.as_ref().map(|o| &old[o.key.clone()]);
                        let low = last.map(|passed| passed.key);
                        self.check_order(low, key, high);
                        self.tell(TextOp { class, leaf: None, low, high, text: key });
                    }
                    let child = children.of(self.models, key, event);
                    let template = last.filter(|_| uniform).map(|passed| passed.value);
                    // A template that is no record for this value is no help.
                    let template = template.filter(|t| record_fits(t));
                    let end = n.value + self.insert(child, template, &new[n.value..], depth)?;
                    last = Some(Passed { key, value: &new[n.value..end] });
                    new_cursor.step(end);
                    new_index += 1;
                }
                (Event::Remove, Some(o), _) => {
                    let end = end_of(&o)?;
                    self.walk.ops.push(Op::Event { class, size: size_at(uniform, end), event });
                    let passed = Passed { key: &old[o.key], value: &old[o.value..end] };
                    self.pass(old_entries, passed);
                    last = Some(passed);
                    old_cursor.step(end);
                    old_index += 1;
                }
                (_, Some(o), Some(n)) => {
                    let end = end_of(&o)?;
                    let size = size_at(uniform, end);
                    let old_value = &old[o.value..end];
                    let rest = &new[n.value..];
                    let same = rest.starts_with(old_value)
                        && matches!(rest.get(old_value.len()), Some(b',' | b'}' | b']'));
                    let event = if same { Event::Same } else { Event::Change };
                    self.walk.ops.push(Op::Event { class, size, event });
                    let new_end = if same {
                        n.value + old_value.len()
                    } else {
                        let child = children.of(self.models, &old[o.key.clone()], event);
                        n.value + self.value(child, Some(&old[o.value..]), rest, depth + 1)?
                    };
                    let passed = Passed { key: &old[o.key], value: old_value };
                    self.pass(old_entries, passed);
                    last = Some(passed);
                    old_cursor.step(end);
                    new_cursor.step(new_end);
                    old_index += 1;
                    new_index += 1;
                }
                // Each event above was chosen for the entries that there are.
                _ => return None,
            }
        }
    }

    /// Keeps an old entry that stands behind the first new one.
    #[inline]
    fn pass(&mut self, old_entries: Option<usize>, passed: Passed<'a>) {
        if let Some(old) = old_entries.and_then(|old| self.walk.old_entries.get_mut(old)) {
            old.push(passed.key, passed.value);
        }
    }

    /// Tells the value of a new entry: as a record like its template, or from nothing.
    fn insert(
        &mut self,
        class: Class,
        template: Option<&'a [u8]>,
        new: &'a [u8],
        depth: usize,
    ) -> Option<usize> {
        let Some(template) = template else { return self.value(class, None, new, depth + 1) };
        if self.records.compare(template, new).is_some() {
            return self.value(class, Some(template), new, depth + 1);
        }
        // The reader has the template and must be told that it does not serve.
        let before = self.walk.ops.len();
        let end = self.value(class, None, new, depth + 1)?;
        if let Some(Op::Kind { template: told, .. }) = self.walk.ops.get_mut(before) {
            *told = Some(0);
        }
        if let Some(Op::Text(text)) = self.walk.ops.get_mut(before + 1) {
            text.low = Some(template);
        }
        Some(end)
    }

    fn check_order(&mut self, low: Option<&[u8]>, key: &[u8], high: Option<&[u8]>) {
        if self.walk.unsorted {
            return;
        }
        let around = Around::new(None, low, high, false);
        if let Some(key) = symbols::split(key, &mut Vec::new()) {
            self.walk.unsorted = !around.neighbours().hold_for(&key);
        }
    }
}

/// The size that an event may depend on.
fn size(uniform: bool, text: &[u8], end: usize) -> u8 {
    if uniform { scan::size_of_last_integer(text, end) } else { 0 }
}

/// A leaf's bytes, without quotes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Bytes<'a> {
    Number(&'a [u8]),
    Text(&'a [u8]),
}

impl<'a> Bytes<'a> {
    pub(super) fn new(text: &'a [u8], leaf: &scan::Leaf) -> Self {
        match leaf.form {
            Form::Number => Self::Number(&text[leaf.range.clone()]),
            Form::Text | Form::Hex => Self::Text(&text[leaf.range.clone()]),
        }
    }

    pub(super) fn bytes(&self) -> &'a [u8] {
        match self {
            Self::Number(bytes) | Self::Text(bytes) => bytes,
        }
    }
}

/// What a template's leaf lets one expect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LeafForm {
    Integer(i64),
    Time(i64),
    Hex(usize),
    Text,
}

#[inline]
pub(super) fn form_of(leaf: &Bytes<'_>) -> LeafForm {
    match leaf {
        Bytes::Number(text) => int::parse(text).map_or(LeafForm::Text, LeafForm::Integer),
        Bytes::Text(text) => {
            if symbols::is_hex_leaf(text) {
                LeafForm::Hex(text.len())
            } else {
                time::parse(text).map_or(LeafForm::Text, LeafForm::Time)
            }
        }
    }
}

/// How many leaves a template has, if it can serve as a record.
pub(super) fn leaf_count(template: &[u8]) -> Option<usize> {
    let mut leaves = Leaves::new(template, 0);
    let mut count = 0;
    while leaves.next()?.is_some() {
        count += 1;
        if count > MAX_LEAVES {
            return None;
        }
    }
    Some(count)
}

/// Whether a value can be the template of a new entry.
pub(super) fn record_fits(template: &[u8]) -> bool {
    template.len() <= 4_096 && leaf_count(template).is_some()
}

/// Compares values that are the same but for their leaves.
#[derive(Debug, Default)]
pub(super) struct Records<'a> {
    /// The leaves of the two that were compared last.
    pub(super) pairs: Vec<(Bytes<'a>, Bytes<'a>)>,
    skeleton: Skeleton,
    old_leaves: Vec<scan::Leaf>,
    new_leaves: Vec<scan::Leaf>,
    /// Where the old one of the two ended.
    old_end: usize,
}

impl<'a> Records<'a> {
    /// Where the new value ends; `None` if the two differ in more than at most 16 leaves. Fills `pairs`.
    pub(super) fn compare(&mut self, old: &'a [u8], new: &'a [u8]) -> Option<usize> {
        self.pairs.clear();
        let old_end = self.skeleton.cut(old, &mut self.old_leaves)?;
        self.old_end = old_end;
        let new_end = if self.skeleton.is_kept() {
            self.skeleton.fit(new, &mut self.new_leaves)?
        } else {
            let mut other = Skeleton::default();
            let new_end = other.cut(new, &mut self.new_leaves)?;
            self.same_between((old, old_end), (new, new_end)).then_some(new_end)?
        };
        let pairs = self.old_leaves.iter().zip(&self.new_leaves);
        self.pairs.extend(pairs.map(|(o, n)| (Bytes::new(old, o), Bytes::new(new, n))));
        Some(new_end)
    }

    /// Whether all that stands between the leaves is the same.
    fn same_between(&self, (old, old_end): (&[u8], usize), (new, new_end): (&[u8], usize)) -> bool {
        let (mut old_at, mut new_at) = (0, 0);
        let mut same = |o: &scan::Leaf, n: &scan::Leaf| {
            let same = (o.form == Form::Number) == (n.form == Form::Number)
                && old[old_at..o.range.start] == new[new_at..n.range.start];
            (old_at, new_at) = (o.range.end, n.range.end);
            same
        };
        self.old_leaves.len() == self.new_leaves.len()
            && self.old_leaves.iter().zip(&self.new_leaves).all(|(o, n)| same(o, n))
            && old[old_at..old_end] == new[new_at..new_end]
    }
}

/// Which elements of two arrays belong together: equal ones at both ends, and between them as many as stand once in each
/// and keep their order; what is between those goes one for one.
#[derive(Debug)]
struct Matching {
    /// Where elements belong together, in both orders; the ends of both arrays are the last.
    pairs: Vec<(usize, usize)>,
    /// The first pair that is not passed.
    next: usize,
}

fn match_elements(old: &[u8], new: &[u8]) -> Option<Matching> {
    let (old, new) = (elements(old)?, elements(new)?);
    let head = old.iter().zip(&new).take_while(|(o, n)| o == n).count();
    let tail =
        old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(o, n)| o == n).count();
    let (old_end, new_end) = (old.len() - tail, new.len() - tail);
    let mut pairs: Vec<(usize, usize)> = (0..head).map(|at| (at, at)).collect();
    let middle = kept(&old[head..old_end], &new[head..new_end]);
    pairs.extend(middle.into_iter().map(|(o, n)| (head + o, head + n)));
    pairs.extend((old_end..=old.len()).zip(new_end..=new.len()));
    Some(Matching { pairs, next: 0 })
}

/// The most elements that stand once in each and in one order in both.
fn kept(old: &[&[u8]], new: &[&[u8]]) -> Vec<(usize, usize)> {
    if old.is_empty() || new.is_empty() {
        return Vec::new();
    }
    // Of each element how often it stands in the old and in the new array, and where in the new one.
    let mut known: HashMap<&[u8], (usize, usize, usize)> = HashMap::new();
    old.iter().for_each(|element| known.entry(element).or_default().0 += 1);
    for (at, element) in new.iter().enumerate() {
        let (_, times, place) = known.entry(element).or_default();
        (*times, *place) = (*times + 1, at);
    }
    let once = |(at, element): (usize, &&[u8])| match known.get(*element) {
        Some(&(1, 1, place)) => Some((at, place)),
        _ => None,
    };
    // The longest run of rising places: for each length the run whose last place is least, and what came before each.
    let (mut least, mut before) = (Vec::<(usize, usize)>::new(), HashMap::new());
    for (old, new) in old.iter().enumerate().filter_map(once) {
        let at = least.partition_point(|&(_, last)| last < new);
        if let Some(previous) = at.checked_sub(1) {
            before.insert((old, new), least[previous]);
        }
        match least.get_mut(at) {
            Some(last) => *last = (old, new),
            None => least.push((old, new)),
        }
    }
    let mut run: Vec<(usize, usize)> =
        std::iter::successors(least.last().copied(), |pair| before.get(pair).copied()).collect();
    run.reverse();
    run
}

fn elements(text: &[u8]) -> Option<Vec<&[u8]>> {
    let mut cursor = Cursor::new(text, 0)?;
    let mut found = Vec::new();
    while let Some(entry) = cursor.peek()? {
        let end = scan::value_end(text, entry.value)?;
        found.push(&text[entry.value..end]);
        cursor.step(end);
    }
    Some(found)
}

impl Matching {
    /// What comes next, so many old and new elements being passed.
    fn event(&mut self, old_index: usize, new_index: usize) -> Event {
        let is_passed = |&(old, new): &(usize, usize)| old < old_index || new < new_index;
        while self.pairs.get(self.next).is_some_and(is_passed) {
            self.next += 1;
        }
        match self.pairs.get(self.next) {
            Some(&(old, new)) if old == old_index && new > new_index => Event::Insert,
            Some(&(old, new)) if new == new_index && old > old_index => Event::Remove,
            _ => Event::Change,
        }
    }
}
