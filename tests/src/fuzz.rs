//! What the fuzz targets do with their bytes, as plain functions: each takes any bytes and panics if
//! an invariant breaks. `tests/fuzz` calls them from libFuzzer, `tests/it` on the committed corpus.

mod bundle;
mod cjson;
mod deltas;
mod lists;
mod regroup;
mod roles;
mod trusted;

pub use bundle::{bundle, envelope};
pub use cjson::cjson;
pub use deltas::{Pair, bsdiff, columnar, container, full, json_patch, merge_patch, pair, zstd};
pub use lists::{change_list, debian, target_list};
pub use regroup::regroup;
pub use roles::{root, snapshot, targets, timestamp};
pub use trusted::trusted;

/// A fuzz target: its name, which its corpus folder has too, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every fuzz target.
pub const TARGETS: [Target; 19] = [
    ("cjson", cjson),
    ("root", root),
    ("timestamp", timestamp),
    ("snapshot", snapshot),
    ("targets", targets),
    ("trusted", trusted),
    ("target_list", target_list),
    ("change_list", change_list),
    ("debian", debian),
    ("container", container),
    ("columnar", columnar),
    ("zstd", zstd),
    ("bsdiff", bsdiff),
    ("json_patch", json_patch),
    ("merge_patch", merge_patch),
    ("full", full),
    ("bundle", bundle),
    ("envelope", envelope),
    ("regroup", regroup),
];
