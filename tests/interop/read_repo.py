#!/usr/bin/env python3
"""Reads a TUF repository with python-tuf's own client and prints what it found.

    read_repo.py METADATA ROOT CACHE_DIR TARGETPATH...

METADATA is a base URL or a folder, which is then served by the plainest of web servers. The same CACHE_DIR again is a
warm client. Prints one line of JSON: the version of each top-level role, each target's length and SHA-256 (or null), the
requests in order, and the peak of memory.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from tuf.api.exceptions import DownloadError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

TOP_LEVEL_ROLES = ("root", "timestamp", "snapshot", "targets")


class FolderHandler(SimpleHTTPRequestHandler):
    disable_nagle_algorithm = True

    def log_message(self, *args) -> None:
        """Nothing: the fetcher keeps the log."""


@contextlib.contextmanager
def served(metadata: str) -> Iterator[str]:
    """The base URL of METADATA, without a slash at its end."""
    if metadata.startswith(("http://", "https://")):
        yield metadata.rstrip("/")
        return
    handler = partial(FolderHandler, directory=metadata)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class LoggingFetcher(FetcherInterface):
    """Remembers what was asked and how many bytes came; None: not found."""

    def __init__(self, inner: FetcherInterface, base: str):
        self.inner = inner
        self.base = base
        self.requests: list[dict] = []

    def _fetch(self, url: str) -> Iterator[bytes]:
        request = {"path": url.removeprefix(f"{self.base}/"), "bytes": None}
        self.requests.append(request)
        chunks = self.inner.fetch(url)
        request["bytes"] = 0
        return self._counted(chunks, request)

    @staticmethod
    def _counted(chunks: Iterator[bytes], request: dict) -> Iterator[bytes]:
        for chunk in chunks:
            request["bytes"] += len(chunk)
            yield chunk


def read(base: str, root: bytes, cache: Path, paths: list[str]) -> dict:
    fetcher = LoggingFetcher(Urllib3Fetcher(), base)
    cache.mkdir(parents=True, exist_ok=True)
    updater = Updater(str(cache), base, fetcher=fetcher, bootstrap=root)
    updater.refresh()

    targets: dict[str, dict | None] = {}
    for path in paths:
        info = updater.get_targetinfo(path)
        targets[path] = info and {"length": info.length, "sha256": info.hashes.get("sha256")}
    versions = {
        role: json.loads((cache / f"{role}.json").read_bytes())["signed"]["version"]
        for role in TOP_LEVEL_ROLES
    }
    return {
        "versions": versions,
        "targets": targets,
        "requests": fetcher.requests,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def peak_memory_bytes() -> int | None:
    """VmHWM: unlike `getrusage` it does not count the process that this one was started from."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


def main() -> int:
    metadata, root, cache, *paths = sys.argv[1:]
    os.environ["no_proxy"] = "127.0.0.1"
    try:
        with served(metadata) as base:
            answer = read(base, Path(root).read_bytes(), Path(cache), paths)
    except (RepositoryError, DownloadError) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
