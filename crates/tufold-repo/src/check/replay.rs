//! A client's replay: the whole workflow over the published files, from the first root on.

use std::collections::BTreeMap;

use tufold_meta::names::versioned_file_name;
use tufold_meta::{
    Limits, Request, RoleChain, Source, Step, TargetFile, TargetSearch, Time, TrustedSet, Version,
};
use tufold_store::Store;

use crate::error::Error;
use crate::repository::{MAX_DOCUMENT_LEN_BYTES, read};

/// What a replay came to: how many targets it found, and the faults, each with its file.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) found: u64,
    pub(super) faults: Vec<(String, String)>,
}

/// Refreshes as a new client does and looks every sample up.
pub(super) fn replay(
    public: &dyn Store,
    now: Time,
    samples: &BTreeMap<String, TargetFile>,
) -> Result<Replay, Error> {
    let mut replay = Replay::default();
    let client = Client { public };
    let mut set = match client.refresh(now)? {
        Ok(set) => set,
        Err(fault) => {
            replay.faults.push(fault);
            return Ok(replay);
        }
    };
    for (path, listed) in samples {
        match client.find(&mut set, path)? {
            Ok(Some(found)) if found == *listed => replay.found += 1,
            Ok(Some(_)) => {
                replay.faults.push((path.clone(), "is listed twice, and not the same".into()))
            }
            Ok(None) => {
                replay.faults.push((path.clone(), "is listed, but no client finds it".into()))
            }
            Err(fault) => replay.faults.push(fault),
        }
    }
    Ok(replay)
}

/// What is wrong with which file.
type Fault = (String, String);

struct Client<'c> {
    public: &'c dyn Store,
}

impl Client<'_> {
    fn refresh(&self, now: Time) -> Result<Result<TrustedSet, Fault>, Error> {
        let first = versioned_file_name("root", Version::FIRST);
        let Some(root) = read(self.public, &first)? else {
            return Ok(Err((first, "is missing".into())));
        };
        let limits = Limits {
            root_len_bytes: MAX_DOCUMENT_LEN_BYTES,
            timestamp_len_bytes: MAX_DOCUMENT_LEN_BYTES,
            snapshot_len_bytes: MAX_DOCUMENT_LEN_BYTES,
            targets_len_bytes: MAX_DOCUMENT_LEN_BYTES,
            max_root_rotations: u32::MAX,
            ..Limits::default()
        };
        let mut set = match TrustedSet::new(root, now) {
            Ok(set) => set.with_limits(limits),
            Err(error) => return Ok(Err((first, error.to_string()))),
        };
        while let Some(request) = set.root_request() {
            let Some(bytes) = read(self.public, &request.file_name)? else { break };
            if let Err(error) = set.update_root(bytes) {
                return Ok(Err(fault(&request, error)));
            }
        }
        Ok(self.top_level(&mut set)?.map(|()| set))
    }

    fn top_level(&self, set: &mut TrustedSet) -> Result<Result<(), Fault>, Error> {
        let request = match set.timestamp_request() {
            Ok(request) => request,
            Err(error) => return Ok(Err(("root.json".into(), error.to_string()))),
        };
        let Some(bytes) = self.fetch(&request)? else { return Ok(Err(missing(&request))) };
        if let Err(error) = set.update_timestamp(bytes, Source::Fetched) {
            return Ok(Err(fault(&request, error)));
        }
        let request = match set.snapshot_request() {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(("timestamp.json".into(), error.to_string()))),
        };
        let Some(bytes) = self.fetch(&request)? else { return Ok(Err(missing(&request))) };
        if let Err(error) = set.update_snapshot(bytes, Source::Fetched) {
            return Ok(Err(fault(&request, error)));
        }
        let request = match set.targets_request(&RoleChain::top()) {
            Ok(request) => request,
            Err(error) => return Ok(Err(("snapshot.json".into(), error.to_string()))),
        };
        let Some(bytes) = self.fetch(&request)? else { return Ok(Err(missing(&request))) };
        Ok(set.update_targets(bytes).map_err(|error| fault(&request, error)))
    }

    fn find(
        &self,
        set: &mut TrustedSet,
        path: &str,
    ) -> Result<Result<Option<TargetFile>, Fault>, Error> {
        let mut search = TargetSearch::new(path);
        loop {
            match search.step(set) {
                Err(error) => return Ok(Err((path.to_owned(), error.to_string()))),
                Ok(Step::Found { file, .. }) => return Ok(Ok(Some(file))),
                Ok(Step::NotFound { .. }) => return Ok(Ok(None)),
                Ok(Step::Needs { chain, request }) => {
                    let Some(bytes) = self.fetch(&request)? else {
                        return Ok(Err(missing(&request)));
                    };
                    if let Err(error) = set.update_delegated(&chain, bytes) {
                        return Ok(Err(fault(&request, error)));
                    }
                }
            }
        }
    }

    fn fetch(&self, request: &Request) -> Result<Option<Vec<u8>>, Error> {
        read(self.public, &request.file_name)
    }
}

fn fault(request: &Request, error: tufold_meta::Error) -> Fault {
    (request.file_name.clone(), format!("is refused by a client: {error}"))
}

fn missing(request: &Request) -> Fault {
    (request.file_name.clone(), "is missing for a client".into())
}
