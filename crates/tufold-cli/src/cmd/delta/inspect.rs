//! `tufold delta inspect`: what the bytes of a delta, an edge or a bundle are spent on.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use tufold_delta::{Column, Content, Entries, Header, Limits, Sections, columns};
use tufold_meta::{Prediction, canonical_parts};
use tufold_repo::Mirror;

use super::form::Form;
use super::read;
use crate::output::{Exit, Out, count};

/// Columns beyond so many are summed up, unless the output is JSON.
const MAX_ROWS: usize = 40;

/// Show what the bytes of a delta are spent on
///
/// It takes what encode writes, and what publish and rebin write below deltas/: an edge of a ladder (signatures and a
/// delta), a bundle (two deltas), and what makes new bins of old ones (signatures, and no delta). Without a base only the sections of a delta show, for a columnar delta cannot be read without
/// it. With it each column shows: how many values, raw bytes (hex digits and what is as good as random), and bytes of
/// the stream by their ideal cost. The rest, such as what rounding adds, stands below, so that the sum is the file.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  tufold delta inspect 1-2 --base 1.snapshot.json
  tufold delta inspect demo/public/deltas/snapshot/0-2
  tufold delta inspect demo/public/deltas/roles/bins-2a7/1-2 --base demo/public/metadata/1.bins-2a7.json
  tufold delta inspect demo/public/deltas/mirror/1-2 --base demo --json
  tufold delta inspect demo/public/deltas/bins/7/bins-2a7")]
pub(crate) struct Args {
    /// The delta, edge, bundle or object of bins
    file: PathBuf,
    /// What it starts from: the same file as for apply; of an edge the metadata file, of a bundle the repository
    #[arg(long)]
    base: Option<PathBuf>,
    /// The longest document that may be rebuilt, in bytes; of a bundle all that changed counts as one
    #[arg(long, value_name = "BYTES", default_value_t = Limits::default().max_result_len_bytes)]
    max_length: u64,
}

/// A file of one or two deltas.
#[derive(Serialize)]
struct Inspection {
    /// `delta`, `edge`, `bundle` or `bins`.
    form: &'static str,
    bytes: u64,
    /// The length that a bundle begins with; of bins all but the signatures.
    framing_bytes: u64,
    /// How many signatures an edge has, or all new bins; `None` if none travels.
    signatures: Option<u64>,
    signature_bytes: u64,
    /// What makes bins of bins.
    #[serde(skip_serializing_if = "Option::is_none")]
    bins: Option<Bins>,
    deltas: Vec<Part>,
}

/// What makes new bins of old ones.
#[derive(Serialize)]
struct Bins {
    old_bins: u64,
    new_bins: u64,
    /// How many versions each old bin lies behind the new ones.
    ages: Vec<u64>,
    expires: String,
}

/// One delta.
#[derive(Serialize)]
struct Part {
    /// `document`; of a bundle `outline`, the snapshot, and `roles`.
    of: &'static str,
    codec: &'static str,
    prediction_kind: u8,
    base_bytes: Option<u64>,
    new_bytes: u64,
    bytes: u64,
    header_bytes: u64,
    head_bytes: u64,
    raw_bytes: u64,
    stream_bytes: u64,
    /// What the stream has beyond the ideal cost of its columns, which may be less than nothing.
    rounding_bytes: Option<f64>,
    columns: Option<Vec<Row>>,
}

/// One column.
#[derive(Serialize)]
struct Row {
    place: String,
    entries: &'static str,
    content: &'static str,
    values: u64,
    bytes: f64,
    raw_bytes: u64,
    stream_bytes: f64,
}

pub(super) fn run(args: &Args, out: &mut Out<'_>) -> anyhow::Result<Exit> {
    let file = read(&args.file)?;
    let inspection = inspect(args, &file).with_context(|| match &args.base {
        None => args.file.display().to_string(),
        Some(base) => format!("{} with base {}", args.file.display(), base.display()),
    })?;
    out.result(&inspection, |out| inspection.print(out))?;
    Ok(Exit::Yes)
}

