//! `tufold sync`: a client's visit, or a mirror.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tufold_meta::names::METADATA_FOLDER;
use tufold_repo::settings::Lifetime;
use tufold_sync::{Client, Cost, DeltaUse, Downloaded, Limits, Mirror, Mirrored, Target, Versions};

use crate::bars;
use crate::cmd::Now;
use crate::output::{Exit, Out, bytes, count};
use crate::source;

/// Bring a client's metadata up to date, look targets up, or mirror a whole repository
///
/// SOURCE is the folder or URL (http, https, s3) that holds `metadata/`. The folder given with --into keeps what was
/// accepted, laid out as python-tuf's client does; the next sync fetches only what is new. A mirror
/// has `public/` there, which can be served or be the SOURCE of others. With --target, exit status 1
/// if one is not listed.
///
/// If the signed timestamp says that there are deltas, they are used wherever they are expected to be
/// shorter than the files. What they rebuild is verified like any file; whatever is wrong with one, the
/// file is fetched instead.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold sync demo/public --into cache --root demo/public/metadata/1.root.json
  tufold sync https://index.example --into cache --target pool/main/0/0ad/0ad_0.28.0-3+b3_amd64.deb
  tufold sync https://index.example --into cache --target a.deb --download . \\
      --targets-url https://files.example
  tufold sync https://index.example --into mirror --root 1.root.json --mirror
  tufold sync https://index.example --into cache --no-deltas --json")]
pub(crate) struct Args {
    /// The folder or URL that holds `metadata/`
    source: String,
    /// The folder that keeps what was accepted
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// The root to trust at first; later the one in DIR counts
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// A target path to look up
    #[arg(long, value_name = "PATH")]
    target: Vec<String>,
    /// Download the files of the targets into this folder
    #[arg(long, value_name = "DIR", requires_all = ["target", "targets_url"])]
    download: Option<PathBuf>,
    /// The folder or URL that holds the targets' files
    #[arg(long, value_name = "URL", requires = "download")]
    targets_url: Option<String>,
    /// Hold every metadata document, to be served again
    #[arg(long, conflicts_with_all = ["target", "download"])]
    mirror: bool,
    /// Compute deltas of targets roles for the mirror's own clients, which takes much CPU time
    #[arg(long, requires = "mirror", conflicts_with = "no_deltas")]
    role_deltas: bool,
    /// Ask for no deltas, even if the repository says that it has some
    #[arg(long)]
    no_deltas: bool,
    /// How long the whole visit may take
    #[arg(long, value_name = "TIME", default_value = "1h")]
    max_time: Lifetime,
    #[command(flatten)]
    now: Now,
}

impl Args {
    fn limits(&self) -> Limits {
        Limits { visit: Duration::from_secs(self.max_time.seconds()), ..Limits::default() }
    }
}

/// What a visit came to.
#[derive(Serialize)]
struct Visited {
    versions: Versions,
    targets: Vec<Target>,
    downloaded: Vec<Downloaded>,
    cost: Cost,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let root = args
        .root
        .as_ref()
        .map(|path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display())));
    let root = root.transpose()?;
    if args.mirror { mirror(&args, root, out) } else { visit(&args, root, out) }
}

fn visit(args: &Args, root: Option<Vec<u8>>, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let limits = args.limits();
    let source = source::open(&args.source, &limits)?;
    let mut client = Client::with_source(&args.into, source, METADATA_FOLDER, limits)?;
    if args.no_deltas {
        client = client.without_deltas();
    }
    if let Some(root) = root {
        client.trust(&root)?;
    }
    let mut visit = client.visit(args.now.get()?)?;
    let targets = visit.find(&args.target)?;
    let downloaded = match (&args.download, &args.targets_url) {
        (Some(folder), Some(url)) => {
            let files = source::open(url, &limits)?;
            visit.download(&targets, &*files, folder, &bars::sync())?
        }
        _ => Vec::new(),
    };
    let (versions, cost) = (visit.versions(), visit.cost());
    let result = Visited { versions, targets, downloaded, cost };
    out.result(&result, |out| {
        writeln!(out, "{}", line(&result.versions))?;
        result.targets.iter().try_for_each(|target| write_target(target, out))?;
        for file in &result.downloaded {
            let verb = if file.was_there { "kept" } else { "downloaded" };
            writeln!(out, "{verb} {}", file.file.display())?;
        }
        write_cost(&result.cost, out)
    })?;
    let all = result.targets.iter().all(|target| target.listed.is_some());
    Ok(if all { Exit::Yes } else { Exit::No })
}

