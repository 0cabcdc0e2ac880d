#!/usr/bin/env python3
"""PROTOCOL.md of tufold-meta once more, written from its text alone, to check the test vectors.

    python3 tests/interop/protocol.py crates/tufold-meta/tests/vectors/*.json
"""

import datetime
import hashlib
import json
import re
import sys
from urllib.parse import quote, unquote


class Damaged(Exception):
    pass


# Canonical JSON: what is signed has raw control characters, what is served has them escaped.


def canonical(value):
    if isinstance(value, dict):
        items = sorted(value.items())
        return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def file_text(text):
    return re.sub("[\x00-\x1f]", lambda c: "\\u%04x" % ord(c[0]), text)


def parse(text):
    return json.loads(file_text(text))


# Names


def delta_path(kind, role, start, end):
    folder = {"snapshot": "snapshot", "mirror": "mirror"}.get(kind) or "roles/" + quote(role, safe="-._~")
    return f"deltas/{folder}/{start}-{end}"


def parse_delta_path(path):
    found = re.fullmatch(r"deltas/(snapshot|mirror|roles/([^/]+))/(0|[1-9][0-9]*)-([1-9][0-9]*)", path)
    if not found:
        return None
    folder, role, start, end = found[1], found[2], int(found[3]), int(found[4])
    kind = folder.split("/")[0].replace("roles", "role")
    if start >= end or (start == 0 and kind != "snapshot"):
        return None
    try:
        role = unquote(role, errors="strict") if role else None
    except UnicodeDecodeError:
        return None
    return (kind, role, start, end) if delta_path(kind, role, start, end) == path else None


def advertised(text):
    good = re.fullmatch("[a-z][a-z0-9]*:[1-9][0-9]*", text) and len(text) <= 11
    return text if good else None


# Envelopes


def take_number(data):
    value = shift = 0
    while True:
        if not data or shift > 63:
            raise Damaged("number")
        byte = data.pop(0)
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >= 1 << 64 or (byte == 0 and shift):
                raise Damaged("number")
            return value
        shift += 7


def take(data, length):
    if len(data) < length:
        raise Damaged("cut")
    taken = bytes(data[:length])
    del data[:length]
    return taken


