"""A light HTTP load in a process of its own: one keep-alive socket a thread, no client library.

The first line of standard input is the plan; each further one is a number of seconds to run for,
answered by one line: {"done": requests, "seconds": time taken, "wrong": [unexpected answers]}.
"""

import itertools
import json
import os
import random
import socket
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

_BUFFER = 65_536


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


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.readline()))
    keys = itertools.count()  # next() on it is atomic
    with ThreadPoolExecutor(plan.connections) as pool:
        for line in sys.stdin:
            started = time.monotonic()
            runs = [
                pool.submit(_drive, plan, keys, started + float(line))
                for _connection in range(plan.connections)
            ]
            done, wrong = zip(*(run.result() for run in runs), strict=True)
            seconds = time.monotonic() - started
            unexpected = [text for texts in wrong for text in texts]
            print(json.dumps({"done": sum(done), "seconds": seconds, "wrong": unexpected}))
            sys.stdout.flush()


def _drive(plan: Plan, keys: Iterator[int], until: float) -> tuple[int, list[str]]:
    done, wrong = 0, []
    with socket.create_connection(("127.0.0.1", plan.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while time.monotonic() < until:
            connection.sendall(_request(plan, next(keys)))
            answer = _answer(connection)
            if answer.startswith(b"HTTP/1.1 201 "):
                done += 1
            else:
                wrong.append(answer[:2000].decode(errors="replace"))
                break
    return done, wrong


def _request(plan: Plan, number: int) -> bytes:
    return (
        f"POST {plan.path} HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{plan.port}\r\n"
        f"Authorization: Bearer {random.choice(plan.tokens)}\r\n"
        f"Idempotency-Key: bench-{os.getpid()}-{number}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(plan.body)}\r\n\r\n{plan.body}"
    ).encode()


def _answer(connection: socket.socket) -> bytes:
    """One whole answer; all of ours state their length."""
    received = connection.recv(_BUFFER)
    while b"\r\n\r\n" not in received:
        received += _more(connection)
    head, _blank, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.partition(b":")[2])
        for line in head.split(b"\r\n")
        if line.lower().startswith(b"content-length:")
    )
    while len(body) < length:
        body += _more(connection)
    return head + b"\r\n\r\n" + body


def _more(connection: socket.socket) -> bytes:
    chunk = connection.recv(_BUFFER)
    if not chunk:
        raise ConnectionError("The server closed the connection.")
    return chunk


if __name__ == "__main__":
    main()
