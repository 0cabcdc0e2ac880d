//! What the publisher decided once: layout and lifetimes, kept in `private/settings.toml`.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tufold_delta::Ladder;
use tufold_meta::{KeyId, Time};

use crate::layout::{Delegation, Layout, LayoutError};

/// The kinds of role that have keys, a threshold and a lifetime of their own. All delegated roles
/// (bins, the `bins` role of the prefixes form, projects) share those of [`RoleKind::Bins`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleKind {
    /// The root role.
    Root,
    /// The top-level targets role.
    Targets,
    /// Every delegated role.
    Bins,
    /// The snapshot role.
    Snapshot,
    /// The timestamp role.
    Timestamp,
}

impl RoleKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Root, Self::Targets, Self::Bins, Self::Snapshot, Self::Timestamp];

    /// The kind's name, as flags and settings have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Targets => "targets",
            Self::Bins => "bins",
            Self::Snapshot => "snapshot",
            Self::Timestamp => "timestamp",
        }
    }

    /// The kind of the targets role called `role`.
    pub fn of_targets_role(role: &str) -> Self {
        if role == "targets" { Self::Targets } else { Self::Bins }
    }
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for RoleKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| format!("`{text}` is not root, targets, bins, snapshot or timestamp"))
    }
}

/// How long a document is valid, in whole seconds: `90s`, `36h`, `7d`, `1w`, or several of them.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Lifetime(u64);

impl Lifetime {
    /// So many days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self(days * 86_400)
    }

    /// The lifetime in seconds.
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl FromStr for Lifetime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let seconds = text.parse::<jiff::Span>().ok().and_then(|span| {
            let relative = jiff::SpanRelativeTo::days_are_24_hours();
            let duration = span.to_duration(relative).ok()?;
            u64::try_from(duration.as_secs()).ok()
        });
        match seconds {
            // A century is far enough, and every sum of it fits.
            Some(seconds @ 1..=3_155_760_000) => Ok(Self(seconds)),
            _ => Err(format!("`{text}` is not a time from 1s to 100 years, such as 36h or 7d")),
        }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            s if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            s => write!(f, "{s}s"),
        }
    }
}

impl TryFrom<String> for Lifetime {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Serialize for Lifetime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Lifetime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How long the documents of each kind of role are valid.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Lifetimes {
    /// Of the root role.
    pub root: Lifetime,
    /// Of the top-level targets role.
    pub targets: Lifetime,
    /// Of every delegated role.
    pub bins: Lifetime,
    /// Of the snapshot role.
    pub snapshot: Lifetime,
    /// Of the timestamp role.
    pub timestamp: Lifetime,
}

impl Default for Lifetimes {
    /// A year for what offline keys sign, 90 days for bins, a week and a day for the two roles that
    /// every publish signs.
    fn default() -> Self {
        Self {
            root: Lifetime::days(365),
            targets: Lifetime::days(365),
            bins: Lifetime::days(90),
            snapshot: Lifetime::days(7),
            timestamp: Lifetime::days(1),
        }
    }
}

impl Lifetimes {
    /// The lifetime of one kind of role.
    pub fn of(&self, kind: RoleKind) -> Lifetime {
        match kind {
            RoleKind::Root => self.root,
            RoleKind::Targets => self.targets,
            RoleKind::Bins => self.bins,
            RoleKind::Snapshot => self.snapshot,
            RoleKind::Timestamp => self.timestamp,
        }
    }

    /// Sets the lifetime of one kind of role.
    pub fn set(&mut self, kind: RoleKind, lifetime: Lifetime) {
        match kind {
            RoleKind::Root => self.root = lifetime,
            RoleKind::Targets => self.targets = lifetime,
            RoleKind::Bins => self.bins = lifetime,
            RoleKind::Snapshot => self.snapshot = lifetime,
            RoleKind::Timestamp => self.timestamp = lifetime,
        }
    }

    /// When a document of this kind that is signed at `now` expires.
    pub fn expiry(&self, kind: RoleKind, now: Time) -> Time {
        now.plus_seconds(self.of(kind).seconds())
    }

    /// When a document of this kind is so near its expiry that a publish signs it again: when half
    /// of its lifetime is left.
    pub fn due_at(&self, kind: RoleKind, expires: Time) -> Time {
        expires.minus_seconds(self.of(kind).seconds() / 2)
    }

    /// Whether a document of this kind is so near its expiry that nothing may be put before it:
    /// when an eighth of its lifetime is left.
    pub fn is_urgent(&self, kind: RoleKind, expires: Time, now: Time) -> bool {
        expires.minus_seconds(self.of(kind).seconds() / 8) < now
    }

    /// Whether a publish at `now` signs a document of this kind again.
    pub fn is_due(&self, kind: RoleKind, expires: Time, now: Time) -> bool {
        self.due_at(kind, expires) < now
    }
}

/// A program that signs for a key whose private half it has, or can reach.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SignerSettings {
    /// The program and its arguments, with spaces between them. No shell reads it. It gets the
    /// message on standard input, and `TUFOLD_ROLE`, `TUFOLD_KEY_ID` and `TUFOLD_SCHEME` in its
    /// environment; it prints the signature, raw or in hex.
    pub command: String,
    /// How long it may take.
    #[serde(default = "SignerSettings::default_timeout")]
    pub timeout: Lifetime,
}

