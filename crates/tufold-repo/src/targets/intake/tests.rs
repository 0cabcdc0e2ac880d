use std::collections::BTreeMap;
use std::fmt::Write as _;

use tufold_meta::BitLength;

use super::super::read_targets;
use super::*;

const MEMORIES: [Memory; 2] = [Memory::NONE, Memory::UNBOUNDED];

fn intake(text: &str, memory: Memory) -> Result<Intake, ListError> {
    let source = Source::new("list", text.as_bytes());
    Intake::read(source, memory, &std::env::temp_dir(), &|_| ())
}

fn listed(text: &str) -> Result<TargetList, ListError> {
    read_targets(Source::new("list", text.as_bytes()), &|_| ())
}

/// So many targets in no order, longer than one block of the reader.
fn tsv(count: u32) -> String {
    let mut text = format!("{TARGETS_HEADER}\n");
    for i in 0..count {
        let name = i.wrapping_mul(2_654_435_761) % count.next_power_of_two().max(2);
        let path = format!("pool/{name}/{i}/{}", "x".repeat(300));
        writeln!(text, "{path}\t{i}\t{}", Digest::of(&i.to_le_bytes())).unwrap();
    }
    text
}

fn check_bins(text: &str) {
    let list = listed(text).unwrap();
    for bits in [1, 4, PART_BITS, PART_BITS + 3] {
        let bits = BitLength::new(bits).unwrap();
        let mut expected: BTreeMap<u32, Vec<Target>> = BTreeMap::new();
        for target in list.rows() {
            let bin = bits.bin(target.path.as_str()).number();
            expected.entry(bin).or_default().push(target.clone());
        }
        for memory in MEMORIES {
            let intake = intake(text, memory).unwrap();
            assert_eq!(intake.rows(), list.rows().len() as u64);
            let runs = intake.into_bins(bits).unwrap().into_runs();
            assert_eq!(runs.len() as u64, bits.bin_count());
            for (bin, run) in (0..).zip(runs) {
                let targets = run.targets().unwrap();
                assert_eq!(run.count(), targets.len() as u64);
                assert_eq!(targets, expected.get(&bin).cloned().unwrap_or_default(), "{bin}");
            }
        }
    }
    for memory in MEMORIES {
        assert_eq!(intake(text, memory).unwrap().into_list().unwrap(), list);
    }
    let runs = |intake: Intake| {
        let bits = BitLength::new(3).unwrap();
        let runs = intake.into_bins(bits).unwrap().into_runs();
        runs.iter().map(|run| run.targets().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(runs(Intake::from(list)), runs(intake(text, Memory::UNBOUNDED).unwrap()));
}

#[test]
fn bins_hold_what_a_sorted_list_holds() {
    check_bins(&tsv(0));
    check_bins(&tsv(1));
    check_bins(&tsv(20_000));
}

#[test]
fn a_file_with_more_than_a_length_and_a_sha256_keeps_it() {
    let (hash, longer) = ("2c".repeat(32), "3d".repeat(64));
    let mut text = String::new();
    for i in 0..300 {
        writeln!(
            text,
            r#"{{"path":"é \"{i}\"","length":{i},"hashes":{{"sha256":"{hash}","sha512":"{longer}"}},"custom":{{"a":[1,{{"b":"\u0007"}}]}}}}"#
        )
        .unwrap();
        writeln!(text, r#"{{"path":"plain/{i}","length":{i},"hashes":{{"sha256":"{hash}"}}}}"#)
            .unwrap();
    }
    check_bins(&text);
}

/// The same error whichever way a list is read.
#[test]
fn a_list_is_refused_for_the_same_reason_either_way() {
    let hash = "2c".repeat(32);
    let row = |path: &str| format!("{path}\t3\t{hash}\n");
    let twice = format!("{}{}{}{}{}", tsv(20_000), row("b"), row("a"), row("a"), row("b"));
    let thrice = format!("{TARGETS_HEADER}\n{}{}{}", row("a"), row("a"), row("a"));
    let late = format!("{}{}", tsv(20_000), row("/a"));
    let rows = [
        twice,
        thrice,
        late,
        String::new(),
        "path\n".to_owned(),
        format!("{TARGETS_HEADER}\n{}x", row("a")),
        format!("{TARGETS_HEADER}\na\t-3\t{hash}\n"),
        format!("{TARGETS_HEADER}\na\t3\t{}\n", &hash[1..]),
        "{\"path\":\"a\"}\n".to_owned(),
    ];
    for text in rows {
        let expected = listed(&text).unwrap_err().to_string();
        for memory in MEMORIES {
            let bits = BitLength::new(4).unwrap();
            let found = intake(&text, memory).and_then(|intake| intake.into_bins(bits));
            assert_eq!(found.unwrap_err().to_string(), expected);
        }
    }
}

#[test]
fn a_temporary_file_that_cannot_be_made_is_an_error() {
    let missing = Path::new("no/such/folder");
    let text = tsv(3);
    let source = Source::new("list", text.as_bytes());
    let error = Intake::read(source, Memory::NONE, missing, &|_| ()).unwrap_err().to_string();
    assert!(error.starts_with("a temporary file in no/such/folder: "), "{error}");
}
