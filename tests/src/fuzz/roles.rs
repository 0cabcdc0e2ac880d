//! The parser of each role: what was read is what would be written.

use std::fmt::Debug;

use serde_json::Value;
use tufold_meta::cjson::{canonicalize, file_text};
use tufold_meta::{
    Delegations, Role, Root, Selector, Signed, Snapshot, Targets, Timestamp, assemble,
};

/// A root, bare or in its file, and its keys.
pub fn root(data: &[u8]) {
    let Some(root) = role::<Root>(data) else { return };
    for key in root.keys.values().take(8) {
        if let Some(verifier) = key.verifier() {
            assert!(!verifier.verifies(b"message", b"no signature"));
        }
    }
}

/// A timestamp, bare or in its file.
pub fn timestamp(data: &[u8]) {
    role::<Timestamp>(data);
}

/// A snapshot, bare or in its file.
pub fn snapshot(data: &[u8]) {
    role::<Snapshot>(data);
}

/// A targets role, bare or in its file, and the search through its delegations.
pub fn targets(data: &[u8]) {
    let Some(targets) = role::<Targets>(data) else { return };
    let Some(delegations) = &targets.delegations else { return };
    delegated_roles(delegations, "foo.txt");
    for path in targets.targets.keys().take(4) {
        delegated_roles(delegations, path);
    }
    // Where a pattern is the path as well, the most of it matches, and the matcher does the most.
    if let tufold_meta::DelegatedRoles::List(roles) = &delegations.roles {
        for role in roles.iter().take(4) {
            if let Selector::Paths(patterns) = &role.selector {
                for pattern in patterns.iter().take(4) {
                    delegated_roles(delegations, pattern);
                }
            }
        }
    }
}

fn role<R: Role + PartialEq + Debug>(data: &[u8]) -> Option<R> {
    enveloped::<R>(data).or_else(|| bare::<R>(data))
}

/// `signed` alone. Whatever parses is written as the canonical form of the very text, unknown
/// fields and all. (That holds with keys that stand twice, too: the last one counts everywhere, but
/// a known field of a role may not stand twice at all.)
fn bare<R: Role + PartialEq + Debug>(json: &[u8]) -> Option<R> {
    let role: R = serde_json::from_slice(json).ok()?;
    let canonical = role.to_canonical();
    same(&canonical, &canonicalize(json).expect("a role has a canonical form"));
    let again: R = serde_json::from_slice(&file_text(&canonical)).expect("what was written");
    assert_eq!(again, role);
    let signed = Signed::<R>::parse(assemble(&canonical, &[])).expect("a file without signatures");
    same(signed.canonical(), &canonical);
    Some(role)
}

/// A whole file.
fn enveloped<R: Role + PartialEq + Debug>(file: &[u8]) -> Option<R> {
    let signed = Signed::<R>::parse(file.to_vec()).ok()?;
    same(signed.bytes(), file);
    let canonical = signed.canonical();
    // What the signatures cover is what any other reader of the file makes of it. (`signed` may
    // nest as deep as a JSON text may, and the file one level deeper.)
    if let Ok(value) = serde_json::from_slice::<Value>(file) {
        let signed = value.get("signed").expect("a file is an object").to_string();
        same(canonical, &canonicalize(signed.as_bytes()).expect("`signed` has a canonical form"));
    }
    let role = bare::<R>(&file_text(canonical)).expect("the payload of a file");
    same(&role.to_canonical(), canonical);

    let again = Signed::<R>::parse(assemble(canonical, signed.signatures())).expect("a file");
    same(again.canonical(), canonical);
    let mut signatures = signed.signatures().to_vec();
    signatures.sort_by(|left, right| left.keyid.cmp(&right.keyid));
    assert_eq!(again.signatures(), signatures);
    Some(role)
}

/// Every role that is trusted with a path is found by its name, with the same keys.
fn delegated_roles(delegations: &Delegations, path: &str) {
    for role in delegations.roles_for(path) {
        assert_eq!(delegations.role(&role.name), Some(role));
    }
}

fn same(left: &[u8], right: &[u8]) {
    assert!(left == right, "{}\n{}", left.escape_ascii(), right.escape_ascii());
}
