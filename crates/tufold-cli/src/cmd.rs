//! The sub-commands: each parses, calls the library and prints.

pub(crate) mod auto;
pub(crate) mod check;
pub(crate) mod delta;
pub(crate) mod fit;
pub(crate) mod grow;
pub(crate) mod init;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod prune;
pub(crate) mod publish;
pub(crate) mod rebin;
pub(crate) mod reproduce;
pub(crate) mod rotate;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod sync;
pub(crate) mod targets;

use std::collections::BTreeMap;

use tufold_meta::Time;
use tufold_repo::settings::{Lifetime, SignerSettings};

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

/// The name of a key's file and a command, as in `root-hsm=hsm-sign --slot 1`.
pub(crate) fn named_command(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, command)) if !name.is_empty() && !command.trim().is_empty() => {
            Ok((name.to_owned(), command.trim().to_owned()))
        }
        _ => Err(format!("`{text}` is not of the form NAME=CMD")),
    }
}

/// The programs that sign, each with the same time-out.
pub(crate) fn signers(
    commands: Vec<(String, String)>,
    timeout: Lifetime,
) -> BTreeMap<String, SignerSettings> {
    let signer = |(name, command)| (name, SignerSettings { command, timeout });
    commands.into_iter().map(signer).collect()
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
