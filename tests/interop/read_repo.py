#!/usr/bin/env python3
"""Reads a TUF repository with python-tuf's own client and prints what it found.

    read_repo.py METADATA ROOT CACHE_DIR TARGETPATH...

METADATA is a folder or a base URL. The same CACHE_DIR again is a warm client. Prints one line of JSON: the version of
each top-level role, each target's length and SHA-256 (or null), and the requests in order.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

TOP_LEVEL_ROLES = ("root", "timestamp", "snapshot", "targets")


class FolderFetcher(FetcherInterface):
    """Serves BASE/name from a folder, as a static web server would."""

    BASE = "folder:"

    def __init__(self, folder: Path):
        self.folder = folder

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            return iter([(self.folder / url.removeprefix(f"{self.BASE}/")).read_bytes()])
        except FileNotFoundError:
            raise DownloadHTTPError(f"{url}: no such file", 404) from None


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


def read(metadata: str, root: bytes, cache: Path, paths: list[str]) -> dict:
    if metadata.startswith(("http://", "https://")):
        base = metadata.rstrip("/")
        fetcher = LoggingFetcher(Urllib3Fetcher(), base)
    else:
        base = FolderFetcher.BASE
        fetcher = LoggingFetcher(FolderFetcher(Path(metadata)), base)
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
    return {"versions": versions, "targets": targets, "requests": fetcher.requests}


def main() -> int:
    metadata, root, cache, *paths = sys.argv[1:]
    try:
        answer = read(metadata, Path(root).read_bytes(), Path(cache), paths)
    except (RepositoryError, DownloadError) as e:
        print(f"{type(e).__name__}: {e}", file=sys.stderr)
        return 1
    print(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
