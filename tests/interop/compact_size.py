#!/usr/bin/env python3
"""The sizes python-tuf needs for a repository's content: what tufold's files must not exceed.

    compact_size.py TSV FORM BINS SNAPSHOT ROOT

Builds the targets of TSV with python-tuf as flat, bins-prefixes or bins-succinct, Ed25519, one key and version 1 for
each role, snapshot entries as SNAPSHOT (versions or hashes) says, and prints {role: bytes of its compact JSON}. ROOT is
tufold's root: its lifetimes do not matter (every expiry is as long), but its numbers of keys and thresholds do.
"""

import csv
import hashlib
import json
import sys
from datetime import datetime, timezone
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

EXPIRES = datetime(2036, 1, 1, tzinfo=timezone.utc)
COMPACT = JSONSerializer(compact=True)


class Sizes:
    """Signs roles and keeps the size of each."""

    def __init__(self, hashed: bool):
        self.hashed = hashed
        self.bytes: dict[str, int] = {}
        self.meta: dict[str, MetaFile] = {}

    def add(self, name: str, signed: Signed, signers: list[CryptoSigner]) -> MetaFile:
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        data = metadata.to_bytes(COMPACT)
        self.bytes[name] = len(data)
        return MetaFile(1, len(data), {"sha256": hashlib.sha256(data).hexdigest()})

    def add_targets(self, name: str, signed: Targets, *signers: CryptoSigner) -> None:
        info = self.add(name, signed, list(signers))
        self.meta[f"{name}.json"] = info if self.hashed else MetaFile(1)


def top_level_targets(form: str, bins: int, targets: dict[str, TargetFile], sizes: Sizes) -> Targets:
    """The top-level targets role; those it delegates to are added to `sizes`."""
    if form == "flat":
        return Targets(1, expires=EXPIRES, targets=targets)

    signer = CryptoSigner.generate_ed25519()
    key = signer.public_key
    succinct = SuccinctRoles([key.keyid], 1, bins.bit_length() - 1, "bins")
    inside: dict[str, dict[str, TargetFile]] = {name: {} for name in succinct.get_roles()}
    for path, info in targets.items():
        inside[succinct.get_role_for_target(path)][path] = info
    for name, those in inside.items():
        sizes.add_targets(name, Targets(1, expires=EXPIRES, targets=those), signer)
    if form == "bins-succinct":
        top = Targets(1, expires=EXPIRES)
        top.delegations = Delegations({key.keyid: key}, succinct_roles=succinct)
        return top

    # PEP 458: as few hexadecimal digits as tell the bins apart, so 1, 2, 4 or 8 prefixes a bin.
    prefixes = 16**succinct.suffix_len // bins
    roles = {
        name: DelegatedRole(
            name,
            [key.keyid],
            1,
            False,
            path_hash_prefixes=[
                f"{index * prefixes + offset:0{succinct.suffix_len}x}" for offset in range(prefixes)
            ],
        )
        for index, name in enumerate(succinct.get_roles())
    }
    middle_signer = CryptoSigner.generate_ed25519()
    middle_key = middle_signer.public_key
    middle = Targets(1, expires=EXPIRES)
    middle.delegations = Delegations({key.keyid: key}, roles)
    sizes.add_targets("bins", middle, middle_signer)
    top = Targets(1, expires=EXPIRES)
    # Every hexadecimal digit: all paths, however deep.
    everything = [f"{digit:x}" for digit in range(16)]
    role = DelegatedRole("bins", [middle_key.keyid], 1, False, path_hash_prefixes=everything)
    top.delegations = Delegations({middle_key.keyid: middle_key}, {"bins": role})
    return top


def main() -> None:
    tsv, form, bins, snapshot_form, root_file = sys.argv[1:]
    with open(tsv, encoding="utf-8", newline="") as file:
        targets = {
            row["path"]: TargetFile(int(row["length"]), {"sha256": row["sha256"]}, row["path"])
            for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
    sizes = Sizes(hashed=snapshot_form == "hashes")
    top = top_level_targets(form, int(bins), targets, sizes)

    like = json.loads(Path(root_file).read_bytes())["signed"]["roles"]
    root = Root(1, expires=EXPIRES, consistent_snapshot=True)
    signers: dict[str, list[CryptoSigner]] = {}
    for role in ("root", "timestamp", "snapshot", "targets"):
        signers[role] = [CryptoSigner.generate_ed25519() for _ in like[role]["keyids"]]
        for signer in signers[role]:
            root.add_key(signer.public_key, role)
        root.roles[role].threshold = like[role]["threshold"]
    sizes.add_targets("targets", top, *signers["targets"])
    info = sizes.add("snapshot", Snapshot(1, expires=EXPIRES, meta=sizes.meta), signers["snapshot"])
    sizes.add("timestamp", Timestamp(1, expires=EXPIRES, snapshot_meta=info), signers["timestamp"])
    sizes.add("root", root, signers["root"])
    print(json.dumps(sizes.bytes))


if __name__ == "__main__":
    main()
