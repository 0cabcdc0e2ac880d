//! The promises of [`Store`], as checks that every store must pass.
//!
//! A crate with a store of its own runs them in a test:
//!
//! ```
//! use tufold_store::{MemoryStore, conformance::check_store};
//!
//! check_store(MemoryStore::new);
//! ```

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::{Created, Entry, Error, Store};

type Reason = Box<dyn std::error::Error + Send + Sync>;
type Outcome = Result<(), Reason>;
type Check = fn(&dyn Store) -> Outcome;

const NO_LIMIT: u64 = u64::MAX;

const CHECKS: [(&str, Check); 11] = [
    ("gets what was created", gets_what_was_created),
    ("never replaces what was created", never_replaces_what_was_created),
    ("replaces what is mutable", replaces_what_is_mutable),
    ("gets nothing longer than the limit", gets_nothing_longer_than_the_limit),
    ("removes one object", removes_one_object),
    ("lists a folder, sorted", lists_a_folder_sorted),
    ("refuses bad names", refuses_bad_names),
    ("keeps everything through a sync", keeps_everything_through_a_sync),
    ("lets one of many creators win", lets_one_of_many_creators_win),
    ("knows identical bytes from many creators", knows_identical_bytes_from_many_creators),
    ("replaces at one stroke", replaces_at_one_stroke),
];

/// Runs every check, each on a new and empty store from `make`.
///
/// # Panics
/// When a check fails, naming all that did and why.
pub fn check_store<S: Store>(make: impl Fn() -> S) {
    let failures: Vec<String> = CHECKS
        .iter()
        .filter_map(|(name, check)| {
            check(&make()).err().map(|reason| format!("  {name}: {reason}"))
        })
        .collect();
    assert!(failures.is_empty(), "the store breaks its promises:\n{}", failures.join("\n"));
}

fn gets_what_was_created(store: &dyn Store) -> Outcome {
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let objects: [(&str, &[u8]); 5] = [
        ("timestamp.json", b"top"),
        ("metadata/1.root.json", &every_byte),
        ("deltas/roles/a%2Fb/1-2", b"deep"),
        ("deltas/.hidden..name", b"dots"),
        ("metadata/empty", b""),
    ];
    for (name, bytes) in objects {
        expect(&format!("get {name} before"), store.get(name, NO_LIMIT)?, None)?;
        expect(&format!("create {name}"), store.create(name, bytes)?, Created::New)?;
    }
    for (name, bytes) in objects {
        expect(&format!("get {name}"), store.get(name, NO_LIMIT)?.as_deref(), Some(bytes))?;
    }
    expect("get a folder", store.get("metadata", NO_LIMIT)?, None)?;
    expect("get below an object", store.get("timestamp.json/a", NO_LIMIT)?, None)
}

fn never_replaces_what_was_created(store: &dyn Store) -> Outcome {
    expect("first", store.create("a/b", b"one")?, Created::New)?;
    expect("same bytes", store.create("a/b", b"one")?, Created::Identical)?;
    expect("other bytes of that length", store.create("a/b", b"two")?, Created::Differs)?;
    expect("a prefix of the bytes", store.create("a/b", b"on")?, Created::Differs)?;
    expect("no bytes", store.create("a/b", b"")?, Created::Differs)?;
    expect("kept", store.get("a/b", NO_LIMIT)?.as_deref(), Some(&b"one"[..]))
}

fn replaces_what_is_mutable(store: &dyn Store) -> Outcome {
    let bytes = [&b"first"[..], b"the second, longer", b"3", b""];
    for (nth, bytes) in bytes.into_iter().enumerate() {
        match nth % 2 {
            0 => store.replace("metadata/timestamp.json", bytes)?,
            _ => store.sync_and_replace("metadata/timestamp.json", bytes)?,
        }
        let held = store.get("metadata/timestamp.json", NO_LIMIT)?;
        expect("get", held.as_deref(), Some(bytes))?;
    }
    let created = store.create("metadata/timestamp.json", b"other")?;
    expect("create over it", created, Created::Differs)?;
    let only = Entry { name: "metadata/timestamp.json".to_owned(), len_bytes: 0 };
    expect("no other object is left", store.list("")?, vec![only])
}

