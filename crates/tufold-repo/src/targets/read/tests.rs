use std::io::{self, Read, Write};

use expect_test::expect;
use proptest::prelude::*;
use serde_json::json;

use super::super::tests::target as sample;
use super::super::{Compression, MAX_LINE_BYTES};
use super::*;

const HEX: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn targets(bytes: &[u8]) -> Result<TargetList, ListError> {
    read_targets(Source::new("list", bytes), &|_| ())
}

fn changes(bytes: &[u8]) -> Result<ChangeList, ListError> {
    read_changes(Source::new("list", bytes), &|_| ())
}

/// The error of each list, one a line. `H` stands for the header and `#` for a good digest.
fn errors<L>(read: impl Fn(&[u8]) -> Result<L, ListError>, header: &str, rows: &[&[u8]]) -> String {
    let mut all = String::new();
    for row in rows {
        let mut bytes = Vec::new();
        for &byte in *row {
            match byte {
                b'H' => bytes.extend_from_slice(format!("{header}\n").as_bytes()),
                b'#' => bytes.extend_from_slice(HEX.as_bytes()),
                _ => bytes.push(byte),
            }
        }
        match read(&bytes) {
            Ok(_) => panic!("no error for {:?}", String::from_utf8_lossy(&bytes)),
            Err(error) => all += &format!("{error}\n"),
        }
    }
    all
}

