//! What readers pay for other bins.

use serde::Serialize;

use super::{NewBins, Rebinned, Rebinner};
use crate::commit::Published;
use crate::layout::Layout;

/// What the next visit of each kind of reader takes, in bytes of bodies that nothing has compressed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RebinCost {
    /// One new bin, on average.
    pub mean_bin_bytes: u64,
    /// A client that holds everything of the old layout and looks up one target, by whole files.
    pub warm_bytes: u64,
    /// The same client by deltas, if there are any.
    pub warm_delta_bytes: Option<u64>,
    /// What makes new bins of old ones, on average: both halves of one bin, or one bin of two.
    pub mean_delta_bytes: Option<u64>,
    /// A client that holds nothing, from the newest root on.
    pub cold_bytes: u64,
    /// A mirror that holds everything of the old layout, by whole files.
    pub mirror_bytes: u64,
    /// The same mirror by a bundle, if there is one.
    pub mirror_delta_bytes: Option<u64>,
}

impl Rebinner {
    pub(super) fn rebinned(
        &self,
        (from, to): (Layout, Layout),
        bins: NewBins,
        targets: u64,
        stale_roles: u64,
        published: Published,
    ) -> Rebinned {
        let count = bins.delegation.bit_length().map_or(1, |bits| bits.bin_count());
        let Published { targets_bytes, delegating_bytes, snapshot_bytes, timestamp_bytes, .. } =
            published;
        let mean_bin_bytes = (targets_bytes - delegating_bytes).div_ceil(count);
        let warm_bytes = timestamp_bytes + snapshot_bytes + delegating_bytes + mean_bin_bytes;
        let top_is_written = published.summary.roles > count + u64::from(bins.has_bins_role());
        let unchanged_top =
            if top_is_written { 0 } else { self.publisher.state.targets.bytes().len() as u64 };
        let deltas = published.deltas.filter(|deltas| deltas.bins > 0);
        let mean_delta_bytes = deltas.map(|deltas| deltas.bins_bytes.div_ceil(deltas.bins));
        let warm_delta_bytes = deltas.zip(mean_delta_bytes).map(|(deltas, mean)| {
            timestamp_bytes + deltas.step_bytes - deltas.mirror_step_bytes + mean
        });
        let bundle = published.deltas.map_or(0, |deltas| deltas.mirror_step_bytes);
        let cost = RebinCost {
            mean_bin_bytes,
            warm_bytes,
            warm_delta_bytes,
            mean_delta_bytes,
            cold_bytes: warm_bytes + unchanged_top,
            mirror_bytes: timestamp_bytes + snapshot_bytes + targets_bytes,
            mirror_delta_bytes: (bundle > 0).then_some(timestamp_bytes + bundle),
        };
        let first_version = bins.first_version.get();
        let (from, to) = (from.to_string(), to.to_string());
        Rebinned { from, to, targets, first_version, stale_roles, published, cost }
    }
}
