//! The client's own copy of what it accepted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tufold_meta::names::file_name;
use tufold_meta::{Receipt, RoleChain, Version};
use tufold_store::{DirectoryStore, Lock, Store, check_name, lock};

use crate::Error;

/// Holds the lock and the receipts. python-tuf passes over it.
const PRIVATE: &str = ".tufold";
const RECEIPTS: &str = ".tufold/receipts";
/// Bins of former times, of which bins of today can be made.
const ASIDE: &str = ".tufold/bins/";
/// Receipts of a mirror of some hundred thousand roles.
const RECEIPTS_MAX_LEN_BYTES: u64 = 1 << 28;
/// The longest name of a file on the usual file systems.
const NAME_MAX_LEN_BYTES: usize = 255;
/// The folder in which python-tuf 7 keeps every root; its `root.json` is a link into it.
const ROOT_HISTORY: &str = "root_history";

/// A folder laid out as python-tuf's client has it: `root.json`, `timestamp.json`, `snapshot.json`
/// and `<role>.json`, names quoted, each the exact bytes that were accepted. Either client can take
/// over the other's folder.
///
/// One writer works at a time. What is read is never trusted for being there: every document is
/// verified, or recalled by its [`Receipt`], which lies in `.tufold/` beside the root.
#[derive(Debug)]
pub(crate) struct Cache {
    store: DirectoryStore,
    _lock: Lock,
}

