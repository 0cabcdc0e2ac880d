//! Which role lists a target, as far as hashing its path says.

use std::collections::{HashMap, HashSet};

use crate::bins::bin_name_parts;
use crate::{BitLength, DelegatedRoles, Delegations, Digest, Selector};

/// More roles than this one above the other, each the only one delegated to, are not followed.
const MAX_CHAIN: usize = 4;

/// The roles from `targets` down to the one that delegates to the bins, and the bins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    /// `targets`, and `bins` in the form of PEP 458.
    pub(super) roles: Vec<String>,
    /// What the last of them delegates, if it is bins.
    pub(super) bins: Option<DelegatedRoles>,
}

/// Where a target is listed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Home {
    /// In the role with this place in the list that the table was made for.
    Role(usize),
    /// In a role that is not in that list.
    Elsewhere,
}

/// The bins by hash, for a list of roles.
#[derive(Debug)]
pub(super) enum Table {
    /// There are no bins.
    None,
    /// TAP 15.
    Succinct(BitLength, HashMap<u32, usize>),
    /// PEP 458: for each length of prefix, what the prefixes stand for.
    Prefixes(HashMap<usize, Prefixes>),
}

/// By prefix, the place among the delegations, of which the first counts, and the home.
type Prefixes = HashMap<String, (usize, Home)>;

impl Chain {
    /// Follows the delegations that `delegations_of` knows of.
    pub(super) fn find<E>(
        mut delegations_of: impl FnMut(&str) -> Result<Option<Delegations>, E>,
    ) -> Result<Self, E> {
        let mut roles = vec!["targets".to_owned()];
        loop {
            let last = roles.last().map_or("targets", String::as_str);
            let Some(delegations) = delegations_of(last)? else {
                return Ok(Self { roles, bins: None });
            };
            let by_hash = match &delegations.roles {
                DelegatedRoles::Succinct(_) => true,
                DelegatedRoles::List(list) => {
                    list.iter().all(|role| matches!(role.selector, Selector::PathHashPrefixes(_)))
                }
            };
            match delegations.roles {
                DelegatedRoles::List(mut list) if by_hash && list.len() == 1 => {
                    let next = list.remove(0).name;
                    if roles.len() == MAX_CHAIN || roles.contains(&next) {
                        return Ok(Self { roles, bins: None });
                    }
                    roles.push(next);
                }
                bins => return Ok(Self { roles, bins: by_hash.then_some(bins) }),
            }
        }
    }

    /// Which of `roles` are bins.
    pub(super) fn bins_among<'r>(&self, roles: impl Iterator<Item = &'r str>) -> HashSet<&'r str> {
        match &self.bins {
            None => HashSet::new(),
            Some(DelegatedRoles::List(list)) => {
                let bins: HashSet<_> = list.iter().map(|role| role.name.as_str()).collect();
                roles.filter(|role| bins.contains(role)).collect()
            }
            Some(DelegatedRoles::Succinct(succinct)) => {
                let bits = succinct.bit_length;
                let prefix = &succinct.name_prefix;
                roles.filter(|role| bits.parse_role_name(prefix, role).is_some()).collect()
            }
        }
    }

    /// Which of `roles` are stale: called as bins are, and neither bins nor above them. A snapshot has to go on listing them
    /// (TUF 5.5.5), and no reader asks for them.
    pub(super) fn stale_among<'r>(&self, roles: impl Iterator<Item = &'r str>) -> HashSet<&'r str> {
        let Some(prefix) = self.prefix() else { return HashSet::new() };
        let is_called_so = |role: &&str| {
            *role == prefix || bin_name_parts(role).is_some_and(|(before, _)| before == prefix)
        };
        let mut stale: HashSet<_> = roles.filter(is_called_so).collect();
        let bins = self.bins_among(stale.iter().copied());
        stale.retain(|role| !bins.contains(role) && !self.roles.iter().any(|above| above == role));
        stale
    }

    /// What the names of all bins begin with.
    fn prefix(&self) -> Option<&str> {
        match self.bins.as_ref()? {
            DelegatedRoles::Succinct(succinct) => Some(&succinct.name_prefix),
            DelegatedRoles::List(list) => {
                let prefix = |name| bin_name_parts(name).map(|(prefix, _)| prefix);
                let first = prefix(&list.first()?.name)?;
                list.iter().all(|role| prefix(&role.name) == Some(first)).then_some(first)
            }
        }
    }
}

impl Table {
    /// The table for `roles`: homes are places in this list.
    pub(super) fn new<'r>(chain: &Chain, roles: impl Iterator<Item = &'r str>) -> Self {
        let places = roles.enumerate().map(|(place, role)| (role, place));
        match &chain.bins {
            None => Self::None,
            Some(DelegatedRoles::Succinct(succinct)) => {
                let bits = succinct.bit_length;
                let bin = |role| bits.parse_role_name(&succinct.name_prefix, role);
                let places = places.filter_map(|(role, place)| Some((bin(role)?.number(), place)));
                Self::Succinct(bits, places.collect())
            }
            Some(DelegatedRoles::List(list)) => {
                let places: HashMap<_, _> = places.collect();
                let mut by_len: HashMap<usize, Prefixes> = HashMap::new();
                for (order, role) in list.iter().enumerate() {
                    let home = places.get(role.name.as_str());
                    let home = home.map_or(Home::Elsewhere, |&place| Home::Role(place));
                    let Selector::PathHashPrefixes(prefixes) = &role.selector else { continue };
                    for prefix in prefixes {
                        let of_len = by_len.entry(prefix.len()).or_default();
                        of_len.entry(prefix.clone()).or_insert((order, home));
                    }
                }
                Self::Prefixes(by_len)
            }
        }
    }

    /// Where the target at `path` is listed; `None` if hashing does not say.
    pub(super) fn home(&self, path: &[u8]) -> Option<Home> {
        match self {
            Self::None => None,
            Self::Succinct(bits, places) => {
                let bin = bits.bin_of_digest(&Digest::of(path)).number();
                Some(places.get(&bin).map_or(Home::Elsewhere, |&place| Home::Role(place)))
            }
            Self::Prefixes(by_len) => {
                let hex = Digest::of(path).to_hex();
                let hex = str::from_utf8(&hex).unwrap_or_default();
                let found = by_len.iter().filter_map(|(len, homes)| homes.get(hex.get(..*len)?));
                found.min_by_key(|(order, _)| *order).map(|&(_, home)| home)
            }
        }
    }
}
