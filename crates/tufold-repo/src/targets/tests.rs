use proptest::prelude::*;
use tufold_meta::{Digest, Hashes};

use super::*;

/// A target whose content is told by `content`.
pub(super) fn target(path: &str, content: &str) -> Target {
    let hashes = Hashes::sha256_only(Digest::of(content.as_bytes()));
    let file = read::plain_file(content.len() as u64, hashes);
    Target { path: TargetPath::new(path).unwrap(), file }
}

fn list(paths: &[&str]) -> TargetList {
    TargetList::from_rows(paths.iter().map(|path| target(path, path)).collect()).unwrap()
}

#[test]
fn sorts_by_path() {
    let list = list(&["b", "a/c", "a-b", "é", "a"]);
    let paths: Vec<&str> = list.rows().iter().map(|row| row.path.as_str()).collect();
    assert_eq!(paths, ["a", "a-b", "a/c", "b", "é"]);
    assert_eq!(list.get("a/c"), Some(&target("a/c", "a/c").file));
    assert_eq!(list.get("c"), None);
}

#[test]
fn names_the_first_row_that_repeats_a_path() {
    let rows = ["b", "c", "a", "c", "b"].map(|path| target(path, path)).to_vec();
    let error = TargetList::from_rows(rows).unwrap_err();
    assert_eq!(error.to_string(), "c is in row 1 and again in row 3");
}

#[test]
fn diff_says_what_is_new_changed_and_gone() {
    let old = list(&["a", "b", "c"]);
    let rows = vec![target("b", "other"), target("c", "c"), target("d", "d")];
    let new = TargetList::from_rows(rows).unwrap();
    let changes = diff(&old, &new);
    let expected = [
        Change::Remove(TargetPath::new("a").unwrap()),
        Change::Put(target("b", "other")),
        Change::Put(target("d", "d")),
    ];
    assert_eq!(changes.rows(), expected);
    assert_eq!(diff(&new, &new), ChangeList::default());
}

#[test]
fn apply_refuses_to_remove_what_is_not_listed() {
    let changes = diff(&list(&["a", "b"]), &list(&["a"]));
    let error = changes.apply(&list(&["a", "c"])).unwrap_err();
    assert_eq!(error.to_string(), "b cannot be removed, it is not listed");
}

fn some_list() -> impl Strategy<Value = TargetList> {
    // Few paths and few contents, so that two lists have much in common.
    proptest::collection::btree_map("[ab]{1,3}(/[ab])?", 0_u8..3, 0..20).prop_map(|rows| {
        let rows = rows.iter().map(|(path, content)| target(path, &content.to_string()));
        TargetList::from_rows(rows.collect()).unwrap()
    })
}

proptest! {
    #[test]
    fn a_diff_applied_to_the_old_gives_the_new(old in some_list(), new in some_list()) {
        let changes = diff(&old, &new);
        prop_assert_eq!(changes.apply(&old).unwrap(), new);
        prop_assert_eq!(ChangeList::from_rows(changes.rows().to_vec()).unwrap(), changes);
    }

    #[test]
    fn any_order_of_rows_is_the_same_list(list in some_list(), seed in any::<[u8; 20]>()) {
        let mut rows = list.clone().into_rows();
        rows.sort_by_key(|row| seed[row.path.as_str().len() % 20] ^ row.path.as_str().as_bytes()[0]);
        prop_assert_eq!(TargetList::from_rows(rows).unwrap(), list);
    }
}
