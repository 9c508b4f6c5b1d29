"""Settings come from the environment or files, and wrong ones stop the start (PRE-2)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_READ = "from django.conf import settings; print(repr(getattr(settings, {name!r})))"
_LEAST = {
    "DJANGO_SETTINGS_MODULE": "agora.settings",
    "DATA_DIR": "/nonexistent",
    "SECRET_KEY": "for a test",
    "FIELD_KEYS": "for a test",
    "BLIND_INDEX_KEY": "for a test",
    "TOKEN_PEPPER": "for a test",
}


def _read(name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Load the settings in a process that has nothing but this environment; print one of them."""
    return _run(_READ.format(name=name), **environment)


def _run(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": os.environ["PATH"], **_LEAST, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


WRONG = [
    ("DEBUG", "maybe"),
    ("SCREENING_REQUIRED", "ture"),
    ("SITE_URL", "agora.example"),
    ("DATABASE_URL", "nonsense"),
    ("DATABASE_URL", "sqlite:///agora.sqlite3"),
    ("REDIS_URL", "127.0.0.1:6379"),
    ("ALPACA_BASE_URL", "paper-api.alpaca.markets"),
    ("ALPACA_BASE_URL", "https://api.alpaca.markets"),
    ("ALPACA_BASE_URL", "https://API.alpaca.markets/v2"),
    ("ALPACA_DATA_URL", "https://alpaca.example"),
    ("FIREBLOCKS_BASE_URL", "https://api.fireblocks.io/v1"),
    ("FIREBLOCKS_BASE_URL", "http://sandbox-api.fireblocks.io/v1"),
    ("BINANCE_BASE_URL", "https://api.binance.com"),
    ("BINANCE_BASE_URL", "https://testnet.binance.vision.example"),
    ("BINANCE_BASE_URL", "https://testnet.binance.vision@api.binance.com"),
    ("LIVE_VENDORS", "alpaca"),
    ("LIVE_VENDORS", "binance,kraken"),
    ("CHAIN_ID", "base"),
    ("CHAIN_ID", "0"),
    ("MINT_CONFIRMATIONS", "1.5"),
    ("CONTRACT_ADDRESS", "0x12"),
    ("WORK_LEASE_SECONDS", "inf"),
    ("LOG_LEVEL", "LOUD"),
    ("SECRET_KEY", " "),
    ("METRICS_TOKEN_FILE", "/nonexistent/token"),
]
_REFUSED = """
import importlib, json, os, sys
told = []
for name, wrong in json.loads(os.environ["WRONG"]):
    before = os.environ.get(name)
    os.environ[name] = wrong
    try:
        importlib.import_module("agora.settings")
        told.append("")
    except Exception as error:
        told.append(f"{type(error).__name__}: {error}")
    sys.modules.pop("agora.settings", None)
    os.environ.pop(name)
    if before is not None:
        os.environ[name] = before
print(json.dumps(told))
"""


def test_wrong_values_are_refused_with_the_name_of_the_setting() -> None:
    told = json.loads(_run(_REFUSED, WRONG=json.dumps(WRONG)).stdout)

    assert [
        (name, wrong, words)
        for (name, wrong), words in zip(WRONG, told, strict=True)
        if not words.startswith("ImproperlyConfigured: ") or name not in words
    ] == []


def test_a_wrong_value_stops_the_start() -> None:
    result = _read("DEBUG", DEBUG="maybe")

    assert result.returncode != 0
    assert "ImproperlyConfigured: DEBUG" in result.stderr.splitlines()[-1]


def test_a_secret_from_a_file_loses_the_line_break_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")

    result = _read(
        "FIREBLOCKS_API_KEY",
        FIREBLOCKS_API_KEY="from the environment",
        FIREBLOCKS_API_KEY_FILE=str(tmp_path / "key"),
    )

    assert result.stdout == "'from a file'\n"


@pytest.mark.parametrize(
    ("given", "read"), [("", "True"), ("on", "True"), ("FALSE", "False"), ("0", "False")]
)
def test_screening_is_switched_off_by_a_word_for_it_only(given: str, read: str) -> None:
    assert _read("SCREENING_REQUIRED", SCREENING_REQUIRED=given).stdout == f"{read}\n"


@pytest.mark.parametrize(("command", "limit"), [("migrate", "0"), ("check", "30000")])
def test_a_migration_may_take_as_long_as_its_table_is_long(command: str, limit: str) -> None:
    argv = f"import sys; sys.argv[1:] = [{command!r}]\n"
    program = argv + _READ.format(name="DATABASES")

    options = _run(program).stdout

    assert f"-c statement_timeout={limit} " in options
    assert "-c lock_timeout=5000" in options


def test_a_missing_secret_stops_the_start() -> None:
    result = _read("DEBUG", TOKEN_PEPPER="")

    assert result.returncode != 0
    assert "TOKEN_PEPPER is not set" in result.stderr


def test_a_live_address_needs_a_second_setting_that_names_the_vendor() -> None:
    live = "https://api.binance.com"

    refused = _read("BINANCE_BASE_URL", BINANCE_BASE_URL=live, LIVE_VENDORS="fireblocks")
    allowed = _read("BINANCE_BASE_URL", BINANCE_BASE_URL=live, LIVE_VENDORS="binance")

    assert "real money could move. See LIVE_VENDORS" in refused.stderr
    assert allowed.stdout == f"'{live}'\n"


def test_a_live_address_is_never_reached_without_encryption() -> None:
    result = _read("DEBUG", BINANCE_BASE_URL="http://api.binance.com", LIVE_VENDORS="binance")

    assert "BINANCE_BASE_URL must begin https://" in result.stderr


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost:9", "[::1]:9"])
def test_a_vendor_may_be_this_machines_sandbox(host: str) -> None:
    address = f"http://{host}/fireblocks/v1"

    assert _read("FIREBLOCKS_BASE_URL", FIREBLOCKS_BASE_URL=address).stdout == f"'{address}'\n"
