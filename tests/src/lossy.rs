//! A store on a machine that loses its power.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tufold_store::{Created, Entry, Error, MemoryStore, Store};

/// Keeps objects in memory, and knows which of them would outlive a loss of power.
///
/// What was created or removed since the last sync may be lost, each on its own and in any order, and a created object may
/// also come back cut off or as zeros, as a file does whose name was written before its bytes. [`LossyStore::lose_power_at`]
/// says after how many operations the power goes; from then on every one fails.
#[derive(Clone, Default)]
pub struct LossyStore(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// What is safe.
    durable: BTreeMap<String, Vec<u8>>,
    /// What is to be seen.
    seen: BTreeMap<String, Vec<u8>>,
    operations: u64,
    dies_at: Option<u64>,
    draws: Draws,
}

/// A multiplicative generator: the same draws for the same seed.
#[derive(Clone, Default)]
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 % end
    }
}

/// What an operation may do.
enum Fate {
    Done,
    /// The power goes while it is done.
    Torn,
}

impl LossyStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// The power goes during operation number `operation` from now, counted from 1; `seed` decides what is lost.
    pub fn lose_power_at(&self, operation: u64, seed: u64) {
        let mut state = self.lock();
        state.operations = 0;
        state.dies_at = Some(operation);
        state.draws = Draws(seed % 2_147_483_646 + 1);
    }

    /// How many operations there were that change something, since the last call of [`LossyStore::lose_power_at`].
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// What is left when the power is back.
    #[must_use]
    pub fn restarted(&self) -> Self {
        let state = self.lock();
        let mut draws = state.draws.clone();
        let mut left = BTreeMap::new();
        let names: std::collections::BTreeSet<_> =
            state.durable.keys().chain(state.seen.keys()).collect();
        for name in names {
            let (durable, seen) = (state.durable.get(name), state.seen.get(name));
            let bytes = match (durable, seen) {
                (durable, seen) if durable == seen => durable.cloned(),
                // Created and not synced.
                (None, Some(bytes)) => match draws.below(4) {
                    0 => None,
                    1 => Some(bytes[..bytes.len() / 2].to_vec()),
                    2 => Some(vec![0; bytes.len()]),
                    _ => Some(bytes.clone()),
                },
                // Removed, or removed and made anew.
                (durable, seen) => if draws.below(2) == 0 { durable } else { seen }.cloned(),
            };
            left.extend(bytes.map(|bytes| (name.clone(), bytes)));
        }
        let state = State { durable: left.clone(), seen: left, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// A store of its own that holds the same, all of it safe.
    #[must_use]
    pub fn copied(&self) -> Self {
        let seen = self.lock().seen.clone();
        let state = State { durable: seen.clone(), seen, ..State::default() };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Every object.
    pub fn objects(&self) -> BTreeMap<String, Vec<u8>> {
        self.lock().seen.clone()
    }

    /// The bytes of `metadata/timestamp.json`.
    pub fn timestamp(&self) -> Option<Vec<u8>> {
        self.lock().seen.get("metadata/timestamp.json").cloned()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts an operation.
    fn begin(&self, name: &str) -> Result<(MutexGuard<'_, State>, Fate), Error> {
        let mut state = self.lock();
        state.operations += 1;
        match state.dies_at {
            Some(at) if state.operations > at => Err(off(name)),
            Some(at) if state.operations == at => Ok((state, Fate::Torn)),
            _ => Ok((state, Fate::Done)),
        }
    }
}

fn off(name: &str) -> Error {
    let source = std::io::Error::other("the power is off");
    Error::Io { action: "reach", path: PathBuf::from(name), source }
}

/// A store of memory with these objects, for whatever changes nothing.
fn reader(objects: &BTreeMap<String, Vec<u8>>, name: &str) -> Result<MemoryStore, Error> {
    let store = MemoryStore::new();
    tufold_store::check_name(name)?;
    if let Some(bytes) = objects.get(name) {
        store.create(name, bytes)?;
    }
    Ok(store)
}

impl Store for LossyStore {
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error> {
        reader(&self.lock().seen, name)?.get(name, max_len_bytes)
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error> {
        tufold_store::check_name(name)?;
        let (mut state, fate) = self.begin(name)?;
        let created = match state.seen.get(name) {
            Some(held) if held == bytes => Created::Identical,
            Some(_) => Created::Differs,
            None => {
                state.seen.insert(name.to_owned(), bytes.to_vec());
                Created::New
            }
        };
        if let Fate::Torn = fate { Err(off(name)) } else { Ok(created) }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        tufold_store::check_name(name)?;
        let (mut state, fate) = self.begin(name)?;
        // It is atomic and durable, and says nothing of other objects.
        if !matches!(fate, Fate::Torn) || state.draws.below(2) == 0 {
            state.seen.insert(name.to_owned(), bytes.to_vec());
            state.durable.insert(name.to_owned(), bytes.to_vec());
        }
        if let Fate::Torn = fate { Err(off(name)) } else { Ok(()) }
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        tufold_store::check_name(name)?;
        let (mut state, fate) = self.begin(name)?;
        state.seen.remove(name);
        if let Fate::Torn = fate { Err(off(name)) } else { Ok(()) }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error> {
        tufold_store::check_prefix(prefix)?;
        let state = self.lock();
        let below = state.seen.iter().filter(|(name, _)| name.starts_with(prefix));
        let entry = |(name, bytes): (&String, &Vec<u8>)| Entry {
            name: name.clone(),
            len_bytes: bytes.len() as u64,
        };
        Ok(below.map(entry).collect())
    }

    fn sync(&self) -> Result<(), Error> {
        let (mut state, fate) = self.begin("sync")?;
        let State { durable, seen, draws, .. } = &mut *state;
        let torn = matches!(fate, Fate::Torn);
        for (name, bytes) in &*seen {
            if durable.get(name) != Some(bytes) && (!torn || draws.below(2) == 0) {
                durable.insert(name.clone(), bytes.clone());
            }
        }
        durable.retain(|name, _| seen.contains_key(name) || (torn && draws.below(2) == 0));
        if torn { Err(off("sync")) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_the_suite_of_stores() {
        tufold_store::conformance::check_store(LossyStore::new);
    }

    #[test]
    fn loses_only_what_was_not_synced() {
        let mut cut = 0;
        for seed in 0..64 {
            let store = LossyStore::new();
            store.lose_power_at(4, seed);
            store.create("a", b"safe").unwrap();
            store.sync().unwrap();
            store.create("b", b"in doubt").unwrap();
            assert!(store.remove("a").is_err() && store.sync().is_err());
            let left = store.restarted().objects();
            assert!(left.get("a").is_none_or(|bytes| bytes == b"safe"));
            cut += u32::from(left.get("b").is_some_and(|bytes| bytes != b"in doubt"));
        }
        assert!(cut > 8, "{cut}");
    }
}
