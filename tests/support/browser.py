"""Debian's chromium, headless, over its DevTools protocol: what a page shows, says on its console and asks the network for."""

import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from support.services import end

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv(timeout=60))
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def open(self, url: str, settle_s: float = 0.5) -> None:
        self.events.clear()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + 60
        while self.run("document.readyState") != "complete":
            assert time.monotonic() < deadline, f"{url} does not load"
            time.sleep(0.1)
        time.sleep(settle_s)
        self.run("0")

    def run(self, script: str) -> Any:
        return self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)["result"].get("value")

    def wait_for(self, script: str, seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := self.run(script)):
            assert time.monotonic() < deadline, f"never came true: {script}"
            time.sleep(0.25)
        return value

    @contextmanager
    def frame(self) -> Iterator["Page"]:
        """The sandboxed frame inside the page, which is a process of its own; past complaints come with it."""
        deadline = time.monotonic() + 60
        while not (frames := targets(self._port, "iframe")):
            assert time.monotonic() < deadline, "no frame"
            time.sleep(0.25)
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
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
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
            deadline = time.monotonic() + 60
            while not port_file.exists() or not port_file.read_text().strip():
                assert time.monotonic() < deadline, "chromium does not start"
                time.sleep(0.1)
            port = port_file.read_text().splitlines()[0]
            (tab, *_) = targets(port, "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Page(socket, port)
        finally:
            end(process)
