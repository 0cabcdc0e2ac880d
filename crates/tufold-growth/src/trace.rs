//! What happens to an index: a first list, then changes, publish by publish; and what visitors look up.
//!
//! ```
//! use tufold_growth::{Scenario, Synthetic, Trace};
//!
//! let scenario = Scenario::load("drupal")?.scaled(5_000);
//! let mut trace = Synthetic::new(&scenario, 1);
//! let list = trace.start();
//! let changes = trace.publish()?.expect("it never ends");
//! assert_eq!(changes.apply(&list).map(|list| list.rows().len() as u64).unwrap(), trace.targets());
//! # Ok::<(), tufold_growth::Error>(())
//! ```

use std::collections::BTreeSet;

use tufold_repo::targets::{ChangeList, Random, TargetList, diff};

use crate::Error;
use crate::scenario::{Client, ClientKind};
use crate::tail::Tail;

mod synthetic;
pub use synthetic::Synthetic;
pub(crate) use synthetic::{Start, made_page, made_release};

/// A history of an index. The same history gives the same bytes on any machine.
pub trait Trace: Sync {
    /// The targets that it starts with.
    fn start(&self) -> TargetList;

    /// What the next publish changes; `None` at the end.
    fn publish(&mut self) -> Result<Option<ChangeList>, Error>;

    /// How many packages there are to be resolved, the most popular first.
    fn packages(&self) -> u64;

    /// The targets that a visitor who resolves a package looks up now.
    fn lookups(&self, package: u64) -> Vec<String>;
}

/// A history that is given as lists of targets, such as two of Debian's.
pub struct Lists {
    lists: std::vec::IntoIter<TargetList>,
    first: TargetList,
    current: TargetList,
}

impl Lists {
    /// The history from one list to the next. `None` without a list.
    pub fn new(lists: Vec<TargetList>) -> Option<Self> {
        let mut lists = lists.into_iter();
        let first = lists.next()?;
        Some(Self { current: first.clone(), first, lists })
    }
}

impl Trace for Lists {
    fn start(&self) -> TargetList {
        self.first.clone()
    }

    fn publish(&mut self) -> Result<Option<ChangeList>, Error> {
        let Some(next) = self.lists.next() else { return Ok(None) };
        let changes = diff(&self.current, &next);
        self.current = next;
        Ok(Some(changes))
    }

    fn packages(&self) -> u64 {
        self.first.rows().len() as u64
    }

    /// A list does not say what is popular, so its targets take their ranks at random.
    fn lookups(&self, package: u64) -> Vec<String> {
        let rows = self.first.rows();
        // Some step that has no divisor in common with the length meets each row once.
        let len = rows.len() as u64;
        let step = (len * 5 / 8..).find(|&step| gcd(step.max(1), len) == 1).unwrap_or(1);
        let at = u128::from(package) * u128::from(step.max(1)) % u128::from(len.max(1));
        let row = usize::try_from(at).ok().and_then(|at| rows.get(at));
        row.map(|row| row.path.as_str().to_owned()).into_iter().collect()
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The packages that each of some visitors of a kind resolves, each once: drawn by popularity.
pub fn dependencies(client: &Client, packages: u64, visitors: u64, seed: u64) -> Vec<Vec<u64>> {
    let (Some(count), Some(exponent)) = (&client.packages, &client.popularity_exponent) else {
        return (0..visitors).map(|_| Vec::new()).collect();
    };
    let kind = match client.kind {
        ClientKind::Cold => 1,
        ClientKind::Returning | ClientKind::Mirror => 2,
    };
    let table = Tail::new(packages, exponent.value).table();
    let chosen = |visitor| {
        let mut random = Random::of(&[seed, 2, kind, visitor]);
        let mut chosen = BTreeSet::new();
        while (chosen.len() as u64) < count.value.min(packages) {
            chosen.insert(table.draw(&mut random));
        }
        chosen.into_iter().collect()
    };
    (0..visitors).map(chosen).collect()
}

#[cfg(test)]
mod tests;
