//! Which project a target belongs to, for the layouts with one delegation a project.

use std::borrow::Cow;

/// A project: the name of its role's second part and the patterns that cover its targets.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Project<'p> {
    name: Cow<'p, str>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Shape {
    /// The targets of one folder.
    Folder,
    /// `simple/<project>/…` and `packages/<2>/<2>/<60>/<project>-…`, as PyPI has them.
    PyPi,
    /// Targets in no folder.
    Top,
}

impl<'p> Project<'p> {
    /// The project of the target at `path`. PyPI's pages and files are told by their shape; any
    /// other target belongs to the folder that it is in, as one pattern cannot cross a folder.
    pub(crate) fn of(path: &'p str) -> Self {
        let Some((folder, file)) = path.rsplit_once('/') else {
            return Self { name: "".into(), shape: Shape::Top };
        };
        if let Some(name) = folder.strip_prefix("simple/")
            && !name.contains('/')
        {
            return Self { name: name.into(), shape: Shape::PyPi };
        }
        match folder.split('/').collect::<Vec<_>>()[..] {
            ["packages", a, b, c] if a.len() == 2 && b.len() == 2 && c.len() == 60 => {
                // PEP 625 and PEP 491: a file's name starts with the project's in lower case, whose
                // runs of `-`, `_` and `.` are one `_`; a dash ends it. A file with another stem
                // is a project by itself.
                let stem = file.split_once('-').map_or("", |(stem, _)| stem);
                let normal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                if stem.is_empty() || !stem.chars().all(normal) || stem.contains("__") {
                    return Self { name: folder.into(), shape: Shape::Folder };
                }
                Self { name: stem.replace('_', "-").into(), shape: Shape::PyPi }
            }
            _ => Self { name: folder.into(), shape: Shape::Folder },
        }
    }

    /// The role's name. The prefix keeps a project from taking a top-level role's name. Only
    /// characters that no URL quotes stand in it: a plain web server undoes the quoting of a file's
    /// name, and a reader of local files may not do it. A slash becomes `~`, any other byte `~~`
    /// and its hex (no path has an empty segment, so two names never meet).
    pub(crate) fn role_name(&self) -> String {
        let mut role = "project".to_owned();
        if self.shape != Shape::Top {
            role.push('-');
        }
        for byte in self.name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                    role.push(char::from(byte));
                }
                b'/' => role.push('~'),
                _ => role.push_str(&format!("~~{byte:02x}")),
            }
        }
        role
    }

    /// The patterns that cover every target of the project and no other project's.
    pub(crate) fn patterns(&self) -> Vec<String> {
        match self.shape {
            Shape::Top => vec!["*".to_owned()],
            Shape::Folder => vec![format!("{}/*", escape(&self.name))],
            Shape::PyPi => {
                let stem = self.name.replace('-', "_");
                vec![
                    format!("simple/{}/*", escape(&self.name)),
                    format!("packages/*/*/*/{}-*", escape(&stem)),
                ]
            }
        }
    }
}

/// `path` as a pattern that covers just it.
pub(crate) fn escape_path(path: &str) -> String {
    escape(path).into_owned()
}

/// `text` as a pattern that matches just itself.
fn escape(text: &str) -> Cow<'_, str> {
    // Braces mean nothing to fnmatch, but tough's patterns know them.
    const SPECIAL: [char; 5] = ['*', '?', '[', '{', '}'];
    if !text.contains(SPECIAL) {
        return text.into();
    }
    text.chars()
        .map(|c| if SPECIAL.contains(&c) { format!("[{c}]") } else { c.to_string() })
        .collect::<String>()
        .into()
}

#[cfg(test)]
mod tests {
    use tufold_meta::Selector;

    use super::*;

    fn check(path: &str, role: &str) {
        let project = Project::of(path);
        assert_eq!(project.role_name(), role);
        assert!(Selector::Paths(project.patterns()).covers(path), "{path} {project:?}");
    }

    #[test]
    fn patterns_cover_the_project_of_a_path() {
        let hash = "ab/cd/".to_owned() + &"e".repeat(60);
        check("foo.txt", "project");
        check("pool/main/0/0ad/0ad_1.deb", "project-pool~main~0~0ad");
        check("pool/[a]*{~}/x?", "project-pool~~~5ba~~5d~~2a~~7b~~7e~~7d");
        check("simple/zope-interface/index.html", "project-zope-interface");
        check(&format!("packages/{hash}/zope_interface-7.2.tar.gz"), "project-zope-interface");
        check(
            &format!("packages/{hash}/zope.interface-5.tar.gz"),
            &format!("project-packages~{}", hash.replace('/', "~")),
        );
        check(
            &format!("packages/{hash}/Zope-5.tar.gz"),
            &format!("project-packages~{}", hash.replace('/', "~")),
        );
    }

    #[test]
    fn patterns_do_not_cover_another_project() {
        let hash = "ab/cd/".to_owned() + &"e".repeat(60);
        let django = Selector::Paths(Project::of("simple/django/index.html").patterns());
        assert!(!django.covers("simple/django-x/index.html"));
        assert!(!django.covers(&format!("packages/{hash}/django_x-1.tar.gz")));
    }
}
