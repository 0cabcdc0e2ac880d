use super::*;

fn check(base: Option<&str>, new: &str) -> usize {
    let base = base.map(str::as_bytes);
    let payload = encode(base, new.as_bytes()).unwrap();
    let found = apply(base, &payload, new.len()).unwrap();
    assert_eq!(String::from_utf8(found).unwrap(), new);
    payload.len()
}

fn check_declined(base: Option<&str>, new: &str) {
    let found = encode(base.map(str::as_bytes), new.as_bytes());
    assert!(
        matches!(found, Err(Error::Declined { codec: Codec::Columnar, .. })),
        "{new}: {found:?}"
    );
}

#[test]
fn small_documents_of_every_shape() {
    let documents = [
        r#"{}"#,
        r#"[]"#,
        r#"1"#,
        r#""text""#,
        r#"{"a":1}"#,
        r#"{"a":2,"b":null}"#,
        r#"{"a":-7,"b":true,"c":[1,2,3]}"#,
        r#"{"a":1.5,"c":[1,2,3,4,{"d":"e"}]}"#,
        r#"{"a":"2026-11-29T00:00:00Z","c":[]}"#,
        r#"{"a":"2027-01-02T03:04:05Z","c":[[[[1]]]]}"#,
        r#"{"a":"0011223344556677","z":{"k":1}}"#,
        r#"{"a":"ff11223344556677","z":{"k":2,"l":"\"quoted\\"}}"#,
        r#"{"a":"FF11223344556677","z":[]}"#,
        r#"["x","y","z"]"#,
        r#"["x","z"]"#,
        r#"["w","x","q","z","zz"]"#,
    ];
    for new in documents {
        if new.starts_with(['{', '[']) {
            check(None, new);
        }
        for base in documents {
            if base.as_bytes()[0] == new.as_bytes()[0] {
                check(Some(base), new);
            }
        }
    }
}

#[test]
fn large_maps_with_entries_that_come_and_go() {
    let map = |keys: &mut dyn Iterator<Item = usize>, version: usize| {
        let entries = keys
            .map(|i| format!(r#""name-{i:03}":{{"length":{},"version":{version}}}"#, i * 7 % 50));
        format!(r#"{{"m":{{{}}},"v":{version}}}"#, entries.collect::<Vec<_>>().join(","))
    };
    let all = map(&mut (0..100), 1);
    let fewer = map(&mut (0..100).filter(|i| i % 3 != 0), 1);
    let other = map(&mut (0..100).filter(|i| i % 3 != 1), 2);
    let documents = [&all, &fewer, &other, r#"{"m":{},"v":1}"#, r#"{"v":1}"#];
    for base in documents {
        check(None, base);
        for new in documents {
            check(Some(base), new);
        }
    }
}

#[test]
fn an_unsorted_map_is_carried() {
    let map = |order: &[u32]| {
        let entries: Vec<_> = order.iter().map(|i| format!(r#""k{i}":{i}"#)).collect();
        format!("{{{}}}", entries.join(","))
    };
    let base: Vec<u32> = (0..40).map(|i| i * 7 % 41).collect();
    let new: Vec<u32> = (0..40).map(|i| i * 11 % 41).collect();
    check(Some(&map(&base)), &map(&new));
    check(None, &map(&new));
}

#[test]
fn control_characters_and_doubled_keys_survive() {
    check(Some("{\"a\":\"\u{0}\"}"), "{\"a\":\"\u{1}\u{2}\"}");
    check(Some("{\"a\":1,\"a\":2}"), "{\"a\":2,\"a\":3,\"a\":4}");
    check(Some("{\"\u{0}\":1}"), "{\"\u{1}\":1,\"é\":\"\u{2028}\"}");
}

#[test]
fn other_formatting_is_declined() {
    check_declined(None, "{ \"a\": 1 }");
    check_declined(Some("{}"), "{\"a\": 1,\n\"b\": 2}");
    check_declined(None, "not json");
    check_declined(None, "");
    check_declined(Some("{}"), "{}{}");
    check_declined(Some("{}\n"), "{\"a\":1}");
    check_declined(None, "{\"a\":1");
}

#[test]
fn an_equal_document_is_no_payload() {
    assert_eq!(check(Some(r#"{"a":1}"#), r#"{"a":1}"#), 0);
}

#[test]
fn deep_values_are_strings() {
    let deep = |n: usize, leaf: u8| format!("{}{leaf}{}", "[".repeat(n), "]".repeat(n));
    check(Some(&deep(200, 1)), &deep(200, 2));
    check(None, &deep(200, 1));
    check(Some(&deep(3, 1)), &deep(5, 1));
}
