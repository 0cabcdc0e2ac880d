//! Paths, headers, ranges, codings and dictionaries.

use std::fs;
use std::io::Read;

use data_encoding::BASE64;
use tempfile::TempDir;
use tufold_meta::Digest;
use tufold_serve::Limits;
use tufold_tests::{TestRepo, after, changes, list, put, scratch};
use zstd::zstd_safe::DCtx;

use super::{Answer, Serving};

/// A repository of many bins, published twice.
fn repository() -> TestRepo {
    let paths: Vec<String> = (0..400).map(|n| format!("path-{n}")).collect();
    let repo = TestRepo::init("bins-succinct:256 hashes", list(paths.iter().map(String::as_str)));
    repo.publish(changes([put("path-7", "new")]), &[], after("1h"));
    repo
}

fn serve(repo: &TestRepo) -> Serving {
    Serving::start(&repo.path().join("public"), Limits::default())
}

fn decoded(answer: &Answer, dictionary: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match answer.header("content-encoding") {
        None => return answer.body.clone(),
        Some("gzip") => {
            flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut out).expect("gzip");
        }
        Some("zstd") => out = zstd::decode_all(&*answer.body).expect("zstd"),
        Some("dcz") => {
            let (head, frame) = answer.body.split_at(40);
            assert_eq!(head[..8], [0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0]);
            assert_eq!(&head[8..], Digest::of(dictionary).as_bytes());
            let mut context = DCtx::create();
            context.ref_prefix(dictionary).expect("a prefix");
            out.reserve(8 << 20);
            context.decompress(&mut out, frame).expect("a frame");
        }
        Some(other) => panic!("coded in {other}"),
    }
    out
}

#[test]
fn serves_public_and_nothing_else() {
    let repo = repository();
    let public = repo.path().join("public");
    fs::write(public.join(".secret"), "dot").unwrap();
    fs::create_dir_all(public.join(".well-known")).unwrap();
    fs::write(public.join(".well-known/a"), "dot").unwrap();
    fs::write(public.join("metadata/1.a%2Fb.json"), "quoted").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::symlink;
        symlink("../private/root.json", public.join("link.json")).unwrap();
        symlink("../private", public.join("linked")).unwrap();
        symlink("metadata/timestamp.json", public.join("inside.json")).unwrap();
        symlink(repo.private(), public.join("metadata/absolute")).unwrap();
    }
    let server = serve(&repo);
    for (path, status) in [
        ("/metadata/timestamp.json", 200),
        ("/metadata/timestamp%2ejson", 200),
        ("/metadata/1.a%2Fb.json", 200),
        ("/metadata/1.a%2fb.json", 200),
        ("/metadata/timestamp.json?a=/../b", 200),
        ("http://elsewhere/metadata/timestamp.json", 200),
        ("/", 404),
        ("/metadata", 404),
        ("/metadata/", 404),
        ("/metadata/9.root.json", 404),
        ("//metadata/timestamp.json", 404),
        ("/metadata//timestamp.json", 404),
        ("/./metadata/timestamp.json", 404),
        ("/../private/root.json", 404),
        ("/metadata/../../private/root.json", 404),
        ("/metadata/../timestamp.json", 404),
        ("/%2e%2e/private/root.json", 404),
        ("/metadata/%2E%2E/%2e%2e/private/root.json", 404),
        ("/..%2fprivate/root.json", 404),
        ("/..%2f..%2fprivate%2froot.json", 404),
        ("/metadata%2ftimestamp.json", 404),
        ("/%252e%252e/private/root.json", 404),
        ("/..\\private\\root.json", 404),
        ("/..%5cprivate%5croot.json", 404),
        ("/metadata/timestamp.json%00", 404),
        ("/%00/../../private/root.json", 404),
        ("/metadata/1.a/b.json", 404),
        ("/etc/passwd", 404),
        ("//etc/passwd", 404),
        ("/link.json", 404),
        ("/linked/root.json", 404),
        ("/inside.json", 404),
        ("/metadata/absolute/root.json", 404),
        ("/.secret", 404),
        ("/%2esecret", 404),
        ("/.well-known/a", 404),
    ] {
        let answer = server.get(path, &[]);
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.body.is_empty(), status == 404, "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"] {
        let answer = server.ask(method, "/metadata/timestamp.json", &[]);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")), "{method}");
    }
    let long = format!("/{}", "a".repeat(5_000));
    assert_eq!(server.get(&long, &[]).status, 404);
    let served = server.end();
    assert_eq!((served.not_found, served.failed), (31, 0));
}

