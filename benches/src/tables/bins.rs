//! Bins as PyPI would fill them: signed again, and with new targets. Each case is 200 of them.

use super::{Case, Plan};
use crate::samples;

const SEEDS: u64 = 200;

/// Every case.
pub fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for targets in [16, 61, 139, 976] {
        for added in [0, 1, 10] {
            plans.push(Plan {
                name: format!("{SEEDS} bins of {targets} targets, {added} added"),
                quick: targets == 16,
                large: false,
                timed: [61, 976].contains(&targets),
                make: Box::new(move || case(targets, added)),
            });
        }
    }
    plans
}

/// Bins of so many targets, signed again with so many new ones.
pub fn case(targets: usize, added: usize) -> Case {
    let projects = samples::dataset();
    let bin = |seed| samples::cases::bin(targets, added, &projects, seed);
    Case::of_samples((0..SEEDS).map(bin).collect())
}
