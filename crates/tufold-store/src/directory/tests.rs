use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use super::*;

const NO_LIMIT: u64 = u64::MAX;

fn new_store() -> (TempDir, DirectoryStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = DirectoryStore::create(folder.path().join("store")).unwrap();
    (folder, store)
}

/// Every path below `folder`, links and temporary files included.
fn tree(folder: &Path) -> Vec<String> {
    let mut paths = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for item in fs::read_dir(next).unwrap() {
            let item = item.unwrap();
            paths.push(item.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            if item.file_type().unwrap().is_dir() {
                folders.push(item.path());
            }
        }
    }
    paths.sort();
    paths
}

fn assert_foreign<T: std::fmt::Debug>(result: Result<T, Error>, at: &Path) {
    let error = result.unwrap_err();
    assert!(matches!(&error, Error::Foreign { path, .. } if path == at), "{error:?}");
}

#[test]
fn directories_conform() {
    let folder = tempfile::tempdir().unwrap();
    let (next, path) = (AtomicU32::new(0), folder.path());
    let number = || next.fetch_add(1, Ordering::Relaxed).to_string();
    crate::conformance::check_store(|| DirectoryStore::create(path.join(number())).unwrap());
    crate::conformance::check_store(|| {
        DirectoryStore::create_private(path.join(number())).unwrap()
    });
}

#[test]
fn opens_only_a_folder_that_exists() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    for path in [folder.path().join("missing"), file] {
        for open in [DirectoryStore::open, DirectoryStore::open_private] {
            let error = open(path.clone()).unwrap_err();
            assert_eq!(error.to_string(), format!("cannot open {}", path.display()));
        }
    }
    assert_eq!(tree(folder.path()), ["file"]);
    let store = DirectoryStore::create(folder.path().join("a/b")).unwrap();
    store.create("c", b"c").unwrap();
    let again = DirectoryStore::open(store.root()).unwrap();
    assert_eq!(again.get("c", NO_LIMIT).unwrap().as_deref(), Some(&b"c"[..]));
}

#[test]
fn makes_a_removed_folder_again() {
    let (_folder, store) = new_store();
    store.create("a/b/1", b"1").unwrap();
    fs::remove_dir_all(store.root().join("a")).unwrap();
    assert_eq!(store.create("a/b/2", b"2").unwrap(), Created::New);
    assert_eq!(tree(store.root()), ["a", "a/b", "a/b/2"]);
}

#[test]
fn removes_a_file_that_could_not_be_written() {
    let (_folder, store) = new_store();
    let path = store.path("big");
    let file = Access::Shared.open_new(&path).unwrap();
    let error = fill(file, &path, |file| {
        file.write_all(b"the first half")?;
        Err(ErrorKind::StorageFull.into())
    })
    .unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write {}", path.display()));
    assert!(tree(store.root()).is_empty());
}

#[test]
fn leaves_nothing_of_a_replacement_that_failed() {
    let (_folder, store) = new_store();
    store.create("a/b/c", b"c").unwrap();
    let error = store.replace("a/b", b"in the way").unwrap_err();
    assert_eq!(error.to_string(), format!("cannot replace {}", store.path("a/b").display()));
    assert_eq!(tree(store.root()), ["a", "a/b", "a/b/c"]);
}

#[test]
fn tells_files_from_folders() {
    let (_folder, store) = new_store();
    store.create("a/b", b"b").unwrap();
    assert_foreign(store.create("a", b"x"), &store.path("a"));
    for below in [store.create("a/b/c", b"x").map(drop), store.replace("a/b/c", b"x")] {
        let error = below.unwrap_err().to_string();
        assert_eq!(error, format!("cannot make {}", store.path("a/b").display()));
    }
    assert_eq!(tree(store.root()), ["a", "a/b"]);
}

