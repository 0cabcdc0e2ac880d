//! JSON Patch (RFC 6902) and Merge Patch (RFC 7396), each with zstd. Both lose formatting, so they serve canonical JSON
//! only: the patched value is written as canonical JSON, and what does not come out the same is declined.

use json_patch::{Patch, PatchOperation};
use serde_json::Value;

use super::zstandard;
use crate::{Codec, Error};

const BAD_BASE: Error = Error::Damaged("the prediction is not JSON");
const BAD_PATCH: Error = Error::Damaged("its patch is not one that it could have");

/// Opening brackets and commas in a patch: one for so many bytes of the prediction and the result, and some for nothing.
/// A patch that replaces each version in a snapshot has one for 15 bytes.
const BYTES_PER_MARK: u64 = 8;
const FREE_MARKS: u64 = 4_096;

/// Operations that go deeper could, one on the other, nest values deeper than a stack is high.
const MAX_PATH_TOKENS: usize = 128;
/// Elements that all additions to arrays and removals from them may move: some tenths of a second.
const MAX_MOVES: usize = 1 << 26;

pub(super) fn encode(
    codec: Codec,
    base: Option<&[u8]>,
    new: &[u8],
    level: i32,
) -> Result<Vec<u8>, Error> {
    let declined = |why| Error::Declined { codec, why };
    let parse =
        |text: &[u8]| serde_json::from_slice::<Value>(text).map_err(|_| declined("it is not JSON"));
    let old = base.map_or(Ok(Value::Null), parse)?;
    let new = parse(new)?;
    let patch = if codec == Codec::JsonPatch {
        serde_json::to_vec(&json_patch::diff(&old, &new))
    } else {
        serde_json::to_vec(&merge_diff(&old, &new))
    };
    zstandard::pack(&patch.map_err(|_| declined("its patch is not JSON"))?, level, codec)
}

pub(super) fn apply(
    codec: Codec,
    base: Option<&[u8]>,
    payload: &[u8],
    result_len: usize,
) -> Result<Vec<u8>, Error> {
    let both = base.map_or(0, <[u8]>::len) as u64 + result_len as u64;
    let patch = zstandard::unpack(payload, 4 * both + (1 << 16))?;
    // Some bytes of text can make a thousand of a tree.
    let marks = patch.iter().filter(|byte| matches!(byte, b'{' | b'[' | b',')).count() as u64;
    if marks > both / BYTES_PER_MARK + FREE_MARKS {
        return Err(BAD_PATCH);
    }
    let mut value = base.map_or(Ok(Value::Null), serde_json::from_slice).map_err(|_| BAD_BASE)?;
    if codec == Codec::JsonPatch {
        let patch: Patch = serde_json::from_slice(&patch).map_err(|_| BAD_PATCH)?;
        if !is_bounded(&value, &patch) {
            return Err(BAD_PATCH);
        }
        json_patch::patch_unsafe(&mut value, &patch).map_err(|_| BAD_PATCH)?;
    } else {
        let patch: Value = serde_json::from_slice(&patch).map_err(|_| BAD_PATCH)?;
        json_patch::merge(&mut value, &patch);
    }
    let mut out = Vec::with_capacity(result_len);
    write(&mut out, &value);
    Ok(out)
}

/// Whether a patch takes no more time and stack than its own length and the document's explain.
fn is_bounded(value: &Value, patch: &Patch) -> bool {
    let mut longest = longest_array(value) + patch.0.len();
    let mut in_arrays = 0;
    for op in &patch.0 {
        match op {
            PatchOperation::Add(op) => longest = longest.max(longest_array(&op.value)),
            PatchOperation::Replace(op) => longest = longest.max(longest_array(&op.value)),
            PatchOperation::Remove(_) => {}
            // A copy can double the document and so can the next one; a writer makes none of these.
            PatchOperation::Move(_) | PatchOperation::Copy(_) | PatchOperation::Test(_) => {
                return false;
            }
        }
        if op.path().count() > MAX_PATH_TOKENS {
            return false;
        }
        let last = op.path().last();
        in_arrays += usize::from(last.is_some_and(|token| token.to_index().is_ok()));
    }
    in_arrays.saturating_mul(longest) <= MAX_MOVES
}

fn longest_array(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.iter().map(longest_array).fold(items.len(), usize::max),
        Value::Object(map) => map.values().map(longest_array).max().unwrap_or(0),
        _ => 0,
    }
}

/// The Merge Patch from one value to another; it cannot say null nor a part of an array.
fn merge_diff(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return new.clone() };
    let gone =
        old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed =
        new.iter().filter(|(key, value)| old.get(*key) != Some(*value)).map(|(key, value)| {
            let value = old.get(key).map_or_else(|| value.clone(), |old| merge_diff(old, value));
            (key.clone(), value)
        });
    Value::Object(gone.chain(changed).collect())
}

