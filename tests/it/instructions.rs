//! How many instructions the publisher's hot paths take, counted by callgrind: a gate that a busy machine does not move.
//!
//! Only the program's own code counts. Hashes, signatures and the C library choose their code by the processor, and are what
//! the benchmarks' floors are made of. A count may be a tenth above what is stated here. When one falls, state the new one; when one
//! has to rise, say why in the commit that raises it. The counts are of x86-64 in the profile of the tests, on one thread.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use tufold_meta::Digest;
use tufold_tests::{after, project_dir, scratch, tufold_binary};

use crate::component;

/// What is counted, and so many thousands of instructions.
const STATED: [(&str, u64); 4] = [
    ("init", 25_500),
    ("publish of 40 changes", 8_100),
    ("sign all bins again", 11_200),
    ("check", 92_500),
];

/// How the names of functions begin that do not count.
const OTHERS: [&str; 4] = ["aws_lc_", "blake3", "_blake3", "jent_"];

#[test]
fn hot_paths_take_no_more_instructions_than_stated() {
    let Some(valgrind) = component::find("valgrind", None) else { return };
    if !cfg!(all(target_arch = "x86_64", debug_assertions)) {
        return component::skipped(
            "instruction counts",
            "they are of x86-64 in the profile of tests",
        );
    }
    let dir = scratch();
    let (repo, keys) = (dir.path().join("repo"), project_dir().join("tests/golden/keys"));
    let (list, changes) = (dir.path().join("list.tsv"), dir.path().join("changes.tsv"));
    let row = |n: u32| {
        let hex = Digest::of(&n.to_le_bytes()).to_string();
        let (a, b, c) = (&hex[..2], &hex[2..4], &hex[4..]);
        format!("packages/{a}/{b}/{c}/file-{n}.tar.gz\t{n}\t{hex}\n")
    };
    let mut text = "path\tlength\tsha256\n".to_owned();
    (0..2_000).for_each(|n| text += &row(n));
    fs::write(&list, text).unwrap();
    let mut text = "change\tpath\tlength\tsha256\n".to_owned();
    (2_000..2_040).for_each(|n| write!(text, "put\t{}", row(n)).unwrap());
    fs::write(&changes, text).unwrap();
    let profile = dir.path().join("profile");
    let count = |args: &[&str]| {
        let mut command = Command::new(&valgrind);
        command.env("RAYON_NUM_THREADS", "1");
        command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", profile.display()));
        command.arg(tufold_binary()).arg(args[0]).arg(&repo).args(&args[1..]);
        let output = command.output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {log}");
        own_instructions(&fs::read_to_string(&profile).unwrap(), tufold_binary())
    };
    let [first, second, third] = ["0s", "1h", "2h"].map(|time| after(time).to_string());
    let [list, changes, keys] =
        [&list, &changes, &keys].map(|path| path.to_str().expect("a path of UTF-8"));
    let counts = [
        count(&["init", "--targets", list, "--bins", "64", "--keys", keys, "--now", &first]),
        count(&["publish", "--changes", changes, "--deltas", "off", "--now", &second]),
        count(&["publish", "--refresh", "bins", "--now", &third]),
        count(&["check", "--now", &third]),
    ];
    let mut table = String::new();
    let mut over = false;
    for ((name, stated), count) in STATED.into_iter().zip(counts) {
        let thousands = count.div_ceil(1_000);
        writeln!(table, "{name}: {thousands} thousand, stated {stated}").unwrap();
        over |= thousands * 10 > stated * 11;
    }
    assert!(!over, "more than a tenth above what is stated:\n{table}");
}

/// The instructions of a profile that the functions of this program took, without those of [`OTHERS`].
fn own_instructions(profile: &str, program: &Path) -> u64 {
    // A name stands beside its number once; later the number stands alone.
    let mut names: HashMap<(char, &str), &str> = HashMap::new();
    let (mut own_object, mut own_function) = (false, false);
    let (mut sum, mut is_call) = (0, false);
    for line in profile.lines() {
        if let Some((key, value)) = line.split_once('=') {
            let (kind, current) = match key {
                "ob" => ('o', true),
                "cob" => ('o', false),
                "fn" => ('f', true),
                "cfn" => ('f', false),
                "calls" => {
                    is_call = true;
                    continue;
                }
                _ => continue,
            };
            let (number, name) = value.split_once(' ').unwrap_or((value, ""));
            let name = match name {
                "" => names.get(&(kind, number)).copied().unwrap_or(""),
                name => *names.entry((kind, number)).or_insert(name),
            };
            match (kind, current) {
                ('o', true) => own_object = Path::new(name) == program,
                ('f', true) => own_function = !OTHERS.iter().any(|other| name.starts_with(other)),
                _ => {}
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            // The line below a call has what the callee took.
            if !std::mem::replace(&mut is_call, false) && own_object && own_function {
                let cost = line.split(' ').nth(1).and_then(|cost| cost.parse::<u64>().ok());
                sum += cost.unwrap_or(0);
            }
        }
    }
    sum
}

#[test]
fn the_counts_of_a_profile_are_told_apart() {
    let profile = "events: Ir\n\nob=(1) /bin/p\nfl=(1) a.rs\nfn=(1) main\n16 5\n+2 3\ncob=(2) /lib/c\ncfn=(2) memcpy\ncalls=1 0\n+1 100\n\
                   * 2\n\nob=(2)\nfn=(2)\n0 90\n\nob=(1)\nfn=(3) aws_lc_sha\n9 1000\n\nfn=(4) tufold::x\n7 7\nfn=(1)\n16 1\n";
    assert_eq!(own_instructions(profile, Path::new("/bin/p")), 5 + 3 + 2 + 7 + 1);
    assert_eq!(own_instructions(profile, Path::new("/lib/c")), 90);
}
