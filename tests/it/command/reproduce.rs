//! `tufold reproduce`: the literature's figures.

use super::*;

#[test]
fn exact_figures_come_out_and_say_so() {
    let place = Place::new();
    let ended = place.run("reproduce tap16 pep458 tap15 scale-out bins-gist --json");
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let works: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let works = works.as_array().expect("a list");
    let names: Vec<_> = works.iter().map(|work| work["work"].as_str().expect("a name")).collect();
    assert_eq!(names, ["pep458", "tap15", "tap16", "scale-out", "bins-gist"], "in one order");
    let line = |work: usize, name: &str| {
        let lines = works[work]["lines"].as_array().expect("lines");
        let found =
            lines.iter().find(|line| line["quantity"].as_str().unwrap_or("").starts_with(name));
        found.unwrap_or_else(|| panic!("no {name}")).clone()
    };
    for (work, name, published) in [
        (0, "V17: of a download", 69.0),
        (0, "V17 at ten times", 114.0),
        (1, "new user, succinct", 9.0),
        (2, "snapshot of 50,000,000", 380e6),
        (3, "C4, not rounded", 273.56),
        (4, "8192 bins", 4_026_369.0),
    ] {
        let line = line(work, name);
        assert_eq!(line["published"].as_f64(), Some(published), "{name}");
        assert!(line["real"].as_f64().is_some(), "{name}");
        assert!(line["source"].as_str().is_some_and(|source| !source.is_empty()), "{name}");
    }
    let table = place.run("reproduce tap16").stdout;
    assert!(
        table.contains("= snapshot of 50,000,000 roles") && table.contains("380,000,000"),
        "{table}"
    );
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::new();
    let ended = place.run("reproduce mercury --names no.tsv");
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("no.tsv"), "{}", ended.stderr);
    place.write("few.tsv", "name\tversion\tmonth\trank\na\t\t\t\n");
    place.assert_fails(
        "reproduce mercury --names few.tsv",
        2,
        "the list of names: it has 1, Mercury's index 59486",
    );
    let ended = place.run("reproduce pep459");
    assert!(ended.status == 2 && ended.stderr.contains("pep458, tap15"), "{}", ended.stderr);
}