#[test]
fn does_not_list_temporary_files() {
    let (_folder, store) = new_store();
    store.create("a/b", b"b").unwrap();
    fs::write(store.path("a/.tmp-left"), b"left by a crash").unwrap();
    let names: Vec<String> = store.list("").unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["a/b"]);
}

#[test]
fn writes_in_temporary_files_of_that_prefix() {
    let (_folder, store) = new_store();
    let temporary = Access::Shared.temporary_in(store.root()).unwrap();
    let name = temporary.path().file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.starts_with(".tmp-") && !is_good_segment(&name), "{name}");
    assert!(store.list("").unwrap().is_empty());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn does_not_write_through_a_linked_file() {
        let (folder, store) = new_store();
        let outside = folder.path().join("outside");
        fs::write(&outside, b"outside").unwrap();
        let link = store.path("link");
        for target in [outside.as_path(), &folder.path().join("missing")] {
            symlink(target, &link).unwrap();
            assert_foreign(store.create("link", b"outside"), &link);
            assert_foreign(store.get("link", NO_LIMIT), &link);
            assert!(store.list("").unwrap().is_empty());

            store.replace("link", b"inside").unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_file());
            assert_eq!(store.get("link", NO_LIMIT).unwrap().as_deref(), Some(&b"inside"[..]));
            store.remove("link").unwrap();

            symlink(target, &link).unwrap();
            store.remove("link").unwrap();
            assert_eq!(tree(folder.path()), ["outside", "store"]);
            assert_eq!(fs::read(&outside).unwrap(), b"outside");
        }
    }

    #[test]
    fn does_not_enter_a_linked_folder() {
        let (folder, store) = new_store();
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret"), b"secret").unwrap();
        store.create("a/b", b"b").unwrap();
        let link = store.path("a/link");
        symlink(&outside, &link).unwrap();

        assert_foreign(store.get("a/link/secret", NO_LIMIT), &link);
        assert_foreign(store.create("a/link/new", b"x"), &link);
        assert_foreign(store.create("a/link/new/deeper", b"x"), &link);
        assert_foreign(store.replace("a/link/secret", b"x"), &link);
        assert_foreign(store.remove("a/link/secret"), &link);
        assert_foreign(store.list("a/link/"), &link);
        assert_eq!(store.list("").unwrap().len(), 1);
        assert_eq!(tree(&outside), ["secret"]);
        assert_eq!(fs::read(outside.join("secret")).unwrap(), b"secret");
    }

    #[test]
    fn reads_no_device_and_no_pipe() {
        let (_folder, store) = new_store();
        let path = store.path("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_foreign(store.get("socket", NO_LIMIT), &path);
        assert_foreign(store.create("socket", b""), &path);
        assert!(store.list("").unwrap().is_empty());
    }

    #[test]
    fn keeps_private_files_private() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("above/private");
        let store = DirectoryStore::create_private(&root).unwrap();
        store.create("keys/a", b"a").unwrap();
        store.replace("bases/b", b"b").unwrap();
        let again = DirectoryStore::open_private(&root).unwrap();
        again.create("keys/c", b"c").unwrap();
        for (name, wanted) in [
            ("", 0o700),
            ("keys", 0o700),
            ("bases", 0o700),
            ("keys/a", 0o600),
            ("keys/c", 0o600),
            ("bases/b", 0o600),
        ] {
            assert_eq!(mode(&root.join(name)), wanted, "{name:?}");
        }
    }

    #[test]
    fn closes_a_folder_made_private() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        DirectoryStore::open_private(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o755);
        DirectoryStore::create_private(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
    }

    #[test]
    fn shares_files_as_the_umask_says() {
        let (folder, store) = new_store();
        let plain = folder.path().join("plain");
        fs::write(&plain, b"").unwrap();
        store.create("created", b"").unwrap();
        store.replace("replaced", b"").unwrap();
        assert_eq!(mode(&store.path("created")), mode(&plain));
        assert_eq!(mode(&store.path("replaced")), mode(&plain));
    }
}
