//! The load of `serve-load`, reduced: nobody waits for a clock.

use std::path::Path;
use std::time::Duration;

use tufold_benches::load::{Load, run};

#[test]
fn clients_stay_current_while_a_publisher_publishes() {
    let load = Load {
        clients: 50,
        publishes: 4,
        interval: Duration::ZERO,
        max_gap: Duration::ZERO,
        targets: 2_000,
        bins: 64,
        cache_bytes: 1 << 20,
    };
    let outcome = run(&load, Path::new(env!("CARGO_BIN_EXE_serve-load")));
    assert_eq!(outcome.errors, [""; 0]);
    assert_eq!(outcome.first_visits.len(), load.clients);
}
