//! Deltas: whatever the bytes, none rebuilds more than it names, and what is made of two documents
//! gives the one back from the other.
//!
//! A random payload would never get past the digests around it, so the target of a codec puts it
//! into a container itself. Its bytes are: what to do, a length of two bytes, the base, an empty line, and the rest.
//!
//! | what to do, modulo 4 | the rest is |
//! |---|---|
//! | 0 | a payload for a result of this length |
//! | 1 | the same, but a patch (or document) that is still to be compressed |
//! | 2 | the new document |
//! | 3 | changes, two bytes each, to the base as a program that writes a document, see [`Program`] |
//!
//! With 4 there is a base, without there is none.

use serde_json::value::RawValue;
use tufold_delta::{
    Codec, EncodeOptions, Error, Fingerprint, Header, Limits, Sections, apply, columns, encode,
};

/// Documents that whole deltas may start from.
const BASES: [&[u8]; 3] = [
    include_bytes!("../../../crates/tufold-delta/tests/golden/versions.base.json"),
    include_bytes!("../../../crates/tufold-delta/tests/golden/hashes.base.json"),
    include_bytes!("../../../crates/tufold-delta/tests/golden/bin.base.json"),
];

const OPTIONS: EncodeOptions = EncodeOptions { prediction_kind: 0, zstd_level: 3, verify: true };

/// A whole delta. What applies is the document that it names.
pub fn container(data: &[u8]) {
    let data = &data[..data.len().min(1 << 16)];
    let limits = Limits { max_delta_len_bytes: 1 << 16, max_result_len_bytes: 1 << 16 };
    let parsed = Header::parse(data);
    if let Ok((header, payload)) = &parsed {
        assert_eq!(header.payload_len_bytes, payload.len() as u64);
        assert!(data.ends_with(payload));
    }
    if let Ok(sections) = Sections::of(data) {
        let head = sections.header_bytes + sections.head_bytes;
        assert_eq!(head + sections.raw_bytes + sections.stream_bytes, data.len() as u64);
    }
    for base in std::iter::once(None).chain(BASES.map(Some)) {
        let applied = apply(base, data, &limits);
        let inspected = columns(base, data, &limits);
        assert_eq!(inspected.map(|_| ()), applied.as_ref().map(|_| ()).map_err(Error::clone));
        match (&parsed, applied) {
            (Ok((header, _)), Ok(found)) => {
                assert_eq!(Fingerprint::of(Some(&found)), header.result);
                assert_eq!(Fingerprint::of(base), header.prediction);
                assert!(found.len() <= 1 << 16);
                let narrow =
                    Limits { max_result_len_bytes: (found.len() as u64).wrapping_sub(1), ..limits };
                let narrow = apply(base, data, &narrow);
                assert!(found.is_empty() || matches!(narrow, Err(Error::TooLarge { .. })));
            }
            (Err(expected), Err(found)) => assert_eq!(*expected, found),
            (parsed, Err(Error::WrongBase { .. })) => {
                let needed = parsed.as_ref().map(|(header, _)| header.prediction);
                assert_ne!(needed, Ok(Fingerprint::of(base)));
            }
            (_, Err(error)) => assert!(!matches!(error, Error::Declined { .. })),
            (Err(error), Ok(_)) => panic!("{error}"),
        }
    }
}

/// `columnar`.
pub fn columnar(data: &[u8]) {
    codec(Codec::Columnar, data);
}

/// `zstd`, with the base as prefix.
pub fn zstd(data: &[u8]) {
    codec(Codec::Zstd, data);
}

/// `bsdiff`.
pub fn bsdiff(data: &[u8]) {
    codec(Codec::Bsdiff, data);
}

/// `json-patch`.
pub fn json_patch(data: &[u8]) {
    codec(Codec::JsonPatch, data);
}

/// `merge-patch`.
pub fn merge_patch(data: &[u8]) {
    codec(Codec::MergePatch, data);
}

/// `full-zstd` and `full-gzip`, by the highest bit of the first byte.
pub fn full(data: &[u8]) {
    let gzip = data.first().is_some_and(|first| *first >= 0x80);
    codec(if gzip { Codec::FullGzip } else { Codec::FullZstd }, data);
}

