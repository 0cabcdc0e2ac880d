//! What a file of deltas is: one delta, or what a publish writes around deltas.

use anyhow::Context;
use tufold_meta::{BinsOutline, Bundle, Envelope};

/// What every delta begins with; the upper half of the next byte is the version of the format.
const DELTA: &[u8] = b"TF";
const VERSION: u8 = 0xd0;

/// A file by what is in it, whatever its name.
pub(super) enum Form<'f> {
    /// One delta.
    Delta(&'f [u8]),
    /// An edge of a ladder: the signatures of a document, and the delta of the rest.
    Edge { signatures: Option<u64>, signature_bytes: u64, delta: &'f [u8] },
    /// A bundle of two deltas.
    Bundle { bundle: Bundle<'f>, framing_bytes: u64 },
    /// What makes new bins out of old ones.
    Bins(BinsOutline),
}

impl<'f> Form<'f> {
    pub(super) fn of(file: &'f [u8]) -> anyhow::Result<Self> {
        if file.starts_with(&DELTA[..file.len().clamp(1, 2)]) {
            return Ok(Self::Delta(file));
        }
        if is_bundle(file) {
            let bundle = Bundle::parse(file)?;
            let framing_bytes = (file.len() - bundle.outline.len() - bundle.roles.len()) as u64;
            return Ok(Self::Bundle { bundle, framing_bytes });
        }
        let mut delta = file;
        if !file.get(1..).is_some_and(is_delta)
            && let Some(bins) = BinsOutline::of(file)
        {
            return Ok(Self::Bins(bins));
        }
        let signatures = Envelope::skip(&mut delta)
            .context("it is neither a delta nor a bundle, nor an edge of a ladder, nor what makes bins of bins")?;
        Ok(Self::Edge { signatures, signature_bytes: (file.len() - delta.len()) as u64, delta })
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Delta(_) => "delta",
            Self::Edge { .. } => "edge",
            Self::Bundle { .. } => "bundle",
            Self::Bins(_) => "bins",
        }
    }
}

/// A bundle begins with the length of its first delta; an edge with the number of its signatures, which the delta
/// follows at once only if that is 0 or 2.
fn is_bundle(file: &[u8]) -> bool {
    let last = file.iter().position(|byte| byte & 0x80 == 0).unwrap_or(0);
    file.first().is_some_and(|&first| first > 2) && is_delta(&file[last + 1..])
}

fn is_delta(bytes: &[u8]) -> bool {
    bytes.starts_with(DELTA) && bytes.get(2).is_some_and(|form| form & 0xf0 == VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &[u8], form: &str) {
        assert_eq!(Form::of(file).map_or("none", |form| form.name()), form, "{file:02x?}");
    }

    #[test]
    fn forms_are_told_by_their_first_bytes() {
        let delta = b"TF\xd1\x00\x00";
        let after = |head: &[u8]| [head, delta.as_slice()].concat();
        check(delta, "delta");
        check(b"T", "delta");
        check(&after(&[0]), "edge");
        check(&after(&[2]), "edge");
        check(&after(&[&[1][..], &[7; 64]].concat()), "edge");
        check(&after(&[3, 4, 1, 7]), "edge");
        check(&after(&[5]), "bundle");
        check(&[after(&[0x85, 0]).as_slice(), &[0; 200]].concat(), "none");
        check(&[&[0x85, 1], delta.as_slice(), &[0; 200]].concat(), "bundle");
        // One old bin and two new ones, and the other way round: an expiry of 2 s, a check, and signatures.
        let (check_bytes, signed) = ([9; 3], [&[1][..], &[7; 64]].concat());
        let split = [&[0, 1, 2][..], &check_bytes, &signed, &signed].concat();
        let merged = [&[0, 1, 3, 2][..], &check_bytes, &signed].concat();
        check(&split, "bins");
        check(&merged, "bins");
        check(&split[..split.len() - 1], "edge");
        // Cut short.
        check(&after(&[0x85, 1]), "none");
        check(&[1, 7], "none");
        check(&[3, 1, 7], "none");
        check(b"", "none");
        check(b"<html>", "none");
    }
}
