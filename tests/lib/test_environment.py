"""Settings come from the environment or files, and wrong ones stop the start (PRE-2)."""

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
    return subprocess.run(
        [sys.executable, "-c", _READ.format(name=name)],
        env={"PATH": os.environ["PATH"], **_LEAST, **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("DEBUG", "maybe"),
        ("SITE_URL", "agora.example"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "sqlite:///agora.sqlite3"),
        ("REDIS_URL", "127.0.0.1:6379"),
        ("ALPACA_BASE_URL", "paper-api.alpaca.markets"),
        ("ALPACA_BASE_URL", "https://api.alpaca.markets"),
        ("ALPACA_BASE_URL", "https://API.alpaca.markets/v2"),
        ("CHAIN_ID", "base"),
        ("CHAIN_ID", "0"),
        ("MINT_CONFIRMATIONS", "1.5"),
        ("CONTRACT_ADDRESS", "0x12"),
        ("WORK_LEASE_SECONDS", "inf"),
        ("LOG_LEVEL", "LOUD"),
        ("SECRET_KEY", " "),
        ("METRICS_TOKEN_FILE", "/nonexistent/token"),
    ],
)
def test_a_wrong_value_stops_the_start_and_names_the_setting(name: str, wrong: str) -> None:
    result = _read("DEBUG", **{name: wrong})

    assert result.returncode != 0
    assert "ImproperlyConfigured" in result.stderr.splitlines()[-1]
    assert name in result.stderr.splitlines()[-1]


def test_a_secret_from_a_file_loses_the_line_break_at_its_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("from a file\n")

    result = _read(
        "FIREBLOCKS_API_KEY",
        FIREBLOCKS_API_KEY="from the environment",
        FIREBLOCKS_API_KEY_FILE=str(tmp_path / "key"),
    )

    assert result.stdout == "'from a file'\n"


def test_a_missing_secret_stops_the_start() -> None:
    result = _read("DEBUG", TOKEN_PEPPER="")

    assert result.returncode != 0
    assert "TOKEN_PEPPER is not set" in result.stderr
