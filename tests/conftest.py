"""What every test may use: the running services, the sandbox's controls, the chain."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.core.cache import cache
from django.core.management import call_command
from django.core.management.commands import flush
from django.test import Client
from django.utils import translation

from accounts.models import User
from agora.runtime import Services, probes
from copytrade import budget
from tests import emptying, people, plugin

if TYPE_CHECKING:
    from pytest_django.plugin import DjangoDbBlocker

    from agora.sandbox.client import SandboxControl


@pytest.fixture(scope="session")
def services() -> Services:
    """PostgreSQL, Valkey and the chain, running; `env` is what a subprocess needs to reach them."""
    plugin.SERVICES.start("postgres", "valkey", "anvil")
    return plugin.SERVICES


@pytest.fixture(scope="session", autouse=True)
def _services_for_all(services: Services) -> None:
    """Every test may use database, cache and queue without asking."""


@pytest.fixture(scope="session", autouse=True)
def _static_files_when_asked() -> None:
    """No browser of a test looks through all static files as it starts: that costs 0.1 s each."""
    settings.WHITENOISE_AUTOREFRESH = True


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_quickly() -> Iterator[None]:
    """A hash with real costs takes 0.1 s and 100 MB; what it is made of stays the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Argon2PasswordHasher, "memory_cost", 8 * Argon2PasswordHasher.parallelism)
        patch.setattr(Argon2PasswordHasher, "time_cost", 1)
        yield


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    """No test sees another's rate limits, quotes or queued messages."""
    yield
    cache.clear()
    budget.forget()


@pytest.fixture(autouse=True)
def _own_language() -> Iterator[None]:
    """No test reads in the language that another's request has left to this thread."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session")
def django_db_setup(
    services: Services, django_db_setup: None, django_db_blocker: "DjangoDbBlocker"
) -> Iterator[None]:
    """The test database; processes that a test starts find it too. Flushing empties it our way."""
    name = settings.DATABASES["default"]["NAME"]
    url = services.env["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    os.environ["DATABASE_URL"] = services.env["DATABASE_URL"] = url
    with django_db_blocker.unblock():
        kept = emptying.permissions()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush.Command, "handle", lambda *_, **__: emptying.empty_tables(kept=kept))
        yield


@pytest.fixture(scope="session", autouse=True)
def _sign_in_is_complete() -> Iterator[None]:
    """Let `force_login` leave what a complete sign-in leaves: recent, and with a second factor."""
    with pytest.MonkeyPatch.context() as patch:
        force_login = Client.force_login

        def complete(self: Client, user: User, backend: str | None = None) -> None:
            force_login(self, user, backend)
            people.note_sign_in(self, user, "password", "mfa")

        patch.setattr(Client, "force_login", complete)
        yield


@pytest.fixture(scope="session")
def sandbox_server(services: Services) -> str:
    """The vendors' sandbox, running; its base URL."""
    services.start("sandbox")
    return services.sandbox_url


@pytest.fixture
def sandbox(sandbox_server: str) -> Iterator["SandboxControl"]:
    """Controls of the vendors' sandbox; faults and market are as usual again after the test."""
    from agora.sandbox.client import SandboxControl

    control = SandboxControl(sandbox_server)
    yield control
    control.calm()


@dataclass(frozen=True)
class Chain:
    """The local chain as a test drives it."""

    url: str
    contract: str

    def rpc(self, method: str, *params: object) -> object:
        return probes.rpc(self.url, method, *params)

    def mine(self, blocks: int = 1) -> None:
        self.rpc("anvil_mine", hex(blocks))

    @property
    def height(self) -> int:
        return int(str(self.rpc("eth_blockNumber")), 16)


@pytest.fixture(scope="session")
def _contract(
    services: Services,
    sandbox_server: str,
    django_db_setup: None,
    django_db_blocker: "DjangoDbBlocker",
) -> str:
    """The token contract, deployed once; settings and later subprocesses know its address."""
    output = StringIO()
    with django_db_blocker.unblock():
        call_command("deploy_contract", "--json", stdout=output)
    address = str(json.loads(output.getvalue().splitlines()[-1])["address"])
    settings.CONTRACT_ADDRESS = address
    os.environ["CONTRACT_ADDRESS"] = services.env["CONTRACT_ADDRESS"] = address
    return address


@pytest.fixture
def chain(services: Services, _contract: str) -> Chain:
    """The local chain with the token contract on it."""
    return Chain(url=services.env["CHAIN_RPC_URL"], contract=_contract)
