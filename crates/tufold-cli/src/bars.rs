//! Progress bars on standard error, if it is a terminal.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use tufold_repo::{Event, Stage};

/// Shows the events of a publisher.
pub(crate) fn bars() -> impl Fn(Event) + Sync {
    let current = Current::default();
    move |event| match event {
        Event::Start(stage, total) => current.start(message(stage), total),
        Event::Advance(steps) => current.advance(steps),
        Event::Finish => current.finish(),
    }
}

/// Shows the events of a client.
pub(crate) fn sync() -> impl Fn(tufold_sync::Event) + Sync {
    use tufold_sync::{Event, Stage};
    let current = Current::default();
    move |event| match event {
        Event::Start(Stage::Roles, total) => current.start("fetching and verifying roles", total),
        Event::Start(Stage::Targets, total) => current.start("downloading targets", total),
        Event::Start(Stage::Sync, total) => current.start("making it durable", total),
        Event::Advance(steps) => current.advance(steps),
        Event::Finish => current.finish(),
    }
}

/// The bar of the stage that is under way.
#[derive(Default)]
struct Current(Mutex<Option<ProgressBar>>);

impl Current {
    fn start(&self, message: &'static str, total: u64) {
        self.put(Some(bar(message, total)));
    }

    fn advance(&self, steps: u64) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(steps);
        }
    }

    fn finish(&self) {
        self.put(None);
    }

    fn put(&self, bar: Option<ProgressBar>) {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *current, bar) {
            old.finish_and_clear();
        }
    }
}

/// Counts the rows of a list that is being read or written.
pub(crate) fn rows(what: &'static str) -> impl Fn(u64) + Sync {
    let bar = ProgressBar::new_spinner();
    bar.set_style(style("{spinner} {msg}: {human_pos} rows, {per_sec}"));
    bar.set_message(what);
    // The bar clears itself when the closure is dropped.
    let bar = bar.with_finish(indicatif::ProgressFinish::AndClear);
    move |rows| bar.set_position(rows)
}

/// Counts the steps of some other work.
pub(crate) fn steps(what: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    bar.set_style(style("{msg} [{bar:32}] {human_pos}/{human_len}"));
    bar.set_message(what);
    bar.with_finish(indicatif::ProgressFinish::AndClear)
}

fn message(stage: Stage) -> &'static str {
    match stage {
        Stage::Compare => "comparing roles",
        Stage::Roles => "signing and writing roles",
        Stage::Deltas => "encoding deltas",
        Stage::Write => "writing files",
        Stage::Sync => "making it durable",
        Stage::Check => "checking roles",
        Stage::Remove => "removing old files",
    }
}

fn bar(message: &'static str, total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    bar.set_style(style("{msg} [{bar:32}] {human_pos}/{human_len} {per_sec}, {eta} left"));
    bar.set_message(message);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
