"""Child processes: start several at once, wait until each is ready, notice a crash, stop all.

Children are tied to the runtime in two ways. On Linux the kernel signals them when their parent
dies (`setpriv --pdeathsig`). Besides, their ids stand in the data folder, so that the next start
stops whatever a killed runtime left behind.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agora.runtime.folder import Folder

_TICK = 0.02  # seconds between two looks at a condition


class PartFailed(Exception):
    """A part did not start, did not become ready in time, or ended by itself."""


@dataclass(frozen=True)
class Part:
    """One process of the runtime and how to tell that it works."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    env: Mapping[str, str] = field(default_factory=dict)
    clean_env: bool = False  # start from an empty environment instead of the runtime's own
    privileges: Sequence[str] = ()  # further arguments of setpriv, for PostgreSQL under root
    stop_signal: signal.Signals = signal.SIGTERM
    ready_limit: float = 180.0  # after an installation each part compiles what it imports
    stop_limit: float = 15.0


class Process:
    """A started part. Its output goes to a file, so that nobody has to keep reading it."""

    def __init__(self, part: Part, *, log: Path) -> None:
        self.part = part
        inherited = {"PATH": os.environ.get("PATH", os.defpath)} if part.clean_env else os.environ
        with log.open("wb") as output:
            self._popen = subprocess.Popen(
                [*_tie_to_parent(part), *part.command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**inherited, **part.env},
                # Ctrl-C reaches the runtime only, which then stops the parts in the right order.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    def exit_code(self) -> int | None:
        return self._popen.poll()

    def ask_to_stop(self) -> None:
        if self.exit_code() is None:
            self._popen.send_signal(self.part.stop_signal)

    def wait_stopped(self, deadline: float) -> None:
        try:
            self._popen.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            signal_group(self.pid, signal.SIGKILL)
            self._popen.wait()


class Supervisor:
    """Starts parts in one data folder; what was started together is stopped together, last first."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._batches: list[list[Process]] = []

    @property
    def processes(self) -> list[Process]:
        return [process for batch in self._batches for process in batch]

    def start(self, *parts: Part) -> None:
        """Start the parts together and wait for all; raises PartFailed."""
        self.begin(*parts)
        for part in parts:
            self.wait_ready(part)

    def begin(self, *parts: Part) -> None:
        """Start the parts without waiting for them."""
        batch: list[Process] = []
        self._batches.append(batch)
        for part in parts:
            batch.append(Process(part, log=self.folder.root / "logs" / f"{part.name}.log"))
            self._remember()

    def wait_ready(self, part: Part) -> None:
        deadline = time.monotonic() + part.ready_limit
        while not part.ready():
            self.check()
            if time.monotonic() > deadline:
                raise PartFailed(
                    f"{part.name} was not ready within {part.ready_limit:.0f} s.{self._tail(part)}"
                )
            time.sleep(_TICK)

    def check(self) -> None:
        """Raise PartFailed for a part that ended by itself."""
        for process in self.processes:
            code = process.exit_code()
            if code is not None:
                how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
                raise PartFailed(f"{process.part.name} {how}.{self._tail(process.part)}")

    def stop(self) -> None:
        while self._batches:
            self.stop_last()

    def stop_last(self) -> None:
        """Stop what was started last together."""
        batch = self._batches[-1]
        for process in batch:
            process.ask_to_stop()
        for process in batch:
            process.wait_stopped(time.monotonic() + process.part.stop_limit)
        self._batches.pop()
        self._remember()

    def _remember(self) -> None:
        self.folder.write_running(
            {p.part.name: {"pid": str(p.pid), "identity": identity(p.pid)} for p in self.processes}
        )

    def _tail(self, part: Part) -> str:
        log = self.folder.root / "logs" / f"{part.name}.log"
        lines = log.read_text(errors="replace").splitlines()[-15:]
        if not lines:
            return f" It wrote nothing to {log}."
        return "\n".join([f" The end of {log}:", *(f"    {line}" for line in lines)])

    def stop_orphans(self, *, limit: float = 10.0) -> list[str]:
        """Stop what a killed runtime left behind in this folder; returns the parts' names."""
        orphans = {
            name: int(known["pid"])
            for name, known in self.folder.read_running().items()
            if known["identity"] and identity(int(known["pid"])) == known["identity"]
        }
        # PostgreSQL takes SIGINT as "disconnect everybody and shut down now".
        for name, pid in orphans.items():
            os.kill(pid, signal.SIGINT if name == "postgres" else signal.SIGTERM)
        deadline = time.monotonic() + limit
        for pid in orphans.values():
            while identity(pid) and time.monotonic() < deadline:
                time.sleep(_TICK)
            if identity(pid):
                signal_group(pid, signal.SIGKILL)
        self.folder.write_running({})
        return sorted(orphans)


def run_to_end(part: Part, *, log: Path, input_text: str = "") -> None:
    """Run a short command of a part to its end; raises PartFailed with its output."""
    inherited = {"PATH": os.environ.get("PATH", os.defpath)} if part.clean_env else os.environ
    done = subprocess.run(
        [*_tie_to_parent(part), *part.command],
        input=input_text,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**inherited, **part.env},
        check=False,
        timeout=part.ready_limit,
    )
    log.write_text(done.stdout)
    if done.returncode:
        raise PartFailed(f"{part.name} failed ({done.returncode}):\n{done.stdout}")


def signal_group(pid: int, number: signal.Signals) -> None:
    """Signal a part together with its own children (each part leads a session)."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def identity(pid: int) -> str:
    """What distinguishes a process from a later one with the same number; empty when it is gone."""
    proc = Path("/proc/self/stat")
    if not proc.exists():  # macOS
        command = ["ps", "-o", "lstart=", "-p", str(pid)]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    # Field 3 is the state (a zombie is gone for us), field 22 the start in clock ticks.
    return "" if fields[0] in "ZX" else fields[19]


def _tie_to_parent(part: Part) -> list[str]:
    tool = shutil.which("setpriv") if sys.platform == "linux" else None
    if tool is None:
        if part.privileges:
            raise PartFailed(
                f"{part.name} must not run as root, and the command setpriv (package util-linux) "
                "that starts it as another user is not here. Run Agora as a plain user."
            )
        return []
    death = f"--pdeathsig={part.stop_signal.name.removeprefix('SIG')}"
    return [tool, death, *part.privileges, "--"]
