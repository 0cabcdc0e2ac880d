//! New bins out of old ones, when their number changes: which come of which, their documents, and the object that spares a
//! reader the new files. `PROTOCOL.md` specifies all of it.

use std::borrow::Cow;

use crate::bundle::BundleError;
use crate::cjson::{self, CanonicalObject, Entry, unescape};
use crate::{Bin, BitLength, Digest, Envelope, KeyId, Signed, Time, Version, varint};

/// A change of the number of bins.
///
/// Old and new bins fall into groups that have nothing to do with one another: one old bin and the new ones that it splits
/// into, or the old ones that merge and the one that they become.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Regroup {
    /// The bins before.
    pub from: BitLength,
    /// The bins now.
    pub to: BitLength,
}

/// A bin that was made of others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NewBin {
    /// Its canonical `signed`.
    pub signed: Vec<u8>,
    /// How many targets it lists.
    pub targets: u64,
}

impl Regroup {
    /// The larger bins, of which each group has one: the old ones where they split, the new ones where they merge. A
    /// group goes by its number.
    pub fn groups(self) -> BitLength {
        self.from.min(self.to)
    }

    /// The group that a bin is in, of so many bits.
    pub fn group_of(self, bits: BitLength, bin: Bin) -> Option<Bin> {
        let spare = bits.bits().checked_sub(self.groups().bits())?;
        self.groups().nth(bin.number() >> spare)
    }

    /// The old bins of a group.
    pub fn old_bins(self, group: Bin) -> impl Iterator<Item = Bin> {
        self.members(group, self.from)
    }

    /// The new bins of a group.
    pub fn new_bins(self, group: Bin) -> impl Iterator<Item = Bin> {
        self.members(group, self.to)
    }

    fn members(self, group: Bin, bits: BitLength) -> impl Iterator<Item = Bin> {
        let spare = bits.bits() - self.groups().bits();
        let first = u64::from(group.number()) << spare;
        let numbers = (first..first + (1 << spare)).filter_map(|bin| u32::try_from(bin).ok());
        numbers.filter_map(move |bin| bits.nth(bin))
    }

    /// The canonical `signed` of each new bin of a group, from those of the old ones, in order. They say what the first old
    /// bin says, but for the targets, the version and the expiry.
    ///
    /// # Errors
    /// An old bin that is not canonical, or that lists a target of another bin.
    pub fn documents(
        self,
        group: Bin,
        old: &[impl AsRef<[u8]>],
        version: Version,
        expires: Time,
    ) -> Result<Vec<NewBin>, BundleError> {
        let objects = old.iter().map(|signed| CanonicalObject::parse(signed.as_ref()));
        self.documents_of(
            group,
            &objects.collect::<Option<Vec<_>>>().ok_or(NO_BIN)?,
            version,
            expires,
        )
    }

    /// As [`Regroup::documents`] for files that were taken apart, and so are canonical.
    ///
    /// # Errors
    /// As [`Regroup::documents`].
    pub fn documents_of_files(
        self,
        group: Bin,
        old: &[Signed<()>],
        version: Version,
        expires: Time,
    ) -> Result<Vec<NewBin>, BundleError> {
        let objects = old.iter().map(|file| CanonicalObject::checked_before(file.canonical()));
        self.documents_of(
            group,
            &objects.collect::<Option<Vec<_>>>().ok_or(NO_BIN)?,
            version,
            expires,
        )
    }

