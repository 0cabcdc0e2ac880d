//! `tufold show`: what is in a repository.

use std::io::{self, Write};

use tufold_repo::Repository;
use tufold_repo::show::{self, RoleRow, TargetRow};

use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out, bytes, count};

/// Show what a repository holds, and which bin holds what
///
/// With --target, exit status 1 if the target is not listed.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold show demo
  tufold show demo bins-2a7
  tufold show demo --target pool/main/0/0ad/0ad_0.28.0-3+b3_amd64.deb
  tufold show s3://index/public --private keys")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// A role, which is shown with its targets
    #[arg(conflicts_with = "target")]
    role: Option<String>,
    /// A target path
    #[arg(long, value_name = "PATH")]
    target: Option<String>,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let repository = Repository::open_at(args.place.open()?)?;
    if let Some(path) = &args.target {
        let row = show::target(&repository, path)?;
        let found = row.length_bytes.is_some();
        out.result(&row, |out| target(&row, out))?;
        return Ok(if found { Exit::Yes } else { Exit::No });
    }
    if let Some(name) = &args.role {
        let view = show::role(&repository, name)?;
        out.result(&view, |out| {
            table(std::slice::from_ref(&view.row), out)?;
            view.paths.iter().try_for_each(|path| writeln!(out, "  {path}"))
        })?;
        return Ok(Exit::Yes);
    }
    let overview = show::overview(&repository)?;
    out.result(&overview, |out| {
        writeln!(out, "{}: {}", args.place, overview.layout)?;
        table(&overview.roles, out)?;
        match overview.leaf_roles {
            0 => Ok(()),
            roles => writeln!(out, "and {} delegated roles that list targets", count(roles)),
        }
    })?;
    Ok(Exit::Yes)
}

fn target(row: &TargetRow, out: &mut dyn Write) -> io::Result<()> {
    let file = row.file.as_deref().unwrap_or("not published");
    match row.length_bytes {
        None => {
            return writeln!(
                out,
                "{} is not listed; {} ({file}) would list it",
                row.path, row.role
            );
        }
        Some(length) => {
            writeln!(out, "{}", row.path)?;
            writeln!(out, "role    {} ({file})", row.role)?;
            writeln!(out, "length  {length} bytes ({})", bytes(length))?;
        }
    }
    for (algorithm, hex) in &row.hashes {
        writeln!(out, "{algorithm}  {hex}")?;
    }
    if let Some(custom) = &row.custom {
        let mut text = Vec::new();
        custom.write(&mut text);
        writeln!(out, "custom  {}", String::from_utf8_lossy(&text))?;
    }
    Ok(())
}

fn table(rows: &[RoleRow], out: &mut dyn Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.role.len()).max().unwrap_or(0).max(4);
    writeln!(
        out,
        "{:width$}  {:>7}  {:20}  {:>10}  {:>6}  {:>9}",
        "role", "version", "expires", "size", "keys", "targets"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:width$}  {:>7}  {:20}  {:>10}  {:>6}  {:>9}",
            row.role,
            row.version,
            row.expires.to_string(),
            bytes(row.length_bytes),
            format!("{}/{}", row.threshold, row.keys),
            row.targets.map(count).unwrap_or_default(),
        )?;
    }
    Ok(())
}
