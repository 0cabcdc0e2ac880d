//! `tufold rotate`: other keys, and signatures from elsewhere.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;

use serde::Serialize;
use tufold_repo::settings::{Lifetime, RoleKind};
use tufold_repo::{
    DocumentStatus, Imported, KeyRequest, NewKeys, RotateRequest, Rotated, Rotation, RotationStep,
    Rotator,
};

use crate::bars;
use crate::cmd::{Now, named_command, of_kind, signers};
use crate::output::{Exit, Out, bytes, count};

/// Give roles other keys, with every client able to read the repository all along
///
/// The documents that the new keys are for are published signed by the old keys and the new, then
/// the new root, then the documents without the old keys. Bins and other delegated roles change with
/// their delegation, in one publish. Stopped anywhere, `tufold rotate REPO` goes on. Keys may be
/// elsewhere: --export writes what is to be signed, --import takes the signatures. The keys that no
/// role names any more are put aside in REPO/private/retired. Exit status 1 if signatures are missing
/// after an import.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold rotate demo --role timestamp --role snapshot
  tufold rotate demo --role root --key-count root=3 --threshold root=2 --dry-run
  tufold rotate demo --role root --keys public-keys/ --export usb/
  openssl pkeyutl -sign -rawin -inkey key.pem -in usb/2.root.signed -out usb/KEYID.sig
  tufold rotate demo --import usb/
  tufold rotate demo --role targets --keep-keys --export usb/
  tufold rotate demo --role timestamp --keys kms/ --signer timestamp-kms='kms-sign --key 7'")]
pub(crate) struct Args {
    /// The folder of the repository
    repo: PathBuf,
    /// Whose keys: root, timestamp, snapshot, targets or bins (every delegated role). Without it,
    /// the rotation that is under way goes on
    #[arg(long, value_name = "ROLE")]
    role: Vec<RoleKind>,
    /// A folder with the new keys in PEM, `<role>.pem` and `<role>-<any>.pem`; without it, Ed25519
    /// keys are made. A public key stands for a private one that is elsewhere
    #[arg(long, value_name = "DIR", requires = "role")]
    keys: Option<PathBuf>,
    /// How many keys are made for a role, as in `root=3`; as many as before if not stated
    #[arg(long, value_name = "ROLE=N", value_parser = of_kind::<u64>, requires = "role", conflicts_with = "keys")]
    key_count: Vec<(RoleKind, u64)>,
    /// How many keys of a role have to sign; as many as before if not stated
    #[arg(long, value_name = "ROLE=N", value_parser = of_kind::<u64>, requires = "role")]
    threshold: Vec<(RoleKind, u64)>,
    /// Keep the keys: sign the root or targets role again, with a new expiry and the --threshold given
    #[arg(long, requires = "role", conflicts_with_all = ["keys", "key_count"])]
    keep_keys: bool,
    /// A program that signs for the public key NAME.pem in --keys: the message is on its standard
    /// input, TUFOLD_ROLE and TUFOLD_KEY_ID in its environment, and it prints the signature, raw or
    /// in hex
    #[arg(long, value_name = "NAME=CMD", value_parser = named_command, requires = "keys")]
    signer: Vec<(String, String)>,
    /// How long a program may take to sign
    #[arg(long, value_name = "TIME", default_value = "30s", requires = "signer")]
    signer_timeout: Lifetime,
    /// Write what is to be signed, and a manifest, into this folder; nothing is published
    #[arg(long, value_name = "DIR", conflicts_with_all = ["import", "dry_run"])]
    export: Option<PathBuf>,
    /// Take signatures from this folder, `KEYID.sig` (raw or hex) or JSON with keyid and sig, and go
    /// on once there are enough
    #[arg(long, value_name = "DIR")]
    import: Option<PathBuf>,
    /// Drop the rotation that is under way, if its root is not published yet
    #[arg(long, conflicts_with_all = ["role", "export", "import", "dry_run"])]
    cancel: bool,
    /// Write nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    now: Now,
}

/// A rotation, and what was imported for it.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    rotated: Rotated,
    #[serde(skip_serializing_if = "Option::is_none")]
    imported: Option<Imported>,
}

