//! The served files, and the forms that they are sent in.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Read, Seek};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::UNIX_EPOCH;

use hyper::body::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tufold_delta::{Codec, EncodeOptions, Header, dcz_head, encode};
use tufold_meta::Digest;
use tufold_store::{DirectoryStore, Error as StoreError};

/// Longer files are sent as they are, straight from the disk. It is also the largest window of zstd that every client
/// takes (RFC 9659), and what RFC 9842 allows with any dictionary.
const MAX_IN_MEMORY_LEN_BYTES: u64 = 8 << 20;
/// Files so short are read at once when they are opened.
const MAX_READ_AT_ONCE_LEN_BYTES: u64 = 64 << 10;
/// How many files' digests are kept, and how many names by digest; some 150 bytes each.
const MAX_DIGESTS: usize = 1 << 16;
/// A snapshot of half a megabyte takes 10 ms at this level, and a little more with a dictionary.
const ZSTD_LEVEL: i32 = 9;

/// The files of one folder.
pub(crate) struct Shelf {
    store: Arc<DirectoryStore>,
    digests: Cache<Stamp, Digest>,
    /// The files that were sent and can be dictionaries, by their digests.
    names: Cache<Digest, String>,
    /// By content, so that nothing in it is ever out of date.
    forms: Cache<(Digest, Form), Bytes, Weight>,
    /// Whoever computes holds one.
    coders: Semaphore,
    /// Forms that were computed.
    pub(crate) computed: AtomicU64,
}

/// A file, opened.
pub(crate) struct Document {
    file: File,
    pub(crate) len: u64,
    pub(crate) content: Content,
    /// The whole file, if it was short.
    bytes: Option<Bytes>,
}

/// What tells one content from another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Content {
    /// Its digest.
    Known(Digest),
    /// Of a long file: length, time of the last change, and number on the disk.
    Long([u64; 3]),
}

/// A computed form.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Form {
    Gzip,
    Zstd,
    /// With the file of this digest as dictionary.
    Dcz(Digest),
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Stamp {
    name: String,
    marks: [u64; 3],
}

#[derive(Clone)]
struct Weight;

impl Weighter<(Digest, Form), Bytes> for Weight {
    fn weight(&self, _key: &(Digest, Form), bytes: &Bytes) -> u64 {
        bytes.len() as u64 + 256
    }
}

impl Shelf {
    pub(crate) fn new(store: DirectoryStore, cache_bytes: u64) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            store: Arc::new(store),
            digests: Cache::new(MAX_DIGESTS),
            names: Cache::new(MAX_DIGESTS),
            forms: Cache::with_weighter(1 << 12, cache_bytes, Weight),
            coders: Semaphore::new(threads),
            computed: AtomicU64::new(0),
        }
    }

    /// Keeps in mind that a file with this digest was sent under this name.
    pub(crate) fn note_sent(&self, digest: Digest, name: &str) {
        if self.names.get(&digest).is_none() {
            self.names.insert(digest, name.to_owned());
        }
    }

    /// A file with this digest that was sent.
    pub(crate) fn name_of(&self, digest: Digest) -> Option<String> {
        self.names.get(&digest)
    }

    /// Opens a file; `None` if there is none that is served.
    pub(crate) async fn open(&self, name: String) -> io::Result<Option<Document>> {
        let (store, path) = (self.store.clone(), name.clone());
        let opened = spawn_blocking(move || {
            let Some((file, metadata)) = found(store.open_file(&path))? else { return Ok(None) };
            let (marks, len) = (marks(&metadata), metadata.len());
            let bytes =
                (len <= MAX_READ_AT_ONCE_LEN_BYTES).then(|| read(&file, len)).transpose()?;
            let content = match &bytes {
                Some(bytes) => Some(Content::Known(Digest::of(bytes))),
                None if len > MAX_IN_MEMORY_LEN_BYTES => Some(Content::Long(marks)),
                None => None,
            };
            io::Result::Ok(Some((file, len, marks, bytes, content)))
        });
        let Some((file, len, marks, bytes, content)) = opened.await?? else { return Ok(None) };
        let (file, content) = match content {
            Some(content) => (file, content),
            None => {
                let stamp = Stamp { name, marks };
                let digest = self.digests.get_or_insert_async(&stamp, async {
                    let _coder = self.coders.acquire().await.map_err(io::Error::other)?;
                    let file = file.try_clone()?;
                    spawn_blocking(move || read(&file, len).map(|bytes| Digest::of(&bytes))).await?
                });
                let digest = digest.await?;
                (file, Content::Known(digest))
            }
        };
        Ok(Some(Document { file, len, content, bytes }))
    }

    /// A computed form of a file; `base` is the dictionary if it takes one. Requests for the same form wait for one
    /// computation, which goes on when they give up.
    pub(crate) async fn form(
        self: Arc<Self>,
        document: &Document,
        digest: Digest,
        form: Form,
        base: Option<Document>,
    ) -> io::Result<Bytes> {
        let key = (digest, form);
        if let Some(bytes) = self.forms.get(&key) {
            return Ok(bytes);
        }
        let (file, len) = (document.file.try_clone()?, document.len);
        let computed = tokio::spawn(async move {
            self.forms
                .get_or_insert_async(&key, async {
                    let _coder = self.coders.acquire().await.map_err(io::Error::other)?;
                    self.computed.fetch_add(1, Relaxed);
                    spawn_blocking(move || {
                        let new = read(&file, len)?;
                        let base = base.map(|base| read(&base.file, base.len)).transpose()?;
                        code(form, base.as_deref(), &new)
                    })
                    .await?
                })
                .await
        });
        computed.await?
    }
}

