//! Whether a repository is whole: every role on its own, every fault reported.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use serde::Serialize;
use tufold_meta::names::{
    METADATA_FOLDER, file_name, meta_name, parse_versioned_file_name, versioned_file_name,
};
use tufold_meta::{
    Bin, BitLength, DelegatedRoles, Delegations, MetaFile, Role, RoleKeys, Selector, Signed,
    SuccinctRoles, Targets, Time, Version,
};

use crate::error::Error;
use crate::progress::{Event, Progress, Stage};
use crate::repository::{Repository, State, Top, read};
use crate::settings::RoleKind;

mod replay;

/// Whether older and uncommitted files are faults.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strictness {
    /// They are notes.
    Usual,
    /// They are faults.
    Strict,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A client would fail, or be told something wrong.
    Fault,
    /// Worth knowing.
    Note,
}

/// One thing that was found.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file that it is about.
    pub file: String,
    /// What was found: a predicate of the file.
    pub message: String,
}

/// What a check found.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Report {
    /// How many roles were checked, the top-level ones included.
    pub roles: u64,
    /// How many targets they list.
    pub targets: u64,
    /// How many bytes of metadata are current.
    pub bytes: u64,
    /// How many targets a client's replay looked up and found.
    pub replayed: u64,
    /// Everything that was found, faults first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether there is no fault.
    pub fn is_sound(&self) -> bool {
        self.findings.iter().all(|finding| finding.severity != Severity::Fault)
    }
}

/// Checks the repository as it is to be read at `now`: signature, version, length, hash and expiry
/// of every role, every target in the bin that it belongs to, files that are missing or left over,
/// and then a client's replay.
pub fn check(
    repository: &Repository,
    now: Time,
    strictness: Strictness,
    progress: Progress<'_>,
) -> Result<Report, Error> {
    let state = match repository.state() {
        Ok(state) => state,
        Err(Error::Damaged { file, problem }) => {
            return behind_damage(repository, now, (file, problem));
        }
        Err(error) => return Err(error),
    };
    let check = Check {
        repository,
        state: &state,
        now,
        findings: Mutex::default(),
        targets: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        samples: Mutex::default(),
    };
    let roles = check.every_role(progress);
    check.private()?;
    check.files(strictness)?;
    let samples = std::mem::take(&mut *check.samples.lock().expect("no check panics"));
    let replay = replay::replay(&*repository.public, now, &samples)?;
    for (file, message) in replay.faults {
        check.fault(&file, message);
    }
    progress(Event::Finish);
    let mut findings = check.findings.into_inner().expect("no check panics");
    findings.sort();
    Ok(Report {
        roles,
        targets: check.targets.into_inner(),
        bytes: check.bytes.into_inner(),
        replayed: replay.found,
        findings,
    })
}

/// What can be said of the rest when a top-level document is damaged, so that its delegations are
/// not known: expiry, and whether each file that the snapshot lists is there, and whole.
fn behind_damage(
    repository: &Repository,
    now: Time,
    (file, message): (String, String),
) -> Result<Report, Error> {
    let fault = |file: &str, message: String| Finding {
        severity: Severity::Fault,
        file: file.to_owned(),
        message,
    };
    let mut findings = vec![fault(&file, message)];
    match repository.top() {
        // It is what the top-level documents hang from.
        Err(Error::Damaged { .. }) => {}
        Err(error) => return Err(error),
        Ok(Top { root, timestamp, snapshot, .. }) => {
            for (file, expires) in [
                (versioned_file_name("root", root.version), root.expires),
                (file_name("timestamp"), timestamp.expires),
                (versioned_file_name("snapshot", snapshot.version), snapshot.expires),
            ] {
                findings.extend(expired(expires, now).map(|message| fault(&file, message)));
            }
            let roles: Vec<_> = snapshot.meta.iter().collect();
            let others = roles.into_par_iter().filter_map(|(name, listed)| {
                let role = name.strip_suffix(".json").unwrap_or(name);
                let other = versioned_file_name(role, listed.version);
                if other == file {
                    return None;
                }
                let problem = read_listed(repository, &other, listed).err();
                problem.map(|message| fault(&other, message))
            });
            findings.par_extend(others);
        }
    }
    findings.sort();
    Ok(Report { findings, ..Report::default() })
}

/// Reads a file that the snapshot lists, its signature not verified.
fn read_listed(
    repository: &Repository,
    file: &str,
    listed: &MetaFile,
) -> Result<Signed<Targets>, String> {
    let bytes = read(&*repository.public, file).map_err(causes)?.ok_or("is missing")?;
    listed.check(&bytes).map_err(|error| error.to_string())?;
    Signed::parse(bytes).map_err(|error| format!("is damaged: {error}"))
}

