#!/usr/bin/env python3
"""Canonical JSON and key ids according to securesystemslib.

    canonical.py documents < LINES     each line the hex of a JSON document; prints the hex of its canonical form
    canonical.py keys                  makes keys of every kind; prints {"keyid": ..., "key": ...} for each
"""

import json
import sys

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import CryptoSigner


def documents() -> None:
    for line in sys.stdin:
        print(encode_canonical(json.loads(bytes.fromhex(line))).encode().hex())


def keys() -> None:
    signers = [
        *(CryptoSigner.generate_ed25519() for _ in range(3)),
        CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp256"),
        CryptoSigner.generate_ecdsa(scheme="ecdsa-sha2-nistp384"),
        CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256", size=2048),
        CryptoSigner.generate_rsa(scheme="rsassa-pss-sha256", size=3072),
        CryptoSigner.generate_rsa(scheme="rsassa-pss-sha512", size=2048),
    ]
    for signer in signers:
        key = signer.public_key
        print(json.dumps({"keyid": key.keyid, "key": key.to_dict()}))


if __name__ == "__main__":
    {"documents": documents, "keys": keys}[sys.argv[1]]()