#[test]
fn rejects_bad_tsv() {
    let rows: &[&[u8]] = &[
        b"",
        b"a\t1\t#\n",
        b"\n",
        b"change\tpath\tlength\tsha256\n",
        b"\xef\xbb\xbfH",
        b"H\n",
        b"Ha\t1\n",
        b"Ha\t1\t#\t\n",
        b"Ha\t1\t#\nb\t1",
        b"H\t1\t#\n",
        b"Ha/../b\t1\t#\n",
        b"H/etc/passwd\t1\t#\n",
        b"Ha\0b\t1\t#\n",
        b"Ha\\b\t1\t#\n",
        b"Ha\rb\t1\t#\n",
        b"Ha\xff\t1\t#\n",
        b"Ha\t-1\t#\n",
        b"Ha\t+1\t#\n",
        b"Ha\t01\t#\n",
        b"Ha\t1.0\t#\n",
        b"Ha\t\t#\n",
        b"Ha\t9223372036854775808\t#\n",
        b"Ha\t99999999999999999999999\t#\n",
        b"Ha\t1\t2c26b4\n",
        b"Ha\t1\t##\n",
        b"Ha\t1\t2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ag\n",
        b"Ha\t1\t\n",
        b"Hb\t1\t#\na\t1\t#\nb\t2\t#\n",
    ];
    expect![[r#"
        list: the file is empty
        list:1: the header is "a\t1\t2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", expected "path\tlength\tsha256"
        list:1: the header is "", expected "path\tlength\tsha256"
        list:1: the header is "change\tpath\tlength\tsha256", expected "path\tlength\tsha256"
        list:1: the header is "\u{feff}path\tlength\tsha256", expected "path\tlength\tsha256"
        list:2: expected 3 columns, found 1
        list:2: expected 3 columns, found 2
        list:2: expected 3 columns, found 4
        list:3: expected 3 columns, found 2
        list:2: the target path is empty: ""
        list:2: the target path has a segment `.` or `..`: "a/../b"
        list:2: the target path starts with a slash: "/etc/passwd"
        list:2: the target path has a control character: "a\0b"
        list:2: the target path has a backslash: "a\\b"
        list:2: the target path has a control character: "a\rb"
        list:2: the line is not UTF-8: "a�\t1\t2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
        list:2: length is "-1", expected a whole number from 0 to 9223372036854775807
        list:2: length is "+1", expected a whole number from 0 to 9223372036854775807
        list:2: length is "01", expected a whole number from 0 to 9223372036854775807
        list:2: length is "1.0", expected a whole number from 0 to 9223372036854775807
        list:2: length is "", expected a whole number from 0 to 9223372036854775807
        list:2: length is "9223372036854775808", expected a whole number from 0 to 9223372036854775807
        list:2: length is "99999999999999999999999", expected a whole number from 0 to 9223372036854775807
        list:2: sha256 is "2c26b4", expected 64 hex digits
        list:2: sha256 is "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae2c26b46b68ffc68ff99b453c1d3041341342"…, expected 64 hex digits
        list:2: sha256 is "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ag", expected 64 hex digits
        list:2: sha256 is "", expected 64 hex digits
        list:4: "b" is listed already, on line 2
    "#]].assert_eq(&errors(targets, TARGETS_HEADER, rows));
}

#[test]
fn rejects_bad_json_lines() {
    let rows: &[&[u8]] = &[
        b"{",
        b"{}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}} x\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n\n[]\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"},\"size\":1}\n",
        b"{\"path\":\"a\",\"path\":\"b\"}\n",
        b"{\"path\":\"../a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\\u0000\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"\xff\"}\n",
        b"{\"path\":\"\\ud800\"}\n",
        b"{\"path\":\"a\",\"length\":-1,\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\",\"length\":1e3,\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\",\"length\":\"1\",\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\",\"length\":18446744073709551616,\"hashes\":{\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha512\":\"##\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"12\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\",\"sha512\":\"12\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\",\"md5\":\"123\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\",\"sha256\":\"#\"}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"},\"custom\":null}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"},\"custom\":{\"a\":[1.5]}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"},\"custom\":{\"a\":-0}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"},\"custom\":{\"a\":1,\"a\":2}}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n",
    ];
    expect![[r#"
        list:1: EOF while parsing an object, at column 1
        list:1: missing field `path`, at column 2
        list:1: trailing characters, at column 112
        list:3: invalid type: sequence, expected an object of path, length, hashes and custom, at column 0
        list:1: unknown field `size`, expected one of `path`, `length`, `hashes`, `custom`, at column 116
        list:1: duplicate field `path`, at column 18
        list:1: the target path has a segment `.` or `..`: "../a"
        list:1: the target path has a control character: "a\0"
        list:1: the line is not UTF-8: "{\"path\":\"�\"}"
        list:1: unexpected end of hex escape, at column 16
        list:1: length is "-1", expected a whole number from 0 to 9223372036854775807
        list:1: length is "1e3", expected a whole number from 0 to 9223372036854775807
        list:1: length is "\"1\"", expected a whole number from 0 to 9223372036854775807
        list:1: length is "18446744073709551616", expected a whole number from 0 to 9223372036854775807
        list:1: hashes has no sha256
        list:1: hashes has no sha256
        list:1: hash sha256 is "12", expected 64 hex digits
        list:1: hash sha512 is "12", expected 128 hex digits
        list:1: hash md5 is "123", expected an even number of hex digits
        list:1: duplicate field `sha256`, at column 185
        list:1: custom is not an object, at column 124
        list:1: custom holds 1.5, and canonical JSON has integers only, at column 128
        list:1: custom holds -0.0, and canonical JSON has integers only, at column 126
        list:1: duplicate field `a`, at column 129
        list:2: "a" is listed already, on line 1
    "#]].assert_eq(&errors(targets, TARGETS_HEADER, rows));
}

#[test]
fn rejects_bad_changes() {
    let rows: &[&[u8]] = &[
        b"path\tlength\tsha256\n",
        b"Hput\ta\t1\n",
        b"Hadd\ta\t1\t#\n",
        b"Hput\ta\t1\t\n",
        b"Hremove\ta\t1\t\n",
        b"Hremove\ta\t\t#\n",
        b"Hremove\t\t\t\n",
        b"Hremove\ta\t\t\nput\ta\t1\t#\n",
        b"{\"put\":\"a\"}\n",
        b"{\"remove\":\"a\",\"put\":{}}\n",
        b"{\"put\":[\"a\",1,{\"sha256\":\"#\"},{}]}\n",
        b"{\"add\":\"a\"}\n",
        b"{\"path\":\"a\",\"length\":1,\"hashes\":{\"sha256\":\"#\"}}\n",
    ];
    expect![[r#"
        list:1: the header is "path\tlength\tsha256", expected "change\tpath\tlength\tsha256"
        list:2: expected 4 columns, found 3
        list:2: change is "add", expected put or remove
        list:2: sha256 is "", expected 64 hex digits
        list:2: length is "1", expected nothing, since the path is removed
        list:2: sha256 is "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae", expected nothing, since the path is removed
        list:2: the target path is empty: ""
        list:3: "a" is listed already, on line 2
        list:1: invalid type: string "a", expected an object of path, length, hashes and custom, at column 10
        list:1: expected value, at column 13
        list:1: invalid type: sequence, expected an object of path, length, hashes and custom, at column 7
        list:1: unknown variant `add`, expected `put` or `remove`, at column 6
        list:1: unknown variant `path`, expected `put` or `remove`, at column 7
    "#]].assert_eq(&errors(changes, CHANGES_HEADER, rows));
}

#[test]
fn accepts_what_is_unusual_but_clear() {
    let upper = HEX.to_uppercase();
    let expected = TargetList::from_rows(vec![sample("foo", "foo")]).unwrap();
    let rows = [
        format!("path\tlength\tsha256\nfoo\t3\t{HEX}"),
        format!("path\tlength\tsha256\r\nfoo\t3\t{upper}\r\n"),
        format!(
            "\n  {{\"path\":\"foo\",\"length\":3,\"hashes\":{{\"sha256\":\"{upper}\"}}}}\r\n\n"
        ),
    ];
    for text in rows {
        assert_eq!(targets(text.as_bytes()).unwrap(), expected, "{text}");
    }
    let none = TargetList::default();
    assert_eq!(targets(b"path\tlength\tsha256").unwrap(), none);
    let longest = format!("path\tlength\tsha256\nfoo\t{}\t{HEX}", i64::MAX);
    assert_eq!(targets(longest.as_bytes()).unwrap().rows()[0].file.length, i64::MAX as u64);
}

#[test]
fn a_long_line_is_an_error_and_not_a_long_buffer() {
    // More than fits into memory, were it kept.
    let endless = |text: &'static str| {
        let start = io::Cursor::new(text.as_bytes()).chain(io::repeat(b'a').take(1 << 42));
        read_targets(Source::new("list", start), &|_| ()).unwrap_err().to_string()
    };
    let expected = "the line is longer than 1048576 bytes";
    assert_eq!(endless("path\tlength\tsha256\na\t"), format!("list:2: {expected}"));
    assert_eq!(endless("{\"path\":\""), format!("list:1: {expected}"));
    let mut line = b"path\tlength\tsha256\n".to_vec();
    line.resize(line.len() + MAX_LINE_BYTES + 1, b'a');
    line.push(b'\n');
    assert_eq!(targets(&line).unwrap_err().to_string(), format!("list:2: {expected}"));
}

#[test]
fn quotes_a_long_value_in_part() {
    let line = format!("path\tlength\tsha256\n{}\t1\t{HEX}\n", "é".repeat(3000));
    let expected =
        format!("list:2: the target path is longer than 4096 bytes: \"{}\"…", "é".repeat(100));
    assert_eq!(targets(line.as_bytes()).unwrap_err().to_string(), expected);
}

#[test]
fn custom_may_nest_as_deep_as_metadata_can_be_read_back() {
    let nested = |levels: usize| {
        let (open, close) = ("{\"a\":".repeat(levels - 1), "}".repeat(levels - 1));
        format!(
            "{{\"path\":\"a\",\"length\":1,\"hashes\":{{\"sha256\":\"{HEX}\"}},\"custom\":{open}{{}}{close}}}"
        )
    };
    assert!(targets(nested(100).as_bytes()).is_ok());
    let error = targets(nested(101).as_bytes()).unwrap_err().to_string();
    assert!(
        error.starts_with("list:1: custom nests deeper than 100 levels, at column "),
        "{error}"
    );
    assert!(targets(nested(100_000).as_bytes()).is_err());
}

fn compress(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::Plain => bytes.to_vec(),
        Compression::Gzip => {
            let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
        Compression::Zstd => zstd::encode_all(bytes, 1).unwrap(),
        Compression::Xz => {
            let mut out = liblzma::write::XzEncoder::new(Vec::new(), 1);
            out.write_all(bytes).unwrap();
            out.finish().unwrap()
        }
    }
}

const COMPRESSIONS: [Compression; 4] =
    [Compression::Plain, Compression::Gzip, Compression::Zstd, Compression::Xz];

/// A list that spans several blocks.
fn long_list() -> Vec<u8> {
    let mut text = format!("{TARGETS_HEADER}\n").into_bytes();
    for index in 0..60_000 {
        writeln!(text, "folder/{index:08}\t{index}\t{HEX}").unwrap();
    }
    text
}

#[test]
fn compression_is_told_from_the_content_and_members_are_joined() {
    let text = long_list();
    let plain = targets(&text).unwrap();
    assert_eq!(plain.rows().len(), 60_000);
    for compression in COMPRESSIONS {
        let (first, second) = text.split_at(text.len() / 2);
        let mut joined = compress(first, compression);
        assert_eq!(Compression::of_content(&joined), compression);
        joined.extend(compress(second, compression));
        assert_eq!(targets(&joined).unwrap(), plain, "{compression}");
    }
    let mut skippable = b"\x50\x2a\x4d\x18\x03\0\0\0abc".to_vec();
    skippable.extend(compress(&text, Compression::Zstd));
    assert_eq!(targets(&skippable).unwrap(), plain);
}

#[test]
fn a_damaged_archive_is_an_error_with_the_line_it_reaches() {
    let text = long_list();
    for compression in COMPRESSIONS {
        if compression == Compression::Plain {
            continue;
        }
        let whole = compress(&text, compression);
        for cut in [whole.len() - 1, whole.len() / 2, 8] {
            let error = targets(&whole[..cut]).unwrap_err().to_string();
            let (line, message) = error.strip_prefix("list:").unwrap().split_once(": ").unwrap();
            let expected = format!("the {compression} data is damaged or cut short: ");
            assert!(message.starts_with(&expected), "{error}");
            let line: u64 = line.parse().unwrap();
            assert_eq!(line > 1, cut > 8, "{error}");
        }
        let mut junk = whole.clone();
        junk.extend_from_slice(b"junk");
        assert!(targets(&junk).is_err(), "{compression} with junk");
        let empty = targets(&compress(b"", compression)).unwrap_err();
        assert!(matches!(empty, ListError::Empty { .. }), "{empty}");
    }
}

#[test]
fn a_zstd_window_over_128_mib_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(28).unwrap();
    encoder.write_all(&long_list()).unwrap();
    let error = targets(&encoder.finish().unwrap()).unwrap_err().to_string();
    assert!(error.starts_with("list:1: the zstd data is damaged or cut short: "), "{error}");
}

#[test]
fn a_failing_stream_is_the_systems_error() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the cable is out"))
        }
    }
    let start = io::Cursor::new(b"path\tlength\tsha256\n").chain(Failing);
    let error = read_targets(Source::new("list", start), &|_| ()).unwrap_err().to_string();
    assert_eq!(error, "list: the cable is out");
    let error = Source::open("/no/such/list".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("/no/such/list: "), "{error}");
}

