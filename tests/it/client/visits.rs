//! Which documents a visit asks for, in which order, and what it finds.

use std::collections::BTreeMap;

use tufold_meta::cjson::Object;
use tufold_meta::{Selector, Terminating};
use tufold_sync::{Client, Limits};
use tufold_tests::forge::bin_of;
use tufold_tests::{
    ALL_LAYOUTS, Answer, Forge, Server, Site, after, changes, files_of, put, scratch,
};

use super::Place;

#[test]
fn a_visit_asks_for_what_is_new_and_no_more() {
    let place = Place::new("bins-succinct:4 versions", &["foo.txt", "bar.txt", "new.txt"]);
    let check = |paths: &[&str], listed: &[bool], requests: &str| {
        assert_eq!(place.visit(paths), (listed.to_vec(), requests.to_owned()));
    };
    // foo.txt is in bin 3, bar.txt and new.txt are in bin 0, other.txt would be in bin 2.
    let top = "2.root.json timestamp.json 1.snapshot.json 1.targets.json";
    check(&["foo.txt"], &[true], &format!("{top} 1.bins-3.json"));
    check(&["foo.txt"], &[true], "2.root.json timestamp.json");
    check(&["bar.txt", "new.txt"], &[true, true], "2.root.json timestamp.json 1.bins-0.json");
    check(&["other.txt"], &[false], "2.root.json timestamp.json 1.bins-2.json");
    place.repo.publish(changes([put("foo.txt", "2")]), &[], after("1h"));
    let requests = "2.root.json timestamp.json 2.snapshot.json 2.bins-3.json";
    check(&["foo.txt", "bar.txt"], &[true, true], requests);
    check(&[], &[], "2.root.json timestamp.json");
}

#[test]
fn bins_are_fetched_side_by_side() {
    let paths: Vec<String> = (0..40).map(|n| format!("target-{n}")).collect();
    let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
    let place = Place::new("bins-prefixes:16 hashes", &paths);
    let (targets, cost) = place.find(&paths).unwrap();
    assert!(targets.iter().all(|target| target.listed.is_some()));
    let bits = tufold_meta::BitLength::from_bin_count(16).unwrap();
    let bins: std::collections::HashSet<_> = paths.iter().map(|path| bits.bin(path)).collect();
    // Root, timestamp, snapshot, targets and bins one after the other; then 8 bins at a time,
    // unless one thread is held up.
    let requests = 5 + bins.len() as u64;
    assert_eq!(cost.requests, requests);
    assert!((7..requests).contains(&cost.round_trips), "{cost:?}");
    assert!(cost.cpu_us.is_some() && cost.peak_memory_bytes.is_some(), "{cost:?}");
}

#[test]
fn every_layout_is_read() {
    let paths = ["foo.txt", "a/one", "simple/django/index.html"];
    for layout in ALL_LAYOUTS {
        let place = Place::new(layout, &paths);
        let sought = ["foo.txt", "a/one", "simple/django/index.html", "absent", "a/absent"];
        for _ in 0..2 {
            let (listed, _) = place.visit(&sought);
            assert_eq!(listed, [true, true, true, false, false], "{layout}");
        }
    }
}

/// What a client finds in a forged repository behind a server: which role lists each target. And
/// what it keeps.
fn find(forge: &Forge, paths: &[&str]) -> (Vec<Option<String>>, BTreeMap<String, Vec<u8>>) {
    let answer = |(name, bytes): (&String, &Vec<u8>)| {
        (format!("metadata/{name}"), Answer::File(bytes.clone()))
    };
    let answers = forge.files.iter().map(answer).collect();
    let server = Server::start(Site { answers, ..Site::default() });
    let folder = scratch();
    let mut client =
        Client::open(folder.path(), &server.url(), Limits::default()).expect("a client");
    client.trust(&forge.files["1.root.json"]).expect("a root");
    let mut visit = client.visit(after("1h")).expect("a visit");
    let targets = visit.find(paths).expect("answers");
    let roles = targets.into_iter().map(|target| target.listed.map(|listed| listed.role));
    (roles.collect(), files_of(folder.path()))
}

