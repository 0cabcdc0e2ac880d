//! What has no chance in it is predicted to the byte.

use std::path::Path;

use tufold_delta::Ladder;
use tufold_growth::sizes;
use tufold_meta::Digest;
use tufold_repo::layout::{Delegation, Layout};
use tufold_repo::settings::{Lifetimes, Settings};
use tufold_repo::targets::{Source, read_targets};
use tufold_repo::{KeyRequest, NewRepository};

/// Makes a repository with one target.
fn repository(folder: &Path, form: &str, bins: Option<u64>, snapshot: &str) {
    let layout = Layout {
        delegation: Delegation::from_parts(form, bins).expect("a form"),
        snapshot: snapshot.parse().expect("a form of snapshots"),
    };
    let ladder = Some(Ladder::default());
    let lifetimes = Lifetimes::default();
    let settings = Settings { layout, lifetimes, ladder, signers: Default::default() };
    let list = format!("path\tlength\tsha256\nfoo.txt\t3\t{}\n", "2c".repeat(32));
    let list = read_targets(Source::new("list.tsv", list.as_bytes()), &|_| ()).expect("a list");
    let now = "2026-11-22T00:00:00Z".parse().expect("a time");
    let new = NewRepository::prepare(folder, settings, &KeyRequest::default(), now).expect("keys");
    let plan = new.plan(list).expect("a plan");
    new.commit(plan, &|_| ()).expect("a repository");
}

fn length(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(folder.join("public/metadata").join(name)).expect(name).len()
}

#[test]
fn documents_have_the_predicted_lengths() {
    for (bits, snapshot) in [(1, "versions"), (6, "hashes"), (9, "versions"), (10, "versions")] {
        for form in ["bins-succinct", "bins-prefixes"] {
            let folder = tempfile::tempdir().unwrap();
            let folder = folder.path().join("repo");
            repository(&folder, form, Some(1 << bits), snapshot);
            let snapshot_bytes = length(&folder, "1.snapshot.json");
            let timestamp =
                sizes::timestamp(1, 1, snapshot_bytes, Some(Ladder::default())).unwrap();
            assert_eq!(length(&folder, "timestamp.json"), timestamp, "{form} {bits}");
            let top = length(&folder, "1.targets.json");
            let mut roles = vec![("targets".to_owned(), top)];
            if form == "bins-succinct" {
                assert_eq!(top, sizes::succinct_targets(bits).unwrap(), "{bits}");
            } else {
                let bins = length(&folder, "1.bins.json");
                assert_eq!((top, bins), sizes::prefixes_targets(bits, 1).unwrap(), "{bits}");
                roles.push(("bins".to_owned(), bins));
            }
            let width = bits.div_ceil(4) as usize;
            for bin in 0..1_u32 << bits {
                let role = format!("bins-{bin:0width$x}");
                let len = length(&folder, &format!("1.{role}.json"));
                roles.push((role, len));
            }
            let empty = sizes::empty_targets(1, None).unwrap();
            let file = tufold_meta::TargetFile::new(3, Digest::of(b""));
            let one = empty + sizes::target_entry("foo.txt", &file) - 1;
            let leaves = &roles[if form == "bins-succinct" { 1 } else { 2 }..];
            assert!(leaves.iter().all(|(_, len)| *len == empty || *len == one));
            assert_eq!(leaves.iter().filter(|(_, len)| *len == one).count(), 1);
            let with_hashes = snapshot == "hashes";
            let entry = |(role, len): &(String, u64)| {
                let digits = if with_hashes { 1 + len.to_string().len() } else { 1 };
                sizes::snapshot_entry(role.len() as f64, with_hashes) + digits as f64
            };
            let entries: f64 = roles.iter().map(entry).sum();
            let expected = sizes::empty_snapshot(1).unwrap() as f64 + entries - 1.0;
            assert_eq!(snapshot_bytes as f64, expected, "{form} {bits} {snapshot}");
        }
    }
}

#[test]
fn a_project_is_delegated_to_in_the_predicted_length() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("repo");
    repository(&folder, "projects-wildcard", None, "versions");
    let form = Delegation::ProjectsWildcard;
    let selector = form.project_selector(["foo.txt"].into_iter()).unwrap();
    let role = form.role_of("foo.txt");
    let one = sizes::delegation(&role, selector, tufold_meta::Terminating::Yes).unwrap();
    assert_eq!(length(&folder, "1.targets.json"), sizes::listing_targets(1).unwrap() + one - 1);
}

/// TAP 16's own arithmetic counts 26 levels of 32 bytes for 50 million roles; as JSON a level takes three times that.
#[test]
fn a_proof_has_its_form() {
    let hash = "a".repeat(64);
    let proof = format!(
        r#"{{"leaf_contents":{{"bins-0a.json":{{"version":7}}}},"merkle_path":{{"0":"{hash}","1":"{hash}"}},"path_directions":{{"0":1,"1":0}}}}"#
    );
    assert_eq!(sizes::merkle_proof(7.0, 1.0, 4.0), proof.len() as f64);
    let tap16 = sizes::merkle_proof(12.0, 3.0, 5e7);
    assert!((2_000.0..2_300.0).contains(&tap16), "{tap16}");
}

/// With one Ed25519 key a bin that splits costs 140 bytes, and one more after 128 versions; two that merge cost 76.
#[test]
fn an_object_of_bins_has_its_length() {
    for (new_bins, first, old, bytes) in [
        (2, 100, &[41][..], 140),
        (2, 300, &[41], 141),
        (2, 20_000, &[1], 142),
        (1, 100, &[41, 40], 76),
        (4, 100, &[41], 270),
    ] {
        let length = sizes::bins_delta(new_bins, first, old).unwrap();
        assert_eq!(length, bytes, "{new_bins} new bins of {old:?}");
    }
    let text = r#""x-tufold-bins":"13@1 14@9","#;
    assert_eq!(sizes::bin_history(&[(13, 1), (14, 9)]), text.len() as u64);
}
