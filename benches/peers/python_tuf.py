#!/usr/bin/env python3
"""What python-tuf takes for the work of `tufold init` and `tufold publish`, as JSON.

    python_tuf.py TARGETS.tsv CHANGES.tsv BINS OUT

Reads the plain TSV list, puts every target into one of BINS succinct bins (TAP 15), signs all roles with Ed25519, one
key a role, and writes compact JSON under consistent-snapshot names to OUT; then applies the changes the same way:
touched bins, snapshot, timestamp. Nothing is synced. Reading the lists is not timed, keys are made beforehand.
"""

import csv
import json
import os
import resource
import sys
import time
from datetime import datetime, timedelta, timezone

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Delegations,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    SuccinctRoles,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.api.serialization.json import JSONSerializer

EXPIRES = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=90)
COMPACT = JSONSerializer(compact=True)


def main() -> None:
    targets_file, changes_file, bins, out = sys.argv[1:]
    os.makedirs(out)
    with open(targets_file, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    with open(changes_file, encoding="utf-8", newline="") as file:
        changes = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]
    signers = {role: CryptoSigner.generate_ed25519() for role in ("root", "timestamp", "snapshot", "targets", "bins")}
    written = 0

    def write(role: str, signed, name: str) -> int:
        nonlocal written
        metadata = Metadata(signed)
        metadata.sign(signers[role])
        data = metadata.to_bytes(COMPACT)
        with open(os.path.join(out, name), "wb") as file:
            file.write(data)
        written += len(data)
        return len(data)

    start = time.perf_counter()
    cpu = time.process_time()
    key = signers["bins"].public_key
    succinct = SuccinctRoles([key.keyid], 1, int(bins).bit_length() - 1, "bins")
    inside = {name: {} for name in succinct.get_roles()}
    for path, length, sha256 in rows:
        inside[succinct.get_role_for_target(path)][path] = TargetFile(int(length), {"sha256": sha256}, path)
    snapshot = Snapshot(1, expires=EXPIRES, meta={})
    for name, those in inside.items():
        write("bins", Targets(1, expires=EXPIRES, targets=those), f"1.{name}.json")
        snapshot.meta[f"{name}.json"] = MetaFile(1)
    top = Targets(1, expires=EXPIRES)
    top.delegations = Delegations({key.keyid: key}, succinct_roles=succinct)
    write("targets", top, "1.targets.json")
    snapshot.meta["targets.json"] = MetaFile(1)
    root = Root(1, expires=EXPIRES, consistent_snapshot=True)
    for role in ("root", "timestamp", "snapshot", "targets"):
        root.add_key(signers[role].public_key, role)
    write("root", root, "1.root.json")
    length = write("snapshot", snapshot, "1.snapshot.json")
    write("timestamp", Timestamp(1, expires=EXPIRES, snapshot_meta=MetaFile(1, length)), "timestamp.json")
    init = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "bytes": written}

    # A publisher starts anew each time and reads what it changes from the disk.
    del inside, snapshot
    start = time.perf_counter()
    cpu = time.process_time()
    written = 0
    touched: dict[str, list] = {}
    for change in changes:
        touched.setdefault(succinct.get_role_for_target(change[1]), []).append(change)
    snapshot = Metadata.from_file(os.path.join(out, "1.snapshot.json")).signed
    for name, those in touched.items():
        targets = Metadata.from_file(os.path.join(out, f"1.{name}.json")).signed
        for what, path, length, sha256 in those:
            if what == "put":
                targets.targets[path] = TargetFile(int(length), {"sha256": sha256}, path)
            else:
                del targets.targets[path]
        targets.version = 2
        write("bins", targets, f"2.{name}.json")
        snapshot.meta[f"{name}.json"].version = 2
    snapshot.version = 2
    length = write("snapshot", snapshot, "2.snapshot.json")
    write("timestamp", Timestamp(2, expires=EXPIRES, snapshot_meta=MetaFile(2, length)), "timestamp.json")
    publish = {"wall_s": time.perf_counter() - start, "cpu_s": time.process_time() - cpu, "bytes": written}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"init": init, "publish": publish, "peak_mib": peak, "touched": len(touched)}))


if __name__ == "__main__":
    main()
