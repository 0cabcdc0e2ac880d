//! What a server can do without a key.

use std::io::Write;
use std::time::Duration;

use tufold_tests::Answer;

use super::{Attack, BIN, NOTHING, SNAPSHOT, TIMESTAMP, row};
use crate::attacks::scene::Scene;

pub(super) const ROWS: &[Attack] = &[
    // Endless data.
    row(
        "endless_root",
        |scene| scene.answer("2.root.json", Answer::Endless(None, vec![b' '; 1 << 16])),
        "metadata/2.root.json is longer than 512000 bytes",
        NOTHING,
    ),
    row(
        "endless_timestamp",
        |scene| scene.answer("timestamp.json", Answer::Endless(None, vec![b' '; 1 << 16])),
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "endless_snapshot",
        |scene| {
            scene.release(&[]);
            scene.answer("4.snapshot.json", Answer::Endless(None, vec![b' '; 1 << 16]));
        },
        "metadata/4.snapshot.json is longer than 2000000 bytes",
        TIMESTAMP,
    ),
    row(
        "endless_bin",
        |scene| {
            let bin = Scene::bin();
            scene.release(&[&bin]);
            let endless = Answer::Endless(None, vec![b' '; 1 << 16]);
            scene.answer(&format!("4.{bin}.json"), endless);
        },
        "metadata/4.bins-3.json is longer than 5000000 bytes",
        SNAPSHOT,
    ),
    row(
        "longer_than_the_snapshot_says",
        |scene| {
            scene.forge.hashes = true;
            scene.release(&["targets"]);
            let mut longer = scene.forge.files["4.targets.json"].clone();
            longer.push(b'\n');
            scene.answer("4.targets.json", Answer::File(longer));
        },
        "metadata/4.targets.json is longer than …",
        SNAPSHOT,
    ),
    row(
        "endless_target",
        |scene| {
            scene.seek_new("new.txt");
            let endless = Answer::Endless(None, vec![b'n'; 1 << 16]);
            scene.instead.insert(scene.target_file("new.txt"), endless);
        },
        "11f8ad13b4f875d3482479fb6936683d83f9268cc445efe277964f1823939313.new.txt is longer than 7 bytes",
        BIN,
    ),
    // Slow retrieval.
    row(
        "slow_retrieval",
        |scene| scene.answer("timestamp.json", Answer::Drip),
        "metadata/timestamp.json came too slowly: …",
        NOTHING,
    ),
    row(
        "no_retrieval",
        |scene| scene.answer("timestamp.json", Answer::Silence),
        "metadata/timestamp.json came too slowly: 0 bytes within 300ms",
        NOTHING,
    ),
    row(
        "a_visit_without_end",
        |scene| scene.limits.visit = Duration::ZERO,
        "metadata/2.root.json was under way when the visit had taken 0ns",
        NOTHING,
    ),
    // Compression.
    row(
        "a_zstd_bomb",
        |scene| {
            let bomb = zstd::encode_all(&vec![b' '; 1 << 26][..], 3).expect("a bomb");
            scene.answer("timestamp.json", Answer::Encoded("zstd", bomb));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "a_gzip_bomb",
        |scene| {
            let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            bomb.write_all(&vec![b' '; 1 << 26]).expect("a bomb");
            let bomb = bomb.finish().expect("a bomb");
            scene.answer("timestamp.json", Answer::Encoded("gzip", bomb));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "zstd_frames_that_hold_nothing",
        |scene| {
            let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 0, 4, 0, 0][..], &[0; 1024]].concat();
            scene.answer("timestamp.json", Answer::Endless(Some("zstd"), skipped));
        },
        "metadata/timestamp.json is longer than 16384 bytes",
        NOTHING,
    ),
    row(
        "a_window_that_fills_the_memory",
        |scene| {
            // A frame that asks for a window of 2 GiB.
            let frame = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x01, 0x00, 0x00];
            scene.answer("timestamp.json", Answer::Encoded("zstd", frame.to_vec()));
        },
        "metadata/timestamp.json cannot be decompressed as zstd: …",
        NOTHING,
    ),
    row(
        "damaged_compression",
        |scene| scene.answer("timestamp.json", Answer::Encoded("gzip", b"junk".to_vec())),
        "metadata/timestamp.json cannot be decompressed as gzip: …",
        NOTHING,
    ),
    row(
        "a_compression_that_was_not_asked_for",
        |scene| scene.answer("timestamp.json", Answer::Encoded("br", b"junk".to_vec())),
        "metadata/timestamp.json cannot be decompressed as br: it was not asked for",
        NOTHING,
    ),
    // The server.
    row(
        "a_redirect_loop",
        |scene| {
            let there = "/metadata/timestamp.json".to_owned();
            scene.answer("timestamp.json", Answer::Redirect(there));
        },
        "metadata/timestamp.json was redirected more than 10 times",
        NOTHING,
    ),
    row(
        "a_redirect_to_a_file",
        |scene| {
            scene.answer("timestamp.json", Answer::Redirect("file:///etc/passwd".to_owned()));
        },
        "metadata/timestamp.json was redirected from SERVER/metadata/timestamp.json to \
         \"file:///etc/passwd\", which is not followed",
        NOTHING,
    ),
    row(
        "a_connection_that_breaks",
        |scene| scene.answer("timestamp.json", Answer::Cut(vec![b' '; 1000])),
        "metadata/timestamp.json cannot be fetched: …",
        NOTHING,
    ),
    row(
        "a_server_that_fails",
        |scene| scene.answer("timestamp.json", Answer::Status(503)),
        "metadata/timestamp.json was answered with status 503",
        NOTHING,
    ),
    row(
        "a_bin_that_is_missing",
        |scene| {
            let bin = Scene::bin();
            scene.release(&[&bin]);
            scene.answer(&format!("4.{bin}.json"), Answer::Status(404));
        },
        "metadata/4.bins-3.json is not there",
        SNAPSHOT,
    ),
];
