//! What signs for a key: its private half, or a program that has it, or reaches who has it.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use tufold_meta::{Key, KeyId, Signature, SigningKey, Verifier};

use crate::error::Error;
use crate::settings::SignerSettings;

/// No signature, and no message that is worth showing, is longer.
const MAX_OUTPUT_LEN_BYTES: u64 = 64 << 10;
/// How often a program is looked at that has said everything but not ended.
const POLL: Duration = Duration::from_millis(5);

/// Signs for one key.
#[derive(Debug)]
pub(crate) enum Signer {
    Key(SigningKey),
    Program(Program),
}

/// A program that signs: the message comes on its standard input, and the signature, raw or in
/// hex, goes to its standard output.
pub(crate) struct Program {
    id: KeyId,
    scheme: String,
    verifier: Verifier,
    settings: SignerSettings,
}

impl Signer {
    /// Signs a document of `role`.
    pub(crate) fn sign(&self, role: &str, message: &[u8]) -> Result<Signature, Error> {
        match self {
            Self::Key(key) => Ok(key.sign(message)?),
            Self::Program(program) => program.sign(role, message),
        }
    }
}

impl Program {
    /// `None` if nothing can be verified with the key.
    pub(crate) fn new(key: &Key, settings: SignerSettings) -> Option<Self> {
        let (id, scheme) = (key.id(), key.scheme.clone());
        Some(Self { id, scheme, verifier: key.verifier()?, settings })
    }

    fn sign(&self, role: &str, message: &[u8]) -> Result<Signature, Error> {
        let refused = |problem: String| Error::Signer {
            program: self.settings.command.clone(),
            role: role.to_owned(),
            problem,
        };
        let output = self.run(role, message).map_err(refused)?;
        let signature = read_signature(&output, |bytes| self.verifier.verifies(message, bytes))
            .ok_or_else(|| {
                refused(format!(
                    "what it printed ({} bytes) is no signature of the key {}",
                    output.len(),
                    self.id
                ))
            })?;
        let sig = HEXLOWER.encode(&signature);
        Ok(Signature { keyid: self.id.clone(), sig, extra: Default::default() })
    }

    /// What the program prints when it is given the message, or why it failed.
    fn run(&self, role: &str, message: &[u8]) -> Result<Vec<u8>, String> {
        let mut words = self.settings.command.split_whitespace();
        let program = words.next().ok_or("the command is empty")?;
        let mut child = Command::new(program)
            .args(words)
            .env("TUFOLD_ROLE", role)
            .env("TUFOLD_KEY_ID", self.id.as_str())
            .env("TUFOLD_SCHEME", &self.scheme)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("it cannot be started: {error}"))?;
        if let Some(mut input) = child.stdin.take() {
            let message = message.to_vec();
            // One that does not read its input closes it.
            std::thread::spawn(move || drop(input.write_all(&message)));
        }
        let (stdout, stderr) = (read_all(child.stdout.take()), read_all(child.stderr.take()));
        let deadline = Instant::now() + Duration::from_secs(self.settings.timeout.seconds());
        let ended = wait(&mut child, deadline).and_then(|status| {
            // What it started may hold its output open after its own end.
            let left = || deadline.saturating_duration_since(Instant::now());
            let output = stdout.recv_timeout(left()).ok()?;
            Some((status, output, stderr.recv_timeout(left()).ok()?))
        });
        let Some((status, output, said)) = ended else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("it was stopped after {}", self.settings.timeout));
        };
        if !status.success() {
            let said = String::from_utf8_lossy(&said);
            let said = said.trim();
            let colon = if said.is_empty() { "" } else { ": " };
            return Err(format!("it ended with {status}{colon}{said}"));
        }
        Ok(output)
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({} {})", self.settings.command, self.id)
    }
}

/// Reads to the end in a thread of its own, so that no pipe fills up, and none holds the caller.
fn read_all(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.by_ref().take(MAX_OUTPUT_LEN_BYTES).read_to_end(&mut bytes);
            let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        }
        // Nobody waits for what comes too late.
        let _ = sender.send(bytes);
    });
    receiver
}

/// `None` if it has not ended by the deadline.
fn wait(child: &mut Child, deadline: Instant) -> Option<ExitStatus> {
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::sleep(POLL);
    }
}

/// A signature as it comes from a program or a file: raw, or in hex with white space around it.
/// `None` if it is not the right one in either form.
pub(crate) fn read_signature(bytes: &[u8], is_right: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    if is_right(bytes) {
        return Some(bytes.to_vec());
    }
    let hex = HEXLOWER_PERMISSIVE.decode(bytes.trim_ascii()).ok()?;
    is_right(&hex).then_some(hex)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_raw_or_in_hex() {
        let is_right = |bytes: &[u8]| bytes == [0xab, 0x0a];
        let right = Some(vec![0xab, 0x0a]);
        for bytes in [&[0xab, 0x0a][..], b"ab0a", b" AB0a\r\n"] {
            assert_eq!(read_signature(bytes, is_right), right, "{bytes:?}");
        }
        for bytes in [&b""[..], &[0xab], b"ab0", b"ab0b", b"0xab0a", b"ab 0a"] {
            assert_eq!(read_signature(bytes, is_right), None, "{bytes:?}");
        }
    }
}
