//! The scenarios that come with tufold.

const ALL: [(&str, &str); 9] = [
    ("pypi-2014", include_str!("../../../../datasets/scenarios/pypi-2014.toml")),
    ("pypi-pep458", include_str!("../../../../datasets/scenarios/pypi-pep458.toml")),
    ("pypi-today", include_str!("../../../../datasets/scenarios/pypi-today.toml")),
    ("crates-io", include_str!("../../../../datasets/scenarios/crates-io.toml")),
    ("npm", include_str!("../../../../datasets/scenarios/npm.toml")),
    ("packagist", include_str!("../../../../datasets/scenarios/packagist.toml")),
    ("drupal", include_str!("../../../../datasets/scenarios/drupal.toml")),
    ("debian-sid", include_str!("../../../../datasets/scenarios/debian-sid.toml")),
    ("billion", include_str!("../../../../datasets/scenarios/billion.toml")),
];

/// Their names.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().map(|(name, _)| name)
}

pub(super) fn text(name: &str) -> Option<&'static str> {
    ALL.into_iter().find(|(known, _)| *known == name).map(|(_, text)| text)
}
