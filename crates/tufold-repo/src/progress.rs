//! Plain events of long work; whoever calls decides how to show them.

/// What is being done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Reading and comparing targets roles.
    Compare,
    /// Signing and writing targets roles.
    Roles,
    /// Encoding the deltas of the snapshot and for mirrors.
    Deltas,
    /// Writing files that are made already.
    Write,
    /// Making the files durable.
    Sync,
    /// Checking targets roles.
    Check,
    /// Removing old files.
    Remove,
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
