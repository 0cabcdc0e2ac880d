"""What the comparisons with other clients share: a server that counts, the clients' commands, one visit's cost."""

import hashlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TARGET = PROJECT / os.environ.get("CARGO_TARGET_DIR", "target")
TUFOLD = str(TARGET / "release/tufold")
PYTHON = [str(TARGET / "interop-venv/bin/python"), "-B"]
PEER = str(TARGET / "interop-peers/release/peer")
READ_REPO = str(PROJECT / "tests/interop/read_repo.py")
SUCCINCT, PREFIXES = "bins-succinct", "bins-prefixes"
TIMESTAMP = "/metadata/timestamp.json"
MOST_BINS_FOR_TOUGH = 64


class Server(ThreadingHTTPServer):
    """Serves a repository, if asked with another timestamp than its own, and counts."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, public: Path):
        super().__init__(("127.0.0.1", 0), Handler)
        self.public = public
        self.timestamp: bytes | None = None
        self.lock = threading.Lock()
        self.take()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def take(self) -> tuple[int, int]:
        """Bytes and requests since it was last asked."""
        with self.lock:
            counted = getattr(self, "counted", (0, 0))
            self.counted = (0, 0)
        return counted

    def read(self, path: str) -> bytes | None:
        if path == TIMESTAMP and self.timestamp is not None:
            return self.timestamp
        try:
            return (self.public / path.lstrip("/")).read_bytes()
        except OSError:
            return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def do_GET(self) -> None:
        body = self.server.read(self.path)
        with self.server.lock:
            counted = self.server.counted
            self.server.counted = (counted[0] + len(body or b""), counted[1] + 1)
        head = f"HTTP/1.1 {'200 OK' if body is not None else '404 Not Found'}\r\nContent-Length: {len(body or b'')}\r\n\r\n"
        self.wfile.write(head.encode() + (body or b""))

    def log_message(self, *args) -> None:
        """Nothing: the server counts."""


def run(command: list[str]) -> dict:
    """A command's times and answer; it must succeed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status:
        sys.exit(f"{' '.join(command)[:500]} failed")
    cpu_s = usage.ru_utime + usage.ru_stime
    return {"wall_ms": (time.perf_counter() - start) * 1000, "cpu_ms": cpu_s * 1000, "out": out}


def tufold(*options: str):
    def command(base: str, root: str, cache: str, targets: list[str]) -> list[str]:
        wanted = [word for target in targets for word in ("--target", target)]
        return [TUFOLD, "sync", base, "--into", cache, "--root", root, "--json", *options, *wanted]
    return command


def reader(*program: str):
    def command(base: str, root: str, cache: str, targets: list[str]) -> list[str]:
        return [*program, f"{base}/metadata", root, cache, *targets]
    return command


def clients(form: str, bins: int) -> dict:
    of_form = {"python-tuf": reader(*PYTHON, READ_REPO)}
    if form == PREFIXES:
        of_form["sigstore-tuf"] = reader(PEER, "sigstore")
        if bins <= MOST_BINS_FOR_TOUGH:
            of_form["tough"] = reader(PEER, "tough")
    return {**of_form, "tufold, no deltas": tufold("--no-deltas"), "tufold": tufold()}


def found(client: str, out: bytes) -> int:
    """How many targets a client found."""
    targets = json.loads(out)["targets"]
    if client.startswith("tufold"):
        return sum(target["listed"] is not None for target in targets)
    return sum(target is not None for target in targets.values())



def imports_ms() -> float:
    """The CPU time that Python takes to start and to import python-tuf."""
    imports = [*PYTHON, "-c", f"import sys; sys.path.insert(0, {str(Path(READ_REPO).parent)!r}); import read_repo"]
    return statistics.median(run(imports)["cpu_ms"] for _ in range(5))


def visit(server: Server, client: str, command, targets: list[str], cache: Path, started_ms: float) -> dict:
    """One visit that finds all targets; `started_ms` of its CPU time do not count if it is python-tuf's."""
    server.take()
    cost = run(command(server.url, str(server.public / "metadata/1.root.json"), str(cache), targets))
    cost["bytes"], cost["requests"] = server.take()
    out = cost.pop("out")
    if found(client, out) != len(targets):
        sys.exit(f"{client} found {found(client, out)} of {len(targets)} targets")
    answer = json.loads(out)
    own = answer.get("cost", answer)
    cost["round_trips"] = own.get("round_trips")
    cost["peak_mib"] = own["peak_memory_bytes"] / 2**20
    if client == "python-tuf":
        cost["cpu_ms"] -= started_ms
    return cost


def break_even_mbit_s(plain: dict, deltas: dict) -> float | None:
    """The line on which deltas take as long as whole files, if their CPU time is waited for; on any slower one they win.
    `None` if they win on all."""
    saved, paid = plain["bytes"] - deltas["bytes"], deltas["cpu_ms"] - plain["cpu_ms"]
    return saved * 8 / paid / 1000 if paid > 0 and saved > 0 else None if saved > 0 else 0.0


def bin_of(path: str, bins: int) -> int:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4], "big") * bins >> 32


def build() -> None:
    """Everything that is measured."""
    os.environ["no_proxy"] = "127.0.0.1"
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=PROJECT, check=True)
    subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--manifest-path", "tests/interop/peers/Cargo.toml",
                    "--target-dir", str(TARGET / "interop-peers")], cwd=PROJECT, check=True)


def tsv(comment: str, names: tuple[str, ...], rows: list[dict]) -> str:
    """A record: whole numbers as they are, others with two digits."""
    cell = lambda value: "" if value is None else f"{value:.2f}" if isinstance(value, float) and value % 1 else f"{value:.0f}" if isinstance(value, float) else str(value)
    lines = ["\t".join(names), *("\t".join(cell(row.get(name)) for name in names) for row in rows)]
    return f"# {comment}\n" + "\n".join(lines) + "\n"
