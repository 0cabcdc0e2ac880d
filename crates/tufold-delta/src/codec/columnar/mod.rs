//! `columnar`: what changed between two canonical JSON documents, column by column.
//!
//! The payload: nothing at all if the document stayed as it was; else a byte of flags, then if flagged a length and as many raw bytes (hex digits mostly), then the stream of
//! the range coder. `FORMAT.md` has each decision in order.

mod blocks;
mod coder;
mod counts;
mod decode;
mod encode;
mod int;
mod mix;
mod models;
mod neighbours;
mod old;
mod out;
mod scan;
mod skeleton;
mod symbols;
mod tally;
mod text;
mod time;
mod walk;

use crate::{Codec, Column, Error, varint};
use coder::{Coder, Reader};
use decode::Decoder;
use models::{Context, Models};
use out::Out;
use skeleton::Skeleton;
use tally::Tally;
use text::Room;

const BY_LAST_EVENT: u8 = 1;
const BY_SIZE: u8 = 2;
const UNSORTED: u8 = 4;
const RAW: u8 = 8;
/// The flag byte's upper half is the room for strings.
const ROOM_SHIFT: u32 = 4;

/// New entries and symbols of strings: so many for each byte of payload, one for so many bytes of the
/// result, and some for nothing.
const SYMBOLS_PER_BYTE: u64 = 64;
const BYTES_PER_SYMBOL: u64 = 16;
const FREE_SYMBOLS: u64 = 1 << 16;

pub(crate) fn encode(base: Option<&[u8]>, new: &[u8]) -> Result<Vec<u8>, Error> {
    if base == Some(new) {
        return Ok(Vec::new());
    }
    let (payload, symbols) = write(base, new)?;
    if symbols > max_symbols(payload.len(), new.len()) {
        return Err(declined("it takes more work than a reader allows"));
    }
    Ok(payload)
}

fn declined(why: &'static str) -> Error {
    Error::Declined { codec: Codec::Columnar, why }
}

/// The payload, and how many symbols a reader will count.
fn write(base: Option<&[u8]>, new: &[u8]) -> Result<(Vec<u8>, u64), Error> {
    let mut models = Models::new(Context::default(), Room::default());
    let mut walk = walk::walk(base, new, &mut models).ok_or(declined("it is not compact JSON"))?;
    encode::choose(&mut models, &walk);
    let (raw, stream) = encode::code(&mut models, &mut walk);
    let mut flags = models.room.number() << ROOM_SHIFT;
    for (flag, set) in [
        (BY_LAST_EVENT, models.context.last_event),
        (BY_SIZE, models.context.size),
        (UNSORTED, walk.unsorted),
        (RAW, !raw.is_empty()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    let mut payload = vec![flags];
    if !raw.is_empty() {
        varint::write(&mut payload, raw.len() as u64);
        payload.extend_from_slice(&raw);
    }
    payload.extend_from_slice(&stream);
    Ok((payload, models.symbols))
}

pub(crate) fn apply(
    base: Option<&[u8]>,
    payload: &[u8],
    result_len: usize,
) -> Result<Vec<u8>, Error> {
    let Some(parts) = Parts::split(payload, result_len)? else {
        return unchanged(base, result_len);
    };
    let decoder = parts.decoder(base, Reader::new(parts.stream), result_len);
    Ok(decoder.run(base.is_some())?.0)
}

/// Rebuilds the document, and says what each column takes.
pub(crate) fn tally(
    base: Option<&[u8]>,
    payload: &[u8],
    result_len: usize,
) -> Result<(Vec<u8>, Vec<Column>), Error> {
    let Some(parts) = Parts::split(payload, result_len)? else {
        return Ok((unchanged(base, result_len)?, Vec::new()));
    };
    let decoder = parts.decoder(base, Tally::new(Reader::new(parts.stream)), result_len);
    let (rebuilt, tally, models) = decoder.run(base.is_some())?;
    Ok((rebuilt, tally.finish(&models)))
}

/// How many raw bytes and bytes of stream there are.
pub(crate) fn section_lens(payload: &[u8]) -> Result<(u64, u64), Error> {
    let parts = Parts::split(payload, 0)?;
    Ok(parts.map_or((0, 0), |parts| (parts.raw.len() as u64, parts.stream.len() as u64)))
}

/// What an empty payload stands for.
fn unchanged(base: Option<&[u8]>, result_len: usize) -> Result<Vec<u8>, Error> {
    let base = base.filter(|b| b.len() == result_len);
    base.map(<[u8]>::to_vec).ok_or(Error::Damaged("an empty payload for a new document"))
}

/// A payload taken apart.
struct Parts<'p> {
    context: Context,
    room: Room,
    unsorted: bool,
    raw: &'p [u8],
    stream: &'p [u8],
    max_symbols: u64,
}

impl<'p> Parts<'p> {
    /// `None` if the payload is empty.
    fn split(payload: &'p [u8], result_len: usize) -> Result<Option<Self>, Error> {
        let Some((&flags, mut stream)) = payload.split_first() else { return Ok(None) };
        let unknown = Error::Unsupported { what: "columnar flags", value: flags };
        let room = Room::from_number(flags >> ROOM_SHIFT).ok_or(unknown)?;
        let mut raw: &[u8] = &[];
        if flags & RAW != 0 {
            let len = varint::read(&mut stream)?;
            let split = usize::try_from(len).ok().and_then(|len| stream.split_at_checked(len));
            (raw, stream) = split.ok_or(Error::Damaged("its raw bytes are cut short"))?;
        }
        let context =
            Context { last_event: flags & BY_LAST_EVENT != 0, size: flags & BY_SIZE != 0 };
        let (unsorted, max_symbols) =
            (flags & UNSORTED != 0, max_symbols(payload.len(), result_len));
        Ok(Some(Self { context, room, unsorted, raw, stream, max_symbols }))
    }

    fn decoder<'d, C: Coder>(
        &self,
        base: Option<&'d [u8]>,
        reader: C,
        result_len: usize,
    ) -> Decoder<'d, C>
    where
        'p: 'd,
    {
        let base = base.unwrap_or_default();
        Decoder {
            base,
            raw: self.raw,
            reader,
            models: Models::new(self.context, self.room),
            out: Out::new(base, result_len),
            unsorted: self.unsorted,
            max_symbols: self.max_symbols,
            skeleton: Skeleton::default(),
            leaves: Vec::new(),
        }
    }
}

fn max_symbols(payload_len: usize, result_len: usize) -> u64 {
    SYMBOLS_PER_BYTE * payload_len as u64 + result_len as u64 / BYTES_PER_SYMBOL + FREE_SYMBOLS
}

#[cfg(test)]
mod tests;
