"""An HTTP proxy in front of a server. It plants a fault in a chosen request."""

import http.client
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FAULTS = ("reset", "500", "503", "429", "garbage", "half", "lost", "dead")


class Proxy:
    """Forwards requests to a port of this machine, and plants the fault that `arm` chooses.

    Args:
        port: the port of the server behind the proxy.

    Attributes:
        count: how many requests have come since the last call of `arm`.
        struck: whether the fault has been planted since then.
    """

    def __init__(self, port: int) -> None:
        self.target = port
        self.lock = threading.Lock()
        self.fault, self.at, self.count, self.struck = "", 0, 0, False
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self) -> None:
                proxy.handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815  http.server's names

            def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  http.server's name
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def address(self) -> str:
        """The URL at which the proxy listens."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def arm(self, fault: str = "", at: int = 0) -> None:
        """Choose a fault and the request that gets it, and start counting requests anew.

        Args:
            fault: one of FAULTS; if empty, every request is forwarded. "reset" closes the connection, and "dead" also closes
                that of every later request. "500", "503" and "429" answer with that status, and "garbage" answers with HTML.
                None of these five forwards the request. "half" forwards the request and sends half of the answer. "lost"
                forwards the request and sends no answer.
            at: which request gets the fault, counted from 1.
        """
        with self.lock:
            self.fault, self.at, self.count, self.struck = fault, at, 0, False

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        """Forward one request, or plant the fault if it is the chosen request."""
        with self.lock:
            self.count += 1
            hit = self.count == self.at or (self.fault == "dead" and 0 < self.at <= self.count)
            fault = self.fault if hit else ""
            self.struck |= hit
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if fault in ("reset", "dead"):
            return reset(request)
        if fault in ("500", "503", "429"):
            return answer(request, int(fault), b'{"error_code": "INTERNAL_ERROR", "message": "planted"}')
        if fault == "garbage":
            return answer(request, 200, b"<html>\xff\xfe it works</html>")
        status, found = self._forward(request, body)
        if fault == "lost":
            return reset(request)
        if fault == "half":
            answer(request, status, found[: len(found) // 2], claimed=len(found) + 1)
            return reset(request)
        return answer(request, status, found)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        try:
            headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(
                request.command, request.path, body, headers | {"Connection": "close", "Accept-Encoding": "identity"}
            )
            answered = connection.getresponse()
            return answered.status, answered.read()
        finally:
            connection.close()

    def close(self) -> None:
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes, claimed: int | None = None) -> None:
    """Send an answer. Its header states the length `claimed`, or the true length by default."""
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body) if claimed is None else claimed))
    request.end_headers()
    request.wfile.write(body)
    request.wfile.flush()


def reset(request: BaseHTTPRequestHandler) -> None:
    """Close a connection in such a way that the other end sees a reset."""
    request.close_connection = True
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()
