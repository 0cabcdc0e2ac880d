use std::fs;

use expect_test::expect;
use serde_json::json;

use super::super::tests::target;
use super::super::{Source, diff, read_targets};
use super::*;

fn list() -> TargetList {
    TargetList::from_rows(vec![target("a", "1"), target("b/c", "22")]).unwrap()
}

fn text(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn writes_tsv_while_it_holds_everything() {
    let list = list();
    expect![[r#"
        path	length	sha256
        a	1	6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b
        b/c	2	785f3ec7eb32f30b90cd0fcf3657d388b5ff4297f2f9716ff66e9b69c05ddd09
    "#]]
    .assert_eq(&text(|out| list.write(out)));
    let changes = diff(&list, &TargetList::from_rows(vec![target("a", "2")]).unwrap());
    expect![[r#"
        change	path	length	sha256
        put	a	1	d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35
        remove	b/c		
    "#]]
    .assert_eq(&text(|out| changes.write(out)));
    expect![[r#"
        {"put":{"path":"a","length":1,"hashes":{"sha256":"d4735e3a265e16eee03f59718b9b5d03019c07d8b6c51f90da3a666eec13ab35"}}}
        {"remove":"b/c"}
    "#]].assert_eq(&text(|out| changes.write_json_lines(out)));
}

#[test]
fn writes_json_lines_when_a_target_has_more() {
    let mut rows = list().into_rows();
    rows[1].file.custom = Some(serde_json::from_value(json!({"b": 1, "a": "é"})).unwrap());
    rows[1].file.hashes.insert("md5".into(), "00".repeat(16));
    let list = TargetList::from_rows(rows).unwrap();
    expect![[r#"
        {"path":"a","length":1,"hashes":{"sha256":"6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}}
        {"path":"b/c","length":2,"hashes":{"md5":"00000000000000000000000000000000","sha256":"785f3ec7eb32f30b90cd0fcf3657d388b5ff4297f2f9716ff66e9b69c05ddd09"},"custom":{"a":"é","b":1}}
    "#]].assert_eq(&text(|out| list.write(out)));
}

#[test]
fn refuses_a_field_that_no_list_can_hold() {
    let mut rows = list().into_rows();
    rows[0].file.extra = serde_json::from_value(json!({"x": 1})).unwrap();
    let error = TargetList::from_rows(rows).unwrap().write(&mut Vec::new()).unwrap_err();
    assert_eq!(error.to_string(), r#"a has the field "x", which no list can hold"#);
}

#[test]
fn the_name_decides_the_compression() {
    let dir = tempfile::tempdir().unwrap();
    let rows = [
        ("list.tsv", Compression::Plain),
        ("list.tsv.gz", Compression::Gzip),
        ("list.tsv.zst", Compression::Zstd),
        ("list.xz", Compression::Xz),
    ];
    for (name, compression) in rows {
        let path = dir.path().join(name);
        Draft::write(&path, |out| list().write(out)).unwrap().commit().unwrap();
        assert_eq!(Compression::of_content(&fs::read(&path).unwrap()), compression);
        assert_eq!(read_targets(Source::open(&path).unwrap(), &|_| ()).unwrap(), list());
    }
}

#[test]
fn a_failure_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("list.tsv.zst");
    fs::write(&path, "before").unwrap();
    let error = Draft::write(&path, |out| {
        out.write_all(b"half")?;
        Err(io::Error::other("out of ink"))
    });
    let expected = format!("{}: out of ink", path.display());
    assert_eq!(error.unwrap_err().to_string(), expected);
    drop(Draft::write(&path, |out| out.write_all(b"never committed")).unwrap());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert!(Draft::write(dir.path(), |_| Ok(())).is_err());
    let missing = dir.path().join("none/list");
    let error = Draft::write(&missing, |_| Ok(())).unwrap_err().to_string();
    assert_eq!(error, format!("{}: No such file or directory (os error 2)", missing.display()));
}

#[cfg(unix)]
#[test]
fn a_link_keeps_standing_and_so_does_a_device() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let dir = tempfile::tempdir().unwrap();
    let (file, link) = (dir.path().join("file"), dir.path().join("link"));
    fs::write(&file, "before").unwrap();
    symlink("file", &link).unwrap();
    Draft::write(&link, |out| out.write_all(b"after")).unwrap().commit().unwrap();
    assert!(link.is_symlink());
    assert_eq!(fs::read(&file).unwrap(), b"after");
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
    Draft::write("/dev/null".as_ref(), |out| out.write_all(b"x")).unwrap().commit().unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}
