use tufold_meta::Time;
use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
use tufold_repo::settings::{Lifetimes, Settings};
use tufold_repo::targets::{Source, read_targets};
use tufold_repo::{KeyRequest, NewRepository};

type Repository = (tempfile::TempDir, Vec<u8>, Time);

/// A repository with one target, its root, and the time at which it was made.
pub fn repository() -> Result<Repository, Box<dyn std::error::Error>> {
    let list = format!("path\tlength\tsha256\nfoo.txt\t3\t{}\n", "2c".repeat(32));
    let list = read_targets(Source::new("list.tsv", list.as_bytes()), &|_| ())?;
    let delegation = Delegation::from_parts("bins-succinct", Some(4))?;
    let layout = Layout { delegation, snapshot: SnapshotForm::Versions };
    let settings = Settings { layout, lifetimes: Lifetimes::default(), ladder: None, signers: Default::default() };
    let folder = tempfile::tempdir()?;
    let now = "2026-11-22T00:00:00Z".parse()?;
    let path = folder.path().join("repo");
    let new = NewRepository::prepare(&path, settings, &KeyRequest::default(), now)?;
    let plan = new.plan(list)?;
    new.commit(plan, &|_| ())?;
    let root = std::fs::read(path.join("public/metadata/1.root.json"))?;
    Ok((folder, root, now))
}
