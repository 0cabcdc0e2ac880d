//! The writer's second pass: chooses how each column is coded, then codes the operations in order.

use std::collections::HashMap;

use super::coder::{Coder, Writer};
use super::int::Mode;
use super::models::{Class, ColumnName, Context, Event, Kind, Leaves, Models};
use super::neighbours::Around;
use super::symbols;
use super::text::Room;
use super::walk::{Op, TextOp, Walk};
use crate::log2::log2_fp;

/// At most so many values of a column decide how it is coded.
const SAMPLE: usize = 2_048;

/// Chooses the contexts of events and the modes of integer columns.
pub(super) fn choose(models: &mut Models, walk: &Walk<'_>) {
    models.context = cheapest_context(&walk.ops);
    models.room = Room::for_symbols(walk.ops.iter().map(symbols).sum());
    let mut columns: HashMap<ColumnName, Pairs> = HashMap::new();
    let mut old_seen = 0;
    for op in &walk.ops {
        match *op {
            Op::Number { class, leaf, unit, template, value } => {
                let pairs = &mut columns.entry((class, leaf, unit)).or_default().coded;
                if pairs.len() < SAMPLE {
                    pairs.push((template, value));
                }
            }
            Op::Learn { old, index, .. } if old == old_seen => {
                old_seen += 1;
                let old = &walk.old_entries[old];
                let window = old.first_window(index, models.room);
                window.for_each_number(|leaf, unit, template, value| {
                    let pairs = columns.entry((old.child(), leaf, unit)).or_default();
                    pairs.learned.push((template, value));
                });
            }
            _ => {}
        }
    }
    let modes = columns.into_iter();
    let modes = modes.map(|(name, pairs)| (name, Mode::cheapest(&pairs.learned, &pairs.coded)));
    models.modes = modes.collect();
}

/// The numbers of one column beside their templates: those of old entries that are learned, and those coded.
#[derive(Debug, Default)]
struct Pairs {
    learned: Vec<(i64, i64)>,
    coded: Vec<(i64, i64)>,
}

/// About how many symbols of strings an operation brings.
fn symbols(op: &Op<'_>) -> usize {
    // A path with a digest in it has about half as many symbols as characters.
    match op {
        Op::Text(op) => op.text.len() / 2,
        _ => 0,
    }
}

/// More bits than the plainest context may cost before others are tried: looking back and looking ahead cost a reader time, and for
/// less than three bytes it is spared that.
const DEAR_BITS: u64 = 24;

