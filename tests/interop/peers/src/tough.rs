//! `tough`: fetches every delegated role at once, and checks that each target is where its
//! delegations say.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use data_encoding::HEXLOWER;
use futures::stream;
use tough::{
    Bytes, ExpirationEnforcement, RepositoryLoader, TargetName, Transport, TransportError,
    TransportErrorKind, TransportStream,
};
use url::Url;

use crate::{Answer, Folder, Found, Source, peak_memory_bytes};

#[async_trait::async_trait]
impl Transport for Folder {
    async fn fetch(&self, url: Url) -> Result<TransportStream, TransportError> {
        let name = url.path_segments().and_then(|mut names| names.next_back()).unwrap_or_default();
        match self.read(name) {
            Ok(Some(bytes)) => Ok(Box::pin(stream::iter([Ok(Bytes::from(bytes))]))),
            Ok(None) => Err(TransportError::new(TransportErrorKind::FileNotFound, url)),
            Err(e) => Err(TransportError::new_with_cause(TransportErrorKind::Other, url, e)),
        }
    }
}

pub async fn read(
    source: &Source,
    root: &[u8],
    cache: &Path,
    targets: &[String],
) -> anyhow::Result<Answer> {
    let base = match source {
        Source::Folder(folder) => Url::from_directory_path(&folder.dir)
            .map_err(|()| anyhow!("{}: not an absolute path", folder.dir.display()))?,
        Source::Http(url) => url.clone(),
    };
    let loader = RepositoryLoader::new(&root, base.clone(), base);
    let loader = match source {
        Source::Folder(folder) => loader.transport(folder.clone()),
        Source::Http(_) => loader,
    };
    let repository =
        loader.datastore(cache).expiration_enforcement(ExpirationEnforcement::Safe).load().await?;

    let mut found = BTreeMap::new();
    for path in targets {
        let target = repository.targets().signed.find_target(&TargetName::new(path)?, false);
        let target = target.ok().map(|target| Found {
            length: target.length,
            sha256: HEXLOWER.encode(&target.hashes.sha256),
        });
        found.insert(path.clone(), target);
    }

    let versions = BTreeMap::from([
        ("root", repository.root().signed.version.get()),
        ("timestamp", repository.timestamp().signed.version.get()),
        ("snapshot", repository.snapshot().signed.version.get()),
        ("targets", repository.targets().signed.version.get()),
    ]);
    Ok(Answer {
        versions,
        targets: found,
        requests: source.requests(),
        peak_memory_bytes: peak_memory_bytes(),
    })
}
