"""What a newcomer meets first: make, and what it says when something is missing."""

import re
import subprocess
from pathlib import Path

import pytest
from django.conf import settings

ROOT: Path = settings.BASE_DIR


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def program(folder: Path, name: str, script: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_help_lists_every_target_a_person_may_call() -> None:
    listed = set(re.findall(r"^  make ([a-z-]+)", run("make", "help").stdout, re.MULTILINE))
    assert {"setup", "demo", "doctor", "test", "check", "bench", "lock", "assets"} <= listed
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):(?!=)", makefile, re.MULTILINE))
    assert targets - listed == set()


def test_every_check_is_a_script_of_its_own() -> None:
    (names,) = re.findall(r"^CHECKS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for name in names.split():
        script = ROOT / ".ci" / name
        assert script.stat().st_mode & 0o111, f"{script} cannot be run"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('[ "$1" = -V ] && echo Python 3.9.2; exit 1', "is Python 3.9.2"),
        ('case "$2" in *version_info*) exit 0;; esac; exit 1', "apt-get install python3-venv"),
    ],
)
def test_an_unfit_python_is_named_with_what_to_do(tmp_path: Path, script: str, told: str) -> None:
    done = run(".ci/venv", program(tmp_path, "python", script))
    assert done.returncode == 1
    assert told in done.stderr


def test_a_missing_python_is_named() -> None:
    done = run(".ci/venv", "no-such-python")
    assert done.returncode == 1
    assert "'no-such-python' is not installed" in done.stderr


def test_an_old_node_is_named(tmp_path: Path) -> None:
    done = run(
        ".ci/node", program(tmp_path, "node", '[ "$1" = --version ] && echo v18.1.0; exit 1')
    )
    assert done.returncode == 1
    assert "node 20 or newer; this is v18.1.0" in done.stderr