#[test]
fn says_what_may_be_kept_and_for_how_long() {
    const IMMUTABLE: &str = "public, max-age=31536000, immutable";
    let repo = repository();
    repo.publish_with_ladder("pow2:8", changes([put("path-8", "new")]), after("2h"));
    fs::write(repo.path().join("public/a.txt"), "other").unwrap();
    let server = serve(&repo);
    for (path, kind, cache) in [
        ("metadata/timestamp.json", "application/json", "public, max-age=5"),
        ("metadata/1.root.json", "application/json", IMMUTABLE),
        ("metadata/2.snapshot.json", "application/json", IMMUTABLE),
        ("metadata/1.bins-0a.json", "application/json", IMMUTABLE),
        ("deltas/snapshot/2-3", "application/octet-stream", IMMUTABLE),
        ("a.txt", "application/octet-stream", "public, max-age=5"),
    ] {
        let answer = server.get(&format!("/{path}"), &[]);
        let file = fs::read(repo.path().join("public").join(path)).unwrap();
        assert!(answer.status == 200 && answer.body == file, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("cache-control"), Some(cache), "{path}");
        assert_eq!(answer.header("content-length"), Some(&*file.len().to_string()), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let etag = answer.header("etag").unwrap();
        let again = server.get(&format!("/{path}"), &[("If-None-Match", etag)]);
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(
            (again.header("etag"), again.header("cache-control")),
            (Some(etag), Some(cache))
        );
        let other = server.get(&format!("/{path}"), &[("If-None-Match", "\"other\"")]);
        assert_eq!(other.status, 200);
        let head = server.ask("HEAD", &format!("/{path}"), &[]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-length"), answer.header("content-length"));
        assert_eq!(head.header("etag"), Some(etag));
    }
    // The same second, the same length: another tag all the same.
    let before = server.get("/a.txt", &[]).header("etag").unwrap().to_owned();
    fs::write(repo.path().join("public/a.txt"), "tohre").unwrap();
    assert_eq!(server.get("/a.txt", &[("If-None-Match", &before)]).status, 200);
    assert_eq!(
        server.get("/metadata/9.root.json", &[]).header("cache-control"),
        Some("public, max-age=5")
    );
}

#[test]
fn gives_parts_of_files() {
    let folder = scratch();
    let large: Vec<u8> = (0..9 << 20).map(|n: u32| n.to_le_bytes()[(n % 3) as usize]).collect();
    let small = large[..1_000].to_vec();
    fs::write(folder.path().join("large"), &large).unwrap();
    fs::write(folder.path().join("small.json"), &small).unwrap();
    let server = Serving::start(folder.path(), Limits::default());
    for (name, file) in [("large", &large), ("small.json", &small)] {
        let path = format!("/{name}");
        let len = file.len();
        let whole = server.get(&path, &[]);
        assert!(whole.body == *file);
        let etag = whole.header("etag").unwrap();
        assert_eq!(whole.header("accept-ranges"), Some("bytes"));
        for (range, from, to) in [
            ("bytes=0-0".to_owned(), 0, 1),
            ("bytes=100-299".to_owned(), 100, 300),
            ("bytes=900-".to_owned(), 900, len),
            ("bytes=-10".to_owned(), len - 10, len),
            (format!("bytes=10-{len}"), 10, len),
        ] {
            for extra in [("If-Range", etag), ("Accept-Encoding", "gzip, zstd, dcz")] {
                let part = server.get(&path, &[("Range", &range), extra]);
                let expected = format!("bytes {from}-{}/{len}", to - 1);
                assert_eq!(part.status, 206, "{name} {range}");
                assert_eq!(part.header("content-range"), Some(&*expected));
                assert_eq!(
                    (part.header("etag"), part.header("content-encoding")),
                    (Some(etag), None)
                );
                assert!(part.body == file[from..to], "{name} {range}");
            }
        }
        for headers in [
            &[("Range", "bytes=0-1,4-5")][..],
            &[("Range", "bytes=5-4")],
            &[("Range", "bytes=0-1"), ("If-Range", "\"other\"")],
        ] {
            let whole = server.get(&path, headers);
            assert!(whole.status == 200 && whole.body == *file, "{headers:?}");
        }
        let beyond = server.get(&path, &[("Range", &format!("bytes={len}-"))]);
        assert_eq!((beyond.status, beyond.body.len()), (416, 0));
        assert_eq!(beyond.header("content-range"), Some(&*format!("bytes */{len}")));
    }
}

#[test]
fn compresses_as_the_client_likes_it() {
    let repo = repository();
    let server = serve(&repo);
    let path = "/metadata/2.snapshot.json";
    let file = fs::read(repo.metadata().join("2.snapshot.json")).unwrap();
    let mut tags = Vec::new();
    for (accept, coding) in [
        ("", None),
        ("gzip, zstd", Some("zstd")),
        ("gzip;q=1, zstd;q=0.9", Some("gzip")),
        ("gzip, deflate, br, zstd, dcb, dcz", Some("zstd")),
        ("br", None),
        ("zstd;q=0, *;q=0.5", Some("gzip")),
        ("identity, gzip;q=0.5", None),
    ] {
        let answer = server.get(path, &[("Accept-Encoding", accept)]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{accept}");
        assert!(decoded(&answer, b"") == file, "{accept}");
        assert!(coding.is_none() || answer.body.len() < file.len() / 2);
        assert_eq!(answer.header("vary"), Some("accept-encoding, available-dictionary"));
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        let tag = answer.header("etag").unwrap().to_owned();
        let headers = [("Accept-Encoding", accept), ("If-None-Match", &tag)];
        assert_eq!(server.get(path, &headers).status, 304);
        let head = server.ask("HEAD", path, &headers[..1]);
        assert_eq!(head.header("content-length"), answer.header("content-length"));
        tags.push((coding, tag));
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 3, "a tag for each form: {tags:?}");
    assert_eq!(server.get(path, &[("Accept-Encoding", "identity;q=0")]).status, 406);
    // What is short, and what is no text, goes as it is for everybody.
    let timestamp = server.get("/metadata/timestamp.json", &[("Accept-Encoding", "zstd")]);
    assert_eq!((timestamp.header("content-encoding"), timestamp.header("vary")), (None, None));
    let targets = server.get("/metadata/1.root.json", &[("Accept-Encoding", "zstd")]);
    assert_eq!(targets.header("vary"), Some("accept-encoding"));
    assert_eq!(targets.header("use-as-dictionary"), None);
    let served = server.end();
    assert_eq!(served.computed, 3, "zstd and gzip of the snapshot, zstd of the root");
}

/// What a client says of a file that it holds.
fn held(file: &[u8], id: &str) -> (String, String) {
    (format!(":{}:", BASE64.encode(Digest::of(file).as_bytes())), format!("\"{id}\""))
}

#[test]
fn an_earlier_version_is_the_dictionary_of_the_next() {
    let repo = repository();
    let server = serve(&repo);
    let file = |name: &str| fs::read(repo.metadata().join(name)).unwrap();
    let touched = repo.names().into_iter().find(|name| name.starts_with("2.bins-")).unwrap();
    for tail in ["snapshot.json", touched.strip_prefix("2.").unwrap()] {
        let (old, new) = (file(&format!("1.{tail}")), file(&format!("2.{tail}")));
        let path = format!("/metadata/2.{tail}");
        let first = server.get(&format!("/metadata/1.{tail}"), &[("Accept-Encoding", "zstd")]);
        let offered = format!("match=\"/metadata/*.{tail}\", id=\"1\"");
        assert_eq!(first.header("use-as-dictionary"), Some(&*offered));
        let (digest, id) = held(&old, "1");
        let accept = ("Accept-Encoding", "gzip, br, zstd, dcb, dcz");
        let asked = [accept, ("Available-Dictionary", &*digest), ("Dictionary-ID", &*id)];
        let answer = server.get(&path, &asked);
        assert_eq!(
            (answer.status, answer.header("content-encoding")),
            (200, Some("dcz")),
            "{path}"
        );
        assert!(decoded(&answer, &old) == new);
        assert!(answer.body.len() < 400, "{path}: {}", answer.body.len());
        assert_eq!(answer.header("vary"), Some("accept-encoding, available-dictionary"));
        assert_eq!(answer.header("use-as-dictionary"), Some(&*offered.replace("\"1\"", "\"2\"")));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        let tag = answer.header("etag").unwrap();
        let whole = server.get(&path, &[accept]);
        assert_ne!(whole.header("etag"), Some(tag));
        let again = server.get(&path, &[&asked[..], &[("If-None-Match", tag)]].concat());
        assert_eq!(again.status, 304);
        // A client need not name it: the server knows what it sent.
        let unnamed = server.get(&path, &asked[..2]);
        assert_eq!(unnamed.header("etag"), Some(tag));
        assert!(unnamed.body == answer.body);

        // Anything that does not fit gets the file in zstd.
        let (foreign, _) = held(b"foreign", "1");
        for headers in [
            [accept, ("Available-Dictionary", &*foreign), ("Dictionary-ID", "\"1\"")],
            [accept, ("Available-Dictionary", &*digest), ("Dictionary-ID", "\"9\"")],
            [accept, ("Available-Dictionary", &*digest), ("Dictionary-ID", "\"2\"")],
            [accept, ("Available-Dictionary", &*digest), ("Dictionary-ID", "\"../1\"")],
            [accept, ("Available-Dictionary", "damaged"), ("Dictionary-ID", "\"1\"")],
            [("Accept-Encoding", "zstd"), asked[1], asked[2]],
            [("Accept-Encoding", "dcz;q=0, zstd"), asked[1], asked[2]],
        ] {
            let answer = server.get(&path, &headers);
            assert_eq!(answer.header("content-encoding"), Some("zstd"), "{headers:?}");
            assert!(decoded(&answer, b"") == new);
        }
        let never_sent = server.get(&path, &[accept, ("Available-Dictionary", &*foreign)]);
        assert_eq!(never_sent.header("content-encoding"), Some("zstd"));
    }
    // A dictionary that was pruned is none any more.
    let (digest, id) = held(&file("1.snapshot.json"), "1");
    fs::remove_file(repo.metadata().join("1.snapshot.json")).unwrap();
    let asked = [
        ("Accept-Encoding", "dcz, zstd"),
        ("Available-Dictionary", &*digest),
        ("Dictionary-ID", &*id),
    ];
    let answer = server.get("/metadata/2.snapshot.json", &asked);
    assert_eq!(answer.header("content-encoding"), Some("zstd"));
}

#[test]
fn many_clients_wait_for_one_computation() {
    let repo = repository();
    let server = serve(&repo);
    let old = fs::read(repo.metadata().join("1.snapshot.json")).unwrap();
    let new = fs::read(repo.metadata().join("2.snapshot.json")).unwrap();
    let (digest, id) = held(&old, "1");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let asked = [
                    ("Accept-Encoding", "dcz"),
                    ("Available-Dictionary", &*digest),
                    ("Dictionary-ID", &*id),
                ];
                let answer = server.get("/metadata/2.snapshot.json", &asked);
                assert!(decoded(&answer, &old) == new);
            });
        }
    });
    let served = server.end();
    assert_eq!((served.with_dictionary, served.computed), (16, 1));
    assert_eq!((served.connections, served.requests, served.failed), (16, 16, 0));
}

