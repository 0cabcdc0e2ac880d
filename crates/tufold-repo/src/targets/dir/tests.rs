use std::sync::atomic::AtomicBool;

use super::super::tests::target;
use super::*;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    dir
}

/// The error, without the folder's own name.
fn error(dir: &tempfile::TempDir) -> String {
    let error = import_dir(dir.path(), &|_| ()).unwrap_err().to_string();
    error.replace(dir.path().to_str().unwrap(), "DIR")
}

#[test]
fn hashes_every_file() {
    let large = "x".repeat(BUFFER_BYTES + 1);
    let files = [("b", "foo"), ("a/b/c.txt", large.as_str()), ("a-b", ""), ("ä ö", "1")];
    let dir = folder(&files);
    fs::create_dir(dir.path().join("empty")).unwrap();
    let expected = files.map(|(path, content)| target(path, content)).to_vec();
    let expected = TargetList::from_rows(expected).unwrap();
    assert_eq!(import_dir(dir.path(), &|_| ()).unwrap(), expected);
}

#[test]
fn a_folder_that_is_not_there_is_an_error() {
    let dir = folder(&[("a", "")]);
    let missing = dir.path().join("missing");
    let error = import_dir(&missing, &|_| ()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: ", missing.display())), "{error}");
    assert!(import_dir(&dir.path().join("a"), &|_| ()).is_err());
}

#[cfg(unix)]
#[test]
fn passes_nothing_over() {
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    let dir = folder(&[("a/b", "")]);
    symlink("b", dir.path().join("a/c")).unwrap();
    assert_eq!(error(&dir), "DIR/a/c: a symbolic link; only regular files are targets");
    let dir = folder(&[]);
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
    assert_eq!(error(&dir), "DIR/s: a device or pipe; only regular files are targets");
    let dir = folder(&[("a\\b", "")]);
    assert_eq!(error(&dir), "DIR/a\\b: the target path has a backslash");
    let dir = folder(&[]);
    fs::write(dir.path().join(OsStr::from_bytes(b"\xff")), "").unwrap();
    assert_eq!(error(&dir), "DIR/\u{fffd}: the name is not UTF-8");
}

#[test]
fn notices_a_file_that_changes() {
    let dir = folder(&[("a", "foo")]);
    let found = || {
        let mut files = Vec::new();
        walk(dir.path(), "", &mut files).unwrap();
        files.pop().unwrap()
    };
    let file = dir.path().join("a");
    let seen = found();
    fs::write(&file, "longer").unwrap();
    let error = seen.hash(dir.path(), &mut [0; 16]).unwrap_err();
    assert!(matches!(error, ListError::Changed(_)), "{error}");
    // The same length, but another time.
    let seen = found();
    let open = File::options().write(true).open(&file).unwrap();
    open.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    assert!(matches!(seen.hash(dir.path(), &mut [0; 16]), Err(ListError::Changed(_))));
    let seen = found();
    fs::remove_file(&file).unwrap();
    assert!(matches!(seen.hash(dir.path(), &mut [0; 16]), Err(ListError::Io { .. })));
}

#[test]
fn progress_is_told() {
    let names: Vec<String> = (0..1100).map(|index| index.to_string()).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let dir = folder(&files);
    let told = AtomicBool::new(false);
    import_dir(dir.path(), &|files| {
        assert_eq!(files, 1024);
        told.store(true, Ordering::Relaxed);
    })
    .unwrap();
    assert!(told.into_inner());
}
