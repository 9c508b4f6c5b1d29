"""A snapshot with differences is signed with words for each of them, which are published (PRE-1)."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal, ReserveSignature, ReserveSnapshot
from compliance.reserves import content, exports, persistence, sign_off
from compliance.reserves.persistence import standing_since
from tests.people import new_officer
from tests.reserving import a_signer, a_stored_snapshot

pytestmark = pytest.mark.django_db
LEGS = ("ordered", "broker", "recorded", "custody", "minted", "chain")


def with_breaks(*breaks: tuple[str, str], ago: int = 0) -> ReserveSnapshot:
    """A ready snapshot, built so many days ago, with these differences: kind and reference."""
    snapshot = a_stored_snapshot(
        state="REQUESTED",
        tree_root="",
        breaks=len(breaks),
        built_at=timezone.now() - timedelta(days=ago),
    )
    for number, (kind, reference) in enumerate(breaks, start=1):
        legs = dict.fromkeys(LEGS, Decimal(0))
        snapshot.rows.create(number=number, kind=kind, reference=reference, is_break=True, **legs)
    snapshot.state = "READY"
    digest = content.digest(content.stored(snapshot))
    ReserveSnapshot.objects.filter(pk=snapshot.pk).update(state="READY", content_hash=digest)
    return ReserveSnapshot.objects.get(pk=snapshot.pk)


def propose(snapshot: ReserveSnapshot, explanations: dict[str, str]) -> Proposal:
    return sign_off.propose(
        snapshot_id=snapshot.pk,
        reason="Compared.",
        explanations=explanations,
        maker=a_signer(),
        now=timezone.now(),
    )


def sign(snapshot: ReserveSnapshot, explanations: dict[str, str]) -> ReserveSignature:
    proposal = propose(snapshot, explanations)
    four_eyes.approve(proposal_id=proposal.pk, checker=a_signer(), now=timezone.now())
    return ReserveSignature.objects.get(pk=snapshot.pk)


STRAY = ("unknown_custody", "tx-1")
LACK = ("missing_broker", "order-1")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "explanation_missing"),
        ({"1": "A test deposit."}, "explanation_missing"),
        ({"1": "A test deposit.", "2": " \n "}, "explanation_missing"),
        ({"1": "x", "2": "y", "3": "z"}, "explanation_unknown"),
        ({"1": "x", "2": "y" * 501}, "explanation_too_long"),
    ],
)
def test_each_difference_needs_its_words(given: dict[str, str], code: str) -> None:
    snapshot = with_breaks(STRAY, LACK)

    with pytest.raises(Refused) as refused:
        propose(snapshot, given)

    assert refused.value.code == code
    assert not Proposal.objects.exists()


def test_the_words_are_signed_and_published_with_the_time_since_when(client: Client) -> None:
    first = with_breaks(STRAY, ago=2)
    snapshot = with_breaks(STRAY, LACK)

    signature = sign(snapshot, {"1": "A deposit by  mistake;\nit is sent back.", "2": "Asked."})

    stray, lack = signature.explanations
    assert stray == {
        "row": 1,
        "kind": "unknown_custody",
        "since": content.moment(first.built_at),
        "text": "A deposit by mistake; it is sent back.",
    }
    assert lack["since"] == content.moment(snapshot.built_at)
    assert "A deposit by mistake; it is sent back." in signature.statement
    page = client.get(reverse("reserves")).text
    assert "A deposit by mistake; it is sent back." in page
    assert f"since {first.built_at:%Y-%m-%d}" in page
    (told,) = json.loads(client.get("/api/v1/reserves").content)["results"]
    assert [each["text"] for each in told["explanations"]] == [stray["text"], "Asked."]
    assert "tx-1" not in json.dumps(told)


@pytest.mark.parametrize("form", ["csv", "json"])
def test_files_hold_the_words(form: str) -> None:
    snapshot = with_breaks(STRAY)
    sign(snapshot, {"1": "A deposit by mistake."})

    file = exports.export(
        snapshot_id=snapshot.pk, form=form, actor="system:test", now=timezone.now()
    )

    with file.content as told:
        assert b"A deposit by mistake." in told.read()


def test_a_difference_stands_since_the_first_of_an_unbroken_series() -> None:
    with_breaks(STRAY, ago=5)
    with_breaks(LACK, ago=4)
    again = with_breaks(STRAY, LACK, ago=3)
    with_breaks(("unknown_custody", "another"), LACK, STRAY, ago=2)
    a_stored_snapshot(state="REQUESTED", built_at=None, content_hash="")
    now = with_breaks(STRAY, ("unknown_custody", "new"))

    assert standing_since(now) == {1: again.built_at, 2: now.built_at}
    assert standing_since(a_stored_snapshot()) == {}


def test_a_series_is_followed_back_through_the_rows_that_are_the_same_alone() -> None:
    first = with_breaks(STRAY, ("holders", "earlier"), ago=2)
    with_breaks(*((LACK[0], f"order-{n}") for n in range(5)), STRAY, ("holders", "later"), ago=1)
    now = with_breaks(STRAY, ("holders", "now"))

    with CaptureQueriesContext(connection) as captured:
        assert standing_since(now) == {1: first.built_at, 2: first.built_at}

    with connection.cursor() as cursor:
        cursor.execute(captured[-1]["sql"])
        assert len(cursor.fetchall()) == 4


def test_a_series_is_followed_back_so_far_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(persistence, "_MOST", 2)
    with_breaks(STRAY, ago=3)
    earliest = with_breaks(STRAY, ago=2)
    with_breaks(STRAY, ago=1)

    assert standing_since(with_breaks(STRAY)) == {1: earliest.built_at}


def test_the_dialog_asks_for_words_for_each_difference(client: Client) -> None:
    snapshot = with_breaks(STRAY, LACK)
    client.force_login(new_officer("view_reservesnapshot", "sign_reservesnapshot"))
    address = reverse("admin:compliance_reservesnapshot_propose_sign_off", args=[snapshot.pk])
    sent = {"_form_submitted": "True", "reason": "Compared.", "row_1": "A deposit."}

    dialog = client.post(address, sent)
    assert not Proposal.objects.exists()
    assert 'name="row_2"' in dialog.text
    client.post(address, {**sent, "row_2": "Asked."})

    texts = [each["text"] for each in Proposal.objects.get().payload["explanations"]]
    assert texts == ["A deposit.", "Asked."]