impl Document {
    /// The whole file.
    pub(crate) async fn read(self) -> io::Result<Bytes> {
        match self.bytes {
            Some(bytes) => Ok(bytes),
            None => spawn_blocking(move || read(&self.file, self.len)).await?,
        }
    }

    /// The file from this byte on.
    pub(crate) fn into_file(self, first: u64) -> io::Result<File> {
        let mut file = self.file;
        file.seek(io::SeekFrom::Start(first))?;
        Ok(file)
    }
}

fn code(form: Form, base: Option<&[u8]>, new: &[u8]) -> io::Result<Bytes> {
    let (codec, head) = match form {
        Form::Gzip => (Codec::FullGzip, None),
        Form::Zstd => (Codec::FullZstd, None),
        Form::Dcz(digest) => (Codec::Zstd, Some(dcz_head(*digest.as_bytes()))),
    };
    let options = EncodeOptions { prediction_kind: 0, zstd_level: ZSTD_LEVEL, verify: true };
    let delta = encode(codec, base, new, &options).map_err(io::Error::other)?;
    let (_, payload) = Header::parse(&delta).map_err(io::Error::other)?;
    Ok([head.as_ref().map_or(&[][..], |head| head), payload].concat().into())
}

/// The whole of a file that had this length when it was opened.
fn read(mut file: &File, len: u64) -> io::Result<Bytes> {
    file.rewind()?;
    let mut bytes = Vec::with_capacity(usize::try_from(len).map_err(io::Error::other)?);
    file.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes.into()) } else { Err(ErrorKind::UnexpectedEof.into()) }
}

/// A link, or a file that this process may not read, is as good as none.
fn found(
    opened: Result<Option<(File, Metadata)>, StoreError>,
) -> io::Result<Option<(File, Metadata)>> {
    match opened {
        Ok(found) => Ok(found),
        Err(StoreError::Io { source, .. }) => match source.kind() {
            ErrorKind::PermissionDenied | ErrorKind::InvalidFilename => Ok(None),
            _ => Err(source),
        },
        Err(_) => Ok(None),
    }
}

/// What changes when a file is replaced.
fn marks(metadata: &Metadata) -> [u64; 3] {
    let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let changed = changed.map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    #[cfg(unix)]
    let number = std::os::unix::fs::MetadataExt::ino(metadata);
    #[cfg(not(unix))]
    let number = 0;
    [metadata.len(), changed, number]
}
