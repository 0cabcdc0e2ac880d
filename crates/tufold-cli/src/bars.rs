//! Progress bars on standard error, if it is a terminal.

use std::sync::Mutex;

use indicatif::{ProgressBar, ProgressStyle};
use tufold_repo::{Event, Stage};

/// Shows the events of a publisher.
pub(crate) fn bars() -> impl Fn(Event) + Sync {
    let current: Mutex<Option<ProgressBar>> = Mutex::new(None);
    move |event| {
        let mut current = current.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        match event {
            Event::Start(stage, total) => {
                if let Some(old) = current.replace(bar(stage, total)) {
                    old.finish_and_clear();
                }
            }
            Event::Advance(steps) => {
                if let Some(bar) = &*current {
                    bar.inc(steps);
                }
            }
            Event::Finish => {
                if let Some(old) = current.take() {
                    old.finish_and_clear();
                }
            }
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

fn bar(stage: Stage, total: u64) -> ProgressBar {
    let message = match stage {
        Stage::Compare => "comparing roles",
        Stage::Roles => "signing and writing roles",
        Stage::Deltas => "encoding deltas",
        Stage::Write => "writing files",
        Stage::Sync => "making it durable",
        Stage::Check => "checking roles",
        Stage::Remove => "removing old files",
    };
    let bar = ProgressBar::new(total);
    bar.set_style(style("{msg} [{bar:32}] {human_pos}/{human_len} {per_sec}, {eta} left"));
    bar.set_message(message);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
