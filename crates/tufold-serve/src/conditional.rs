//! Conditional requests and ranges (RFC 9110, 13 and 14).

use std::ops::Range;

use hyper::HeaderMap;
use hyper::header::{HeaderName, IF_NONE_MATCH, IF_RANGE, RANGE};

/// Which part of a file is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    /// All of it. That is also the answer to several ranges, and to what is no range.
    Whole,
    /// These bytes.
    Of(Range<u64>),
    /// Bytes that it does not have.
    Unsatisfiable,
}

/// Whether the client has this version already. `etag` is strong, with its quotes.
pub(crate) fn is_held(headers: &HeaderMap, etag: &str) -> bool {
    let text = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    text.flat_map(|list| list.split(',')).map(str::trim).any(|tag| {
        // Our own tags hold no comma, so a foreign one that does is cut into parts that are none of ours.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag
    })
}

/// Whether one range is asked for at all, of a version that is not another one.
pub(crate) fn asks_for_part(headers: &HeaderMap) -> bool {
    headers.contains_key(RANGE)
}

/// The part of a file of `len` bytes whose strong tag is `etag`.
pub(crate) fn part(headers: &HeaderMap, etag: &str, len: u64) -> Part {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if headers.contains_key(IF_RANGE) && text(IF_RANGE) != Some(etag) {
        return Part::Whole;
    }
    let range = text(RANGE).and_then(|range| range.trim().strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Part::Whole;
    };
    let number = |text: &str| -> Option<Option<u64>> {
        match text.trim() {
            "" => Some(None),
            digits if !digits.bytes().all(|byte| byte.is_ascii_digit()) => None,
            digits => Some(Some(digits.parse().unwrap_or(u64::MAX))),
        }
    };
    match (number(first), number(last)) {
        (Some(None), Some(Some(suffix))) if suffix == 0 || len == 0 => Part::Unsatisfiable,
        (Some(None), Some(Some(suffix))) => Part::Of(len.saturating_sub(suffix)..len),
        (Some(Some(first)), Some(last)) => match last {
            Some(last) if last < first => Part::Whole,
            _ if first >= len => Part::Unsatisfiable,
            Some(last) => Part::Of(first..len.min(last.saturating_add(1))),
            None => Part::Of(first..len),
        },
        _ => Part::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_range() {
        for (range, part) in [
            ("bytes=0-0", Part::Of(0..1)),
            ("bytes=2-4", Part::Of(2..5)),
            ("bytes=2-", Part::Of(2..10)),
            ("bytes=9-", Part::Of(9..10)),
            ("bytes=2-99999999999999999999999", Part::Of(2..10)),
            ("bytes=-3", Part::Of(7..10)),
            ("bytes=-30", Part::Of(0..10)),
            ("bytes=10-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=x-y", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("lines=1-2", Part::Whole),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, range.parse().unwrap());
            assert_eq!(super::part(&headers, "\"a\"", 10), part, "{range}");
            headers.insert(IF_RANGE, "\"a\"".parse().unwrap());
            assert_eq!(super::part(&headers, "\"a\"", 10), part, "{range}");
            for other in ["\"b\"", "W/\"a\"", "Sun, 22 Nov 2026 00:00:00 GMT"] {
                headers.insert(IF_RANGE, other.parse().unwrap());
                assert_eq!(super::part(&headers, "\"a\"", 10), Part::Whole, "{range} {other}");
            }
        }
    }

    #[test]
    fn knows_its_own_tags() {
        for (list, held) in [
            ("\"a\"", true),
            ("W/\"a\"", true),
            ("\"b\", \"a\"", true),
            ("*", true),
            ("\"b\"", false),
            ("a", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, list.parse().unwrap());
            assert_eq!(is_held(&headers, "\"a\""), held, "{list}");
        }
    }
}
