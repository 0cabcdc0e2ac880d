//! Two repositories: the bundle, the deltas of all documents that changed, and those documents fetched whole.

use std::hint::black_box;

use indicatif::ProgressBar;
use serde::Serialize;
use tufold_delta::{Codec, EncodeOptions, Floor, Header, apply, encode};
use tufold_meta::{Envelope, KeyId};
use tufold_repo::{ChangedDocument, Mirror, Step, changed_documents};

use super::{Measures, Row, made, measure, table};
use crate::bars;
use crate::cmd::delta::unlimited;
use crate::output::{Exit, Out, count};

/// All ways from one state of a repository to another.
#[derive(Serialize)]
struct Comparison {
    old_snapshot: u64,
    new_snapshot: u64,
    /// Roles that changed or are new, and the snapshot.
    documents: u64,
    floor: &'static str,
    floor_bytes: f64,
    ways: Vec<Way>,
}

/// One of them.
#[derive(Serialize)]
struct Way {
    /// `bundle`, `deltas` of single documents with their signatures, or `whole` files.
    what: &'static str,
    /// How many files a client fetches.
    files: u64,
    #[serde(flatten)]
    row: Row,
}

pub(super) fn run(old: &Mirror, new: &Mirror, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let documents = changed_documents(old, new)?;
    let files = documents.len() as u64;
    let bar = bars::steps("comparing ways", 2 + files * Codec::ALL.len() as u64);

    let mut measured = Vec::new();
    for codec in [None, Some(Codec::Zstd)] {
        let name = codec.unwrap_or(Codec::Columnar).name();
        measured.push(("bundle", 1, name, measure_bundle(old, new, codec)?));
        bar.inc(1);
    }
    for codec in Codec::ALL {
        let what = if is_whole(codec) { "whole" } else { "deltas" };
        let measures = measure_documents(codec, &documents, &bar)?;
        measured.push((what, files, codec.name(), measures));
    }
    drop(bar);
    let floor = Floor::strict(Step::of(old, new)?.fresh_hex_bytes(), 0);

    let full = measured.iter().find(|(_, _, codec, _)| *codec == Codec::FullZstd.name());
    let full = full.and_then(|(.., measures)| measures.as_ref()).map(|m| (m.bytes, m.apply));
    let mut ways: Vec<Way> = measured
        .iter()
        .map(|(what, files, codec, measures)| Way {
            what,
            files: *files,
            row: Row::new(codec, measures.as_ref(), floor, full),
        })
        .collect();
    let raw = documents.iter().map(|document| document.file.len() as u64).sum();
    ways.push(Way { what: "whole", files, row: Row::of_bytes("none", Some(raw), floor) });
    let comparison = Comparison {
        old_snapshot: old.version().get(),
        new_snapshot: new.version().get(),
        documents: files,
        floor: "strict",
        floor_bytes: floor.bytes,
        ways,
    };
    out.result(&comparison, |out| {
        let Comparison { old_snapshot, new_snapshot, documents, .. } = comparison;
        let documents = count(documents);
        writeln!(out, "from snapshot {old_snapshot} to {new_snapshot}: {documents} documents")?;
        writeln!(out, "{} floor: {:.0} bytes", comparison.floor, comparison.floor_bytes)?;
        table(comparison.ways.iter().map(|way| (way.label(), &way.row)), out)
    })?;
    Ok(Exit::Yes)
}

impl Way {
    fn label(&self) -> String {
        match (self.what, self.row.codec) {
            ("bundle", codec) => format!("bundle, {codec}"),
            (what, codec) => format!("{} {what}, {codec}", count(self.files)),
        }
    }
}

/// Codecs that use no base stand for files that are fetched whole.
fn is_whole(codec: Codec) -> bool {
    matches!(codec, Codec::FullZstd | Codec::FullGzip)
}

fn measure_bundle(
    old: &Mirror,
    new: &Mirror,
    codec: Option<Codec>,
) -> anyhow::Result<Option<Measures>> {
    measure(
        || Ok(Some(Step::of(old, new)?.bundle(codec)?)),
        |bundle: &Vec<u8>| bundle.len() as u64,
        |bundle| {
            black_box(old.open_bundle(bundle, &unlimited())?.rebuild()?);
            Ok(())
        },
    )
}

/// All documents by one codec; `None` if it declines one of them.
fn measure_documents(
    codec: Codec,
    documents: &[ChangedDocument],
    bar: &ProgressBar,
) -> anyhow::Result<Option<Measures>> {
    let encode_all = || {
        let mut deltas = Vec::with_capacity(documents.len());
        for document in documents {
            let (base, new) = sides(codec, document);
            bar.inc(1);
            match made(encode(codec, base, new, &EncodeOptions::default()))? {
                Some(delta) => deltas.push(delta),
                None => return Ok(None),
            }
        }
        Ok(Some(deltas))
    };
    let bytes = |deltas: &Vec<Vec<u8>>| {
        deltas.iter().zip(documents).map(|(delta, document)| fetched(codec, delta, document)).sum()
    };
    measure(encode_all, bytes, |deltas| {
        for (delta, document) in deltas.iter().zip(documents) {
            black_box(apply(sides(codec, document).0, delta, &unlimited())?);
        }
        Ok(())
    })
}

/// What a codec starts from, and what it carries.
fn sides(codec: Codec, document: &ChangedDocument) -> (Option<&[u8]>, &[u8]) {
    match is_whole(codec) {
        true => (None, &document.file),
        false => (document.old.as_deref(), &document.new),
    }
}

/// What a client fetches: the file as a server would pack it, or the signatures and the delta.
fn fetched(codec: Codec, delta: &[u8], document: &ChangedDocument) -> u64 {
    if is_whole(codec) {
        return Header::parse(delta).map_or(0, |(header, _)| header.payload_len_bytes);
    }
    let keyids: Vec<KeyId> = document.signatures.iter().map(|s| s.keyid.clone()).collect();
    let mut envelope = Vec::new();
    // One that cannot be written has no bundle either, so this is not reached with it.
    if let Some(signatures) = Envelope::new(document.signatures.clone()) {
        signatures.write(&keyids, &mut envelope);
    }
    (envelope.len() + delta.len()) as u64
}
