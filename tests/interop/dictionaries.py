#!/usr/bin/env python3
"""Has a headless Chromium fetch files one after another, and prints how each came.

    dictionaries.py CHROMEDRIVER CHROMIUM PROFILE KEY_SHA256 ORIGIN PATH...

PROFILE is a folder that is kept; KEY_SHA256 is the base64 digest of the server's public key, which is trusted. Prints one
line of JSON: for each path the content coding in the browser's network log and the SHA-256 of what the page got. A browser
stores a dictionary some time after the response that brought it, so the later paths are fetched again until they come as
`dcz`, but not more than TRIES times.
"""

import json
import subprocess
import sys
from http.client import HTTPConnection

TRIES = 50
FETCH = """
const [path, done] = [arguments[0], arguments[1]];
fetch(path, {cache: 'reload'})
    .then(response => response.arrayBuffer())
    .then(bytes => crypto.subtle.digest('SHA-256', bytes))
    .then(digest => done([...new Uint8Array(digest)].map(b => b.toString(16).padStart(2, '0')).join('')))
    .catch(error => done('error: ' + error));
"""


class Driver:
    """The WebDriver protocol, as far as it is needed here."""

    def __init__(self, port: int):
        self.port = port
        self.session = ""

    def call(self, method: str, path: str, body: dict | None = None):
        connection = HTTPConnection("127.0.0.1", self.port, timeout=120)
        connection.request(method, f"{self.session}{path}", body and json.dumps(body))
        value = json.loads(connection.getresponse().read())["value"]
        connection.close()
        if isinstance(value, dict) and "error" in value:
            raise RuntimeError(value["message"])
        return value

    def start(self, browser: str, profile: str, key: str) -> None:
        options = {
            "binary": browser,
            "args": [
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                f"--user-data-dir={profile}",
                f"--ignore-certificate-errors-spki-list={key}",
            ],
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"performance": "ALL"}}
        session = self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{session['sessionId']}"

    def codings(self, path: str) -> list[str]:
        """How the responses for `path` came since the last call, by the network log."""
        urls, codings = {}, {}
        for entry in self.call("POST", "/se/log", {"type": "performance"}):
            message = json.loads(entry["message"])["message"]
            params = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                urls[params["requestId"]] = params["request"]["url"]
            elif message["method"] == "Network.responseReceivedExtraInfo":
                headers = {name.lower(): value for name, value in params["headers"].items()}
                codings[params["requestId"]] = headers.get("content-encoding", "identity")
        return [codings[id] for id, url in urls.items() if url.endswith(path) and id in codings]


def main() -> int:
    program, browser, profile, key, origin, *paths = sys.argv[1:]
    process = subprocess.Popen([program, "--port=0"], stdout=subprocess.PIPE, text=True)
    try:
        port = next(
            int(line.rstrip(".\n").rsplit(" ", 1)[1])
            for line in process.stdout
            if "started successfully on port" in line
        )
        driver = Driver(port)
        driver.start(browser, profile, key)
        try:
            # A page of the server's origin, from which the rest is fetched.
            driver.call("POST", "/url", {"url": f"{origin}/metadata/timestamp.json"})
            answers = []
            for at, path in enumerate(paths):
                for _ in range(1 if at == 0 else TRIES):
                    body = {"script": FETCH, "args": [path]}
                    digest = driver.call("POST", "/execute/async", body)
                    coding = driver.codings(path)[-1]
                    if coding == "dcz":
                        break
                answers.append({"path": path, "coding": coding, "sha256": digest})
        finally:
            driver.call("DELETE", "")
    finally:
        process.terminate()
        process.wait()
    print(json.dumps(answers))
    return 0


if __name__ == "__main__":
    sys.exit(main())
