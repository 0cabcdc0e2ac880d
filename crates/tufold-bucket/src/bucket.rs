//! The store.

use std::collections::{HashMap, HashSet};
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::{
    BackoffConfig, Error as Refusal, GetResult, ObjectStore, ObjectStoreExt, PutMode, PutOptions,
    PutResult, RetryConfig, UpdateVersion,
};
use tokio::runtime::{Builder, Runtime};
use tufold_store::{Created, Entry, Error as StoreError, Store, check_name, check_prefix};

use crate::{Error, Reader};

const SCHEME: &str = "s3://";

/// A folder of a bucket.
pub struct Bucket {
    url: String,
    runtime: Arc<Runtime>,
    s3: AmazonS3,
    /// Without slashes at either end.
    prefix: String,
    state: Mutex<State>,
    /// Names that are just being created. Some servers look and write in two steps: threads of one process at least do not
    /// meet there.
    creating: Mutex<HashSet<String>>,
    created: Condvar,
}

/// A name that this thread creates.
struct Creating<'b> {
    bucket: &'b Bucket,
    name: String,
}

impl Drop for Creating<'_> {
    fn drop(&mut self) {
        let mut names = self.bucket.creating.lock().unwrap_or_else(PoisonError::into_inner);
        names.remove(&self.name);
        self.bucket.created.notify_all();
    }
}

/// What was seen of the bucket.
#[derive(Default)]
struct State {
    /// What replaced objects were when they were first read or last written; `None` if they were not there.
    versions: HashMap<String, Option<UpdateVersion>>,
    /// An object that is there, by which the server's conditional writes can be tried out.
    witness: Option<(String, Vec<u8>)>,
    conditions_work: bool,
}

/// Whether a text names a bucket rather than a folder.
pub fn is_url(text: &str) -> bool {
    text.starts_with(SCHEME)
}

