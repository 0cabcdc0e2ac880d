//! Which way to a document is cheapest, by arithmetic on what the reader knows before it asks: the
//! versions, the ladder, and how often things changed until then. No length of a delta is known in
//! advance, so a way is chosen by what a delta of its kind costs as a rule.

use tufold_delta::{Edge, Ladder};
use tufold_meta::Tally;

/// A way to a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Way {
    /// The whole file.
    Full,
    /// The delta from nothing.
    FromNothing,
    /// These deltas, one after the other.
    Path(Vec<Edge>),
}

/// What a way costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Price {
    /// Bytes of bodies.
    pub(crate) bytes: u64,
    pub(crate) requests: u64,
    /// Requests that wait for one another.
    pub(crate) round_trips: u64,
}

/// A request and the head of its answer, in bytes of a body.
const REQUEST_BYTES: u64 = 400;
/// 50 ms on a line of 8 Mbit/s, in bytes of a body.
const ROUND_TRIP_BYTES: u64 = 50_000;
/// No path is longer: of a ladder whose paths are, the reader takes the short ones only.
const MAX_EDGES: usize = 64;
/// No reader walks further, however far a ladder reaches.
const MAX_GAP: u64 = 1 << 16;

/// A delta's head, its fixed fields, and an envelope of one signature.
const EDGE_BYTES: u64 = 100;
/// A target that a bin lists newly: a digest, a name and a length.
const TARGET_BYTES: u64 = 70;
/// A new digest in a snapshot, and a length.
const DIGEST_BYTES: u64 = 34;
/// A name among its sorted neighbours, where numbers do not tell it.
const NAME_BYTES: u64 = 8;
/// A role in a bundle: its signature and its expiry.
const BUNDLED_ROLE_BYTES: u64 = 70;
/// What compression leaves of a targets role, in hundredths (zstd -19: 45, of which some servers
/// have none).
const COMPRESSED_ROLE_PERCENT: u64 = 50;
/// A whole role within a mirror, where nobody knows its length.
const MEAN_ROLE_BYTES: u64 = 8_000;

impl Price {
    /// All of it in one number.
    pub(crate) fn weight(self) -> u64 {
        let requests = self.requests.saturating_mul(REQUEST_BYTES);
        let trips = self.round_trips.saturating_mul(ROUND_TRIP_BYTES);
        self.bytes.saturating_add(requests).saturating_add(trips)
    }

    /// So many requests of so many bytes in all, so many of them at once.
    pub(crate) fn of(bytes: u64, requests: u64, max_parallel: usize) -> Self {
        let round_trips = requests.div_ceil(max_parallel.max(1) as u64);
        Self { bytes, requests, round_trips }
    }
}

/// A snapshot that the reader holds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HeldSnapshot {
    /// Its version.
    pub version: u64,
    /// What it lists, in numbers.
    pub tally: Tally,
}

impl HeldSnapshot {
    /// How many listed files change in a step of so many versions, as far as the past tells: each is
    /// as likely as any other.
    fn changed(self, versions: u64) -> u64 {
        let files = float(self.tally.files);
        whole(files * (1.0 - (-self.mean_changes(versions)).exp()))
    }

    /// How many times one file changes in a step of so many versions.
    fn mean_changes(self, versions: u64) -> f64 {
        let Tally { files, versions: all, .. } = self.tally;
        let before =
            float(all.saturating_sub(files)) / float(self.version.saturating_sub(1).max(1));
        (before / float(files.max(1)) * float(versions)).max(1e-9)
    }

    /// What an edge of so many versions takes.
    fn edge_bytes(self, versions: u64) -> u64 {
        let index =
            float(self.tally.files) * poisson_entropy_bits(self.mean_changes(versions)) / 8.0;
        let digests = if self.tally.has_hashes { DIGEST_BYTES * self.changed(versions) } else { 0 };
        EDGE_BYTES + whole(index) + digests
    }

    /// What the delta from nothing takes.
    fn whole_bytes(self) -> u64 {
        let Tally { files, versions, has_hashes, names } = self.tally;
        let mean = float(versions) / float(files.max(1));
        let index = float(files) * poisson_entropy_bits(mean) / 8.0;
        let digests = if has_hashes { DIGEST_BYTES * files } else { 0 };
        EDGE_BYTES + whole(index) + digests + NAME_BYTES * names
    }
}

/// The way to a snapshot. Whoever holds none takes the delta from nothing: it is smaller than any
/// compressed form of the whole.
pub fn snapshot_way(
    ladder: Ladder,
    held: Option<HeldSnapshot>,
    to: u64,
    max_parallel: usize,
) -> Way {
    let Some(held) = held else { return Way::FromNothing };
    let Some(path) = path(ladder, held.version, to) else { return Way::FromNothing };
    if held.version + 1 == to && path.len() == 1 {
        // Never more than everything anew, so the tally need not be known.
        return Way::Path(path);
    }
    let bytes = path.iter().map(|edge| held.edge_bytes(edge.to - edge.from)).sum();
    // The signatures may lie in another edge.
    let by_path = Price::of(bytes, path.len() as u64 + 1, max_parallel);
    let from_nothing = Price::of(held.whole_bytes(), 1, max_parallel);
    if by_path.weight() <= from_nothing.weight() { Way::Path(path) } else { Way::FromNothing }
}