/// Canonical JSON: keys in code-point order, only quote and backslash escaped.
fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            out.extend_from_slice(value.to_string().as_bytes())
        }
        Value::String(text) => write_string(out, text),
        Value::Array(values) => {
            out.push(b'[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write(out, value);
            }
            out.push(b']');
        }
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            // UTF-8 sorts as its code points do. Maps keep another order where a feature asks for it.
            entries.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_string(out, key);
                out.push(b':');
                write(out, value);
            }
            out.push(b'}');
        }
    }
}

fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(codec: Codec, base: &str, new: &str) -> bool {
        let payload = encode(codec, Some(base.as_bytes()), new.as_bytes(), 3).unwrap();
        apply(codec, Some(base.as_bytes()), &payload, new.len()).unwrap() == new.as_bytes()
    }

    #[test]
    fn canonical_documents_survive() {
        for (base, new) in [
            (r#"{"a":1,"b":{"c":"d"}}"#, r#"{"a":2,"b":{"c":"e","f":[1,2]}}"#),
            (r#"{"a":1,"b":{"c":"d"}}"#, r#"{"a":1}"#),
            (r#"{}"#, "{\"a~b/c\":\"\\\"\\\\é\"}"),
            (r#"[1,2,3]"#, r#"[1,3]"#),
        ] {
            assert!(check(Codec::JsonPatch, base, new), "{new}");
            assert!(check(Codec::MergePatch, base, new), "{new}");
        }
    }

    #[test]
    fn null_breaks_merge_patch_and_formatting_breaks_both() {
        let (base, null) = (r#"{"a":1}"#, r#"{"a":null}"#);
        assert!(check(Codec::JsonPatch, base, null));
        assert!(!check(Codec::MergePatch, base, null));
        // Within an array null is safe, within a new object it is not.
        assert!(check(Codec::MergePatch, base, r#"{"a":[null,{"b":null}]}"#));
        assert!(!check(Codec::MergePatch, base, r#"{"a":1,"b":{"c":null}}"#));
        for codec in [Codec::JsonPatch, Codec::MergePatch] {
            assert!(!check(codec, base, "{\n  \"a\": 2\n}"));
            assert!(!check(codec, base, r#"{"b":2,"a":1}"#));
        }
    }

    #[test]
    fn patches_that_grow_by_copying_are_refused() {
        let copies =
            r#"[{"op":"copy","from":"","path":"/a"},{"op":"move","from":"/a","path":"/b"}]"#;
        let payload = zstandard::pack(copies.as_bytes(), 3, Codec::JsonPatch).unwrap();
        assert_eq!(apply(Codec::JsonPatch, Some(b"{}"), &payload, 10), Err(BAD_PATCH));
    }

    #[test]
    fn patches_that_dig_ever_deeper_are_refused() {
        let nested = format!("{}null{}", "{\"a\":".repeat(100), "}".repeat(100));
        let add = |depth: usize| {
            format!(r#"{{"op":"add","path":"{}","value":{nested}}}"#, "/a".repeat(depth))
        };
        let patch: Vec<_> = (1..3_000).step_by(100).map(add).collect();
        let patch = format!("[{}]", patch.join(","));
        let payload = zstandard::pack(patch.as_bytes(), 3, Codec::JsonPatch).unwrap();
        let len = patch.len();
        assert_eq!(apply(Codec::JsonPatch, Some(b"{}"), &payload, len), Err(BAD_PATCH));
    }

    #[test]
    fn patches_that_move_an_array_again_and_again_are_refused() {
        let base = format!("[{}0]", "100000000000,".repeat(100_000));
        let patch = |count: usize| {
            let add = r#"{"op":"add","path":"/0","value":1}"#;
            format!("[{}]", vec![add; count].join(","))
        };
        let found = |count: usize| {
            let payload = zstandard::pack(patch(count).as_bytes(), 3, Codec::JsonPatch).unwrap();
            apply(Codec::JsonPatch, Some(base.as_bytes()), &payload, base.len() + 2 * count)
        };
        assert!(found(100).is_ok());
        assert_eq!(found(1_000), Err(BAD_PATCH));
    }

    #[test]
    fn patches_that_make_a_forest_are_refused() {
        for tree in ["0", "{}", "[]", r#"{"":0}"#] {
            let forest = format!(r#"{{"a":[{}0]}}"#, format!("{tree},").repeat(8_000));
            let payload = zstandard::pack(forest.as_bytes(), 3, Codec::MergePatch).unwrap();
            assert_eq!(apply(Codec::MergePatch, Some(b"{}"), &payload, 1_000), Err(BAD_PATCH));
        }
    }

    #[test]
    fn deep_patches_are_refused() {
        let deep = format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000));
        let payload = zstandard::pack(deep.as_bytes(), 3, Codec::MergePatch).unwrap();
        assert_eq!(apply(Codec::MergePatch, Some(b"{}"), &payload, 10), Err(BAD_PATCH));
    }
}
