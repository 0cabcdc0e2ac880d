//! `sigstore-tuf`: fetches only the roles on the way to a target, as python-tuf does.

use std::collections::BTreeMap;
use std::path::Path;

use percent_encoding::percent_decode_str;
use sigstore_tuf::transport::FetchFuture;
use sigstore_tuf::{Error, FileStore, HttpRepository, Repository, Updater};

use crate::{Answer, Folder, Found, Source, peak_memory_bytes};

impl Repository for Folder {
    fn fetch_metadata<'a>(&'a self, name: &'a str, max_length: u64) -> FetchFuture<'a> {
        // Over HTTP a web server would undo the quoting of role names.
        let file = percent_decode_str(name).decode_utf8_lossy();
        let result = match self.read(&file) {
            Ok(Some(bytes)) if bytes.len() as u64 > max_length => {
                Err(Error::transport(format!("{name}: {} bytes, limit {max_length}", bytes.len())))
            }
            Ok(bytes) => Ok(bytes),
            Err(e) => Err(Error::transport_with_source(format!("cannot read {name}"), e)),
        };
        Box::pin(async move { result })
    }

    fn fetch_target<'a>(&'a self, path: &'a str, _max_length: u64) -> FetchFuture<'a> {
        Box::pin(async move { Err(Error::transport(format!("{path}: targets are not served"))) })
    }
}

pub async fn read(
    source: &Source,
    root: &[u8],
    cache: &Path,
    targets: &[String],
) -> anyhow::Result<Answer> {
    let now = jiff::Timestamp::now();
    let updater = match source {
        Source::Folder(folder) => Updater::new(folder.clone(), root)?,
        Source::Http(url) => Updater::new(HttpRepository::new(url.as_str())?, root)?,
    };
    let mut updater = updater.with_store(FileStore::new(cache));
    updater.refresh(now).await?;

    let mut found = BTreeMap::new();
    for path in targets {
        let target = updater.get_target_info(path, now).await?;
        let target = target.map(|target| Found {
            length: target.length,
            sha256: target.hashes.get("sha256").cloned().unwrap_or_default(),
        });
        found.insert(path.clone(), target);
    }

    let trusted = updater.trusted();
    let mut versions = BTreeMap::from([("root", trusted.root().version)]);
    versions.extend(trusted.timestamp().map(|role| ("timestamp", role.version)));
    versions.extend(trusted.snapshot().map(|role| ("snapshot", role.version)));
    versions.extend(trusted.targets_role("targets").map(|role| ("targets", role.version)));
    Ok(Answer {
        versions,
        targets: found,
        requests: source.requests(),
        peak_memory_bytes: peak_memory_bytes(),
    })
}