#[test]
fn progress_ends_at_the_number_of_rows() {
    let seen = std::sync::Mutex::new(Vec::new());
    let text = long_list();
    read_targets(Source::new("list", &*text), &|rows| seen.lock().unwrap().push(rows)).unwrap();
    let seen = seen.into_inner().unwrap();
    assert!(seen.len() > 1 && seen.is_sorted() && seen.last() == Some(&60_000), "{seen:?}");
}

fn any_target() -> impl Strategy<Value = Target> {
    let custom = prop_oneof![
        3 => Just(None),
        1 => ("\\PC*", any::<i64>(), any::<u64>()).prop_map(|(text, i, u)| {
            let value = json!({text.clone(): [i, u, null, true], "n": {"t": text}});
            serde_json::from_value(value).ok()
        }),
    ];
    let md5 = proptest::option::of("([0-9a-f]{2}){1,16}");
    let row = ("[^/\\\\\\pC]{2,9}(/[^/\\\\\\pC]{3}){0,2}", 0..=i64::MAX as u64, any::<[u8; 32]>());
    (row, md5, custom).prop_filter_map("a path", |((path, length, sha256), md5, custom)| {
        let mut hashes = Hashes::sha256_only(Digest::from_bytes(sha256));
        if let Some(md5) = md5 {
            hashes.insert("md5".into(), md5);
        }
        let path = TargetPath::new(&path).ok()?;
        Some(Target { path, file: TargetFile { custom, ..plain_file(length, hashes) } })
    })
}

