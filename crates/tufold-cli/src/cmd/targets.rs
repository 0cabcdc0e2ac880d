//! `tufold targets`: makes lists of targets and of changes.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::ensure;
use clap::Subcommand;
use tufold_repo::Memory;
use tufold_repo::targets::{
    Draft, Progress, Source, Synth, diff, import_debian, import_dir, read_projects, read_targets,
};

use crate::output::Exit;

/// Make lists of targets and of changes
///
/// A list is TSV or JSON Lines, plain, gzip, zstd or xz; which of these is told from the content.
/// `-` stands for standard input or output.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a list from what is there
    #[command(subcommand)]
    Import(Import),
    Synth(SynthArgs),
    Diff(DiffArgs),
}

#[derive(Debug, Subcommand)]
enum Import {
    Debian(DebianArgs),
    Dir(DirArgs),
}

/// Make a list from a Debian `Packages` index
///
/// Each stanza is a target: its Filename, Size and SHA256. A stanza that lacks one of them is an
/// error.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold targets import debian Packages.xz -o debian.tsv.zst
  curl -s https://deb.debian.org/debian/dists/sid/main/binary-amd64/Packages.xz |
      tufold targets import debian - -o sid.tsv.zst")]
struct DebianArgs {
    /// The index: plain, gzip, xz or zstd
    file: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Make a list from the files of a folder
///
/// Every file below the folder is hashed. A symbolic link, a device or a pipe is an error, and so
/// is a file that changes while it is being read.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold targets import dir public/packages -o packages.tsv
  tufold targets import dir . | head")]
struct DirArgs {
    /// The folder; paths are relative to it
    dir: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Make a list in the shape of PyPI's from the names of its projects
///
/// The same projects, count and seed give the same list on any machine.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold targets synth --projects datasets/pypi-projects.tsv.zst --count 1000000 -o 1m.tsv.zst
  tufold targets synth --projects datasets/pypi-projects.tsv.zst --count 1000000 --seed 7 \\
      -o 1m.tsv.zst --releases 1000 --changes next.tsv.zst")]
struct SynthArgs {
    /// The projects: TSV of name, version, month and rank
    #[arg(long, value_name = "FILE")]
    projects: PathBuf,
    /// How many targets, at most a thousand million
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=1_000_000_000))]
    count: u64,
    /// What the random draws start from
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    output: Output,
    /// How many releases come after the list
    #[arg(long, value_name = "K", requires = "changes")]
    releases: Option<u64>,
    /// Where the changes of those releases go
    #[arg(long, value_name = "FILE", requires = "releases")]
    changes: Option<PathBuf>,
    /// How much memory may be taken: a longer list is sorted in a temporary file beside the output
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    memory: Memory,
}

/// Make the list of changes between two lists
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold targets diff datasets/debian-forky-amd64.tsv.zst datasets/debian-sid-amd64.tsv.zst \\
      -o changes.tsv
  tufold targets diff old.tsv new.jsonl.gz | wc -l")]
struct DiffArgs {
    /// The list before
    old: PathBuf,
    /// The list after
    new: PathBuf,
    #[command(flatten)]
    output: Output,
}

#[derive(clap::Args, Debug)]
struct Output {
    /// Where the list goes; `.zst`, `.gz` or `.xz` at the end of the name compresses it [default:
    /// standard output]
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Runs the sub-command. Everything is read and checked before anything is written.
pub(crate) fn run(args: Args, out: &mut dyn Write, progress: Progress<'_>) -> anyhow::Result<Exit> {
    match args.command {
        Command::Import(Import::Debian(args)) => {
            let list = import_debian(Source::open(&args.file)?, progress)?;
            args.output.write(out, |out| list.write(out))?;
        }
        Command::Import(Import::Dir(args)) => {
            let list = import_dir(&args.dir, progress)?;
            args.output.write(out, |out| list.write(out))?;
        }
        Command::Synth(args) => synth(&args, out, progress)?,
        Command::Diff(args) => {
            let (old, new) = (args.old.as_path(), args.new.as_path());
            ensure!(!is_dash(old) || !is_dash(new), "only one list can be standard input");
            let old = read_targets(Source::open(old)?, progress)?;
            let new = read_targets(Source::open(new)?, progress)?;
            let changes = diff(&old, &new);
            args.output.write(out, |out| changes.write(out))?;
        }
    }
    Ok(Exit::Yes)
}

fn synth(args: &SynthArgs, out: &mut dyn Write, progress: Progress<'_>) -> anyhow::Result<()> {
    let output = args.output.file();
    if let Some(changes) = &args.changes {
        ensure!(!is_dash(changes), "the changes need a file of their own, not standard output");
        ensure!(Some(changes.as_path()) != output, "--output and --changes are the same file");
    }
    let projects = read_projects(Source::open(&args.projects)?, progress)?;
    ensure!(!projects.rows().is_empty(), "{}: no project is listed", args.projects.display());
    let synth = Synth::new(&projects, args.count, args.seed);
    // Neither file appears unless both could be written.
    let changes = match (&args.changes, args.releases) {
        (Some(file), Some(releases)) => {
            let changes = synth.releases(releases);
            Some(Draft::write(file, |out| changes.write(out))?)
        }
        _ => None,
    };
    let folder = output.and_then(Path::parent).filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    args.output.write(out, |out| synth.write(out, args.memory, folder))?;
    changes.map_or(Ok(()), Draft::commit)?;
    Ok(())
}

impl Output {
    /// The file, or `None` for standard output.
    fn file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| !is_dash(path))
    }

    fn write(
        &self,
        out: &mut dyn Write,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        if let Some(path) = self.file() {
            return Ok(Draft::write(path, write)?.commit()?);
        }
        let mut out = BufWriter::with_capacity(1 << 16, out);
        write(&mut out)?;
        Ok(out.flush()?)
    }
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}
