//! What visits cost in bytes and requests where the snapshot lists 16,384 bins, beside the floor and beside the plain
//! client, which fetches what python-tuf does. The lists have PyPI's shape. The bins hold two targets each, so that the
//! test is short: a million targets make longer bins, which costs the plain client more.

use std::collections::{BTreeMap, BTreeSet};

use tufold_delta::Ladder;
use tufold_meta::{BitLength, TargetPath};
use tufold_repo::Input;
use tufold_repo::targets::{Change, Source, Synth, read_projects};
use tufold_sync::{Cost, Limits};
use tufold_tests::{Server, TestRepo, after, project_dir, scratch};

use super::Place;

const BITS: u32 = 14;
const TARGETS: u64 = 32_768;
/// About 1,000 changes of targets.
const RELEASES: u64 = 250;

fn bin_of(path: &TargetPath) -> u32 {
    BitLength::new(BITS).expect("1 to 32").bin(path.as_str()).number()
}

/// What the change costs at least whoever looks at these bins, as `benches/peers/visits` has it: for each document a
/// signature and an expiry, which bins changed, and for each change there a digest, a random path and a name.
fn floor_bytes(changes: &BTreeMap<u32, u32>, looked_at: &BTreeSet<u32>) -> f64 {
    let (all, changed) = (f64::from(1 << BITS), changes.len());
    let which: f64 = (0..changed).map(|n| ((all - n as f64) / (n as f64 + 1.0)).log2()).sum();
    let bins = changes.iter().filter(|(bin, _)| looked_at.contains(bin));
    68.0 + which / 8.0 + bins.map(|(_, changes)| 68.0 + 68.0 * f64::from(*changes)).sum::<f64>()
}

/// The two clients that look the same targets up.
struct Clients {
    place: Place,
}

impl Clients {
    /// The plain client's cost, and that of one with deltas.
    fn visit(&self, paths: &[&str]) -> [Cost; 2] {
        ["plain", "deltas"].map(|name| {
            let cache = self.place.folder.path().join(format!("{name}-{}", paths.len()));
            let mut client = self.place.client(&cache);
            if name == "plain" {
                client = client.without_deltas();
            }
            let mut visit = client.visit(after("1h")).expect("a visit");
            let targets = visit.find(paths).expect("a visit");
            assert!(targets.iter().all(|target| target.listed.is_some()));
            visit.cost()
        })
    }

    /// The length of what the files of this snapshot would cost whoever fetches these bins of it whole.
    fn len_bytes(&self, names: &[String]) -> u64 {
        let files = names.iter().map(|name| self.place.repo.metadata().join(name));
        files.map(|file| std::fs::metadata(file).expect("a file").len()).sum()
    }
}

#[test]
fn visits_keep_the_bounds_on_bytes_and_round_trips() {
    let dataset = project_dir().join("datasets/pypi-projects.tsv.zst");
    let projects = read_projects(Source::open(&dataset).unwrap(), &|_| ()).unwrap();
    let synth = Synth::new(&projects, TARGETS, 1);
    let (list, changes) = (synth.targets(), synth.releases(RELEASES));
    let (mut changed, mut removed) = (BTreeMap::new(), BTreeSet::new());
    for change in changes.rows() {
        let path = match change {
            Change::Put(target) => &target.path,
            Change::Remove(path) => {
                removed.insert(path.clone());
                path
            }
        };
        *changed.entry(bin_of(path)).or_insert(0) += 1;
    }
    let stays: Vec<TargetPath> = list.rows().iter().map(|row| row.path.clone()).collect();
    let stays: Vec<&TargetPath> = stays.iter().filter(|path| !removed.contains(*path)).collect();
    let first = *stays.iter().find(|path| changed.contains_key(&bin_of(path))).unwrap();
    let others = stays.iter().step_by(stays.len() / 99).copied().filter(|path| *path != first);
    let sought: Vec<&TargetPath> = std::iter::once(first).chain(others).take(100).collect();
    let paths: Vec<&str> = sought.iter().map(|path| path.as_str()).collect();

    let repo = TestRepo::planned("bins-succinct:16384 versions");
    let repo = repo.ladder(Some(Ladder::Pow2 { horizon: 1_024 }));
    repo.try_init(list).unwrap();
    let server = Server::of_folder(repo.path().join("public"));
    let clients = Clients { place: Place { repo, server, folder: scratch() } };
    let cold = [1, 100].map(|count| clients.visit(&paths[..count]));
    let warm = [1, 100].map(|count| clients.visit(&paths[..count]));
    clients.place.repo.publish(Input::Changes(changes), &[], after("30m"));
    let after_changes = [1, 100].map(|count| clients.visit(&paths[..count]));

    // With nothing new, all clients ask for the next root and the timestamp.
    let timestamp = clients.len_bytes(&["timestamp.json".to_owned()]);
    for [plain, deltas] in warm {
        assert_eq!((plain.requests, deltas.requests), (2, 2));
        assert_eq!(plain.bytes, deltas.bytes);
        assert!(plain.bytes.abs_diff(timestamp) < 8, "{} and {timestamp}", plain.bytes);
    }
    let [plain, deltas] = cold[0];
    assert_eq!((plain.requests, deltas.requests), (5, 5));
    assert!(10 * deltas.bytes <= plain.bytes, "{} of {}", deltas.bytes, plain.bytes);
    for (count, [plain, deltas]) in [1, 100].into_iter().zip(after_changes) {
        let looked_at: BTreeSet<u32> = sought[..count].iter().map(|path| bin_of(path)).collect();
        let fetched: Vec<u32> =
            looked_at.iter().copied().filter(|bin| changed.contains_key(bin)).collect();
        // The plain client's bytes are those of the files: what any client pays that reads them whole.
        let bins = fetched.iter().map(|bin| format!("2.bins-{bin:04x}.json"));
        let files: Vec<String> = ["timestamp.json", "2.snapshot.json"]
            .into_iter()
            .map(str::to_owned)
            .chain(bins)
            .collect();
        assert_eq!(plain.bytes, clients.len_bytes(&files), "{count}");
        let requests = 3 + fetched.len() as u64;
        assert_eq!((plain.requests, deltas.requests), (requests, requests), "{count}");
        assert!(deltas.round_trips <= 4, "{count}: {}", deltas.round_trips);
        assert_eq!(deltas.deltas.documents, 1 + fetched.len() as u64, "{count}");
        let floor = floor_bytes(&changed, &looked_at);
        let most = 1.6 * floor + timestamp as f64;
        assert!(deltas.bytes as f64 <= most, "{count}: {} of {most:.0}", deltas.bytes);
        assert!(
            250 * deltas.bytes <= plain.bytes || count > 1,
            "{} of {}",
            deltas.bytes,
            plain.bytes
        );
    }
    // Nothing of it was asked for twice, or in vain.
    let all = cold.iter().chain(&warm).chain(&after_changes).flatten();
    assert!(all.clone().all(|cost| cost.retries == 0 && cost.damaged == 0));
    assert!(all.map(|cost| cost.deltas.wasted_bytes).sum::<u64>() == 0);
    assert!(Limits::default().max_parallel_deltas > 1);
}
