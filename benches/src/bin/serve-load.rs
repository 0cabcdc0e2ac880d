//! How a server bears many clients: `serve-load [CLIENTS [SECONDS [BINS]]] [--record FILE]`, 1,000 for a minute by default.
//!
//! Each client has its own trusted state, visits at random while a publisher publishes every second, and opens a new
//! connection for every visit. Prints what the server's memory was on the way, and writes it to FILE. Ends with an error if
//! a single visit failed, or if that memory grew.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tufold_benches::load::{Load, Outcome, SERVER, Sample, run, serve};
use tufold_benches::measure::machine;

/// How many moments are printed.
const SHOWN: usize = 12;

fn main() {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder] = &args[..]
        && first == SERVER
    {
        return serve(Path::new(folder));
    }
    let record = args.iter().position(|arg| arg == "--record").map(|at| {
        let named: Vec<String> = args.drain(at..args.len().min(at + 2)).collect();
        PathBuf::from(named.get(1).expect("--record needs a file"))
    });
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
    let summary = summary(&load, &outcome);
    print!("{summary}");
    let every = outcome.samples.len().div_ceil(SHOWN).max(1);
    let shown = outcome.samples.iter().rev().step_by(every).rev();
    println!("{}", table(shown));
    if let Some(path) = record {
        let commented: String = summary.lines().map(|line| format!("# {line}\n")).collect();
        let text = format!("{}{commented}{}", machine(), table(outcome.samples.iter()));
        std::fs::write(path, text).expect("room for a record");
    }
    assert!(outcome.errors.is_empty(), "{:#?}", &outcome.errors[..outcome.errors.len().min(10)]);
    let (third, last, _) = memory(&outcome);
    assert!(last <= third + third / 5 + (16 << 10), "the server's memory grew");
}

fn summary(load: &Load, outcome: &Outcome) -> String {
    let ms = |share| outcome.quantile(share).as_secs_f64() * 1e3;
    let (third, last, most) = memory(outcome);
    let visits = outcome.visits.len();
    format!(
        "{} clients, {} publishes, {} bins, {visits} visits, {} requests, {} bytes, {} retries, {} errors
a visit: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; clients, publisher and server share the machine
server memory: {third} KiB after a third, {last} KiB at the end, {most} KiB at most
",
        load.clients,
        load.publishes,
        load.bins,
        outcome.requests,
        outcome.bytes,
        outcome.retries,
        outcome.errors.len(),
        ms(0.5),
        ms(0.99),
        ms(1.0),
    )
}

/// The server's memory after a third, at the end and at most, in KiB.
fn memory(outcome: &Outcome) -> (u64, u64, u64) {
    let kib: Vec<u64> = outcome.samples.iter().map(|sample| sample.server_kib).collect();
    let at = |place: usize| kib.get(place).copied().unwrap_or(0);
    let last = at(kib.len().saturating_sub(1));
    (at(kib.len() / 3), last, kib.iter().copied().max().unwrap_or(0))
}

fn table<'s>(samples: impl Iterator<Item = &'s Sample>) -> String {
    let row = |sample: &Sample| {
        let Sample { after, server_kib, visits } = sample;
        format!("{:.1}\t{server_kib}\t{visits}\n", after.as_secs_f64())
    };
    std::iter::once("second\tserver_kib\tvisits\n".to_owned()).chain(samples.map(row)).collect()
}
