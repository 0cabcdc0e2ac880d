//! The vectors of PROTOCOL.md, which `tests/interop/protocol.py` checks too.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use tufold_meta::names::{Advertised, DeltaName};
use tufold_meta::{
    Envelope, KeyId, Prediction, RoleChanges, Signed, Snapshot, Version, cjson, fill_in, outline,
};

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn names() {
    let vectors = vectors(include_str!("vectors/names.json"));
    for row in rows(&vectors["paths"]) {
        let from = Version::new(row["from"].as_u64().unwrap());
        let to = Version::new(row["to"].as_u64().unwrap()).unwrap();
        let name = match (text(&row["kind"]), from) {
            ("snapshot", from) => DeltaName::Snapshot { from, to },
            ("mirror", Some(from)) => DeltaName::Mirror { from, to },
            ("role", Some(from)) => {
                DeltaName::Role { role: text(&row["role"]).to_owned(), from, to }
            }
            _ => panic!("{row}"),
        };
        assert_eq!(name.path(), text(&row["path"]));
        assert_eq!(DeltaName::parse_path(text(&row["path"])), Some(name));
    }
    for path in rows(&vectors["not_paths"]) {
        assert_eq!(DeltaName::parse_path(text(path)), None, "{path}");
    }
    for ladder in rows(&vectors["advertised"]) {
        assert_eq!(Advertised::new(text(ladder)).unwrap().as_str(), text(ladder));
    }
    for ladder in rows(&vectors["not_advertised"]) {
        assert_eq!(Advertised::new(text(ladder)), None, "{ladder}");
    }
}

fn bytes(hex: &Value) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text(hex).as_bytes()).unwrap()
}

#[test]
fn envelopes() {
    let vectors = vectors(include_str!("vectors/envelopes.json"));
    let keyids: Vec<KeyId> =
        rows(&vectors["keyids"]).map(|id| KeyId::from(text(id).to_owned())).collect();
    for row in rows(&vectors["envelopes"]) {
        let wire = bytes(&row["hex"]);
        let mut out = Vec::new();
        let expected = row["signatures"].as_array().map(|_| {
            let signatures = serde_json::from_value(row["signatures"].clone()).unwrap();
            Envelope::new(signatures).unwrap()
        });
        match &expected {
            Some(envelope) => envelope.write(&keyids, &mut out),
            None => Envelope::write_none(&mut out),
        }
        assert_eq!(out, wire, "{row}");
        let mut rest = wire.as_slice();
        assert_eq!(Envelope::take(&mut rest, &keyids), Ok(expected));
        assert!(rest.is_empty());
    }
    for hex in rows(&vectors["damaged"]) {
        assert!(Envelope::take(&mut bytes(hex).as_slice(), &keyids).is_err(), "{hex}");
    }
}

type Files = BTreeMap<String, String>;

fn give<'f>(files: &'f Files) -> impl Fn(&str) -> Option<Cow<'f, [u8]>> + 'f {
    |role: &str| files.get(role).map(|file| Cow::Borrowed(file.as_bytes()))
}

fn canonical(files: &Files) -> Vec<u8> {
    let file = files["snapshot"].clone().into_bytes();
    Signed::<Snapshot>::parse(file).unwrap().canonical().to_vec()
}

#[test]
fn bundles() {
    for row in rows(&vectors(include_str!("vectors/bundles.json"))["bundles"]) {
        let files = |side: &str| -> Files { serde_json::from_value(row[side].clone()).unwrap() };
        let (old, new) = (files("old"), files("new"));
        let prediction =
            serde_json::from_value(row["kind"].clone()).map(Prediction::from_number).unwrap();
        let (old_snapshot, new_snapshot) = (canonical(&old), canonical(&new));
        let outline = outline(&old_snapshot, &new_snapshot).unwrap();
        assert_eq!(str::from_utf8(&outline).unwrap(), text(&row["outline"]));

        let changes = RoleChanges::between(&old_snapshot, outline.clone()).unwrap();
        let names: Vec<_> = rows(&row["changed"]).map(text).collect();
        assert_eq!(changes.new_roles().collect::<Vec<_>>(), names);
        let base = changes.flatten_old(prediction.unwrap(), &give(&old)).unwrap();
        assert_eq!(str::from_utf8(&base).unwrap(), text(&row["flattened_old"]));
        let flattened = changes.flatten_new(&give(&new)).unwrap();
        assert_eq!(str::from_utf8(&flattened).unwrap(), text(&row["flattened_new"]));

        let rebuilt = changes.rebuild(&flattened, &give(&old)).unwrap();
        assert_eq!(str::from_utf8(&rebuilt.snapshot).unwrap(), new["snapshot"]);
        for (role, _, file) in &rebuilt.roles {
            assert_eq!(str::from_utf8(file).unwrap(), new[role]);
        }
        let file = |role: &str| {
            let (_, version, file) = rebuilt.roles.iter().find(|(name, ..)| name == role)?;
            Some((*version, file.as_slice()))
        };
        // Filled in, the old snapshot differs from the new one by its own version and expiry and
        // by what is listed anew.
        let filled = fill_in(&old_snapshot, file).unwrap();
        let mut filled: Value = serde_json::from_slice(&cjson::file_text(&filled)).unwrap();
        let expected: Value = serde_json::from_slice(&cjson::file_text(&new_snapshot)).unwrap();
        for field in ["version", "expires"] {
            filled[field] = expected[field].clone();
        }
        for (name, entry) in expected["meta"].as_object().unwrap() {
            if filled["meta"].get(name).is_none() {
                filled["meta"][name] = entry.clone();
            }
        }
        assert_eq!(filled, expected);
        assert_eq!(fill_in(&outline, file).unwrap(), new_snapshot);
    }
}
