//! The sub-commands: each parses, calls the library and prints.

pub(crate) mod check;
pub(crate) mod delta;
pub(crate) mod init;
pub(crate) mod prune;
pub(crate) mod publish;
pub(crate) mod show;
pub(crate) mod sync;
pub(crate) mod targets;

use tufold_meta::Time;

/// The time that a command works with.
#[derive(clap::Args, Debug)]
pub(crate) struct Now {
    /// The time to work with, instead of the clock's
    #[arg(long, value_name = "TIME")]
    now: Option<Time>,
}

impl Now {
    pub(crate) fn get(&self) -> anyhow::Result<Time> {
        if let Some(now) = self.now {
            return Ok(now);
        }
        Time::from_unix_seconds(jiff::Timestamp::now().as_second())
            .ok_or_else(|| anyhow::anyhow!("the clock is not within the years 0 to 9999"))
    }
}

/// A pair of a kind of role and a value, as in `root=2`.
pub(crate) fn of_kind<T: std::str::FromStr>(
    text: &str,
) -> Result<(tufold_repo::settings::RoleKind, T), String>
where
    T::Err: std::fmt::Display,
{
    let (kind, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not of the form ROLE=VALUE"))?;
    Ok((kind.parse()?, value.parse().map_err(|error: T::Err| error.to_string())?))
}
