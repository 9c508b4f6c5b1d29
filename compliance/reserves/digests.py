"""SHA-256 of very many messages of one width, on every core.

hashlib holds the interpreter's lock for short messages, so threads gain nothing here. The helpers
are processes that run this file and nothing else: they import neither Django nor numpy, start
within milliseconds, and hold no connection that a fork would share.
"""

import hashlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import IO

_HEADER = struct.Struct(">QQ")  # width of a message, bytes that follow
_BATCH = 512
_PIPE_BYTES = 1 << 20
_FEW = 20_000  # below this, handing messages over takes longer than hashing them


class Hasher:
    """Hashes here and in helper processes; a context manager that ends them."""

    def __init__(self, *, helpers: int | None = None) -> None:
        cores = len(os.sched_getaffinity(0))
        self._wanted = cores - 1 if helpers is None else helpers
        self._helpers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "Hasher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for helper in self._helpers:
            helper.kill()
            helper.communicate()
        self._helpers = []

    def digests(self, messages: memoryview, *, width: int) -> bytes:
        """The digests of `messages`, bytes which follow each other without a gap, in their order."""
        count = len(messages) // width
        if count < _FEW or not self._wanted:
            return _hashed(messages, width)
        share = -(-count // (self._wanted + 1)) * width
        own, others = messages[:share], range(share, len(messages), share)
        helpers = self._ready()
        for helper, start in zip(helpers, others, strict=False):
            _send(_pipe(helper.stdin), messages[start : start + share], width)
        done = [_hashed(own, width)]
        for helper, start in zip(helpers, others, strict=False):
            part = len(messages[start : start + share]) // width
            done.append(_received(_pipe(helper.stdout), 32 * part))
        return b"".join(done)

    def _ready(self) -> list[subprocess.Popen[bytes]]:
        while len(self._helpers) < self._wanted:
            command = [sys.executable, "-I", __file__]
            helper = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pipesize=_PIPE_BYTES,
            )
            self._helpers.append(helper)
        return self._helpers


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # cannot be: all are opened with PIPE
        raise OSError("The helper has no pipe.")
    return pipe


def _send(pipe: IO[bytes], part: memoryview, width: int) -> None:
    pipe.write(_HEADER.pack(width, len(part)))
    pipe.write(part)
    pipe.flush()


def _received(pipe: IO[bytes], size: int) -> bytes:
    answer = pipe.read(size)
    if len(answer) != size:
        raise OSError("A helper that hashes ended early; the tree was not built. Build it again.")
    return answer


def _hashed(messages: memoryview, width: int) -> bytes:
    """Some hundred messages at a time: what a batch makes stays in the core's cache."""
    sha256, batch = hashlib.sha256, struct.Struct(f"{width}s" * _BATCH)
    whole = len(messages) // batch.size * batch.size
    done = [
        b"".join([sha256(message).digest() for message in batch.unpack_from(messages, at)])
        for at in range(0, whole, batch.size)
    ]
    rest = struct.iter_unpack(f"{width}s", messages[whole:])
    return b"".join([*done, *(sha256(message).digest() for (message,) in rest)])


def _requests(pipe: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    while header := pipe.read(_HEADER.size):
        width, size = _HEADER.unpack(header)
        yield width, pipe.read(size)


def main() -> None:
    """Answer requests until the other side closes the pipe or is gone."""
    for width, messages in _requests(sys.stdin.buffer):
        sys.stdout.buffer.write(_hashed(memoryview(messages), width))
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
