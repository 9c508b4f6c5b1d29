"""SHA-256 of very many messages of one width, on every core.

hashlib holds the interpreter's lock for short messages, so threads gain nothing here. The helpers
are processes that run this file and nothing else: they import neither Django nor numpy, start
within milliseconds, and hold no connection that a fork would share. While they hash, the caller
lays out the messages that come next.
"""

import hashlib
import os
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import IO

_HEADER = struct.Struct(">QQ")  # width of a message, bytes that follow
_BATCH = 512
_PIPE_BYTES = 1 << 20
_PART = 8192  # messages handed over at once: fewer bytes than a pipe holds, up to 128 each
_ENDED = "A helper that hashes ended early; the tree was not built. Build it again."
# Linux gives a user's pipes 64 MiB together before it refuses to widen one, and each helper has two;
# long before so many, laying out is what takes the time.
_MOST_HELPERS = 16
_FEW = 20_000  # below this, handing messages over takes longer than hashing them


class Hasher:
    """Hashes in helper processes, or here where there are none; a context manager that ends them."""

    def __init__(self, *, helpers: int | None = None) -> None:
        cores = min(len(os.sched_getaffinity(0)), _MOST_HELPERS)
        self._wanted = (cores if cores > 1 else 0) if helpers is None else helpers
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

    def digests(
        self, lay_out: Callable[[int, int], memoryview], *, count: int, width: int
    ) -> bytes:
        """The digests of `count` messages in their order.

        `lay_out(start, stop)` gives the messages of that range, `width` bytes each, without a gap.
        """
        if count < _FEW or not self._wanted:
            return b"".join(_hashed(lay_out(*part), width) for part in _parts(count))
        done: list[bytes] = []
        under_way: deque[tuple[IO[bytes], int]] = deque()
        helpers = self._ready()
        for number, (start, stop) in enumerate(_parts(count)):
            # Two parts a helper: one that it hashes, one in its pipe. With more, it could wait for
            # room for its answer while this process waits for room for its question.
            if len(under_way) == 2 * len(helpers):
                done.append(_received(*under_way.popleft()))
            helper = helpers[number % len(helpers)]
            _send(_pipe(helper.stdin), lay_out(start, stop), width)
            under_way.append((_pipe(helper.stdout), 32 * (stop - start)))
        done += [_received(*asked) for asked in under_way]
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


def _parts(count: int) -> Iterator[tuple[int, int]]:
    for start in range(0, count, _PART):
        yield start, min(start + _PART, count)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:  # cannot be: all are opened with PIPE
        raise OSError("The helper has no pipe.")
    return pipe


def _send(pipe: IO[bytes], part: memoryview, width: int) -> None:
    try:
        pipe.write(_HEADER.pack(width, len(part)))
        pipe.write(part)
        pipe.flush()
    except BrokenPipeError as error:
        raise OSError(_ENDED) from error


def _received(pipe: IO[bytes], size: int) -> bytes:
    answer = pipe.read(size)
    if len(answer) != size:
        raise OSError(_ENDED)
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
