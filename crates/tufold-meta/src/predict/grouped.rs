//! A snapshot in the form in which bins under new names are one run: what it lists in groups, by how long the names are.
//!
//! Bins whose names get one more digit stand among the old ones, which the snapshot has to go on listing (TUF 5.5.5):
//! `bins-00`, then `bins-000` to `bins-00f`, then `bins-01`. So every sixteen of them would cost a place and a name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::{NO_SNAPSHOT, Prediction, canonical};
use crate::BundleError;
use crate::bins::bin_name_parts;
use crate::cjson::{CanonicalObject, Entry, ObjectCopy, unescape};

/// A snapshot of bins lists no more roles than this that are no bins.
const MAX_OTHERS: usize = 16;

impl Prediction {
    /// How a delta leads from a canonical snapshot, or from nothing, to another: in groups if either lists bins with names of
    /// several lengths.
    pub fn of_snapshots(old: Option<&[u8]>, new: &[u8]) -> Self {
        let has_groups = |snapshot: &[u8]| {
            CanonicalObject::checked_before(snapshot).is_some_and(lists_bins_of_several_lengths)
        };
        if has_groups(new) || old.is_some_and(has_groups) { Self::Grouped } else { Self::Old }
    }

    /// The form of a canonical snapshot that deltas of this kind start from, and end in.
    ///
    /// # Errors
    /// [`BundleError::Damaged`] if it is no canonical snapshot, or deltas of this kind are not of snapshots.
    pub fn form_of(self, snapshot: &[u8]) -> Result<Cow<'_, [u8]>, BundleError> {
        match self {
            Self::Old => Ok(Cow::Borrowed(snapshot)),
            Self::Grouped => grouped(snapshot).map(Cow::Owned),
            _ => Err(BundleError::Damaged(OTHER_KIND)),
        }
    }

    /// Undoes [`Prediction::form_of`].
    ///
    /// # Errors
    /// [`BundleError::Damaged`] if it is not such a form.
    pub fn snapshot_of(self, form: Vec<u8>) -> Result<Vec<u8>, BundleError> {
        match self {
            Self::Old => Ok(form),
            Self::Grouped => ungrouped(&form),
            _ => Err(BundleError::Damaged(OTHER_KIND)),
        }
    }
}

const OTHER_KIND: &str = "its prediction is of another kind";
const NO_GROUPS: &str = "what a snapshot lists is not in groups by the lengths of names";

fn lists_bins_of_several_lengths(snapshot: CanonicalObject<'_>) -> bool {
    let Some(meta) = snapshot.object("meta") else { return false };
    let (mut first, mut several, mut others) = (None, false, 0);
    for entry in meta.entries() {
        let name = str::from_utf8(entry.raw_key).ok().and_then(|name| name.strip_suffix(".json"));
        match name.and_then(bin_name_parts) {
            Some((prefix, number)) if first.is_none_or(|(of_first, _)| of_first == prefix) => {
                several |= first.is_some_and(|(_, len)| len != number.len());
                first = Some((prefix, number.len()));
            }
            _ => others += 1,
        }
        if others > MAX_OTHERS {
            return false;
        }
    }
    several
}

fn grouped(snapshot: &[u8]) -> Result<Vec<u8>, BundleError> {
    rewritten(snapshot, snapshot.len() + 256, |meta, out| {
        let mut groups: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
        for entry in meta.entries() {
            groups.entry(entry.raw_key.len()).or_default().push(entry.whole);
        }
        let mut groups: Vec<_> =
            groups.into_iter().map(|(len, group)| (len.to_string(), group)).collect();
        groups.sort();
        let mut object = ObjectCopy::new(out);
        for (len, group) in groups {
            let mut entries = ObjectCopy::new(object.key(len.as_bytes()));
            group.into_iter().for_each(|whole| entries.entry(whole));
            entries.end();
        }
        object.end();
        Ok(())
    })
}

fn ungrouped(form: &[u8]) -> Result<Vec<u8>, BundleError> {
    rewritten(form, form.len(), |meta, out| {
        let mut all: Vec<Entry<'_>> = Vec::new();
        for group in meta.entries() {
            let entries = CanonicalObject::of(group).ok_or(BundleError::Damaged(NO_GROUPS))?;
            // So no name stands in two of them.
            let is_here =
                |entry: &Entry<'_>| entry.raw_key.len().to_string().as_bytes() == group.raw_key;
            if !entries.entries().all(|entry| is_here(&entry)) {
                return Err(BundleError::Damaged(NO_GROUPS));
            }
            all.extend(entries.entries());
        }
        all.sort_by(|left, right| unescape(left.raw_key).cmp(&unescape(right.raw_key)));
        let mut object = ObjectCopy::new(out);
        all.into_iter().for_each(|entry| object.entry(entry.whole));
        object.end();
        Ok(())
    })
}