/// The way to a targets role, of which the reader holds a version of so many bytes.
pub fn role_way(
    ladder: Ladder,
    from: u64,
    held_len_bytes: u64,
    to: u64,
    max_parallel: usize,
) -> Way {
    let Some(path) = path(ladder, from, to) else { return Way::Full };
    // A version up is, as a rule, a target more or the role signed again.
    let bytes = path.len() as u64 * EDGE_BYTES + (to - from) * TARGET_BYTES;
    let by_path = Price::of(bytes, path.len() as u64, max_parallel);
    let full = Price::of(held_len_bytes * COMPRESSED_ROLE_PERCENT / 100, 1, max_parallel);
    if by_path.weight() <= full.weight() { Way::Path(path) } else { Way::Full }
}

/// Whether making new bins of held ones, by so many objects of so many bytes in all, is cheaper than fetching those of them
/// that are wanted. `new_len_bytes` is what these are expected to have.
pub fn regroup_pays(
    objects: u64,
    objects_len_bytes: u64,
    wanted: u64,
    new_len_bytes: u64,
    max_parallel: usize,
) -> bool {
    let by_objects = Price::of(objects_len_bytes, objects, max_parallel);
    let full = Price::of(new_len_bytes * COMPRESSED_ROLE_PERCENT / 100, wanted, max_parallel);
    by_objects.weight() <= full.weight()
}

/// The way of a mirror from one snapshot to another: the bundles, or [`Way::Full`] for one document
/// after the other. `wanted` says how many documents it lacks, if it knows.
pub fn mirror_way(
    ladder: Ladder,
    held: HeldSnapshot,
    to: u64,
    wanted: Option<u64>,
    max_parallel: usize,
) -> Way {
    let Some(path) = path(ladder, held.version, to) else { return Way::Full };
    let bundle = |edge: &Edge| {
        let versions = edge.to - edge.from;
        let targets = whole(held.mean_changes(versions) * float(held.tally.files));
        EDGE_BYTES + held.changed(versions) * BUNDLED_ROLE_BYTES + targets * TARGET_BYTES
    };
    let bundles = Price::of(path.iter().map(bundle).sum(), path.len() as u64, max_parallel);
    let gap = to - held.version;
    let roles = wanted.unwrap_or_else(|| held.changed(gap)).max(1);
    // Each by a delta or whole, whichever is less, and the snapshot before them.
    let one = (EDGE_BYTES + TARGET_BYTES * gap.min(MEAN_ROLE_BYTES)).min(MEAN_ROLE_BYTES);
    let singly = Price::of(roles.saturating_mul(one), roles, max_parallel);
    let singly = Price { round_trips: singly.round_trips + 1, ..singly };
    if bundles.weight() <= singly.weight() { Way::Path(path) } else { Way::Full }
}

/// The path from one version to another, if it is of a length that anybody should walk.
fn path(ladder: Ladder, from: u64, to: u64) -> Option<Vec<Edge>> {
    let gap = to.checked_sub(from)?;
    if from == 0 || gap > MAX_GAP || ladder.horizon() > MAX_GAP {
        return None;
    }
    ladder.path(from, to).filter(|path| path.len() <= MAX_EDGES)
}

/// The bits that tell how often something happened that happens `mean` times on average.
fn poisson_entropy_bits(mean: f64) -> f64 {
    if mean > 10.0 {
        // That of a normal distribution.
        return 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E * mean).log2();
    }
    let (mut chance, mut bits) = ((-mean).exp(), 0.0);
    for times in 0..64_u64 {
        if chance > 1e-12 {
            bits -= chance * chance.log2();
        }
        chance *= mean / float(times + 1);
    }
    bits
}