    fn documents_of(
        self,
        group: Bin,
        old: &[CanonicalObject<'_>],
        version: Version,
        expires: Time,
    ) -> Result<Vec<NewBin>, BundleError> {
        let fields: Vec<Vec<_>> = old.iter().map(|object| object.entries().collect()).collect();
        let first = fields.first().ok_or(NO_BIN)?;
        if old.len() != self.old_bins(group).count() {
            return Err(NO_BIN);
        }
        let mut new: Vec<Vec<Target<'_>>> = self.new_bins(group).map(|_| Vec::new()).collect();
        let first_new = self.new_bins(group).next().map_or(0, Bin::number);
        for (bin, fields) in self.old_bins(group).zip(&fields) {
            let targets = fields.iter().find(|field| field.raw_key == b"targets");
            let targets = targets.and_then(|field| CanonicalObject::of(*field)).ok_or(NO_BIN)?;
            for entry in targets.entries() {
                let path = unescape(entry.raw_key);
                let digest = Digest::of(&path);
                let home = self.to.bin_of_digest(&digest);
                if self.from.bin_of_digest(&digest) != bin {
                    let path = String::from_utf8_lossy(&path).into_owned();
                    return Err(BundleError::Elsewhere(path));
                }
                let place = (home.number() - first_new) as usize;
                new[place].push(Target { path, whole: entry.whole });
            }
        }
        if old.len() > 1 {
            new.iter_mut().for_each(|list| list.sort_by(|a, b| a.path.cmp(&b.path)));
        }
        let bin = |list: &Vec<_>| {
            let signed = document(first, list, version, expires)?;
            Some(NewBin { signed, targets: list.len() as u64 })
        };
        new.iter().map(bin).collect::<Option<_>>().ok_or(NO_BIN)
    }
}

const NO_BIN: BundleError = BundleError::Damaged("an old bin is no targets role in canonical form");

struct Target<'a> {
    path: Cow<'a, [u8]>,
    whole: &'a [u8],
}

