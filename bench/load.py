"""A light HTTP load in a process of its own: keep-alive sockets under one selector, no library.

The first line of standard input is the plan; each further one is a number of seconds to run for,
answered by one line: {"done": requests, "seconds": time taken, "wrong": [unexpected answers]}.
"""

import itertools
import json
import os
import random
import re
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass

_BUFFER = 65_536
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Plan:
    """POST `body` to `path` with one of `tokens` and a fresh Idempotency-Key, again and again."""

    port: int
    connections: int
    path: str
    tokens: list[str]
    body: str

    def text(self) -> str:
        return json.dumps(asdict(self))


class Load:
    """Connections that each send the next request as soon as the last one is answered."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._numbers = itertools.count()
        self._head = f"POST {plan.path} HTTP/1.1\r\nHost: 127.0.0.1:{plan.port}\r\n"
        self._rest = (
            f"Content-Type: application/json\r\nContent-Length: {len(plan.body)}\r\n\r\n{plan.body}"
        )

    def run(self, seconds: float) -> dict[str, object]:
        """Drive for that long, then wait for the last answers."""
        done, wrong = 0, []
        started = time.monotonic()
        with selectors.DefaultSelector() as selector:
            for _connection in range(self._plan.connections):
                connection = socket.create_connection(("127.0.0.1", self._plan.port))
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(connection, selectors.EVENT_READ, bytearray())
                connection.sendall(self._request())
            while selector.get_map():
                for key, _events in selector.select():
                    answer = _whole_answer(key)
                    if answer is None:
                        continue
                    connection = key.fileobj  # type: ignore[assignment]
                    good = answer.startswith(b"HTTP/1.1 201 ")
                    if good:
                        done += 1
                    else:
                        wrong.append(answer[:2000].decode(errors="replace"))
                    if good and time.monotonic() < started + seconds:
                        connection.sendall(self._request())
                    else:
                        selector.unregister(connection)
                        connection.close()
        return {"done": done, "seconds": time.monotonic() - started, "wrong": wrong}

    def _request(self) -> bytes:
        return (
            f"{self._head}Authorization: Bearer {random.choice(self._plan.tokens)}\r\n"
            f"Idempotency-Key: bench-{os.getpid()}-{next(self._numbers)}\r\n{self._rest}"
        ).encode()


def _whole_answer(key: selectors.SelectorKey) -> bytes | None:
    """Read what has come; the answer once it is whole. All of ours state their length."""
    received: bytearray = key.data
    chunk: bytes = key.fileobj.recv(_BUFFER)  # type: ignore[union-attr]
    if not chunk:
        return b"closed by the server: " + bytes(received)
    received += chunk
    head, blank, body = received.partition(b"\r\n\r\n")
    length = _LENGTH.search(head + b"\r\n")
    if not blank or (length and len(body) < int(length.group(1))):
        return None
    answer = bytes(received)
    received.clear()
    return answer


def main() -> None:
    load = Load(Plan(**json.loads(sys.stdin.readline())))
    for line in sys.stdin:
        print(json.dumps(load.run(float(line))), flush=True)


if __name__ == "__main__":
    main()
