//! `tufold grow`, `plan` and `fit`: tables, JSON, files, errors, and what is left when they are stopped.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tufold_tests::tufold_binary;

use super::{Ended, Place};

/// Two layouts at two sizes, the smaller of them replayed.
const SMALL: &str = "grow --from 1000 --doublings 1 --replay-to 1000 --visitors 2 --layouts bins-succinct:16,bins-succinct:16/merkle";

/// The same with nothing replayed.
fn predicted() -> String {
    SMALL.replace("--replay-to 1000", "--replay-to 0")
}

fn json(place: &Place, args: &str) -> Value {
    let Ended { status, stdout, stderr } = place.run(&format!("{args} --json"));
    assert_eq!((status, stderr.as_str()), (0, ""), "{args}");
    serde_json::from_str(&stdout).expect("JSON")
}

#[test]
fn grow_measures_what_it_replays_and_predicts_the_rest() {
    let place = Place::new();
    let growth = json(&place, SMALL);
    let rows = growth["rows"].as_array().unwrap();
    let cells: Vec<(&str, u64, &str)> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (text("layout"), row["targets"].as_u64().unwrap(), text("provenance"))
        })
        .collect();
    let (bins, merkle) = ("bins-succinct:16", "bins-succinct:16/merkle");
    assert_eq!(
        cells,
        [
            (bins, 1_000, "measured"),
            (bins, 1_000, "predicted"),
            (merkle, 1_000, "predicted-only"),
            (bins, 2_000, "predicted"),
            (merkle, 2_000, "predicted-only"),
        ]
    );
    assert_eq!(growth["seed"], 1);
    assert_eq!(growth["summary"]["requests_that_differ"], 0);
    for row in rows {
        let clients = row["costs"]["clients"].as_array().unwrap();
        let names: Vec<&str> = clients.iter().map(|c| c["client"].as_str().unwrap()).collect();
        assert_eq!(names, ["ci", "developer", "month", "mirror"]);
        for client in clients {
            let bytes = |way: &str| client[way]["bytes"].as_f64().unwrap();
            assert!(bytes("plain") >= bytes("gzip") && bytes("gzip") > 0.0, "{client}");
        }
    }
    let text = place.run(SMALL).stdout;
    for part in ["PyPI in November 2026", "measured", "predicted only", "numbers of bytes"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn the_same_seed_gives_the_same_numbers_and_another_does_not() {
    let place = Place::new();
    let numbers = |args: &str| {
        let mut growth = json(&place, args);
        // All but the CPU time, which no two runs have in common.
        for row in growth["rows"].as_array_mut().unwrap() {
            row["costs"]["publisher"]["cpu_ms"].take();
        }
        growth.to_string()
    };
    let first = numbers(SMALL);
    assert_eq!(numbers(SMALL), first);
    assert_ne!(numbers(&format!("{SMALL} --seed 2")), first);
}

#[test]
fn json_and_tables_go_to_files_too() {
    let place = Place::new();
    let ended = place.run(&format!("{} --csv tables --json=costs.json", predicted()));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(ended.stdout.starts_with("PyPI in November 2026"), "{}", ended.stdout);
    let tree = place.tree();
    let growth: Value = serde_json::from_slice(&tree["costs.json"]).unwrap();
    assert_eq!(growth["rows"].as_array().unwrap().len(), 4);
    let table =
        |name: &str| String::from_utf8(tree[&format!("tables/{name}.csv")].clone()).unwrap();
    assert_eq!(table("clients").lines().count(), 1 + 4 * 4);
    assert_eq!(table("publishers").lines().count(), 1 + 4);
    assert_eq!(table("agreement").lines().count(), 1);
    let header = "layout,bins,targets,provenance,client,";
    assert!(table("clients").starts_with(header));
    for name in ["clients", "publishers"] {
        let table = table(name);
        let width = |line: &str| line.split(',').count();
        let header = width(table.lines().next().unwrap());
        assert!(table.lines().all(|line| width(line) == header), "{table}");
    }
}

#[test]
fn bins_that_double_with_the_index_are_replayed_and_priced() {
    let place = Place::new();
    let args =
        "grow --from 16000 --doublings 1 --visitors 2 --layouts bins-succinct:auto --csv tables";
    let replayed = format!("{args} --replay-to 32000");
    let growth = json(&place, &replayed);
    let rebins: Vec<(u64, u64, u64, &str)> = (growth["rebins"].as_array().unwrap().iter())
        .map(|row| {
            let number = |key: &str| row[key].as_u64().unwrap();
            let how = row["provenance"].as_str().unwrap();
            (number("targets"), number("from_bins"), number("bins"), how)
        })
        .collect();
    let expected = [(32_000, 4_096, 8_192, "measured"), (32_000, 4_096, 8_192, "predicted")];
    assert_eq!(rebins, expected);
    assert_eq!(growth["summary"]["requests_that_differ"], 0);
    assert!(growth["summary"]["worst_percent"].as_f64().unwrap() < 5.0, "{}", growth["summary"]);
    let table = String::from_utf8(place.tree()["tables/rebins.csv"].clone()).unwrap();
    // The publisher and five clients, one of which is always current.
    assert_eq!(table.lines().count(), 1 + 2 * 6, "{table}");
    let text = place.run(&format!("{args} --replay-to 0")).stdout;
    assert!(text.contains("When the bins double along with the index"), "{text}");
}

#[test]
fn what_is_done_is_not_done_again() {
    let place = Place::new();
    let first = json(&place, &format!("{SMALL} --resume cells"));
    let cells = place.tree()["cells"].clone();
    assert_eq!(cells.iter().filter(|byte| **byte == b'\n').count(), 1);
    // A run that was killed while it noted a cell.
    let mut cut = cells.clone();
    cut.extend_from_slice(&cells[..cells.len() / 2]);
    place.write("cells", &cut);
    let wrong_cpu =
        String::from_utf8(cells.clone()).unwrap().replace("\"cpu_ms\":", "\"cpu_ms\":7");
    assert_eq!(json(&place, &format!("{SMALL} --resume cells"))["rows"], first["rows"]);
    // Its numbers come from the file.
    place.write("cells", wrong_cpu);
    let resumed = json(&place, &format!("{SMALL} --resume cells"));
    assert_ne!(resumed["rows"][0], first["rows"][0]);
    assert_eq!(resumed["rows"][1], first["rows"][1]);
    // Another seed is another cell.
    json(&place, &format!("{SMALL} --resume cells --seed 2"));
    let lines = place.tree()["cells"].iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines, 2);
    place.write("cells", "{\"key\":7}\n");
    let expected = "cells: line 1: invalid type: integer `7`, expected a string at line 1 column 8";
    place.assert_fails(&format!("{SMALL} --resume cells"), 2, expected);
}

