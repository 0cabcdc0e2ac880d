//! The readers of lists: what was read is read again from what is written of it.

use tufold_repo::targets::{
    ChangeList, Source, TargetList, diff, import_debian, read_changes, read_targets,
};

/// A list of targets in either format, compressed or not.
pub fn target_list(data: &[u8]) {
    if let Ok(list) = read_targets(Source::new("list", data), &|_| ()) {
        check_targets(&list);
    }
}

/// A list of changes in either format, compressed or not.
pub fn change_list(data: &[u8]) {
    let Ok(list) = read_changes(Source::new("list", data), &|_| ()) else { return };
    let read = |bytes: &[u8]| read_changes(Source::new("list", bytes), &|_| ()).expect("a list");
    assert!(list.rows().is_sorted_by(|left, right| left.path() < right.path()));
    let mut out = Vec::new();
    list.write(&mut out).expect("memory");
    assert_eq!(read(&out), list);
    // No line, no list: an empty file is refused.
    if list != ChangeList::default() {
        out.clear();
        list.write_json_lines(&mut out).expect("memory");
        assert_eq!(read(&out), list);
    }
    if let Ok(targets) = list.apply(&TargetList::default()) {
        check_targets(&targets);
    }
}

/// A Debian `Packages` file, compressed or not.
pub fn debian(data: &[u8]) {
    if let Ok(list) = import_debian(Source::new("Packages", data), &|_| ()) {
        check_targets(&list);
    }
}

fn check_targets(list: &TargetList) {
    let read = |bytes: &[u8]| read_targets(Source::new("list", bytes), &|_| ()).expect("a list");
    assert!(list.rows().is_sorted_by(|left, right| left.path < right.path));
    let mut out = Vec::new();
    list.write(&mut out).expect("memory");
    assert_eq!(read(&out), *list);
    let empty = TargetList::default();
    if *list != empty {
        out.clear();
        list.write_json_lines(&mut out).expect("memory");
        assert_eq!(read(&out), *list);
    }
    assert_eq!(diff(&empty, list).apply(&empty).as_ref(), Ok(list));
    assert_eq!(diff(list, list), ChangeList::default());
}
