"""The data folder of one runtime: its lock, ports, secrets and the list of what runs."""

import fcntl
import json
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path


class FolderInUse(Exception):
    """Another runtime that is alive holds the data folder."""


class Folder:
    """Everything a runtime keeps between two starts; private to the person who runs it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.root.mkdir(parents=True, exist_ok=True)
        (self.root / "logs").mkdir(exist_ok=True)
        self._lock: int | None = None

    def acquire(self) -> None:
        """Take the folder for this process until it ends, however it ends.

        Raises FolderInUse when another process has it. The kernel drops the lock with its holder,
        so a killed runtime leaves nothing stale behind.
        """
        lock = os.open(self.root / "runtime.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.read(lock, 32).decode(errors="replace").strip() or "unknown"
            os.close(lock)
            raise FolderInUse(
                f"Another runtime (process {holder}) is using {self.root}. "
                "Stop it with Ctrl-C, or choose another folder with --data."
            ) from None
        os.truncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secret(self, name: str, make: Callable[[], str]) -> Path:
        """The file of a secret, made at the first start and readable by its owner only."""
        path = self.root / "secrets" / name
        if not path.exists():
            path.parent.mkdir(mode=0o700, exist_ok=True)
            write_private(path, make())
        return path

    def ports(self, names: Iterable[str], *, preferred: Mapping[str, int]) -> dict[str, int]:
        """A free loopback port for each name, the same as last time wherever that one is free."""
        path = self.root / "ports.json"
        kept: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        held: list[socket.socket] = []
        chosen: dict[str, int] = {}
        try:
            for name in names:
                wish = kept.get(name) or preferred.get(name, 0)
                held.append(_bind(wish) or _bind_any())
                chosen[name] = held[-1].getsockname()[1]
        finally:
            for each in held:
                each.close()
        path.write_text(json.dumps({**kept, **chosen}, indent=1) + "\n")
        return chosen

    def read_running(self) -> dict[str, dict[str, str]]:
        """Name → pid and identity of the processes that the last runtime had started."""
        try:
            running: dict[str, dict[str, str]] = json.loads(
                (self.root / "running.json").read_text()
            )
        except (FileNotFoundError, ValueError):
            return {}
        return running

    def write_running(self, running: Mapping[str, Mapping[str, str]]) -> None:
        write_private(self.root / "running.json", json.dumps(running, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, with access for its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    draft.replace(path)


def port_is_free(port: int) -> bool:
    taken = _bind(port)
    if taken is None:
        return False
    taken.close()
    return True


def _bind(port: int) -> socket.socket | None:
    if not port:
        return None
    attempt = socket.socket()
    # A port whose last connections are still in TIME_WAIT is free for a server.
    attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        attempt.bind(("127.0.0.1", port))
    except OSError:
        attempt.close()
        return None
    return attempt


def _bind_any() -> socket.socket:
    attempt = socket.socket()
    attempt.bind(("127.0.0.1", 0))
    return attempt
