//! New bins out of those that the cache holds, where their number changed: which objects that takes, and what they give.
//! Nothing here is verified: what comes out is a document to be verified, or the base of deltas.

use std::collections::{BTreeMap, BTreeSet};

use tufold_meta::names::DeltaName;
use tufold_meta::{
    Bin, BinHistory, BinsDelta, BitLength, Envelope, KeyId, Regroup, RoleChain, TrustedSet,
    Version, assemble,
};

use crate::Error;
use crate::cache::Found;
use crate::choose::regroup_pays;
use crate::documents::Documents;
use crate::rebuild::Base;

mod made;

use made::Made;

/// The longest object of one group: many signatures.
const MAX_OBJECT_LEN_BYTES: u64 = 1 << 16;
/// The longest bin that is read from the cache.
const MAX_BIN_LEN_BYTES: u64 = 1 << 30;

/// The bins of one delegator, and those before them.
pub(crate) struct Bins<'b> {
    history: BinHistory,
    /// What their names begin with.
    prefix: String,
    /// Changes to this version or lower ones have no objects.
    out_of_reach: u64,
    /// Those by which they will be verified.
    keyids: &'b [KeyId],
}

/// A bin of some time: the place of its kind in the history, and itself.
type Place = (usize, Bin);

/// New bins that come out of the same old ones.
pub(crate) struct Group {
    pub(crate) bins: Vec<NewBin>,
    pub(crate) old: Vec<OldBin>,
    /// What was fetched for them.
    pub(crate) delta_len_bytes: u64,
}

/// A bin of former times that other bins came out of.
pub(crate) struct OldBin {
    role: String,
    /// What its kind started at, and the next one.
    first: Version,
    next: Version,
}

/// A bin as it was when its kind of bins started.
#[derive(Clone, Debug)]
pub(crate) struct NewBin {
    pub(crate) role: String,
    pub(crate) version: Version,
    pub(crate) signed: Vec<u8>,
    pub(crate) envelope: Envelope,
}

impl NewBin {
    /// The file, not verified.
    pub(crate) fn file(&self) -> Vec<u8> {
        assemble(&self.signed, self.envelope.signatures())
    }
}

impl<'b> Bins<'b> {
    /// The bins that the role at the end of `chain` is one of, if its delegator says that there were others before.
    pub(crate) fn of(set: &'b TrustedSet, chain: &RoleChain) -> Option<Self> {
        let history = BinHistory::read(&set.targets(&chain.delegator()?)?.extra);
        let (prefix, _) = chain.role().rsplit_once('-')?;
        let (prefix, keyids) = (prefix.to_owned(), set.keyids_of(chain)?);
        let bins = Self { history, prefix, out_of_reach: 0, keyids };
        (bins.history.all().len() > 1 && bins.number(chain.role()).is_some()).then_some(bins)
    }

    /// Nothing comes out of changes to this version or a lower one.
    pub(crate) fn forget_before(&mut self, version: u64) {
        self.out_of_reach = version;
    }

    fn is_in_reach(&self, kind: usize) -> bool {
        kind > 0 && self.first(kind).get() > self.out_of_reach && BinsDelta::fits(self.change(kind))
    }

    fn today(&self) -> usize {
        self.history.all().len() - 1
    }

    fn bits(&self, kind: usize) -> BitLength {
        self.history.all()[kind].bits
    }

    /// The version that bins of a kind started at.
    fn first(&self, kind: usize) -> Version {
        self.history.all()[kind].first
    }

    fn number(&self, role: &str) -> Option<Bin> {
        self.history.last()?.bits.parse_role_name(&self.prefix, role)
    }

    fn role(&self, (kind, bin): Place) -> String {
        self.bits(kind).role_name(&self.prefix, bin)
    }

    /// The change that bins of a kind came by.
    fn change(&self, kind: usize) -> Regroup {
        Regroup { from: self.bits(kind - 1), to: self.bits(kind) }
    }

    /// The group of that change that a bin came out of.
    fn group_of(&self, (kind, bin): Place) -> Option<Bin> {
        if kind == 0 { None } else { self.change(kind).group_of(self.bits(kind), bin) }
    }

    /// The kind of bins that had this version.
    pub(crate) fn kind_of(&self, version: Version) -> Option<usize> {
        self.history.all().iter().rposition(|bins| bins.first <= version)
    }

    /// Whether a document of this version is one of today's bins.
    pub(crate) fn is_of_today(&self, version: Version) -> bool {
        self.kind_of(version) == Some(self.today())
    }

    fn object(&self, kind: usize, group: Bin) -> DeltaName {
        let role = self.change(kind).groups().role_name(&self.prefix, group);
        DeltaName::Bins { first: self.first(kind), role }
    }
}