#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate")]
fn whole(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const LADDER: Ladder = Ladder::Pow2 { horizon: 1_024 };
    const AT_ONCE: usize = 16;

    /// A version that every step of the ladder divides.
    const FROM: u64 = 204_800;

    /// 16,384 bins at that snapshot, of which so many changed at each publish.
    fn held(churn: u64, has_hashes: bool) -> HeldSnapshot {
        let versions = 16_384 + churn * (FROM - 1);
        let tally = Tally { files: 16_384, versions, has_hashes, names: 2 };
        HeldSnapshot { version: FROM, tally }
    }

    fn check_snapshot(churn: u64, gap: u64, edges: Option<usize>) {
        let way = snapshot_way(LADDER, Some(held(churn, false)), FROM + gap, AT_ONCE);
        match (way, edges) {
            (Way::Path(path), Some(edges)) => assert_eq!(path.len(), edges, "{churn}, {gap}"),
            (Way::FromNothing, None) => {}
            (way, _) => panic!("{churn} a publish, {gap} behind: {way:?}"),
        }
    }

    #[test]
    fn a_snapshot_is_walked_to_unless_that_costs_more_than_all_of_it() {
        for (churn, gap, edges) in [
            (25, 1, Some(1)),
            (25, 48, Some(2)),
            (25, 1_000, Some(6)),
            // Beyond the horizon.
            (25, 1_025, None),
            // So much changes that a few edges say everything anew.
            (1_000, 1, Some(1)),
            (1_000, 24, Some(2)),
            (1_000, 1_000, None),
            (16_384, 1, Some(1)),
            // A version that the reader has, or an older one.
            (25, 0, None),
        ] {
            check_snapshot(churn, gap, edges);
        }
        assert_eq!(snapshot_way(LADDER, None, 7, AT_ONCE), Way::FromNothing);
    }

    #[test]
    fn names_that_no_number_tells_make_a_snapshot_dear_from_nothing() {
        let tally = Tally { files: 6_000, versions: 6_000 * 2, has_hashes: false, names: 2 };
        let way = |names| {
            let held = HeldSnapshot { version: 24, tally: Tally { names, ..tally } };
            snapshot_way(LADDER, Some(held), 31, AT_ONCE)
        };
        assert_eq!(way(2), Way::FromNothing);
        assert!(matches!(way(6_000), Way::Path(path) if path.len() == 3));
    }

    #[test]
    fn estimates_are_near_the_measured_lengths() {
        // benches/record: 25 files a minute on 16,384 bins, one edge; and the delta from nothing.
        for (versions, measured) in [(1, 125_u64), (2, 154), (64, 1_060), (128, 1_660)] {
            let found = held(25, false).edge_bytes(versions);
            assert!(found.abs_diff(measured) * 4 < measured, "{versions}: {found}, not {measured}");
        }
        let versions = 16_384 * 300;
        let tally = Tally { files: 16_384, versions, has_hashes: false, names: 2 };
        let found = HeldSnapshot { version: 10_000, tally }.whole_bytes();
        assert!(found.abs_diff(13_142) < 500, "{found}");
        let hashed = HeldSnapshot { version: 10_000, tally: Tally { has_hashes: true, ..tally } };
        assert!(hashed.whole_bytes() > 34 * 16_384);
    }

    fn check_role(from: u64, to: u64, held_len_bytes: u64, expected: &str) {
        let way = match role_way(LADDER, from, held_len_bytes, to, AT_ONCE) {
            Way::Path(path) => path.iter().map(Edge::name).collect::<Vec<_>>().join(" "),
            Way::Full => "full".into(),
            Way::FromNothing => "from nothing".into(),
        };
        assert_eq!(way, expected, "{from} to {to}, {held_len_bytes} bytes");
    }

    #[test]
    fn a_role_is_walked_to_unless_it_is_shorter() {
        check_role(8, 9, 13_600, "8-9");
        check_role(7, 12, 13_600, "7-8 8-12");
        check_role(64, 128, 13_600, "64-128");
        check_role(64, 192, 13_600, "full");
        check_role(8, 9, 500, "8-9");
        check_role(7, 12, 500, "full");
        // Nothing held, nothing new, beyond the horizon.
        check_role(0, 9, 13_600, "full");
        check_role(9, 9, 13_600, "full");
        check_role(9, 8, 13_600, "full");
        check_role(8, 1_033, 1 << 40, "full");
    }

    #[test]
    fn bins_are_made_of_bins_unless_they_are_tiny() {
        let pays =
            |objects, wanted, len| regroup_pays(objects, objects * 150, wanted, len, AT_ONCE);
        assert!(pays(1, 1, 6_800) && pays(1, 2, 13_600) && pays(1, 1, 300));
        assert!(!pays(1, 1, 200) && !pays(2, 1, 1_000) && pays(2, 1, 6_800));
    }

    #[test]
    fn a_mirror_takes_bundles_unless_it_lacks_little() {
        let way = |churn: u64, gap: u64, wanted: Option<u64>| match mirror_way(
            LADDER,
            held(churn, false),
            FROM + gap,
            wanted,
            8,
        ) {
            Way::Path(path) => path.len(),
            _ => 0,
        };
        assert_eq!(way(1_000, 1, None), 1);
        assert_eq!(way(16_384, 1, None), 1);
        assert_eq!(way(1_000, 48, None), 2);
        assert_eq!(way(25, 1_000, None), 6);
        // All but a few were there before the mirror was interrupted.
        assert_eq!(way(1_000, 1, Some(900)), 1);
        assert_eq!(way(1_000, 1, Some(5)), 0);
        assert_eq!(way(1_000, 2_000, None), 0);
    }

    #[test]
    fn no_ladder_makes_work_without_end() {
        for ladder in ["chain:9999999", "direct:9999999", "tiered:9999999", "pow2:9999999"] {
            let ladder = ladder.parse().unwrap();
            assert_eq!(path(ladder, 1, 9_000_000), None);
            assert_eq!(path(ladder, 1, 2), None);
        }
        assert_eq!(path(Ladder::Chain { horizon: 1_024 }, 1, 100), None);
        assert_eq!(path(Ladder::Chain { horizon: 1_024 }, 1, 60).map(|path| path.len()), Some(59));
    }
}