/// A bundled scenario with one line changed.
fn scenario(from: &str, to: &str) -> String {
    let text = include_str!("../../../datasets/scenarios/drupal.toml");
    assert!(text.contains(from), "{from}");
    text.replacen("name = \"drupal\"", "name = \"mine\"", 1).replacen(from, to, 1)
}

#[test]
fn a_bad_scenario_is_named_with_its_line_and_both_values() {
    let place = Place::new();
    let known = "pypi-2014, pypi-pep458, pypi-today, crates-io, npm, packagist, drupal, debian-sid, billion";
    for command in ["grow", "plan"] {
        place.assert_fails(
            &format!("{command} nowhere"),
            2,
            &format!("`nowhere` is neither a file nor one of the scenarios {known}"),
        );
    }
    let line = |text: &str, key: &str| 1 + text.lines().position(|l| l.starts_with(key)).unwrap();
    let text = scenario("tail_exponent = { value = ", "tail_exponent = { value = 1");
    place.write("mine.toml", &text);
    let ended = place.run("plan mine.toml");
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    let start = format!(
        "tufold: mine.toml: line {}: publish.tail_exponent is 1",
        line(&text, "tail_exponent")
    );
    assert!(ended.stderr.starts_with(&start), "{}", ended.stderr);
    assert!(ended.stderr.ends_with(", not a multiple of 0.25 from 0 to 3\n"), "{}", ended.stderr);
    place.write("mine.toml", scenario("targets = ", "goals = "));
    let ended = place.run("plan mine.toml");
    assert_eq!(ended.status, 2);
    for part in ["tufold: mine.toml: ", "unknown field `goals`", "targets"] {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
}

#[test]
fn a_bad_layout_or_folder_is_named() {
    let place = Place::new();
    for (args, part) in [
        ("grow --layouts bins-succinct:3", "bins are auto or a power of two from 2 to 2^32"),
        ("grow --layouts heap", "a form is flat, projects-listed"),
        ("grow --doublings 41", "41 is not in 0..=40"),
        ("grow --ladder steps", "steps"),
        ("plan npm --readable-by apt", "python-tuf"),
        ("plan npm --listen 127.0.0.1:0", "--serve"),
        ("plan", "<SCENARIO>"),
    ] {
        let ended = place.run(args);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{args}");
        assert!(ended.stderr.contains(part), "{args}: {}", ended.stderr);
    }
    for args in ["--json=no/costs.json", "--csv targets.tsv/a", "--report no/report.html"] {
        let ended = place.run(&format!("{} {args}", predicted()));
        assert_eq!(ended.status, 2, "{args}");
        assert!(ended.stderr.starts_with("tufold: cannot "), "{args}: {}", ended.stderr);
    }
}

#[test]
fn the_sources_of_a_scenario_are_told() {
    let place = Place::new();
    let figures = json(&place, "grow pypi-pep458 --sources");
    let targets = figures.as_array().unwrap().iter().find(|row| row[0] == "index.targets").unwrap();
    assert_eq!(targets[1], "2273539");
    assert!(targets[2].as_str().unwrap().contains("PEP 458"));
}

#[test]
fn plan_says_which_layout_and_why() {
    let place = Place::new();
    let planned = json(&place, "plan billion");
    let price = |row: &Value| row["price"].as_f64().unwrap();
    let best = price(&planned["best"]);
    let candidates = planned["candidates"].as_array().unwrap();
    assert!(candidates.iter().all(|candidate| price(candidate) >= best));
    assert!(candidates.iter().any(|candidate| candidate["on_front"] == true));
    assert!(planned["best"]["layout"].as_str().unwrap().starts_with("bins-succinct:"));
    assert!(planned["why"].as_array().unwrap().len() > 2);
    assert_eq!(planned["sensitivity"].as_array().unwrap().len(), 12);
    assert_eq!(planned["seed"].as_array().unwrap().len(), 4);
    // Bins double once at a time.
    let mut bins = planned["best"]["bins"].as_u64().unwrap();
    for doubling in planned["schedule"].as_array().unwrap() {
        assert_eq!(doubling["from_bins"].as_u64().unwrap(), bins);
        bins *= 2;
        assert_eq!(doubling["to_bins"].as_u64().unwrap(), bins);
        let price = &doubling["price"];
        let bytes = |who: &str| price[who].as_f64().unwrap();
        assert_eq!(price["provenance"], "predicted");
        assert!(
            bytes("thin_bytes") < bytes("gzip_bytes") && bytes("gzip_bytes") < bytes("plain_bytes")
        );
        assert!(bytes("mirror_bytes") < bytes("mirror_plain_bytes"));
        assert!(bytes("mirror_plain_bytes") < bytes("metadata_bytes") + bytes("delta_bytes"));
    }
    let text = place.run("plan billion").stdout;
    for part in [
        "targets: bins-succinct:",
        "Pareto front",
        "When to double the bins",
        "bins held",
        "If an assumption",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // tough reads no succinct bins.
    let readable = json(&place, "plan drupal --readable-by tough");
    let layout = readable["best"]["layout"].as_str().unwrap();
    assert!(!layout.starts_with("bins-succinct"), "{layout}");
}

#[test]
fn fit_finds_the_doubling_time_of_a_table() {
    let place = Place::new();
    let rows: String = (0..24).map(|n| format!("20{:02}-01,{}\n", n, 100_u64 << n)).collect();
    place.write("counts.csv", format!("day,packages\n{rows}"));
    let fitted = json(&place, "fit counts.csv --date day --count packages");
    let days = fitted["doubling_time_days"].as_f64().unwrap();
    assert!((days - 365.25).abs() < 1.0, "{days}");
    let (from, to) = (fitted["from_days"].as_f64().unwrap(), fitted["to_days"].as_f64().unwrap());
    assert!(from <= days && days <= to);
    let text = place.run("fit counts.csv --date day --count packages").stdout;
    assert!(text.starts_with("doubles in 365 days (1.00 years)\n"), "{text}");
    place.assert_fails(
        "fit counts.csv --date month",
        2,
        "counts.csv has no column `month`, but day, packages",
    );
    place.write("counts.csv", "day,packages\n2020-01,5\n2021-01,many\n");
    place.assert_fails(
        "fit counts.csv --date day --count packages",
        2,
        "counts.csv, line 3: `many` is no count: invalid float literal",
    );
    place.write("counts.csv", "day,packages\n2020-13,5\n");
    let ended = place.run("fit counts.csv --date day --count packages");
    assert_eq!(ended.status, 2);
    assert!(
        ended.stderr.starts_with("tufold: counts.csv, line 2: `2020-13` is not a date"),
        "{}",
        ended.stderr
    );
}

/// A command that runs until it is told to stop.
fn start(place: &Place, args: &str) -> Child {
    let mut command = Command::new(tufold_binary());
    command.current_dir(place.dir.path()).args(args.split(' ')).env("TMPDIR", place.dir.path());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("the command")
}

fn interrupt(child: &Child) {
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

#[test]
fn grow_can_be_interrupted_and_resumed() {
    let place = Place::new();
    place.write("cells", "");
    let args = "grow --from 1000 --doublings 5 --replay-to 32000 --visitors 2 --layouts bins-succinct:16 --resume cells";
    let mut child = start(&place, args);
    // Until the first cell is noted.
    while std::fs::metadata(place.path("cells")).expect("the file").len() == 0 {
        assert!(child.try_wait().expect("a child").is_none(), "it ended by itself");
        std::thread::yield_now();
    }
    interrupt(&child);
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    let tree = place.tree();
    let noted = tree["cells"].clone();
    let names: Vec<&String> = tree.keys().collect();
    assert_eq!(names, ["cells", "targets.tsv"], "replays are left");
    let small = args.replace("--doublings 5", "--doublings 0");
    let growth = json(&place, &small);
    assert_eq!(growth["rows"][0]["provenance"], "measured");
    assert_eq!(place.tree()["cells"], noted, "the noted cell was done again");
}

#[test]
fn plan_serves_its_page_on_this_machine_until_it_is_interrupted() {
    let place = Place::new();
    let mut child = start(&place, "plan drupal --serve --listen 127.0.0.1:0");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
    let get = |path: &str| {
        use std::io::Write;
        let mut stream = std::net::TcpStream::connect(&address).expect("a server");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("a request");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.split(' ').nth(1).expect("a status").to_owned(), body.to_owned())
    };
    let (status, page) = get("/");
    assert_eq!(status, "200");
    assert!(page.starts_with("<!DOCTYPE html>"));
    let (status, body) = get("/model?targets=2000000");
    assert_eq!(status, "200");
    let sections: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(sections.as_array().unwrap().len(), 3);
    assert_eq!(
        get("/model?targets=many"),
        ("400".to_owned(), "targets is \"many\", not a number from 1000 to 10000000000".to_owned())
    );
    assert_eq!(get("/model?price=1").0, "400");
    assert_eq!(get("/other").0, "404");
    interrupt(&child);
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    let ended = place.run("plan drupal --serve --listen 0.0.0.0:0");
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("can be reached from other machines"), "{}", ended.stderr);
}
