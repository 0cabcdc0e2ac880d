//! The vectors of PROTOCOL.md, which `tests/interop/protocol.py` checks too.

#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use tufold_meta::names::{Advertised, DeltaName};
use tufold_meta::{
    BinHistory, BinsDelta, BitLength, Envelope, KeyId, Prediction, Regroup, RoleChanges, Signed,
    Snapshot, Version, assemble, cjson, fill_in,
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
        let published = RoleChanges::to_published(&old_snapshot, &new_snapshot, &give(&new));
        let outline = published.unwrap().outline().to_vec();
        assert_eq!(str::from_utf8(&outline).unwrap(), text(&row["outline"]));

        let changes = RoleChanges::between(&old_snapshot, outline.clone()).unwrap();
        let base = changes.flatten_old(prediction.unwrap(), &give(&old)).unwrap();
        assert_eq!(str::from_utf8(&base).unwrap(), text(&row["flattened_old"]));
        let flattened = changes.flatten_new(&give(&new)).unwrap();
        assert_eq!(str::from_utf8(&flattened).unwrap(), text(&row["flattened_new"]));

        let rebuilt = changes.rebuild(&flattened, &give(&old)).unwrap();
        assert_eq!(str::from_utf8(&rebuilt.snapshot).unwrap(), new["snapshot"]);
        for (role, _, file) in &rebuilt.roles {
            assert_eq!(str::from_utf8(file).unwrap(), new[role]);
        }
        let brought: Vec<_> = rebuilt.roles.iter().map(|(role, ..)| role.as_str()).collect();
        assert_eq!(brought, rows(&row["changed"]).map(text).collect::<Vec<_>>());
        let file = |role: &str| {
            let (_, version, file) = rebuilt.roles.iter().find(|(name, ..)| name == role)?;
            Some((*version, file.as_slice()))
        };
        // Filled in, the old snapshot differs from the new one by its own version and expiry, by
        // what is listed anew, and by what is stale.
        let filled = fill_in(&old_snapshot, file).unwrap();
        let mut filled: Value = serde_json::from_slice(&cjson::file_text(&filled)).unwrap();
        let expected: Value = serde_json::from_slice(&cjson::file_text(&new_snapshot)).unwrap();
        for field in ["version", "expires"] {
            filled[field] = expected[field].clone();
        }
        for (name, entry) in expected["meta"].as_object().unwrap() {
            let is_brought = |role: &&str| name.strip_suffix(".json") == Some(*role);
            if filled["meta"].get(name).is_none() || !brought.iter().any(is_brought) {
                filled["meta"][name] = entry.clone();
            }
        }
        assert_eq!(filled, expected);
        assert_eq!(fill_in(&outline, file).unwrap(), new_snapshot);
    }
}

#[test]
fn snapshots() {
    let vectors = vectors(include_str!("vectors/snapshots.json"));
    for row in rows(&vectors["snapshots"]) {
        let (signed, grouped) = (text(&row["signed"]), text(&row["grouped"]));
        let form = Prediction::Grouped.form_of(signed.as_bytes()).unwrap();
        assert_eq!(str::from_utf8(&form).unwrap(), grouped, "{row}");
        let back = Prediction::Grouped.snapshot_of(form.into_owned()).unwrap();
        assert_eq!(str::from_utf8(&back).unwrap(), signed, "{row}");
    }
    for form in rows(&vectors["not_grouped"]) {
        assert!(Prediction::Grouped.snapshot_of(text(form).into()).is_err(), "{form}");
    }
}

#[test]
fn regroups() {
    let vectors = vectors(include_str!("vectors/regroups.json"));
    for history in rows(&vectors["histories"]) {
        assert_eq!(text(history).parse::<BinHistory>().unwrap().to_string(), text(history));
    }
    for history in rows(&vectors["not_histories"]) {
        assert!(text(history).parse::<BinHistory>().is_err(), "{history}");
    }
    for row in rows(&vectors["regroups"]) {
        let name = text(&row["name"]);
        let number = |field: &str| u32::try_from(row[field].as_u64().unwrap()).unwrap();
        let bits = |field: &str| BitLength::new(number(field)).unwrap();
        let change = Regroup { from: bits("from"), to: bits("to") };
        let group = change.groups().nth(number("group")).unwrap();
        let first = Version::new(row["first"].as_u64().unwrap()).unwrap();
        let role = change.groups().role_name(text(&row["prefix"]), group);
        assert_eq!(DeltaName::Bins { first, role }.path(), text(&row["path"]), "{name}");

        let keyids: Vec<KeyId> =
            rows(&row["keyids"]).map(|id| KeyId::from(text(id).to_owned())).collect();
        let old: Vec<&str> = rows(&row["old"]).map(text).collect();
        let object = bytes(&row["object"]);
        let delta = BinsDelta::parse(&object, change, first, &keyids).unwrap();
        assert_eq!(delta.check, BinsDelta::check(&old), "{name}");
        assert_eq!(delta.to_bytes(first, &keyids), Some(object), "{name}");
        let bins = change.documents(group, &old, first, delta.expires).unwrap();
        let places = change.new_bins(group).zip(bins).zip(&delta.envelopes);
        for ((bin, document), envelope) in places {
            let file = assemble(&document.signed, envelope.signatures());
            let role = change.to.role_name(text(&row["prefix"]), bin);
            assert_eq!(str::from_utf8(&file).unwrap(), text(&row["new"][&role]), "{name}: {role}");
        }
        assert_eq!(row["new"].as_object().unwrap().len(), delta.envelopes.len());
        let versions: Vec<Option<u64>> = old
            .iter()
            .map(|signed| serde_json::from_slice::<Value>(&cjson::file_text(signed.as_bytes())).unwrap()["version"].as_u64())
            .collect();
        assert_eq!(delta.old.iter().map(|v| Some(v.get())).collect::<Vec<_>>(), versions, "{name}");
        for hex in rows(&row["damaged"]) {
            let parsed = BinsDelta::parse(&bytes(hex), change, first, &keyids);
            let is_bad =
                parsed.is_err() || parsed.is_ok_and(|delta| delta.check != BinsDelta::check(&old));
            assert!(is_bad, "{name}: {hex}");
        }
    }
}