fn inspect(args: &Args, file: &[u8]) -> anyhow::Result<Inspection> {
    let form = Form::of(file)?;
    let base = args.base.as_deref();
    let limits = Limits { max_result_len_bytes: args.max_length, ..Limits::default() };
    let mut inspection = Inspection {
        form: form.name(),
        bytes: file.len() as u64,
        framing_bytes: 0,
        signatures: None,
        signature_bytes: 0,
        bins: None,
        deltas: Vec::new(),
    };
    let whole = |delta, base: Option<&[u8]>| {
        Ok::<_, anyhow::Error>(vec![part("document", delta, base, &limits)?])
    };
    match form {
        Form::Delta(delta) => {
            let base = base.map(file_of).transpose()?;
            inspection.deltas = whole(delta, base.as_deref())?;
        }
        Form::Edge { signatures, signature_bytes, delta } => {
            (inspection.signatures, inspection.signature_bytes) = (signatures, signature_bytes);
            let base = base.map(file_of).transpose()?;
            let base = base.as_deref().map(canonical_parts).transpose()?;
            let number = Header::parse(delta)?.0.prediction_kind;
            let kind = Prediction::from_number(number)
                .with_context(|| format!("its prediction is of an unknown kind, {number}"))?;
            let form = base.as_ref().map(|(signed, _)| kind.form_of(signed)).transpose()?;
            inspection.deltas = whole(delta, form.as_deref())?;
        }
        Form::Bins(bins) => {
            ensure!(base.is_none(), "it says all without a base");
            inspection.signatures = Some(bins.signatures);
            inspection.signature_bytes = bins.signature_bytes;
            inspection.framing_bytes = file.len() as u64 - bins.signature_bytes;
            inspection.bins = Some(Bins {
                old_bins: bins.ages.len() as u64,
                new_bins: bins.new_bins,
                ages: bins.ages,
                expires: bins.expires.to_string(),
            });
        }
        Form::Bundle { bundle, framing_bytes } => {
            inspection.framing_bytes = framing_bytes;
            let Some(base) = base else {
                inspection.deltas = vec![
                    part("outline", bundle.outline, None, &limits)?,
                    part("roles", bundle.roles, None, &limits)?,
                ];
                return Ok(inspection);
            };
            let old = Mirror::open(base)?.at_start_of(file)?;
            let open = old.open_bundle(file, &limits)?;
            let [(old, outline), (before, roles)] = open.deltas();
            inspection.deltas = vec![
                part("outline", outline, Some(old), &limits)?,
                part("roles", roles, Some(before), &limits)?,
            ];
        }
    }
    Ok(inspection)
}

fn file_of(base: &Path) -> anyhow::Result<Vec<u8>> {
    if base.is_dir() {
        bail!("it starts from one file, and the base is a folder");
    }
    read(base)
}

fn part(
    of: &'static str,
    delta: &[u8],
    base: Option<&[u8]>,
    limits: &Limits,
) -> anyhow::Result<Part> {
    let sections = Sections::of(delta)?;
    let header = sections.header;
    let readable = base.is_some() || header.prediction.len_bytes.is_none();
    let columns = if readable { columns(base, delta, limits)? } else { None };
    let stream = sections.stream_bytes as f64;
    let rounding = |columns: &Vec<Column>| {
        stream - columns.iter().map(|column| column.stream_bytes).sum::<f64>()
    };
    Ok(Part {
        of,
        codec: header.codec.name(),
        prediction_kind: header.prediction_kind,
        base_bytes: header.prediction.len_bytes,
        new_bytes: header.result.len_bytes.unwrap_or_default(),
        bytes: delta.len() as u64,
        header_bytes: sections.header_bytes,
        head_bytes: sections.head_bytes,
        raw_bytes: sections.raw_bytes,
        stream_bytes: sections.stream_bytes,
        rounding_bytes: columns.as_ref().map(rounding),
        columns: columns.map(|columns| columns.into_iter().map(Row::new).collect()),
    })
}

impl Row {
    fn new(column: Column) -> Self {
        Self {
            entries: match column.entries {
                Entries::Old => "old",
                Entries::New => "new",
            },
            content: match column.content {
                Content::Events => "events",
                Content::Kinds => "kinds",
                Content::Keys => "keys",
                Content::Integers => "integers",
                Content::Times => "times",
                Content::Hex => "hex",
                Content::Text => "text",
            },
            values: column.values,
            bytes: column.bytes(),
            raw_bytes: column.raw_bytes,
            stream_bytes: column.stream_bytes,
            place: column.place,
        }
    }

