//! Which project a target belongs to, for the layouts with one delegation a project.

use std::borrow::Cow;

use tufold_meta::Digest;

/// A project: whatever has one delegation of its own. Every target has one project, and no project's
/// patterns cover another's target; else the delegation that comes first would hide the second.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Project<'p> {
    name: Cow<'p, str>,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Shape {
    /// `simple/<project>/…` and `packages/<2>/<2>/<60>/<project>-…`, as PyPI has them.
    PyPi,
    /// The targets of one folder.
    Folder,
    /// One target of a folder that holds those of several PyPI projects.
    File,
    /// Targets in no folder.
    Top,
}

/// A longer role name is replaced by a digest: a file's name has 255 bytes, version included.
const MAX_ROLE_LEN_BYTES: usize = 200;

impl<'p> Project<'p> {
    /// The project of the target at `path`. PyPI's pages and files are told by their shape; any
    /// other target belongs to the folder that it is in, as one pattern cannot cross a folder.
    pub(crate) fn of(path: &'p str) -> Self {
        let Some((folder, file)) = path.rsplit_once('/') else {
            return Self { name: "".into(), shape: Shape::Top };
        };
        // PEP 503 and PEP 625: a page has the project's normal name, with `-`, and a file's name
        // starts with the same with `_`, which a dash ends. What is not normal is no project of
        // PyPI's shape, so that two names never share a stem.
        let is_normal = |name: &str, joint: char| {
            !name.is_empty()
                && !name.contains(&format!("{joint}{joint}"))
                && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == joint)
        };
        match folder.split('/').collect::<Vec<_>>()[..] {
            ["simple", name] if is_normal(name, '-') => {
                Self { name: name.into(), shape: Shape::PyPi }
            }
            ["packages", _, _, _] => match file.split_once('-') {
                Some((stem, _)) if is_normal(stem, '_') => {
                    Self { name: stem.replace('_', "-").into(), shape: Shape::PyPi }
                }
                _ => Self { name: path.into(), shape: Shape::File },
            },
            _ => Self { name: folder.into(), shape: Shape::Folder },
        }
    }

    /// The role's name: `project`, a character for the shape, and the name. The prefix keeps a
    /// project from taking a top-level role's name. Only characters that no URL quotes stand in it:
    /// a plain web server undoes the quoting of a file's name, and a reader of local files may not
    /// do it. A slash becomes `~`, any other byte `~~` and its hex (no path has an empty segment,
    /// so two names never meet).
    pub(crate) fn role_name(&self) -> String {
        let shape = match self.shape {
            Shape::Top => return "project".to_owned(),
            Shape::File => return self.digest_name(&self.name),
            Shape::PyPi => '-',
            Shape::Folder => '~',
        };
        let mut role = format!("project{shape}");
        for byte in self.name.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-' => {
                    role.push(char::from(byte));
                }
                b'/' => role.push('~'),
                _ => role.push_str(&format!("~~{byte:02x}")),
            }
        }
        if role.len() > MAX_ROLE_LEN_BYTES {
            // What is digested cannot be the path of a file.
            return self.digest_name(&format!("{}{shape}/", self.name));
        }
        role
    }

    fn digest_name(&self, text: &str) -> String {
        format!("project.{}", Digest::of(text.as_bytes()))
    }

    /// The patterns that cover every target of the project and no other project's.
    pub(crate) fn patterns(&self) -> Vec<String> {
        match self.shape {
            Shape::Top => vec!["*".to_owned()],
            Shape::File => vec![escape_path(&self.name)],
            Shape::Folder => vec![format!("{}/*", escape(&self.name))],
            Shape::PyPi => {
                let stem = self.name.replace('-', "_");
                vec![format!("simple/{}/*", self.name), format!("packages/*/*/*/{stem}-*")]
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
        let digest = |text: &str| format!("project.{}", Digest::of(text.as_bytes()));
        check("foo.txt", "project");
        check("pool/main/0/0ad/0ad_1.deb", "project~pool~main~0~0ad");
        check("pool/[a]*{~}/x?", "project~pool~~~5ba~~5d~~2a~~7b~~7e~~7d");
        check("simple/zope-interface/index.html", "project-zope-interface");
        check("simple/Zope.Interface/index.html", "project~simple~Zope.Interface");
        check(&format!("packages/{hash}/zope_interface-7.2.tar.gz"), "project-zope-interface");
        for file in ["zope.interface-5.tar.gz", "Zope-5.tar.gz", "zope.tar.gz", "-5.tar.gz"] {
            let path = format!("packages/{hash}/{file}");
            check(&path, &digest(&path));
        }
        let long = "é".repeat(40);
        check(&format!("{long}/x"), &digest(&format!("{long}~/")));
    }

    #[test]
    fn no_project_covers_a_target_of_another() {
        let long = "é/".repeat(40);
        let paths = [
            "foo.txt",
            "django/index.html",
            "django/*",
            "Django/index.html",
            "simple/index.html",
            "simple/django/index.html",
            "simple/Django/index.html",
            "simple/django-x/index.html",
            "simple/django_x/index.html",
            "simple/django--x/index.html",
            "packages/a/b/c/django-1.tar.gz",
            "packages/aa/bb/c*/django-1.tar.gz",
            "packages/a/b/c/django_x-1.tar.gz",
            "packages/a/b/c/django__x-1.tar.gz",
            "packages/a/b/c/Django-1.tar.gz",
            "packages/a/b/c/django.tar.gz",
            "packages/a/b/c/[d]jango-1.tar.gz",
            "packages/a/b/c/d/django-1.tar.gz",
            "packages/a/b/django-1.tar.gz",
            &format!("{long}x"),
            &format!("{long}y/x"),
        ];
        for path in paths {
            let project = Project::of(path);
            let (role, patterns) = (project.role_name(), Selector::Paths(project.patterns()));
            assert!(role.len() <= MAX_ROLE_LEN_BYTES, "{role}");
            for other in paths {
                let same = Project::of(other) == project;
                assert_eq!(patterns.covers(other), same, "{role} {other}");
                assert_eq!(Project::of(other).role_name() == role, same, "{role} {other}");
            }
        }
    }
}
