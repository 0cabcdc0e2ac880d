use expect_test::expect;

use super::super::diff;
use super::super::tests::target;
use super::*;

const FOO: &str = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";

fn import(text: &[u8]) -> Result<TargetList, ListError> {
    import_debian(Source::new("Packages", text), &|_| ())
}

#[test]
fn a_stanza_is_a_target() {
    let text = format!(
        "Package: foo\nDescription: two\n lines: of it\nFilename: pool/foo\nSize: 3\nSHA256: {FOO}\n\
         Maintainer: J\u{fc}rgen\n\n\nfilename: ./pool/bar\r\nSIZE:3\nSha256:  {FOO}\n\n \n\
         Filename: pool/foo\nSize: 3\nSHA256: {FOO}"
    );
    let mut latin_1 = text.into_bytes();
    let at = latin_1.windows(2).position(|pair| pair == [0xc3, 0xbc]).unwrap();
    latin_1.remove(at);
    let rows = vec![target("pool/foo", "foo"), target("pool/bar", "foo")];
    let expected = TargetList::from_rows(rows).unwrap();
    assert_eq!(diff(&import(&latin_1).unwrap(), &expected).rows(), []);
}

#[test]
fn rejects_what_it_cannot_take_over() {
    let rows = [
        "",
        "path\tlength\tsha256\n",
        "Filename: a\nSize: 3\n\nFilename: b\n",
        "Package: a\n\n",
        "\nSize: 3\nSHA256: #\n",
        "Filename: a\nFilename: b\n",
        "Filename: ../a\nSize: 3\nSHA256: #\n",
        "Filename: a\nSize: 3 MB\nSHA256: #\n",
        "Filename: a\nSize: 3\nSHA256: 12\n",
        "Filename: a\nSize: 3\nSHA256: #\n\nFilename: a\nSize: 4\nSHA256: #\n",
        ": a\n",
    ];
    let mut all = String::new();
    for row in rows {
        let error = import(row.replace('#', FOO).as_bytes()).unwrap_err();
        all += &format!("{error}\n");
    }
    expect![[r#"
        Packages: the file is empty
        Packages:1: the line is "path\tlength\tsha256", expected a field and its value
        Packages:3: the stanza from line 1 has no SHA256
        Packages:2: the stanza from line 1 has no Filename
        Packages:3: the stanza from line 2 has no Filename
        Packages:2: Filename stands twice in the stanza
        Packages:1: the target path has a segment `.` or `..`: "../a"
        Packages:2: Size is "3 MB", expected a whole number from 0 to 9223372036854775807
        Packages:3: SHA256 is "12", expected 64 hex digits
        Packages:7: "a" has another size or digest than on line 1
        Packages:1: the line is ": a", expected a field and its value
    "#]]
    .assert_eq(&all);
}
