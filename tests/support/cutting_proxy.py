"""A TCP proxy that cuts a connection at a chosen message, before or after forwarding it; in both cases no answer arrives."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass
class CuttingProxy:
    """Forwards to `target` and counts the pieces that clients send; cuts the connection at piece number `cut_at`.

    If `after` is true, that piece still reaches the server, but the client gets no answer to it.
    """

    target: tuple[str, int]
    port: int = 0
    pieces: int = 0
    cut_at: int = -1
    after: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def serve(self, listener: socket.socket) -> None:
        """Accept connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self.target)
                threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
                threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while piece := client.recv(2**16):
                with self.lock:
                    number, self.pieces = self.pieces, self.pieces + 1
                if number == self.cut_at:
                    _close(client)  # first, so that no answer arrives
                    if self.after:
                        server.sendall(piece)
                    break
                server.sendall(piece)
        # Half-close, so that the server still answers everything it was sent.
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)


def _pass_on(server: socket.socket, client: socket.socket) -> None:
    with suppress(OSError):
        while piece := server.recv(2**16):
            with suppress(OSError):
                client.sendall(piece)
    _close(client)
    server.close()


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def cutting_proxy(target: tuple[str, int]) -> Iterator[CuttingProxy]:
    """Run a proxy in front of a server's address for as long as the block runs."""
    proxy = CuttingProxy(target)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy.port = listener.getsockname()[1]
        thread = threading.Thread(target=proxy.serve, args=(listener,), daemon=True)
        thread.start()
        yield proxy
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()
