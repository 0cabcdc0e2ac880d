//! `tufold plan`: the best layout for an index, and when to double its bins.

use std::io::Write;
use std::sync::Arc;

use anyhow::ensure;
use serde::Serialize;
use tufold_growth::{
    Deltas, Explore, PlanOptions, Planned, Priced, Rates, Scenario, Weights, plan,
};
use tufold_serve::{Limits, Page, Server};

use crate::cmd::grow::short;
use crate::interrupt;
use crate::output::{Exit, Out, count};

/// Find the layout that costs least, and say when to double its bins
///
/// Prices every layout for SCENARIO at its real cadence: the bytes of a day that clients fetch, that are published and
/// that are stored, each by its weight. Says why the winner wins, and what would change the answer.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold plan pypi-today
  tufold plan npm --readable-by tough,php-tuf
  tufold plan billion --years 10 --json
  tufold plan pypi-today --serve
  tufold plan drupal --no-deltas --weight-publish 0.1")]
pub(crate) struct Args {
    /// The scenario: its name, or a file
    scenario: String,
    /// How many targets there are instead of the scenario's; all else grows along
    #[arg(long, value_name = "N")]
    targets: Option<u64>,
    /// How many years ahead to look for doublings of the bins
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=50))]
    years: u32,
    /// Clients that have to be able to read it with their default limits: python-tuf, go-tuf, rust-tuf, sigstore-tuf, tough or
    /// php-tuf
    #[arg(long, value_name = "CLIENT", value_delimiter = ',',
        value_parser = ["python-tuf", "go-tuf", "rust-tuf", "sigstore-tuf", "tough", "php-tuf"])]
    readable_by: Vec<String>,
    /// Clients know no deltas: they fetch whole files in gzip
    #[arg(long)]
    no_deltas: bool,
    /// Which deltas are kept
    #[arg(long, value_name = "LADDER", default_value = "pow2:1024")]
    ladder: tufold_delta::Ladder,
    /// The worth of a byte that a client fetches
    #[arg(long, value_name = "W", default_value_t = Weights::default().egress)]
    weight_egress: f64,
    /// The worth of a byte that is published
    #[arg(long, value_name = "W", default_value_t = Weights::default().publish)]
    weight_publish: f64,
    /// The worth of a byte that is stored for a day
    #[arg(long, value_name = "W", default_value_t = Weights::default().storage)]
    weight_storage: f64,
    /// Open the plan as a page with sliders, on this machine only; Ctrl-C ends it
    #[arg(long)]
    serve: bool,
    /// Where to listen; port 0 is any free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8088", requires = "serve")]
    listen: String,
    /// Also take connections from other machines, if --listen names such an address
    #[arg(long, requires = "serve")]
    public: bool,
}

/// Where it listens.
#[derive(Serialize)]
struct Listening {
    url: String,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let mut scenario = Scenario::load(&args.scenario)?;
    if let Some(targets) = args.targets {
        scenario = scenario.scaled(targets);
    }
    let rates = Rates::of(&scenario.name)?;
    let weights = Weights {
        egress: args.weight_egress,
        publish: args.weight_publish,
        storage: args.weight_storage,
    };
    anyhow::ensure!(
        [weights.egress, weights.publish, weights.storage]
            .iter()
            .all(|w| w.is_finite() && *w >= 0.0),
        "a weight is a number from 0 up"
    );
    let deltas = if args.no_deltas { Deltas::Unknown } else { Deltas::Taken };
    let options = PlanOptions {
        ladder: args.ladder,
        weights,
        readable_by: args.readable_by,
        deltas,
        years: args.years,
    };
    if args.serve {
        return serve(Explore::new(scenario, rates, options), &args.listen, args.public, out);
    }
    let planned = plan(&scenario, &rates, &options)?;
    out.result(&planned, |out| text(&planned, out))?;
    Ok(Exit::Yes)
}

/// A person moves a few sliders; whoever else comes waits.
const MAX_CONNECTIONS: usize = 16;

fn serve(explore: Explore, listen: &str, public: bool, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let page = explore.page().to_html();
    let make = move |path: &str, query: &str| match path {
        "/" => Some(Page::Html(page.clone())),
        _ if path == explore.endpoint() => Some(match explore.answer(query) {
            Ok(json) => Page::Json(json),
            Err(error) => Page::Refused(error.to_string()),
        }),
        _ => None,
    };
    let limits = Limits {
        max_connections: MAX_CONNECTIONS,
        max_response_bytes: 16 << 20,
        ..Limits::default()
    };
    let server = Server::bind_pages(Arc::new(make), listen, limits)?;
    let address = server.address();
    ensure!(
        public || address.ip().is_loopback(),
        "{address} can be reached from other machines; --public says that it may"
    );
    let stop = server.stop_handle();
    interrupt::end_with(move || stop.stop());
    let url = format!("http://{address}/");
    out.result(&Listening { url: url.clone() }, |out| writeln!(out, "{url}"))?;
    out.flush()?;
    server.run();
    Ok(Exit::Yes)
}

