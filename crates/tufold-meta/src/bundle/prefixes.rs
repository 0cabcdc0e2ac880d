//! PEP 458's list of bins in a few words: all that stands in it follows from the number of bits.

use std::borrow::Cow;
use std::num::NonZeroU64;

use memchr::memmem;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde_json::value::RawValue;

use super::BundleError;
use crate::cjson::{self, CanonicalObject, ObjectCopy, ObjectWriter};
use crate::renewal::range_in;
use crate::{BitLength, DelegatedRole, KeyId, RoleKeys, Selector, Terminating};

/// What begins a list that is told. Where it stands nowhere, none is.
const MARK: &[u8] = b"\"roles\":{\"bit_length\":";

/// Nothing longer stands for a list, so that no reader makes very much of very little.
const MAX_TOLD_BYTES: usize = 1_024;

/// A list of bins.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    #[serde(deserialize_with = "bit_length")]
    bit_length: BitLength,
    keyids: Vec<KeyId>,
    name_prefix: String,
    terminating: bool,
    threshold: NonZeroU64,
}

fn bit_length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BitLength, D::Error> {
    let bits = u32::deserialize(deserializer)?;
    BitLength::new(bits).ok_or_else(|| D::Error::custom("no number of bits"))
}

impl Told {
    fn write(&self, out: &mut Vec<u8>) {
        let mut object = ObjectWriter::new(out, None);
        object.number("bit_length", self.bit_length.bits().into());
        object.strings("keyids", &self.keyids);
        object.string("name_prefix", &self.name_prefix);
        object.bool("terminating", self.terminating);
        object.number("threshold", self.threshold.get());
        object.end();
    }

    /// Appends the list itself.
    fn write_list(&self, out: &mut Vec<u8>) -> Option<()> {
        let keys = RoleKeys::new(self.keyids.clone(), self.threshold).ok()?;
        let mut role = DelegatedRole {
            name: String::new(),
            keys,
            terminating: if self.terminating { Terminating::Yes } else { Terminating::No },
            selector: Selector::PathHashPrefixes(Vec::new()),
            extra: Default::default(),
        };
        let mut before = b'[';
        for bin in self.bit_length.bins() {
            role.name = self.bit_length.role_name(&self.name_prefix, bin);
            role.selector =
                Selector::PathHashPrefixes(self.bit_length.hash_prefixes(bin).collect());
            out.push(before);
            role.write(out);
            before = b',';
        }
        out.push(b']');
        Some(())
    }
}

/// Delegations whose list is told; `None` if it cannot be.
pub(super) fn tell(delegations: &[u8]) -> Option<Vec<u8>> {
    let delegations = CanonicalObject::checked_before(delegations)?;
    let list = delegations.get("roles")?.value;
    let text = cjson::file_text(list);
    let roles: Vec<&RawValue> = serde_json::from_slice(&text).ok()?;
    let bit_length = BitLength::from_bin_count(roles.len() as u64)?;
    let first: DelegatedRole = serde_json::from_str(roles.first()?.get()).ok()?;
    let told = Told {
        bit_length,
        keyids: first.keys.keyids,
        name_prefix: first.name.rsplit_once('-')?.0.to_owned(),
        terminating: first.terminating == Terminating::Yes,
        threshold: first.keys.threshold,
    };
    let mut bytes = Vec::new();
    told.write(&mut bytes);
    if bytes.len() > MAX_TOLD_BYTES {
        return None;
    }
    let mut same = Vec::with_capacity(list.len());
    told.write_list(&mut same)?;
    if same != list {
        return None;
    }
    let mut out = Vec::new();
    let mut object = ObjectCopy::new(&mut out);
    for field in delegations.entries() {
        match field.raw_key {
            b"roles" => object.key(b"roles").extend_from_slice(&bytes),
            _ => object.entry(field.whole),
        }
    }
    object.end();
    Some(out)
}

