#!/usr/bin/env python3
"""What a visit for one target costs tufold and python-tuf, side by side over loopback HTTP.

    visits.py TUFOLD REPO TARGETPATH [ROUNDS]

TUFOLD is the command to measure, REPO the folder of a repository. Each visit is a process of its own. Prints the median CPU
times of the whole processes in milliseconds; those of python-tuf without what Python takes to start and to import it; how many
times more that is; and what tufold says of itself.
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


def cpu_ms(command: list[str], **options) -> float:
    """The CPU time of a command, which must succeed."""
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"{command} failed")
    return (usage.ru_utime + usage.ru_stime) * 1000


def visits(command: list[str], cache: str, rounds: int) -> dict[str, float]:
    """The median CPU times of a client that begins with nothing, and of one that has seen all."""
    times: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(rounds):
        shutil.rmtree(cache, ignore_errors=True)
        times["cold"].append(cpu_ms(command))
    for _ in range(rounds):
        times["warm"].append(cpu_ms(command))
    return {kind: round(statistics.median(of_kind), 2) for kind, of_kind in times.items()}


def main() -> int:
    tufold, repo, target, *rest = sys.argv[1:]
    rounds = int(rest[0]) if rest else 9
    public = Path(repo, "public")
    root = str(public / "metadata/1.root.json")
    python = [sys.executable, "-B"]
    env = {**os.environ, "PYTHONPATH": str(HERE)}
    with served(str(public)) as base, tempfile.TemporaryDirectory(dir="/dev/shm") as scratch:
        ours, theirs = (str(Path(scratch, name)) for name in ("tufold", "python-tuf"))
        sync = [tufold, "sync", base, "--into", ours, "--root", root, "--target", target, "--json"]
        read = [*python, str(HERE / "read_repo.py"), f"{base}/metadata", root, theirs, target]
        imports = statistics.median(
            cpu_ms([*python, "-c", "import read_repo"], env=env) for _ in range(rounds)
        )
        answer: dict = {"tufold": visits(sync, ours, rounds), "python-tuf": visits(read, theirs, rounds)}
        alone = {kind: round(time - imports, 2) for kind, time in answer["python-tuf"].items()}
        answer["python-tuf without imports"] = alone
        answer["ratio"] = {kind: round(time / answer["tufold"][kind], 1) for kind, time in alone.items()}
        shutil.rmtree(ours)
        for kind in ("cold", "warm"):
            said = subprocess.run(sync, check=True, capture_output=True).stdout
            answer[f"tufold says, {kind}"] = json.loads(said)["cost"]
    print(json.dumps(answer, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
