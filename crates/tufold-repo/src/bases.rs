//! Old versions that deltas start from: in `public/` until they are pruned, then packed in `private/bases/`. What spent numbers
//! stand for is packed in `private/bases/spent/` from the first.

use tufold_meta::Version;
use tufold_meta::names::{parse_versioned_file_name, versioned_file_name};
use tufold_store::{Entry, Store};

use crate::deltas::{MAX_BASE_LEN_BYTES, metadata_name};
use crate::error::Error;

/// Packing must not slow a prune down.
const ZSTD_LEVEL: i32 = 6;

/// Where old versions are.
#[derive(Clone, Copy)]
pub(crate) struct Bases<'b> {
    public: &'b dyn Store,
    private: &'b dyn Store,
}

impl<'b> Bases<'b> {
    pub(crate) fn new(public: &'b dyn Store, private: &'b dyn Store) -> Self {
        Self { public, private }
    }

    /// One version of a role's file; `None` if it is nowhere any more.
    pub(crate) fn file(&self, role: &str, version: Version) -> Result<Option<Vec<u8>>, Error> {
        if let Some(file) = self.public.get(&metadata_name(role, version), MAX_BASE_LEN_BYTES)? {
            return Ok(Some(file));
        }
        self.unpack(&packed_name(role, version))
    }

    /// The file that edges from this number start at: what it stands for if it is spent.
    pub(crate) fn start(&self, role: &str, version: Version) -> Result<Option<Vec<u8>>, Error> {
        match self.unpack(&spent_name(role, version))? {
            Some(file) => Ok(Some(file)),
            None => self.file(role, version),
        }
    }

    /// Keeps what a spent number stands for.
    pub(crate) fn keep_spent(
        &self,
        role: &str,
        version: Version,
        file: &[u8],
    ) -> Result<(), Error> {
        self.put(&spent_name(role, version), file)
    }

    fn unpack(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let Some(packed) = self.private.get(name, MAX_BASE_LEN_BYTES)? else { return Ok(None) };
        let damaged = |error: std::io::Error| Error::damaged(&format!("private/{name}"), error);
        let mut decoder = zstd::stream::read::Decoder::new(&packed[..]).map_err(damaged)?;
        let mut file = Vec::new();
        let cap = MAX_BASE_LEN_BYTES;
        std::io::Read::read_to_end(&mut std::io::Read::take(&mut decoder, cap), &mut file)
            .map_err(damaged)?;
        Ok(Some(file))
    }

    /// Whether this version is anywhere.
    pub(crate) fn has(&self, role: &str, version: Version) -> Result<bool, Error> {
        Ok(self.public.get(&metadata_name(role, version), MAX_BASE_LEN_BYTES)?.is_some()
            || self.private.get(&packed_name(role, version), MAX_BASE_LEN_BYTES)?.is_some())
    }

    /// Packs one version before its public file goes.
    pub(crate) fn pack(&self, role: &str, version: Version) -> Result<(), Error> {
        let Some(file) = self.public.get(&metadata_name(role, version), MAX_BASE_LEN_BYTES)? else {
            return Ok(());
        };
        self.put(&packed_name(role, version), &file)
    }

    fn put(&self, name: &str, file: &[u8]) -> Result<(), Error> {
        let packed = zstd::bulk::compress(file, ZSTD_LEVEL)
            .map_err(|error| Error::damaged(&format!("private/{name}"), error))?;
        if self.private.create(name, &packed)? == tufold_store::Created::Differs {
            // Cut off by a crash: public/ still has the file then.
            self.private.remove(name)?;
            self.private.create(name, &packed)?;
        }
        Ok(())
    }

    /// What is packed and not to be kept.
    pub(crate) fn unused(&self, keep: impl Fn(&str, Version) -> bool) -> Result<Vec<Entry>, Error> {
        let mut entries = self.private.list(FOLDER)?;
        entries.retain(|entry| {
            let name = entry.name.strip_prefix(FOLDER).and_then(|name| name.strip_suffix(".zst"));
            let name = name.map(|name| name.strip_prefix(SPENT).unwrap_or(name));
            let parsed = name.and_then(parse_versioned_file_name);
            parsed.is_some_and(|(version, role)| !keep(&role, version))
        });
        Ok(entries)
    }
}

const FOLDER: &str = "bases/";
const SPENT: &str = "spent/";

fn spent_name(role: &str, version: Version) -> String {
    format!("{FOLDER}{SPENT}{}.zst", versioned_file_name(role, version))
}

fn packed_name(role: &str, version: Version) -> String {
    format!("{FOLDER}{}.zst", versioned_file_name(role, version))
}
