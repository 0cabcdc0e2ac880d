//! The publisher of tufold.

mod bases;
pub mod check;
mod commit;
mod deltas;
mod error;
mod init;
mod keyring;
pub mod layout;
mod plan;
mod private;
mod progress;
mod project;
mod prune;
mod publish;
mod rehearsal;
mod repository;
pub mod settings;
pub mod show;
pub mod targets;

pub use commit::Published;
pub use deltas::DeltaCost;
pub use error::Error;
pub use init::NewRepository;
pub use keyring::{KeyRequest, Keyring};
pub use plan::{Counts, Plan, Summary};
pub use progress::{Event, Progress, Stage};
pub use prune::{PrunePlan, Pruner};
pub use publish::{Input, Publisher, Refresh};
pub use repository::Repository;
