//! A repository, a server that an attacker may hold, and a client that has visited before.

use std::collections::{BTreeMap, BTreeSet};

use tempfile::TempDir;
use tufold_meta::Time;
use tufold_meta::names::Advertised;
use tufold_sync::{Client, Error, Limits, open_source};
use tufold_tests::forge::bin_of;
use tufold_tests::{Answer, Forge, Server, Site, after, files_of, scratch};

use super::delta_server::{self, DeltaServer, LADDER};

/// The target that clients look for, unless an attack has them look for another.
pub(super) const SOUGHT: &str = "foo.txt";

/// What an attack is made on.
pub(super) struct Scene {
    /// What is signed and published.
    pub(super) forge: Forge,
    /// What the server does instead of giving the published files; by paths.
    pub(super) instead: BTreeMap<String, Answer>,
    /// The client's time.
    pub(super) now: Time,
    /// The client's limits.
    pub(super) limits: Limits,
    /// The target that the client looks for.
    pub(super) sought: String,
    /// What the server does with deltas.
    deltas: DeltaServer,
    /// What was published at the last honest visit.
    honest: Forge,
    /// The client's cache after it.
    before: BTreeMap<String, Vec<u8>>,
    server: Server,
    folder: TempDir,
}

impl Scene {
    /// Root 1, everything else version 3. The timestamp expires after a day, the snapshot after
    /// two, targets roles after three. The client has visited.
    pub(super) fn new(form: &str, deltas: DeltaServer) -> Self {
        let mut forge = Forge::new(form, &[SOUGHT, "bar.txt", "baz/qux.txt"]);
        forge.root.expires = after("9000h");
        forge.timestamp.expires = after("24h");
        forge.snapshot.expires = after("48h");
        let roles: Vec<String> = forge.targets.keys().cloned().collect();
        roles.iter().for_each(|role| forge.role(role).expires = after("72h"));
        if deltas != DeltaServer::None {
            Advertised::set(Advertised::new(LADDER).as_ref(), &mut forge.timestamp.extra);
        }
        forge.publish("root");
        for _ in 0..2 {
            roles.iter().for_each(|role| forge.release(&[role]));
            forge.release(&["snapshot", "timestamp"]);
        }
        let limits = delta_server::impatient();
        let mut scene = Self {
            honest: forge.clone(),
            forge,
            instead: BTreeMap::new(),
            now: after("1h"),
            limits,
            sought: SOUGHT.to_owned(),
            deltas,
            before: BTreeMap::new(),
            server: Server::start(Site::default()),
            folder: scratch(),
        };
        scene.visit_before("found");
        scene
    }

    /// A visit that is no part of the attack, or not yet.
    pub(super) fn visit_before(&mut self, outcome: &str) {
        assert_eq!(self.visit(), outcome, "before the attack");
        self.before = self.cached();
        self.honest = self.forge.clone();
    }

    /// All is again as it was at the last honest visit.
    pub(super) fn end_attack(&mut self) {
        self.forge = self.honest.clone();
        self.instead.clear();
        self.limits = delta_server::impatient();
        self.now = after("1h");
        self.sought = SOUGHT.to_owned();
    }

    /// Whatever file of metadata is asked for, `answer` is what comes.
    pub(super) fn answer(&mut self, file: &str, answer: Answer) {
        self.instead.insert(format!("metadata/{file}"), answer);
    }

    /// The role that lists the usual target.
    pub(super) fn bin() -> String {
        bin_of(SOUGHT)
    }

    /// Publishes the next versions of these roles, of the snapshot and of the timestamp.
    pub(super) fn release(&mut self, roles: &[&str]) {
        self.forge.release(roles);
        self.forge.release(&["snapshot", "timestamp"]);
    }

    /// What comes of a visit that looks up a target and downloads it, in a line.
    pub(super) fn visit(&self) -> String {
        let mut site = self.server.site();
        site.answers = BTreeMap::new();
        for (name, bytes) in &self.forge.files {
            site.answers.insert(format!("metadata/{name}"), Answer::File(bytes.clone()));
        }
        for (path, file) in self.forge.targets.values().flat_map(|role| &role.targets) {
            let hex = file.hashes.hex_for_name();
            let below = tufold_meta::names::target_file_path(path, hex.as_deref());
            let content = Answer::File(path.clone().into_bytes());
            site.answers.insert(format!("targets/{below}"), content);
        }
        site.answers.extend(delta_server::answers(&self.forge, &self.instead, self.deltas));
        site.answers.extend(self.instead.clone());
        drop(site);
        match self.try_visit() {
            Ok(outcome) => outcome,
            Err(error) => error.to_string().replace(&self.server.url(), "SERVER"),
        }
    }

    fn try_visit(&self) -> Result<String, Error> {
        let mut client =
            Client::open(&self.folder.path().join("cache"), &self.server.url(), self.limits)?;
        client.trust(&self.forge.files["1.root.json"])?;
        let mut visit = client.visit(self.now)?;
        let targets = visit.find(&[&self.sought])?;
        let files = open_source(&format!("{}/targets", self.server.url()), &self.limits)?;
        visit.download(&targets, &*files, &self.folder.path().join("files"), &|_| ())?;
        Ok(match (&targets[0].listed, targets[0].left_out) {
            (Some(_), _) => "found".into(),
            (None, 0) => "not listed".into(),
            (None, roles) => format!("not listed, at least {roles} left out"),
        })
    }

    /// What was asked for since the last call: metadata in alphabetical order, and how many deltas.
    pub(super) fn requests(&self) -> (Vec<String>, usize) {
        let (deltas, mut others): (Vec<_>, Vec<_>) =
            self.server.requests().into_iter().partition(|path| path.starts_with("deltas/"));
        others.sort();
        (others, deltas.len())
    }

    /// The files that the client trusts.
    pub(super) fn cached(&self) -> BTreeMap<String, Vec<u8>> {
        files_of(&self.folder.path().join("cache"))
    }

    /// The names of the client's files that came, changed or went since before the attack.
    pub(super) fn changed(&self) -> Vec<String> {
        let now = self.cached();
        let names: BTreeSet<&String> = self.before.keys().chain(now.keys()).collect();
        let changed = names.into_iter().filter(|name| self.before.get(*name) != now.get(*name));
        changed.cloned().collect()
    }

    /// Everything that the client wrote is where it belongs.
    pub(super) fn assert_contained(&self) {
        let mut names: Vec<_> = std::fs::read_dir(self.folder.path())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["cache", "files"]);
        for (name, bytes) in files_of(&self.folder.path().join("files")) {
            // Each target's content is its path, and the name is that path, quoted.
            let path = String::from_utf8(bytes).expect("a target's content");
            assert_eq!(name, tufold_meta::names::quoted(&path));
        }
    }
}