/// What `like` says, with other targets, version and expiry.
fn document(
    like: &[Entry<'_>],
    targets: &[Target<'_>],
    version: Version,
    expires: Time,
) -> Option<Vec<u8>> {
    let len_bytes: usize = targets.iter().map(|target| target.whole.len() + 1).sum();
    let mut out = Vec::with_capacity(len_bytes + 512);
    let mut object = cjson::ObjectCopy::new(&mut out);
    let mut set = 0;
    for field in like {
        match field.raw_key {
            b"expires" => cjson::write_string(&expires.to_string(), object.key(b"expires")),
            b"targets" => {
                let mut list = cjson::ObjectCopy::new(object.key(b"targets"));
                targets.iter().for_each(|target| list.entry(target.whole));
                list.end();
            }
            b"version" => cjson::write_number(version.get(), object.key(b"version")),
            _ => {
                object.entry(field.whole);
                continue;
            }
        }
        set += 1;
    }
    object.end();
    (set == 3).then_some(out)
}

/// What a reader needs beside the old bins of a group to have the files of the new ones.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BinsDelta {
    /// The versions that the old bins had last.
    pub old: Vec<Version>,
    /// When the new bins expire.
    pub expires: Time,
    /// What tells the old bins from others.
    pub check: [u8; BinsDelta::CHECK_LEN_BYTES],
    /// The signatures of each new bin.
    pub envelopes: Vec<Envelope>,
}

/// What the object begins with. Any other number is of a form that does not exist yet.
const FORM: u64 = 0;

/// A group of more bins than that is no delta: the whole files are as good.
const MAX_BINS: usize = 64;

impl BinsDelta {
    /// How many bytes tell the old bins from others. They catch mistakes only.
    pub const CHECK_LEN_BYTES: usize = 3;

    /// Whether the groups of a change are small enough for such objects.
    pub fn fits(change: Regroup) -> bool {
        let most = change.from.max(change.to).bits() - change.groups().bits();
        1_usize.checked_shl(most).is_some_and(|bins| bins <= MAX_BINS)
    }

    /// The check of old bins, given by their canonical `signed`.
    pub fn check(old: &[impl AsRef<[u8]>]) -> [u8; Self::CHECK_LEN_BYTES] {
        let mut digests = Vec::with_capacity(old.len() * 32);
        for signed in old {
            digests.extend_from_slice(Digest::of(signed.as_ref()).as_bytes());
        }
        let [a, b, c, ..] = *Digest::of(&digests).as_bytes();
        [a, b, c]
    }

    /// The object's bytes. `first` is the version that the new bins start at, and `keyids` are those that the bins'
    /// delegation lists, in its order. `None` for old bins that are no older, or an expiry before 1970.
    pub fn to_bytes(&self, first: Version, keyids: &[KeyId]) -> Option<Vec<u8>> {
        let mut out = Vec::with_capacity(16 + 66 * self.envelopes.len());
        varint::write(FORM, &mut out);
        for old in &self.old {
            varint::write(first.get().checked_sub(old.get()).filter(|age| *age > 0)?, &mut out);
        }
        varint::write(u64::try_from(self.expires.unix_seconds()).ok()?, &mut out);
        out.extend_from_slice(&self.check);
        self.envelopes.iter().for_each(|envelope| envelope.write(keyids, &mut out));
        Some(out)
    }

    /// Reads the object of one group of a change.
    ///
    /// # Errors
    /// Bytes that are no such object, or that go on behind it.
    pub fn parse(
        mut bytes: &[u8],
        change: Regroup,
        first: Version,
        keyids: &[KeyId],
    ) -> Result<Self, BundleError> {
        let damaged = || BundleError::Damaged("it is no delta of bins");
        let mut number = || varint::take(&mut bytes).ok_or_else(damaged);
        if number()? != FORM || !Self::fits(change) {
            return Err(damaged());
        }
        let group = change.groups().nth(0).ok_or_else(damaged)?;
        let mut old = Vec::new();
        for _ in change.old_bins(group) {
            let age = Some(number()?).filter(|age| *age > 0);
            let version = age.and_then(|age| first.get().checked_sub(age)).and_then(Version::new);
            old.push(version.ok_or_else(damaged)?);
        }
        let expires = i64::try_from(number()?).ok().and_then(Time::from_unix_seconds);
        let expires = expires.ok_or_else(damaged)?;
        let (check, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        bytes = rest;
        let envelope = |_| Envelope::take(&mut bytes, keyids).ok().flatten().ok_or_else(damaged);
        let envelopes = change.new_bins(group).map(envelope).collect::<Result<_, _>>()?;
        if !bytes.is_empty() {
            return Err(damaged());
        }
        Ok(Self { old, expires, check: *check, envelopes })
    }
}

/// What such an object says to somebody who knows neither the change nor the keys.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BinsOutline {
    /// How many versions each old bin lies behind the first version of the new ones.
    pub ages: Vec<u64>,
    /// When the new bins expire.
    pub expires: Time,
    /// How many new bins there are.
    pub new_bins: u64,
    /// How many signatures they have in all.
    pub signatures: u64,
    /// What these take.
    pub signature_bytes: u64,
}

impl BinsOutline {
    /// Reads an object of one old bin and several new ones or the other way round; `None` if it is none.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        // The signatures end with the object for hardly any count but the right one.
        let powers = || (0..=MAX_BINS.ilog2()).map(|bits| 1_usize << bits);
        let splits = powers().map(|new| (1, new));
        let merges = powers().map(|old| (old, 1));
        splits.chain(merges).find_map(|(old, new)| Self::read(bytes, old, new))
    }

    fn read(mut bytes: &[u8], old: usize, new: usize) -> Option<Self> {
        if varint::take(&mut bytes)? != FORM {
            return None;
        }
        let age = |bytes: &mut &[u8]| varint::take(bytes).filter(|age| *age > 0);
        let ages = (0..old).map(|_| age(&mut bytes)).collect::<Option<_>>()?;
        let expires = i64::try_from(varint::take(&mut bytes)?).ok()?;
        let expires = Time::from_unix_seconds(expires)?;
        bytes = bytes.get(BinsDelta::CHECK_LEN_BYTES..)?;
        let signature_bytes = bytes.len() as u64;
        let mut signatures = 0;
        for _ in 0..new {
            signatures += Envelope::skip(&mut bytes).ok()??;
        }
        let new_bins = new as u64;
        let outline = Self { ages, expires, new_bins, signatures, signature_bytes };
        bytes.is_empty().then_some(outline)
    }
}

#[cfg(test)]
mod tests;
