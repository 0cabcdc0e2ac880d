//! The targets of a repository that had no bins, spread over bins.

use std::collections::BTreeMap;

use rayon::prelude::*;
use tufold_meta::{BitLength, TargetFile};

use super::Rebinner;
use crate::error::Error;
use crate::layout::Delegation;
use crate::progress::{Event, Progress, Stage};
use crate::publish::Publisher;

impl Rebinner {
    /// The targets of each new bin.
    pub(super) fn listed_by_bin(
        &self,
        from: Delegation,
        bits: BitLength,
        progress: Progress<'_>,
    ) -> Result<Vec<BTreeMap<String, TargetFile>>, Error> {
        let Publisher { repository, state, .. } = &self.publisher;
        let sources = match from {
            Delegation::Flat => vec!["targets".to_owned()],
            _ => state.leaf_roles(),
        };
        progress(Event::Start(Stage::Compare, sources.len() as u64));
        let parts = sources
            .into_par_iter()
            .map(|role| {
                let targets = match role.as_str() {
                    "targets" => state.targets.targets.clone(),
                    role => state.targets_role(&*repository.public, role)?.into_payload().targets,
                };
                let mut parts: BTreeMap<usize, BTreeMap<String, TargetFile>> = BTreeMap::new();
                for (path, file) in targets {
                    // No client finds it there, and none must find it from now on.
                    if from.role_of(&path) != role {
                        let problem = format!("lists {path}, which is not its to list");
                        return Err(Error::damaged(&role, problem));
                    }
                    let bin = bits.bin(&path).number() as usize;
                    parts.entry(bin).or_default().insert(path, file);
                }
                progress(Event::Advance(1));
                Ok(parts)
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let mut bins = vec![BTreeMap::new(); bits.bins().count()];
        for (bin, mut targets) in parts.into_iter().flatten() {
            bins[bin].append(&mut targets);
        }
        Ok(bins)
    }
}
