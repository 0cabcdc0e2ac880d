use super::*;
use crate::cjson::Object;
use crate::{SPEC_VERSION, Signature};

fn bits(bits: u32) -> BitLength {
    BitLength::new(bits).unwrap()
}

fn version(number: u64) -> Version {
    Version::new(number).unwrap()
}

fn time(text: &str) -> Time {
    text.parse().unwrap()
}

const EXPIRES: &str = "2031-02-03T04:05:06Z";

/// The document of one bin, of those paths that hash into it.
fn bin(paths: &[String], bits: BitLength, bin: Bin, version: u64, expires: &str) -> Vec<u8> {
    let mut paths: Vec<_> = paths.iter().filter(|path| bits.bin(path) == bin).collect();
    paths.sort();
    let entry = |path: &&String| {
        let mut key = Vec::new();
        cjson::write_string(path, &mut key);
        format!("{}:{{\"length\":{}}}", String::from_utf8(key).unwrap(), path.len())
    };
    let targets: Vec<_> = paths.iter().map(entry).collect();
    format!(
        r#"{{"_type":"targets","expires":"{expires}","spec_version":"{SPEC_VERSION}","targets":{{{}}},"version":{version},"x":[1]}}"#,
        targets.join(",")
    )
    .into_bytes()
}

fn paths() -> Vec<String> {
    // A quote sorts before `#`, though its escape begins with a backslash.
    (0..200).map(|n| format!("a{}{n}", ["\"", "#", "é", "/"][n % 4])).collect()
}

/// Whether every group of a change gives exactly what the bins of the new number are.
fn check_change(from: u32, to: u32) {
    let (change, paths) = (Regroup { from: bits(from), to: bits(to) }, paths());
    let mut seen = 0;
    for group in change.groups().bins() {
        let old: Vec<_> = change
            .old_bins(group)
            .map(|b| bin(&paths, bits(from), b, 7, "2030-01-01T00:00:00Z"))
            .collect();
        let new = change.documents(group, &old, version(9), time(EXPIRES)).unwrap();
        let bins: Vec<_> = change.new_bins(group).collect();
        let expected: Vec<_> = bins.iter().map(|b| bin(&paths, bits(to), *b, 9, EXPIRES)).collect();
        let new: Vec<_> = new.into_iter().map(|bin| bin.signed).collect();
        assert_eq!(new, expected, "{from} to {to}, group {group:?}");
        for (bits, bin) in [(from, change.old_bins(group).next()), (to, bins.last().copied())] {
            assert_eq!(change.group_of(self::bits(bits), bin.unwrap()), Some(group));
        }
        seen += bins.len() as u64;
    }
    assert_eq!(seen, bits(to).bin_count());
}

#[test]
fn new_bins_are_what_hashing_would_give() {
    for (from, to) in [(3, 4), (4, 3), (1, 5), (5, 1), (4, 4), (8, 9), (9, 8)] {
        check_change(from, to);
    }
    let change = Regroup { from: bits(31), to: bits(32) };
    let last = change.groups().nth(u32::MAX >> 1).unwrap();
    let numbers: Vec<_> = change.new_bins(last).map(Bin::number).collect();
    assert_eq!(numbers, [u32::MAX - 1, u32::MAX]);
}

#[test]
fn what_is_no_old_bin_is_refused() {
    let change = Regroup { from: bits(1), to: bits(2) };
    let group = bits(1).nth(0).unwrap();
    let documents = |old: &[u8]| change.documents(group, &[old], version(9), time(EXPIRES));
    let whole = bin(&paths(), bits(1), group, 7, EXPIRES);
    assert!(documents(&whole).is_ok());
    let text = String::from_utf8(whole).unwrap();
    for wrong in [
        String::new(),
        "{}".to_owned(),
        "[]".to_owned(),
        text.replace("\"targets\":{", "\"target\":{"),
        text.replace("\"expires\"", "\"expired\""),
        text.replace("\"version\":7", "\"vers\":7"),
        text.replace(",\"x\"", ", \"x\""),
    ] {
        assert!(matches!(documents(wrong.as_bytes()), Err(BundleError::Damaged(_))), "{wrong}");
    }
    let other = bin(&paths(), bits(1), bits(1).nth(1).unwrap(), 7, EXPIRES);
    assert!(matches!(documents(&other), Err(BundleError::Elsewhere(_))));
    assert!(change.documents(group, &[] as &[&[u8]], version(9), time(EXPIRES)).is_err());
}

fn delta(change: Regroup, keyids: &[KeyId]) -> BinsDelta {
    let group = change.groups().nth(0).unwrap();
    let envelope = |byte: u8| {
        let (keyid, sig) = (keyids[0].clone(), format!("{byte:02x}").repeat(64));
        Envelope::new(vec![Signature { keyid, sig, extra: Object::default() }]).unwrap()
    };
    BinsDelta {
        old: change.old_bins(group).zip(3..).map(|(_, age)| version(600 - age)).collect(),
        expires: time(EXPIRES),
        check: BinsDelta::check(&[b"a", b"b"]),
        envelopes: change.new_bins(group).zip(1..).map(|(_, byte)| envelope(byte)).collect(),
    }
}

#[test]
fn an_object_reads_back_and_is_short() {
    let keyids = [KeyId::from("k".to_owned())];
    for (from, to, len_bytes) in [(14, 15, 140), (15, 14, 76), (14, 14, 75), (3, 5, 270)] {
        let change = Regroup { from: bits(from), to: bits(to) };
        let delta = delta(change, &keyids);
        let bytes = delta.to_bytes(version(600), &keyids).unwrap();
        assert_eq!(bytes.len(), len_bytes, "{from} to {to}");
        assert_eq!(BinsDelta::parse(&bytes, change, version(600), &keyids), Ok(delta.clone()));
        let outline = BinsOutline::of(&bytes).unwrap();
        assert_eq!(outline.ages, (3..).take(delta.old.len()).collect::<Vec<u64>>());
        let signatures = delta.envelopes.len() as u64;
        let found = (outline.new_bins, outline.signatures, outline.signature_bytes);
        assert_eq!(found, (signatures, signatures, 65 * signatures), "{from} to {to}");
        assert_eq!(outline.expires, delta.expires);
        for len in 0..bytes.len() {
            assert!(BinsDelta::parse(&bytes[..len], change, version(600), &keyids).is_err());
            assert_ne!(BinsOutline::of(&bytes[..len]), Some(outline.clone()));
        }
        let longer = [&bytes[..], b"\0"].concat();
        assert!(BinsDelta::parse(&longer, change, version(600), &keyids).is_err());
        // Versions end at 1, and begin before the new bins.
        assert!(BinsDelta::parse(&bytes, change, version(3), &keyids).is_err());
        assert_eq!(delta.to_bytes(version(3), &keyids), None);
    }
    let too_many = Regroup { from: bits(3), to: bits(10) };
    assert!(
        !BinsDelta::fits(too_many)
            && BinsDelta::parse(&[0; 99], too_many, version(9), &keyids).is_err()
    );
}
