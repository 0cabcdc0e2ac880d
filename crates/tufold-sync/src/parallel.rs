//! Several requests at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Calls `work` for each item, on so many threads; the results stand in the items' order. Gives
/// beside them how many have to wait for one another: the least that so many threads can do. (How many
/// one thread really had is a matter of chance.) Each thread begins with an item of its own, so that as
/// many items as threads wait for none.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> (Vec<R>, u64) {
    if items.len() <= 1 || threads <= 1 {
        return (items.iter().map(work).collect(), items.len() as u64);
    }
    let threads = threads.min(items.len());
    let next = AtomicUsize::new(threads);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    let (next, results, work) = (&next, &results, &work);
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                let mut own = vec![(first, work(&items[first]))];
                while let Some((at, item)) = next_of(next, items) {
                    own.push((at, work(item)));
                }
                results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend(own);
            });
        }
    });
    let mut results =
        std::mem::take(&mut *results.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
    results.sort_unstable_by_key(|(at, _)| *at);
    let waiting = items.len().div_ceil(threads) as u64;
    (results.into_iter().map(|(_, result)| result).collect(), waiting)
}

fn next_of<'i, T>(next: &AtomicUsize, items: &'i [T]) -> Option<(usize, &'i T)> {
    let at = next.fetch_add(1, Relaxed);
    items.get(at).map(|item| (at, item))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_stand_in_order() {
        let items: Vec<u32> = (0..100).collect();
        for threads in [1, 3, 100, 200] {
            let (results, waiting) = in_parallel(&items, threads, |item| item * 2);
            assert!(results.iter().zip(&items).all(|(result, item)| *result == item * 2));
            assert_eq!(waiting, 100_u64.div_ceil(threads as u64));
        }
        assert_eq!(in_parallel(&[] as &[u8], 4, |item| *item), (vec![], 0));
    }
}
