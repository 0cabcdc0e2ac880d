//! What targets are called: templates, and names made up for projects.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tufold_repo::targets::Random;

/// A path with gaps.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Name,
    Stem,
    Initial,
    Version,
    Hex(usize),
}

/// What fills a template's gaps.
pub(crate) struct Filling<'f> {
    /// The project's name.
    pub(crate) name: &'f str,
    /// The number of the release, from 1.
    pub(crate) release: u64,
    /// Gives random digits.
    pub(crate) random: &'f mut Random,
}

impl Template {
    pub(crate) fn fill(&self, filling: &mut Filling<'_>) -> String {
        let mut path = String::with_capacity(128);
        for part in &self.0 {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Name => path.push_str(filling.name),
                Part::Stem => path.push_str(&filling.name.replace('-', "_")),
                Part::Initial => path.push_str(&filling.name[..1]),
                Part::Version => path.push_str(&version(filling.release)),
                Part::Hex(digits) => (0..*digits).for_each(|_| {
                    let digit = u32::try_from(filling.random.below(16)).unwrap_or(0);
                    path.push(char::from_digit(digit, 16).unwrap_or('0'));
                }),
            }
        }
        path
    }
}

/// The version of a release: 1 is 0.0.1, 10 is 0.1.0, 100 is 1.0.0.
fn version(release: u64) -> String {
    format!("{}.{}.{}", release / 100, release / 10 % 10, release % 10)
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (gap, after) =
                after.split_once('}').ok_or_else(|| format!("`{text}` does not close a brace"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(match gap {
                "name" => Part::Name,
                "stem" => Part::Stem,
                "initial" => Part::Initial,
                "version" => Part::Version,
                _ => match gap.strip_prefix("hex").and_then(|digits| digits.parse().ok()) {
                    Some(digits @ 1..=64) => Part::Hex(digits),
                    _ => return Err(format!("`{text}` has the unknown gap `{{{gap}}}`")),
                },
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        let template = Self(parts);
        let mut random = Random::of(&[0]);
        let sample = template.fill(&mut Filling { name: "a", release: 1, random: &mut random });
        tufold_meta::TargetPath::new(&sample).map_err(|error| format!("`{text}`: {error}"))?;
        Ok(template)
    }
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Template> for String {
    fn from(template: Template) -> Self {
        template.to_string()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Name => f.write_str("{name}"),
            Part::Stem => f.write_str("{stem}"),
            Part::Initial => f.write_str("{initial}"),
            Part::Version => f.write_str("{version}"),
            Part::Hex(digits) => write!(f, "{{hex{digits}}}"),
        })
    }
}

const WORDS: [&str; 16] = [
    "data", "async", "cloud", "django", "json", "test", "web", "core", "auto", "image", "text",
    "http", "graph", "model", "plugin", "util",
];

/// The name of a project: lower-case words and a syllable for each two digits of its index, so that no two are the same.
pub(crate) fn name(index: u64, seed: u64) -> String {
    let mut random = Random::of(&[seed, 1, index]);
    let mut name = String::with_capacity(24);
    let draw = random.below(100);
    if draw < 70 {
        name.push_str(WORDS[crate::math::index(random.below(16))]);
        // Without a mark, a word could be the syllables of another index.
        name.push(if draw < 50 { '-' } else { '4' });
    }
    let mut left = index;
    loop {
        let syllable = crate::math::index(left % 100);
        name.push(char::from(b"bcdfghjklmnprstvwxyz"[syllable / 5]));
        name.push(char::from(b"aeiou"[syllable % 5]));
        left /= 100;
        if left == 0 {
            break;
        }
        left -= 1;
    }
    // What stands behind a digit was not made of the index.
    if draw.is_multiple_of(4) {
        name.push_str("3-");
        name.push_str(WORDS[crate::math::index(random.below(16))]);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_read_back_and_fill() {
        for text in ["simple/{name}/index.html", "p/{hex2}/{hex60}/{stem}-{version}.tar.gz", "a"] {
            assert_eq!(text.parse::<Template>().unwrap().to_string(), text);
        }
        for text in ["", "{nam}", "a/{name", "/x", "{hex0}"] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
        let template: Template = "{initial}/{stem}-{version}.{hex4}".parse().unwrap();
        let mut random = Random::of(&[7]);
        let path = template.fill(&mut Filling { name: "a-b", release: 123, random: &mut random });
        assert_eq!(&path[..11], "a/a_b-1.2.3");
        assert_eq!(path.len(), 16);
    }

    #[test]
    fn names_are_unique_and_normal() {
        let names: std::collections::HashSet<String> = (0..60_000).map(|i| name(i, 3)).collect();
        assert_eq!(names.len(), 60_000);
        let normal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(names.iter().all(|name| name.chars().all(normal) && !name.contains("--")));
    }
}
