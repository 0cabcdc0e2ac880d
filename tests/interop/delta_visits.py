#!/usr/bin/env python3
"""What visits cost tufold with deltas, without them, and python-tuf, side by side over loopback HTTP.

    delta_visits.py TUFOLD TARGETS CHANGES [--bins N] [--rounds N] [--counts N,N] [--json]

Makes a repository of TARGETS in N succinct bins, with versions in its snapshot and deltas; visits it cold; publishes CHANGES;
and visits again, from the caches of the cold visits. The targets looked for are drawn from TARGETS with a fixed seed, and the
bin of the first changed. Each visit is a process of its own; CPU times are medians of whole processes in milliseconds, those
of python-tuf without what Python takes to start and to import it. Bytes are those of bodies. The floor is that of the warm
visit: for each document that changed 68 bytes for signature and expiry, which bins changed (log2 C(n, k) bits), and 68 bytes
for each target in a changed bin that is looked at: 32 of a digest, 30 random ones in the path, and 6 of name and length.
"""

import argparse
import hashlib
import json
import math
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from read_repo import served

HERE = Path(__file__).parent
NOW = "2026-11-22T00:00:00Z"
COLUMNS = ("targets", "visit", "client", "bytes", "requests", "round_trips", "cpu_ms", "wall_ms", "peak_mib", "floor_bytes")


def run(command: list[str], env: dict | None = None) -> tuple[dict, float]:
    """The JSON that a command prints, and its CPU time in milliseconds."""
    child = subprocess.Popen(command, stdout=subprocess.PIPE, env=env)
    assert child.stdout
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command[:8]} failed")
    return json.loads(said or b"null"), (usage.ru_utime + usage.ru_stime) * 1000


class Clients:
    def __init__(self, tufold: str, base: str, root: str, scratch: Path, rounds: int):
        self.tufold, self.base, self.root, self.scratch, self.rounds = tufold, base, root, scratch, rounds
        python = [sys.executable, "-B"]
        env = {**os.environ, "PYTHONPATH": str(HERE)}
        code = "import read_repo; print(0)"
        self.imports_ms = statistics.median(run([*python, "-c", code], env)[1] for _ in range(rounds))

    def visit(self, client: str, cache: Path, paths: list[str]) -> dict:
        """One visit, in a row of the table."""
        if client == "python-tuf":
            command = [sys.executable, "-B", str(HERE / "read_repo.py"), f"{self.base}/metadata", self.root, str(cache)]
            said, cpu_ms = run([*command, *paths])
            sizes = [request["bytes"] or 0 for request in said["requests"]]
            # It waits for each request before it makes the next.
            row = {"bytes": sum(sizes), "requests": len(sizes), "round_trips": len(sizes)}
            return {**row, "cpu_ms": cpu_ms - self.imports_ms, "wall_ms": None, "peak_mib": None}
        command = [self.tufold, "sync", self.base, "--into", str(cache), "--root", self.root, "--json", "--now", NOW]
        wanted = [argument for path in paths for argument in ("--target", path)]
        plain = ["--no-deltas"] if client == "tufold plain" else []
        said, cpu_ms = run([*command, *plain, *wanted])
        cost = said["cost"]
        failed = {why: count for why, count in cost["deltas"]["fallbacks"].items() if count}
        if failed:
            sys.exit(f"{client}: deltas could not be used: {failed}")
        row = {name: cost[name] for name in ("bytes", "requests", "round_trips")}
        memory = cost["peak_memory_bytes"] / 2**20
        return {**row, "cpu_ms": cpu_ms, "wall_ms": cost["wall_us"] / 1000, "peak_mib": memory}

    def rows(self, visit: str, targets: dict[int, list[str]], keep: bool) -> list[dict]:
        """All clients and counts; `cold` begins with nothing, any other visit with what was kept."""
        rows = []
        for count, paths in targets.items():
            for client in ("python-tuf", "tufold plain", "tufold"):
                kept = self.scratch / f"kept-{count}-{client.replace(' ', '-')}"
                cache = self.scratch / "cache"
                rounds = []
                for _ in range(self.rounds):
                    shutil.rmtree(cache, ignore_errors=True)
                    if visit != "cold":
                        shutil.copytree(kept, cache, symlinks=True)
                    rounds.append(self.visit(client, cache, paths))
                if keep:
                    shutil.copytree(cache, kept, symlinks=True)
                medians = {
                    name: None if rounds[0][name] is None else statistics.median(each[name] for each in rounds)
                    for name in rounds[0]
                }
                rows.append({"targets": count, "visit": visit, "client": client, **medians})
        return rows


def floor_bytes(paths: list[str], changes: dict[int, int], bins: int, bits: int) -> float:
    """See above."""
    looked_at = {bin_of(path, bits) for path in paths} & changes.keys()
    which = math.lgamma(bins + 1) - math.lgamma(len(changes) + 1) - math.lgamma(bins - len(changes) + 1)
    snapshot = 68 + which / math.log(2) / 8
    return snapshot + sum(68 + 68 * changes[each] for each in looked_at)


def bin_of(path: str, bits: int) -> int:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") >> (32 - bits)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tufold")
    parser.add_argument("targets")
    parser.add_argument("changes")
    parser.add_argument("--bins", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--counts", default="1,10,100,1000")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    bits = args.bins.bit_length() - 1
    lines = Path(args.targets).read_text().splitlines()[1:]
    known = [line.split("\t", 1)[0] for line in lines]
    changes: dict[int, int] = {}
    for line in Path(args.changes).read_text().splitlines()[1:]:
        changed = bin_of(line.split("\t")[1], bits)
        changes[changed] = changes.get(changed, 0) + 1
    chosen = random.Random(458)
    first = next(path for path in known if bin_of(path, bits) in changes)
    counts = [int(count) for count in args.counts.split(",")]
    targets = {count: [first, *chosen.sample(known, count - 1)] for count in counts}

    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        scratch = Path(folder)
        repo = scratch / "repo"
        tufold = [args.tufold]
        ladder = ["--deltas", "pow2:1024", "--now", NOW]
        made = ["--bins", str(args.bins), "--targets", args.targets, *ladder]
        subprocess.run([*tufold, "init", str(repo), *made], check=True, stdout=subprocess.DEVNULL)
        root = str(repo / "public/metadata/1.root.json")
        with served(str(repo / "public")) as base:
            clients = Clients(args.tufold, base, root, scratch, args.rounds)
            rows = clients.rows("cold", targets, keep=True)
            rows += clients.rows("nothing new", targets, keep=False)
            publish = [*tufold, "publish", str(repo), "--changes", args.changes, *ladder]
            subprocess.run(publish, check=True, stdout=subprocess.DEVNULL)
            after = clients.rows("after the changes", targets, keep=False)
        for row in after:
            row["floor_bytes"] = round(floor_bytes(targets[row["targets"]], changes, args.bins, bits))
        timestamp_bytes = (repo / "public/metadata/timestamp.json").stat().st_size
        rows += after
    if args.json:
        print(json.dumps({"timestamp_bytes": timestamp_bytes, "rows": rows}, indent=2))
        return 0
    print(f"# the timestamp is {timestamp_bytes} bytes; {sum(changes.values())} changes in {len(changes)} of {args.bins} bins")
    print("\t".join(COLUMNS))
    for row in rows:
        cells = (row.get(column) for column in COLUMNS)
        print("\t".join("" if cell is None else f"{cell:.1f}".removesuffix(".0") if isinstance(cell, float) else str(cell) for cell in cells))
    return 0


if __name__ == "__main__":
    sys.exit(main())
