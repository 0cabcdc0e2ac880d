//! Changes to the targets of a document, made without parsing those that stay as they are.

use crate::TargetFile;
use crate::cjson::{CanonicalObject, Entries, ObjectCopy, unescape, write_string};

/// The canonical bytes of a targets document whose targets were changed, and how many were.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Edit {
    /// The document, still with the version and expiry that it had.
    pub canonical: Vec<u8>,
    /// Targets that were not there.
    pub added: u64,
    /// Targets of which something else is said now.
    pub changed: u64,
    /// Targets that are no longer there.
    pub removed: u64,
}

impl Edit {
    /// Makes changes to a targets document of these canonical bytes, which were verified. The changes are sorted by path,
    /// each path once; a target without a file is removed. `None` if there is no such object of targets, or no such
    /// target to be removed.
    pub fn of_targets<'c>(
        canonical: &[u8],
        changes: impl IntoIterator<Item = (&'c str, Option<&'c TargetFile>)>,
    ) -> Option<Self> {
        let mut fields = CanonicalObject::checked_before(canonical)?.entries();
        let targets = loop {
            let (key, value) = fields.peek()?;
            if key == b"targets" {
                break value;
            }
            fields.next()?;
        };
        let mut old = Entries::inside(targets)?;
        let mut edit = Self {
            canonical: Vec::with_capacity(canonical.len() + 512),
            added: 0,
            changed: 0,
            removed: 0,
        };
        let mut file_text = Vec::new();
        edit.canonical.extend_from_slice(&canonical[..canonical.len() - targets.len()]);
        let mut new = ObjectCopy::new(&mut edit.canonical);
        for (path, file) in changes {
            let found = loop {
                let Some((key, _)) = old.peek() else { break None };
                match (*unescape(key)).cmp(path.as_bytes()) {
                    std::cmp::Ordering::Less => new.entry(old.next()?.whole),
                    std::cmp::Ordering::Equal => break Some(old.next()?),
                    std::cmp::Ordering::Greater => break None,
                }
            };
            let Some(file) = file else {
                found?;
                edit.removed += 1;
                continue;
            };
            file_text.clear();
            write_string(path, &mut file_text);
            file_text.push(b':');
            file.write(&mut file_text);
            match found {
                None => edit.added += 1,
                // Equal values have equal canonical bytes.
                Some(entry) if entry.whole == file_text => {}
                Some(_) => edit.changed += 1,
            }
            new.entry(&file_text);
        }
        // What stands behind the last change is not looked at.
        match old.peek() {
            Some(_) => new.entry(old.rest()),
            None => new.append(old.rest()),
        }
        Some(edit)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Digest, Role, Targets};

    const EMPTY: &str = r#"{"_type":"targets","expires":"2030-01-01T00:00:00Z","spec_version":"1.0.34","targets":{},"version":9,"x":{"targets":{}}}"#;

    fn file(length: u64) -> TargetFile {
        TargetFile::new(length, Digest::of(&length.to_le_bytes()))
    }

    /// What parsing the document and writing it again would give, or `None` where a path to be removed is not there.
    fn check(old: &BTreeMap<String, u64>, changes: &BTreeMap<String, Option<u64>>) {
        let mut document: Targets = serde_json::from_str(EMPTY).unwrap();
        let files = |(path, length): (&String, &u64)| (path.clone(), file(*length));
        document.targets = old.iter().map(files).collect();
        let canonical = document.to_canonical();
        let changes: BTreeMap<&str, Option<TargetFile>> =
            changes.iter().map(|(path, length)| (path.as_str(), length.map(file))).collect();
        let edit =
            Edit::of_targets(&canonical, changes.iter().map(|(path, file)| (*path, file.as_ref())));
        let (mut added, mut changed, mut removed, mut missing) = (0, 0, 0, false);
        for (path, file) in &changes {
            match (document.targets.remove(*path), file) {
                (None, None) => missing = true,
                (Some(_), None) => removed += 1,
                (None, Some(_)) => added += 1,
                (Some(old), Some(new)) => changed += u64::from(old != *new),
            }
            if let Some(file) = file {
                document.targets.insert((*path).to_owned(), file.clone());
            }
        }
        let expected = Edit { canonical: document.to_canonical(), added, changed, removed };
        assert_eq!(edit, (!missing).then_some(expected));
    }

    #[test]
    fn what_has_no_targets_is_not_edited() {
        for text in ["[]", "{}", r#"{"targets":[]}"#, r#"{"a":{"targets":{}}}"#] {
            assert_eq!(Edit::of_targets(text.as_bytes(), []), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_edit_is_what_parsing_would_give(
            old in prop::collection::btree_map("[a-c\"\\\\\u{1}é/]{1,3}", 0_u64..4, 0..8),
            changes in prop::collection::btree_map("[a-c\"\\\\\u{1}é/]{1,3}", prop::option::of(0_u64..4), 0..5),
        ) {
            check(&old, &changes);
        }

        #[test]
        fn an_edit_of_what_is_there_is_what_parsing_would_give(
            old in prop::collection::btree_map("[a-f]{1,2}", 0_u64..4, 1..12),
            lengths in prop::collection::vec(prop::option::of(0_u64..4), 12),
            every in 1_usize..4,
        ) {
            let changes = old.keys().cloned().zip(lengths).step_by(every).collect();
            check(&old, &changes);
        }
    }
}
