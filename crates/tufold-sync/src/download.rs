//! Target files (TUF 5.7).

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use tufold_meta::names::quoted;
use tufold_meta::{FileCheck, TargetFile};
use tufold_store::LiveDraft;

use crate::Error;
use crate::fetch::Fetch;
use crate::parallel::in_parallel;
use crate::progress::{Event, Progress, Stage};
use crate::transfer::Transfer;
use crate::visit::{Listed, Target, Visit};

/// A target file on this machine.
#[derive(Clone, Debug, Eq, PartialEq, serde::Serialize)]
pub struct Downloaded {
    /// The target path.
    pub path: String,
    /// Where the file is.
    pub file: PathBuf,
    /// Whether it was there already, with the listed hashes.
    pub was_there: bool,
}

impl Visit<'_> {
    /// Downloads the files of those targets that are listed into `folder`, which is made if it is
    /// missing. `fetch` holds the target files. Each file is called by its target path, quoted as
    /// one name, as python-tuf does; it appears there only when its length and hashes were checked.
    /// One that is there with the listed hashes is not fetched again.
    ///
    /// # Errors
    /// The first that happens; the other files are complete all the same.
    pub fn download(
        &self,
        targets: &[Target],
        fetch: &dyn Fetch,
        folder: &Path,
        progress: Progress<'_>,
    ) -> Result<Vec<Downloaded>, Error> {
        std::fs::create_dir_all(folder).map_err(cannot_write(folder))?;
        let listed: Vec<(&str, &Listed)> = targets
            .iter()
            .filter_map(|target| Some((target.path.as_str(), target.listed.as_ref()?)))
            .collect();
        progress(Event::Start(Stage::Targets, listed.len() as u64));
        let transfer = Transfer { fetch, ..self.documents.transfer() };
        let threads = transfer.limits.max_parallel;
        let (files, round_trips) = in_parallel(&listed, threads, |(path, listed)| {
            let file = self.download_one(transfer, path, &listed.file, folder);
            progress(Event::Advance(1));
            file
        });
        self.documents.count_round_trips(round_trips);
        progress(Event::Finish);
        files.into_iter().collect()
    }

    fn download_one(
        &self,
        transfer: Transfer<'_>,
        path: &str,
        listed: &TargetFile,
        folder: &Path,
    ) -> Result<Downloaded, Error> {
        let file = folder.join(quoted(path));
        let downloaded =
            |was_there| Downloaded { path: path.to_owned(), file: file.clone(), was_there };
        if is_there(&file, listed) {
            return Ok(downloaded(true));
        }
        let below = self.set.target_file_path(path, listed);
        let below = below.ok_or_else(|| Error::Unchecked { path: path.to_owned() })?;
        let begin = || Draft::begin(folder, listed);
        let draft = transfer.copy(&below, listed.length, begin)?;
        let draft = draft.ok_or_else(|| Error::missing(&below))?;
        // TUF 5.7.2: length and hashes, before anybody can see the file.
        draft.check.finish().map_err(|why| Error::Target { path: path.to_owned(), why })?;
        draft.file.persist(&file).map_err(|error| cannot_write(&file)(error.error))?;
        Ok(downloaded(false))
    }
}

/// A file that is being downloaded. Dropped before its end, it vanishes.
struct Draft {
    file: NamedTempFile,
    check: FileCheck,
    _live: LiveDraft,
}

impl Draft {
    fn begin(folder: &Path, listed: &TargetFile) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".tmp-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder)?;
        let _live = LiveDraft::new(file.path());
        Ok(Self { file, check: listed.checker(), _live })
    }
}

impl Write for Draft {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.check.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether the listed file is at `path` already.
fn is_there(path: &Path, listed: &TargetFile) -> bool {
    let has_length =
        std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.len() == listed.length);
    let Some(mut file) = has_length.then(|| File::open(path).ok()).flatten() else { return false };
    let mut check = listed.checker();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return check.finish().is_ok(),
            Ok(read) => check.update(&buffer[..read]),
            Err(_) => return false,
        }
    }
}

fn cannot_write(path: &Path) -> impl Fn(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Write { path: path.clone(), source }
}
