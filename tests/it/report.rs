//! The report, read in a headless Chromium as people read it: `tests/interop/report_page.py` says what is tried.
//!
//! `tests/interop/setup` installs the browser. Without it the tests are skipped, or fail if TUFOLD_INTEROP=1.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde::Deserialize;
use tempfile::tempdir;
use tufold_report::{
    Axis, BarSeries, Bars, Cell, Explorer, Floor, Heat, Lines, Mark, Optimum, Origin, Plot,
    Provenance, Report, Section, Series, Slider, Unit, answer,
};
use tufold_tests::{checked_output, project_dir, tufold_binary};

#[path = "../../crates/tufold-report/examples/sample/rows.rs"]
mod rows;

/// What the script saw.
#[derive(Deserialize)]
struct Seen {
    plots: usize,
    /// Of each number its short and its full text, written by the page's script.
    texts: Vec<(String, String)>,
    /// All that a reader can see.
    shown: String,
    /// Set by what should never run.
    hurt: Option<String>,
}

/// Whether there is a browser; a word on stderr, or a failure, if not.
#[expect(clippy::print_stderr, reason = "a skipped test has no other way to say so")]
fn has_browser() -> bool {
    let there =
        ["/usr/bin/chromium", "/usr/bin/chromedriver"].iter().all(|file| Path::new(file).exists());
    if !there {
        let wanted = std::env::var_os("TUFOLD_INTEROP").is_some_and(|value| value == "1");
        assert!(!wanted, "the browser is missing: run tests/interop/setup");
        eprintln!("skipped: the browser is missing; tests/interop/setup installs it");
    }
    there
}