impl SignerSettings {
    /// A program that may take half a minute.
    pub fn new(command: String) -> Self {
        Self { command, timeout: Self::default_timeout() }
    }

    fn default_timeout() -> Lifetime {
        Lifetime(30)
    }
}

/// The settings of a repository.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settings {
    /// How targets are spread over roles.
    pub layout: Layout,
    /// How long documents are valid.
    pub lifetimes: Lifetimes,
    /// Which deltas are kept; `None` for none.
    pub ladder: Option<Ladder>,
    /// The programs that sign, by key id.
    pub signers: BTreeMap<KeyId, SignerSettings>,
}

/// A ladder, or `off`, as flags and settings have it.
pub fn parse_ladder(text: &str) -> Result<Option<Ladder>, String> {
    match text {
        "off" => Ok(None),
        text => text.parse().map(Some).map_err(|error: tufold_delta::Error| error.to_string()),
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SettingsFile {
    layout: LayoutTable,
    expires: Lifetimes,
    deltas: DeltaTable,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    signers: BTreeMap<KeyId, SignerSettings>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct DeltaTable {
    ladder: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct LayoutTable {
    delegation: String,
    bins: Option<u64>,
    snapshot: String,
}

impl Settings {
    /// The text of `settings.toml`.
    pub fn to_toml(&self) -> String {
        let file = SettingsFile {
            layout: LayoutTable {
                delegation: self.layout.delegation.name().to_owned(),
                bins: self.layout.delegation.bit_length().map(|bits| bits.bin_count()),
                snapshot: self.layout.snapshot.to_string(),
            },
            expires: self.lifetimes,
            deltas: DeltaTable {
                ladder: self.ladder.map_or("off".to_owned(), |ladder| ladder.to_string()),
            },
            signers: self.signers.clone(),
        };
        toml::to_string(&file).expect("a table of strings and numbers is TOML")
    }

    /// Reads the text of `settings.toml`. The error says what is wrong with it.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let file: SettingsFile = toml::from_str(text).map_err(|error| error.to_string())?;
        let layout = |error: LayoutError| error.to_string();
        Ok(Self {
            layout: Layout {
                delegation: Delegation::from_parts(&file.layout.delegation, file.layout.bins)
                    .map_err(layout)?,
                snapshot: file.layout.snapshot.parse().map_err(layout)?,
            },
            lifetimes: file.expires,
            ladder: parse_ladder(&file.deltas.ladder)?,
            signers: file.signers,
        })
    }
}

#[cfg(test)]
mod tests {
    use tufold_meta::BitLength;

    use super::*;
    use crate::layout::SnapshotForm;

    #[test]
    fn settings_read_back() {
        let mut settings = Settings {
            layout: Layout {
                delegation: Delegation::BinsPrefixes(BitLength::new(14).unwrap()),
                snapshot: SnapshotForm::Hashes,
            },
            lifetimes: Lifetimes::default(),
            ladder: Some(Ladder::default()),
            signers: BTreeMap::new(),
        };
        settings.lifetimes.set(RoleKind::Bins, "1d 12h".parse().unwrap());
        assert_eq!(Settings::from_toml(&settings.to_toml()), Ok(settings.clone()));
        settings.layout.delegation = Delegation::Flat;
        settings.ladder = None;
        let signer = SignerSettings::new("kms sign --key 7".to_owned());
        settings.signers.insert(KeyId::from("ab".to_owned()), signer);
        assert_eq!(Settings::from_toml(&settings.to_toml()), Ok(settings.clone()));
        let shorter = settings.to_toml().replace("timeout = \"30s\"\n", "");
        assert_eq!(Settings::from_toml(&shorter), Ok(settings.clone()));
        let wrong = settings.to_toml().replace("flat", "round");
        assert!(Settings::from_toml(&wrong).unwrap_err().contains("`round`"));
    }

    #[test]
    fn lifetimes_are_whole_seconds() {
        for (text, seconds) in [("90s", 90), ("36h", 129_600), ("7d", 604_800), ("1w 1d", 691_200)]
        {
            assert_eq!(text.parse::<Lifetime>().unwrap().seconds(), seconds);
        }
        for text in ["", "0s", "-1d", "1 year", "1month", "5", "forever", "200000d"] {
            assert!(text.parse::<Lifetime>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_document_is_due_in_the_second_half_of_its_life() {
        let now: Time = "2026-11-22T00:00:00Z".parse().unwrap();
        let lifetimes = Lifetimes::default();
        let due =
            |hours: u64| lifetimes.is_due(RoleKind::Timestamp, now.plus_seconds(hours * 3600), now);
        assert!(due(0) && due(11) && !due(12) && !due(24));
    }
}