/// A flattened repository with all lists as they are. `most_bins` gives how many bins there can be, in all lists together.
pub(super) fn expand(
    flattened: &[u8],
    most_bins: impl FnOnce() -> u64,
) -> Result<Cow<'_, [u8]>, BundleError> {
    let roles = match memmem::find(flattened, MARK) {
        None => None,
        Some(_) => CanonicalObject::parse(flattened).and_then(|top| top.object("roles")),
    };
    // What it is not is found out by whoever reads it.
    let Some(roles) = roles else { return Ok(Cow::Borrowed(flattened)) };
    let mut left = most_bins();
    let (mut out, mut done) = (Vec::new(), 0);
    for role in roles.entries() {
        let list = CanonicalObject::of(role)
            .and_then(|file| file.object("signed")?.object("delegations")?.get("roles"));
        let Some(told) = list.map(|list| list.value).filter(|value| value.starts_with(b"{")) else {
            continue;
        };
        let damaged = BundleError::Damaged("it tells of bins in another way than a bundle does");
        if told.len() > MAX_TOLD_BYTES {
            return Err(damaged);
        }
        let list: Told = serde_json::from_slice(&cjson::file_text(told)).map_err(|_| damaged)?;
        left = left
            .checked_sub(list.bit_length.bin_count())
            .ok_or(BundleError::Damaged("it tells of more bins than the snapshot lists"))?;
        let range = range_in(flattened, told);
        out.extend_from_slice(&flattened[done..range.start]);
        list.write_list(&mut out).ok_or(BundleError::Damaged("it tells of bins without a key"))?;
        done = range.end;
    }
    out.extend_from_slice(&flattened[done..]);
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(bits: u32, prefix: &str) -> Told {
        Told {
            bit_length: BitLength::new(bits).unwrap(),
            keyids: vec![serde_json::from_str("\"0a\"").unwrap()],
            name_prefix: prefix.to_owned(),
            terminating: false,
            threshold: NonZeroU64::MIN,
        }
    }

    fn delegations(list: &[u8]) -> Vec<u8> {
        [b"{\"keys\":{},\"roles\":", list, b"}"].concat()
    }

    fn flattened(delegations: &[u8]) -> Vec<u8> {
        [b"{\"roles\":{\"bins.json\":{\"signed\":{\"delegations\":", delegations, b"}}}}"].concat()
    }

    #[test]
    fn a_list_of_bins_is_told_and_comes_back() {
        for bits in [1, 3, 4, 5, 9] {
            for prefix in ["bins", "", "a\"b", "\u{7}-"] {
                let mut list = Vec::new();
                told(bits, prefix).write_list(&mut list).unwrap();
                let found = tell(&delegations(&list)).unwrap();
                assert!(found.len() < 200, "{bits} {prefix:?}");
                let short = flattened(&found);
                let whole = flattened(&delegations(&list));
                assert_eq!(expand(&short, || 1 << bits).unwrap(), whole, "{bits} {prefix:?}");
                assert_eq!(expand(&whole, || 0).unwrap(), whole);
                assert!(expand(&short, || (1 << bits) - 1).is_err(), "{bits} {prefix:?}");
            }
        }
    }

    #[test]
    fn any_other_list_stays() {
        let mut list = Vec::new();
        told(2, "bins").write_list(&mut list).unwrap();
        let list = String::from_utf8(list).unwrap();
        for (old, new) in [
            ("\"bins-2\"", "\"bins-02\""),
            ("\"threshold\":1}]", "\"threshold\":2}]"),
            ("\"threshold\":1}]", "\"threshold\":1,\"x\":1}]"),
            ("\"f\"", "\"e\""),
            ("path_hash_prefixes", "paths"),
            ("0a", &"0a".repeat(512)),
        ] {
            let other = list.replace(old, new);
            assert_ne!(other, list, "{old}");
            assert_eq!(tell(&delegations(other.as_bytes())), None, "{new}");
        }
        for other in ["[]", "[{}]", "{}", "7"] {
            assert_eq!(tell(&delegations(other.as_bytes())), None, "{other}");
        }
    }

    /// Each of many roles could tell of as many bins as there are.
    #[test]
    fn all_lists_together_have_no_more_bins_than_there_are() {
        let mut list = Vec::new();
        told(2, "bins").write_list(&mut list).unwrap();
        let short = String::from_utf8(tell(&delegations(&list)).unwrap()).unwrap();
        let role = |name: &str| format!("\"{name}\":{{\"signed\":{{\"delegations\":{short}}}}}");
        let two = format!("{{\"roles\":{{{},{}}}}}", role("a.json"), role("b.json"));
        assert!(expand(two.as_bytes(), || 8).is_ok());
        assert!(expand(two.as_bytes(), || 7).is_err());
    }

    #[test]
    fn what_is_told_otherwise_is_refused() {
        let mut good = Vec::new();
        told(2, "bins").write(&mut good);
        let good = String::from_utf8(good).unwrap();
        for (old, new) in [
            ("\"bit_length\":2", "\"bit_length\":0"),
            ("\"bit_length\":2", "\"bit_length\":33"),
            ("\"bit_length\":2", "\"bit_length\":32"),
            ("\"bit_length\":2", "\"bit_length\":2,\"c\":1"),
            ("0a", &"0a".repeat(512)),
            ("[\"0a\"]", "[\"0a\",\"0a\"]"),
            ("\"threshold\":1", "\"threshold\":0"),
        ] {
            let bad = good.replace(old, new);
            assert_ne!(bad, good, "{old}");
            assert!(expand(&flattened(&delegations(bad.as_bytes())), || 4).is_err(), "{new}");
        }
    }
}
