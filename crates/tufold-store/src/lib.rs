//! Where the files of a repository live.
//!
//! A [`Store`] holds named objects: immutable ones, made once under their final names, and a few
//! mutable ones, replaced as a whole. That is all that a TUF repository needs: write every new file
//! with [`Store::create`], make them durable with one [`Store::sync`], then commit by a
//! [`Store::replace`] of the one file that names them.
//!
//! [`MemoryStore`] keeps objects in memory and [`DirectoryStore`] in a folder; both pass
//! [`conformance::check_store`], and so must any store of another crate. [`lock()`] keeps a second
//! writer out. This crate knows nothing of TUF, and holds no cache, no network code and no `async`.
//!
//! ```
//! use tufold_store::{Created, MemoryStore, Store};
//!
//! let store = MemoryStore::new();
//! assert_eq!(store.create("metadata/1.root.json", b"one")?, Created::New);
//! assert_eq!(store.create("metadata/1.root.json", b"two")?, Created::Differs);
//! store.sync()?;
//! store.replace("metadata/timestamp.json", b"1")?;
//! store.replace("metadata/timestamp.json", b"2")?;
//!
//! assert_eq!(store.get("metadata/1.root.json", 100)?.as_deref(), Some(&b"one"[..]));
//! assert_eq!(store.get("metadata/2.root.json", 100)?, None);
//! let names: Vec<String> = store.list("metadata/")?.into_iter().map(|entry| entry.name).collect();
//! assert_eq!(names, ["metadata/1.root.json", "metadata/timestamp.json"]);
//! # Ok::<(), tufold_store::Error>(())
//! ```

pub mod conformance;
mod directory;
mod draft;
mod durability;
mod error;
mod lock;
mod memory;
mod name;

pub use directory::DirectoryStore;
pub use draft::{LiveDraft, discard_drafts};
pub use error::Error;
pub use lock::{Lock, lock};
pub use memory::MemoryStore;
pub use name::{check_name, check_prefix};

/// Named objects, each written as a whole.
///
/// Names are relative and `/`-separated (see [`check_name`]); every method refuses others with
/// [`Error::BadName`]. A name that is also a folder of another name (`a` and `a/b`) is not
/// portable: a directory cannot hold both.
///
/// Any number of threads may use one store. Between processes the writers take turns (see
/// [`lock()`]); readers need no lock.
pub trait Store: Send + Sync {
    /// The whole object, or `None` if there is none.
    ///
    /// # Errors
    /// [`Error::TooLarge`] when the object is longer than `max_len_bytes`, found out without
    /// reading it whole.
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, Error>;

    /// Creates an immutable object under its final name, and never replaces one.
    ///
    /// The object is durable only after [`Store::sync`]. If writing fails, nothing of it is left.
    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, Error>;

    /// Makes or replaces a mutable object, atomically and durably.
    ///
    /// A reader, and a machine that restarts, sees the old bytes or the new ones and nothing else.
    /// After an error it may be either.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Removes an object; that there is none is no error.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// All objects in a folder and in the folders below it, sorted by the bytes of their names.
    ///
    /// `prefix` is a folder with its closing slash, as in `metadata/`, or empty for the whole
    /// store. A folder that does not exist is empty.
    fn list(&self, prefix: &str) -> Result<Vec<Entry>, Error>;

    /// Makes all that was created so far durable, what [`Created::Identical`] was said of included.
    ///
    /// After an error, whatever was created since the last success is in doubt, even when a later
    /// call succeeds: kernels report a lost write only once.
    fn sync(&self) -> Result<(), Error>;

    /// As [`Store::sync`] and then [`Store::replace`]: whoever sees the new bytes, after a restart too, finds all that was
    /// created before them. A store that can do both with fewer waits for the disk does so.
    ///
    /// # Errors
    /// As of the two.
    fn sync_and_replace(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.sync()?;
        self.replace(name, bytes)
    }
}

/// What [`Store::create`] found.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Created {
    /// There was no such object; now there is.
    New,
    /// The object exists with the same bytes.
    Identical,
    /// The object exists with other bytes, which were kept.
    Differs,
}

/// One object of [`Store::list`].
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Entry {
    /// The whole name, prefix included, as [`Store::get`] takes it.
    pub name: String,
    /// Length of the object.
    pub len_bytes: u64,
}
