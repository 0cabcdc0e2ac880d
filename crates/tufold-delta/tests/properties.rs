//! What holds for every pair of documents and every delta.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value};
use tufold_delta::{Codec, EncodeOptions, Error, Limits, apply, encode, encode_smallest};

const OPTIONS: EncodeOptions = EncodeOptions { prediction_kind: 0, zstd_level: 3, verify: true };

/// Any codec rebuilds the exact bytes or declines.
fn check(base: Option<&[u8]>, new: &[u8]) {
    for codec in Codec::ALL {
        match encode(codec, base, new, &OPTIONS) {
            Ok(delta) => {
                assert_eq!(apply(base, &delta, &Limits::default()).as_deref(), Ok(new), "{codec}")
            }
            Err(Error::Declined { codec: who, .. }) => assert_eq!(who, codec),
            Err(other) => panic!("{codec}: {other}"),
        }
    }
    let smallest = encode_smallest(base, new, &OPTIONS).unwrap();
    assert_eq!(apply(base, &smallest, &Limits::default()).as_deref(), Ok(new));
}

/// Any change to a delta is an error, and so is another base.
fn check_damage(base: &[u8], new: &[u8], at: usize, flip: u8) {
    for codec in Codec::ALL {
        let Ok(delta) = encode(codec, Some(base), new, &OPTIONS) else { continue };
        let limits = Limits { max_result_len_bytes: new.len() as u64, ..Limits::default() };
        let at = at % delta.len();
        let mut damaged = delta.clone();
        damaged[at] ^= flip;
        // The prediction's kind is the caller's business; some payloads hold bits that say nothing.
        if let Ok(found) = apply(Some(base), &damaged, &limits) {
            assert_eq!(found, new, "{codec}");
        }
        assert!(apply(Some(base), &delta[..at], &limits).is_err(), "{codec}");
        assert!(apply(Some(base), &[&delta[..], &[0]].concat(), &limits).is_err(), "{codec}");
        let other = [base, b" "].concat();
        assert!(
            matches!(apply(Some(&other), &delta, &limits), Err(Error::WrongBase { .. })),
            "{codec}"
        );
        assert!(matches!(apply(None, &delta, &limits), Err(Error::WrongBase { .. })), "{codec}");
        let short = Limits { max_result_len_bytes: new.len() as u64 - 1, ..limits };
        assert!(
            matches!(apply(Some(base), &delta, &short), Err(Error::TooLarge { .. })),
            "{codec}"
        );
        let narrow = Limits { max_delta_len_bytes: delta.len() as u64 - 1, ..limits };
        assert!(
            matches!(apply(Some(base), &delta, &narrow), Err(Error::TooLarge { .. })),
            "{codec}"
        );
    }
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0_u64..40).prop_map(Value::from),
        "[ -~é\u{0}\n]{0,12}".prop_map(Value::from),
        "[0-9a-f]{16,40}".prop_map(Value::from),
        (0_u8..28).prop_map(|day| Value::from(format!(
            "2026-11-{:02}T0{}:00:00Z",
            day + 1,
            day % 10
        ))),
    ];
    leaf.prop_recursive(4, 120, 24, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..24).prop_map(Value::from),
            prop::collection::btree_map("[a-f0-9./-]{1,6}", inner, 0..24)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

/// What an entry of a map says.
type Said = (u32, u8, String);

/// A snapshot's or bin's map, and what becomes of some of its entries.
fn change() -> impl Strategy<Value = (BTreeMap<u16, Said>, BTreeMap<u16, Option<Said>>)> {
    let said = || (0_u32..5_000, 0_u8..28, prop_oneof!["[a-c]{0,6}", "[0-9a-f]{32}"]);
    let key = || 0_u16..120;
    (
        prop::collection::btree_map(key(), said(), 0..60),
        prop::collection::btree_map(key(), prop::option::of(said()), 0..30),
    )
}

fn map_text(map: &BTreeMap<u16, Said>) -> String {
    let entry = |(key, (version, day, text)): (&u16, &Said)| {
        format!(
            r#""p/{key:03}-x.json":{{"at":"2026-11-{:02}T00:00:00Z","text":"{text}","version":{version}}}"#,
            day + 1
        )
    };
    format!(r#"{{"m":{{{}}},"v":1}}"#, map.iter().map(entry).collect::<Vec<_>>().join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_bytes_survive(base in prop::option::of(any::<Vec<u8>>()), new in any::<Vec<u8>>()) {
        check(base.as_deref(), &new);
    }

    #[test]
    fn any_json_survives(base in prop::option::of(json()), new in json()) {
        let text = |value: &Value| value.to_string().into_bytes();
        check(base.as_ref().map(text).as_deref(), &text(&new));
    }

    #[test]
    fn changed_maps_survive((old, edits) in change()) {
        let mut new = old.clone();
        for (key, said) in edits {
            match said {
                Some(said) => drop(new.insert(key, said)),
                None => drop(new.remove(&key)),
            }
        }
        let (old, new) = (map_text(&old), map_text(&new));
        check(Some(old.as_bytes()), new.as_bytes());
        prop_assert!(encode(Codec::Columnar, Some(old.as_bytes()), new.as_bytes(), &OPTIONS).is_ok());
    }

    #[test]
    fn json_like_bytes_survive(base in "[\\[\\]{}:,\"\\\\a1 ]{0,40}", new in "[\\[\\]{}:,\"\\\\a1 ]{0,40}") {
        check(Some(base.as_bytes()), new.as_bytes());
        check(None, new.as_bytes());
    }

    #[test]
    fn indented_json_survives(base in json(), new in json()) {
        let text = |value: &Value| serde_json::to_vec_pretty(value).unwrap();
        check(Some(&text(&base)), &text(&new));
    }

    #[test]
    fn damage_is_an_error(base in json(), new in json(), at in any::<usize>(), flip in 1_u8..) {
        check_damage(base.to_string().as_bytes(), new.to_string().as_bytes(), at, flip);
    }
}
