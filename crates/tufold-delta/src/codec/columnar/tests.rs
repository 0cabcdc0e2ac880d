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
fn what_joins_or_leaves_an_array_costs_itself_alone() {
    let text = |kept: &dyn Fn(usize) -> bool| {
        let element =
            |i: usize| format!(r#""{:016x}/{i:03}""#, i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let elements: Vec<_> = (0..300).filter(|i| kept(*i)).map(element).collect();
        format!(r#"{{"paths":[{}]}}"#, elements.join(","))
    };
    let all = text(&|_| true);
    for gone in [&[7, 150][..], &[0, 20, 140, 299]] {
        let some = text(&|i| !gone.contains(&i));
        // Eight bytes of an element are random.
        assert!(check(Some(&some), &all) < 24 * gone.len() + 24);
        assert!(check(Some(&all), &some) < 4 * gone.len() + 24);
    }
    let mixed = text(&|i| i % 30 != 4);
    assert!(check(Some(&text(&|i| i % 30 != 5)), &mixed) < 500);
    // What stands there twice, or elsewhere, is told anew at worst.
    check(Some(r#"[1,2,1,3,1,4,5]"#), r#"[4,1,1,5,2,1,3,1]"#);
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

/// An event depends on digits that may stand before the first element: in the key of the whole array.
#[test]
fn a_number_before_a_uniform_array_counts_for_its_first_element() {
    for (key, first) in [("k00121", "null"), ("k", "null"), ("9", "true"), ("k00121", "[[5]]")] {
        let document = |first: &str, changed: u64| {
            let entry = |i: u64| {
                // Of great versions all go up, of small ones none.
                let version =
                    if noise(i).next().unwrap().is_multiple_of(2) { 3 } else { 900 + changed };
                format!(r#""bin-{i:04}":{{"version":{version}}}"#)
            };
            let bins: Vec<_> = (0..400).map(entry).collect();
            let elements = [first].into_iter().chain(["null"; 18]).collect::<Vec<_>>().join(",");
            format!(r#"{{"a":{{{}}},"{key}":[{elements}]}}"#, bins.join(","))
        };
        let base = document(first, 0);
        check(Some(&base), &document("\"other\"", 1));
        check(Some(&base), &document(first, 1));
        let new = document(first, 1);
        let payload = encode(Some(base.as_bytes()), new.as_bytes()).unwrap();
        assert_eq!(payload[0] & BY_SIZE, BY_SIZE);
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

/// Deterministic noise (splitmix64).
fn noise(seed: u64) -> impl Iterator<Item = u64> {
    (1..).map(move |i: u64| {
        let mut x = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    })
}

fn sample_map(count: u64) -> String {
    let entry = |i: u64| {
        format!(
            r#""p/{:016x}{:016x}/n-{i}.tar.gz":{{"hashes":{{"sha256":"{:032x}"}},"length":{i},"t":"2026-11-{:02}T00:00:00Z"}}"#,
            i * i,
            i,
            i * 77,
            i % 30 + 1
        )
    };
    format!(r#"{{"m":{{{}}},"v":7}}"#, (0..count).map(entry).collect::<Vec<_>>().join(","))
}

#[test]
fn any_payload_ends_in_a_document_or_an_error() {
    let bases = [
        "{}".to_owned(),
        "[1,[2,\"x\"]]".to_owned(),
        sample_map(3),
        sample_map(60),
        "not json".to_owned(),
    ];
    for seed in 0..150 {
        let mut random = noise(seed);
        let mut next = |below: u64| random.next().unwrap() % below;
        let len = next(60);
        let mut payload: Vec<u8> = (0..len).map(|_| u8::try_from(next(256)).unwrap()).collect();
        if let Some(flags) = payload.first_mut() {
            *flags &= 0x77;
        }
        let base = &bases[usize::try_from(next(5)).unwrap()];
        let base = if next(4) == 0 { None } else { Some(base.as_bytes()) };
        let result_len = usize::try_from(next(20_000)).unwrap();
        if let Ok(found) = apply(base, &payload, result_len) {
            assert!(found.len() <= result_len);
        }
    }
}

#[test]
fn a_damaged_payload_never_grows_past_its_result() {
    let (base, new) = (sample_map(40), sample_map(44));
    let payload = encode(Some(base.as_bytes()), new.as_bytes()).unwrap();
    for at in 0..payload.len() {
        for change in [1, 0x80, 0xff] {
            let mut damaged = payload.clone();
            damaged[at] ^= change;
            if let Ok(found) = apply(Some(base.as_bytes()), &damaged, new.len()) {
                assert!(found.len() <= new.len());
            }
        }
        if let Ok(found) = apply(Some(base.as_bytes()), &payload[..at], new.len()) {
            assert!(found.len() <= new.len());
        }
    }
}

#[test]
fn crowds_of_classes_columns_and_lengths_survive() {
    // Three levels of 16 keys each: more classes than are told apart, and a tree for each of them and more.
    let object = |value: &dyn Fn(u64) -> String| {
        let entries: Vec<_> = (0..16).map(|i| format!(r#""k{i:02}":{}"#, value(i))).collect();
        format!("{{{}}}", entries.join(","))
    };
    let document = |shift: u64| {
        object(&|a| {
            object(&|b| {
                object(&|c| {
                    let i = a << 8 | b << 4 | c;
                    let number = (i + shift).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (5 + i % 57);
                    format!(r#"{{"n":{number},"s":"{}"}}"#, "x".repeat((i % 5) as usize))
                })
            })
        })
    };
    check(Some(&document(0)), &document(1));
    check(None, &document(2));
}

#[test]
fn neighbours_of_any_length_survive() {
    let long = |letter: &str, count: usize| letter.repeat(count);
    for count in [4_095, 4_096, 4_097, 9_000] {
        let keys = |middle: &str| {
            format!(r#"{{"{}":1,{middle}"{}":2}}"#, long("a", count), long("b", count))
        };
        check(Some(&keys("")), &keys(&format!(r#""{}c":3,"b":4,"#, long("a", count))));
        check(Some(&keys("")), &keys(&format!(r#""c{}":3,"b":4,"#, long("b", count))));
        let value = |value: &str| format!(r#"{{"a":{value}}}"#);
        let entries = vec![r#""a""#; count / 4].join(",");
        check(Some(&value(&format!("[{entries}]"))), &value(&format!(r#"{{"x":[{entries}]}}"#)));
    }
}

/// A payload that a writer would not write, since a reader refuses it.
fn check_refused(base: Option<&str>, new: &str) {
    let (base, new) = (base.map(str::as_bytes), new.as_bytes());
    let (payload, symbols) = write(base, new).unwrap();
    assert!(symbols > max_symbols(payload.len(), new.len()), "{symbols}");
    let found = apply(base, &payload, new.len());
    assert!(matches!(found, Err(Error::TooLarge { what: "the work", .. })));
    assert!(matches!(encode(base, new), Err(Error::Declined { codec: Codec::Columnar, .. })));
}

#[test]
fn new_entries_take_no_more_work_than_is_paid_for() {
    let many = |entry: &str, count: usize| vec![entry; count].join(",");
    check_refused(None, &format!("[{}]", many("7", 1 << 18)));
    check_refused(None, &format!("[{}]", many("[]", 1 << 18)));
    check_refused(Some("[1]"), &format!("[{}]", many("1", 1 << 18)));
    check_refused(None, &format!(r#"{{"a":[{}]}}"#, many(r#"{"b":2}"#, 1 << 18)));
    // The first snapshot of very many bins, in a few bytes.
    let entry = |i: u32| format!(r#""bins-{i:05x}.json":{{"version":1}}"#);
    let bins: Vec<_> = (0..1 << 18).map(entry).collect();
    assert!(check(None, &format!(r#"{{"meta":{{{}}}}}"#, bins.join(","))) < 100);
}

#[test]
fn an_old_entry_is_measured_once() {
    // 60,000 new entries before one of eight megabytes, whose size each event depends on.
    let base = format!(r#"[["{}"]]"#, "x".repeat(8 << 20));
    let mut models = Models::new(Context { last_event: false, size: true }, Room::default());
    let mut writer = coder::Writer::new();
    let root = models::ROOT;
    models.kind(&mut writer, root, || Some(1), true, models::Kind::Merge);
    models.uniform(&mut writer, root, true);
    let child = models::Children::new(root, true).of(&mut models, b"", models::Event::Insert);
    for i in 0..60_000 {
        models.event(&mut writer, root, 0, models::Event::Insert);
        if i == 0 {
            models.kind(&mut writer, child, || None, false, models::Kind::Merge);
            models.array(&mut writer, child, true);
            models.uniform(&mut writer, child, false);
            models.event_at_end(&mut writer, child, models::Event::Same);
        } else {
            let same = models::Kind::Record(0, models::Leaves::Regular);
            models.kind(&mut writer, child, || Some(0), true, same);
        }
    }
    models.event(&mut writer, root, 0, models::Event::Same);
    models.event_at_end(&mut writer, root, models::Event::Same);
    let payload = [&[BY_SIZE][..], &writer.finish()].concat();
    let new = format!("[{}{}", "[],".repeat(60_000), &base[1..]);
    assert!(apply(Some(base.as_bytes()), &payload, new.len()).unwrap() == new.as_bytes());
}

#[test]
fn strings_take_no_more_work_than_their_payload_pays_for() {
    // Zeros are implied behind a stream's end, so the shortest streams can name the longest strings.
    for stream in (0..=u16::MAX).step_by(257) {
        let [a, b] = stream.to_be_bytes();
        if let Ok(found) = apply(None, &[0x70, a, b, b, b], 1 << 20) {
            assert!(found.len() < 1 << 18, "{} bytes", found.len());
        }
    }
}
