//! Bins made of bins: each group of them is read, written and forgotten, so that memory is that of one group a core.

use std::sync::atomic::Ordering;

use rayon::prelude::*;
use tufold_meta::names::meta_name;
use tufold_meta::{Bin, BinsDelta, BundleError, Envelope, Signed, Version};

use crate::commit::{Committer, Kept, Signing, Written};
use crate::deltas::{RoleStep, WrittenFiles};
use crate::error::Error;
use crate::layout::BINS;
use crate::plan::Regrouping;
use crate::progress::Event;

impl Committer<'_> {
    /// Writes all new bins, and the deltas by which readers make them out of their own.
    pub(crate) fn regroup(
        &self,
        bins: &Regrouping,
        kept: &Kept<'_>,
    ) -> Result<Vec<Written>, Error> {
        let groups: Vec<Bin> = bins.change.groups().bins().collect();
        let written = groups
            .into_par_iter()
            .map(|group| {
                let written = self.group(bins, group, kept)?;
                (self.progress)(Event::Advance(written.len() as u64));
                Ok(written)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        Ok(written.into_iter().flatten().collect())
    }

    fn group(&self, bins: &Regrouping, group: Bin, kept: &Kept<'_>) -> Result<Vec<Written>, Error> {
        let Regrouping { change, first, expires, ref keys } = *bins;
        let names: Vec<_> =
            change.old_bins(group).map(|bin| change.from.role_name(BINS, bin)).collect();
        let damaged = |error: BundleError| match error {
            BundleError::Elsewhere(path) => {
                let problem = format!("lists {path}, which is not its to list");
                Error::damaged(&names.join(", "), problem)
            }
            error => Error::damaged(&names.join(", "), error),
        };
        let state = self.published.ok_or_else(|| Error::damaged(BINS, "is not published yet"))?;
        let old = names.iter().map(|role| state.signed_role(self.store, role));
        let old = old.collect::<Result<Vec<Signed<()>>, Error>>()?;
        let at =
            |version| change.documents_of_files(group, &old, version, expires).map_err(damaged);
        let documents = at(first)?;
        let mut written = Vec::with_capacity(documents.len());
        let mut envelopes = Some(Vec::with_capacity(documents.len()));
        for (place, (bin, mut document)) in change.new_bins(group).zip(documents).enumerate() {
            kept.regrouped_targets.fetch_add(document.targets, Ordering::Relaxed);
            let role = change.to.role_name(BINS, bin);
            let signing = Signing::By(keys, None);
            let (created, listed, file) = self.create(&role, &signing, first, |version| {
                if version == first {
                    return Ok(std::mem::take(&mut document.signed));
                }
                Ok(at(version)?.swap_remove(place).signed)
            })?;
            kept.created(created);
            // What a publish left that was interrupted has spent a name: then readers fetch whole bins.
            envelopes = envelopes.filter(|_| listed.version == first).and_then(|mut all| {
                all.push(Envelope::new(file.signatures().to_vec())?);
                Some(all)
            });
            let written_bytes = file.bytes().len() as u64;
            let listed_as = (meta_name(&role), listed.clone());
            let written_as = (listed.version, file);
            let step = RoleStep { role, replaced: None, written: written_as, later: None };
            // A bundle reads them again, one after another, if it can.
            let gone = self.deltas.as_ref().is_some_and(|d| d.written == WrittenFiles::Gone);
            let keep = kept.add(written_bytes, if gone { step.held_bytes() } else { 0 });
            written.push((listed_as, (keep && gone).then_some(step)));
        }
        if let (Some(deltas), Some(envelopes)) = (&self.deltas, envelopes)
            && BinsDelta::fits(change)
        {
            let signed: Vec<_> = old.iter().map(Signed::canonical).collect();
            let listed = |role: &String| state.snapshot.meta[&meta_name(role)].version;
            let old: Vec<Version> = names.iter().map(listed).collect();
            let delta = BinsDelta { old, expires, check: BinsDelta::check(&signed), envelopes };
            let role = change.groups().role_name(BINS, group);
            deltas.bins(role, &delta, &keys.keyids)?;
        }
        Ok(written)
    }
}
