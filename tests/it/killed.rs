//! SIGKILL just before any system call that changes the disk.
//!
//! strace runs the command once to list its calls, and then again and again, each time killing it as it enters one of them.
//! `TUFOLD_KILLS=N` sets how many points of each command are drawn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tufold_meta::Time;
use tufold_repo::check::{Strictness, check};
use tufold_repo::targets::{Source, read_changes};
use tufold_repo::{Input, Publisher, Repository};
use tufold_tests::{Ledger, Visitor, after, copy_folder, files_of, scratch, tufold_binary};

use crate::component;

/// The calls that change a disk, or make a change of it durable.
const CALLS: &str = "openat,mkdir,mkdirat,write,pwrite64,writev,rename,renameat,renameat2,unlink,unlinkat,rmdir,ftruncate,\
                     fallocate,chmod,fchmod,link,linkat,fsync,fdatasync,syncfs,flock";

/// How many points of each command are tried, unless `TUFOLD_KILLS` says otherwise.
const POINTS: usize = 40;

/// The `when`-th call of this name by one thread.
type Point = (String, usize);

struct Scene {
    strace: PathBuf,
    dir: tempfile::TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let strace = component::find("strace", None)?;
        let scene = Self { strace, dir: scratch() };
        fs::write(scene.path("list.tsv"), list(1)).expect("a file");
        let mut rows = "change\tpath\tlength\tsha256\n".to_owned();
        for n in (0..60).step_by(3) {
            rows += &format!("put\tpool/{n}\t2\t{n:064x}\n");
        }
        fs::write(scene.path("changes.tsv"), &rows).expect("a file");
        fs::write(scene.path("other.tsv"), rows.replace("\t2\t", "\t3\t")).expect("a file");
        Some(scene)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs the command in its folder, to its end.
    fn run(&self, args: &str) {
        let mut command = self.command(tufold_binary());
        let output = command.args(args.split(' ')).output().expect("the command");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args}: {error}");
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        // One thread works and the other waits for it: the same calls in the same order every time.
        command.current_dir(self.dir.path()).env("RAYON_NUM_THREADS", "1");
        command
    }

    /// The points of a command that change what is below `repo`.
    fn points(&self, args: &str) -> Vec<Point> {
        let log = self.path("calls");
        let mut command = self.command(&self.strace);
        command.args([
            "-f",
            "-qq",
            "-y",
            "-e",
            &format!("trace={CALLS}"),
            "-e",
            "signal=none",
            "-o",
        ]);
        command.arg(&log).arg(tufold_binary()).args(args.split(' '));
        let output = command.output().expect("strace");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut seen: BTreeMap<(String, String), usize> = BTreeMap::new();
        let mut points = BTreeSet::new();
        for line in fs::read_to_string(&log).expect("a log").lines() {
            let Some((thread, call)) = line.split_once(' ') else { continue };
            let Some((name, rest)) = call.trim_start().split_once('(') else { continue };
            if name.contains(' ') || name.contains('<') {
                continue; // the end of a call that another thread interrupted
            }
            let count = seen.entry((thread.to_owned(), name.to_owned())).or_default();
            *count += 1;
            let reads =
                name == "openat" && !rest.contains("O_CREAT") && !rest.contains("O_TMPFILE");
            if rest.contains("repo") && !reads {
                points.insert((name.to_owned(), *count));
            }
        }
        points.into_iter().collect()
    }

    /// Runs the command and kills it at a point. Whether it came to its end all the same: then no thread made so many of
    /// these calls.
    fn run_to(&self, (call, when): &Point, args: &str) -> bool {
        let mut command = self.command(&self.strace);
        command.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", "signal=none"]);
        command.args([
            "-e",
            &format!("inject={call}:signal=SIGKILL:when={when}"),
            "-o",
            "/dev/null",
        ]);
        command.arg(tufold_binary()).args(args.split(' '));
        let output = command.output().expect("strace");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code().is_none_or(|code| code == 0 || code == 137), "{error}");
        output.status.success()
    }

    /// Tries points of a command, each from the same state: none, or the one in the folder `base`.
    fn try_points(&self, args: &str, base: Option<&str>, after_kill: impl Fn(&str)) -> usize {
        let reset = || {
            let _ = fs::remove_dir_all(self.path("repo"));
            if let Some(base) = base {
                copy_folder(&self.path(base), &self.path("repo"));
            }
        };
        reset();
        let all = self.points(args);
        assert!(all.len() >= 20, "{args}: only {} points", all.len());
        let wanted = std::env::var("TUFOLD_KILLS").ok().and_then(|n| n.parse().ok());
        let drawn = draw(&all, wanted.unwrap_or(POINTS));
        let mut kills = 0;
        for point in &drawn {
            reset();
            let ended = self.run_to(point, args);
            kills += usize::from(!ended);
            let (call, when) = point;
            after_kill(&format!("{args}, killed before {call} number {when}, ended: {ended}"));
        }
        assert!(kills * 10 >= drawn.len() * 9, "{args}: {kills} kills of {}", drawn.len());
        kills
    }

    fn metadata(&self) -> PathBuf {
        self.path("repo/public/metadata")
    }

    fn assert_sound(&self, now: Time, what: &str) {
        let repository =
            Repository::open(&self.path("repo")).unwrap_or_else(|e| panic!("{what}: {e}"));
        let report = check(&repository, now, Strictness::Usual, &|_| ());
        let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(report.is_sound() && report.targets == 60, "{what}: {:#?}", report.findings);
    }

    /// Publishes the other changes, and says what client finds where these are.
    fn publish_next(&self, now: Time, what: &str) {
        let file = fs::read(self.path("other.tsv")).expect("a file");
        let list = read_changes(Source::new("other.tsv", &file[..]), &|_| ()).expect("changes");
        let publisher =
            Publisher::open(&self.path("repo")).unwrap_or_else(|e| panic!("{what}: {e}"));
        let plan = publisher.plan(Input::Changes(list), &BTreeSet::new(), now, &|_| ());
        let plan = plan.unwrap_or_else(|error| panic!("{what}: {error}"));
        publisher.commit(plan, &|_| ()).unwrap_or_else(|error| panic!("{what}: {error}"));
        self.assert_sound(now, what);
        assert_eq!(self.lengths(now, what), vec![3], "{what}");
        for folder in [self.path("repo"), self.metadata(), self.path("repo/private")] {
            let left = files_of(&folder).into_keys().find(|name| name.starts_with(".tmp-"));
            assert_eq!(left, None, "{what}");
        }
    }

    /// The lengths that a client is told for the targets that change: one if it sees one version.
    fn lengths(&self, now: Time, what: &str) -> Vec<u64> {
        let visitor = Visitor::refresh(&self.metadata(), now);
        let mut visitor = visitor.unwrap_or_else(|error| panic!("{what}: {error}"));
        let lengths: BTreeSet<u64> = (0..60)
            .step_by(3)
            .map(|n| {
                visitor.find(&format!("pool/{n}")).expect("a search").expect("a target").length
            })
            .collect();
        lengths.into_iter().collect()
    }
}

