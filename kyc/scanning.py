"""Looking for malware in uploaded files with ClamAV's daemon, when CLAMD_ADDRESS names one.

Speaks INSTREAM of the clamd protocol (clamd(8)): the file in chunks, each after its length in four
bytes, and an empty chunk at the end. A daemon that is configured has to answer: without its word no
file is taken.
"""

import socket

import structlog
from django.conf import settings

from agora.lib.outcome import Temporary

_CHUNK = 64 * 1024
_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 20.0
_LONGEST_ANSWER = 4096

log = structlog.get_logger(__name__)


class Infected(Exception):
    """The daemon found malware; its name for it is in the log only."""


def scan(data: bytes) -> None:
    """Have the file looked at; nothing happens while no daemon is configured.

    Raises Infected, and Temporary when the daemon does not answer or does not know.
    """
    if not settings.CLAMD_ADDRESS:
        return
    verdict = ask(b"INSTREAM", data)
    if verdict.endswith(" FOUND"):
        # The name of a signature says nothing about the person.
        log.warning("document.infected", signature=verdict.removeprefix("stream: ")[:100])
        raise Infected
    if verdict != "stream: OK":
        log.error("document.scanner_failed", answer=verdict[:100])
        raise Temporary("the virus scanner did not look at the file", code="scanner")


def ask(command: bytes, data: bytes | None = None) -> str:
    """The daemon's answer to a command; raises Temporary when it cannot be had."""
    try:
        with _connect(settings.CLAMD_ADDRESS) as connection:
            connection.sendall(b"z" + command + b"\0")
            if data is not None:
                _send(connection, data)
            return _answer(connection)
    except OSError as error:
        log.error("document.scanner_failed", error=type(error).__name__)
        raise Temporary("the virus scanner does not answer", code="scanner") from error


def _connect(address: str) -> socket.socket:
    """A connection to `host:port`, or to the socket at a path."""
    if address.startswith("/"):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(_CONNECT_SECONDS)
        try:
            connection.connect(address)
        except OSError:
            connection.close()
            raise
    else:
        host, _colon, port = address.rpartition(":")
        connection = socket.create_connection((host, int(port)), timeout=_CONNECT_SECONDS)
    connection.settimeout(_ANSWER_SECONDS)
    return connection


def _send(connection: socket.socket, data: bytes) -> None:
    try:
        for start in range(0, len(data), _CHUNK):
            chunk = data[start : start + _CHUNK]
            connection.sendall(len(chunk).to_bytes(4) + chunk)
        connection.sendall(bytes(4))
    except (BrokenPipeError, ConnectionResetError):
        return  # a daemon whose limit is reached answers first and closes


def _answer(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\0") and len(answer) < _LONGEST_ANSWER:
        part = connection.recv(_LONGEST_ANSWER)
        if not part:
            break
        answer += part
    return answer.rstrip(b"\0\n").decode(errors="replace")
