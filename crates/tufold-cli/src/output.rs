//! What commands print, and how they end.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

/// How a command ended that was not broken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Exit {
    /// 0: yes, done.
    Yes,
    /// 1: no.
    No,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Yes => Self::SUCCESS,
            Exit::No => Self::FAILURE,
        }
    }
}

/// Where results go as JSON.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Json {
    /// Standard output, instead of text.
    Stdout,
    /// This file, beside the text on standard output.
    File(PathBuf),
}

impl std::str::FromStr for Json {
    type Err = std::convert::Infallible;

    /// `-` is what the flag without a file stands for.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdout } else { Self::File(text.into()) })
    }
}

/// Standard output, as text or as JSON.
pub(crate) struct Out<'o> {
    out: &'o mut dyn Write,
    json: Option<Json>,
    /// What goes into the file once the command has succeeded.
    file: Vec<u8>,
}

impl<'o> Out<'o> {
    pub(crate) fn new(out: &'o mut dyn Write, json: Option<Json>) -> Self {
        Self { out, json, file: Vec::new() }
    }

    /// Prints the result: the library's own struct as JSON, or what `text` writes.
    pub(crate) fn result<T: Serialize>(
        &mut self,
        value: &T,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> anyhow::Result<()> {
        match self.json {
            Some(Json::Stdout) => {
                serde_json::to_writer_pretty(&mut *self.out, value)?;
                writeln!(self.out)?;
                return Ok(());
            }
            Some(Json::File(_)) => {
                serde_json::to_writer_pretty(&mut self.file, value)?;
                writeln!(self.file)?;
            }
            None => {}
        }
        Ok(text(self.out)?)
    }

    /// Everything printed must arrive.
    pub(crate) fn finish(&mut self) -> anyhow::Result<()> {
        self.out.flush()?;
        if let Some(Json::File(path)) = &self.json {
            let written = std::fs::write(path, &self.file);
            written.with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Says on standard error what is broken. A reader that closed the pipe has read enough.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let is_closed_pipe = error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    });
    if is_closed_pipe {
        return ExitCode::SUCCESS;
    }
    // Nothing is left to be done if standard error is closed too.
    let _ = writeln!(io::stderr(), "tufold: {error:#}");
    ExitCode::from(2)
}

/// A number of bytes for people.
pub(crate) fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

/// A number with its thousands apart.
pub(crate) fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}