fn list(length: u64) -> String {
    let rows = (0..60).map(|n| format!("pool/{n}\t{length}\t{n:064x}\n"));
    format!("path\tlength\tsha256\n{}", rows.collect::<String>())
}

/// So many of the points, the same every time, the first and the last among them.
fn draw(points: &[Point], count: usize) -> Vec<Point> {
    let mut left: Vec<usize> = (1..points.len().saturating_sub(1)).collect();
    let mut drawn = BTreeSet::from([0, points.len() - 1]);
    let mut state = 7_u64;
    while drawn.len() < count && !left.is_empty() {
        state = state * 48_271 % 2_147_483_647;
        let at = usize::try_from(state).unwrap_or(0) % left.len();
        drawn.insert(left.swap_remove(at));
    }
    drawn.into_iter().map(|at| points[at].clone()).collect()
}

const LAYOUTS: [&str; 2] = [
    "--bins 16 --delegation bins-succinct --snapshot versions",
    "--bins 8 --delegation bins-prefixes --snapshot hashes --deltas off",
];

fn init(layout: &str) -> String {
    format!("init repo --targets list.tsv --now {} {layout}", after("0s"))
}

#[test]
fn an_init_that_is_killed_goes_on() {
    let Some(scene) = Scene::new() else { return };
    for layout in LAYOUTS {
        let init = init(layout);
        scene.try_points(&init, None, |what| {
            let mut ledger = Ledger::default();
            ledger.note(&scene.metadata());
            if !scene.metadata().join("timestamp.json").exists() {
                scene.run(&init);
                ledger.note(&scene.metadata());
            }
            scene.assert_sound(after("0s"), what);
            scene.publish_next(after("1h"), what);
            ledger.note(&scene.metadata());
            let names: Vec<_> = fs::read_dir(scene.path("repo")).unwrap().collect();
            assert_eq!(names.len(), 2, "{what}: only public/ and private/ stay");
        });
    }
}

