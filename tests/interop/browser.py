"""A headless Chromium, driven by the standard library over WebDriver."""

import base64
import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--window-size=1100,1400",
]
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One session; a context manager that leaves no process behind, and no profile but one that it was given.

    `flags` are for the browser, `logs` the kinds of log that it keeps for `log`.
    """

    def __init__(self, flags=(), profile=None, logs=("browser",)):
        self.flags, self.given_profile, self.logs = flags, profile, logs

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.profile = self.given_profile or tempfile.mkdtemp(prefix="tufold-browser-")
        self.driver = subprocess.Popen(["chromedriver", f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.base = f"http://127.0.0.1:{port}"
        self.session = ""
        try:
            self.wait_until(self._answers, "chromedriver does not answer")
            wanted = {
                "browserName": "chrome",
                "goog:loggingPrefs": {kind: "ALL" for kind in self.logs},
                "goog:chromeOptions": {
                    "args": [*FLAGS, f"--user-data-dir={self.profile}", *self.flags],
                    "binary": shutil.which("chromium"),
                },
            }
            self.session = "/session/" + self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self.session:
                self._ask("DELETE", self.session)
        finally:
            self.driver.terminate()
            self.driver.wait()
            if not self.given_profile:
                shutil.rmtree(self.profile, ignore_errors=True)

    def _ask(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return json.load(reply)["value"]
        except urllib.error.HTTPError as error:
            value = json.load(error)["value"]
            raise AssertionError(f"{path}: {value['error']}: {value['message']}") from None

    def _answers(self):
        try:
            return self._ask("GET", "/status")["ready"]
        except (urllib.error.URLError, ConnectionError):
            return False

    @staticmethod
    def wait_until(condition, what, seconds=30):
        """Asks again and again; a machine with much to do may take its time."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > end:
                sys.exit(what)
            time.sleep(0.02)
        return value

    def open(self, url):
        self._ask("POST", f"{self.session}/url", {"url": url})

    def run(self, script, *args):
        """What `script`, a function's body, returns."""
        return self._ask("POST", f"{self.session}/execute/sync", {"script": script, "args": args})

    def run_to_end(self, script, *args):
        """What `script` hands to its last argument, a function."""
        return self._ask("POST", f"{self.session}/execute/async", {"script": script, "args": args})

    def log(self, kind):
        """What a log was told since the last call."""
        return self._ask("POST", f"{self.session}/se/log", {"type": kind})

    def devtools(self, command, **params):
        return self._ask("POST", f"{self.session}/goog/cdp/execute", {"cmd": command, "params": params})

    def find(self, selector):
        return self._ask("POST", f"{self.session}/element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        self._ask("POST", f"{self.session}/element/{self.find(selector)}/click")

    def press(self, selector, keys):
        self._ask("POST", f"{self.session}/element/{self.find(selector)}/value", {"text": keys})

    def hover(self, x, y):
        """Moves the mouse to a place in the window."""
        move = {"type": "pointerMove", "duration": 0, "x": round(x), "y": round(y)}
        self._ask("POST", f"{self.session}/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def width(self, pixels, mobile):
        """The width of the window, with touch and the layout of a phone if `mobile`."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=pixels, height=844 if mobile else 1400, deviceScaleFactor=1, mobile=mobile)

    def media(self, media="", **features):
        """Makes the page believe that it is printed, or that the reader prefers something."""
        wanted = [{"name": name.replace("_", "-"), "value": value} for name, value in features.items()]
        self.devtools("Emulation.setEmulatedMedia", media=media, features=wanted)

    def complaints(self):
        """What the console was told since the last call that is worse than a word in passing."""
        return [entry["message"] for entry in self.log("browser") if entry["level"] in ("WARNING", "SEVERE")]

    def picture(self, file, selector=None):
        """A PNG of an element, or of the whole page."""
        clip = {}
        if selector:
            box = self.run(
                "const r = document.querySelector(arguments[0]).getBoundingClientRect();"
                "return {x: r.left + scrollX, y: r.top + scrollY, width: r.width, height: r.height, scale: 1}",
                selector,
            )
            clip = {"clip": box}
        data = self.devtools("Page.captureScreenshot", captureBeyondViewport=True, **clip)["data"]
        Path(file).write_bytes(base64.b64decode(data))

    def pdf(self):
        return base64.b64decode(self.devtools("Page.printToPDF", printBackground=True)["data"])
