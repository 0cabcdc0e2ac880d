//! Canonical JSON.

use std::borrow::Cow;

use serde_json::Value;
use tufold_meta::cjson::{CanonicalError, Object, canonicalize, file_text, is_canonical};

/// Any text either has one canonical form, which says the same, is no longer and is its own
/// canonical form, or is no JSON, or holds a number that is no integer.
pub fn cjson(data: &[u8]) {
    let value = serde_json::from_slice::<Value>(data);
    let canonical = match canonicalize(data) {
        Ok(canonical) => canonical,
        Err(error) => {
            assert!(!is_canonical(data));
            assert_eq!(value.is_ok(), matches!(error, CanonicalError::Number(_)), "{error}");
            return;
        }
    };
    let value = value.expect("only JSON has a canonical form");
    assert_eq!(matches!(canonical, Cow::Borrowed(_)), is_canonical(data));
    assert!(canonical.len() <= data.len(), "{} of {} bytes", canonical.len(), data.len());

    // The shortest way to write a control character is `\n`, and a file spells it out in six bytes.
    let text = file_text(&canonical);
    assert!(text.len() <= 3 * data.len(), "{} of {} bytes", text.len(), data.len());
    assert_eq!(serde_json::from_slice::<Value>(&text).expect("a file is JSON"), value);
    assert_eq!(canonicalize(&text).expect("a file has a canonical form"), canonical);
    assert_eq!(is_canonical(&text), *text == *canonical);

    if let Value::Object(map) = value {
        let mut out = Vec::new();
        Object::new(map).expect("canonical JSON has integers only").write(&mut out);
        assert_eq!(out, *canonical);
    }
}
