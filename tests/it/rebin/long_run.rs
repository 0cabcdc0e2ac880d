//! Many publishes with changes of the bins and rotations among them, and clients that come now and then. A few publishes
//! here; 40 with 4 doublings, a halving, 2 changes of form and 2 rotations with `TUFOLD_LONG_RUN=1`, and so with five seeds
//! for `TUFOLD_LONG_RUN=5`.

use std::fs;

use tufold_repo::settings::RoleKind;
use tufold_repo::{KeyRequest, Pruner};
use tufold_sync::{Fallbacks, Limits, Mirror};
use tufold_tests::{copy_folder, files_of, leave_part};

use super::thin::Thin;
use super::{rebin, rebin_at};
use crate::interop::{Peer, Peers};
use crate::rotate::{Scene, assert_readable_of, request};

/// A multiplicative generator: the same choices every time.
struct Choices(u64);

impl Choices {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0 * 48_271 % 2_147_483_647;
        usize::try_from(self.0).expect("below 2^31") % end
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    Double,
    Halve,
    Form,
    Rotate,
    Prune,
}

/// The clients, each with the step at which it comes next.
struct Clients {
    thin: Vec<(Thin, usize)>,
    mirror: usize,
    python: usize,
    rebuilt: u64,
    /// Of thin clients, the mirror and python-tuf.
    visits: [u64; 3],
}

impl Clients {
    fn visit(&mut self, scene: &Scene, step: usize, choices: &mut Choices, what: &str) {
        for (place, (thin, at)) in self.thin.iter_mut().enumerate() {
            if *at > step {
                continue;
            }
            // The first looks everything up, the others a few targets.
            let count = if place == 0 { scene.paths.len() } else { 1 + choices.below(12) };
            let sought: Vec<&str> = (0..count)
                .map(|n| if place == 0 { n } else { choices.below(scene.paths.len()) })
                .map(|n| scene.paths[n].as_str())
                .collect();
            let what = format!("{what}, client {place}");
            let deltas = thin.visit(scene, &sought, &what).deltas;
            assert_eq!(deltas.fallbacks, Fallbacks::default(), "{what}");
            self.rebuilt += deltas.documents;
            self.visits[0] += 1;
            *at = step + 1 + choices.below(1 + 4 * place);
        }
        if self.mirror <= step {
            self.mirror = step + 1 + choices.below(5);
            self.visits[1] += 1;
            sync(scene, what);
        }
        if self.python <= step
            && let Some(peers) = Peers::find()
        {
            self.python = step + 1 + choices.below(5);
            self.visits[2] += 1;
            let (metadata, cache) = (scene.metadata(), scene.dir.path().join("python"));
            let root = metadata.join("1.root.json");
            let paths = scene.paths.iter().map(String::as_str);
            let answer = peers.read(Peer::PythonTuf, &metadata, &root, &cache, paths);
            assert!(answer.targets.values().all(Option::is_some), "{what}");
        }
    }
}

fn sync(scene: &Scene, what: &str) {
    let (folder, source) = (scene.dir.path().join("mirror"), scene.repo().join("public"));
    let source = source.to_str().expect("UTF-8");
    let mut mirror = Mirror::open(&folder, source, Limits::default()).expect("a mirror");
    mirror.trust(&files_of(&scene.metadata())["1.root.json"]).expect("a root");
    let synced = mirror.sync(scene.now, &|_| ()).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(synced.cost.deltas.fallbacks, Fallbacks::default(), "{what}");
    let (published, held) =
        (files_of(&scene.metadata()), files_of(&folder.join("public/metadata")));
    let listed = super::listed(scene);
    assert!(held["timestamp.json"] == published["timestamp.json"], "{what}");
    for (role, version) in listed {
        let name = format!("{version}.{role}.json");
        // What nobody delegates to, a mirror need not have.
        assert!(held.get(&name).is_none_or(|file| *file == published[&name]), "{what}: {name}");
    }
    let mut visitor = tufold_tests::Visitor::refresh(&folder.join("public/metadata"), scene.now)
        .unwrap_or_else(|error| panic!("{what}: {error}"));
    assert!(
        scene.paths.iter().all(|path| visitor.find(path).is_ok_and(|found| found.is_some())),
        "{what}"
    );
}

/// Leaves what a change of the bins leaves that is killed on its way: some of its files, the last one cut off.
fn kill(scene: &Scene, to: &str, choices: &mut Choices) {
    let copy = scene.dir.path().join("killed");
    let _ = fs::remove_dir_all(&copy);
    copy_folder(&scene.repo(), &copy);
    rebin_at(&copy, to, scene.now).expect("other bins");
    let note = "private/rebins.tsv";
    fs::copy(copy.join(note), scene.repo().join(note)).expect("a note");
    let is_backwards = choices.below(2) == 0;
    leave_part(&copy, &scene.repo(), is_backwards, |all| choices.below(all));
}

#[test]
fn every_visit_ends_in_the_published_documents() {
    check_runs(false);
}

#[test]
fn every_visit_does_so_though_changes_are_killed() {
    check_runs(true);
}