fn gets_nothing_longer_than_the_limit(store: &dyn Store) -> Outcome {
    store.create("a/five", b"12345")?;
    store.create("a/empty", b"")?;
    for limit in [5, 6, NO_LIMIT] {
        let held = store.get("a/five", limit)?;
        expect(&format!("limit {limit}"), held.as_deref(), Some(&b"12345"[..]))?;
    }
    for limit in [0, 4] {
        match store.get("a/five", limit) {
            Err(Error::TooLarge { name, len_bytes: 5, max_len_bytes })
                if name == "a/five" && max_len_bytes == limit => {}
            other => return Err(format!("limit {limit}: {other:?} is not TooLarge").into()),
        }
    }
    expect("empty under 0", store.get("a/empty", 0)?.as_deref(), Some(&b""[..]))?;
    expect("absent under 0", store.get("a/absent", 0)?, None)
}

fn removes_one_object(store: &dyn Store) -> Outcome {
    store.create("a/b", b"old")?;
    store.create("a/c", b"other")?;
    for absent in ["a/absent", "absent/b", "absent"] {
        store.remove(absent)?;
    }
    store.remove("a")?;
    store.remove("a/b")?;
    store.remove("a/b")?;
    expect("removed", store.get("a/b", NO_LIMIT)?, None)?;
    expect("its neighbour", store.get("a/c", NO_LIMIT)?.as_deref(), Some(&b"other"[..]))?;
    expect("create again", store.create("a/b", b"new")?, Created::New)
}

fn lists_a_folder_sorted(store: &dyn Store) -> Outcome {
    // `.` sorts before `/`, and `/` before letters: not the order in which a tree is walked.
    let names = ["a.b", "a/10.c", "a/9.c", "a/b.d", "a/b/c/d", "a/b/x", "a/c", "aa/b", "b"];
    for (index, name) in names.iter().rev().enumerate() {
        store.create(name, &vec![b'x'; index])?;
    }
    for (prefix, from, to) in
        [("", 0, 9), ("a/", 1, 7), ("a/b/", 4, 6), ("a/b/c/", 4, 5), ("aa/", 7, 8), ("z/", 0, 0)]
    {
        let wanted: Vec<Entry> = names
            .iter()
            .enumerate()
            .take(to)
            .skip(from)
            .map(|(index, name)| Entry {
                name: (*name).to_owned(),
                len_bytes: (names.len() - 1 - index) as u64,
            })
            .collect();
        expect(&format!("list {prefix:?}"), store.list(prefix)?, wanted)?;
    }
    Ok(())
}

fn refuses_bad_names(store: &dyn Store) -> Outcome {
    let bad = [
        "", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/..", "a/../b", "a/./b", "./a", "a\\b",
        "..\\a", "a\0", ".tmp-1", "a/.tmp-1", ".tmp-/a",
    ];
    for name in bad {
        let refusals = [
            ("get", store.get(name, NO_LIMIT).err()),
            ("create", store.create(name, b"x").err()),
            ("replace", store.replace(name, b"x").err()),
            ("remove", store.remove(name).err()),
            ("list", store.list(&format!("{name}/")).err()),
        ];
        for (method, refusal) in refusals {
            if !matches!(refusal, Some(Error::BadName { .. })) {
                return Err(format!("{method} {name:?}: {refusal:?} is not BadName").into());
            }
        }
    }
    for prefix in ["a", "a/b", "//"] {
        if !matches!(store.list(prefix), Err(Error::BadName { .. })) {
            return Err(format!("list {prefix:?} is not BadName").into());
        }
    }
    expect("nothing was made", store.list("")?, Vec::new())
}

fn keeps_everything_through_a_sync(store: &dyn Store) -> Outcome {
    store.sync()?;
    store.create("a/b", b"one")?;
    store.replace("a/c", b"two")?;
    store.create("gone", b"three")?;
    store.remove("gone")?;
    store.sync()?;
    store.sync()?;
    expect("created", store.get("a/b", NO_LIMIT)?.as_deref(), Some(&b"one"[..]))?;
    expect("replaced", store.get("a/c", NO_LIMIT)?.as_deref(), Some(&b"two"[..]))?;
    expect("removed", store.get("gone", NO_LIMIT)?, None)?;
    store.create("b/d", b"four")?;
    store.sync_and_replace("new/c", b"five")?;
    expect("created before", store.get("b/d", NO_LIMIT)?.as_deref(), Some(&b"four"[..]))?;
    expect("replaced after", store.get("new/c", NO_LIMIT)?.as_deref(), Some(&b"five"[..]))
}