#[test]
fn a_publish_that_is_killed_is_the_old_one_or_the_new_one() {
    let Some(scene) = Scene::new() else { return };
    for layout in LAYOUTS {
        let _ = fs::remove_dir_all(scene.path("repo"));
        let _ = fs::remove_dir_all(scene.path("base"));
        scene.run(&init(layout));
        fs::rename(scene.path("repo"), scene.path("base")).unwrap();
        let publish = format!("publish repo --changes changes.tsv --now {}", after("1h"));
        scene.try_points(&publish, Some("base"), |what| {
            let mut ledger = Ledger::default();
            ledger.note(&scene.path("base/public/metadata"));
            ledger.note(&scene.metadata());
            scene.assert_sound(after("1h"), what);
            let lengths = scene.lengths(after("1h"), what);
            assert!(lengths == [1] || lengths == [2], "{what}: a client sees {lengths:?}");
            scene.publish_next(after("2h"), what);
            ledger.note(&scene.metadata());
        });
    }
}

#[test]
fn a_rebin_that_is_killed_leaves_the_old_bins_or_the_new_ones() {
    let Some(scene) = Scene::new() else { return };
    for (layout, bins) in LAYOUTS.iter().zip([32, 4]) {
        let _ = fs::remove_dir_all(scene.path("repo"));
        let _ = fs::remove_dir_all(scene.path("base"));
        scene.run(&init(layout));
        fs::rename(scene.path("repo"), scene.path("base")).unwrap();
        let rebin = format!("rebin repo --bins {bins} --now {}", after("1h"));
        scene.try_points(&rebin, Some("base"), |what| {
            let mut ledger = Ledger::default();
            ledger.note(&scene.path("base/public/metadata"));
            ledger.note(&scene.metadata());
            scene.assert_sound(after("1h"), what);
            assert_eq!(scene.lengths(after("1h"), what), [1], "{what}");
            scene.run(&rebin);
            ledger.note(&scene.metadata());
            scene.assert_sound(after("1h"), what);
            scene.publish_next(after("2h"), what);
            ledger.note(&scene.metadata());
        });
    }
}

#[test]
fn a_prune_that_is_killed_leaves_what_is_current() {
    let Some(scene) = Scene::new() else { return };
    scene.run(&init(LAYOUTS[0]));
    for (changes, hour) in [("changes", "1h"), ("other", "2h"), ("changes", "3h"), ("other", "4h")]
    {
        scene.run(&format!("publish repo --changes {changes}.tsv --now {}", after(hour)));
    }
    fs::rename(scene.path("repo"), scene.path("base")).unwrap();
    let prune = format!("prune repo --keep 1h --now {}", after("8h"));
    scene.try_points(&prune, Some("base"), |what| {
        let mut ledger = Ledger::default();
        ledger.note(&scene.path("base/public/metadata"));
        ledger.note(&scene.metadata());
        scene.assert_sound(after("8h"), what);
        assert_eq!(scene.lengths(after("8h"), what), [3], "{what}");
        scene.run(&prune);
        scene.assert_sound(after("8h"), what);
        scene.run(&format!("publish repo --changes changes.tsv --now {}", after("9h")));
        scene.publish_next(after("10h"), what);
        ledger.note(&scene.metadata());
    });
}