def take_envelope(data, keyids):
    """A list of signatures, or None if no envelope travels. What follows it stays in `data`."""
    count = take_number(data)
    if count == 0:
        return None
    usual, signatures = count == 1, []
    for _ in range(1 if usual else count - 2):
        head = 1 if usual else take_number(data)
        if head == 0:
            text = take(data, take_number(data)).decode()
            signature = parse(text)
            strings = isinstance(signature, dict) and [signature.get("keyid"), signature.get("sig")]
            if not strings or not all(isinstance(s, str) for s in strings) or canonical(signature) != text:
                raise Damaged("not a signature")
        else:
            sig = take(data, 64 if head % 2 else take_number(data))
            if (head - 1) // 2 >= len(keyids):
                raise Damaged("key")
            signature = {"keyid": keyids[(head - 1) // 2], "sig": sig.hex()}
        if signatures and signatures[-1]["keyid"] >= signature["keyid"]:
            raise Damaged("order")
        signatures.append(signature)
    return signatures


# The bundle


def delegations_of(files, role):
    return parse(files[role])["signed"].get("delegations") if role in files else None


def stale_roles(roles, chain, delegations):
    """Which of the roles are named as the bins are, and are neither bins nor on the way to them."""
    if "succinct_roles" in delegations:
        bits, prefix = delegations["succinct_roles"]["bit_length"], delegations["succinct_roles"]["name_prefix"]
        bins = {f"{prefix}-{n:0{-(-bits // 4)}x}" for n in range(1 << bits)}
    else:
        bins = {role["name"] for role in delegations.get("roles", [])}
        if not bins or not all("path_hash_prefixes" in role for role in delegations["roles"]):
            return set()
        prefixes = {re.sub("-[0-9a-f]+$", "", name) for name in bins}
        if len(prefixes) != 1 or prefixes & bins:
            return set()
        prefix = prefixes.pop()
    return {role for role in roles if re.fullmatch(re.escape(prefix) + "(-[0-9a-f]+)?", role)} - bins - set(chain)


def stale_in(roles, delegations_of):
    chain, _ = find_bins(delegations_of)
    return stale_roles(roles, chain, delegations_of(chain[-1]) or {})


def find_bins(delegations_of):
    """The chain of roles and a function from a path to its bin (None: hashing does not say)."""
    chain = ["targets"]
    while True:
        delegations = delegations_of(chain[-1]) or {}
        succinct, roles = delegations.get("succinct_roles"), delegations.get("roles", [])
        if succinct:
            bits = succinct["bit_length"]

            def home(path):
                number = int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> (32 - bits)
                return f"{succinct['name_prefix']}-{number:0{-(-bits // 4)}x}"

            return chain, home
        if not roles or not all("path_hash_prefixes" in role for role in roles):
            return chain, lambda path: None
        if len(roles) == 1:
            if len(chain) == 4 or roles[0]["name"] in chain:
                return chain, lambda path: None
            chain.append(roles[0]["name"])
            continue

        def home(path):
            digest = hashlib.sha256(path.encode()).hexdigest()
            for role in roles:
                if any(digest.startswith(prefix) for prefix in role["path_hash_prefixes"]):
                    return role["name"]
            return None

        return chain, home


def changed_roles(snapshot, other):
    """The roles whose version differs from the other snapshot's, in order."""
    there = {name: entry["version"] for name, entry in other["meta"].items()}
    names = sorted(snapshot["meta"])
    return [
        name[:-5]
        for name in names
        if name.endswith(".json") and there.get(name) != snapshot["meta"][name]["version"]
    ]


def grouped(snapshot):
    groups = {}
    for name, entry in snapshot["meta"].items():
        groups.setdefault(str(len(canonical(name).encode()) - 2), {})[name] = entry
    return dict(snapshot, meta=groups)


def ungrouped(form):
    meta = {}
    for length, group in form["meta"].items():
        for name, entry in group.items():
            if str(len(canonical(name).encode()) - 2) != length:
                raise Damaged(name)
            meta[name] = entry
    return dict(form, meta=meta)


def outline(old, new, roles):
    new = json.loads(json.dumps(new))
    for role in roles:
        entry, before = new["meta"][role + ".json"], old["meta"].get(role + ".json", {})
        if "length" in entry:
            entry["length"] = before.get("length", 0)
        if "sha256" in entry.get("hashes", {}):
            entry["hashes"]["sha256"] = before.get("hashes", {}).get("sha256", "")
    return new


def fill_in(snapshot, files):
    snapshot = json.loads(json.dumps(snapshot))
    for role, file in files.items():
        entry = snapshot["meta"].get(role + ".json")
        if entry is None:
            continue
        entry["version"] = parse(file)["signed"]["version"]
        if "length" in entry:
            entry["length"] = len(file.encode())
        if "sha256" in entry.get("hashes", {}):
            entry["hashes"]["sha256"] = hashlib.sha256(file.encode()).hexdigest()
    return snapshot


def list_of_bins(told):
    """PEP 458's list of bins, from the few words that a bundle has for it."""
    digits = -(-told["bit_length"] // 4)
    spare = 4 * digits - told["bit_length"]

    def bin_of(n):
        prefixes = [f"{(n << spare) + more:0{digits}x}" for more in range(1 << spare)]
        name = f"{told['name_prefix']}-{n:0{digits}x}"
        kept = {field: told[field] for field in ("keyids", "terminating", "threshold")}
        return dict(kept, name=name, path_hash_prefixes=prefixes)

    return [bin_of(n) for n in range(1 << told["bit_length"])]


def tell(delegations):
    roles = delegations.get("roles", [])
    bits = len(roles).bit_length() - 1
    if bits < 1 or len(roles) != 1 << bits or "-" not in roles[0]["name"]:
        return delegations
    told = {field: roles[0][field] for field in ("keyids", "terminating", "threshold")}
    told.update(bit_length=bits, name_prefix=roles[0]["name"].rpartition("-")[0])
    if len(canonical(told).encode()) > 1024 or list_of_bins(told) != roles:
        return delegations
    return dict(delegations, roles=told)


def flatten(files, roles, home):
    flat = {"roles": {}, "snapshot": parse(files["snapshot"]), "targets": {}}
    del flat["snapshot"]["signed"]
    for role in roles:
        document = parse(files[role])
        del document["signed"]["version"]
        own = {}
        for path, target in document["signed"].pop("targets").items():
            (flat["targets"] if home(path) == role else own)[path] = target
        if own:
            document["signed"]["targets"] = own
        if "delegations" in document["signed"]:
            document["signed"]["delegations"] = tell(document["signed"]["delegations"])
        flat["roles"][role + ".json"] = document
    return canonical(flat)


def flatten_old(files, old, new, kind):
    touched = changed_roles(old, new)
    chain, home = find_bins(lambda role: delegations_of(files, role))
    stale = stale_in(touched, lambda role: delegations_of(files, role))
    touched = [role for role in touched if role not in stale]
    if kind == 3:
        # Every role that some path may hash to.
        named = {"roles": []} if home("") is None else delegations_of(files, chain[-1])
        if "succinct_roles" in named:
            bits, prefix = named["succinct_roles"]["bit_length"], named["succinct_roles"]["name_prefix"]
            bins = {f"{prefix}-{n:0{-(-bits // 4)}x}" for n in range(1 << bits)}
        else:
            bins = {role["name"] for role in named["roles"]}
        touched += [n[:-5] for n in old["meta"] if n[:-5] in bins and n[:-5] not in touched]
    return flatten(files, sorted(touched, key=lambda role: role + ".json"), home)


def rebuild(flattened, outline, roles, old_files):
    flat = parse(flattened)
    if canonical(flat) != flattened or list(flat) != ["roles", "snapshot", "targets"]:
        raise Damaged("not flattened")
    documents = {name.removesuffix(".json"): document for name, document in flat["roles"].items()}
    left = len(outline["meta"])
    for document in documents.values():
        delegations = document["signed"].get("delegations", {})
        if isinstance(delegations.get("roles"), dict):
            told = delegations["roles"]
            left -= 1 << told["bit_length"]
            if len(canonical(told).encode()) > 1024 or left < 0:
                raise Damaged("list of bins")
            delegations["roles"] = list_of_bins(told)

    def delegations(role):
        if role in documents:
            return documents[role]["signed"].get("delegations")
        return delegations_of(old_files, role)

    stale = stale_in(roles, delegations)
    if list(flat["roles"]) != [role + ".json" for role in roles if role not in stale]:
        raise Damaged("roles")
    _, home = find_bins(delegations)
    for role, document in documents.items():
        document["signed"].setdefault("targets", {})
        document["signed"]["version"] = outline["meta"][role + ".json"]["version"]
    for path, target in flat["targets"].items():
        if home(path) not in documents or path in documents[home(path)]["signed"]["targets"]:
            raise Damaged(path)
        documents[home(path)]["signed"]["targets"][path] = target
    files = {role: file_text(canonical(document)) for role, document in documents.items()}
    snapshot = dict(flat["snapshot"], signed=fill_in(outline, files))
    return dict(files, snapshot=file_text(canonical(snapshot)))


# Bins that become others


def bin_number(path, bits):
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> (32 - bits)


def bin_role(prefix, number, bits):
    return f"{prefix}-{number:0{-(-bits // 4)}x}"


def history(text):
    """Pairs of bits and first version, or None."""
    entries = []
    for entry in text.split(" ")[:9]:
        found = re.fullmatch("([1-9][0-9]?)@([1-9][0-9]*)", entry)
        if not found or int(found[1]) > 32 or (entries and entries[-1][1] >= int(found[2])):
            return None
        entries.append((int(found[1]), int(found[2])))
    return entries if len(entries) <= 8 else None


def regroup(start, end, group, first, prefix, keyids, data, old):
    """The files of the new bins from the object and the canonical `signed` of the old ones, by role."""
    wide = min(start, end)
    old_bins = range(group << (start - wide), (group + 1) << (start - wide))
    new_bins = range(group << (end - wide), (group + 1) << (end - wide))
    if max(len(old_bins), len(new_bins)) > 64 or take_number(data) != 0:
        raise Damaged("form")
    versions = [first - take_number(data) for _ in old_bins]
    expires = take_number(data)
    check = take(data, 3)
    envelopes = [take_envelope(data, keyids) for _ in new_bins]
    if data or None in envelopes or not all(0 < version < first for version in versions):
        raise Damaged("object")
    documents = [parse(text) for text in old]
    digests = b"".join(hashlib.sha256(text.encode()).digest() for text in old)
    if [document["version"] for document in documents] != versions or hashlib.sha256(digests).digest()[:3] != check:
        raise Damaged("other old bins")
    files = {}
    for number, envelope in zip(new_bins, envelopes):
        signed = dict(documents[0], targets={}, version=first)
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=expires)
        signed["expires"] = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        for place, document in zip(old_bins, documents):
            for path, target in document["targets"].items():
                if bin_number(path, start) != place:
                    raise Damaged(path)
                if bin_number(path, end) == number:
                    signed["targets"][path] = target
        files[bin_role(prefix, number, end)] = file_text(canonical({"signatures": envelope, "signed": signed}))
    return files


# The vectors


def check_names(vectors):
    for row in vectors["paths"]:
        parts = (row["kind"], row.get("role"), row["from"], row["to"])
        assert delta_path(*parts) == row["path"] and parse_delta_path(row["path"]) == parts, row
    for path in vectors["not_paths"]:
        assert parse_delta_path(path) is None, path
    for text in vectors["advertised"]:
        assert advertised(text) == text, text
    for text in vectors["not_advertised"]:
        assert advertised(text) is None, text


def check_envelopes(vectors):
    for row in vectors["envelopes"]:
        data = bytearray.fromhex(row["hex"])
        assert take_envelope(data, vectors["keyids"]) == row["signatures"] and not data, row
    for text in vectors["damaged"]:
        try:
            take_envelope(bytearray.fromhex(text), vectors["keyids"])
        except Damaged:
            continue
        raise AssertionError(text)


def check_bundles(vectors):
    for row in vectors["bundles"]:
        old, new = (parse(row[side]["snapshot"])["signed"] for side in ("old", "new"))
        listed = changed_roles(new, old)
        stale = stale_in(listed, lambda role: delegations_of(row["new"], role))
        roles = [role for role in listed if role not in stale]
        assert roles == row["changed"], row["name"]
        assert canonical(outline(old, new, roles)) == row["outline"], row["name"]
        assert flatten_old(row["old"], old, new, row["kind"]) == row["flattened_old"], row["name"]
        rebuilt = rebuild(row["flattened_new"], parse(row["outline"]), listed, row["old"])
        assert rebuilt == {role: row["new"][role] for role in rebuilt}, row["name"]
        _, home = find_bins(lambda role: delegations_of(row["new"], role))
        assert flatten(row["new"], roles, home) == row["flattened_new"], row["name"]


def check_snapshots(vectors):
    for row in vectors["snapshots"]:
        signed = parse(row["signed"])
        assert canonical(grouped(signed)) == row["grouped"], row
        assert canonical(ungrouped(parse(row["grouped"]))) == row["signed"], row
    for text in vectors["not_grouped"]:
        try:
            form = parse(text)
            if canonical(form) != text:
                raise Damaged("not canonical")
            ungrouped(form)
        except (Damaged, AttributeError):
            continue
        raise AssertionError(text)


def check_regroups(vectors):
    for text in vectors["histories"]:
        assert " ".join(f"{bits}@{first}" for bits, first in history(text)) == text, text
    for text in vectors["not_histories"]:
        assert history(text) is None, text
    for row in vectors["regroups"]:
        start, end, group, first = (row[field] for field in ("from", "to", "group", "first"))
        wide = bin_role(row["prefix"], group, min(start, end))
        assert f"deltas/bins/{first}/{quote(wide, safe='-._~')}" == row["path"], row["name"]
        args = (start, end, group, first, row["prefix"], row["keyids"])
        assert regroup(*args, bytearray.fromhex(row["object"]), row["old"]) == row["new"], row["name"]
        for text in row["damaged"]:
            try:
                regroup(*args, bytearray.fromhex(text), row["old"])
            except Damaged:
                continue
            raise AssertionError(text)


def main(paths):
    for path in paths:
        with open(path, encoding="utf-8") as file:
            vectors = json.load(file)
        checks = {"paths": check_names, "envelopes": check_envelopes, "bundles": check_bundles, "regroups": check_regroups, "snapshots": check_snapshots}
        for kind, check in checks.items():
            if kind in vectors:
                check(vectors)
                print(f"{path}: {len(vectors[kind])} {kind}")


if __name__ == "__main__":
    main(sys.argv[1:])