/// By the exact cost of counting.
fn cheapest_context(ops: &[Op<'_>]) -> Context {
    let mut plain: Vec<[u32; 2]> = Vec::new();
    for op in ops {
        if let Op::Event { class, event, .. } = *op {
            at(&mut plain, class)[usize::from(event != Event::Same)] += 1;
        }
    }
    let costs = Costs::up_to(plain.iter().map(|[same, other]| same + other).max().unwrap_or(0));
    let cost: u64 = plain.iter().map(|&[same, other]| costs.of(same, other)).sum();
    if cost <= DEAR_BITS << 16 {
        return Context::default();
    }

    let everything = Context { last_event: true, size: true };
    let mut classes: Vec<(Event, Vec<[u32; 2]>)> = Vec::new();
    classes.resize_with(plain.len(), || (Event::Same, Vec::new()));
    for op in ops {
        let (class, event) = match *op {
            Op::Event { class, size, event } => {
                let (last, counts) = &mut classes[class as usize];
                counts.resize(Context::COUNT, [0; 2]);
                counts[everything.index(*last, size)][usize::from(event != Event::Same)] += 1;
                (class, event)
            }
            Op::EventAtEnd { class, event } => (class, event),
            _ => continue,
        };
        if let Some((last, _)) = classes.get_mut(class as usize) {
            *last = event;
        }
    }
    let cost = |context: &Context| -> u64 {
        let of_class = |(_, counts): &(Event, Vec<[u32; 2]>)| -> u64 {
            let mut merged = [[0_u32; 2]; Context::COUNT];
            for (index, [same, other]) in counts.iter().enumerate() {
                let last = if context.last_event { index >> 7 } else { 0 };
                let size = if context.size { index & 127 } else { 0 };
                merged[last << 7 | size][0] += same;
                merged[last << 7 | size][1] += other;
            }
            merged.iter().map(|&[same, other]| costs.of(same, other)).sum()
        };
        let dear = u64::from(context.size) + u64::from(context.last_event);
        classes.iter().map(of_class).sum::<u64>() + ((dear * DEAR_BITS) << 16)
    };
    let contexts = [(false, false), (true, false), (false, true), (true, true)]
        .map(|(last_event, size)| Context { last_event, size });
    contexts.into_iter().min_by_key(cost).unwrap_or_default()
}

/// What a list has for a class, which are numbered from 0.
fn at(list: &mut Vec<[u32; 2]>, class: Class) -> &mut [u32; 2] {
    let index = class as usize;
    if index >= list.len() {
        list.resize(index + 1, [0; 2]);
    }
    &mut list[index]
}

/// What a Krichevsky-Trofimov coder spends on so many of each, in bits with 16 fractional bits.
struct Costs {
    /// Sums of log2(2 i + 1) and of log2(2 i + 2) for i below the index.
    odd: Vec<u64>,
    even: Vec<u64>,
}

impl Costs {
    fn up_to(count: u32) -> Self {
        let sums = |offset: u64| {
            let mut sum = 0;
            let terms = (0..u64::from(count)).map(move |i| log2_fp(2 * i + offset));
            let running = terms.map(|term| {
                sum += term;
                sum
            });
            std::iter::once(0).chain(running).collect()
        };
        Self { odd: sums(1), even: sums(2) }
    }

    fn of(&self, zeros: u32, ones: u32) -> u64 {
        let total = self.even[(zeros + ones) as usize];
        total.saturating_sub(self.odd[zeros as usize] + self.odd[ones as usize])
    }
}

/// Codes all operations. Returns the raw bytes and the stream.
pub(super) fn code(models: &mut Models, walk: &mut Walk<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut writer = Writer::new();
    let mut raw = Vec::new();
    let mut form = Leaves::Regular;
    for op in &walk.ops {
        match op {
            Op::Event { class, size, event } => {
                models.event(&mut writer, *class, *size, *event);
            }
            Op::EventAtEnd { class, event } => {
                models.event_at_end(&mut writer, *class, *event);
            }
            Op::Uniform { class, uniform } => {
                models.uniform(&mut writer, *class, *uniform);
            }
            Op::Array { class, array } => {
                models.array(&mut writer, *class, *array);
            }
            Op::Kind { class, template, kind } => {
                form = if let Kind::Record(_, form) = kind { *form } else { Leaves::Regular };
                let leaves = || template.map(usize::from);
                models.kind(&mut writer, *class, leaves, template.is_some(), *kind);
            }
            Op::Number { class, leaf, unit, template, value } => {
                if form == Leaves::Mixed {
                    models.regular(&mut writer, *class, *leaf, true);
                }
                models.integer(&mut writer, (*class, *leaf, *unit), *template, *value);
            }
            Op::Hex { class, leaf, digits } => {
                if form == Leaves::Mixed {
                    models.regular(&mut writer, *class, *leaf, true);
                }
                symbols::read_hex(digits, &mut raw);
            }
            Op::Irregular { class, leaf } => {
                models.regular(&mut writer, *class, *leaf, false);
            }
            Op::Text(op) => {
                code_text(models, &mut writer, &mut raw, op, walk.unsorted);
            }
            Op::Learn { class, old, index } => {
                let (room, old) = (models.room, &mut walk.old_entries[*old]);
                let child = old.child();
                models.learn(&mut writer, (*class, child), &old.around(*index, room));
            }
        }
    }
    (raw, writer.finish())
}

fn code_text(
    models: &mut Models,
    coder: &mut impl Coder,
    raw: &mut Vec<u8>,
    op: &TextOp<'_>,
    unsorted: bool,
) {
    let &TextOp { class, leaf, low, high, text } = op;
    if let Some(low) = low {
        if let Some(next) = models.successor(class, leaf, low)
            && models.is_next(coder, class, leaf, next == text)
        {
            return;
        }
        models.learn_stride(class, leaf, low, text);
    }
    let before = raw.len();
    let Some(symbols) = symbols::split(text, raw) else {
        raw.truncate(before);
        models.raw(coder, class, leaf, Some(text.len() as u64));
        raw.extend_from_slice(text);
        return;
    };
    models.raw(coder, class, leaf, None);
    let around = Around::new(leaf, low, high, unsorted);
    models.text(coder, class, leaf, around.neighbours(), &symbols, usize::MAX);
}