#[expect(clippy::print_stderr, reason = "the figures of a run that was asked for")]
fn check_runs(kills: bool) {
    let runs = std::env::var("TUFOLD_LONG_RUN").ok().and_then(|runs| runs.parse().ok());
    for seed in 11..11 + runs.unwrap_or(1) {
        let (rebuilt, [thin, mirror, python]) = check_run(kills, seed, runs.is_some());
        if runs.is_some() {
            eprintln!(
                "seed {seed}, kills: {kills}: {thin} visits of thin clients, {mirror} of the mirror, {python} of \
                 python-tuf; {rebuilt} documents by deltas, no fallback"
            );
        }
    }
}

/// How many documents thin clients rebuilt, and the visits.
fn check_run(kills: bool, seed: u64, is_long: bool) -> (u64, [u64; 3]) {
    let (publishes, events): (usize, &[(Event, usize)]) = if is_long {
        let all = [
            (Event::Double, 4),
            (Event::Halve, 1),
            (Event::Form, 2),
            (Event::Rotate, 2),
            (Event::Prune, 4),
        ];
        (40, &all.clone())
    } else {
        (
            9,
            &[
                (Event::Double, 2),
                (Event::Halve, 1),
                (Event::Form, 1),
                (Event::Rotate, 1),
                (Event::Prune, 1),
            ],
        )
    };
    let mut choices = Choices(seed);
    let mut steps: Vec<Option<Event>> = vec![None; publishes];
    for &(event, count) in events {
        for _ in 0..count {
            let at = choices.below(steps.len() + 1);
            steps.insert(at, Some(event));
        }
    }
    let paths: Vec<String> = (0..240)
        .map(|n| format!("packages/{n:02x}/{n:02x}/{n:060x}/project-{}-1.{n}.tar.gz", n % 17))
        .collect();
    let mut scene =
        Scene::with_paths("bins-succinct:8 versions", &[], &KeyRequest::default(), &paths);
    let names = ["all", "often", "seldom", "rarely"];
    let thin = names.map(|name| (Thin::new(&scene, name), 0)).into_iter().collect();
    let mut clients = Clients { thin, mirror: 0, python: 0, rebuilt: 0, visits: [0; 3] };
    let (mut form, mut bins, mut changes) = ("bins-succinct", 8_u64, 0);
    clients.visit(&scene, 0, &mut choices, "made");
    for (step, event) in (1..).zip(steps) {
        let what = format!("step {step}, {event:?}");
        let to = match event {
            Some(Event::Double) => Some((form, bins * 2)),
            Some(Event::Halve) => Some((form, bins / 2)),
            Some(Event::Form) if form == "bins-succinct" => Some(("bins-prefixes", bins)),
            Some(Event::Form) => Some(("bins-succinct", bins)),
            Some(Event::Rotate) => {
                let kinds: &[RoleKind] =
                    if choices.below(2) == 0 { &RoleKind::ALL } else { &[RoleKind::Snapshot] };
                scene.rotate(&request(kinds));
                let delegated = bins + 1 + u64::from(form == "bins-prefixes");
                assert_eq!(super::listed(&scene).len() as u64, delegated, "{what}: stale names");
                None
            }
            Some(Event::Prune) => {
                scene.now = scene.now.plus_seconds(60);
                scene.publish_to(0, &what);
                let pruner = Pruner::open(&scene.repo()).expect("a repository");
                let plan = pruner.plan("1s".parse().expect("a time"), scene.now).expect("a plan");
                pruner.commit(&plan, &|_| ()).expect("a prune");
                None
            }
            None => {
                for _ in 0..1 + choices.below(3) {
                    let place = choices.below(scene.paths.len());
                    scene.publish_to(place, &format!("{what}, {place}"));
                }
                None
            }
        };
        if let Some((new_form, new_bins)) = to {
            // Another change was killed on its way.
            let other =
                format!("{form}:{}", if choices.below(2) == 0 { bins * 4 } else { new_bins * 2 });
            if kills && format!("{form}:{bins}") != other {
                kill(&scene, &other, &mut choices);
                scene.ledger.note(&scene.metadata());
                assert_readable_of(
                    &scene.repo(),
                    scene.now,
                    &scene.paths,
                    &format!("{what}, killed"),
                );
                clients.visit(&scene, step, &mut choices, &format!("{what}, killed"));
            }
            (form, bins) = (new_form, new_bins);
            let rebinned = rebin(&scene, &format!("{form}:{bins}"));
            let deltas = rebinned.published.deltas.expect("deltas");
            assert_eq!(deltas.declined, 0, "{what}");
            changes += 1;
        }
        scene.ledger.note(&scene.metadata());
        assert_readable_of(&scene.repo(), scene.now, &scene.paths, &what);
        clients.visit(&scene, step, &mut choices, &what);
    }
    assert!(clients.rebuilt > 10 * changes, "{} documents by deltas", clients.rebuilt);
    // The last visits.
    clients.thin.iter_mut().for_each(|(_, at)| *at = 0);
    (clients.mirror, clients.python) = (0, 0);
    clients.visit(&scene, 1_000, &mut choices, "at last");
    (clients.rebuilt, clients.visits)
}