#[test]
fn a_cache_too_small_for_anything_changes_no_answer() {
    let repo = repository();
    let limits = Limits { cache_bytes: 1, max_response_bytes: 1, ..Limits::default() };
    let server = Serving::start(&repo.path().join("public"), limits);
    let new = fs::read(repo.metadata().join("2.snapshot.json")).unwrap();
    for accept in ["zstd", "gzip", "identity", "zstd"] {
        let answer = server.get("/metadata/2.snapshot.json", &[("Accept-Encoding", accept)]);
        assert!(decoded(&answer, b"") == new);
    }
    assert_eq!(server.end().computed, 3);
}

#[test]
fn a_server_that_cannot_begin_says_why() {
    let folder: TempDir = scratch();
    let bind = |root: &std::path::Path, address: &str| {
        tufold_serve::Server::bind(root, address, None, Limits::default())
            .err()
            .map(|error| error.to_string())
    };
    let missing = folder.path().join("missing");
    assert_eq!(bind(&missing, "127.0.0.1:0"), Some(format!("cannot open {}", missing.display())));
    assert_eq!(bind(folder.path(), "nowhere"), Some("cannot listen on nowhere".to_owned()));
    let first = Serving::start(folder.path(), Limits::default());
    let taken = first.address.to_string();
    assert_eq!(bind(folder.path(), &taken), Some(format!("cannot listen on {taken}")));
    let pem = folder.path().join("a.pem");
    fs::write(&pem, "no certificate").unwrap();
    let error = tufold_serve::Tls::from_pem_files(&pem, &pem).err().unwrap().to_string();
    assert!(error.starts_with(&format!("cannot use {}: ", pem.display())), "{error}");
}
