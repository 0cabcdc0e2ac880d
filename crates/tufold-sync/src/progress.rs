//! Plain events of long work; whoever calls decides how to show them.

/// What is being done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Fetching and verifying roles.
    Roles,
    /// Downloading target files.
    Targets,
    /// Making the files durable.
    Sync,
}

/// One event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A stage of so many steps begins.
    Start(Stage, u64),
    /// So many more steps of the stage are done.
    Advance(u64),
    /// Everything is done.
    Finish,
}

/// Called from any thread.
pub type Progress<'a> = &'a (dyn Fn(Event) + Sync);
