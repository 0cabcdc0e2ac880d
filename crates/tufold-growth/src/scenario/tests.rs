use super::*;

#[test]
fn each_figure_of_each_scenario_has_a_source() {
    for name in names() {
        let figures = Scenario::load(name).unwrap().figures();
        assert!(figures.len() > 15, "{name}");
        for [key, _, source] in figures {
            assert!(source.len() > 6, "{name}: {key} has no source");
        }
    }
}

fn check(change: (&str, &str), expected: &str) {
    let text = bundled::text("drupal").unwrap();
    assert!(text.contains(change.0), "{}", change.0);
    let error = Scenario::parse("drupal.toml", &text.replace(change.0, change.1)).unwrap_err();
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn what_is_wrong_is_named() {
    check(("[index]", "[index]\nsize = 3"), "unknown field `size`");
    check(
        ("tail_exponent = { value = 0.75", "tail_exponent = { value = 0.7"),
        "publish.tail_exponent is 0.7, not",
    );
    check(("targets = { value = 165000", "targets = { value = 1650"), "index.targets is 1650, not");
    check(("kind = \"cold\"", "kind = \"warm\""), "unknown variant `warm`");
    check(("name = \"drupal\"", "name = \"dru\""), "drupal.toml: line 1: name is dru, not");
    check(("{version}", "{vers}"), "unknown gap `{vers}`");
    let error = Scenario::load("no-such").unwrap_err().to_string();
    assert!(error.contains("`no-such` is neither") && error.contains("billion"), "{error}");
}

#[test]
fn a_scaled_index_keeps_its_proportions() {
    let scenario = Scenario::load("npm").unwrap();
    let small = scenario.scaled(scenario.index.targets.value / 100);
    assert_eq!(small.index.projects.value, 33_429);
    assert!((small.publish.releases_per_day.value - 170.0).abs() < 0.01);
    assert_eq!(small.index.average_download_bytes, scenario.index.average_download_bytes);
}
