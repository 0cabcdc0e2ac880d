//! One client and one mirror over many publishes: 60 here, 1,000 with `TUFOLD_LONG_RUN=1`.

use std::collections::BTreeMap;

use tufold_sync::{Client, Fallbacks, Limits, Mirror};
use tufold_tests::{after, changes, files_of, put, remove};

use super::Place;

/// A multiplicative generator: the same choices every time.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        self.0 % end
    }
}

/// Away for a moment as a rule, now and then for long, rarely for longer than the ladder reaches.
fn gap(choices: &mut Choices) -> u64 {
    match choices.below(20) {
        0 => 1 + choices.below(90),
        1..=3 => 1 + choices.below(20),
        _ => 1 + choices.below(3),
    }
}

#[test]
fn every_gap_ends_in_the_published_documents() {
    let publishes = if std::env::var_os("TUFOLD_LONG_RUN").is_some() { 1_000 } else { 60 };
    let paths: Vec<String> = (0..300).map(|n| format!("packages/{n}/file-{n}.tar.gz")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::with_deltas("bins-succinct:16 hashes", &paths);
    let source = place.repo.path().join("public");
    let source = source.to_str().unwrap();
    let root = std::fs::read(place.repo.metadata().join("1.root.json")).unwrap();
    let mirror_folder = place.folder.path().join("mirror");
    let mut choices = Choices(5);
    let (mut thin_at, mut mirror_at) = (1, 1);
    let (mut by_deltas, mut by_bundles) = (0, 0);
    for publish in 1..=publishes {
        let mut rows = BTreeMap::new();
        for _ in 0..choices.below(12) {
            let path = paths[usize::try_from(choices.below(300)).unwrap()];
            let is_gone = choices.below(10) == 0;
            let content = publish.to_string();
            rows.insert(path, if is_gone { remove(path) } else { put(path, &content) });
        }
        // What is not there cannot go.
        let listed = |path: &str| listed_paths(&place).contains(&path.to_owned());
        rows.retain(|path, change| {
            !matches!(change, tufold_repo::targets::Change::Remove(_)) || listed(path)
        });
        let refresh: &[&str] = if choices.below(15) == 0 { &["all"] } else { &[] };
        let now = after(&format!("{publish}m"));
        place.repo.publish(changes(rows.into_values()), refresh, now);
        let published = place.repo.files();
        if publish == thin_at {
            thin_at += gap(&mut choices);
            let sought: Vec<&str> = (0..choices.below(20))
                .map(|_| paths[usize::try_from(choices.below(300)).unwrap()])
                .collect();
            let mut client = Client::open(&place.cache(), source, Limits::default()).unwrap();
            client.trust(&root).unwrap();
            let mut visit = client.visit(now).unwrap();
            visit.find(&sought).unwrap();
            let deltas = visit.cost().deltas;
            assert_eq!(deltas.fallbacks, Fallbacks::default(), "at {publish}");
            by_deltas += deltas.documents;
            let kept = files_of(&place.cache());
            let is_published = |(name, bytes): (&String, &Vec<u8>)| {
                published
                    .iter()
                    .any(|(other, file)| other.ends_with(name.as_str()) && file == bytes)
            };
            assert!(kept.iter().all(is_published), "at {publish}");
            assert!(kept["timestamp.json"] == published["timestamp.json"], "at {publish}");
        }
        if publish == mirror_at {
            mirror_at += gap(&mut choices);
            let mut mirror = Mirror::open(&mirror_folder, source, Limits::default()).unwrap();
            mirror.trust(&root).unwrap();
            let deltas = mirror.sync(now, &|_| ()).unwrap().cost.deltas;
            assert_eq!(deltas.fallbacks, Fallbacks::default(), "at {publish}");
            by_bundles += deltas.documents;
            let held = files_of(&mirror_folder.join("public/metadata"));
            assert!(held.iter().all(|(name, bytes)| published[name] == *bytes), "at {publish}");
            let mut visitor =
                tufold_tests::Visitor::refresh(&mirror_folder.join("public/metadata"), now)
                    .unwrap();
            assert!(paths.iter().all(|path| visitor.find(path).is_ok()), "at {publish}");
        }
    }
    assert!(by_deltas > publishes / 4 && by_bundles > publishes, "{by_deltas}, {by_bundles}");
}

/// The targets that the repository lists.
fn listed_paths(place: &Place) -> Vec<String> {
    let mut visitor =
        tufold_tests::Visitor::refresh(&place.repo.metadata(), after("0s")).expect("a visit");
    let paths = (0..300).map(|n| format!("packages/{n}/file-{n}.tar.gz"));
    paths.filter(|path| visitor.find(path).expect("a visit").is_some()).collect()
}
