//! Canonical JSON and key ids agree with securesystemslib, byte for byte.

use std::collections::BTreeMap;
use std::fmt::Write;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::clients::Clients;

const DOCUMENTS: usize = 1_000;

fn canonicalize(json: &[u8]) -> Result<Vec<u8>, String> {
    tufold_meta::cjson::canonicalize(json)
        .map(|bytes| bytes.into_owned())
        .map_err(|e| e.to_string())
}

fn key_id(key: &str) -> Result<String, serde_json::Error> {
    Ok(serde_json::from_str::<tufold_meta::Key>(key)?.id().to_string())
}

#[derive(Clone, Debug)]
enum Json {
    Null,
    Bool(bool),
    Integer(i128),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Two ways to write one document, neither of them canonical.
#[derive(Clone, Copy, Debug)]
enum Spelling {
    /// No white space, characters as they are where JSON allows it, keys in descending order.
    Plain,
    /// White space wherever it may stand, every character as `\uXXXX`.
    Escaped,
}

impl Json {
    fn spelled(&self, spelling: Spelling) -> String {
        let mut out = String::new();
        self.write(spelling, &mut out);
        out
    }

    fn write(&self, spelling: Spelling, out: &mut String) {
        let space = match spelling {
            Spelling::Plain => "",
            Spelling::Escaped => " \r\n\t",
        };
        out.push_str(space);
        match self {
            Self::Null => out.push_str("null"),
            Self::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(value) => write!(out, "{value}").expect("a string takes all"),
            Self::String(value) => write_string(value, spelling, out),
            Self::Array(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    item.write(spelling, out);
                }
                out.push_str(space);
                out.push(']');
            }
            Self::Object(entries) => {
                out.push('{');
                for (i, (key, value)) in entries.iter().rev().enumerate() {
                    out.push_str(if i == 0 { "" } else { "," });
                    out.push_str(space);
                    write_string(key, spelling, out);
                    out.push_str(space);
                    out.push(':');
                    value.write(spelling, out);
                }
                out.push_str(space);
                out.push('}');
            }
        }
        out.push_str(space);
    }
}

fn write_string(string: &str, spelling: Spelling, out: &mut String) {
    out.push('"');
    for character in string.chars() {
        match (spelling, character) {
            (Spelling::Plain, '"' | '\\') => out.extend(['\\', character]),
            (Spelling::Plain, '\n') => out.push_str("\\n"),
            (Spelling::Plain, '\u{8}') => out.push_str("\\b"),
            (Spelling::Plain, ' '..) => out.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}").expect("a string takes all");
                }
            }
        }
    }
    out.push('"');
}

/// Strings in which encoders differ.
fn string() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        prop::char::range('a', 'e'),
        prop::char::range('\0', '\u{1f}'),
        prop::sample::select(vec!['"', '\\', '/', '\u{7f}', '\u{2028}', '\u{feff}', '\u{fffd}']),
        // Not in normal form C: combining marks, the angstrom sign, Hangul jamo.
        prop::sample::select(vec!['\u{301}', '\u{327}', '\u{212b}', '\u{1112}', '\u{1161}']),
        // Above the surrogates: UTF-16 order puts these after the astral planes.
        prop::char::range('\u{e000}', '\u{ffff}'),
        prop::char::range('\u{10000}', '\u{10ffff}'),
        any::<char>(),
    ];
    vec(character, 0..6).prop_map(String::from_iter)
}

fn json() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        (-2_i128..=2).prop_map(Json::Integer),
        any::<i64>().prop_map(|value| Json::Integer(value.into())),
        any::<u64>().prop_map(|value| Json::Integer(value.into())),
        prop::sample::select(vec![i64::MIN.into(), i64::MAX.into(), u64::MAX.into()])
            .prop_map(Json::Integer),
        string().prop_map(Json::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Json::Array),
            btree_map(string(), inner, 0..6).prop_map(Json::Object),
        ]
    })
}

#[test]
fn canonical_json_agrees_with_securesystemslib() {
    let Some(clients) = Clients::find() else { return };
    let mut runner = TestRunner::deterministic();
    let strategy = json();
    let documents: Vec<String> = (0..DOCUMENTS)
        .map(|_| strategy.new_tree(&mut runner).expect("a document").current())
        .flat_map(|json| [Spelling::Plain, Spelling::Escaped].map(|how| json.spelled(how)))
        .collect();

    let input: String = documents.iter().map(|text| hex(text.as_bytes()) + "\n").collect();
    let theirs = clients.python("canonical.py", ["documents"], &input);
    assert_eq!(theirs.lines().count(), documents.len());
    for (document, theirs) in documents.iter().zip(theirs.lines()) {
        let ours = canonicalize(document.as_bytes()).map(|bytes| hex(&bytes));
        assert_eq!(ours.as_deref(), Ok(theirs), "{document:?}");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string takes all");
        out
    })
}

#[test]
fn key_ids_agree_with_securesystemslib() {
    #[derive(Deserialize)]
    struct Line<'a> {
        keyid: &'a str,
        #[serde(borrow)]
        key: &'a RawValue,
    }

    let Some(clients) = Clients::find() else { return };
    let lines = clients.python("canonical.py", ["keys"], "");
    assert!(lines.lines().count() >= 8);
    for line in lines.lines() {
        let Line { keyid, key } = serde_json::from_str(line).expect("a key id and its key");
        let ours = key_id(key.get()).unwrap_or_else(|e| panic!("{}: {e}", key.get()));
        assert_eq!(ours, keyid, "{}", key.get());
    }
}
