//! Which file a request asks for.

/// The name, below the served folder, that a URL path stands for; `None` if no file can have it.
///
/// Paths that RFC 3986 (6.2.2) holds for the same stand for the same file: quoted letters, digits, `-`, `.`, `_` and `~`
/// are what they quote. Everything else stays quoted, as a role's quoted name does in its file's name. So `%2F` never
/// becomes a slash. Nothing that begins with a dot is served.
pub(crate) fn file_name(url_path: &str) -> Option<String> {
    let path = url_path.strip_prefix('/')?;
    let mut name = String::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?].map(|byte| byte.to_ascii_uppercase());
                let text = std::str::from_utf8(&digits).ok()?;
                let quoted =
                    u8::from_str_radix(text, 16).ok().filter(|_| !digits.contains(&b'+'))?;
                if quoted.is_ascii_alphanumeric() || b"-._~".contains(&quoted) {
                    name.push(char::from(quoted));
                } else {
                    name.push('%');
                    name.push_str(text);
                }
            }
            0x21..=0x7e => name.push(char::from(byte)),
            _ => return None,
        }
    }
    let hidden = name.split('/').any(|segment| segment.starts_with('.'));
    (!hidden && tufold_store::check_name(&name).is_ok()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_a_file_or_nothing() {
        for (path, name) in [
            ("/metadata/timestamp.json", Some("metadata/timestamp.json")),
            ("/metadata/1.a%2fb.json", Some("metadata/1.a%2Fb.json")),
            ("/metadata/1.project%7Ea.json", Some("metadata/1.project~a.json")),
            ("/%6d%65tadata/timestamp%2Ejson", Some("metadata/timestamp.json")),
            ("/a%00b", Some("a%00b")),
            ("/a%5Cb", Some("a%5Cb")),
            ("/a%25%32%65", Some("a%252e")),
            ("metadata", None),
            ("/", None),
            ("//metadata/timestamp.json", None),
            ("/metadata//timestamp.json", None),
            ("/metadata/", None),
            ("/../private/root.json", None),
            ("/metadata/../../private/root.json", None),
            ("/metadata/%2e%2e/%2E%2e/private/root.json", None),
            ("/metadata/./timestamp.json", None),
            ("/metadata/.tmp-1", None),
            ("/.git/config", None),
            ("/%2egit/config", None),
            ("/a\\b", None),
            ("/a\0b", None),
            ("/a b", None),
            ("/\u{e9}", None),
            ("/a%", None),
            ("/a%4", None),
            ("/a%+4", None),
            ("/a%zz", None),
            ("*", None),
        ] {
            assert_eq!(file_name(path).as_deref(), name, "{path:?}");
        }
    }
}
