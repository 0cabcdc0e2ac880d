//! Which clients cannot use a layout with their default limits (DESIGN: client limits are layout limits).

use crate::cost::Refusal;
use crate::layout::{Form, LayoutSpec, Snapshots};

/// The lengths of the longest documents.
pub(crate) struct Documents {
    pub(crate) snapshot: f64,
    pub(crate) targets: f64,
    pub(crate) bins: f64,
    pub(crate) leaf: f64,
}

/// A client, and what it takes by default.
struct Reader {
    name: &'static str,
    /// The longest targets role, in bytes, where the snapshot does not list its length.
    targets_bytes: f64,
    reads_succinct: bool,
    /// Whether the limit holds though a length is listed.
    is_strict: bool,
}

/// Every publisher here lists the snapshot's length, which lifts the limit on it in all but php-tuf.
const READERS: [Reader; 6] = [
    Reader { name: "python-tuf", targets_bytes: 5e6, reads_succinct: true, is_strict: false },
    Reader { name: "go-tuf", targets_bytes: 5e6, reads_succinct: true, is_strict: false },
    Reader { name: "rust-tuf", targets_bytes: 5e6, reads_succinct: false, is_strict: false },
    Reader { name: "sigstore-tuf", targets_bytes: 5e6, reads_succinct: false, is_strict: false },
    Reader {
        name: "tough",
        targets_bytes: 10.0 * 1_048_576.0,
        reads_succinct: false,
        is_strict: false,
    },
    Reader { name: "php-tuf", targets_bytes: 1e5, reads_succinct: false, is_strict: true },
];

/// Who refuses the layout, and why.
pub(crate) fn refused(layout: LayoutSpec, documents: &Documents) -> Vec<Refusal> {
    READERS
        .iter()
        .filter_map(|reader| Some((reader, why(reader, layout, documents)?)))
        .map(|(reader, why)| Refusal { client: reader.name.to_owned(), why })
        .collect()
}

fn why(reader: &Reader, layout: LayoutSpec, documents: &Documents) -> Option<String> {
    if layout.snapshot == Snapshots::Merkle {
        return Some("does not read TAP 16".to_owned());
    }
    if layout.form == Form::BinsSuccinct && !reader.reads_succinct {
        return Some("does not read TAP 15".to_owned());
    }
    let listed = layout.snapshot == Snapshots::Hashes && !reader.is_strict;
    let rows = [
        ("snapshot.json", if reader.is_strict { documents.snapshot } else { 0.0 }),
        ("targets.json", if listed { 0.0 } else { documents.targets }),
        ("bins.json", if listed { 0.0 } else { documents.bins }),
        ("a role", if listed { 0.0 } else { documents.leaf }),
    ];
    let (name, bytes) = rows.into_iter().find(|(_, bytes)| *bytes > reader.targets_bytes)?;
    Some(format!("{name} of {bytes:.0} B is longer than {:.0} B", reader.targets_bytes))
}
