//! Path patterns: whether a delegation's `paths` cover a target (TUF 4.5, PATHPATTERN).

/// Whether the shell-style `pattern` matches `path`. Both are taken apart at `/` and must have as
/// many segments; within one segment `*`, `?` and `[seq]` count as in Python's `fnmatch`, which the
/// reference implementation uses.
pub(crate) fn path_matches(pattern: &str, path: &str) -> bool {
    let mut patterns = pattern.split('/');
    let mut segments = path.split('/');
    loop {
        match (patterns.next(), segments.next()) {
            (None, None) => return true,
            (Some(pattern), Some(segment)) if segment_matches(pattern, segment) => {}
            _ => return false,
        }
    }
}

/// Greedy matching with one point to return to, so the time is at most the product of both
/// lengths.
fn segment_matches(pattern: &str, segment: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let segment: Vec<char> = segment.chars().collect();
    // Behind the last `]` no bracket opens a class, and none is to be looked for.
    let classes_end = pattern.iter().rposition(|&c| c == ']').unwrap_or(0);
    let (mut p, mut s) = (0, 0);
    let mut star = None;
    while s < segment.len() {
        match match_one(&pattern[p..], p < classes_end, segment[s]) {
            One::Star => {
                star = Some((p + 1, s));
                p += 1;
            }
            One::Match(width) => {
                p += width;
                s += 1;
            }
            One::Differ => match star {
                None => return false,
                Some((after_star, taken)) => {
                    star = Some((after_star, taken + 1));
                    (p, s) = (after_star, taken + 1);
                }
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

enum One {
    Star,
    Match(usize),
    Differ,
}

/// Matches `c` against the start of `pattern`. `closes` tells whether a `]` follows.
fn match_one(pattern: &[char], closes: bool, c: char) -> One {
    match pattern.first() {
        None => One::Differ,
        Some('*') => One::Star,
        Some('?') => One::Match(1),
        Some('[') => match closes.then(|| class(pattern)).flatten() {
            Some((width, items, negated)) => {
                if in_class(items, c) == negated {
                    One::Differ
                } else {
                    One::Match(width)
                }
            }
            // An opening bracket that nothing closes stands for itself.
            None if c == '[' => One::Match(1),
            None => One::Differ,
        },
        Some(&literal) if literal == c => One::Match(1),
        Some(_) => One::Differ,
    }
}

/// The width of the class that `pattern` starts with, its items, and whether `!` negates them.
fn class(pattern: &[char]) -> Option<(usize, &[char], bool)> {
    let negated = pattern.get(1) == Some(&'!');
    let start = 1 + usize::from(negated);
    // A closing bracket in the first place is an item.
    let close = pattern.iter().skip(start + 1).position(|&c| c == ']')? + start + 1;
    Some((close + 1, &pattern[start..close], negated))
}

fn in_class(mut items: &[char], c: char) -> bool {
    while let Some(&first) = items.first() {
        if let [low, '-', high, ..] = *items {
            if (low..=high).contains(&c) {
                return true;
            }
            items = &items[3..];
        } else {
            if first == c {
                return true;
            }
            items = &items[1..];
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::path_matches;

    #[test]
    fn matches_as_fnmatch_within_a_segment() {
        let rows = [
            ("foo.txt", "foo.txt", true),
            ("foo.txt", "foo_txt", false),
            ("targets/*.tgz", "targets/foo.tgz", true),
            ("targets/*.tgz", "targets/sub/foo.tgz", false),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("*", "", true),
            ("foo-version-?.tgz", "foo-version-2.tgz", true),
            ("foo-version-?.tgz", "foo-version-alpha.tgz", false),
            ("*a*a*a", "aaab", false),
            ("*a*a*a", "xaxaxa", true),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a", "[a", true),
            ("[-a]", "-", true),
            ("?", "é", true),
            ("/a", "a", false),
        ];
        for (pattern, path, expected) in rows {
            assert_eq!(path_matches(pattern, path), expected, "{pattern} {path}");
        }
        assert!(!path_matches(&"*a".repeat(500), &"a".repeat(499)));
    }

    #[test]
    fn brackets_that_nothing_closes_take_no_time() {
        // Looking for the end of each would take 10^11 steps.
        let brackets = "[".repeat(8000);
        assert!(!path_matches(&format!("*{brackets}x"), &brackets));
        assert!(path_matches(&format!("*[]]{brackets}"), &format!("]{brackets}")));
    }
}
