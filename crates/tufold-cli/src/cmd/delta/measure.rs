//! Times and memory of making and applying deltas.

use std::time::{Duration, Instant};

/// What a delta, or several together, took.
pub(super) struct Measures {
    pub(super) bytes: u64,
    pub(super) encode: Duration,
    pub(super) apply: Duration,
    pub(super) peak_encode: Option<u64>,
    pub(super) peak_apply: Option<u64>,
}

/// Makes something, asks for its size, and applies it for as long as a person does not notice. `None` if it cannot be
/// made.
pub(super) fn measure<T>(
    encode: impl FnOnce() -> anyhow::Result<Option<T>>,
    bytes: impl FnOnce(&T) -> u64,
    apply: impl Fn(&T) -> anyhow::Result<()>,
) -> anyhow::Result<Option<Measures>> {
    let peak = Peak::start();
    let start = Instant::now();
    let Some(made) = encode()? else { return Ok(None) };
    let encode = start.elapsed();
    let peak_encode = peak.and_then(Peak::stop);
    let peak = Peak::start();
    let mut fastest = timed(|| apply(&made))?;
    let peak_apply = peak.and_then(Peak::stop);
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(100) {
        fastest = fastest.min(timed(|| apply(&made))?);
    }
    let bytes = bytes(&made);
    Ok(Some(Measures { bytes, encode, apply: fastest, peak_encode, peak_apply }))
}

fn timed(work: impl Fn() -> anyhow::Result<()>) -> anyhow::Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// The growth of this process's memory, where Linux says it.
struct Peak {
    before: u64,
}

impl Peak {
    /// Sets the kernel's high-water mark back to what is in use.
    fn start() -> Option<Self> {
        std::fs::write("/proc/self/clear_refs", "5").ok()?;
        Some(Self { before: status_bytes("VmRSS:")? })
    }

    fn stop(self) -> Option<u64> {
        Some(status_bytes("VmHWM:")?.saturating_sub(self.before))
    }
}

fn status_bytes(field: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}
