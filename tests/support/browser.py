"""Debian's chromium, headless, over its DevTools protocol: what a page shows, says on its console and asks the network for."""

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
    """One tab: events are kept as they come."""

    def __init__(self, socket: ClientConnection, port: str) -> None:
        self._socket, self._port, self._number, self.events = socket, port, 0, []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the answer to one call of the protocol."""
        message = self._ask(method, params)
        assert "error" not in message, message
        return message["result"]

    def _ask(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (message := json.loads(self._socket.recv(timeout=PATIENCE))).get("id") != self._number:
            self.events.append(message)
        return message

    def open(self, url: str) -> None:
        """Open an address and wait until it has loaded, pictures and all, and has been drawn."""
        self.events.clear()
        if "loaderId" in self.call("Page.navigate", url=url):  # another document, and not another place in this one
            until(lambda: self.run("true") and any(e["method"] == "Page.loadEventFired" for e in self.events), f"{url} to load")
        self.run("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(() => drawn(true))))")

    def grow(self, height: int) -> None:
        """Make the window that many pixels high."""
        self.call("Emulation.setDeviceMetricsOverride", width=1000, height=height, deviceScaleFactor=1, mobile=False)

    def run(self, script: str) -> Any:
        """Return what a script gives, once its promise is kept; nothing while a document gives way to the next."""
        message = self._ask("Runtime.evaluate", {"expression": script, "returnByValue": True, "awaitPromise": True})
        assert "error" not in message or "context" in message["error"]["message"], message
        return message.get("result", {}).get("result", {}).get("value")

    def wait_for(self, script: str) -> Any:
        """Return the first true answer of a script."""
        return until(lambda: self.run(script), f"{script} to come true")

    @contextmanager
    def frame(self) -> Iterator["Page"]:
        """The sandboxed frame inside the page, which is a process of its own; past complaints come with it."""
        frames = until(lambda: targets(self._port, "iframe"), "a frame")
        with connect(frames[0]["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket, self._port)

    def requests(self) -> list[str]:
        """Addresses asked for since the last `open`, data: and blob: ones aside."""
        urls = [e["params"]["request"]["url"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [url for url in urls if not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[str]:
        """Errors and exceptions that the page put on its console."""
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
    """Tabs ("page") or frames of their own process ("iframe") of a browser."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
        return [target for target in json.load(answer) if target["type"] == kind]


@contextmanager
def browser() -> Iterator[Page]:
    """Start chromium, yield a tab, end that process and no other."""
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
