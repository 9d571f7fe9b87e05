"""Drives headless Chromium over its DevTools protocol, to see what a page shows, logs to its console and requests."""

import json
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from support.services import CHROMIUM, end
from support.waiting import PATIENCE, until

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--remote-debugging-port=0",
    "--remote-debugging-address=127.0.0.1", "--window-size=1000,1400",
)  # fmt: skip


class Page:
    """One tab of the browser. Its events are kept in the order in which they arrive."""

    def __init__(self, socket: ClientConnection, port: str) -> None:
        self._socket, self._port, self._number = socket, port, 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        message = self._ask(method, params)
        assert "error" not in message, message
        result: dict[str, Any] = message["result"]
        return result

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (message := self._receive()).get("id") != self._number:
            self.events.append(message)
        return message

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE))
        return message

    def open(self, url: str) -> None:
        """Open an address and wait until the page and its images are loaded and drawn."""
        self.events.clear()
        if "loaderId" in self.call("Page.navigate", url=url):  # a new document, not another anchor in the current one
            until(lambda: self.run("true") and any(e["method"] == "Page.loadEventFired" for e in self.events), f"{url} to load")
        self.run("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")

    def grow(self, height: int) -> None:
        """Set the height of the window to `height` pixels."""
        self.call("Emulation.setDeviceMetricsOverride", width=1000, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Run a script, wait for its promise and return the value, or None while one document replaces another."""
        message = self._ask("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        assert "error" not in message or "context" in message["error"]["message"], message
        return message.get("result", {}).get("result", {}).get("value")

    def wait_for(self, script: str) -> Any:
        """Run a script again and again until its value is true, and return that value."""
        return until(lambda: self.run(script), f"{script} to come true")

    @contextmanager
    def frame(self) -> Iterator["Page"]:
        """Yield the sandboxed frame inside the page as a `Page`; it repeats the console messages from before the connection."""
        frames = until(lambda: targets(self._port, "iframe"), "a frame")
        with connect(frames[0]["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket, self._port)

    def requests(self) -> list[str]:
        """List the addresses requested since the last `open`, except data: and blob: URLs."""
        urls = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[str]:
        """List the errors and exceptions that the page wrote to its console."""
        found = []
        for event in self.events:
            params = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"].get("text")))
            elif event["method"] == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(str(params["args"]))
            elif event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"])
        return found


def targets(port: str, kind: str) -> list[dict[str, Any]]:
    """List a browser's tabs (kind "page") or its frames that run in their own process (kind "iframe")."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
        return [target for target in json.load(answer) if target["type"] == kind]


@contextmanager
def browser() -> Iterator[Page]:
    """Start Chromium, yield a tab, and end only the process that was started."""
    assert CHROMIUM, "chromium is not installed"
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            until(lambda: port_file.exists() and port_file.read_text().strip(), "chromium")
            port = port_file.read_text().splitlines()[0]
            (tab, *_) = targets(port, "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Page(socket, port)
        finally:
            end(process)
