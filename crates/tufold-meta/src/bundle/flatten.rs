//! A targets role taken apart and put together, and many of them flattened into one document.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use super::sort::{Sortable, sort_by_path};
use super::table::{Chain, Home, Table};
use super::{BundleError, prefixes};
use crate::cjson::{
    self, CanonicalObject, CanonicalText, Entries, Entry, ObjectCopy, merge, unescape,
};
use crate::names::meta_name;
use crate::{Delegations, Version};

/// A targets role's file, whole or as a flattened repository has it: without its version and
/// without the targets that hashing gives back to it.
#[derive(Debug)]
pub(super) struct Document<'a> {
    len_bytes: usize,
    file: Vec<Entry<'a>>,
    signed: Vec<Entry<'a>>,
    targets: Option<Vec<Entry<'a>>>,
    delegations: Option<&'a [u8]>,
    has_version: bool,
    pub(super) version: Option<u64>,
}

impl<'a> Document<'a> {
    /// `None` if the file has not what each targets role has.
    pub(super) fn whole(file: CanonicalObject<'a>) -> Option<Self> {
        Self::whole_after(file, None)
    }

    /// As [`Document::whole`], from the version before it, from which it is quicker.
    pub(super) fn whole_after(
        file: CanonicalObject<'a>,
        before: Option<&Document<'_>>,
    ) -> Option<Self> {
        let document = Self::any(file, before.map(Document::targets).unwrap_or_default())?;
        (document.version.is_some() && document.targets.is_some()).then_some(document)
    }

    /// `None` if it is not of the form that [`flatten`] writes.
    pub(super) fn flattened(file: CanonicalObject<'a>) -> Option<Self> {
        let document = Self::any(file, &[])?;
        (!document.has_version).then_some(document)
    }