fn expired(expires: Time, now: Time) -> Option<String> {
    (expires <= now).then(|| format!("expired at {expires}, now it is {now}"))
}

/// The error and what it came from, on one line.
fn causes(error: Error) -> String {
    let error: &dyn std::error::Error = &error;
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ")
}

/// How many roles a client's replay looks a target up in.
const REPLAYED_ROLES: usize = 64;

struct Check<'c> {
    repository: &'c Repository,
    state: &'c State,
    now: Time,
    findings: Mutex<Vec<Finding>>,
    targets: AtomicU64,
    bytes: AtomicU64,
    /// A target of each of some roles, for the replay.
    samples: Mutex<BTreeMap<String, tufold_meta::TargetFile>>,
}

/// Which targets a role may list.
#[derive(Clone, Copy)]
enum Trust<'d> {
    Everything,
    Bin(BitLength, Bin),
    Selector(&'d Selector),
}

impl Check<'_> {
    /// Checks all roles and says how many there are.
    fn every_role(&self, progress: Progress<'_>) -> u64 {
        let State { root, timestamp, snapshot, targets, bins, .. } = self.state;
        let root_file = versioned_file_name("root", root.version);
        self.fresh(&root_file, root.expires);
        let due = self.repository.settings.lifetimes.is_due(RoleKind::Root, root.expires, self.now);
        if due && root.expires > self.now {
            let message =
                format!("expires at {}; only a new root renews it (tufold rotate)", root.expires);
            self.note(&root_file, message);
        }
        self.fresh(&file_name("timestamp"), timestamp.expires);
        self.fresh(&versioned_file_name("snapshot", snapshot.version), snapshot.expires);
        for length in [root.bytes(), timestamp.bytes(), snapshot.bytes()].map(<[u8]>::len) {
            self.bytes.fetch_add(length as u64, Ordering::Relaxed);
        }

        let mut roles: BTreeMap<&str, (&Delegations, &RoleKeys, Trust<'_>)> = BTreeMap::new();
        let delegating = [Some(targets), bins.as_ref()].into_iter().flatten();
        for delegations in delegating.filter_map(|document| document.delegations.as_ref()) {
            match &delegations.roles {
                DelegatedRoles::List(list) => roles.extend(list.iter().map(|role| {
                    (role.name.as_str(), (delegations, &role.keys, Trust::Selector(&role.selector)))
                })),
                DelegatedRoles::Succinct(succinct) => {
                    for name in snapshot.meta.keys() {
                        let role = name.strip_suffix(".json").unwrap_or(name);
                        let bits = succinct.bit_length;
                        if let Some(bin) = bits.parse_role_name(&succinct.name_prefix, role) {
                            let trust = Trust::Bin(bits, bin);
                            roles.insert(role, (delegations, &succinct.keys, trust));
                        }
                    }
                    self.every_bin_is_listed(succinct);
                }
            }
        }
        for name in snapshot.meta.keys() {
            let role = name.strip_suffix(".json").unwrap_or(name);
            if role != "targets" && !roles.contains_key(role) {
                self.note(name, "is in the snapshot, but no role delegates to it");
            }
        }
        let mut all: Vec<_> = roles.into_iter().map(|(role, by)| (role, Some(by))).collect();
        all.push(("targets", None));
        progress(Event::Start(Stage::Check, all.len() as u64));
        all.par_iter().for_each(|(role, by)| {
            let keys = match by {
                None => (&root.keys, &root.roles["targets"]),
                Some((delegations, keys, _)) => (&delegations.keys, *keys),
            };
            let trust = by.as_ref().map_or(&Trust::Everything, |(_, _, trust)| trust);
            self.targets_role(role, keys, *trust);
            progress(Event::Advance(1));
        });
        all.len() as u64 + 3
    }

    fn every_bin_is_listed(&self, succinct: &SuccinctRoles) {
        for bin in succinct.bit_length.bins() {
            let role = succinct.bit_length.role_name(&succinct.name_prefix, bin);
            if !self.state.snapshot.meta.contains_key(&meta_name(&role)) {
                self.fault(&meta_name(&role), "is delegated, but not in the snapshot");
            }
        }
    }

    fn targets_role(
        &self,
        role: &str,
        (keys, role_keys): (
            &BTreeMap<tufold_meta::KeyId, tufold_meta::Key>,
            &tufold_meta::RoleKeys,
        ),
        trust: Trust<'_>,
    ) {
        let Some(listed) = self.state.snapshot.meta.get(&meta_name(role)) else {
            return self.fault(&meta_name(role), "is delegated, but not in the snapshot");
        };
        let file = versioned_file_name(role, listed.version);
        match self.read_role(&file, keys, role_keys, listed) {
            Err(problem) => self.fault(&file, problem),
            Ok(document) => {
                self.fresh(&file, document.expires);
                self.targets.fetch_add(document.targets.len() as u64, Ordering::Relaxed);
                let mut sample = None;
                for (path, target) in &document.targets {
                    if !trust.covers(path) {
                        self.fault(&file, format!("lists {path}, which is not its to list"));
                    }
                    if target.hashes.sha256().is_none() {
                        self.fault(&file, format!("lists {path} without a SHA-256"));
                    }
                    sample = sample.or(Some((path, target)));
                }
                if let Some((path, target)) = sample {
                    let mut samples = self.samples.lock().expect("no check panics");
                    if samples.len() < REPLAYED_ROLES {
                        samples.insert(path.clone(), target.clone());
                    }
                }
            }
        }
    }

    fn read_role(
        &self,
        file: &str,
        keys: &BTreeMap<tufold_meta::KeyId, tufold_meta::Key>,
        role: &tufold_meta::RoleKeys,
        listed: &MetaFile,
    ) -> Result<Targets, String> {
        let signed = read_listed(self.repository, file, listed)?;
        self.bytes.fetch_add(signed.bytes().len() as u64, Ordering::Relaxed);
        let document = signed.verify(keys, role).map_err(|error| error.to_string())?;
        if document.version() != listed.version {
            let (found, expected) = (document.version(), listed.version);
            return Err(format!("has version {found}, expected {expected}"));
        }
        Ok(document.into_payload())
    }

    /// Looks at what the publisher holds: whether the settings are those of the metadata, and
    /// whether clients start from the root that the publisher trusts.
    fn private(&self) -> Result<(), Error> {
        let (layout, _) = self.repository.published_layout(self.state)?;
        if let Some(problem) = self.state.disagreement(&layout) {
            self.fault("private/settings.toml", problem);
        }
        if let Some(roles) = crate::rotate::under_way(&self.repository.private)? {
            let message = format!("a rotation of {roles} is not finished");
            self.note("private/rotation.json", message);
        }
        let first = versioned_file_name("root", Version::FIRST);
        let (pinned, served) =
            (self.repository.private.root()?, read(&*self.repository.public, &first)?);
        if served.is_some() && served != pinned {
            self.fault(&first, "is not the root that the publisher trusts, private/root.json");
        }
        Ok(())
    }

    /// Looks at every file of `metadata/`: what is older than the current version, what an
    /// interrupted publish left, and what does not belong there.
    fn files(&self, strictness: Strictness) -> Result<(), Error> {
        let severity = match strictness {
            Strictness::Usual => Severity::Note,
            Strictness::Strict => Severity::Fault,
        };
        let snapshot = &self.state.snapshot;
        let current = |role: &str| -> Option<Version> {
            match role {
                "root" => Some(self.state.root.version),
                "snapshot" => Some(snapshot.version),
                role => snapshot.meta.get(&meta_name(role)).map(|file| file.version),
            }
        };
        let (_, first_version) = self.repository.published_layout(self.state)?;
        let mut older = 0_u64;
        for entry in self.repository.public.list(METADATA_FOLDER)? {
            let name = entry.name.strip_prefix(METADATA_FOLDER).unwrap_or(&entry.name);
            if name == file_name("timestamp") {
                continue;
            }
            let Some((version, role)) = parse_versioned_file_name(name) else {
                self.find(Severity::Note, name, "is not a metadata file");
                continue;
            };
            match current(&role) {
                Some(current) if version == current => {}
                Some(current) if version < current => older += u64::from(role != "root"),
                Some(_) => self.find(severity, name, "is left of a publish that did not end"),
                // A rotation has let it go.
                None if version < first_version => older += 1,
                None => self.find(severity, name, "belongs to a role that is not published"),
            }
        }
        if older > 0 {
            let files = if older == 1 { "file" } else { "files" };
            let message = format!("holds {older} older {files}, which prune removes");
            self.find(severity, METADATA_FOLDER, message);
        }
        Ok(())
    }

    fn fresh(&self, file: &str, expires: Time) {
        if let Some(message) = expired(expires, self.now) {
            self.fault(file, message);
        }
    }

    fn fault(&self, file: &str, message: impl Into<String>) {
        self.find(Severity::Fault, file, message);
    }

    fn note(&self, file: &str, message: impl Into<String>) {
        self.find(Severity::Note, file, message);
    }

    fn find(&self, severity: Severity, file: &str, message: impl Into<String>) {
        let finding = Finding { severity, file: file.to_owned(), message: message.into() };
        self.findings.lock().expect("no check panics").push(finding);
    }
}

impl Trust<'_> {
    fn covers(self, path: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Bin(bits, bin) => bits.bin(path) == bin,
            Self::Selector(selector) => selector.covers(path),
        }
    }
}
