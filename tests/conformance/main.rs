//! The client under test of tuf-conformance: its command line over `tufold-sync`.

use std::error::Error;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Parser, Subcommand};
use tufold_meta::Time;
use tufold_sync::{Client, Limits, open_source};

/// The client under test of tuf-conformance (its `CLIENT-CLI.md`). Exit status 0 or 1
#[derive(Parser)]
struct Cli {
    /// What the client trusts
    #[arg(long)]
    metadata_dir: PathBuf,
    /// Where the metadata is
    #[arg(long, default_value = "")]
    metadata_url: String,
    /// A target path
    #[arg(long)]
    target_name: Vec<String>,
    /// Where the target files are
    #[arg(long, default_value = "")]
    target_base_url: String,
    /// Where downloaded files go
    #[arg(long, default_value = ".")]
    target_dir: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trust a root
    Init { trusted_root: PathBuf },
    /// Bring the top-level roles up to date
    Refresh,
    /// Download targets
    Download,
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    let limits = Limits::default();
    if let Command::Init { trusted_root } = &cli.command {
        let root = std::fs::read(trusted_root)?;
        // No request is made, so any source will do.
        let mut client = Client::open(&cli.metadata_dir, ".", limits)?;
        return Ok(client.trust(&root)?);
    }
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let now = Time::EPOCH.plus_seconds(seconds);
    let metadata = open_source(&cli.metadata_url, &limits)?;
    let mut client = Client::with_source(&cli.metadata_dir, metadata, "", limits)?;
    let mut visit = client.visit(now)?;
    if let Command::Download = &cli.command {
        let files = open_source(&cli.target_base_url, &limits)?;
        // One after the other: the order of the requests is looked at.
        for name in &cli.target_name {
            let targets = visit.find(&[name])?;
            if targets.iter().any(|target| target.listed.is_none()) {
                return Err(format!("{name} is not listed").into());
            }
            visit.download(&targets, &*files, &cli.target_dir, &|_| ())?;
        }
    }
    Ok(())
}
