"""The README's curl lines do what it says, run as printed in one bash session."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from allauth.account.models import EmailAddress
from pytest_django.live_server_helper import LiveServer

from accounts.models import User
from agora.sandbox.client import SandboxControl
from tests.conftest import Chain
from tests.settling import settle
from trading.models import Order

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        shutil.which("curl") is None, reason="the README's examples are lines of curl"
    ),
]


@pytest.fixture
def reader(live_server: LiveServer, chain: Chain, sandbox: SandboxControl) -> User:
    """Who has signed up with the e-mail address and the password that the README names."""
    named = re.search(r"Sign up once more as `(\S+)` with the password `(.+?)`", README)
    assert named is not None
    email, password = named.groups()
    user = User.objects.create_user(email, password)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


def test_the_examples_lead_from_a_token_to_the_minted_balance(
    reader: User, live_server: LiveServer, chain: Chain
) -> None:
    *placing, reading = BLOCKS
    marked = ["echo; echo; echo ----\n".join(placing), "echo; echo ----; read -r\n", reading]
    script = "set -u\n" + "".join(marked).replace("http://localhost:8000", live_server.url)
    with subprocess.Popen(
        ["bash", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as session:
        assert session.stdin is not None
        assert session.stdout is not None
        told = [""]
        for line in session.stdout:
            if line != "----\n":
                told[-1] += line
            elif len(told) < len(placing):
                told.append("")
            else:
                break
        order = settle(Order.objects.get(user=reader), chain=chain)
        session.stdin.write("\n")
        session.stdin.close()
        order_shown, balance_shown = _documents(session.stdout.read())

    _tools, _token, onboarded, _placed, repeated = told
    assert json.loads(onboarded)["status"] == "APPROVED"
    assert "Idempotency-Replayed: true" in repeated
    assert str(order.pk) in repeated
    assert order_shown["state"] == "MINT_CONFIRMED"
    assert balance_shown["balance"] == "0.5"


def _documents(text: str) -> list[dict[str, object]]:
    """JSON objects that follow each other."""
    found, rest = [], text.strip()
    while rest:
        value, end = json.JSONDecoder().raw_decode(rest)
        found.append(value)
        rest = rest[end:].strip()
    return found