/// Bytes as above, taken apart.
struct Input<'a> {
    what: u8,
    len: u16,
    base: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn read(data: &'a [u8]) -> Option<Self> {
        let (&[what, low, high], data) = data.split_first_chunk()?;
        let split = data.windows(2).position(|two| two == b"\n\n");
        let (base, rest) = split.map_or((&[][..], data), |at| (&data[..at], &data[at + 2..]));
        Some(Self { what, len: u16::from_le_bytes([low, high]), base, rest })
    }

    fn has_base(&self) -> bool {
        self.what & 4 != 0
    }

    /// The documents that two runs of the program write.
    fn written(&self) -> Pair {
        let mut program = self.base.to_vec();
        let old = self.has_base().then(|| Program::run(&program));
        for change in self.rest.chunks_exact(2).take(16) {
            if let Some(byte) = program.get_mut(usize::from(change[0])) {
                *byte = change[1];
            }
        }
        (old, Program::run(&program))
    }
}

/// A base, if there is one, and a new document.
pub type Pair = (Option<Vec<u8>>, Vec<u8>);

/// The documents in an input of a codec's target, if it holds any.
pub fn pair(data: &[u8]) -> Option<Pair> {
    let input = Input::read(data)?;
    match input.what & 3 {
        2 => Some((input.has_base().then(|| input.base.to_vec()), input.rest.to_vec())),
        3 => Some(input.written()),
        _ => None,
    }
}

fn codec(codec: Codec, data: &[u8]) {
    let Some(input) = Input::read(data) else { return };
    let base = input.has_base().then_some(input.base);
    match input.what & 3 {
        0 => hostile(codec, base, input.rest, input.len),
        1 => hostile(codec, base, &packed(codec, input.rest), input.len),
        2 => {
            let carried = round_trip(codec, base, input.rest);
            let bytes =
                matches!(codec, Codec::Zstd | Codec::Bsdiff | Codec::FullZstd | Codec::FullGzip);
            assert!(carried || !bytes, "{codec} carries any bytes");
        }
        _ => {
            let (old, new) = input.written();
            let carried = round_trip(codec, old.as_deref(), &new);
            // Raw control characters are canonical and no JSON.
            let json = || old.as_deref().into_iter().chain([&new[..]]).all(is_json);
            let may_decline = codec == Codec::MergePatch || codec == Codec::JsonPatch && !json();
            assert!(carried || may_decline, "{codec} carries {}", new.escape_ascii());
        }
    }
}

fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// A container of the right base around a payload of anything. Its result has a digest that hardly
/// any document has.
fn hostile(codec: Codec, base: Option<&[u8]>, payload: &[u8], len: u16) {
    let result = Fingerprint { len_bytes: Some(len.into()), cut_digest: [0; 3] };
    let header = Header {
        codec,
        prediction_kind: 0,
        prediction: Fingerprint::of(base),
        result,
        payload_len_bytes: payload.len() as u64,
    };
    let delta = header.around(payload);
    match apply(base, &delta, &Limits::default()) {
        Ok(found) => assert_eq!(Fingerprint::of(Some(&found)), result),
        Err(Error::NotADelta { .. } | Error::WrongBase { .. } | Error::Declined { .. }) => {
            panic!("{codec}: {}", delta.escape_ascii())
        }
        Err(_) => {}
    }
}

/// The payload that holds a patch, or for codecs without one a document, in compressed form.
fn packed(codec: Codec, patch: &[u8]) -> Vec<u8> {
    let frame = if codec == Codec::FullGzip { Codec::FullGzip } else { Codec::FullZstd };
    let frame = encode(frame, None, patch, &OPTIONS).expect("any bytes can be compressed");
    let mut payload = Vec::new();
    if matches!(codec, Codec::Bsdiff | Codec::JsonPatch | Codec::MergePatch) {
        write_number(patch.len() as u64, &mut payload);
    }
    payload.extend_from_slice(Header::parse(&frame).expect("what was made").1);
    payload
}