#[test]
fn a_role_may_have_several_prefixes_and_bins_may_end_the_search_or_not() {
    for form in ["bins-succinct", "bins-prefixes"] {
        for terminating in [Terminating::Yes, Terminating::No] {
            let mut forge = Forge::new(form, &["foo.txt"]);
            // Behind the bins, a role that would list what they do not.
            let extra = tufold_meta::DelegatedRole {
                name: "extra".into(),
                keys: tufold_tests::forge::role_keys(&[5], 1),
                terminating: Terminating::No,
                selector: Selector::Paths(vec!["*".into()]),
                extra: Object::default(),
            };
            let delegations = forge.top().delegations.as_mut().unwrap();
            let expected = match &mut delegations.roles {
                // TAP 15's succinct bins end the search, as they do for python-tuf and go-tuf.
                tufold_meta::DelegatedRoles::Succinct(_) => None,
                tufold_meta::DelegatedRoles::List(roles) => {
                    roles.iter_mut().for_each(|role| role.terminating = terminating);
                    roles.push(extra);
                    (terminating == Terminating::No).then(|| "extra".to_owned())
                }
            };
            let empty = forge.targets["bins-1"].clone();
            forge.targets.insert("extra".into(), empty);
            forge.list("extra", "other.txt", "other.txt");
            forge.release(&["extra", "targets", "snapshot", "timestamp"]);
            let (roles, _) = find(&forge, &["foo.txt", "other.txt"]);
            assert_eq!(roles, [Some(bin_of("foo.txt")), expected], "{form} {terminating:?}");
        }
    }
}

#[test]
fn unknown_fields_are_read_over_and_kept() {
    let mut forge = Forge::new("bins-succinct", &["foo.txt"]);
    let extra = |object: &mut Object| object.insert("x-unknown", "any \"text\"");
    extra(&mut forge.root.extra);
    extra(&mut forge.timestamp.extra);
    extra(&mut forge.timestamp.other_meta);
    extra(&mut forge.snapshot.extra);
    let bin = bin_of("foo.txt");
    extra(&mut forge.role(&bin).extra);
    extra(&mut forge.top().delegations.as_mut().unwrap().extra);
    let listed = forge.role(&bin).targets.get_mut("foo.txt").unwrap();
    extra(listed.custom.get_or_insert_default());
    extra(&mut listed.extra);
    forge.publish_all();
    for name in ["targets.json", "bins-0.json"] {
        extra(&mut forge.snapshot.meta.get_mut(name).unwrap().extra);
    }
    forge.publish("snapshot");
    forge.publish("timestamp");
    let (roles, cached) = find(&forge, &["foo.txt"]);
    assert_eq!(roles, [Some(bin.clone())]);
    assert_eq!(cached.len(), 5);
    for (name, bytes) in cached {
        let role = name.strip_suffix(".json").unwrap();
        assert!(forge.files[&forge.current(role)] == bytes, "{name} is not byte-identical");
    }
}

#[test]
fn names_carry_no_versions_without_consistent_snapshots() {
    let mut forge = Forge::new("bins-prefixes", &["foo.txt"]);
    forge.files.clear();
    forge.root.consistent_snapshot = Some(false);
    forge.publish_all();
    assert!(forge.files.contains_key("snapshot.json"));
    assert_eq!(find(&forge, &["foo.txt", "bar.txt"]).0, [Some("bins-3".to_owned()), None]);
}

#[test]
fn what_comes_compressed_is_the_same() {
    for encoding in ["zstd", "gzip"] {
        let place = Place::new("bins-succinct:4 hashes", &["foo.txt"]);
        for (name, bytes) in place.repo.files() {
            let compressed = match encoding {
                "zstd" => zstd::encode_all(&bytes[..], 19).unwrap(),
                _ => {
                    let level = flate2::Compression::best();
                    let mut out = flate2::write::GzEncoder::new(Vec::new(), level);
                    std::io::Write::write_all(&mut out, &bytes).unwrap();
                    out.finish().unwrap()
                }
            };
            let answer = Answer::Encoded(encoding, compressed);
            place.server.site().answers.insert(format!("metadata/{name}"), answer);
        }
        let (targets, cost) = place.find(&["foo.txt"]).unwrap();
        assert!(targets[0].listed.is_some());
        let plain: usize = files_of(&place.cache()).values().map(Vec::len).sum();
        assert!(cost.bytes < plain as u64, "{} of {plain} bytes", cost.bytes);
    }
}

#[test]
fn a_network_error_is_tried_again() {
    let place = Place::new("bins-succinct:4 versions", &["foo.txt"]);
    let cut = Answer::Cut(vec![b' '; 100]);
    place.server.site().answers.insert("metadata/1.bins-3.json".into(), cut);
    let site = std::thread::scope(|scope| {
        scope.spawn(|| {
            // Once it was asked for, the server is well again.
            while !place.server.site().requests.iter().any(|path| path.ends_with("bins-3.json")) {
                std::thread::yield_now();
            }
            place.server.site().answers.clear();
        });
        place.find(&["foo.txt"])
    });
    let (targets, cost) = site.unwrap();
    assert!(targets[0].listed.is_some());
    assert!(cost.retries >= 1, "{cost:?}");
}
