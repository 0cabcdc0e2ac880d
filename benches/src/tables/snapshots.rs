//! Snapshots of three sizes, two forms and two histories under uniform and Zipf churn, and signed again whole.

use super::Plan;
use crate::samples::Form;
use crate::samples::cases::{self, BINS, History, Shape};

const SIZES: [usize; 3] = [1_024, BINS, 262_144];

/// In thousandths of the bins; one bin comes besides.
const SHARES: [usize; 6] = [0, 1, 10, 100, 500, 1_000];

/// Every case.
pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for bins in SIZES {
        for form in [Form::Versions, Form::Hashes] {
            for history in [History::Fresh, History::Long] {
                of_shape(Shape { form, bins, history }, &mut plans);
            }
        }
    }
    plans.push(Plan {
        name: "16384 bins, versions, cold, poisson 300".to_owned(),
        quick: false,
        large: false,
        timed: true,
        make: Box::new(|| cases::cold().into()),
    });
    plans
}

fn of_shape(shape: Shape, plans: &mut Vec<Plan>) {
    let mut counts: Vec<usize> = SHARES.iter().map(|share| shape.bins * share / 1_000).collect();
    counts.push(1);
    counts.sort_unstable();
    counts.dedup();
    let is_long = shape.history == History::Long;
    let mut push = |change: &str, timed: bool, make: fn(Shape, usize) -> cases::Case, count| {
        plans.push(Plan {
            name: format!("{}, {change}", shape.name()),
            quick: shape.bins == SIZES[0] && is_long,
            large: shape.bins > BINS,
            timed: timed && is_long && shape.bins >= BINS,
            make: Box::new(move || make(shape, count).into()),
        });
    };
    for &count in &counts {
        let timed = [shape.bins / 100, shape.bins].contains(&count);
        push(&format!("uniform {count}"), timed, cases::uniform, count);
    }
    for &count in &counts {
        push(&format!("zipf about {count}"), false, cases::zipf, count);
    }
    push("all signed again", true, |shape, _| cases::signed_again(shape), shape.bins);
}
