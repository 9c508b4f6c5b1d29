"""The whole product on this machine, from one command (`manage.py demo`)."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

from agora.runtime import parts, telling
from agora.runtime.ending import Stopped, stops_on_signals
from agora.runtime.folder import FolderInUse, port_is_free
from agora.runtime.invented import any_address, any_cpf
from agora.runtime.logs import Follower
from agora.runtime.once import LegFailed, Program
from agora.runtime.processes import Part, PartFailed
from agora.runtime.services import Services

PROJECT = Path(__file__).resolve().parents[2]
WEB_PORT = 8000
ORDER_LIMIT = 90.0  # seconds for one order; it takes a few
_PYTHON_LIMIT = 300.0  # seconds for a command that ends by itself
_LOOK_EVERY = 0.25  # seconds between two looks at the parts
_CHAIN_EVERY = 1.0  # seconds between two empty blocks

# What the demo sets on top of the services' addresses, unless the environment says otherwise.
_SETTINGS = {
    "DEBUG": "false",
    "ALLOWED_HOSTS": "localhost,127.0.0.1",
    "ACCOUNT_EMAIL_VERIFICATION": "optional",
    "EMAIL_URL": "consolemail://",
    "MINT_CONFIRMATIONS": "2",
    "SCREENING_REQUIRED": "false",  # no list comes with Agora
}


class Demo:
    """One run of the demo. `run` returns the exit code: 0 as asked, 1 failed, 2 folder in use."""

    def __init__(self, *, data: Path, port: int | None, once: bool, out: TextIO) -> None:
        self.data = data.resolve()
        self.wanted_port = port
        self.once = once
        self.out = out
        self.began = time.monotonic()
        self.follower = Follower(self.data / "logs", out=out)
        self.password = ""
        self.env: dict[str, str] = {}
        self.exchange_control = (
            ""  # of the sandbox; a real exchange's accounts are not ours to make
        )
        self._next_block = 0.0

    def run(self) -> int:
        try:
            with stops_on_signals():
                services = Services(
                    data=self.data,
                    environ=os.environ,
                    sandbox_flags=["--binance-prices", "path"],
                    on_orphans=self._tell_orphans,
                )
                self._say(f"Starting in {self.data} …")
                with services:
                    return self._run(services)
        except Stopped:
            self._say("\nStopped.")
            return 0
        except FolderInUse as error:
            self._say(f"✗ {error}")
            return 2
        except (PartFailed, LegFailed) as error:
            self._say(f"\n✗ {error}")
            return 1
        finally:
            self.follower.close()

    def _run(self, services: Services) -> int:
        port = self._web_port(services)
        self.password = services.folder.secret("demo.password", _password).read_text()
        self.env = self._compose_env(services, port=port)
        prepared = self._start_agora(services, port=port)
        self._say(f"Ready after {time.monotonic() - self.began:.1f} s.")
        if self.once:
            return self._act_once(services, port=port, prepared=prepared)
        self._greet(port=port, prepared=prepared)
        return self._watch(services)

    def _start_agora(self, services: Services, *, port: int) -> dict[str, Any]:
        """Prepare the database and the contract, and start web, workers, sealer and beat.

        Where the last start prepared the same, all of it happens at once, which halves the time.
        """
        memory = services.folder.root / "prepared.json"
        before = json.loads(memory.read_text()) if memory.exists() else {}
        early = before.get("migrations") == _migrations()
        if early:
            begun = self._begin(services, port=port, contract=before["contract"])
        prepared = self._prepare()
        contract = str(prepared["contract"]["address"])
        if early and contract != before["contract"]:  # the chain's data was removed
            services.supervisor.stop_last()
            early = False
        if not early:
            begun = self._begin(services, port=port, contract=contract)
        for part in begun:
            services.supervisor.wait_ready(part)
        memory.write_text(json.dumps({"migrations": _migrations(), "contract": contract}))
        return prepared

    def _begin(self, services: Services, *, port: int, contract: str) -> list[Part]:
        self.env["CONTRACT_ADDRESS"] = contract
        services.write_env(self.env)
        begun = [
            parts.worker(env=self.env, folder=services.folder),  # the slowest goes first
            parts.web(env=self.env, port=port),
            parts.slow_worker(env=self.env, folder=services.folder),
            parts.sealer(env=self.env, folder=services.folder),
            parts.beat(env=self.env),
        ]
        services.supervisor.begin(*begun)
        return begun

    def _web_port(self, services: Services) -> int:
        if self.wanted_port is None:
            return services.folder.ports(["web"], preferred={"web": WEB_PORT})["web"]
        if not port_is_free(self.wanted_port):
            raise PartFailed(f"Port {self.wanted_port} is in use. Choose another with --port.")
        return self.wanted_port

    def _compose_env(self, services: Services, *, port: int) -> dict[str, str]:
        ours = {
            **_SETTINGS,
            "SITE_URL": f"http://localhost:{port}",
            "STATIC_ROOT": str(self.data / "staticfiles"),
            "PROMETHEUS_MULTIPROC_DIR": str(parts.metrics_folder(services.folder)),
        }
        given = {name: os.environ[name] for name in ours if os.environ.get(name)}
        if services.env["BINANCE_BASE_URL"].startswith(services.sandbox_url):
            self.exchange_control = services.sandbox_url
        return {**services.env, **ours, **given, "PYTHONUNBUFFERED": "1"}

    def _prepare(self) -> dict[str, Any]:
        flags = ["--once"] if self.once else []
        done = self._python("-m", "agora.runtime.prepare", *flags)
        if done.returncode:
            raise PartFailed(f"Preparing the database and the contract failed:\n{done.stderr}")
        prepared: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return prepared

    def _verify_audit(self) -> str:
        done = self._python("manage.py", "audit", "verify", "--seal", "--json")
        if done.returncode:
            raise LegFailed(f"Audit trail: {done.stderr or done.stdout}")
        verdict = json.loads(done.stdout)
        return f"{verdict['rows']} rows verified, head {verdict['head']}"

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={
                **os.environ,
                **self.env,
                "AGORA_DEMO_PASSWORD": self.password,
                "AGORA_DEMO_SANDBOX": self.exchange_control,
            },
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PYTHON_LIMIT,
        )

    def _act_once(self, services: Services, *, port: int, prepared: Mapping[str, Any]) -> int:
        program = Program(
            url=f"http://127.0.0.1:{port}",
            out=self.out,
            meanwhile=lambda: self._look_after(services),
        )
        self._buy(program, email=prepared["accounts"]["once"])
        if prepared["copying"] is not None:
            self._copy(program, prepared["copying"])
        self._say("")
        program.show("Audit trail", self._verify_audit)
        self._say(f"\nDone in {time.monotonic() - self.began:.1f} s.")
        return 0

    def _buy(self, program: Program, *, email: str) -> None:
        self._say(f"\nOne order, as a program of {email} places it:")
        person: dict[str, object] = {
            "full_name": "Once Demo",
            "country": "BR",
            "tax_id": any_cpf(),
            "wallet_address": any_address(),
            "consent": True,
        }
        program.buy(email=email, password=self.password, person=person, limit=ORDER_LIMIT)

    def _copy(self, program: Program, copying: Mapping[str, Any]) -> None:
        """Trade as the master, and tell what became of it at each follower; raises LegFailed."""
        self._say(f"\nOne order of a master, as a program of {copying['master']} places it:")
        signal = program.trade(
            email=copying["master"],
            password=self.password,
            strategy_id=copying["strategy"],
            order=copying["order"],
            limit=ORDER_LIMIT,
        )
        self._say(f"\nWhat became of it at the followers of “{copying['name']}”:")
        done = self._python("-m", "agora.runtime.copies", signal)
        if not done.stdout:
            raise LegFailed(f"Copies: {done.stderr}")
        told = json.loads(done.stdout.splitlines()[-1])
        for line in telling.copies(told):
            self._say(line)
        if told["waiting"]:
            raise LegFailed(f"Copies: no outcome in time for {', '.join(told['waiting'])}.")
        if told["differences"]:
            raise LegFailed(
                "\n".join(["Copies: the exchange's books differ.", *told["differences"]])
            )
        self._say("  The exchange's own books say the same.")
        self._say(f"\n  manage.py copy explain {signal}")
        for line in telling.beginning(told["explained"]):
            self._say(line)

    def _watch(self, services: Services) -> NoReturn:
        """Show the logs until a signal comes or a part ends; raises Stopped or PartFailed."""
        self.follower.follow(["web", "worker", "slow-worker", "sealer", "beat", "sandbox"])
        while True:
            self.follower.print_new()
            self._look_after(services)
            time.sleep(_LOOK_EVERY)

    def _look_after(self, services: Services) -> None:
        """What the parts need all the time; raises PartFailed when one has ended."""
        services.supervisor.check()
        if time.monotonic() >= self._next_block:
            services.tick()
            self._next_block = time.monotonic() + _CHAIN_EVERY

    def _greet(self, *, port: int, prepared: Mapping[str, Any]) -> None:
        self._say(
            telling.greeting(
                site=f"http://localhost:{port}",
                password=self.password,
                accounts=prepared["accounts"],
                second_factor=prepared["second_factor"],
                copying=prepared["copying"],
                data=self.data,
            )
        )

    def _tell_orphans(self, names: list[str]) -> None:
        self._say(f"Stopped what a killed runtime had left behind: {', '.join(names)}.")

    def _say(self, text: str) -> None:
        print(text, file=self.out, flush=True)


def _migrations() -> list[str]:
    """The migrations of this code; while they are the same, the database needs no change."""
    return sorted(str(path.relative_to(PROJECT)) for path in PROJECT.glob("*/migrations/0*.py"))


def _password() -> str:
    return secrets.token_urlsafe(9)