    /// What the column tells and where, in words.
    fn words(&self) -> String {
        let what = match self.content {
            "events" => "which entries change:",
            "kinds" => "how values change:",
            "keys" => "new keys:",
            "integers" => "integers:",
            "times" => "times:",
            "hex" => "hex digits:",
            _ => "text:",
        };
        let place = if self.place.is_empty() { "the document" } else { &self.place };
        let entries = if self.entries == "new" { " (new entries)" } else { "" };
        format!("{what} {place}{entries}")
    }
}

impl Inspection {
    fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} of {} bytes", self.form, count(self.bytes))?;
        if let Some(Bins { old_bins, new_bins, ages, expires }) = &self.bins {
            let ages: Vec<_> = ages.iter().map(|&age| count(age)).collect();
            let (old, new) = (count(*old_bins), count(*new_bins));
            writeln!(
                out,
                "bins: {new} out of {old}, {} versions back, until {expires}",
                ages.join(" and ")
            )?;
        }
        for part in &self.deltas {
            let base = match part.base_bytes {
                None => "nothing".to_owned(),
                Some(length) => format!("{} bytes", count(length)),
            };
            let (of, codec, new) = (part.of, part.codec, count(part.new_bytes));
            writeln!(
                out,
                "{of}: {codec}, from {base} to {new} (prediction {})",
                part.prediction_kind
            )?;
        }
        writeln!(out, "{:>14} {:>12} {:>10}", "bytes", "of them raw", "values")?;
        if self.framing_bytes > 0 {
            let what = match &self.bins {
                None => "length of the first delta",
                Some(_) => "versions, expiry and check of the old bins",
            };
            line(out, self.framing_bytes as f64, None, None, what)?;
        }
        if self.signature_bytes > 0 {
            line(out, self.signature_bytes as f64, None, self.signatures, "signatures")?;
        }
        self.deltas.iter().try_for_each(|part| part.print(self.deltas.len() > 1, out))?;
        line(out, self.bytes as f64, None, None, "all")?;
        if self.deltas.iter().any(|part| part.codec == "columnar" && part.columns.is_none()) {
            writeln!(out, "with --base the stream shows by columns")?;
        }
        Ok(())
    }
}

impl Part {
    fn print(&self, named: bool, out: &mut dyn Write) -> io::Result<()> {
        let prefix = if named { format!("{}, ", self.of) } else { String::new() };
        let mut row = |bytes: f64, raw: Option<u64>, values: Option<u64>, what: &str| {
            line(out, bytes, raw, values, &format!("{prefix}{what}"))
        };
        row(self.header_bytes as f64, None, None, "header")?;
        if self.head_bytes > 0 {
            row(self.head_bytes as f64, None, None, "flags and number of raw bytes")?;
        }
        let Some(columns) = &self.columns else {
            if self.raw_bytes > 0 {
                row(self.raw_bytes as f64, Some(self.raw_bytes), None, "raw bytes")?;
            }
            return row(self.stream_bytes as f64, None, None, "stream");
        };
        let (shown, rest) = columns.split_at(columns.len().min(MAX_ROWS));
        for column in shown {
            row(column.bytes, Some(column.raw_bytes), Some(column.values), &column.words())?;
        }
        if !rest.is_empty() {
            let sum = |of: &dyn Fn(&Row) -> u64| Some(rest.iter().map(of).sum());
            let bytes = rest.iter().map(|column| column.bytes).sum();
            let what = format!("{} smaller columns", count(rest.len() as u64));
            row(bytes, sum(&|column| column.raw_bytes), sum(&|column| column.values), &what)?;
        }
        let rounding = self.rounding_bytes.unwrap_or_default();
        row(rounding, None, None, "rounding to whole bytes at the end of the stream")
    }
}

/// One line of the table.
fn line(
    out: &mut dyn Write,
    bytes: f64,
    raw: Option<u64>,
    values: Option<u64>,
    what: &str,
) -> io::Result<()> {
    let number = |number: Option<u64>| number.map(count).unwrap_or_default();
    let (raw, values) = (number(raw.filter(|&raw| raw > 0)), number(values));
    writeln!(out, "{:>14} {raw:>12} {values:>10}  {what}", hundredths(bytes))
}

/// A number with its thousands apart and two decimals.
fn hundredths(number: f64) -> String {
    let text = format!("{number:.2}");
    let (whole, rest) = text.split_once('.').unwrap_or((&text, ""));
    let digits = whole.trim_start_matches('-');
    let sign = &whole[..whole.len() - digits.len()];
    format!("{sign}{}.{rest}", digits.parse().map_or(digits.to_owned(), count))
}
