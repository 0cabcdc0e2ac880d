#!/usr/bin/env python3
"""Writes TUF repositories that tufold would not write itself, with python-tuf, for tufold to read.

    make_repo.py OUT

OUT/prefixes (PEP 458) and OUT/succinct (TAP 15) between them have every kind of key, thresholds above one, a rotated
root, several path hash prefixes a role, indented JSON, SHA-512 beside SHA-256, custom data and unknown fields in every
object. Prints a JSON manifest of what a client must find. Only the keys and signatures differ from run to run.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import quote

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

EXPIRES = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
INDENTED = JSONSerializer(compact=False)
UNKNOWN = {"x-unknown": {"nested": ["kept", 1, True, None, {"": "e\u0301 is not \u00e9, and \U0001f980"}]}}
PATHS = [
    "plain.txt",
    "dir/sub/file-1.0.tar.gz",
    "with space.txt",
    'quote".txt',
    "back\\slash.txt",
    "100%25.txt",
    "nfc-\u00e9.txt",
    "nfd-e\u0301.txt",
    "astral-\U0001f980.txt",
    *(f"pool/{i % 7}/package_{i}.deb" for i in range(200)),
]
ABSENT = ["absent.txt", "pool/0/package_1.deb", "plain.txt/"]


def target(path: str) -> TargetFile:
    data = f"contents of {path}\n".encode()
    info = TargetFile.from_data(path, data, ["sha256", "sha512"])
    info.unrecognized_fields = {"custom": {"size": {"unpacked": 3 * len(data)}, "tags": []}, **UNKNOWN}
    return info


def meta_file(version: int, data: bytes | None = None) -> MetaFile:
    info = MetaFile(version, unrecognized_fields=dict(UNKNOWN))
    if data is not None:
        info.length = len(data)
        info.hashes = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "sha512": hashlib.sha512(data).hexdigest(),
        }
    return info


class Repository:
    """Writes roles under their consistent-snapshot names and remembers what a snapshot has to say of them."""

    def __init__(self, out: Path, kind: str):
        self.kind = kind
        self.dir = out / kind / "metadata"
        self.dir.mkdir(parents=True)
        self.meta: dict[str, MetaFile] = {}
        self.versions: dict[str, int] = {}

    def write(self, name: str, signed: Signed, signers: list[CryptoSigner]) -> bytes:
        signed.unrecognized_fields = dict(UNKNOWN)
        metadata = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        metadata.unrecognized_fields = dict(UNKNOWN)
        data = metadata.to_bytes(INDENTED)
        prefix = "" if name == "timestamp" else f"{signed.version}."
        # Clients quote the role's name in a URL and a web server undoes that: it looks for the second name.
        for file_name in {f"{prefix}{quote(name, '')}.json", f"{prefix}{name}.json"}:
            file = self.dir / file_name
            file.parent.mkdir(exist_ok=True)
            file.write_bytes(data)
        self.versions[name] = signed.version
        return data

    def write_targets(self, name: str, signed: Targets, signers: list[CryptoSigner], hashed: bool) -> None:
        data = self.write(name, signed, signers)
        self.meta[f"{name}.json"] = meta_file(signed.version, data if hashed else None)

    def manifest(self) -> dict:
        return {
            "kind": self.kind,
            "metadata": str(self.dir),
            "root": str(self.dir / "1.root.json"),
            "versions": self.versions,
            "targets": {
                path: {"length": info.length, "sha256": info.hashes["sha256"]}
                for path, info in ((path, target(path)) for path in PATHS)
            },
            "absent": ABSENT,
        }


def role_targets(version: int, paths: list[str]) -> Targets:
    return Targets(version, expires=EXPIRES, targets={path: target(path) for path in paths})


def delegate_by_prefixes(repo: Repository, signers: dict[str, CryptoSigner]) -> Targets:
    """targets -> bins -> four roles of four prefixes each; role names that need quoting; two of two keys."""
    pair = [signers["ed25519"], signers["p256"]]
    roles: dict[str, DelegatedRole] = {}
    for index in range(4):
        prefixes = [f"{4 * index + digit:x}" for digit in range(4)]
        name = f"bin {prefixes[0]}/{prefixes[-1]}"
        roles[name] = DelegatedRole(
            name,
            [signer.public_key.keyid for signer in pair],
            threshold=2,
            terminating=True,
            path_hash_prefixes=prefixes,
            unrecognized_fields=dict(UNKNOWN),
        )
        inside = [path for path in PATHS if hashlib.sha256(path.encode()).hexdigest()[0] in prefixes]
        repo.write_targets(name, role_targets(index + 1, inside), pair, hashed=index % 2 == 0)

    keys = {signer.public_key.keyid: signer.public_key for signer in pair}
    bins = Targets(3, expires=EXPIRES)
    bins.delegations = Delegations(keys, roles, unrecognized_fields=dict(UNKNOWN))
    repo.write_targets("bins", bins, [signers["p384"]], hashed=True)

    top = Targets(5, expires=EXPIRES)
    key = signers["p384"].public_key
    role = DelegatedRole("bins", [key.keyid], 1, False, paths=["*", "*/*", "*/*/*"])
    top.delegations = Delegations({key.keyid: key}, {"bins": role})
    return top


def delegate_succinctly(repo: Repository, signers: dict[str, CryptoSigner]) -> Targets:
    """targets -> eight bins, each signed by any one of two keys."""
    pair = [signers["rsa2048"], signers["p384"]]
    succinct = SuccinctRoles(
        [signer.public_key.keyid for signer in pair], 1, 3, "bin of", unrecognized_fields=dict(UNKNOWN)
    )
    for index, name in enumerate(succinct.get_roles()):
        inside = [path for path in PATHS if succinct.get_role_for_target(path) == name]
        repo.write_targets(name, role_targets(index + 1, inside), [pair[index % 2]], hashed=index % 2 == 0)

    top = Targets(2, expires=EXPIRES)
    keys = {signer.public_key.keyid: signer.public_key for signer in pair}
    top.delegations = Delegations(keys, succinct_roles=succinct, unrecognized_fields=dict(UNKNOWN))
    return top


def make(out: Path, kind: str, signers: dict[str, CryptoSigner]) -> dict:
    repo = Repository(out, kind)
    delegate = {"prefixes": delegate_by_prefixes, "succinct": delegate_succinctly}[kind]
    repo.write_targets("targets", delegate(repo, signers), [signers["rsa3072"]], hashed=True)
    snapshot = repo.write("snapshot", Snapshot(7, expires=EXPIRES, meta=repo.meta), [signers["rsa2048"]])
    timestamp = Timestamp(11, expires=EXPIRES, snapshot_meta=meta_file(7, snapshot))
    repo.write("timestamp", timestamp, [signers["p384"]])

    # Root 1 belongs to the ed25519 and P-256 keys; root 2 hands over to P-256, RSA and a new key, two of three.
    root = Root(1, expires=EXPIRES, consistent_snapshot=True)
    for role, names in {
        "root": ["ed25519", "p256"],
        "timestamp": ["p384"],
        "snapshot": ["rsa2048"],
        "targets": ["rsa3072"],
    }.items():
        for name in names:
            root.add_key(signers[name].public_key, role)
        root.roles[role].unrecognized_fields = dict(UNKNOWN)
    root.roles["root"].threshold = 2
    repo.write("root", root, [signers["ed25519"], signers["p256"]])
    root.version = 2
    root.revoke_key(signers["ed25519"].public_key.keyid, "root")
    root.add_key(signers["rsa3072"].public_key, "root")
    root.add_key(signers["spare"].public_key, "root")
    repo.write("root", root, [signers["ed25519"], signers["p256"], signers["spare"]])
    return repo.manifest()


def main() -> None:
    out = Path(sys.argv[1])
    signers = {
        "ed25519": CryptoSigner.generate_ed25519(),
        "spare": CryptoSigner.generate_ed25519(),
        "p256": CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp256"),
        "p384": CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp384"),
        "rsa2048": CryptoSigner.generate_rsa(size=2048),
        "rsa3072": CryptoSigner.generate_rsa(size=3072),
    }
    signers["ed25519"].public_key.unrecognized_fields = dict(UNKNOWN)
    print(json.dumps([make(out, kind, signers) for kind in ("prefixes", "succinct")]))


if __name__ == "__main__":
    main()
