//! Which names a store accepts.

use crate::Error;

/// How the last segment of a file begins while [`Store::replace`](crate::Store::replace) writes it.
/// No name may use it, so that what a crash leaves behind is never taken for an object.
pub(crate) const TEMPORARY_PREFIX: &str = ".tmp-";

/// Accepts a relative, `/`-separated name that means the same in a folder, a bucket and a URL path.
///
/// Every segment is non-empty, is not `.` or `..`, does not begin with `.tmp-`, and holds neither a
/// backslash nor NUL (on Windows, no colon either: `c:x` leaves the folder).
///
/// # Errors
/// [`Error::BadName`].
pub fn check_name(name: &str) -> Result<(), Error> {
    if name.split('/').all(is_good_segment) {
        Ok(())
    } else {
        Err(Error::BadName { name: name.to_owned() })
    }
}

/// Accepts what [`Store::list`](crate::Store::list) takes: a good name and one slash, or nothing at
/// all.
///
/// # Errors
/// [`Error::BadName`].
pub fn check_prefix(prefix: &str) -> Result<(), Error> {
    let good = prefix.is_empty()
        || prefix.strip_suffix('/').is_some_and(|folder| check_name(folder).is_ok());
    if good { Ok(()) } else { Err(Error::BadName { name: prefix.to_owned() }) }
}

pub(crate) fn is_good_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && !segment.starts_with(TEMPORARY_PREFIX)
        && !segment.bytes().any(|byte| matches!(byte, b'\\' | 0) || cfg!(windows) && byte == b':')
}

/// The folder of a name, without its closing slash: empty at the top.
pub(crate) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Every folder above `name`, outermost first: `a`, then `a/b`, for `a/b/c`.
pub(crate) fn folders_above(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('/').map(|(end, _)| &name[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_and_prefixes() {
        for (text, is_name, is_prefix) in [
            ("metadata/1.root.json", true, false),
            ("timestamp.json", true, false),
            ("deltas/roles/a%2Fb/1-2", true, false),
            (".hidden/a..b/...", true, false),
            ("metadata/", false, true),
            ("deltas/roles/", false, true),
            ("", false, true),
            ("/", false, false),
            ("/etc/passwd", false, false),
            ("metadata//", false, false),
            ("a//b", false, false),
            (".", false, false),
            ("./", false, false),
            ("..", false, false),
            ("../", false, false),
            ("a/../../b", false, false),
            ("a/./b", false, false),
            ("a\\..\\b", false, false),
            ("a\0b", false, false),
            ("metadata/.tmp-1", false, false),
            (".tmp-1/a", false, false),
        ] {
            assert_eq!(check_name(text).is_ok(), is_name, "name {text:?}");
            assert_eq!(check_prefix(text).is_ok(), is_prefix, "prefix {text:?}");
        }
    }

    #[test]
    fn splits_folders() {
        for (name, folder, above) in
            [("a", "", vec![]), ("a/b", "a", vec!["a"]), ("a/b/c", "a/b", vec!["a", "a/b"])]
        {
            assert_eq!(folder_of(name), folder);
            assert_eq!(folders_above(name).collect::<Vec<_>>(), above);
        }
    }
}