impl Documents<'_> {
    /// Puts what the cache holds under a role's name aside if it is a bin of former times, since another one takes its place.
    pub(crate) fn set_aside(&self, bins: &Bins<'_>, role: &str) -> Result<(), Error> {
        let cache = &self.client.cache;
        if let Found::Bytes(file) = cache.get(role, MAX_BIN_LEN_BYTES)?
            && let Some(base) = Base::of_file(&file)
            && let Some(kind) = bins.kind_of(base.version)
            && kind < bins.today()
        {
            cache.set_aside(role, bins.first(kind), &file)?;
        }
        Ok(())
    }

    /// Lets an old bin go, wherever it lies.
    pub(crate) fn forget(&self, old: &OldBin) -> Result<(), Error> {
        let cache = &self.client.cache;
        cache.remove_aside(&old.role, old.first)?;
        if let Found::Bytes(file) = cache.get(&old.role, MAX_BIN_LEN_BYTES)?
            && Base::of_file(&file).is_some_and(|base| base.version < old.next)
        {
            cache.remove_targets(&old.role)?;
        }
        Ok(())
    }

    /// Makes the bins of today that are wanted, each with those that come out of the same old ones, as far as the cache holds
    /// what that takes and as far as it pays.
    pub(crate) fn regroup(&self, bins: &Bins<'_>, wanted: &[&str]) -> Result<Vec<Group>, Error> {
        let Some(ladder) = self.ladder.filter(|_| self.takes_deltas()) else {
            return Ok(Vec::new());
        };
        self.client
            .cache
            .sweep_aside(|first| bins.history.all().iter().any(|b| b.first == first))?;
        let today = bins.today();
        let mut search =
            Search { documents: self, bins, held: BTreeMap::new(), possible: BTreeMap::new() };
        let mut groups: BTreeMap<Bin, u64> = BTreeMap::new();
        for bin in wanted.iter().filter_map(|role| bins.number(role)) {
            if let Some(group) = bins.group_of((today, bin)) {
                *groups.entry(group).or_default() += 1;
            }
        }
        let mut steps = BTreeSet::new();
        let mut chosen = Vec::new();
        for (group, wanted) in groups {
            if search.is_possible(today, group)? {
                let own = search.steps_to(today, group);
                if search.pays(&own, wanted) {
                    steps.extend(own.iter().copied());
                    chosen.push((group, wanted, own));
                }
            }
        }
        if steps.is_empty() {
            return Ok(Vec::new());
        }
        let mut made = Made::fetch(self, bins, search.held, steps, ladder);
        for kind in 1..=today {
            made.make(kind);
        }
        let mut finished = Vec::new();
        for (group, wanted, own) in chosen {
            match made.take(group, &own) {
                Ok(group) => finished.push(group),
                Err(None) => {}
                Err(Some(reason)) => {
                    (0..wanted).for_each(|_| self.meter.deltas.count_fallback(reason));
                }
            }
        }
        Ok(finished)
    }
}

/// Which bins of former times the cache holds, and what can be made of them.
struct Search<'s> {
    documents: &'s Documents<'s>,
    bins: &'s Bins<'s>,
    held: BTreeMap<Place, Option<Base>>,
    possible: BTreeMap<Place, bool>,
}

impl Search<'_> {
    fn holds(&mut self, place: Place) -> Result<bool, Error> {
        if let Some(held) = self.held.get(&place) {
            return Ok(held.is_some());
        }
        let (kind, role) = (place.0, self.bins.role(place));
        let cache = &self.documents.client.cache;
        let mut found = cache.get_aside(&role, self.bins.first(kind), MAX_BIN_LEN_BYTES)?;
        if !matches!(found, Found::Bytes(_)) {
            found = cache.get(&role, MAX_BIN_LEN_BYTES)?;
        }
        let base = match found {
            Found::Bytes(file) => Base::of_file(&file),
            Found::Nothing | Found::Damaged => None,
        };
        let base = base.filter(|base| self.bins.kind_of(base.version) == Some(kind));
        let holds = base.is_some();
        self.held.insert(place, base);
        Ok(holds)
    }

    /// Whether the new bins of a group can be made, of held ones or of what can be made of those.
    fn is_possible(&mut self, kind: usize, group: Bin) -> Result<bool, Error> {
        if !self.bins.is_in_reach(kind) {
            return Ok(false);
        }
        if let Some(possible) = self.possible.get(&(kind, group)) {
            return Ok(*possible);
        }
        let mut possible = true;
        for bin in self.bins.change(kind).old_bins(group) {
            let place = (kind - 1, bin);
            if !self.holds(place)? {
                possible = match self.bins.group_of(place) {
                    Some(group) => self.is_possible(kind - 1, group)?,
                    None => false,
                };
            }
            if !possible {
                break;
            }
        }
        self.possible.insert((kind, group), possible);
        Ok(possible)
    }

    /// The groups whose objects it takes.
    fn steps_to(&self, kind: usize, group: Bin) -> BTreeSet<Place> {
        let mut steps = BTreeSet::from([(kind, group)]);
        for bin in self.bins.change(kind).old_bins(group) {
            let place = (kind - 1, bin);
            if self.held.get(&place).is_none_or(Option::is_none)
                && let Some(group) = self.bins.group_of(place)
                && !steps.contains(&(kind - 1, group))
            {
                steps.extend(self.steps_to(kind - 1, group));
            }
        }
        steps
    }

    fn pays(&self, steps: &BTreeSet<Place>, wanted: u64) -> bool {
        let (mut len_bytes, mut expected_len_bytes, mut held) = (0_u64, 0_u64, 0);
        let today = self.bins.bits(self.bins.today());
        for &(kind, group) in steps {
            let change = self.bins.change(kind);
            len_bytes += 16 + 66 * change.new_bins(group).count() as u64;
            // All bins of a kind are about as long.
            for base in
                change.old_bins(group).filter_map(|bin| self.held.get(&(kind - 1, bin))?.as_ref())
            {
                let all = u128::from(change.from.bin_count()) * base.signed.len() as u128;
                let one = u64::try_from(all / u128::from(today.bin_count())).unwrap_or(u64::MAX);
                expected_len_bytes = expected_len_bytes.saturating_add(one);
                held += 1;
            }
        }
        let new_len_bytes = (expected_len_bytes / held.max(1)).saturating_mul(wanted);
        let max_parallel = self.documents.client.limits.max_parallel_deltas;
        regroup_pays(steps.len() as u64, len_bytes, wanted, new_len_bytes, max_parallel)
    }
}
