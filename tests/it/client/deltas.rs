//! Deltas at a client: what it asks for, what it rebuilds, and what it does when one is of no use.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tufold_delta::Ladder;
use tufold_meta::names::versioned_file_name;
use tufold_sync::{Cost, DeltaUse, Fallbacks, Limits};
use tufold_tests::{Answer, TestRepo, after, changes, files_of, put};

use super::Place;

const LAYOUTS: [&str; 4] = [
    "bins-succinct:4 versions",
    "bins-prefixes:4 hashes",
    "projects-wildcard versions",
    "flat hashes",
];

impl Place {
    /// A repository with deltas.
    pub(super) fn with_deltas(layout: &str, paths: &[&str]) -> Self {
        let ladder = Some(Ladder::Pow2 { horizon: 64 });
        Self::of(TestRepo::planned(layout).ladder(ladder), paths)
    }

    /// Each of these targets gets another content.
    pub(super) fn change(&self, paths: &[&str], content: &str) {
        self.repo.publish(changes(paths.iter().map(|path| put(path, content))), &[], after("1h"));
    }

    fn deltas_folder(&self) -> PathBuf {
        self.repo.path().join("public/deltas")
    }

    /// The client holds the published files, byte for byte.
    fn assert_published(&self) {
        let published = self.repo.files();
        for (name, bytes) in files_of(&self.cache()) {
            let role = name.strip_suffix(".json").expect("a role");
            let is_published = name == "timestamp.json" && published[&name] == bytes
                || published.iter().any(|(published, file)| {
                    published.ends_with(&format!(".{role}.json")) && *file == bytes
                });
            assert!(is_published, "{name} is no published file");
        }
    }
}

/// Many targets, so that bins are longer than deltas.
fn paths() -> Vec<String> {
    (0..200).map(|n| format!("packages/{n}/file-{n}.tar.gz")).collect()
}

