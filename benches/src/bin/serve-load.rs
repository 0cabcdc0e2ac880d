//! How a server bears many clients.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use tufold_benches::load::{Load, Outcome, SERVER, Sample, quantile, run, serve};
use tufold_benches::measure::machine;
use tufold_benches::options::Options;
use tufold_serve::Limits;

const HELP: &str = "How a server bears many clients

serve-load [CLIENTS [SECONDS [BINS]]] [--cache-mib N] [--record FILE]

1,000 clients for a minute at 4,096 bins by default. Each has its own trusted state, visits at random while a publisher publishes every
second, and opens a new connection for every visit. Prints what the server's memory was on the way, and writes it to FILE. Ends with an
error if a single visit failed, or if that memory grew by more than the server's cache may: N MiB, by default the server's own bound.";

/// How many moments are printed.
const SHOWN: usize = 12;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [first, folder, cache_bytes] = &args[..]
        && first == SERVER
    {
        return serve(Path::new(folder), cache_bytes.parse().expect("a number of bytes"));
    }
    let Some(mut options) = Options::of_process() else { return println!("{HELP}") };
    let record = options.take("--record").map(PathBuf::from);
    let cache_mib: Option<u64> = options.number("--cache-mib");
    let args = options.rest(3);
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
        cache_bytes: cache_mib.map_or(Limits::default().cache_bytes, |mib| mib << 20),
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
    assert!(last <= third + third / 20 + (load.cache_bytes >> 10), "the server's memory grew");
}

fn summary(load: &Load, outcome: &Outcome) -> String {
    let (third, last, most) = memory(outcome);
    let times = |visits| {
        let [p50, p99, longest] =
            [0.5, 0.99, 1.0].map(|share| quantile(visits, share).as_secs_f64() * 1e3);
        format!("p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms")
    };
    let visits = outcome.first_visits.len() + outcome.visits.len();
    format!(
        "{} clients, {} publishes, {} bins, a cache of {} MiB, {visits} visits, {} requests, {} bytes, {} retries, {} errors
the first visit of each, all at once: {}
a later visit: {}; clients, publisher and server share the machine
server memory: {third} KiB after a third, {last} KiB at the end, {most} KiB at most
",
        load.clients,
        load.publishes,
        load.bins,
        load.cache_bytes >> 20,
        outcome.requests,
        outcome.bytes,
        outcome.retries,
        outcome.errors.len(),
        times(&outcome.first_visits),
        times(&outcome.visits),
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
