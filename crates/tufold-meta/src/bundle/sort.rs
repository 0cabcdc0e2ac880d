//! Sorting by paths, of which many begin alike.

use std::borrow::Cow;

/// Something with a path, and eight bytes of it that are compared first.
#[derive(Clone, Copy)]
pub(super) struct Sortable<T> {
    head: u64,
    pub(super) of: T,
}

impl<T> Sortable<T> {
    pub(super) fn new(of: T) -> Self {
        Self { head: 0, of }
    }
}

/// So few are compared whole.
const FEW: usize = 16;

/// Behind so many forks paths are compared whole.
const MOST_FORKS: usize = 16;

/// Sorts; what has the same path stays in the order in which it came.
pub(super) fn sort_by_path<'p, T>(items: &mut [Sortable<T>], path: &impl Fn(&T) -> Cow<'p, [u8]>) {
    sort_behind(items, path, 0, MOST_FORKS);
}

/// Sorts paths that are the same in their first `skip` bytes: by the eight bytes behind all that they share, and then
/// those that share these.
fn sort_behind<'p, T>(
    items: &mut [Sortable<T>],
    path: &impl Fn(&T) -> Cow<'p, [u8]>,
    skip: usize,
    forks: usize,
) {
    if items.len() > FEW && forks > 0 {
        let shared = skip + shared_len(items, path, skip);
        for item in &mut *items {
            item.head = head_of(&path(&item.of)[shared..]);
        }
        items.sort_by_key(|item| item.head);
        if items.first().map(|item| item.head) != items.last().map(|item| item.head) {
            for run in items.chunk_by_mut(|left, right| left.head == right.head) {
                sort_behind(run, path, shared, forks - 1);
            }
            return;
        }
    }
    if items.len() > 1 {
        items.sort_by(|left, right| path(&left.of).cmp(&path(&right.of)));
    }
}

/// How many bytes behind `skip` all paths have in common.
fn shared_len<'p, T>(
    items: &[Sortable<T>],
    path: &impl Fn(&T) -> Cow<'p, [u8]>,
    skip: usize,
) -> usize {
    let Some((first, rest)) = items.split_first() else { return 0 };
    let first = path(&first.of);
    let mut shared = &first[skip..];
    for item in rest {
        let other = path(&item.of);
        if other[skip..].starts_with(shared) {
            continue;
        }
        let same = shared.iter().zip(&other[skip..]).take_while(|(a, b)| a == b).count();
        shared = &shared[..same];
    }
    shared.len()
}

/// The first eight bytes as a number.
fn head_of(rest: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..rest.len().min(8)].copy_from_slice(&rest[..rest.len().min(8)]);
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(paths: &[String]) {
        let mut items: Vec<_> = (0..paths.len()).map(Sortable::new).collect();
        sort_by_path(&mut items, &|&place| Cow::Borrowed(paths[place].as_bytes()));
        let found: Vec<_> =
            items.into_iter().map(|item| (paths[item.of].clone(), item.of)).collect();
        let mut expected: Vec<_> = paths.iter().cloned().zip(0..).collect();
        expected.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_are_sorted_whatever_they_share() {
        let many = |of: &dyn Fn(u64) -> String| -> Vec<String> {
            // A multiplicative generator.
            std::iter::successors(Some(7), |n| Some(n * 48_271 % 2_147_483_647))
                .take(500)
                .map(of)
                .collect()
        };
        let small = |n: u64, end: u64| usize::try_from(n % end).unwrap();
        check(&many(&|n| format!("packages/{n:x}/name-{}.whl", n % 7)));
        // Two that begin otherwise, and most with a long beginning in common.
        check(&many(&|n| match n % 100 {
            0 => format!("a{n}"),
            1 => "simple".to_owned(),
            _ => format!("pool/main/a-very-long-name-of-a-source/{}", n % 300),
        }));
        // One the beginning of the other, with zeros where nothing is.
        check(&many(&|n| "a\0".repeat(small(n, 40))));
        check(&many(&|n| "ab".repeat(small(n, 200))));
        check(&many(&|_| "the same".to_owned()));
        check(&many(&|n| n.to_string())[..1]);
        check(&[]);
    }
}
