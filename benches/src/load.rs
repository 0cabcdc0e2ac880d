//! Many clients that stay current at a server while a publisher publishes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tufold_meta::{Digest, TargetFile, TargetPath};
use tufold_repo::settings::parse_ladder;
use tufold_repo::targets::{Change, ChangeList, Target, TargetList};
use tufold_repo::{Input, Publisher};
use tufold_serve::{Limits, Server};

use crate::{new_repository, now, quiet};

/// The first argument of a process that is a server; a folder and the bytes of its cache follow.
pub const SERVER: &str = "--serve-in-this-process";

/// How much load.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Clients at once, each with a folder of its own.
    pub clients: usize,
    /// Publishes while they run.
    pub publishes: u32,
    /// From one publish to the next.
    pub interval: Duration,
    /// The longest gap between two visits of one client; the mean is half of it.
    pub max_gap: Duration,
    /// Targets of the repository.
    pub targets: u32,
    /// Its bins.
    pub bins: u64,
    /// What the server may keep of compressed files.
    pub cache_bytes: u64,
}

/// What the clients and the server went through.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// First visits that ended well, in ascending order of their times. All clients come at once.
    pub first_visits: Vec<Duration>,
    /// Later visits that ended well, in ascending order of their times.
    pub visits: Vec<Duration>,
    /// What the other visits ended with.
    pub errors: Vec<String>,
    /// Requests of all clients.
    pub requests: u64,
    /// Bytes that all clients received.
    pub bytes: u64,
    /// Requests that were made again.
    pub retries: u64,
    /// What the server took, at every publish; nothing where the system does not say.
    pub samples: Vec<Sample>,
}

/// A moment of a load.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Since the clients began.
    pub after: Duration,
    /// Resident memory of the server.
    pub server_kib: u64,
    /// Visits that had ended well, first ones too.
    pub visits: usize,
}

/// The time within which this share of the visits ended.
pub fn quantile(visits: &[Duration], share: f64) -> Duration {
    let last = visits.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, reason = "within the list")]
    let at = (last as f64 * share).round() as usize;
    visits.get(at).copied().unwrap_or_default()
}

/// Serves a folder until standard input ends; prints the address. `program` is called with [`SERVER`] for it, so that the
/// server's memory is nobody else's.
#[expect(clippy::print_stdout, reason = "what the parent waits for")]
pub fn serve(folder: &Path, cache_bytes: u64) {
    let limits = Limits { cache_bytes, ..Limits::default() };
    let server = Server::bind(folder, "127.0.0.1:0", None, limits).expect("a server");
    println!("{}", server.address());
    let stop = server.stop_handle();
    std::thread::spawn(move || {
        let _ = std::io::stdin().lock().read_line(&mut String::new());
        stop.stop();
    });
    let served = server.run();
    assert_eq!(served.failed, 0, "the server failed requests");
    assert_eq!(served.slow_readers, 0, "the server turned clients out");
}

/// Runs a load against a server in a process of its own: `program` with [`SERVER`] and a folder has to call [`serve`].
pub fn run(load: &Load, program: &Path) -> Outcome {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("a temporary folder");
    let repo = folder.path().join("repo");
    let rows = (0..load.targets).map(|n| target(n, 0)).collect();
    new_repository(&repo, TargetList::from_rows(rows).expect("paths that differ"), load.bins);
    publish(&repo, load, 1);
    let mut server = Command::new(program);
    server.arg(SERVER).arg(repo.join("public")).arg(load.cache_bytes.to_string());
    server.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut server = server.spawn().expect("a server");
    let mut address = String::new();
    let mut lines = BufReader::new(server.stdout.take().expect("a pipe"));
    lines.read_line(&mut address).expect("an address");
    let crowd = Crowd {
        url: format!("http://{}", address.trim_end()),
        root: std::fs::read(repo.join("public/metadata/1.root.json")).expect("a root"),
        load: *load,
        folder: folder.path().to_owned(),
        ended: AtomicBool::new(false),
        outcome: Mutex::default(),
        sums: [const { AtomicU64::new(0) }; 3],
    };
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for number in 0..load.clients {
            let crowd = &crowd;
            let builder = std::thread::Builder::new().stack_size(512 << 10);
            builder.spawn_scoped(scope, move || crowd.client(number)).expect("a thread");
        }
        for version in 2..load.publishes + 2 {
            std::thread::sleep(load.interval);
            publish(&repo, load, version);
            let (after, server_kib) = (begun.elapsed(), resident_kib(&server));
            let mut outcome = crowd.outcome.lock().expect("no panic");
            let visits = outcome.first_visits.len() + outcome.visits.len();
            let sample = server_kib.map(|server_kib| Sample { after, server_kib, visits });
            outcome.samples.extend(sample);
        }
        crowd.ended.store(true, Relaxed);
    });
    drop(server.stdin.take());
    assert!(server.wait().expect("an end").success(), "the server ended badly");
    let mut outcome = crowd.outcome.into_inner().expect("no panic");
    outcome.first_visits.sort_unstable();
    outcome.visits.sort_unstable();
    let [requests, bytes, retries] = crowd.sums.map(AtomicU64::into_inner);
    Outcome { requests, bytes, retries, ..outcome }
}

