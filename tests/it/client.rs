//! The plain client over a web server: what it asks for, what it keeps, what it finds.

mod bytes;
mod cache;
mod command;
mod deltas;
mod http2;
mod long_run;
mod mirror;
mod visits;

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tufold_sync::{Client, Cost, Error, Limits, Target};
use tufold_tests::{Server, TestRepo, after, scratch};

/// A repository, a web server in front of it, and a client's folder.
struct Place {
    repo: TestRepo,
    server: Server,
    folder: TempDir,
}

impl Place {
    fn new(layout: &str, paths: &[&str]) -> Self {
        Self::of(TestRepo::planned(layout), paths)
    }

    /// As [`Place::new`] for readers that go by the clock on the wall.
    fn lasting(layout: &str, paths: &[&str]) -> Self {
        Self::of(TestRepo::planned(layout).lasting(), paths)
    }

    fn of(repo: TestRepo, paths: &[&str]) -> Self {
        repo.try_init(tufold_tests::list(paths.iter().copied())).expect("an init");
        let server = Server::of_folder(repo.path().join("public"));
        Self { repo, server, folder: scratch() }
    }

    fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    /// Opens a client that trusts the first root.
    fn client(&self, cache: &Path) -> Client {
        let mut client =
            Client::open(cache, &self.server.url(), Limits::default()).expect("a client");
        let root = std::fs::read(self.repo.metadata().join("1.root.json")).expect("a root");
        client.trust(&root).expect("a root that signs itself");
        client
    }

    /// Looks targets up, an hour after the repository was made.
    fn find(&self, paths: &[&str]) -> Result<(Vec<Target>, Cost), Error> {
        self.server.requests();
        let mut client = self.client(&self.cache());
        let mut visit = client.visit(after("1h"))?;
        let targets = visit.find(paths)?;
        Ok((targets, visit.cost()))
    }

    /// Looks targets up; gives which of them are listed, and the requests.
    fn visit(&self, paths: &[&str]) -> (Vec<bool>, String) {
        let (targets, cost) = self.find(paths).expect("a visit");
        let requests = self.server.requests();
        assert_eq!(cost.requests, requests.len() as u64);
        let listed = targets.iter().map(|target| target.listed.is_some()).collect();
        let names: Vec<_> = requests.iter().map(|path| path.replace("metadata/", "")).collect();
        (listed, names.join(" "))
    }
}