fn place(layout: &str) -> Place {
    let paths = paths();
    Place::with_deltas(layout, &paths.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The target that the client looks for.
const SOUGHT: &str = "packages/0/file-0.tar.gz";

#[test]
fn a_visit_asks_for_the_cheapest_way() {
    let place = place("bins-succinct:4 versions");
    let bin = tufold_tests::forge::bin_of(SOUGHT);
    let check = |requests: &str| {
        let requests = requests.replace("BIN", &bin);
        assert_eq!(place.visit(&[SOUGHT]), (vec![true], requests));
        place.assert_published();
    };
    let top = "2.root.json timestamp.json";
    check(&format!("{top} deltas/snapshot/0-1 1.targets.json 1.BIN.json"));
    check(top);
    place.change(&[SOUGHT], "2");
    check(&format!("{top} deltas/snapshot/1-2 deltas/roles/BIN/1-2"));
    // Of five entries everything anew is less than two edges and the signatures.
    place.change(&[SOUGHT], "3");
    place.change(&[SOUGHT], "4");
    check(&format!("{top} deltas/snapshot/0-4 deltas/roles/BIN/2-4"));
}

#[test]
fn the_signatures_of_a_longer_edge_are_in_the_step() {
    let place = place("bins-succinct:256 hashes");
    place.find(&[SOUGHT]).unwrap();
    for content in ["2", "3", "4"] {
        place.change(&[SOUGHT], content);
    }
    let (_, cost) = place.find(&[SOUGHT]).unwrap();
    let mut requests = place.server.requests();
    requests.sort();
    let deltas = ["1-2", "2-4", "3-4"].map(|edge| format!("deltas/snapshot/{edge}"));
    assert_eq!(requests[..3], deltas);
    // Root, timestamp, the three side by side, and the bin, which is shorter than its two deltas.
    assert_eq!((requests.len(), cost.round_trips), (6, 4));
    place.assert_published();
    let used = cost.deltas;
    assert_eq!((used.documents, used.requests, used.wasted_bytes), (1, 3, 0));
    assert!(used.saved_bytes > 20_000, "{used:?}");
}

#[test]
fn documents_are_rebuilt_byte_for_byte_in_every_layout() {
    for layout in LAYOUTS {
        let place = place(layout);
        for round in 0..12 {
            let (_, cost) = place.find(&[SOUGHT, "packages/1/file-1.tar.gz"]).unwrap();
            assert_eq!(cost.deltas.fallbacks, Fallbacks::default(), "{layout} at {round}");
            assert!(cost.deltas.documents > 0, "{layout} at {round}");
            place.assert_published();
            for step in 0..=round % 4 {
                place.change(&[SOUGHT, "packages/7/file-7.tar.gz"], &format!("{round} {step}"));
            }
        }
    }
}

#[test]
fn without_the_advertisement_or_the_wish_requests_are_those_of_a_plain_client() {
    let place = place("bins-succinct:4 versions");
    let bin = tufold_tests::forge::bin_of(SOUGHT);
    let visit = || {
        place.server.requests();
        let mut client = place.client(&place.cache()).without_deltas();
        client.visit(after("1h")).unwrap().find(&[SOUGHT]).unwrap();
        place.server.requests().join(" ").replace("metadata/", "")
    };
    let plain = |n: u32, targets: &str| {
        format!("2.root.json timestamp.json {n}.snapshot.json{targets} {n}.{bin}.json")
    };
    assert_eq!(visit(), plain(1, " 1.targets.json"));
    place.change(&[SOUGHT], "2");
    assert_eq!(visit(), plain(2, ""));
    let input = changes([put(SOUGHT, "3")]);
    place.repo.publish_with_ladder("off", input, after("1h"));
    assert_eq!(place.visit(&[SOUGHT]).1, plain(3, ""));
}

fn spoil(place: &Place, change: impl Fn(&mut Vec<u8>)) {
    for entry in fs::read_dir(place.deltas_folder().join("snapshot")).expect("a file") {
        let path = entry.expect("a file").path();
        let mut bytes = fs::read(&path).expect("a file");
        change(&mut bytes);
        fs::write(path, bytes).expect("a file");
    }
}

/// Visits, changes, spoils the snapshot's deltas, and visits again.
fn fall_back(spoil: impl Fn(&Place)) -> (Cost, String) {
    let place = place("bins-succinct:4 versions");
    place.find(&[SOUGHT]).expect("a visit");
    place.change(&[SOUGHT], "2");
    spoil(&place);
    let limits = Limits { delta_stall: Duration::from_millis(80), ..Limits::default() };
    place.server.requests();
    let client = tufold_sync::Client::open(&place.cache(), &place.server.url(), limits);
    let mut client = client.expect("a visit");
    let mut visit = client.visit(after("1h")).expect("a visit");
    assert!(visit.find(&[SOUGHT]).expect("a visit")[0].listed.is_some());
    let cost = visit.cost();
    place.assert_published();
    let requests = place.server.requests().join(" ").replace("metadata/", "");
    let bin = tufold_tests::forge::bin_of(SOUGHT);
    (cost, requests.replace("2.root.json timestamp.json ", "").replace(&bin, "BIN"))
}

#[test]
fn each_failure_costs_one_full_fetch_and_is_counted_with_its_reason() {
    let answer = |answer: Answer| {
        move |place: &Place| {
            let path = "deltas/snapshot/1-2".to_owned();
            place.server.site().answers.insert(path, answer.clone());
        }
    };
    let none = Fallbacks::default();
    // What goes on with the bin's delta, and what asks for no more.
    let (goes_on, ends) = ("deltas/roles/BIN/1-2", "2.BIN.json");
    type Row = (&'static str, Box<dyn Fn(&Place)>, Fallbacks, &'static str);
    let rows: [Row; 9] = [
        (
            "missing",
            Box::new(|place| fs::remove_dir_all(place.deltas_folder().join("snapshot")).unwrap()),
            Fallbacks { missing: 1, ..none },
            ends,
        ),
        ("late", Box::new(answer(Answer::Silence)), Fallbacks { late: 1, ..none }, ends),
        ("too slow", Box::new(answer(Answer::Drip)), Fallbacks { late: 1, ..none }, ends),
        (
            "unreachable",
            Box::new(answer(Answer::Status(500))),
            Fallbacks { unreachable: 1, ..none },
            ends,
        ),
        (
            "truncated",
            Box::new(|place| spoil(place, |bytes| bytes.truncate(bytes.len() - 3))),
            Fallbacks { truncated: 1, ..none },
            goes_on,
        ),
        (
            "damaged",
            Box::new(|place| spoil(place, |bytes| *bytes = b"<html>".to_vec())),
            Fallbacks { damaged: 1, ..none },
            goes_on,
        ),
        (
            "another base",
            // A bit of the digest of what it starts from, behind a length of two bytes.
            Box::new(|place| {
                spoil(place, |bytes| {
                    let head = bytes.windows(2).position(|two| two == b"TF").unwrap();
                    bytes[head + 6] ^= 1;
                });
            }),
            Fallbacks { other_base: 1, ..none },
            goes_on,
        ),
        (
            "too long",
            Box::new(answer(Answer::Endless(None, vec![b' '; 1 << 12]))),
            Fallbacks { too_long: 1, ..none },
            goes_on,
        ),
        (
            "refused",
            // The signature's last byte is the one before the delta.
            Box::new(|place| {
                spoil(place, |bytes| {
                    let head = bytes.windows(2).position(|two| two == b"TF").unwrap();
                    bytes[head - 1] ^= 1;
                });
            }),
            Fallbacks { refused: 1, ..none },
            goes_on,
        ),
    ];
    for (what, spoil, expected, bin) in rows {
        let (cost, requests) = fall_back(spoil);
        let DeltaUse { fallbacks, wasted_bytes, .. } = cost.deltas;
        let not_asked = fallbacks.not_asked;
        assert_eq!(Fallbacks { not_asked: 0, ..fallbacks }, expected, "{what}");
        assert_eq!(not_asked, 0, "{what}");
        assert_eq!(requests, format!("deltas/snapshot/1-2 2.snapshot.json {bin}"), "{what}");
        // Nothing longer than the signed length comes, but for what was under way.
        assert!(wasted_bytes < 20_000, "{what}: {wasted_bytes}");
    }
}

#[test]
fn a_base_in_another_format_will_do() {
    let place = place("bins-succinct:4 versions");
    place.visit(&[SOUGHT]);
    let bin = tufold_tests::forge::bin_of(SOUGHT);
    for name in ["snapshot.json".to_owned(), format!("{bin}.json")] {
        let path = place.cache().join(name);
        let value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        fs::write(path, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
    }
    place.change(&[SOUGHT], "2");
    let top = "2.root.json timestamp.json";
    let expected = format!("{top} deltas/snapshot/1-2 deltas/roles/{bin}/1-2");
    assert_eq!(place.visit(&[SOUGHT]).1, expected);
    place.assert_published();
    assert_eq!(place.visit(&[SOUGHT]).1, top);
}

#[test]
fn a_rebuilt_snapshot_has_its_receipt() {
    let place = place("bins-succinct:4 versions");
    place.visit(&[SOUGHT]);
    place.change(&[SOUGHT], "2");
    place.visit(&[SOUGHT]);
    let receipts = || fs::read(place.cache().join(".tufold/receipts")).unwrap();
    let rebuilt = receipts();
    fs::remove_dir_all(place.cache()).unwrap();
    let mut client = place.client(&place.cache()).without_deltas();
    client.visit(after("1h")).unwrap();
    assert!(!rebuilt.is_empty());
    assert_eq!(String::from_utf8(rebuilt), String::from_utf8(receipts()));
}

#[test]
fn many_bins_come_side_by_side() {
    let paths = paths();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::with_deltas("bins-succinct:16 versions", &paths);
    place.find(&paths).unwrap();
    place.change(&paths, "2");
    let (_, cost) = place.find(&paths).unwrap();
    // Root, timestamp, snapshot, and all sixteen bins at once.
    assert_eq!((cost.requests, cost.round_trips), (19, 4), "{cost:?}");
    assert_eq!(cost.deltas.documents, 17);
    place.assert_published();
    // One is missing: what was under way by then fails likewise, and no more is asked for.
    place.change(&paths, "3");
    fs::remove_dir_all(place.deltas_folder().join("roles")).unwrap();
    let (_, cost) = place.find(&paths).unwrap();
    let Fallbacks { missing, not_asked, .. } = cost.deltas.fallbacks;
    assert!(missing >= 1 && missing + not_asked == 16, "{cost:?}");
    place.assert_published();
}

#[test]
fn far_behind_the_delta_from_nothing_is_taken() {
    let place = place("bins-succinct:4 versions");
    place.visit(&[SOUGHT]);
    for content in 0..70 {
        place.change(&[SOUGHT], &content.to_string());
    }
    let bin = tufold_tests::forge::bin_of(SOUGHT);
    let last = versioned_file_name(&bin, tufold_tests::forge::version(71));
    let expected = format!("2.root.json timestamp.json deltas/snapshot/0-71 {last}");
    assert_eq!(place.visit(&[SOUGHT]).1, expected);
    place.assert_published();
}