impl Cache {
    /// Takes the folder, which is made if it is missing.
    pub(crate) fn open(folder: &Path) -> Result<Self, Error> {
        let store = DirectoryStore::create(folder)?;
        let private = DirectoryStore::create_private(folder.join(PRIVATE))?;
        let lock = lock(&private.root().join("lock"))?;
        store.remove_temporary("")?;
        private.remove_temporary("")?;
        lock.set_cleared();
        Ok(Self { store, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Path {
        self.store.root()
    }

    /// The bytes that lie there for a role. What cannot be read as a plain file of at most
    /// `max_len_bytes` is [`Found::Damaged`].
    pub(crate) fn get(&self, role: &str, max_len_bytes: u64) -> Result<Found, Error> {
        let Some(name) = name_of(role) else { return Ok(Found::Nothing) };
        self.read(&name, max_len_bytes)
    }

    /// The trusted root; python-tuf 7 leaves a link to it.
    pub(crate) fn root(&self, max_len_bytes: u64) -> Result<Found, Error> {
        let path = self.store.root().join("root.json");
        let target = std::fs::read_link(path).unwrap_or_else(|_| PathBuf::from("root.json"));
        let is_ours = target
            .parent()
            .is_some_and(|folder| folder == Path::new("") || folder == Path::new(ROOT_HISTORY));
        match target.to_str() {
            Some(name) if is_ours => self.read(name, max_len_bytes),
            _ => Ok(Found::Damaged),
        }
    }

    fn read(&self, name: &str, max_len_bytes: u64) -> Result<Found, Error> {
        match self.store.get(name, max_len_bytes) {
            Ok(Some(bytes)) => Ok(Found::Bytes(bytes)),
            Ok(None) => Ok(Found::Nothing),
            Err(tufold_store::Error::Io { action, path, source }) => {
                Err(tufold_store::Error::Io { action, path, source }.into())
            }
            Err(_) => Ok(Found::Damaged),
        }
    }

    /// Keeps a top-level role, durably: what a later visit must not fall behind.
    pub(crate) fn keep_top(&self, role: &str, bytes: &[u8]) -> Result<(), Error> {
        Ok(self.store.replace(&file_name(role), bytes)?)
    }

    /// Keeps a targets role. After a crash it may be gone or cut short; then it is fetched again.
    pub(crate) fn keep_targets(&self, role: &str, bytes: &[u8]) -> Result<(), Error> {
        let Some(name) = name_of(role) else { return Ok(()) };
        put(&self.store, &name, bytes)
    }

    /// Removes what lies there for a role.
    pub(crate) fn remove_targets(&self, role: &str) -> Result<(), Error> {
        name_of(role).map_or(Ok(()), |name| Ok(self.store.remove(&name)?))
    }

    /// Keeps what lies there for a role for later, under the version that the bins of that time started at: a bin of today
    /// takes its name.
    pub(crate) fn set_aside(&self, role: &str, first: Version, bytes: &[u8]) -> Result<(), Error> {
        let Some(name) = aside(role, first) else { return Ok(()) };
        put(&self.store, &name, bytes)
    }

    /// What was kept for later.
    pub(crate) fn get_aside(
        &self,
        role: &str,
        first: Version,
        max_len_bytes: u64,
    ) -> Result<Found, Error> {
        aside(role, first).map_or(Ok(Found::Nothing), |name| self.read(&name, max_len_bytes))
    }

    /// Nobody needs it any more.
    pub(crate) fn remove_aside(&self, role: &str, first: Version) -> Result<(), Error> {
        aside(role, first).map_or(Ok(()), |name| Ok(self.store.remove(&name)?))
    }

    /// Removes what was kept of bins that started at no such version.
    pub(crate) fn sweep_aside(&self, is_known: impl Fn(Version) -> bool) -> Result<(), Error> {
        for entry in self.store.list(ASIDE)? {
            let first = entry.name.strip_prefix(ASIDE).and_then(|name| name.split_once('/'));
            let first = first.and_then(|(first, _)| Version::new(first.parse().ok()?));
            if !first.is_some_and(&is_known) {
                self.store.remove(&entry.name)?;
            }
        }
        Ok(())
    }

    /// Removes the timestamp and the snapshot, whose keys were rotated (TUF 5.3.11).
    pub(crate) fn forget_versions(&self) -> Result<(), Error> {
        self.store.remove(&file_name("timestamp"))?;
        self.store.remove(&file_name("snapshot"))?;
        Ok(())
    }

    /// The receipts of earlier visits. Damaged ones are none.
    pub(crate) fn receipts(&self) -> Result<Receipts, Error> {
        match self.read(RECEIPTS, RECEIPTS_MAX_LEN_BYTES)? {
            Found::Bytes(bytes) => Ok(Receipts::parse(&String::from_utf8_lossy(&bytes))),
            Found::Nothing | Found::Damaged => Ok(Receipts::default()),
        }
    }

    pub(crate) fn keep_receipts(&self, receipts: &Receipts) -> Result<(), Error> {
        put(&self.store, RECEIPTS, receipts.to_text().as_bytes())
    }
}

/// What lies in a cache.
#[derive(Debug)]
pub(crate) enum Found {
    Bytes(Vec<u8>),
    Nothing,
    /// Something that no client put there, or not whole.
    Damaged,
}

/// The receipts by role or chain of roles: a line each, the receipt and then the quoted names.
#[derive(Debug, Default)]
pub(crate) struct Receipts {
    by_name: BTreeMap<String, Receipt>,
}

impl Receipts {
    fn parse(text: &str) -> Self {
        let rows = text.lines().filter_map(|line| {
            let (receipt, name) = line.rsplit_once(' ')?;
            Some((name.to_owned(), receipt.parse().ok()?))
        });
        Self { by_name: rows.collect() }
    }

    fn to_text(&self) -> String {
        let rows = self.by_name.iter().map(|(name, receipt)| format!("{receipt} {name}\n"));
        rows.collect()
    }

    pub(crate) fn snapshot(&self) -> Option<&Receipt> {
        self.by_name.get("snapshot")
    }

    pub(crate) fn set_snapshot(&mut self, receipt: Option<Receipt>) {
        match receipt {
            Some(receipt) => self.by_name.insert("snapshot".into(), receipt),
            None => self.by_name.remove("snapshot"),
        };
    }

    pub(crate) fn targets(&self, chain: &RoleChain) -> Option<&Receipt> {
        self.by_name.get(&chain_name(chain))
    }

    pub(crate) fn set_targets(&mut self, chain: &RoleChain, receipt: Receipt) {
        self.by_name.insert(chain_name(chain), receipt);
    }
}

/// `targets/bins-0a`: quoted names hold neither space nor slash.
fn chain_name(chain: &RoleChain) -> String {
    let names: Vec<_> = chain.roles().iter().map(|role| tufold_meta::names::quoted(role)).collect();
    names.join("/")
}

fn aside(role: &str, first: Version) -> Option<String> {
    name_of(role).map(|name| format!("{ASIDE}{first}/{name}"))
}

/// The file of a role; `None` if no file can be called so. Such a role is fetched at each visit.
fn name_of(role: &str) -> Option<String> {
    let name = file_name(role);
    (name.len() <= NAME_MAX_LEN_BYTES && check_name(&name).is_ok()).then_some(name)
}

/// Puts a file in the place of whatever is there, without waiting for the disk.
pub(crate) fn put(store: &DirectoryStore, name: &str, bytes: &[u8]) -> Result<(), Error> {
    store.remove(name)?;
    store.create(name, bytes)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_are_read_as_they_were_written() {
        let receipt: Receipt =
            format!("7 2030-01-01T00:00:00Z 3 9 {}", "0a".repeat(32)).parse().unwrap();
        let mut receipts = Receipts::default();
        receipts.set_snapshot(Some(receipt.clone()));
        let chain = RoleChain::top().delegate("a b/../c\n");
        receipts.set_targets(&chain, receipt.clone());
        let text = receipts.to_text();
        let again = Receipts::parse(&format!("{text}damaged\n1 2 3\n"));
        assert_eq!(again.by_name.len(), 2);
        assert_eq!((again.snapshot(), again.targets(&chain)), (Some(&receipt), Some(&receipt)));
        assert!(text.ends_with(" targets/a%20b%2F..%2Fc%0A\n"), "{text}");
    }

    #[test]
    fn role_names_stay_in_the_folder() {
        let long = "x".repeat(300);
        for (role, name) in [
            ("bins-0a", Some("bins-0a.json")),
            ("../../root", Some("..%2F..%2Froot.json")),
            ("..", Some("...json")),
            ("/etc/passwd", Some("%2Fetc%2Fpasswd.json")),
            ("a\\b\0", Some("a%5Cb%00.json")),
            (".tmp-1", None),
            (&long, None),
        ] {
            assert_eq!(name_of(role).as_deref(), name);
        }
    }
}
