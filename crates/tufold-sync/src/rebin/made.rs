//! The bins that objects make of others, kind after kind.

use std::collections::{BTreeMap, BTreeSet};

use tufold_delta::Ladder;
use tufold_meta::names::DeltaName;
use tufold_meta::{Bin, BinsDelta, Version};

use super::{Bins, Group, MAX_OBJECT_LEN_BYTES, NewBin, OldBin, Place};
use crate::choose::{Way, role_way};
use crate::deltas::Reason;
use crate::documents::Documents;
use crate::obtain::{max_delta_len_bytes, rebuilders};
use crate::parallel::in_parallel;
use crate::rebuild::{Base, walk};

/// Why a group came to nothing; `None` if that is no fault, but costs more than the whole files.
type Failure = Option<Reason>;

/// The groups that are made, with all that it takes.
pub(super) struct Made<'m> {
    bins: &'m Bins<'m>,
    /// What the cache holds.
    held: BTreeMap<Place, Option<Base>>,
    steps: BTreeMap<Place, Result<Step, Failure>>,
    /// The bins that came out, of all kinds.
    done: BTreeMap<Place, NewBin>,
    /// How long an old bin on the way may be.
    max_len_bytes: u64,
}

/// What was fetched for a group.
struct Step {
    object: BinsDelta,
    /// For each old bin, the edges to the last version that it had.
    edges: Vec<Vec<Vec<u8>>>,
    len_bytes: u64,
}

impl<'m> Made<'m> {
    /// Fetches the objects of these groups, and then the edges to the versions that they start from.
    pub(super) fn fetch(
        documents: &Documents<'_>,
        bins: &'m Bins<'m>,
        held: BTreeMap<Place, Option<Base>>,
        groups: BTreeSet<Place>,
        ladder: Ladder,
    ) -> Self {
        let limits = &documents.client.limits;
        let groups: Vec<Place> = groups.into_iter().collect();
        let (objects, trips) =
            in_parallel(&groups, limits.max_parallel_deltas, |&(kind, group)| {
                let name = bins.object(kind, group);
                let bytes = documents.fetch_delta(&name, MAX_OBJECT_LEN_BYTES)?;
                let object =
                    BinsDelta::parse(&bytes, bins.change(kind), bins.first(kind), bins.keyids);
                Ok((object.map_err(Reason::from)?, bytes.len() as u64))
            });
        documents.count_round_trips(trips);
        let max_len_bytes = limits.metadata.targets_len_bytes;
        let mut made =
            Self { bins, held, steps: BTreeMap::new(), done: BTreeMap::new(), max_len_bytes };

        let mut wanted: Vec<(Place, DeltaName, u64)> = Vec::new();
        let mut edges_of: BTreeMap<Place, Vec<usize>> = BTreeMap::new();
        for (&(kind, group), object) in groups.iter().zip(objects) {
            let step = object.map_err(Some).and_then(|(object, len_bytes)| {
                let edges = vec![Vec::new(); object.old.len()];
                for (bin, last) in bins.change(kind).old_bins(group).zip(&object.old) {
                    let names =
                        made.way((kind - 1, bin), *last, ladder, limits.max_parallel_deltas)?;
                    let most = made.most_bytes((kind - 1, bin));
                    let first = wanted.len();
                    wanted.extend(names.into_iter().map(|name| ((kind, group), name, most)));
                    edges_of.entry((kind - 1, bin)).or_default().extend(first..wanted.len());
                }
                Ok(Step { object, edges, len_bytes })
            });
            made.steps.insert((kind, group), step);
        }
        let (edges, trips) = in_parallel(&wanted, limits.max_parallel_deltas, |(_, name, most)| {
            documents.fetch_delta(name, *most)
        });
        documents.count_round_trips(trips);
        let mut edges: Vec<Option<Result<Vec<u8>, Reason>>> = edges.into_iter().map(Some).collect();
        for (&(kind, group), step) in &mut made.steps {
            let taken = step.as_mut().map_err(|failure| *failure).and_then(|step| {
                for (place, bin) in bins.change(kind).old_bins(group).enumerate() {
                    for &at in edges_of.get(&(kind - 1, bin)).into_iter().flatten() {
                        let edge = edges[at].take().ok_or(Some(Reason::Missing))?.map_err(Some)?;
                        step.len_bytes += edge.len() as u64;
                        step.edges[place].push(edge);
                    }
                }
                Ok(())
            });
            if let Err(failure) = taken {
                *step = Err(failure);
            }
        }
        made
    }

