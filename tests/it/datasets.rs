//! Every row of every file in `datasets/`.

use std::fs;
use std::path::{Path, PathBuf};

use tufold_meta::Digest;
use tufold_repo::targets::{Change, Source, TargetList, diff, read_projects, read_targets};

fn dataset(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../datasets").join(name)
}

fn targets(name: &str) -> TargetList {
    let source = Source::open(&dataset(name)).expect("a dataset");
    read_targets(source, &|_| ()).expect("a list")
}

#[test]
fn readme_names_every_file_with_its_digest() {
    let readme = fs::read_to_string(dataset("README.md")).unwrap();
    let mut files = 0;
    for entry in fs::read_dir(dataset("")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // The scenarios are loaded by the tests of tufold-growth.
        if name != "README.md" && name != "scenarios" {
            let digest = Digest::of(&fs::read(dataset(&name)).unwrap());
            let row = format!("| `{name}` | `{digest}` |");
            assert!(readme.contains(&row), "datasets/README.md lacks {row}");
            files += 1;
        }
    }
    assert_eq!(files, 4);
}

#[test]
fn debian_lists_are_sorted_tsv_of_package_files() {
    for (name, rows) in
        [("debian-forky-amd64.tsv.zst", 70_735), ("debian-sid-amd64.tsv.zst", 76_808)]
    {
        let list = targets(name);
        assert_eq!(list.rows().len(), rows, "{name}");
        for row in list.rows() {
            let path = row.path.as_str();
            assert!(path.starts_with("pool/main/") && path.ends_with(".deb"), "{name}: {path}");
            assert!(row.file.length > 0, "{name}: {path}");
        }
        // Read and written again, the bytes are the same.
        let mut text = Vec::new();
        list.write(&mut text).unwrap();
        let file = zstd::decode_all(&*fs::read(dataset(name)).unwrap()).unwrap();
        assert!(text == file, "{name} is not what its own rows make");
    }
}

#[test]
fn sid_is_forky_with_additions_and_removals() {
    let forky = targets("debian-forky-amd64.tsv.zst");
    let sid = targets("debian-sid-amd64.tsv.zst");
    let changes = diff(&forky, &sid);
    let (puts, removals): (Vec<_>, Vec<_>) =
        changes.rows().iter().partition(|change| matches!(change, Change::Put(_)));
    assert_eq!((puts.len(), removals.len()), (9_655, 3_582));
    assert!(puts.iter().all(|change| forky.get(change.path().as_str()).is_none()));
    assert_eq!(changes.apply(&forky).unwrap(), sid);
}

#[test]
fn pdiff_sizes_are_56_updates_in_order() {
    let text = fs::read_to_string(dataset("debian-sid-pdiff-sizes.tsv")).unwrap();
    let (header, rows) = text.split_once('\n').unwrap();
    let columns = "version packages_bytes patch_bytes patch_gz_bytes merged_to_latest_gz_bytes";
    assert_eq!(header.replace('\t', " "), columns);
    let rows: Vec<(&str, Vec<u64>)> = rows
        .lines()
        .map(|row| row.split_once('\t').unwrap())
        .map(|(version, sizes)| (version, sizes.split('\t').map(|s| s.parse().unwrap()).collect()))
        .collect();
    assert_eq!(rows.len(), 56);
    assert!(rows.is_sorted_by(|(a, _), (b, _)| a < b));
    for (version, sizes) in &rows {
        let [packages, patch, patch_gz, merged] = sizes[..] else {
            panic!("{version} has {} sizes", sizes.len());
        };
        assert!(packages > patch && patch > patch_gz && merged >= patch_gz, "{version}");
    }
    // The way to the newest version only gets shorter.
    assert!(rows.is_sorted_by(|(_, a), (_, b)| a[3] > b[3]));
}

#[test]
fn pypi_projects_are_sorted_names_with_unique_ranks() {
    let source = Source::open(&dataset("pypi-projects.tsv.zst")).unwrap();
    let projects = read_projects(source, &|_| ()).unwrap();
    let rows = projects.rows();
    assert_eq!(rows.len(), 886_323);
    assert!(rows.is_sorted_by(|a, b| a.name < b.name));
    assert_eq!(rows.iter().filter(|project| project.version.is_empty()).count(), 22);
    assert_eq!(rows.iter().filter(|project| project.year.is_none()).count(), 22);
    let mut ranks: Vec<u32> = rows.iter().filter_map(|project| project.rank).collect();
    ranks.sort_unstable();
    assert_eq!((ranks.len(), ranks[0], ranks[14_984]), (14_985, 1, 15_000));
    assert!(ranks.is_sorted_by(|a, b| a < b));
}
