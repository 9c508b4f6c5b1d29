"""`manage.py demo --once`: the first thing a newcomer sees, from nothing to minted tokens and copies."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings

pytestmark = pytest.mark.timeout(300)


def demo_once(data: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "demo", "--once", "--data", str(data)],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(data), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@dataclass(frozen=True)
class FirstRun:
    """The demo's first run in an empty folder, where a second one may follow."""

    data: Path
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    data = tmp_path_factory.mktemp("demo") / "data"
    return FirstRun(data, demo_once(data))


def test_orders_are_led_to_minted_tokens_and_to_twenty_followers(first_run: FirstRun) -> None:
    done = first_run.done
    assert done.returncode == 0, done.stdout + done.stderr
    for evidence in (
        r"Broker order id [0-9a-f-]{36}",
        r"Filled quantity 0\.5 AAPL, Average price [0-9.]+ USD",
        r"Custody transaction id [0-9a-f-]{36}",
        r"Transaction hash 0x[0-9a-f]{64}, Block [0-9]+",
        r"0\.5 AAPL-RAT of 0x[0-9a-fA-F]{40} at block [0-9]+",
        r"Master's order .* BUY 0\.01 BTC for [0-9.]+ USDT",
        r"Signal .* The master bought 0\.01 BTC at [0-9,.]+ USDT\.",
        r"follower-14 +0\.0000[0-9]+ BTC at [0-9.]+ USDT +[0-9]+ ms",
        r"follower-15 +not copied +Smaller than the exchange accepts; kept and added",
        r"follower-18 +not copied +The subscription was paused",
        r"follower-19 +not copied +It was over the largest order that your limits allow",
        r"Copied 15, not copied 5; accepted at the exchange [0-9]+ (to [0-9]+ )?ms after the signal",
        r"The exchange's own books say the same",
        r"manage\.py copy explain [0-9a-f-]{36}\n  │ Signal 1 of “Demo: Bitcoin and Ether”",
        r"15 of 20 copies were made",
        r"[0-9]+ rows verified",
    ):
        assert re.search(evidence, done.stdout), done.stdout
    assert len(re.findall(r"^  [✓–] follower-[0-9]{2} ", done.stdout, re.MULTILINE)) == 20
    assert not (first_run.data / "runtime.env").exists()


def test_a_failed_leg_is_named_and_the_exit_code_tells(first_run: FirstRun) -> None:
    nobody = "http://127.0.0.1:9"
    done = demo_once(
        first_run.data,
        ALPACA_BASE_URL=nobody,
        ALPACA_DATA_URL=nobody,
        ALPACA_API_KEY="key",
        ALPACA_API_SECRET="secret",
    )
    assert done.returncode == 1
    assert "✗ Order: POST /orders gave 503" in done.stdout
    assert not (first_run.data / "runtime.env").exists()


@pytest.mark.parametrize(("command", "expected"), [("demo", "None"), ("doctor", "postgres://gone")])
def test_only_other_commands_take_the_addresses_that_a_runtime_left(
    tmp_path: Path, command: str, expected: str
) -> None:
    (tmp_path / "runtime.env").write_text("DATABASE_URL=postgres://gone\nSECRET_KEY=left\n")
    script = (
        f"import os, sys; sys.argv = ['manage.py', '{command}']\n"
        "try:\n    import agora.settings\nexcept Exception: pass\n"
        "print(os.environ.get('DATABASE_URL'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=settings.BASE_DIR,
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


@pytest.mark.parametrize("port", ["0", "-1", "65536", "http"])
def test_what_is_no_port_is_refused_before_anything_starts(tmp_path: Path, port: str) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", f"--port={port}", "--data", str(tmp_path / "data")],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is no port" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()