proptest! {
    #[test]
    fn any_bytes_give_a_list_or_an_error(bytes: Vec<u8>, header in 0..4_usize) {
        let start = ["", "path\tlength\tsha256\n", "change\tpath\tlength\tsha256\n", "{"][header];
        let bytes = [start.as_bytes(), &bytes].concat();
        let _ = (targets(&bytes), changes(&bytes));
    }

    #[test]
    fn what_is_written_is_read_back(rows in proptest::collection::vec(any_target(), 1..20)) {
        let rows: std::collections::BTreeMap<_, _> =
            rows.into_iter().map(|row| (row.path.clone(), row)).collect();
        let list = TargetList::from_rows(rows.into_values().collect()).unwrap();
        let puts = list.rows().iter().enumerate().map(|(index, row)| match index % 3 {
            0 => Change::Remove(row.path.clone()),
            _ => Change::Put(row.clone()),
        });
        let edits = ChangeList::from_rows(puts.collect()).unwrap();
        let mut out = [Vec::new(), Vec::new(), Vec::new(), Vec::new()];
        list.write(&mut out[0]).unwrap();
        list.write_json_lines(&mut out[1]).unwrap();
        edits.write(&mut out[2]).unwrap();
        edits.write_json_lines(&mut out[3]).unwrap();
        prop_assert_eq!(&targets(&out[0]).unwrap(), &list);
        prop_assert_eq!(&targets(&out[1]).unwrap(), &list);
        prop_assert_eq!(&changes(&out[2]).unwrap(), &edits);
        prop_assert_eq!(&changes(&out[3]).unwrap(), &edits);
    }
}