    /// Cuts the file in one go, for most of it is targets, and most of these are those before.
    fn any(file: CanonicalObject<'a>, before: &[Entry<'_>]) -> Option<Self> {
        let mut document = Self {
            len_bytes: file.bytes().len(),
            file: Vec::new(),
            signed: Vec::new(),
            targets: None,
            delegations: None,
            has_version: false,
            version: None,
        };
        let mut fields = file.entries();
        let mut is_signed = false;
        while let Some((key, value)) = fields.peek() {
            let field = if key == b"signed" {
                is_signed = true;
                let mut signed = Entries::inside(value)?;
                document.read_signed(&mut signed, before)?;
                fields.next_around(&signed)?
            } else {
                fields.next()?
            };
            document.file.push(field);
        }
        is_signed.then_some(document)
    }

    fn read_signed(&mut self, fields: &mut Entries<'a>, before: &[Entry<'_>]) -> Option<()> {
        while let Some((key, value)) = fields.peek() {
            let field = if key == b"targets" {
                let mut targets = Entries::inside(value)?;
                self.targets = Some(entries_after(&mut targets, before));
                fields.next_around(&targets)?
            } else {
                fields.next()?
            };
            match key {
                b"delegations" => self.delegations = Some(field.value),
                b"version" => {
                    self.has_version = true;
                    self.version = str::from_utf8(field.value).ok()?.parse().ok();
                }
                _ => {}
            }
            self.signed.push(field);
        }
        Some(())
    }

    /// What the role delegates.
    pub(super) fn delegations(&self, role: &str) -> Result<Option<Delegations>, BundleError> {
        let Some(delegations) = self.delegations else { return Ok(None) };
        let delegations = serde_json::from_slice(&cjson::file_text(delegations));
        delegations.map(Some).map_err(|_| BundleError::NotCanonical(role.to_owned()))
    }

    fn targets(&self) -> &[Entry<'a>] {
        self.targets.as_deref().unwrap_or_default()
    }

    /// The file, from its flattened form, with the targets that came back to it.
    pub(super) fn file(
        &self,
        routed: &[Entry<'_>],
        version: Version,
    ) -> Result<Vec<u8>, BundleError> {
        let mut targets = b"\"targets\":".to_vec();
        targets.reserve(routed.iter().map(|target| target.whole.len() + 1).sum::<usize>() + 2);
        merge(self.targets(), routed, &mut targets)
            .ok_or(BundleError::Damaged("a target stands twice"))?;
        let mut number = b"\"version\":".to_vec();
        cjson::write_number(version.get(), &mut number);
        let added = [Entry::new(b"targets", &targets), Entry::new(b"version", &number)];

        let mut signed = b"\"signed\":".to_vec();
        signed.reserve(targets.len() + self.len_bytes + 32);
        with_fields(&self.signed, b"targets", &added, &mut signed)?;
        let mut file = Vec::with_capacity(signed.len() + self.len_bytes);
        with_fields(&self.file, b"signed", &[Entry::new(b"signed", &signed)], &mut file)?;
        Ok(match cjson::file_text(&file) {
            Cow::Borrowed(_) => file,
            Cow::Owned(text) => text,
        })
    }

    /// Appends the flattened form, with the targets that hashing would not give back.
    fn write(&self, own: &[Entry<'_>], out: &mut Vec<u8>) {
        let mut file = ObjectCopy::new(out);
        for field in &self.file {
            if field.raw_key != b"signed" {
                file.entry(field.whole);
                continue;
            }
            let mut signed = ObjectCopy::new(file.key(b"signed"));
            for field in &self.signed {
                match field.raw_key {
                    b"version" => {}
                    b"targets" if own.is_empty() => {}
                    b"targets" => {
                        let mut targets = ObjectCopy::new(signed.key(b"targets"));
                        own.iter().for_each(|target| targets.entry(target.whole));
                        targets.end();
                    }
                    b"delegations" => match prefixes::tell(field.value) {
                        Some(told) => signed.key(b"delegations").extend_from_slice(&told),
                        None => signed.entry(field.whole),
                    },
                    _ => signed.entry(field.whole),
                }
            }
            signed.end();
        }
        file.end();
    }
}

/// All entries, many of which are among those before.
fn entries_after<'a>(entries: &mut Entries<'a>, before: &[Entry<'_>]) -> Vec<Entry<'a>> {
    let mut found = Vec::with_capacity(before.len());
    let mut before = before.iter().peekable();
    loop {
        if let Some(same) = before.peek().and_then(|entry| entries.next_if_same(entry)) {
            before.next();
            found.push(same);
            continue;
        }
        let Some(entry) = entries.next() else { return found };
        while before.next_if(|old| old.raw_key <= entry.raw_key).is_some() {}
        found.push(entry);
    }
}

/// Appends the object of `fields` without the one `left_out` and with others, which must be new to it.
pub(super) fn with_fields(
    fields: &[Entry<'_>],
    left_out: &[u8],
    added: &[Entry<'_>],
    out: &mut Vec<u8>,
) -> Result<(), BundleError> {
    let kept: Vec<_> = fields.iter().copied().filter(|field| field.raw_key != left_out).collect();
    merge(&kept, added, out).ok_or(BundleError::Damaged("a field stands twice"))
}

/// Some roles of one state of a repository, and its snapshot.
#[derive(Debug)]
pub(super) struct Side<'a> {
    pub(super) snapshot: CanonicalObject<'a>,
    /// By name, in order.
    pub(super) roles: Vec<(&'a str, Document<'a>)>,
}

impl<'a> Side<'a> {
    pub(super) fn places(&self) -> HashMap<&'a str, usize> {
        self.roles.iter().enumerate().map(|(place, (role, _))| (*role, place)).collect()
    }

    fn target_count(&self) -> usize {
        self.roles.iter().map(|(_, role)| role.targets().len()).sum()
    }

    fn len_bytes(&self) -> usize {
        self.roles.iter().map(|(_, role)| role.len_bytes).sum()
    }

    /// The flattened document of these targets, each role with those of its own that hashing would not give back.
    fn write<'e>(
        &self,
        own: impl Fn(usize) -> &'e [Entry<'e>],
        routed: impl Iterator<Item = &'e [u8]>,
    ) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len_bytes());
        let mut top = ObjectCopy::new(&mut out);
        let mut object = ObjectCopy::new(top.key(b"roles"));
        let mut name = Vec::new();
        for (place, (role, document)) in self.roles.iter().enumerate() {
            name.clear();
            cjson::write_string(&meta_name(role), &mut name);
            document.write(own(place), object.key(&name[1..name.len() - 1]));
        }
        object.end();
        write_envelope(self.snapshot, top.key(b"snapshot"));
        let mut object = ObjectCopy::new(top.key(b"targets"));
        routed.for_each(|whole| object.entry(whole));
        object.end();
        top.end();
        out
    }
}

/// Many roles as one document: their targets as one map, and the rest of each.
///
/// `file` gives the file of each role in turn, which is let go before the next one; `seen` gets it with what it says.
pub(super) fn flatten<'a>(
    snapshot: CanonicalObject<'_>,
    roles: &[&str],
    table: &Table,
    mut file: impl FnMut(usize) -> Result<CanonicalText<'a>, BundleError>,
    mut seen: impl FnMut(usize, &Document<'_>) -> Result<(), BundleError>,
) -> Result<Vec<u8>, BundleError> {
    let mut out = Vec::new();
    let mut routed = Routed::default();
    let mut top = ObjectCopy::new(&mut out);
    let mut object = ObjectCopy::new(top.key(b"roles"));
    let mut name = Vec::new();
    for (place, role) in roles.iter().enumerate() {
        let text = file(place)?;
        let document = text.object().and_then(Document::whole);
        let document = document.ok_or_else(|| BundleError::NotCanonical((*role).to_owned()))?;
        seen(place, &document)?;
        let mut own = Vec::new();
        for target in document.targets() {
            if table.home(&unescape(target.raw_key)) == Some(Home::Role(place)) {
                routed.push(target);
            } else {
                own.push(*target);
            }
        }
        name.clear();
        cjson::write_string(&meta_name(role), &mut name);
        document.write(&own, object.key(&name[1..name.len() - 1]));
    }
    object.end();
    write_envelope(snapshot, top.key(b"snapshot"));
    let targets = top.key(b"targets");
    targets.reserve_exact(routed.len_bytes() + 2);
    let mut object = ObjectCopy::new(targets);
    routed.for_each_sorted(|whole| object.entry(whole));
    object.end();
    top.end();
    Ok(out)
}

