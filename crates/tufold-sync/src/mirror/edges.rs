//! Deltas for the mirror's own clients: the timestamp that it serves says that there are some.
//!
//! A source's deltas are as many files as its documents, so a mirror makes them itself, of the versions
//! that it holds. They are of other bytes than the source's where it skipped a version, and lead to the
//! same documents.

use tufold_delta::{Codec, Edge, EncodeOptions, Ladder, encode};
use tufold_meta::names::{DeltaName, versioned_file_name};
use tufold_meta::{Envelope, KeyId, Prediction, RoleChain, Version, canonical_parts};
use tufold_store::Store;

use crate::Error;
use crate::mirror::Sync;
use crate::rebin::Bins;

/// A document of the mirror's own.
const HELD_MAX_LEN_BYTES: u64 = 1 << 30;

impl Sync<'_> {
    /// The edges of the ladder that end at this version of a role.
    pub(super) fn role_edges(
        &self,
        chain: &RoleChain,
        to: Version,
        file: &[u8],
    ) -> Result<(), Error> {
        let keyids = self.set().keyids_of(chain).unwrap_or_default();
        let role = chain.role();
        let bins = Bins::of(self.set(), chain);
        self.edges(role, to, file, keyids, |from| {
            let is_of_today = |from: &Version| bins.as_ref().is_none_or(|b| b.is_of_today(*from));
            let from = from.filter(is_of_today)?;
            Some(DeltaName::Role { role: role.to_owned(), from, to })
        })
    }

    /// Those of the snapshot, and the one from nothing.
    pub(super) fn snapshot_edges(&self, to: Version, file: &[u8]) -> Result<(), Error> {
        let keyids = &self.set().root().roles["snapshot"].keyids;
        let name = |from| Some(DeltaName::Snapshot { from, to });
        self.edges("snapshot", to, file, keyids, name)
    }

    fn edges(
        &self,
        role: &str,
        to: Version,
        file: &[u8],
        keyids: &[KeyId],
        name: impl Fn(Option<Version>) -> Option<DeltaName>,
    ) -> Result<(), Error> {
        let Some(ladder): Option<Ladder> = self.visit.documents.ladder else { return Ok(()) };
        let Ok((signed, signatures)) = canonical_parts(file) else { return Ok(()) };
        let Some(envelope) = Envelope::new(signatures) else { return Ok(()) };
        let steps = ladder.writes(to.get()).into_iter().map(|Edge { from, .. }| Version::new(from));
        for from in steps.chain([None]) {
            let Some(name) = name(from) else { continue };
            let path = name.path();
            if self.public.get(&path, HELD_MAX_LEN_BYTES).is_ok_and(|held| held.is_some()) {
                continue;
            }
            let base = match from {
                None => None,
                Some(from) => {
                    let old = self.held(&versioned_file_name(role, from), HELD_MAX_LEN_BYTES)?;
                    // A version that was skipped: its edges are not there.
                    let Some(old) = old else { continue };
                    let Ok((signed, _)) = canonical_parts(&old) else { continue };
                    Some(signed.into_owned())
                }
            };
            let mut bytes = Vec::new();
            if name.has_signatures() {
                envelope.write(keyids, &mut bytes);
            } else {
                Envelope::write_none(&mut bytes);
            }
            let kind = match name {
                DeltaName::Snapshot { .. } => Prediction::of_snapshots(base.as_deref(), &signed),
                _ => Prediction::Old,
            };
            let form = base.as_deref().map(|base| kind.form_of(base)).transpose();
            let (Ok(base), Ok(new)) = (form, kind.form_of(&signed)) else { continue };
            let options = EncodeOptions {
                prediction_kind: kind.number(),
                verify: false,
                ..EncodeOptions::default()
            };
            let delta = encode(Codec::Columnar, base.as_deref(), &new, &options);
            let Ok(delta) = delta else { continue };
            bytes.extend_from_slice(&delta);
            self.public.create(&path, &bytes)?;
        }
        Ok(())
    }
}
