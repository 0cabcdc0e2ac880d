use super::repo::{Repo, Visit, step};
use super::top_level::TARGETS_ON;
use crate::{Error, Source, TrustedSet};

#[test]
fn refuses_steps_out_of_order() {
    let mut repo = Repo::new();
    let file = |name: &str| repo.files[name].clone();
    let mut set = Visit::new(&repo.files).set;
    let check = |set: &mut TrustedSet,
                 expected: &str,
                 update: &dyn Fn(&mut TrustedSet) -> Result<(), Error>| {
        let error = step(set, update).unwrap_err();
        assert_eq!(error.to_string(), expected);
    };
    let root = |set: &mut TrustedSet| set.update_root(file("1.root.json")).map(|_| ());
    let timestamp = |set: &mut TrustedSet| {
        set.update_timestamp(file("timestamp.json"), Source::Fetched).map(|_| ())
    };
    let snapshot =
        |set: &mut TrustedSet| set.update_snapshot(file("7.snapshot.json"), Source::Fetched);
    let targets = |set: &mut TrustedSet| set.update_targets(file("3.targets.json"));
    let early = "targets.json came before the snapshot.json that timestamp.json names";
    check(&mut set, "snapshot.json came before timestamp.json", &snapshot);
    check(&mut set, early, &targets);
    timestamp(&mut set).unwrap();
    check(&mut set, "root.json came after timestamp.json", &root);
    check(&mut set, early, &targets);
    snapshot(&mut set).unwrap();
    check(&mut set, "timestamp.json came after snapshot.json", &timestamp);
    targets(&mut set).unwrap();
    check(&mut set, "snapshot.json came after targets.json", &snapshot);

    // A snapshot from the cache that the timestamp has left behind does not do for targets.
    let cache = repo.files.clone();
    repo.release(&TARGETS_ON);
    let mut set = Visit::new(&cache).set;
    set.update_timestamp(repo.files["timestamp.json"].clone(), Source::Fetched).unwrap();
    set.update_snapshot(cache["7.snapshot.json"].clone(), Source::Cached).unwrap();
    let targets = |set: &mut TrustedSet| set.update_targets(cache["3.targets.json"].clone());
    check(&mut set, early, &targets);
}