/// What a script of `tests/interop` prints; it must succeed.
fn script(name: &str, argument: &str, stdin: &str) -> String {
    let mut command = Command::new("python3");
    command.arg("-B").arg(project_dir().join("tests/interop").join(name)).arg(argument);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("python3");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("a script that reads");
    let output = child.wait_with_output().expect("a script that ends");
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

const UNITS: [(Unit, &str); 7] = [
    (Unit::Count, "count"),
    (Unit::Bytes, "bytes"),
    (Unit::Seconds, "seconds"),
    (Unit::Years, "years"),
    (Unit::Ratio, "ratio"),
    (Unit::Percent, "percent"),
    (Unit::BitsPerSecond, "bits-per-second"),
];

/// Has the browser read `report`.
fn read(report: &Report) -> Seen {
    let folder = tempdir().expect("a temporary folder");
    let page = folder.path().join("report.html");
    std::fs::write(&page, report.to_html()).expect("room for a page");
    let seen = read_page(&page);
    assert_eq!(seen.plots, report.sections.len());
    seen
}

/// Has the browser read a page, and compares the numbers that Rust and the page write.
fn read_page(page: &Path) -> Seen {
    let sizes =
        [0.0, 1.0, 0.004_25, 0.999_6, 9.995, 12.345, 124.9, 999.5, 1_125.0, 12_250.0, 427_837.0];
    let large = [9_999_999.0, 4_294_967_296.0, 1.5e15, 2.5e22, -5_235_081.0, 1e-7];
    let values = sizes.into_iter().chain(large);
    let cases: Vec<(f64, Unit, &str)> =
        values.flat_map(|value| UNITS.map(|(unit, name)| (value, unit, name))).collect();
    let asked: Vec<(f64, &str)> = cases.iter().map(|(value, _, name)| (*value, *name)).collect();
    let format = project_dir().join("crates/tufold-report/assets/format.js");
    let format = std::fs::read_to_string(format).expect("the script");
    let stdin = serde_json::json!({ "script": format, "cases": asked }).to_string();
    let seen = script("report_page.py", &page.to_string_lossy(), &stdin);
    let seen: Seen = serde_json::from_str(&seen).expect("JSON");
    assert_eq!(seen.texts.len(), cases.len());
    for ((value, unit, _), (short, full)) in cases.iter().zip(&seen.texts) {
        assert_eq!((short, full), (&unit.short(*value), &unit.full(*value)), "{value} {unit:?}");
    }
    seen
}

#[test]
fn people_can_read_a_report_with_every_kind_of_plot() {
    if !has_browser() {
        return;
    }
    let report = rows::report().expect("the records");
    let seen = read(&report);
    for section in &report.sections {
        assert!(seen.shown.contains(&section.finding), "{} is not shown", section.finding);
    }
}

#[test]
fn people_can_read_what_grow_writes() {
    if !has_browser() {
        return;
    }
    let folder = tempdir().expect("a temporary folder");
    let mut command = Command::new(tufold_binary());
    command.current_dir(folder.path()).env("TMPDIR", folder.path()).args([
        "grow",
        "--from=1000",
        "--doublings=4",
        "--replay-to=2000",
        "--visitors=2",
        "--layouts=bins-succinct:16,bins-succinct:16/hashes,bins-prefixes:16,projects-wildcard",
        "--report=report.html",
        "--csv=tables",
    ]);
    checked_output(&mut command, "tufold grow");
    let seen = read_page(&folder.path().join("report.html"));
    assert_eq!(seen.plots, 15);
    for part in [
        "Growth: a returning client",
        "What each kind of client pays",
        "Codecs against the floor",
        "Ladders over gaps",
        "Bins by scale",
        "When to double the bins",
        "Break-even bandwidth",
        "A month of a project’s packages",
        "Where deltas stop paying",
        "Predicted against measured",
        "measured",
        "predicted",
        "Commit",
        "Machine",
        "index.doubling_time_days",
    ] {
        let (part, shown) = (part.replace('’', "'").to_uppercase(), seen.shown.to_uppercase());
        assert!(shown.contains(&part), "{part} is not shown");
    }
    assert!(!seen.shown.contains("NaN") && !seen.shown.contains("inf"), "{}", seen.shown);
    // The tables hold what the plots show.
    for name in ["clients", "ladders", "codecs", "bins", "months", "gaps"] {
        let table = std::fs::read_to_string(folder.path().join(format!("tables/{name}.csv")));
        assert!(table.expect("a table").lines().count() > 10, "{name}");
    }
}

#[test]
fn sliders_of_a_plan_move_its_recommendation() {
    if !has_browser() {
        return;
    }
    let mut command = Command::new(tufold_binary());
    command.args(["plan", "pypi-today", "--serve", "--listen=127.0.0.1:0"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("the command");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let result = std::panic::catch_unwind(|| script("plan_page.py", line.trim(), ""));
    child.kill().expect("a command that can be ended");
    child.wait().expect("an end");
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn the_same_rows_give_the_same_small_file() {
    let html = || rows::report().expect("the records").to_html();
    let first = html();
    assert_eq!(first, html());
    assert!(first.len() < 1_000_000, "{} bytes", first.len());
}

#[test]
fn nothing_in_a_report_becomes_markup_or_script() {
    if !has_browser() {
        return;
    }
    let report = hostile();
    let seen = read(&report);
    assert_eq!(seen.hurt, None);
    assert!(seen.shown.contains(BAD), "{}", seen.shown);
}

/// Each of its parts would run, were it not taken as text.
const BAD: &str = "</script><script>window.hurt=1</script><img src=x onerror=window.hurt=2> \"' onclick=\"window.hurt=3 &amp; \\u003c ${window.hurt=4} <!--";

/// A report whose every string is `BAD`.
fn hostile() -> Report {
    let bad = || BAD.to_owned();
    let axis = || Axis::linear(BAD, Unit::Bytes);
    let plots = [
        Plot::Lines(Lines {
            x: Axis::log(BAD, Unit::Count),
            y: axis(),
            series: vec![
                Series::new(BAD, Origin::Measured, vec![(1.0, 10.0), (2.0, 30.0), (4.0, 20.0)]),
                Series::new("other", Origin::Cited, vec![(1.0, 15.0), (4.0, 25.0)]),
            ],
            marks: vec![Mark::X { at: 3.0, label: bad() }],
        }),
        Plot::Bars(Bars {
            label: bad(),
            categories: vec![bad(), "other".to_owned()],
            value: axis(),
            series: vec![BarSeries {
                name: bad(),
                origin: Origin::Predicted,
                values: vec![Some(3.0), Some(2_000.0)],
            }],
            stacked: false,
            floor: Some(Floor { name: "floor".to_owned(), values: vec![1.0, 500.0] }),
        }),
        Plot::Heat(Heat {
            x_label: bad(),
            columns: vec![bad(), "2".to_owned()],
            y_label: bad(),
            rows: vec![bad(), "4".to_owned()],
            value: axis(),
            cells: [(0, 0), (0, 1), (1, 0), (1, 1)]
                .map(|(column, row)| Cell {
                    column,
                    row,
                    value: 7.0 + f64::from(u8::try_from(column + row).unwrap_or(0)),
                    origin: Origin::Measured,
                })
                .to_vec(),
            optimum: Some(Optimum { name: bad(), rows: vec![Some(0), Some(1)] }),
        }),
    ];
    let section = |plot: Plot| Section {
        title: bad(),
        finding: bad(),
        table: plot.table(),
        plot,
        notes: vec![bad()],
    };
    Report {
        title: bad(),
        summary: vec![bad()],
        sections: plots.map(section).to_vec(),
        provenance: Provenance {
            scenario: Some(bad()),
            seed: Some(1),
            commit: Some(bad()),
            machine: Some(bad()),
            method: vec![bad()],
            facts: vec![(bad(), bad())],
        },
    }
}

/// An explorer whose model is a power of its sliders.
fn explorer() -> Explorer {
    let slider = |name: &str, unit, min, max, start, step, log| Slider {
        name: name.to_owned(),
        label: name.to_owned(),
        unit,
        min,
        max,
        start,
        step,
        log,
        choices: Vec::new(),
    };
    Explorer {
        title: "Explore".to_owned(),
        summary: vec!["Move a slider.".to_owned()],
        sliders: vec![
            slider("targets", Unit::Count, 62_500.0, 4e9, 1e6, 1.0, true),
            slider("churn", Unit::Percent, 0.0, 10.0, 1.0, 0.5, false),
        ],
        endpoint: "/model".to_owned(),
    }
}

/// What the server answers for `query`: bytes by targets and churn.
fn model(query: &str) -> String {
    let values: BTreeMap<&str, f64> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .filter_map(|(name, value)| Some((name, value.parse().ok()?)))
        .collect();
    let (targets, churn) = (values["targets"], values["churn"]);
    let point = |n: i32| {
        let targets = targets * f64::from(n).exp2();
        (targets, targets.sqrt() * (100.0 + churn))
    };
    let plot = Plot::Lines(Lines {
        x: Axis::log("targets", Unit::Count),
        y: Axis::log("a first visit", Unit::Bytes),
        series: vec![Series::new("bins", Origin::Predicted, (0..6).map(point).collect())],
        marks: Vec::new(),
    });
    let finding =
        format!("From {} targets, at {}", Unit::Count.full(targets), Unit::Percent.short(churn));
    answer(&[Section {
        title: "Growth".to_owned(),
        finding,
        table: plot.table(),
        plot,
        notes: Vec::new(),
    }])
}

/// The answer to this is held back, once, until something else is asked.
const HELD: &str = "churn=2";

/// Serves the explorer and its model until it is asked to stop; notes what it was asked.
fn serve(listener: &TcpListener, asked: &Mutex<Vec<String>>) {
    let (mut held, mut was_held) = (None, false);
    for stream in listener.incoming() {
        let stream: TcpStream = stream.expect("a connection");
        let mut lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
        let Some(Ok(request)) = lines.next() else { continue };
        // The headers are of no interest, but a socket closed before they are read is reset.
        for line in lines {
            if line.map_or(true, |line| line.is_empty()) {
                break;
            }
        }
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        asked.lock().expect("no panic").push(path.clone());
        let (status, kind, body) = match path.split_once('?') {
            None if path == "/" => ("200 OK", "text/html", explorer().to_html()),
            Some(("/model", query)) if query.contains("churn=10") => {
                ("400 Bad Request", "text/plain", "churn of 10 is refused".to_owned())
            }
            Some(("/model", query)) => ("200 OK", "application/json", model(query)),
            _ => ("404 Not Found", "text/plain", String::new()),
        };
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        // A browser may leave before it has read all.
        let send = |mut stream: TcpStream, head: String, body: String| {
            let _ =
                stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
        };
        if path.ends_with(HELD) && !was_held {
            (held, was_held) = (Some((stream, head, body)), true);
            continue;
        }
        send(stream, head, body);
        if let Some((stream, head, body)) = held.take() {
            send(stream, head, body);
        }
        if path == "/stop" {
            return;
        }
    }
}

#[test]
fn sliders_ask_the_server_and_redraw_at_once() {
    if !has_browser() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let asked = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, &asked));
        let result = std::panic::catch_unwind(|| {
            script("explorer_page.py", &format!("http://{address}/"), "")
        });
        let stop = TcpStream::connect(address)
            .and_then(|mut stream| stream.write_all(b"GET /stop HTTP/1.1\r\n\r\n"));
        stop.expect("a server that stops");
        if let Err(panic) = result {
            std::panic::resume_unwind(panic);
        }
    });
    let asked = asked.into_inner().expect("no panic");
    let known = |path: &&String| *path == "/" || *path == "/stop" || path.starts_with("/model?");
    assert_eq!(asked.iter().filter(known).count(), asked.len(), "{asked:?}");
    assert!(asked.iter().any(|path| path == "/model?targets=1000000&churn=1"), "{asked:?}");
}