fn write_number(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Whether the codec carries the pair; if so, the exact bytes come back.
fn round_trip(codec: Codec, base: Option<&[u8]>, new: &[u8]) -> bool {
    let delta = match encode(codec, base, new, &OPTIONS) {
        Ok(delta) => delta,
        Err(Error::Declined { codec: who, .. }) => {
            assert_eq!(who, codec);
            return false;
        }
        Err(error) => panic!("{codec}: {error}"),
    };
    let limits = Limits { max_result_len_bytes: new.len() as u64, ..Limits::default() };
    assert_eq!(apply(base, &delta, &limits).as_deref(), Ok(new), "{codec}");
    true
}

/// Bytes that say how to write a canonical JSON document: always an object, however they end.
struct Program<'a> {
    bytes: &'a [u8],
    out: Vec<u8>,
}

impl<'a> Program<'a> {
    /// No document grows much longer.
    const MAX_LEN_BYTES: usize = 1 << 12;

    fn run(bytes: &'a [u8]) -> Vec<u8> {
        let mut program = Self { bytes, out: Vec::new() };
        program.object(0);
        program.out
    }

    /// The next byte; zeros at the end.
    fn next(&mut self) -> u8 {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        first
    }

    fn value(&mut self, depth: u32) {
        let what = self.next();
        let count = usize::from(what >> 3);
        match what & 7 {
            _ if self.out.len() > Self::MAX_LEN_BYTES => self.out.push(b'0'),
            0 => self.out.extend_from_slice([&b"null"[..], b"true", b"false"][count % 3]),
            1 => {
                let number = (0..count % 9).fold(0_i64, |n, _| n << 8 | i64::from(self.next()));
                self.out.extend_from_slice(number.to_string().as_bytes());
            }
            2 => self.hex(count),
            3 => self.string(count),
            4 => {
                let time = format!(
                    "\"20{:02}-1{}-2{}T0{}:00:00Z\"",
                    count,
                    count % 3,
                    what % 10,
                    count % 10
                );
                self.out.extend_from_slice(time.as_bytes());
            }
            _ if depth > 40 => self.out.push(b'1'),
            5 => self.array(count, depth),
            6 => self.object(depth),
            _ => self.uniform(count, depth),
        }
    }

    fn string(&mut self, count: usize) {
        self.out.push(b'"');
        for _ in 0..count {
            match self.next() {
                byte @ (b'"' | b'\\') => self.out.extend_from_slice(&[b'\\', byte]),
                byte @ ..0x80 => self.out.push(byte),
                _ => self.out.extend_from_slice("é".as_bytes()),
            }
        }
        self.out.push(b'"');
    }

    fn hex(&mut self, count: usize) {
        let byte = self.next();
        let digits: String =
            (0..count).map(|i| format!("{:02x}", (usize::from(byte) * i) & 255)).collect();
        self.out.extend_from_slice(format!("\"{digits}\"").as_bytes());
    }

    fn array(&mut self, count: usize, depth: u32) {
        self.out.push(b'[');
        for i in 0..count {
            if i > 0 {
                self.out.push(b',');
            }
            self.value(depth + 1);
        }
        self.out.push(b']');
    }

    /// Entries with keys in order, each a few letters behind the one before.
    fn object(&mut self, depth: u32) {
        self.out.push(b'{');
        let mut key = 0_u32;
        for i in 0..self.next() & 31 {
            if i > 0 {
                self.out.push(b',');
            }
            key += u32::from(self.next()) + 1;
            self.out.extend_from_slice(format!("\"k{key:05}\":").as_bytes());
            self.value(depth + 1);
        }
        self.out.push(b'}');
    }

    /// Many entries of one kind, as in a snapshot or a bin.
    fn uniform(&mut self, count: usize, depth: u32) {
        let value = self.bytes;
        let mut key = 0_u32;
        self.out.push(b'{');
        for i in 0..count * 2 {
            if i > 0 {
                self.out.push(b',');
            }
            key += 1 + u32::from(self.next() & 3);
            self.out
                .extend_from_slice(format!("\"bins-{key:04x}.json\":{{\"version\":").as_bytes());
            let version = u32::from(self.next() & 31) * 17;
            self.out.extend_from_slice(format!("{version},\"x\":").as_bytes());
            let after = std::mem::replace(&mut self.bytes, value);
            self.value(depth + 20);
            self.bytes = after;
            self.out.push(b'}');
        }
        self.out.push(b'}');
    }
}
