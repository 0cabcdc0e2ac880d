//! Objects that make bins of other bins.

use tufold_meta::cjson::{canonicalize, file_text};
use tufold_meta::{BinHistory, BinsDelta, BitLength, KeyId, Regroup, Version};

/// Three bytes say from how many bits to how many, and which group; then comes the object, to the first line feed, and a line
/// for each old bin. (An object that holds a line feed is one that another input has without.) What is read is what is
/// written, and new bins list what hashes into them, each target once. Other bytes are a history of bins.
pub fn regroup(data: &[u8]) {
    if let Ok(text) = str::from_utf8(data)
        && let Ok(history) = text.parse::<BinHistory>()
    {
        assert_eq!(history.to_string(), text);
        assert!(history.all().is_sorted_by(|left, right| left.first < right.first));
    }
    let [from, to, group, rest @ ..] = data else { return };
    let bits = |byte: &u8| BitLength::new(u32::from(byte % 8) + 1);
    let (Some(from), Some(to)) = (bits(from), bits(to)) else { return };
    let change = Regroup { from, to };
    let Some(group) = change.groups().nth(u32::from(*group)) else { return };
    let keyids = ["c", "a", "b"].map(|id| KeyId::from(id.to_owned()));
    let Some(first) = Version::new(1_000) else { return };
    let mut lines = rest.split(|byte| *byte == b'\n');
    let object = lines.next().unwrap_or_default();
    let old: Vec<&[u8]> = lines.collect();
    let mut expires = tufold_meta::Time::EPOCH;
    if let Ok(delta) = BinsDelta::parse(object, change, first, &keyids) {
        assert!(BinsDelta::fits(change) && delta.old.iter().all(|old| *old < first));
        assert_eq!(delta.old.len(), change.old_bins(group).count());
        assert_eq!(delta.envelopes.len(), change.new_bins(group).count());
        let again = delta.to_bytes(first, &keyids).expect("versions below the first");
        assert_eq!(BinsDelta::parse(&again, change, first, &keyids), Ok(delta.clone()));
        expires = delta.expires;
    }
    let Ok(new) = change.documents(group, &old, first, expires) else { return };
    let sum: usize = old.iter().map(|signed| signed.len()).sum();
    let mut targets = 0;
    for (bin, document) in change.new_bins(group).zip(new) {
        assert!(document.signed.len() <= sum + 64);
        let text = file_text(&document.signed);
        assert_eq!(*canonicalize(&text).expect("canonical"), *document.signed);
        let value: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
        let listed = value["targets"].as_object().expect("an object");
        assert!(listed.keys().all(|path| to.bin(path) == bin) && value["version"] == 1_000);
        targets += document.targets;
        assert_eq!(listed.len() as u64, document.targets);
    }
    let listed = |signed: &&[u8]| -> u64 {
        let value: serde_json::Value = serde_json::from_slice(&file_text(signed)).expect("JSON");
        value["targets"].as_object().map_or(0, |targets| targets.len() as u64)
    };
    assert_eq!(targets, old.iter().map(listed).sum::<u64>());
}
