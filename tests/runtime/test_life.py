"""How a runtime starts, ends, crashes and comes back. Real processes, real data folders."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from agora.runtime import PartFailed, Services, probes
from agora.runtime.folder import Folder, FolderInUse
from agora.runtime.processes import Part, Supervisor, identity


class Runtime:
    """`python -m agora.runtime` as a process of its own."""

    def __init__(self, data: Path, *parts: str) -> None:
        self.data = data
        flags = [flag for part in parts for flag in ("--part", part)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "agora.runtime", "--data", str(data), *flags],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("Ready:")

    def pid_of(self, part: str) -> int:
        return int(Folder(self.data).read_running()[part]["pid"])

    def end(self, number: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=30)
        return self.process.returncode, errors


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Callable[..., Runtime]]:
    started: list[Runtime] = []

    def start(*parts: str) -> Runtime:
        started.append(Runtime(tmp_path / "data", *parts))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate(timeout=30)


def wait_until(condition: Callable[[], bool], *, limit: float = 10.0) -> None:
    deadline = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def test_data_survives_a_restart(tmp_path: Path) -> None:
    with Services(data=tmp_path, parts={"postgres", "anvil"}, environ={}) as first:
        with psycopg.connect(first.env["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        probes.rpc(first.env["CHAIN_RPC_URL"], "anvil_mine", "0x7")
    with Services(data=tmp_path, parts={"postgres", "anvil"}, environ={}) as second:
        assert second.env == first.env
        with psycopg.connect(second.env["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert probes.rpc(second.env["CHAIN_RPC_URL"], "eth_blockNumber") == "0x7"


def test_data_survives_a_kill_and_nothing_keeps_running(
    runtime: Callable[..., Runtime],
) -> None:
    killed = runtime("postgres", "valkey", "anvil")
    killed.wait_ready()
    pids = [killed.pid_of(part) for part in ("postgres", "valkey", "anvil")]
    env = dict(
        line.split("=", 1) for line in (killed.data / "runtime.env").read_text().splitlines()
    )
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    killed.end(signal.SIGKILL)
    if sys.platform == "linux":
        wait_until(lambda: not any(identity(pid) for pid in pids))
    again = runtime("postgres", "valkey", "anvil")
    again.wait_ready()
    with psycopg.connect(env["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert again.end() == (0, "")


def test_a_crash_of_one_part_stops_all_and_is_told(runtime: Callable[..., Runtime]) -> None:
    running = runtime("valkey", "anvil")
    running.wait_ready()
    other = running.pid_of("anvil")
    os.kill(running.pid_of("valkey"), signal.SIGKILL)
    _, errors = running.process.communicate(timeout=30)
    assert running.process.returncode == 1
    assert "valkey was killed by signal 9" in errors
    assert "valkey.log" in errors
    assert not identity(other)


def test_a_part_that_cannot_start_shows_its_last_words(tmp_path: Path) -> None:
    supervisor = Supervisor(Folder(tmp_path))
    broken = Part(name="broken", command=["sh", "-c", "echo no such disk; exit 3"], ready=bool)
    with pytest.raises(PartFailed, match=r"(?s)broken ended with code 3.*no such disk"):
        supervisor.start(broken)


def test_a_part_that_never_answers_has_a_limit(tmp_path: Path) -> None:
    supervisor = Supervisor(Folder(tmp_path))
    silent = Part(name="silent", command=["sleep", "60"], ready=bool, ready_limit=0.1)
    with pytest.raises(PartFailed, match="silent was not ready within"):
        supervisor.start(silent)
    supervisor.stop()


def test_a_second_runtime_on_the_same_folder_is_refused(
    runtime: Callable[..., Runtime], tmp_path: Path
) -> None:
    first = runtime("valkey")
    first.wait_ready()
    second = runtime("valkey")
    _, errors = second.process.communicate(timeout=30)
    assert second.process.returncode == 2
    assert f"process {first.process.pid}" in errors
    with pytest.raises(FolderInUse):
        Services(data=tmp_path / "data", parts={"valkey"})
    assert identity(first.pid_of("valkey"))
    assert first.end(signal.SIGTERM) == (0, "")


def test_what_a_killed_runtime_left_is_stopped_but_nobody_else(tmp_path: Path) -> None:
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)
    stranger = subprocess.Popen(["sleep", "60"], start_new_session=True)
    folder = Folder(tmp_path)
    folder.write_running(
        {
            "anvil": {"pid": str(orphan.pid), "identity": identity(orphan.pid)},
            # The number was given to another process since.
            "valkey": {"pid": str(stranger.pid), "identity": "1"},
        }
    )
    assert Supervisor(folder).stop_orphans() == ["anvil"]
    assert orphan.wait(timeout=5) == -signal.SIGTERM
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait(timeout=5)


def test_a_part_whose_address_is_given_is_not_started(tmp_path: Path) -> None:
    given = {"REDIS_URL": "redis://example.invalid/0", "CHAIN_RPC_URL": "", "CHAIN_ID": "1"}
    services = Services(data=tmp_path, environ=given)
    try:
        assert services.started == {"postgres", "anvil", "sandbox"}
        assert services.env["REDIS_URL"] == given["REDIS_URL"]
    finally:
        services.stop()


def test_a_real_vendor_gets_no_sandbox_keys(tmp_path: Path) -> None:
    services = Services(
        data=tmp_path, environ={"ALPACA_BASE_URL": "https://paper-api.alpaca.markets"}
    )
    try:
        assert "sandbox" in services.started  # still needed for Fireblocks
        assert not [name for name in services.env if name.startswith("ALPACA_")]
        assert services.env["FIREBLOCKS_API_KEY"]
    finally:
        services.stop()


def test_secrets_are_made_once_and_are_for_their_owner_only(tmp_path: Path) -> None:
    Services(data=tmp_path, environ={}).stop()
    made = {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}
    Services(data=tmp_path, environ={}).stop()
    assert {"SECRET_KEY", "FIELD_KEYS", "FIREBLOCKS_PRIVATE_KEY"} <= set(made)
    for path in (tmp_path / "secrets").iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_text() == made[path.name]


def test_a_torn_chain_state_gives_way_to_the_last_whole_one(tmp_path: Path) -> None:
    with Services(data=tmp_path, parts={"anvil"}, environ={}) as first:
        probes.rpc(first.env["CHAIN_RPC_URL"], "anvil_mine", "0x3")
    live = tmp_path / "anvil" / "live.json"
    live.write_text(live.read_text()[:-40])
    with Services(data=tmp_path, parts={"anvil"}, environ={}) as second:
        assert probes.rpc(second.env["CHAIN_RPC_URL"], "eth_blockNumber") == "0x3"


def test_a_chain_left_alone_does_not_grow(tmp_path: Path) -> None:
    with Services(data=tmp_path, parts={"anvil"}, environ={}) as services:
        url = services.env["CHAIN_RPC_URL"]
        accounts = probes.rpc(url, "eth_accounts")
        assert isinstance(accounts, list)
        probes.rpc(url, "eth_sendTransaction", {"from": accounts[0], "to": accounts[1]})
        for _ in range(40):
            services.tick()
        assert probes.rpc(url, "eth_blockNumber") == hex(1 + 12)


def test_ports_stay_the_same_while_they_are_free(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    first = folder.ports(["one", "two"], preferred={})
    assert len(set(first.values())) == 2
    assert folder.ports(["one", "two"], preferred={}) == first
    assert json.loads((tmp_path / "ports.json").read_text()) == first


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give its rights away")
def test_root_gives_postgres_no_more_than_the_way_to_its_files(tmp_path: Path) -> None:
    services = Services(data=tmp_path / "data", parts={"postgres"}, environ={})
    with services:
        pid = Folder(tmp_path / "data").read_running()["postgres"]["pid"]
        status = Path(f"/proc/{pid}/status").read_text()
        facts = dict(line.split(":", 1) for line in status.splitlines())
        assert set(facts["Uid"].split()).isdisjoint({"0"})
        read_and_search = 1 << 2
        assert int(facts["CapEff"], 16) | int(facts["CapPrm"], 16) in (0, read_and_search)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root must give its rights away")
def test_postgres_can_be_started_below_a_folder_that_is_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    program = closed / "program"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    services = Services(data=closed / "data", parts={"postgres"}, environ={})
    services.stop()
    part = services.postgres.part()
    # test -x asks access(2), as PostgreSQL does for its own binaries.
    subprocess.run(["setpriv", *part.privileges, "--", "test", "-x", str(program)], check=True)