/// Appends all fields of a snapshot's file but what is signed.
fn write_envelope(snapshot: CanonicalObject<'_>, out: &mut Vec<u8>) {
    let mut object = ObjectCopy::new(out);
    let envelope = snapshot.entries().filter(|field| field.raw_key != b"signed");
    envelope.for_each(|field| object.entry(field.whole));
    object.end();
}

/// Targets by their paths, copied one behind the other: what they come from need not stay.
#[derive(Default)]
struct Routed {
    bytes: Vec<u8>,
    places: Vec<Sortable<Place>>,
}

/// Where one target is among the copied bytes.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    key_len: u32,
    len: u32,
}

impl Routed {
    /// A longer target than four GiB is in no file that anybody reads.
    fn push(&mut self, target: &Entry<'_>) {
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let (key_len, len) = (len(target.raw_key), len(target.whole));
        self.places.push(Sortable::new(Place { at: self.bytes.len(), key_len, len }));
        self.bytes.extend_from_slice(target.whole);
    }

    /// What they take with a comma each.
    fn len_bytes(&self) -> usize {
        self.bytes.len() + self.places.len()
    }

    /// In the order of the paths; what has the same path stays in the order in which it came.
    fn for_each_sorted(self, mut each: impl FnMut(&[u8])) {
        let Self { bytes, mut places } = self;
        sort_by_path(&mut places, &|place| {
            // Behind the opening quote.
            let start = place.at + 1;
            unescape(&bytes[start..start + place.key_len as usize])
        });
        for Sortable { of: Place { at, len, .. }, .. } in places {
            each(&bytes[at..at + len as usize]);
        }
    }
}

/// [`flatten()`] for both sides of a step that leaves the delegations to the bins as they are.
pub(super) fn flatten_both<'s>(
    old: &'s Side<'_>,
    new: &'s Side<'_>,
    chain: &Chain,
) -> (Vec<u8>, Vec<u8>) {
    let mut names: Vec<&str> = old.roles.iter().chain(&new.roles).map(|(role, _)| *role).collect();
    names.sort_unstable();
    names.dedup();
    let table = Table::new(chain, names.iter().copied());
    // Both lists are in the order of `<role>.json`, so each role is looked up by its name.
    let (old_places, new_places) = (old.places(), new.places());
    let mut routed: Vec<Moved<'_>> =
        Vec::with_capacity(old.target_count().max(new.target_count()) + 1_024);
    let mut old_own = vec![Vec::new(); old.roles.len()];
    let mut new_own = vec![Vec::new(); new.roles.len()];
    for (home, role) in names.iter().enumerate() {
        let (before, after) = (old_places.get(role), new_places.get(role));
        let targets = |side: &'s Side<'_>, at: Option<&usize>| {
            at.map(|&at| side.roles[at].1.targets()).unwrap_or_default().iter().copied().peekable()
        };
        let (mut left, mut right) = (targets(old, before), targets(new, after));
        loop {
            let order = match (left.peek(), right.peek()) {
                (None, None) => break,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some(l), Some(r)) if l.raw_key == r.raw_key => Ordering::Equal,
                (Some(l), Some(r)) => unescape(l.raw_key).cmp(&unescape(r.raw_key)),
            };
            let before_entry = if order == Ordering::Greater { None } else { left.next() };
            let after_entry = if order == Ordering::Less { None } else { right.next() };
            let Some(either) = before_entry.or(after_entry) else { break };
            let path = unescape(either.raw_key);
            if table.home(&path) == Some(Home::Role(home)) {
                let [before, after] = [before_entry, after_entry].map(|e| e.map(|e| e.whole));
                routed.push(Moved { path, before, after });
                continue;
            }
            if let (Some(&at), Some(entry)) = (before, before_entry) {
                old_own[at].push(entry);
            }
            if let (Some(&at), Some(entry)) = (after, after_entry) {
                new_own[at].push(entry);
            }
        }
    }
    let mut order: Vec<_> = (0..routed.len()).map(Sortable::new).collect();
    sort_by_path(&mut order, &|&place| Cow::Borrowed(&*routed[place].path));
    let sorted = || order.iter().map(|place| &routed[place.of]);
    let before = sorted().filter_map(|target| target.before);
    let after = sorted().filter_map(|target| target.after);
    (old.write(|place| &old_own[place], before), new.write(|place| &new_own[place], after))
}

/// A target that hashing gives back, as it is listed on either side.
struct Moved<'s> {
    path: Cow<'s, [u8]>,
    before: Option<&'s [u8]>,
    after: Option<&'s [u8]>,
}
