#!/usr/bin/env python3
"""What a visit for one target costs tufold and python-tuf, side by side over loopback HTTP.

    visits.py TUFOLD REPO TARGETPATH [ROUNDS]

TUFOLD is the command to measure, REPO the folder of a repository. Each visit is a process of its own; its CPU time and peak
memory are those of the whole process, for python-tuf with and without what Python and its imports take. Prints medians.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from read_repo import served

HERE = Path(__file__).parent


def cost(command: list[str], **options) -> tuple[float, int]:
    """CPU time in milliseconds and peak memory in KiB of a command, which must succeed."""
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(command, stdout=output, **options)
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss


def main() -> int:
    tufold, repo, target, *rest = sys.argv[1:]
    rounds = int(rest[0]) if rest else 9
    public = Path(repo, "public")
    root = public / "metadata/1.root.json"
    python = [sys.executable, "-B"]
    with served(str(public)) as base, tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        env = {**os.environ, "PYTHONPATH": str(HERE)}
        imports = [cost([*python, "-c", "import read_repo"], env=env)[0] for _ in range(rounds)]
        clients = {
            "tufold": lambda cache: [tufold, "sync", base, "--into", cache, "--root", str(root), "--target", target],
            "python-tuf": lambda cache: [*python, str(HERE / "read_repo.py"), f"{base}/metadata", str(root), cache, target],
        }
        answer = {"imports_cpu_ms": statistics.median(imports)}
        for name, command in clients.items():
            cache = str(Path(scratch, name))
            cold, warm = [], []
            for _ in range(rounds):
                shutil.rmtree(cache, ignore_errors=True)
                cold.append(cost(command(cache)))
            for _ in range(rounds):
                warm.append(cost(command(cache)))
            for kind, costs in (("cold", cold), ("warm", warm)):
                cpu = round(statistics.median(cpu for cpu, _ in costs), 2)
                memory = round(statistics.median(memory for _, memory in costs) / 1024, 1)
                answer[f"{name} {kind}"] = {"cpu_ms": cpu, "peak_mib": memory}
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
