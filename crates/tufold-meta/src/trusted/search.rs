//! Which role lists a target (TUF 5.6.7).

use std::collections::HashSet;
use std::sync::Arc;

use crate::trusted::{Error, Request, RoleChain, TrustedSet};
use crate::{TargetFile, Terminating};

/// A pre-order depth-first search over the delegations for one target. It is lazy: it asks for a
/// role only when that is the next to look into.
///
/// The search is driven by [`TargetSearch::step`] until that finds the target or the end. It asks
/// whether the set holds a role for the very chain of delegators by which it came, so a document
/// that another delegator vouched for is asked for again.
#[derive(Clone, Debug)]
pub struct TargetSearch {
    path: String,
    /// The roles ahead; the next is the last.
    ahead: Vec<Ahead>,
    visited: HashSet<String>,
}

/// A role that the search will look into unless it has by then.
#[derive(Clone, Debug)]
struct Ahead {
    role: String,
    /// The chain to the role's delegator; `None` for the top-level role.
    delegator: Option<Arc<RoleChain>>,
}

/// What a search came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Step {
    /// The set does not hold this role yet. The caller feeds it to
    /// [`TrustedSet::update_delegated`], from its cache or fetched, and goes on; if it cannot, the
    /// search is over and the target not found.
    Needs {
        /// The role and its delegators.
        chain: RoleChain,
        /// What to fetch.
        request: Request,
    },
    /// The target is listed.
    Found {
        /// The role that lists it.
        chain: RoleChain,
        /// What it lists.
        file: TargetFile,
    },
    /// No role that may list the target does.
    NotFound {
        /// How many roles, at least, the limit on delegations left out; 0 if the search was
        /// complete.
        left_out: usize,
    },
}

impl TargetSearch {
    /// A search for the target at `path`.
    pub fn new(path: &str) -> Self {
        let top = Ahead { role: RoleChain::top().role().into(), delegator: None };
        Self { path: path.into(), ahead: vec![top], visited: HashSet::new() }
    }

    /// Goes on as far as the roles in `set` allow.
    pub fn step(&mut self, set: &TrustedSet) -> Result<Step, Error> {
        while let Some(next) = self.ahead.last() {
            // TUF 5.6.7.1: a role is visited once, so that cycles end.
            if self.visited.contains(&next.role) {
                self.ahead.pop();
                continue;
            }
            // TUF 5.6.7.1: so many delegated roles and no more, the top-level role not counted.
            if self.visited.len() as u64 > u64::from(set.limits().max_delegations) {
                break;
            }
            let chain = match &next.delegator {
                None => RoleChain::top(),
                Some(delegator) => delegator.delegate(&next.role),
            };
            let Some(targets) = set.targets(&chain) else {
                let request = set.targets_request(&chain)?;
                return Ok(Step::Needs { chain, request });
            };
            if let Some(file) = targets.targets.get(&self.path) {
                return Ok(Step::Found { chain, file: file.clone() });
            }
            self.visited.insert(chain.role().into());
            self.ahead.pop();
            // TUF 5.6.7.2: the delegations in order of appearance.
            if let Some(delegations) = &targets.delegations {
                let mut roles = delegations.roles_for(&self.path);
                // TUF 5.6.7.2.1: nothing behind a terminating delegation counts.
                if let Some(end) = roles.iter().position(|r| r.terminating == Terminating::Yes) {
                    roles.truncate(end + 1);
                    self.ahead.clear();
                }
                // Behind so many roles lies the limit, whichever of them were visited before: a
                // document with a million delegations must not fill the memory.
                roles.truncate((set.limits().max_delegations as usize).saturating_add(1));
                let delegator = Arc::new(chain);
                self.ahead.extend(roles.into_iter().rev().map(|role| Ahead {
                    role: role.name.into_owned(),
                    delegator: Some(delegator.clone()),
                }));
            }
        }
        let left: HashSet<_> = self.ahead.iter().map(|ahead| &ahead.role).collect();
        let left_out = left.into_iter().filter(|role| !self.visited.contains(*role)).count();
        Ok(Step::NotFound { left_out })
    }
}