fn text(planned: &Planned, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    writeln!(
        out,
        "{}, {} targets: {}",
        planned.scenario,
        count(planned.targets),
        planned.best.layout
    )?;
    for reason in &planned.why {
        writeln!(out, "  {reason}")?;
    }
    for refusal in &planned.best.costs.refused {
        writeln!(out, "  {} cannot use it: {}", refusal.client, refusal.why)?;
    }
    writeln!(
        out,
        "\nBest of each form, and the Pareto front (*) of the four costs; all predicted"
    )?;
    writeln!(
        out,
        "  {:34} {:>11} {:>11} {:>13} {:>11} {:>9}",
        "layout", "cold visit", "returning", "published/day", "stored", "price"
    )?;
    for priced in &planned.candidates {
        candidate(priced, &planned.best, out)?;
    }
    if planned.schedule.is_empty() {
        writeln!(out, "\nNo doubling of bins pays in the time that was looked at.")?;
    } else {
        writeln!(out, "\nWhen to double the bins")?;
    }
    schedule(planned, out)?;
    writeln!(out, "\nIf an assumption is wrong")?;
    for row in &planned.sensitivity {
        writeln!(
            out,
            "  {:40} best {:28} at {:>6.1} % of the price; keeping the layout costs {:.2} % more",
            row.assumption, row.best, row.price_percent, row.regret_percent
        )?;
    }
    writeln!(out, "\nListed projects, projects by pattern, and bins: plain / gzip / deltas")?;
    for row in &planned.seed {
        let three = |bytes: &[f64; 3]| bytes.map(short).join(" / ");
        writeln!(
            out,
            "  {:24} cold {:38} returning {}",
            row.layout,
            three(&row.cold_bytes),
            three(&row.warm_bytes)
        )?;
    }
    Ok(())
}

/// When to double the bins, and what each doubling costs whom.
fn schedule(planned: &Planned, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let Some(first) = planned.schedule.first() else { return Ok(()) };
    writeln!(
        out,
        "What the publish writes, and what the next visit takes of readers that have missed nothing else; all predicted"
    )?;
    let held = format!("{:.0} bins held", first.price.held_bins);
    writeln!(
        out,
        "  {:>8} {:>16} {:>11} {:>11} | {:>10} {:>9} {:>8} | {:>13} {:>8} {:>10} {:>10} | {:>10} {:>10}",
        "in years",
        "targets",
        "bins",
        "to",
        "publisher",
        "files",
        "CPU",
        held,
        "1 held",
        "in gzip",
        "as files",
        "mirror",
        "as files"
    )?;
    for doubling in &planned.schedule {
        let price = &doubling.price;
        writeln!(
            out,
            "  {:>8.1} {:>16} {:>11} {:>11} | {:>10} {:>9} {:>6.1} s | {:>13} {:>8} {:>10} {:>10} | {:>10} {:>10}",
            doubling.in_days / 365.25,
            count(doubling.targets),
            count(doubling.from_bins),
            count(doubling.to_bins),
            short(price.metadata_bytes + price.delta_bytes),
            short_count(price.metadata_files + price.delta_files),
            price.cpu_ms.unwrap_or(0.0) / 1_000.0,
            short(price.thin_bytes),
            short(price.thin_bytes_for(1.0)),
            short(price.gzip_bytes),
            short(price.plain_bytes),
            short(price.mirror_bytes),
            short(price.mirror_plain_bytes),
        )?;
    }
    Ok(())
}

/// A number of files, which is not exact.
fn short_count(files: f64) -> String {
    if files < 1e6 { format!("{files:.0}") } else { format!("{:.2} M", files / 1e6) }
}

fn candidate(priced: &Priced, best: &Priced, out: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mark = if priced.on_front { '*' } else { ' ' };
    writeln!(
        out,
        "{mark} {:34} {:>11} {:>11} {:>13} {:>11} {:>7.2} x",
        priced.layout,
        short(priced.cold_bytes),
        short(priced.warm_bytes),
        short(priced.published_bytes_per_day),
        short(priced.stored_bytes),
        priced.price / best.price
    )
}