impl Bucket {
    /// The bucket or the folder of a bucket at `s3://BUCKET/PREFIX`. Nothing is asked of it yet.
    ///
    /// # Errors
    /// Any.
    pub fn open(url: &str) -> Result<Self, Error> {
        let bad = |why| Error::Url { url: url.to_owned(), why };
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| bad("it has another scheme"))?;
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if name.is_empty() {
            return Err(bad("it names no bucket"));
        }
        if !prefix.is_empty() && check_name(prefix).is_err() {
            return Err(bad("its prefix is no plain path"));
        }
        let settings =
            |error: Refusal| Error::Settings { url: url.to_owned(), why: error.to_string() };
        let builder = AmazonS3Builder::from_env();
        check_credentials(&builder)?;
        let plain = allows_http(&builder)?;
        let options = object_store::ClientOptions::new().with_allow_http(plain);
        let builder = builder.with_client_options(options).with_allow_http(plain);
        let s3 = builder.with_bucket_name(name).with_retry(retries()).build().map_err(settings)?;
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
        Ok(Self {
            url: url.to_owned(),
            runtime: Arc::new(runtime.map_err(Error::Threads)?),
            s3,
            prefix: prefix.to_owned(),
            state: Mutex::default(),
            creating: Mutex::default(),
            created: Condvar::new(),
        })
    }

    /// Opens an object for reading; `None` if there is none. Also its length.
    ///
    /// # Errors
    /// As [`Store::get`], but never [`StoreError::TooLarge`].
    pub fn reader(&self, name: &str) -> Result<Option<(u64, Reader)>, StoreError> {
        let found = self.find(name)?;
        Ok(found.map(|found| (found.meta.size, Reader::new(self.runtime.clone(), found))))
    }

    fn find(&self, name: &str) -> Result<Option<GetResult>, StoreError> {
        check_name(name)?;
        let Ok(path) = self.path(name) else { return Ok(None) };
        let found = match self.runtime.block_on(self.s3.get(&path)) {
            Ok(found) => Some(found),
            Err(Refusal::NotFound { .. }) => None,
            Err(_) if self.is_beside_objects(&path) => None,
            Err(error) => return Err(self.failed("read", name, error)),
        };
        let version = found.as_ref().map(|found| UpdateVersion {
            e_tag: found.meta.e_tag.clone(),
            version: found.meta.version.clone(),
        });
        self.state().versions.entry(name.to_owned()).or_insert(version);
        Ok(found)
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        let slash = if self.prefix.is_empty() { "" } else { "/" };
        let path = Path::parse(format!("{}{slash}{name}", self.prefix));
        path.map_err(|_| StoreError::BadName { name: name.to_owned() })
    }

    /// Whether there cannot be an object of this name because others lie below it, or one above. Servers that keep objects
    /// as files fail there instead of saying that there is none.
    fn is_beside_objects(&self, path: &Path) -> bool {
        let below = async { matches!(self.s3.list(Some(path)).next().await, Some(Ok(_))) };
        if self.runtime.block_on(below) {
            return true;
        }
        let ends = path.as_ref().match_indices('/').map(|(end, _)| &path.as_ref()[..end]);
        let mut above = ends.filter_map(|above| Path::parse(above).ok());
        above.any(|above| self.runtime.block_on(self.s3.head(&above)).is_ok())
    }

    /// Waits until no other thread creates this name.
    fn creating(&self, name: &str) -> Creating<'_> {
        let mut names = self.creating.lock().unwrap_or_else(PoisonError::into_inner);
        while names.contains(name) {
            names = self.created.wait(names).unwrap_or_else(PoisonError::into_inner);
        }
        names.insert(name.to_owned());
        Creating { bucket: self, name: name.to_owned() }
    }

    fn put(&self, name: &str, bytes: &[u8], mode: PutMode) -> Result<PutResult, PutError> {
        let path = self.path(name).map_err(PutError::Failed)?;
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = self.s3.put_opts(&path, bytes.to_vec().into(), options);
        self.runtime.block_on(put).map_err(|error| match error {
            Refusal::AlreadyExists { .. } | Refusal::Precondition { .. } => PutError::Condition,
            error => PutError::Failed(self.failed("write", name, error)),
        })
    }

    /// A server that ignores conditions would let two writers win. It is tried with what it holds already, so that one that
    /// fails has lost nothing.
    fn check_conditions(&self) -> Result<(), StoreError> {
        let witness = {
            let state = self.state();
            if state.conditions_work { None } else { state.witness.clone() }
        };
        let Some((name, bytes)) = witness else { return Ok(()) };
        let foreign = UpdateVersion { e_tag: Some("\"0\"".to_owned()), version: None };
        let tries = [("If-None-Match", PutMode::Create), ("If-Match", PutMode::Update(foreign))];
        for (condition, mode) in tries {
            match self.put(&name, &bytes, mode) {
                Err(PutError::Condition) => {}
                Err(PutError::Failed(error)) => return Err(error),
                Ok(_) => {
                    let why = format!("the server ignores {condition}: no write is safe there");
                    let source = io::Error::new(io::ErrorKind::Unsupported, why);
                    let path = PathBuf::from(&self.url);
                    return Err(StoreError::Io { action: "write to", path, source });
                }
            }
        }
        self.state().conditions_work = true;
        Ok(())
    }

    fn failed(&self, action: &'static str, name: &str, error: Refusal) -> StoreError {
        let path = PathBuf::from(format!("{}/{name}", self.url.trim_end_matches('/')));
        let text = whole_story(&error);
        let kind = match error {
            Refusal::NotImplemented { .. } | Refusal::NotSupported { .. } => {
                io::ErrorKind::Unsupported
            }
            Refusal::PermissionDenied { .. } | Refusal::Unauthenticated { .. } => {
                io::ErrorKind::PermissionDenied
            }
            _ if text.contains("501 Not Implemented") => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        let text = match kind {
            io::ErrorKind::Unsupported => format!("the server does not support this: {text}"),
            _ => text,
        };
        StoreError::Io { action, path, source: io::Error::new(kind, text) }
    }

    // No method panics half-way through a change.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why an object was not put.
enum PutError {
    /// It is there, or is another than it should be.
    Condition,
    Failed(StoreError),
}

impl Store for Bucket {
    fn get(&self, name: &str, max_len_bytes: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(found) = self.find(name)? else { return Ok(None) };
        let len_bytes = found.meta.size;
        if len_bytes > max_len_bytes {
            return Err(StoreError::TooLarge { name: name.to_owned(), len_bytes, max_len_bytes });
        }
        let bytes = self.runtime.block_on(found.bytes());
        bytes.map(|bytes| Some(bytes.into())).map_err(|error| self.failed("read", name, error))
    }

    fn create(&self, name: &str, bytes: &[u8]) -> Result<Created, StoreError> {
        check_name(name)?;
        let _creating = self.creating(name);
        loop {
            let created = match self.put(name, bytes, PutMode::Create) {
                Ok(_) => Created::New,
                Err(PutError::Failed(error)) => return Err(error),
                Err(PutError::Condition) => match self.get(name, bytes.len() as u64) {
                    Ok(Some(held)) if held == bytes => Created::Identical,
                    Ok(Some(_)) | Err(StoreError::TooLarge { .. }) => Created::Differs,
                    // Removed meanwhile.
                    Ok(None) => continue,
                    Err(error) => return Err(error),
                },
            };
            if created != Created::Differs {
                let mut state = self.state();
                if state.witness.is_none() {
                    state.witness = Some((name.to_owned(), bytes.to_vec()));
                }
            }
            return Ok(created);
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        check_name(name)?;
        let known = self.state().versions.get(name).cloned();
        let known = match known {
            Some(known) => known,
            // Whoever replaces what it never read wants what is there now to go.
            None => {
                self.find(name)?;
                self.state().versions.get(name).cloned().flatten()
            }
        };
        self.check_conditions()?;
        let mode = known.map_or(PutMode::Create, PutMode::Update);
        let version = match self.put(name, bytes, mode) {
            Ok(put) => UpdateVersion { e_tag: put.e_tag, version: put.version },
            Err(PutError::Failed(error)) => return Err(error),
            Err(PutError::Condition) => {
                self.state().versions.remove(name);
                // An answer that was lost, and the request made again: then these are our own bytes.
                match self.get(name, bytes.len() as u64) {
                    Ok(Some(held)) if held == bytes => return Ok(()),
                    _ => return Err(StoreError::Changed { name: name.to_owned() }),
                }
            }
        };
        self.state().versions.insert(name.to_owned(), Some(version));
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), StoreError> {
        check_name(name)?;
        let Ok(path) = self.path(name) else { return Ok(()) };
        match self.runtime.block_on(self.s3.delete(&path)) {
            Ok(()) | Err(Refusal::NotFound { .. }) => {
                self.state().versions.remove(name);
                Ok(())
            }
            Err(_) if self.is_beside_objects(&path) => Ok(()),
            Err(error) => Err(self.failed("remove", name, error)),
        }
    }

    fn list(&self, prefix: &str) -> Result<Vec<Entry>, StoreError> {
        check_prefix(prefix)?;
        let folder = format!("{}/{}", self.prefix, prefix.trim_end_matches('/'));
        let folder = folder.trim_matches('/');
        let path = Path::parse(folder);
        let path = path.map_err(|_| StoreError::BadName { name: prefix.to_owned() })?;
        let mut stream = self.s3.list(Some(&path));
        let mut entries = Vec::new();
        let cut = if self.prefix.is_empty() { 0 } else { self.prefix.len() + 1 };
        loop {
            let Some(object) = self.runtime.block_on(stream.next()) else { break };
            let object = object.map_err(|error| self.failed("list", prefix, error))?;
            let name = object.location.as_ref().get(cut..).unwrap_or_default();
            // What others put there under a name that is none is not listed.
            if name.starts_with(prefix) && check_name(name).is_ok() {
                entries.push(Entry { name: name.to_owned(), len_bytes: object.size });
            }
        }
        entries.sort_unstable();
        Ok(entries)
    }

    fn sync(&self) -> Result<(), StoreError> {
        // A put that was answered is durable.
        Ok(())
    }
}

/// Only what the environment holds: without it, the library would ask the machine it runs on.
fn check_credentials(builder: &AmazonS3Builder) -> Result<(), Error> {
    const OTHERS: [&str; 3] = [
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    let has = |key| builder.get_config_value(&key).is_some_and(|value| !value.is_empty());
    let anonymous = builder.get_config_value(&AmazonS3ConfigKey::SkipSignature);
    let known = has(AmazonS3ConfigKey::AccessKeyId) && has(AmazonS3ConfigKey::SecretAccessKey);
    if known || anonymous.as_deref() == Some("true") {
        return Ok(());
    }
    if OTHERS.iter().any(|name| std::env::var_os(name).is_some()) {
        return Ok(());
    }
    Err(Error::Environment {
        variable: "AWS_ACCESS_KEY_ID",
        why:
            "and AWS_SECRET_ACCESS_KEY are not set (AWS_SKIP_SIGNATURE=true reads a public bucket)"
                .to_owned(),
    })
}

/// Whether the endpoint is on this machine: no other is talked to in the clear.
fn allows_http(builder: &AmazonS3Builder) -> Result<bool, Error> {
    let endpoint = builder.get_config_value(&AmazonS3ConfigKey::Endpoint).unwrap_or_default();
    let Some(rest) = endpoint.strip_prefix("http://") else { return Ok(false) };
    let authority = rest.split('/').next().unwrap_or(rest);
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or(v6),
        None => authority.split(':').next().unwrap_or(authority),
    };
    let loopback = host.parse::<IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback());
    if loopback {
        return Ok(true);
    }
    Err(Error::Environment {
        variable: "AWS_ENDPOINT_URL",
        why: format!("is {endpoint}: plain http is for this machine only"),
    })
}

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 5,
        retry_timeout: Duration::from_secs(60),
    }
}

/// An error with its causes, in one line.
fn whole_story(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
