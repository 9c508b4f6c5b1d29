"""Gives every test run its own PostgreSQL, Valkey, chain and sandbox, in a folder of its own.

pytest loads this before pytest-django (`-p tests.plugin`), because the settings must point to the
services when Django reads them. Only names and keys are made here; the servers start with the
first test (tests/conftest.py), so listing tests stays instant.
"""

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from agora.runtime import Services

DATA = Path(tempfile.mkdtemp(prefix="agora-tests-"))

# Nothing of the surrounding environment may lead a test to a real service.
for name in [
    n
    for n in os.environ
    if n.startswith(("ALPACA_", "FIREBLOCKS_", "BINANCE_", "CHAIN_", "DOCUMENTS_", "CLAMD_"))
]:
    del os.environ[name]

SERVICES = Services(
    data=DATA,
    durable=False,
    block_seconds=0.2,
    sandbox_flags=["--fill-delay", "0.05", "--status-delay", "0.02"],
)
os.environ.update(SERVICES.env)
os.environ.update(
    {
        "DJANGO_SETTINGS_MODULE": "agora.settings",
        "DEBUG": "false",
        "SITE_URL": "http://localhost:8000",
        "EMAIL_URL": "memorymail://",
        "STATIC_ROOT": str(DATA / "staticfiles"),
        "MINT_CONFIRMATIONS": "2",
        "SCREENING_REQUIRED": "false",
        "WORK_LEASE_SECONDS": "2",
        "UNKNOWN_GRACE_SECONDS": "0.2",
        "POLL_SECONDS": "0.1",
        "SWEEP_SECONDS": "1",
        "WORK_BACKOFF_SECONDS": "0.1",
        "WORK_BACKOFF_MAX_SECONDS": "1",
    }
)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    SERVICES.stop()
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.hookimpl
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases broke something on purpose: the proof that they were not skipped."""
    outcomes = {
        outcome: sum(
            report.when == "call"
            and ("fault" in report.keywords or "tests/faults/" in report.nodeid)
            for report in terminalreporter.getreports(outcome)
        )
        for outcome in ("passed", "failed")
    }
    if any(outcomes.values()):
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
        terminalreporter.write_line(f"Fault cases: {told}")
