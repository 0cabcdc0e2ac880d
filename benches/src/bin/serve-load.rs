//! How a server bears many clients: `serve-load [CLIENTS [SECONDS [BINS]]]`, 1,000 for a minute by default.
//!
//! Each client has its own trusted state, visits at random while a publisher publishes every second, and opens a new
//! connection for every visit. Ends with an error if a single visit failed, or if the server's memory grew.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::Path;
use std::time::Duration;

use tufold_benches::load::{Load, SERVER, run, serve};

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder] = &args[..]
        && first == SERVER
    {
        return serve(Path::new(folder));
    }
    let number = |at: usize, default: u32| {
        args.get(at).map_or(default, |text| text.parse().expect("a number"))
    };
    let seconds = number(1, 60);
    let load = Load {
        clients: number(0, 1_000) as usize,
        publishes: seconds,
        interval: Duration::from_secs(1),
        max_gap: Duration::from_secs(30),
        targets: 100_000,
        bins: number(2, 4_096).into(),
    };
    let outcome = run(&load, &std::env::current_exe().expect("this program"));
    let ms = |share| outcome.quantile(share).as_secs_f64() * 1e3;
    println!(
        "{} clients, {} publishes, {} visits, {} requests, {} bytes, {} retries, {} errors",
        load.clients,
        load.publishes,
        outcome.visits.len(),
        outcome.requests,
        outcome.bytes,
        outcome.retries,
        outcome.errors.len()
    );
    println!("a visit: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", ms(0.5), ms(0.99), ms(1.0));
    let kib = &outcome.server_kib;
    let third = kib.get(kib.len() / 3).copied().unwrap_or(0);
    let (last, most) = (kib.last().copied().unwrap_or(0), kib.iter().max().copied().unwrap_or(0));
    println!("server memory: {third} KiB after a third, {last} KiB at the end, {most} KiB at most");
    assert!(outcome.errors.is_empty(), "{:#?}", &outcome.errors[..outcome.errors.len().min(10)]);
    assert!(last <= third + third / 5 + (16 << 10), "the server's memory grew");
}