/// The same with another `meta`.
fn rewritten(
    snapshot: &[u8],
    len_bytes: usize,
    write: impl Fn(CanonicalObject<'_>, &mut Vec<u8>) -> Result<(), BundleError>,
) -> Result<Vec<u8>, BundleError> {
    let mut out = Vec::with_capacity(len_bytes);
    let mut object = ObjectCopy::new(&mut out);
    for field in canonical(snapshot)?.entries() {
        if field.raw_key == b"meta" {
            let meta = CanonicalObject::of(field).ok_or(BundleError::Damaged(NO_SNAPSHOT))?;
            write(meta, object.key(b"meta"))?;
        } else {
            object.entry(field.whole);
        }
    }
    object.end();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BitLength;

    fn snapshot(meta: &str) -> Vec<u8> {
        format!(r#"{{"_type":"snapshot","meta":{{{meta}}},"version":7}}"#).into_bytes()
    }

    fn listing(names: &[&str]) -> Vec<u8> {
        let mut names = names.to_vec();
        names.sort_unstable();
        let entry = |name: &&str| format!(r#""{name}.json":{{"version":1}}"#);
        snapshot(&names.iter().map(entry).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn groups_go_by_the_length_of_names() {
        let meta = r#""a.json":{"version":1},"b-0.json":{"version":2},"b-00.json":{"version":3},"b-1.json":{"version":4}"#;
        let groups = r#""6":{"a.json":{"version":1}},"8":{"b-0.json":{"version":2},"b-1.json":{"version":4}},"9":{"b-00.json":{"version":3}}"#;
        let (meta, groups) = (snapshot(meta), snapshot(groups));
        let form = Prediction::Grouped.form_of(&meta).unwrap();
        assert_eq!(str::from_utf8(&form), str::from_utf8(&groups));
        assert_eq!(Prediction::Grouped.snapshot_of(groups).unwrap(), meta);
        assert_eq!(Prediction::Old.form_of(&meta).unwrap(), meta);
        assert_eq!(Prediction::Old.snapshot_of(meta.clone()).unwrap(), meta);
        for kind in [Prediction::FilledIn, Prediction::Touched, Prediction::AllBins] {
            assert!(kind.form_of(&meta).is_err() && kind.snapshot_of(meta.clone()).is_err());
        }
    }

    #[test]
    fn refuses_what_is_not_in_groups() {
        for form in [
            r#""6":{"ab.json":{}}"#,
            r#""6":{"a.json":{},"ab.json":{}}"#,
            r#""06":{"a.json":{}}"#,
            r#""6":1"#,
            r#""a.json":{"version":1}"#,
        ] {
            assert!(Prediction::Grouped.snapshot_of(snapshot(form)).is_err(), "{form}");
        }
        for form in ["", "[]", r#"{"meta":1}"#, r#"{"meta":{} }"#] {
            assert!(Prediction::Grouped.snapshot_of(form.into()).is_err(), "{form}");
            assert!(Prediction::Grouped.form_of(form.as_bytes()).is_err(), "{form}");
        }
    }

    #[test]
    fn only_bins_of_several_lengths_are_grouped() {
        let bins = |bits: u32| {
            let bits = BitLength::new(bits).unwrap();
            bits.bins().map(|bin| bits.role_name("bins", bin)).collect::<Vec<_>>()
        };
        let with = |bits: &[u32]| {
            let names: Vec<String> = bits.iter().flat_map(|&bits| bins(bits)).collect();
            let names: Vec<&str> =
                names.iter().map(String::as_str).chain(["bins", "targets"]).collect();
            listing(&names)
        };
        let kind = |old: Option<&[u8]>, new: &[u8]| Prediction::of_snapshots(old, new);
        assert_eq!(kind(Some(&with(&[4])), &with(&[3])), Prediction::Old);
        assert_eq!(kind(None, &with(&[8])), Prediction::Old);
        assert_eq!(kind(None, &with(&[4, 5])), Prediction::Grouped);
        assert_eq!(kind(Some(&with(&[4])), &with(&[4, 5])), Prediction::Grouped);
        // Let go by a rotation.
        assert_eq!(kind(Some(&with(&[4, 5])), &with(&[5])), Prediction::Grouped);
        // Projects, of which some are called like numbers.
        let projects: Vec<String> = (0..20).map(|n| format!("project-x{n}")).collect();
        let names: Vec<&str> =
            projects.iter().map(String::as_str).chain(["project-bad", "project-face"]).collect();
        assert_eq!(kind(None, &listing(&names)), Prediction::Old);
    }
}