    /// The edges from what is held of an old bin, or was made, to the last version that it had.
    fn way(
        &self,
        place: Place,
        last: Version,
        ladder: Ladder,
        max_parallel: usize,
    ) -> Result<Vec<DeltaName>, Failure> {
        let held = self.held.get(&place).and_then(Option::as_ref);
        let from = held.map_or_else(|| self.bins.first(place.0), |base| base.version);
        if from == last {
            return Ok(Vec::new());
        }
        let len_bytes = held.map_or(self.max_len_bytes, |base| base.signed.len() as u64);
        if from > last {
            return Err(Some(Reason::OtherBase));
        }
        let Way::Path(path) = role_way(ladder, from.get(), len_bytes, last.get(), max_parallel)
        else {
            return Err(None);
        };
        let name = |edge: &tufold_delta::Edge| {
            let (from, to) = (Version::new(edge.from)?, Version::new(edge.to)?);
            Some(DeltaName::Role { role: self.bins.role(place), from, to })
        };
        Ok(path.iter().filter_map(name).collect())
    }

    fn most_bytes(&self, place: Place) -> u64 {
        let held = self.held.get(&place).and_then(Option::as_ref);
        max_delta_len_bytes(held, self.max_len_bytes)
    }

    /// Makes all bins of a kind, whose old ones are held or made.
    pub(super) fn make(&mut self, kind: usize) {
        let groups: Vec<Bin> =
            self.steps.keys().filter(|place| place.0 == kind).map(|place| place.1).collect();
        let (results, _) = in_parallel(&groups, rebuilders(), |&group| self.bins_of(kind, group));
        for (group, result) in groups.into_iter().zip(results) {
            match result {
                Ok(new) => {
                    let places = self.bins.change(kind).new_bins(group).map(|bin| (kind, bin));
                    self.done.extend(places.zip(new));
                }
                Err(failure) => {
                    self.steps.insert((kind, group), Err(failure));
                }
            }
        }
    }

    fn bins_of(&self, kind: usize, group: Bin) -> Result<Vec<NewBin>, Failure> {
        let step = self.steps[&(kind, group)].as_ref().map_err(|failure| *failure)?;
        let change = self.bins.change(kind);
        let mut old = Vec::with_capacity(step.edges.len());
        for (bin, edges) in change.old_bins(group).zip(&step.edges) {
            let place = (kind - 1, bin);
            let held = self.held.get(&place).and_then(Option::as_ref).map(|base| &base.signed);
            let base = match held {
                Some(signed) => signed,
                None => &self.done.get(&place).ok_or_else(|| self.failure_of(place))?.signed,
            };
            old.push(walk(base, edges, self.max_len_bytes).map_err(Some)?);
        }
        if BinsDelta::check(&old) != step.object.check {
            return Err(Some(Reason::OtherBase));
        }
        let first = self.bins.first(kind);
        let new = change.documents(group, &old, first, step.object.expires);
        let new = new.map_err(|error| Some(Reason::from(error)))?;
        let bins = change.new_bins(group).zip(new).zip(&step.object.envelopes);
        let new = bins.map(|((bin, document), envelope)| NewBin {
            role: self.bins.role((kind, bin)),
            version: first,
            signed: document.signed,
            envelope: envelope.clone(),
        });
        Ok(new.collect())
    }

    /// Why a bin on the way was not made.
    fn failure_of(&self, place: Place) -> Failure {
        let group = self.bins.group_of(place).map(|group| (place.0, group));
        match group.and_then(|group| self.steps.get(&group)) {
            Some(Err(failure)) => *failure,
            _ => Some(Reason::Missing),
        }
    }

    /// Hands out a group of today's bins. What several groups needed counts for the first of them.
    pub(super) fn take(&mut self, group: Bin, steps: &BTreeSet<Place>) -> Result<Group, Failure> {
        let today = self.bins.today();
        if let Some(Err(failure)) = self.steps.get(&(today, group)) {
            return Err(*failure);
        }
        let places = self.bins.change(today).new_bins(group).map(|bin| (today, bin));
        let bins = places.filter_map(|place| self.done.remove(&place)).collect();
        let mut delta_len_bytes = 0;
        let mut old = Vec::new();
        for place in steps {
            if let Some(Ok(step)) = self.steps.get_mut(place) {
                delta_len_bytes += std::mem::take(&mut step.len_bytes);
            }
            let former = self.bins.change(place.0).old_bins(place.1).map(|bin| (place.0 - 1, bin));
            let (first, next) = (self.bins.first(place.0 - 1), self.bins.first(place.0));
            old.extend(former.map(|place| OldBin { role: self.bins.role(place), first, next }));
        }
        Ok(Group { bins, old, delta_len_bytes })
    }
}
