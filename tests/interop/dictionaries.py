#!/usr/bin/env python3
"""Has a headless Chromium fetch files one after another, and prints how each came.

    dictionaries.py PROFILE KEY_SHA256 ORIGIN PATH...

PROFILE is a folder that is kept; KEY_SHA256 is the base64 digest of the server's public key, which is trusted. Prints one
line of JSON: for each path the content coding in the browser's network log and the SHA-256 of what the page got. A browser
stores a dictionary some time after the response that brought it, so the later paths are fetched again until they come as
`dcz`, but not more than TRIES times.
"""

import json
import sys

from browser import Browser

TRIES = 50
FETCH = """
const [path, done] = [arguments[0], arguments[1]];
fetch(path, {cache: 'reload'})
    .then(response => response.arrayBuffer())
    .then(bytes => crypto.subtle.digest('SHA-256', bytes))
    .then(digest => done([...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, '0')).join('')))
    .catch(error => done('error: ' + error));
"""


def codings(browser: Browser, path: str) -> list[str]:
    """How the responses for `path` came since the last call, by the network log."""
    urls, codings = {}, {}
    for entry in browser.log("performance"):
        message = json.loads(entry["message"])["message"]
        params = message["params"]
        if message["method"] == "Network.requestWillBeSent":
            urls[params["requestId"]] = params["request"]["url"]
        elif message["method"] == "Network.responseReceivedExtraInfo":
            headers = {name.lower(): value for name, value in params["headers"].items()}
            codings[params["requestId"]] = headers.get("content-encoding", "identity")
    return [codings[id] for id, url in urls.items() if url.endswith(path) and id in codings]


def main() -> int:
    profile, key, origin, *paths = sys.argv[1:]
    trust = [f"--ignore-certificate-errors-spki-list={key}"]
    answers = []
    with Browser(trust, profile, ["performance"]) as browser:
        # A page of the server's origin, from which the rest is fetched.
        browser.open(f"{origin}/metadata/timestamp.json")
        for at, path in enumerate(paths):
            for _ in range(1 if at == 0 else TRIES):
                digest = browser.run_to_end(FETCH, path)
                coding = codings(browser, path)[-1]
                if coding == "dcz":
                    break
            answers.append({"path": path, "coding": coding, "sha256": digest})
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
