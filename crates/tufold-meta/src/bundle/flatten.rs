//! A targets role taken apart and put together, and many of them flattened into one document.

use std::borrow::Cow;

use super::BundleError;
use super::table::{Home, Table};
use crate::cjson::{self, CanonicalObject, Entry, ObjectCopy, merge, unescape};
use crate::names::meta_name;
use crate::{Delegations, Version};

/// A targets role's file, whole or as a flattened repository has it: without its version and
/// without the targets that hashing gives back to it.
#[derive(Debug)]
pub(super) struct Document<'a> {
    file: CanonicalObject<'a>,
    signed: CanonicalObject<'a>,
    targets: Option<CanonicalObject<'a>>,
    delegations: Option<&'a [u8]>,
    has_version: bool,
    pub(super) version: Option<u64>,
}

impl<'a> Document<'a> {
    /// `None` if the file has not what each targets role has.
    pub(super) fn whole(file: CanonicalObject<'a>) -> Option<Self> {
        let document = Self::any(file)?;
        (document.version.is_some() && document.targets.is_some()).then_some(document)
    }

    /// `None` if it is not of the form that [`flatten`] writes.
    pub(super) fn flattened(file: CanonicalObject<'a>) -> Option<Self> {
        let document = Self::any(file)?;
        (!document.has_version).then_some(document)
    }

    fn any(file: CanonicalObject<'a>) -> Option<Self> {
        let signed = file.object("signed")?;
        let mut document = Self {
            file,
            signed,
            targets: None,
            delegations: None,
            has_version: false,
            version: None,
        };
        for field in signed.entries() {
            match field.raw_key {
                b"delegations" => document.delegations = Some(field.value),
                b"targets" => document.targets = Some(CanonicalObject::of(field)?),
                b"version" => {
                    document.has_version = true;
                    document.version = str::from_utf8(field.value).ok()?.parse().ok();
                }
                _ => {}
            }
        }
        Some(document)
    }

    /// What the role delegates.
    pub(super) fn delegations(&self, role: &str) -> Result<Option<Delegations>, BundleError> {
        let Some(delegations) = self.delegations else { return Ok(None) };
        let delegations = serde_json::from_slice(&cjson::file_text(delegations));
        delegations.map(Some).map_err(|_| BundleError::NotCanonical(role.to_owned()))
    }

    fn targets(&self) -> impl Iterator<Item = Entry<'a>> {
        self.targets.into_iter().flat_map(CanonicalObject::entries)
    }

    /// The file, from its flattened form, with the targets that came back to it.
    pub(super) fn file(
        &self,
        routed: &[Entry<'_>],
        version: Version,
    ) -> Result<Vec<u8>, BundleError> {
        let own: Vec<_> = self.targets().collect();
        let mut targets = b"\"targets\":".to_vec();
        targets.reserve(routed.iter().map(|target| target.whole.len() + 1).sum::<usize>() + 2);
        merge(&own, routed, &mut targets).ok_or(BundleError::Damaged("a target stands twice"))?;
        let mut number = b"\"version\":".to_vec();
        cjson::write_number(version.get(), &mut number);
        let added = [Entry::new(b"targets", &targets), Entry::new(b"version", &number)];

        let mut signed = b"\"signed\":".to_vec();
        signed.reserve(targets.len() + self.signed.bytes().len() + 32);
        with_fields(self.signed, b"targets", &added, &mut signed)?;
        let mut file = Vec::with_capacity(signed.len() + self.file.bytes().len());
        with_fields(self.file, b"signed", &[Entry::new(b"signed", &signed)], &mut file)?;
        Ok(match cjson::file_text(&file) {
            Cow::Borrowed(_) => file,
            Cow::Owned(text) => text,
        })
    }

    /// Appends the flattened form, with the targets that hashing would not give back.
    fn write(&self, own: &[Entry<'_>], out: &mut Vec<u8>) {
        let mut file = ObjectCopy::new(out);
        for field in self.file.entries() {
            if field.raw_key != b"signed" {
                file.entry(field.whole);
                continue;
            }
            let mut signed = ObjectCopy::new(file.key(b"signed"));
            for field in self.signed.entries() {
                match field.raw_key {
                    b"version" => {}
                    b"targets" if own.is_empty() => {}
                    b"targets" => {
                        let mut targets = ObjectCopy::new(signed.key(b"targets"));
                        own.iter().for_each(|target| targets.entry(target.whole));
                        targets.end();
                    }
                    _ => signed.entry(field.whole),
                }
            }
            signed.end();
        }
        file.end();
    }
}

/// Appends `object` without the field `left_out` and with others, which must be new to it.
pub(super) fn with_fields(
    object: CanonicalObject<'_>,
    left_out: &[u8],
    added: &[Entry<'_>],
    out: &mut Vec<u8>,
) -> Result<(), BundleError> {
    let kept = object.entries().filter(|field| field.raw_key != left_out).collect::<Vec<_>>();
    merge(&kept, added, out).ok_or(BundleError::Damaged("a field stands twice"))
}

/// Many roles as one document: their targets as one map, and the rest of each.
pub(super) fn flatten(
    snapshot: CanonicalObject<'_>,
    roles: &[(&str, Document<'_>)],
    table: &Table,
) -> Vec<u8> {
    let mut routed: Vec<(Cow<'_, [u8]>, &[u8])> = Vec::new();
    let mut out = Vec::with_capacity(roles.iter().map(|(_, role)| role.file.bytes().len()).sum());
    let mut top = ObjectCopy::new(&mut out);
    let mut object = ObjectCopy::new(top.key(b"roles"));
    let mut own = Vec::new();
    let mut name = Vec::new();
    for (place, (role, document)) in roles.iter().enumerate() {
        own.clear();
        for target in document.targets() {
            let path = unescape(target.raw_key);
            if table.home(&path) == Some(Home::Role(place)) {
                routed.push((path, target.whole));
            } else {
                own.push(target);
            }
        }
        name.clear();
        cjson::write_string(&meta_name(role), &mut name);
        document.write(&own, object.key(&name[1..name.len() - 1]));
    }
    object.end();
    let mut object = ObjectCopy::new(top.key(b"snapshot"));
    let envelope = snapshot.entries().filter(|field| field.raw_key != b"signed");
    envelope.for_each(|field| object.entry(field.whole));
    object.end();
    // The stable sort sees that each role's targets are in order.
    routed.sort();
    let mut object = ObjectCopy::new(top.key(b"targets"));
    routed.iter().for_each(|(_, whole)| object.entry(whole));
    object.end();
    top.end();
    out
}