fn mirror(args: &Args, root: Option<Vec<u8>>, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let limits = args.limits();
    let mut mirror = Mirror::with_source(&args.into, source::open(&args.source, &limits)?, limits)?;
    if args.no_deltas {
        mirror = mirror.without_deltas();
    }
    if args.role_deltas {
        mirror = mirror.with_role_deltas();
    }
    if let Some(root) = root {
        mirror.trust(&root)?;
    }
    let mirrored: Mirrored = mirror.sync(args.now.get()?, &bars::sync())?;
    out.result(&mirrored, |out| {
        writeln!(out, "{}", line(&mirrored.versions))?;
        let (roles, fetched) = (count(mirrored.roles), count(mirrored.fetched));
        let public = args.into.join("public");
        writeln!(out, "{roles} roles in {}, {fetched} fetched", public.display())?;
        write_cost(&mirrored.cost, out)
    })?;
    Ok(Exit::Yes)
}

fn line(versions: &Versions) -> String {
    let Versions { root, timestamp, snapshot, targets } = versions;
    format!("root {root}, timestamp {timestamp}, snapshot {snapshot}, targets {targets}")
}

fn write_target(target: &Target, out: &mut dyn Write) -> io::Result<()> {
    let Some(listed) = &target.listed else {
        let searched = match target.left_out {
            0 => String::new(),
            roles => format!(" in the roles that were searched; {roles} were not"),
        };
        return writeln!(out, "{} is not listed{searched}", target.path);
    };
    writeln!(out, "{}", target.path)?;
    writeln!(out, "  role    {}", listed.role)?;
    writeln!(out, "  length  {} bytes ({})", listed.length_bytes, bytes(listed.length_bytes))?;
    listed.hashes.iter().try_for_each(|(name, hex)| writeln!(out, "  {name}  {hex}"))
}

fn write_cost(cost: &Cost, out: &mut dyn Write) -> io::Result<()> {
    let (requests, trips) = (count(cost.requests), count(cost.round_trips));
    writeln!(out, "{requests} requests, {trips} one after another, {}", bytes(cost.bytes))?;
    write_deltas(&cost.deltas, out)?;
    for (what, number) in [("damaged files fetched again", cost.damaged), ("retries", cost.retries)]
    {
        if number > 0 {
            writeln!(out, "{} {what}", count(number))?;
        }
    }
    Ok(())
}

fn write_deltas(deltas: &DeltaUse, out: &mut dyn Write) -> io::Result<()> {
    if deltas.requests == 0 {
        return Ok(());
    }
    let (documents, requests) = (count(deltas.documents), count(deltas.requests));
    let (all, saved) = (bytes(deltas.bytes), bytes(deltas.saved_bytes));
    writeln!(out, "{documents} documents by {requests} deltas of {all}, {saved} saved")?;
    let reasons = deltas.fallbacks.by_reason().into_iter().filter(|(_, times)| *times > 0);
    let reasons: Vec<_> = reasons.map(|(why, times)| format!("{} {why}", count(times))).collect();
    if !reasons.is_empty() {
        let wasted = bytes(deltas.wasted_bytes);
        writeln!(out, "deltas not used: {}; {wasted} wasted", reasons.join(", "))?;
    }
    Ok(())
}
