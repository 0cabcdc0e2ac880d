//! Where a repository is.

use std::path::{Path, PathBuf};

use tufold_meta::names::{METADATA_FOLDER, file_name};
use tufold_store::{DirectoryStore, Store};

use crate::error::Error;
use crate::repository::MAX_DOCUMENT_LEN_BYTES;

/// The two halves of a repository: what is served, and what is the publisher's alone.
pub struct Place {
    name: String,
    private: PathBuf,
    public: Public,
}

enum Public {
    Folder(PathBuf),
    Store(Box<dyn Store>),
}

impl Place {
    /// A folder with `public/` and `private/`.
    pub fn folder(path: &Path) -> Self {
        Self {
            name: path.display().to_string(),
            private: path.join("private"),
            public: Public::Folder(path.join("public")),
        }
    }

    /// What is served is in a store of another kind, which people call `name`; `private` is a folder of this machine.
    pub fn apart(name: &str, public: Box<dyn Store>, private: &Path) -> Self {
        let (name, private) = (name.to_owned(), private.to_owned());
        Self { name, private, public: Public::Store(public) }
    }

    /// The nearest folder that is there to `private/`, for temporary files: it is on the disk that the repository is on.
    pub fn scratch_folder(&self) -> PathBuf {
        let above = self.private.ancestors().skip(1);
        let above = above.filter(|folder| *folder != Path::new(""));
        above.into_iter().find(|folder| folder.is_dir()).unwrap_or(Path::new(".")).to_owned()
    }

    /// As people call it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn private(&self) -> &Path {
        &self.private
    }

    /// The folder that `private/` lies in.
    pub(crate) fn beside_private(&self) -> &Path {
        match self.private.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        }
    }

    /// The served half, if it is there.
    pub(crate) fn public(self) -> Result<Box<dyn Store>, Error> {
        match self.public {
            Public::Store(store) => Ok(store),
            Public::Folder(path) if path.is_dir() => Ok(Box::new(DirectoryStore::open(path)?)),
            Public::Folder(_) => Err(Error::NotARepository(self.name, "public/".to_owned())),
        }
    }

    /// Calls `with` on the served half, which is made if it is missing.
    pub(crate) fn with_public<T>(
        &self,
        with: impl FnOnce(&dyn Store) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &self.public {
            Public::Store(store) => with(&**store),
            Public::Folder(path) => with(&DirectoryStore::create(path)?),
        }
    }

    /// As [`Place::with_public`], but with nothing where nothing is.
    pub(crate) fn with_public_if_any<T>(
        &self,
        with: impl FnOnce(Option<&dyn Store>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match &self.public {
            Public::Store(store) => with(Some(&**store)),
            Public::Folder(path) => match DirectoryStore::open(path) {
                Ok(store) => with(Some(&store)),
                Err(_) => with(None),
            },
        }
    }

    /// An error if there is a repository here already, for whoever has work to do before making one.
    pub fn require_unused(&self) -> Result<(), Error> {
        if self.is_published()? { Err(Error::Exists(self.name.clone())) } else { Ok(()) }
    }

    /// Whether clients can see a repository here.
    pub(crate) fn is_published(&self) -> Result<bool, Error> {
        let name = format!("{METADATA_FOLDER}{}", file_name("timestamp"));
        match &self.public {
            Public::Folder(path) => Ok(path.join(name).exists()),
            Public::Store(store) => Ok(store.get(&name, MAX_DOCUMENT_LEN_BYTES)?.is_some()),
        }
    }

    /// The folder that is served, if it is one.
    pub(crate) fn public_folder(&self) -> Option<&Path> {
        match &self.public {
            Public::Folder(path) => Some(path),
            Public::Store(_) => None,
        }
    }

    /// How the name of `private/` begins before it is whole. Where it is apart, other things may lie beside it.
    pub(crate) fn scratch(&self) -> String {
        let name = self.private.file_name().unwrap_or_default().to_string_lossy();
        match &self.public {
            Public::Folder(_) => ".private-".to_owned(),
            Public::Store(_) => format!(".{name}-tufold-"),
        }
    }
}

/// Removes what killed writers left half-written in a served folder; the writer's lock must be held.
pub(crate) fn remove_temporary(public_folder: Option<&Path>) -> Result<(), Error> {
    match public_folder {
        Some(folder) => Ok(DirectoryStore::open(folder)?.remove_temporary(METADATA_FOLDER)?),
        None => Ok(()),
    }
}
