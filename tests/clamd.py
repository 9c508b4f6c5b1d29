"""A server that speaks clamd's INSTREAM, for tests of the virus scanner."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server = self.server
        assert isinstance(server, Clamd | UnixClamd)
        command = self._command()
        if command == b"PING":
            self.wfile.write(b"PONG\0")
            return
        if command != b"INSTREAM":
            self.wfile.write(b"UNKNOWN COMMAND\0")
            return
        data = b""
        while size := int.from_bytes(self.rfile.read(4)):
            if len(data) + size > server.limit:
                self.wfile.write(b"INSTREAM size limit exceeded. ERROR\0")
                return
            data += self.rfile.read(size)
        server.seen.append(data)
        self.wfile.write(server.answer or _verdict(data))

    def _command(self) -> bytes:
        name = b""
        while (byte := self.rfile.read(1)) not in (b"\0", b""):
            name += byte
        return name.removeprefix(b"z")


def _verdict(data: bytes) -> bytes:
    return b"stream: Eicar-Signature FOUND\0" if EICAR in data else b"stream: OK\0"


class Clamd(socketserver.ThreadingTCPServer):
    """Finds EICAR's test signature; `answer` replaces its verdict, `limit` is its StreamMaxLength."""

    daemon_threads = True
    allow_reuse_address = True
    answer: ClassVar[bytes] = b""

    def __init__(self, address: object) -> None:
        super().__init__(address, _Handler)  # type: ignore[arg-type]
        self.seen: list[bytes] = []
        self.limit = 25_000_000


class UnixClamd(Clamd):
    """The same at a path."""

    address_family = socket.AF_UNIX


@contextmanager
def running(path: Path | None = None) -> Iterator[tuple[str, Clamd]]:
    """The server's address as CLAMD_ADDRESS has it, and the server."""
    server = UnixClamd(str(path)) if path else Clamd(("127.0.0.1", 0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield str(path) if path else f"127.0.0.1:{server.server_address[1]}", server
    finally:
        server.shutdown()
        server.server_close()
