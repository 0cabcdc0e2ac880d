use super::*;
use crate::Scenario;

fn history(scenario: &str, targets: u64, publishes: u64) -> (TargetList, Vec<ChangeList>, u64) {
    let mut trace = Synthetic::new(&Scenario::load(scenario).unwrap().scaled(targets), 1);
    let start = trace.start();
    let changes = (0..publishes).map(|_| trace.publish().unwrap().unwrap()).collect();
    (start, changes, trace.targets())
}

#[test]
fn each_scenario_has_a_history_that_can_be_applied() {
    for name in crate::scenario_names() {
        let (start, changes, targets) = history(name, 4_000, 40);
        let files = Scenario::load(name).unwrap().paths.files.value.len() as u64;
        let rows = start.rows().len() as u64;
        assert!((4_000 - files..=4_000).contains(&rows), "{name} starts with {rows}");
        let end = changes.iter().fold(start, |list, changes| changes.apply(&list).unwrap());
        assert_eq!(end.rows().len() as u64, targets, "{name}");
        assert!(changes.iter().any(|changes| !changes.rows().is_empty()), "{name}");
    }
}

#[test]
fn a_history_is_the_same_each_time() {
    let (start, changes, _) = history("pypi-today", 2_000, 3);
    let again = history("pypi-today", 2_000, 3);
    assert_eq!((&start, &changes), (&again.0, &again.1));
    let digest = |list: &TargetList| {
        let mut bytes = Vec::new();
        list.write(&mut bytes).unwrap();
        tufold_meta::Digest::of(&bytes).to_string()
    };
    expect_test::expect!["f8d60ddef507138246afef6af5e487594c00f260bcf3d53e43cde5e0814cfaf8"]
        .assert_eq(&digest(&start));
}

#[test]
fn what_is_popular_is_looked_up_and_released_more() {
    let scenario = Scenario::load("pypi-today").unwrap().scaled(100_000);
    let client = scenario.client.iter().find(|c| c.kind == ClientKind::Cold).unwrap();
    let all: Vec<u64> = dependencies(client, 4_924, 50, 1).into_iter().flatten().collect();
    let top = all.iter().filter(|&&package| package < 100).count();
    // Chosen evenly, two in a hundred would be.
    assert!(top * 3 > all.len(), "{top} of {}", all.len());
    let mut trace = Synthetic::new(&scenario, 1);
    let before = trace.lookups(0);
    while trace.lookups(0) == before {
        assert!(trace.publish().unwrap().is_some());
    }
    assert_eq!(trace.lookups(0)[0], before[0], "the page stays");
}

#[test]
fn lists_are_a_history_too() {
    let (start, changes, _) = history("debian-sid", 2_000, 2);
    let next = changes[0].apply(&start).unwrap();
    let mut lists = Lists::new(vec![start.clone(), next.clone()]).unwrap();
    assert_eq!(lists.start(), start);
    let met: BTreeSet<_> = (0..lists.packages()).flat_map(|p| lists.lookups(p)).collect();
    assert_eq!(met.len(), start.rows().len());
    assert_eq!(lists.publish().unwrap().unwrap().apply(&start).unwrap(), next);
    assert!(lists.publish().unwrap().is_none());
}
