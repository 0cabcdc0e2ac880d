//! `tufold check`: whether a repository is whole.

use tufold_repo::Repository;
use tufold_repo::check::{Severity, Strictness, check};

use crate::bars;
use crate::cmd::Now;
use crate::cmd::place::PlaceArgs;
use crate::output::{Exit, Out, bytes, count};

/// Check a repository: every role, every file, and then as a client
///
/// Every fault is reported: signatures, versions, lengths, hashes, expiries, targets in a bin that
/// is not theirs, missing files. Exit status 1 if there is one.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold check demo
  tufold check demo --strict --json
  tufold check demo --now 2027-01-01T00:00:00Z
  tufold check s3://index/public --private keys")]
pub(crate) struct Args {
    #[command(flatten)]
    place: PlaceArgs,
    /// Take older files and those of an interrupted publish for faults
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    now: Now,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let repository = Repository::open_at(args.place.open()?)?;
    let strictness = if args.strict { Strictness::Strict } else { Strictness::Usual };
    let report = check(&repository, args.now.get()?, strictness, &bars::bars())?;
    out.result(&report, |out| {
        for finding in &report.findings {
            let severity = match finding.severity {
                Severity::Fault => "fault",
                Severity::Note => "note",
            };
            writeln!(out, "{severity}: {} {}", finding.file, finding.message)?;
        }
        let (roles, targets) = (count(report.roles), count(report.targets));
        let (size, replayed) = (bytes(report.bytes), count(report.replayed));
        let faults = report.findings.iter().filter(|f| f.severity == Severity::Fault).count();
        writeln!(
            out,
            "{roles} roles, {targets} targets, {size}; a client found {replayed} of them"
        )?;
        match faults {
            0 => writeln!(out, "{} is sound", args.place),
            1 => writeln!(out, "{} has 1 fault", args.place),
            n => writeln!(out, "{} has {n} faults", args.place),
        }
    })?;
    Ok(if report.is_sound() { Exit::Yes } else { Exit::No })
}
