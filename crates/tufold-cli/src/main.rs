//! The `tufold` command.

mod bars;
mod cmd;
mod interrupt;
mod output;
mod source;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::output::{Exit, Json, Out};

/// Threads that make and drop many models and documents at once wait for each other, and for the system, in the C library's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// TUF metadata that stays small while the index doubles and doubles again
///
/// tufold makes and publishes signed TUF repositories with hashed bins, for package indexes of any
/// size, and is their client. Results go to standard output, progress and errors to standard error. Exit status: 0 for
/// yes, 1 for no (a check found a fault, a target is not listed), 2 if something is broken.
#[derive(Parser)]
#[command(
    name = "tufold",
    version,
    after_help = "Examples:
  tufold init demo --targets datasets/debian-forky-amd64.tsv.zst --bins 1024
  tufold publish demo --targets datasets/debian-sid-amd64.tsv.zst
  tufold check demo
  tufold sync demo/public --into cache --root demo/public/metadata/1.root.json
  tufold serve demo --listen 127.0.0.1:8080
  tufold grow --report report.html
  tufold plan pypi-today --json=plan.json"
)]
struct Cli {
    /// Print the result as JSON; with =FILE, print as ever and write the JSON there
    #[arg(long, global = true, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "-")]
    json: Option<Json>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Init(cmd::init::Args),
    Publish(cmd::publish::Args),
    Check(cmd::check::Args),
    Show(cmd::show::Args),
    Prune(cmd::prune::Args),
    Rebin(cmd::rebin::Args),
    Rotate(cmd::rotate::Args),
    Sync(cmd::sync::Args),
    Serve(cmd::serve::Args),
    Targets(cmd::targets::Args),
    Delta(cmd::delta::Args),
    Grow(cmd::grow::Args),
    Plan(cmd::plan::Args),
    Fit(cmd::fit::Args),
    Reproduce(cmd::reproduce::Args),
    /// Print completions for a shell
    #[command(after_help = "Examples:
  tufold completions bash > /etc/bash_completion.d/tufold")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::install();
    let mut stdout = std::io::BufWriter::new(std::io::stdout().lock());
    let mut out = Out::new(&mut stdout, cli.json);
    let result = match cli.command {
        Command::Init(args) => cmd::init::run(args, &mut out),
        Command::Publish(args) => cmd::publish::run(args, &mut out),
        Command::Check(args) => cmd::check::run(args, &mut out),
        Command::Show(args) => cmd::show::run(args, &mut out),
        Command::Prune(args) => cmd::prune::run(args, &mut out),
        Command::Rebin(args) => cmd::rebin::run(args, &mut out),
        Command::Rotate(args) => cmd::rotate::run(args, &mut out),
        Command::Sync(args) => cmd::sync::run(args, &mut out),
        Command::Serve(args) => cmd::serve::run(args, &mut out),
        Command::Delta(args) => cmd::delta::run(args, &mut out),
        Command::Grow(args) => cmd::grow::run(args, &mut out),
        Command::Plan(args) => cmd::plan::run(args, &mut out),
        Command::Fit(args) => cmd::fit::run(args, &mut out),
        Command::Reproduce(args) => cmd::reproduce::run(&args, &mut out),
        Command::Targets(args) => cmd::targets::run(args, &mut out, &bars::rows("rows")),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "tufold", &mut out);
            Ok(Exit::Yes)
        }
    };
    let result = result.and_then(|exit| out.finish().map(|()| exit));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => output::report(&error),
    }
}
