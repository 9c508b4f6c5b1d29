"""Marks in the code strike exactly where a test has armed them, once, and nowhere else."""

import re
import time
from pathlib import Path

import pytest
from django.conf import settings as project
from django.core.management import call_command
from pytest_django import Settings

from agora.lib.failpoints import FailpointRaised, declared, failpoint


@pytest.fixture
def armed(tmp_path: Path, settings: Settings) -> Path:
    """The folder in which a test arms marks."""
    settings.FAILPOINTS_DIR = str(tmp_path)
    return tmp_path


def test_nothing_happens_while_failpoints_are_off(tmp_path: Path, settings: Settings) -> None:
    settings.FAILPOINTS_DIR = ""
    (tmp_path / "a.mark").write_text("raise")

    failpoint("a.mark")

    assert (tmp_path / "a.mark").exists()


def test_an_armed_mark_strikes_once(armed: Path) -> None:
    (armed / "a.mark").write_text("raise")

    with pytest.raises(FailpointRaised, match=r"a\.mark"):
        failpoint("a.mark")
    failpoint("a.mark")


def test_other_marks_pass(armed: Path) -> None:
    (armed / "a.mark").write_text("raise")

    failpoint("another.mark")
    failpoint("a.mark.more")


def test_a_mark_armed_for_one_row_lets_the_others_pass(armed: Path) -> None:
    (armed / "a.mark@7").write_text("raise")

    failpoint("a.mark", key=8)
    with pytest.raises(FailpointRaised):
        failpoint("a.mark", key=7)


def test_a_pause_lasts_as_long_as_it_says(armed: Path) -> None:
    (armed / "a.mark").write_text("pause 0.05")
    start = time.monotonic()

    failpoint("a.mark")

    assert time.monotonic() - start >= 0.05


def test_an_unknown_action_is_said_loudly(armed: Path) -> None:
    (armed / "a.mark").write_text("dance")

    with pytest.raises(ValueError, match="dance"):
        failpoint("a.mark")


def test_every_boundary_of_the_settlement_is_listed() -> None:
    names = set(declared(project.BASE_DIR))

    for leg in ("order.submit", "order.custody", "order.sign"):
        assert {f"{leg}.before_intent", f"{leg}.before_call", f"{leg}.after_call"} <= names
    for move in ("submit", "fill", "custody_confirm", "mint_prepare", "mint_confirm", "close"):
        assert {f"order.{move}.before_commit", f"order.{move}.after_commit"} <= names
    assert {"order.broadcast.before_call", "order.broadcast.after_call", "order.claimed"} <= names


def test_no_listed_name_is_used_twice_in_two_meanings() -> None:
    names = declared(project.BASE_DIR)

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", name) for name in names)


def test_the_command_lists_every_mark(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("failpoints")

    assert tuple(capsys.readouterr().out.split()) == declared(project.BASE_DIR)