fn lets_one_of_many_creators_win(store: &dyn Store) -> Outcome {
    for round in 0..16 {
        let name = format!("round-{round}/object");
        let results = create_from_eight_threads(store, &name, |thread| vec![thread; 50_000])?;
        let winners: Vec<u8> = (0_u8..)
            .zip(&results)
            .filter_map(|(thread, created)| (*created == Created::New).then_some(thread))
            .collect();
        let [winner] = winners[..] else {
            return Err(format!("{name} is new to the threads {winners:?}").into());
        };
        let losers = results.iter().filter(|created| **created == Created::Differs).count();
        expect("threads that were told of other bytes", losers, 7)?;
        if store.get(&name, NO_LIMIT)? != Some(vec![winner; 50_000]) {
            return Err(format!("{name} does not hold the bytes of its creator").into());
        }
    }
    Ok(())
}

fn knows_identical_bytes_from_many_creators(store: &dyn Store) -> Outcome {
    for round in 0..16 {
        let name = format!("round-{round}/object");
        let mut results = create_from_eight_threads(store, &name, |_| vec![b'x'; 50_000])?;
        results.sort_by_key(|created| *created != Created::New);
        let mut wanted = vec![Created::Identical; 8];
        wanted[0] = Created::New;
        expect("results", results, wanted)?;
    }
    Ok(())
}

fn replaces_at_one_stroke(store: &dyn Store) -> Outcome {
    let versions = [vec![b'a'; 10_000], vec![b'b'; 20_000]];
    store.replace("metadata/timestamp.json", &versions[0])?;
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| -> Outcome {
            while !done.load(Ordering::Relaxed) {
                let held = store.get("metadata/timestamp.json", 20_000)?.unwrap_or_default();
                if !versions.contains(&held) {
                    return Err(format!("a reader saw {} mixed bytes", held.len()).into());
                }
            }
            Ok(())
        });
        let written = (0..24)
            .try_for_each(|round| store.replace("metadata/timestamp.json", &versions[round % 2]));
        done.store(true, Ordering::Relaxed);
        let read = reader.join().map_err(|_| "the reader panicked")?;
        written?;
        read
    })
}

/// What eight threads are told that create one name at once; thread `n` brings `bytes(n)`.
fn create_from_eight_threads(
    store: &dyn Store,
    name: &str,
    bytes: impl Fn(u8) -> Vec<u8>,
) -> Result<Vec<Created>, Reason> {
    let start = std::sync::Barrier::new(8);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|thread| {
                let bytes = bytes(thread);
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    store.create(name, &bytes)
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| Ok(thread.join().map_err(|_| "a creator panicked")??))
            .collect()
    })
}

fn expect<T: Debug + PartialEq>(what: &str, got: T, wanted: T) -> Outcome {
    if got == wanted {
        return Ok(());
    }
    Err(format!("{what}: {got:?} instead of {wanted:?}").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryStore;

    /// Forgets to refuse what exists.
    struct Overwriting(MemoryStore);

    impl Store for Overwriting {
        fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
            self.0.get(name, max_len_bytes)
        }
        fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
            self.0.replace(name, bytes).map(|()| Created::New)
        }
        fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
            self.0.replace(name, bytes)
        }
        fn remove(&self, name: &str) -> Result<(), Error> {
            self.0.remove(name)
        }
        fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
            self.0.list(prefix)
        }
        fn sync(&self) -> Result<(), Error> {
            self.0.sync()
        }
    }

    #[test]
    #[should_panic(
        expected = "never replaces what was created: same bytes: New instead of Identical"
    )]
    fn names_the_broken_promise() {
        check_store(|| Overwriting(MemoryStore::new()));
    }
}