struct Crowd {
    url: String,
    root: Vec<u8>,
    load: Load,
    folder: PathBuf,
    ended: AtomicBool,
    outcome: Mutex<Outcome>,
    /// Requests, bytes, retries.
    sums: [AtomicU64; 3],
}

impl Crowd {
    /// One client: it looks for targets again and again, and stays away for a while in between. Each has made a visit at
    /// least, and one after the last publish.
    fn client(&self, number: usize) {
        let mut random = Random(number as u64);
        let mut is_first = true;
        loop {
            let last = self.ended.load(Relaxed);
            let begun = Instant::now();
            let visited = self.visit(number, &mut random);
            let mut outcome = self.outcome.lock().expect("no panic");
            match visited {
                Ok(()) if is_first => outcome.first_visits.push(begun.elapsed()),
                Ok(()) => outcome.visits.push(begun.elapsed()),
                Err(error) => outcome.errors.push(format!("client {number}: {error}")),
            }
            drop(outcome);
            is_first = false;
            if last {
                return;
            }
            let away = self.load.max_gap.mul_f64(random.fraction());
            let back = Instant::now() + away;
            while Instant::now() < back && !self.ended.load(Relaxed) {
                std::thread::sleep(away.min(Duration::from_millis(50)));
            }
        }
    }

    fn visit(&self, number: usize, random: &mut Random) -> Result<(), tufold_sync::Error> {
        let cache = self.folder.join(format!("client-{number}"));
        let limits = tufold_sync::Limits::default();
        let mut client = tufold_sync::Client::open(&cache, &self.url, limits)?;
        client.trust(&self.root)?;
        let mut visit = client.visit(now())?;
        let path = path(random.below(self.load.targets));
        let found = visit.find(&[&path])?;
        assert!(found[0].listed.is_some(), "{path} is not listed");
        let cost = visit.cost();
        for (sum, value) in self.sums.iter().zip([cost.requests, cost.bytes, cost.retries]) {
            sum.fetch_add(value, Relaxed);
        }
        Ok(())
    }
}

/// Publishes other contents of one target in a hundred.
fn publish(repo: &Path, load: &Load, version: u32) {
    let mut publisher = Publisher::open(repo).expect("a repository");
    publisher.set_ladder(parse_ladder("pow2:64").expect("a ladder"));
    let mut random = Random(u64::from(version) << 32);
    let changed: std::collections::BTreeSet<u32> =
        (0..load.targets.div_ceil(100)).map(|_| random.below(load.targets)).collect();
    let rows = changed.into_iter().map(|n| Change::Put(target(n, version))).collect();
    let input = Input::Changes(ChangeList::from_rows(rows).expect("paths that differ"));
    let plan = publisher.plan(input, &Default::default(), now(), &quiet).expect("a plan");
    publisher.commit(plan, &quiet).expect("a publish");
}

fn path(number: u32) -> String {
    format!("packages/{:02x}/file-{number}.tar.gz", number % 256)
}

fn target(number: u32, version: u32) -> Target {
    let content = [number.to_le_bytes(), version.to_le_bytes()].concat();
    let file = TargetFile::new(u64::from(number) + 1_000, Digest::of(&content));
    Target { path: TargetPath::new(&path(number)).expect("a target path"), file }
}

fn resident_kib(process: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// SplitMix64: the same choices in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.next() % u64::from(end)).unwrap_or(0)
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
