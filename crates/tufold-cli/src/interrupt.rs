//! Ctrl-C and SIGTERM.

use std::sync::{Mutex, PoisonError};

type Ending = Box<dyn FnOnce() + Send>;

/// What ends the command that is running, if it wants to end by itself.
static ENDING: Mutex<Option<Ending>> = Mutex::new(None);

/// From now on signals leave nothing behind. A repository, a mirror and a client's cache stay whole wherever work is
/// stopped; only drafts need clearing. Without the handler, a signal simply ends the process.
pub(crate) fn install() {
    let _ = ctrlc::set_handler(|| {
        let ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner).take();
        match ending {
            Some(end) => end(),
            None => {
                tufold_store::discard_drafts();
                std::process::exit(130);
            }
        }
    });
}

/// The first signal calls `end` and no more; the command then ends by itself. The second ends the process.
pub(crate) fn end_with(end: impl FnOnce() + Send + 'static) {
    *ENDING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(end));
}
