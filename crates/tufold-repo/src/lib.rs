//! The publisher: from a list of targets to a signed TUF repository with hashed bins, and on from
//! there.
//!
//! Deciding gives a plan and writes nothing; committing a plan writes `timestamp.json` last. It is
//! not a client (that is `tufold_meta::TrustedSet`), and it prints nothing: progress leaves through
//! a callback.
//!
//! ```
//! use tufold_repo::layout::{Delegation, Layout, SnapshotForm};
//! use tufold_repo::settings::{Lifetimes, Settings};
//! use tufold_repo::targets::{Source, read_targets};
//! use tufold_repo::{KeyRequest, NewRepository};
//!
//! let list = format!("path\tlength\tsha256\nfoo.txt\t3\t{}\n", "2c".repeat(32));
//! let list = read_targets(Source::new("list.tsv", list.as_bytes()), &|_| ())?;
//! let delegation = Delegation::from_parts("bins-succinct", Some(4))?;
//! let settings = Settings {
//!     layout: Layout { delegation, snapshot: SnapshotForm::Versions },
//!     lifetimes: Lifetimes::default(),
//!     ladder: None,
//!     signers: Default::default(),
//! };
//! let folder = tempfile::tempdir()?;
//! let now = "2026-11-22T00:00:00Z".parse()?;
//! let path = folder.path().join("repo");
//! let new = NewRepository::prepare(&path, settings, &KeyRequest::default(), now)?;
//! let plan = new.plan(list)?;
//! assert_eq!(plan.summary().roles, 5);
//! new.commit(plan, &|_| ())?;
//! assert!(path.join("public/metadata/timestamp.json").exists());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bases;
mod bundle_side;
pub mod check;
mod commit;
mod deltas;
mod digests;
mod early_sync;
mod error;
mod folder;
mod init;
mod keyring;
pub mod layout;
mod memory;
mod mirror;
mod place;
mod plan;
mod private;
mod progress;
mod project;
mod prune;
mod publish;
mod rebin;
mod rehearsal;
mod repository;
mod rotate;
pub mod settings;
pub mod show;
mod signer;
pub mod targets;

pub use commit::Published;
pub use deltas::{DeltaCost, Step};
pub use error::Error;
pub use init::NewRepository;
pub use keyring::{KeyRequest, Keyring};
pub use memory::Memory;
pub use mirror::{ChangedDocument, Mirror, OpenBundle, changed_documents};
pub use place::Place;
pub use plan::{Counts, Plan, Summary, Waiting};
pub use progress::{Event, Progress, Stage};
pub use prune::{PrunePlan, Pruner};
pub use publish::{Input, Publisher, Refresh};
pub use rebin::{Advice, Bounds, Passed, RebinCost, RebinPlan, Rebinned, Rebinner};
pub use repository::Repository;
pub use rotate::{
    DocumentStatus, Done, Imported, KeyStatus, NewKeys, Quorum, RotateRequest, Rotated, Rotation,
    RotationStep, Rotator,
};