pub(crate) fn run(args: Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let now = args.now.get()?;
    let mut rotator = Rotator::open(&args.repo)?;
    if args.cancel {
        let rotated = rotator.cancel()?;
        out.result(&rotated, |out| {
            writeln!(out, "dropped the rotation of {}", roles(&rotated))?;
            retired(&rotated, out)
        })?;
        return Ok(Exit::Yes);
    }
    let is_new = !args.role.is_empty();
    let mut rotation: Rotation = match request(&args) {
        Some(request) => rotator.begin(&request, now)?,
        None => rotator.resume(now)?.ok_or_else(|| {
            anyhow::anyhow!("no rotation of {} is under way; name a --role", args.repo.display())
        })?,
    };
    let imported =
        args.import.as_ref().map(|folder| rotator.import(&mut rotation, folder)).transpose()?;
    let rotated = if args.dry_run {
        rotator.preview(&rotation)?
    } else if let Some(folder) = &args.export {
        rotator.save(&mut rotation)?;
        rotator.export(&rotation, folder)?;
        rotator.preview(&rotation)?
    } else {
        if is_new && imported.is_none() {
            rotator.require_signatures(&rotation)?;
        }
        rotator.commit(rotation, now, &bars::bars())?
    };
    let left_open = !rotated.finished && !args.dry_run && args.export.is_none();
    let answer = Answer { rotated, imported };
    out.result(&answer, |out| write(&answer, &args, out))?;
    Ok(if left_open { Exit::No } else { Exit::Yes })
}

/// What is asked for; `None` where no role is named.
fn request(args: &Args) -> Option<RotateRequest> {
    if args.role.is_empty() {
        return None;
    }
    let thresholds: BTreeMap<_, _> = args.threshold.iter().copied().collect();
    let keys = if args.keep_keys {
        NewKeys::Same { thresholds }
    } else {
        NewKeys::Other(KeyRequest {
            folder: args.keys.clone(),
            counts: args.key_count.iter().copied().collect(),
            thresholds,
            signers: signers(args.signer.clone(), args.signer_timeout),
        })
    };
    Some(RotateRequest { roles: args.role.iter().copied().collect(), keys })
}

fn write(answer: &Answer, args: &Args, out: &mut dyn Write) -> io::Result<()> {
    let Answer { rotated, imported } = answer;
    if let Some(Imported { new, known }) = imported {
        writeln!(out, "signatures {} new, {} known", count(*new), count(*known))?;
    }
    let verb = match (rotated.finished, args.dry_run) {
        (true, _) => "rotated",
        (false, true) => "would rotate",
        (false, false) => "is to rotate",
    };
    writeln!(out, "{verb}    {}: root version {}", roles(rotated), rotated.root_version)?;
    rotated.documents.iter().try_for_each(|document| write_document(document, out))?;
    for step in &rotated.steps {
        writeln!(out, "to do      {}", describe(*step))?;
    }
    for done in &rotated.done {
        writeln!(out, "done       {}", describe(done.step))?;
        if let Some(published) = &done.published {
            let written = bytes(
                published.targets_bytes + published.snapshot_bytes + published.timestamp_bytes,
            );
            writeln!(out, "           {} files, {written}", count(published.files))?;
        }
    }
    retired(rotated, out)?;
    if let Some(folder) = &args.export {
        writeln!(out, "to sign    {}", folder.display())?;
    }
    Ok(())
}

fn write_document(document: &DocumentStatus, out: &mut dyn Write) -> io::Result<()> {
    let DocumentStatus { file, sha256, expires, quorums, .. } = document;
    writeln!(out, "document   {file}, expires {expires}, sha256 {sha256}")?;
    for quorum in quorums {
        let (signed, threshold, named_by) = (quorum.signed, quorum.threshold, &quorum.named_by);
        writeln!(out, "           {signed} of {threshold} signatures of the keys in {named_by}")?;
        for key in quorum.keys.iter().filter(|_| signed < threshold) {
            let mark = if key.signed { "signed " } else { "missing" };
            writeln!(out, "           {mark} {} ({})", key.keyid, key.scheme)?;
        }
    }
    Ok(())
}

fn describe(step: RotationStep) -> &'static str {
    match step {
        RotationStep::Documents => "documents signed for the new keys",
        RotationStep::Root => "the new root",
        RotationStep::Clean => "documents without the old keys",
    }
}

fn roles(rotated: &Rotated) -> String {
    rotated.roles.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ")
}

fn retired(rotated: &Rotated, out: &mut dyn Write) -> io::Result<()> {
    rotated.retired.iter().try_for_each(|name| writeln!(out, "retired    {name}"))
}
