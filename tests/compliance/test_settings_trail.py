"""A process that starts with other settings than before leaves a row, and no secret in it."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from compliance import audit
from compliance.models import AuditRow
from compliance.trail import configuration

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECRET = "a-secret-that-must-not-be-told"


def note(process: str = "web") -> AuditRow | None:
    return configuration.note(process=process, now=NOW)


def test_the_first_start_is_noted_and_the_next_one_is_not() -> None:
    row = note()

    assert row is not None
    assert (row.action, row.actor, row.object_id) == ("settings.noted", "system:web", "web")
    assert row.evidence["changed"] == []
    assert note() is None
    assert AuditRow.objects.count() == 1


def test_what_changed_is_named_with_numbers_and_flags_as_they_are(settings: Any) -> None:
    note()
    settings.PRICE_COLLAR_BPS = 250
    settings.SITE_URL = "https://elsewhere.example"

    row = note()

    assert row is not None
    assert row.action == "settings.changed"
    assert row.evidence["changed"] == ["PRICE_COLLAR_BPS", "SITE_URL"]
    assert row.evidence["plain"]["PRICE_COLLAR_BPS"] == 250
    assert "elsewhere" not in json.dumps(row.evidence)
    assert note() is None


def test_a_replaced_secret_is_told_and_its_value_is_not(settings: Any) -> None:
    settings.TOKEN_PEPPER = SECRET
    first = note()
    settings.TOKEN_PEPPER = SECRET[::-1]
    row = note()

    assert first is not None
    assert row is not None
    assert row.evidence["changed"] == ["TOKEN_PEPPER"]
    told = json.dumps([first.evidence, row.evidence])
    assert SECRET not in told
    assert SECRET[::-1] not in told


def test_web_and_worker_are_told_apart(settings: Any) -> None:
    note("web")
    note("worker")
    settings.POLL_SECONDS = 77.0

    assert note("worker") is not None
    assert [row.object_id for row in AuditRow.objects.order_by("id")] == ["web", "worker", "worker"]


def test_workers_on_several_machines_do_not_contradict_each_other(settings: Any) -> None:
    note("worker")
    settings.EGRESS_NAME, settings.EGRESS_ADDRESSES = "second", ["203.0.113.2"]
    settings.DATA_DIR = settings.DOCUMENTS_DIR = Path("/srv/elsewhere")

    assert note("worker") is None


def test_another_folder_of_anchors_is_told(settings: Any) -> None:
    note("worker")
    settings.AUDIT_ANCHORS_DIR = ""

    row = note("worker")

    assert row is not None
    assert row.evidence["changed"] == ["AUDIT_ANCHORS_DIR"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"b", "a"}, {"a", "b"}),
        ([("a", 1)], (["a", 1],)),
        ({"x": 1, "y": lambda: 1}, {"y": lambda: 2, "x": 1}),
        ([{"DIRS": [Path("/one/machine")]}], [{"DIRS": [Path("/another")]}]),
    ],
)
def test_the_same_setting_has_the_same_digest_in_every_process(one: object, other: object) -> None:
    assert configuration._digest("X", one) == configuration._digest("X", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, "1"),
        (True, 1.5),
        (timedelta(seconds=1), timedelta(seconds=2)),
        (Decimal("1.0"), Decimal("1.1")),
        (["a", "b"], ["b", "a"]),
        (None, ""),
    ],
)
def test_other_values_have_other_digests(one: object, other: object) -> None:
    assert configuration._digest("X", one) != configuration._digest("X", other)


def test_the_row_is_chained_like_every_other() -> None:
    note()
    audit.seal_all(now=NOW)

    assert audit.verify().faults == []
