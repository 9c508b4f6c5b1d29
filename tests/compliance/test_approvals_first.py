"""What only an approval may write the database takes with its approved decision, and not without."""

from collections.abc import Callable
from datetime import date
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from compliance.models import Proposal, ReserveSignature
from compliance.reserves import sign_off
from tests.approvals import approved
from tests.reserving import a_stored_snapshot
from tokens import decisions
from tokens.models import Attestation, AttestationWithdrawal

pytestmark = pytest.mark.django_db
BYTECODE = "ab" * 32


class Effect(NamedTuple):
    """A kind of decision, what one is about, and the storing of what follows from one."""

    kind: str
    about: object
    store: Callable[[UUID], object]


def signature() -> Effect:
    snapshot = a_stored_snapshot()

    def store(proposal_id: UUID) -> ReserveSignature:
        return ReserveSignature.objects.create(
            snapshot=snapshot,
            proposal_id=proposal_id,
            content_hash=snapshot.content_hash,
            statement="Words.",
            maker_id=uuid4(),
            checker_id=uuid4(),
            signed_at=timezone.now(),
        )

    return Effect(sign_off.SIGN_OFF, snapshot.pk, store)


def attest(proposal_id: UUID) -> Attestation:
    return Attestation.objects.create(
        bytecode_sha256=BYTECODE,
        auditor="An auditor of this test",
        report_url="https://audits.example/report.pdf",
        report_sha256="cd" * 32,
        audited_on=date(2026, 1, 5),
        proposal_id=proposal_id,
        recorded_at=timezone.now(),
    )


def attestation() -> Effect:
    return Effect(decisions.ATTESTATION, BYTECODE, attest)


def withdrawal() -> Effect:
    there = attest(approved(kind=decisions.ATTESTATION, object_type="contract", object_id=BYTECODE))

    def store(proposal_id: UUID) -> AttestationWithdrawal:
        return AttestationWithdrawal.objects.create(
            attestation=there, proposal_id=proposal_id, withdrawn_at=timezone.now()
        )

    return Effect(decisions.WITHDRAWAL, there.pk, store)


@pytest.fixture(params=[signature, attestation, withdrawal])
def effect(request: pytest.FixtureRequest) -> Effect:
    made: Effect = request.param()
    return made


def test_an_approved_decision_about_it_lets_it_be_stored(effect: Effect) -> None:
    decided = approved(kind=effect.kind, object_type="any", object_id=effect.about)

    effect.store(decided)


@pytest.mark.parametrize(
    ("kind", "about"),
    [("kyc.approve", ""), ("", uuid4())],
    ids=["of another kind", "about something else"],
)
def test_another_decision_does_not(effect: Effect, kind: str, about: object) -> None:
    other = approved(kind=kind or effect.kind, object_type="any", object_id=about or effect.about)

    with pytest.raises(DatabaseError, match="needs the approved decision"), transaction.atomic():
        effect.store(other)


def test_nor_does_one_that_waits_or_none_at_all(effect: Effect) -> None:
    now = timezone.now()
    waits = Proposal.objects.create(
        kind=effect.kind,
        object_type="any",
        object_id=str(effect.about),
        reason="Words.",
        maker_id=uuid4(),
        proposed_at=now,
        expires_at=now,
    )

    for without in (waits.pk, uuid4()):
        with pytest.raises(DatabaseError, match="needs the approved"), transaction.atomic():
            effect.store(without)
