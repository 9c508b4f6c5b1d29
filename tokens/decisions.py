"""The word of an external audit for one build of the contract, recorded by two people (RAT-010)."""

import re
from collections.abc import Sequence
from datetime import date, datetime

from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from tokens.models import Attestation

ATTESTATION = "tokens.attestation"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_is_https = URLValidator(schemes=["https"])


def propose_attestation(
    *,
    bytecode_sha256: str,
    auditor: str,
    report_url: str,
    report_sha256: str,
    audited_on: date,
    reason: str,
    maker: User,
    now: datetime,
) -> Proposal:
    """Propose to record that an auditor's report speaks for exactly this bytecode.

    Nothing here is taken from the report: two people vouch that it names this hash and leaves no
    critical or high finding open. Raises PermissionDenied, or four_eyes.Refused.
    """
    return four_eyes.propose(
        kind=ATTESTATION,
        object_type="contract",
        object_id=bytecode_sha256.strip().lower(),
        payload={
            "auditor": auditor.strip(),
            "report_url": report_url.strip(),
            "report_sha256": report_sha256.strip().lower(),
            "audited_on": audited_on.isoformat(),
        },
        reason=reason,
        maker=maker,
        now=now,
    )


def is_attested(*, bytecode_sha256: str) -> bool:
    """Whether two people recorded an audit of exactly this bytecode."""
    return Attestation.objects.filter(bytecode_sha256=bytecode_sha256).exists()


def _check(proposal: Proposal) -> None:
    told = proposal.payload
    if not _SHA256.fullmatch(proposal.object_id) or not _SHA256.fullmatch(told["report_sha256"]):
        raise Refused("hash_invalid", _("A SHA-256 is written as 64 hexadecimal digits."))
    if not 2 <= len(told["auditor"]) <= 120:
        raise Refused("auditor_invalid", _("Name the auditor in 2 to 120 characters."))
    try:
        _is_https(told["report_url"])
    except ValidationError as error:
        raise Refused(
            "report_invalid", _("Enter the https address where the report lies.")
        ) from error
    if date.fromisoformat(told["audited_on"]) > proposal.proposed_at.date():
        raise Refused("date_invalid", _("The date of the report lies in the future."))
    if is_attested(bytecode_sha256=proposal.object_id):
        raise Refused("same", _("An audit of this bytecode is recorded already."))


def _record(proposal: Proposal, now: datetime) -> None:
    told = proposal.payload
    Attestation.objects.create(
        bytecode_sha256=proposal.object_id,
        auditor=told["auditor"],
        report_url=told["report_url"],
        report_sha256=told["report_sha256"],
        audited_on=date.fromisoformat(told["audited_on"]),
        proposal_id=proposal.pk,
        recorded_at=now,
    )


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    told = proposal.payload
    return [
        (_("Bytecode, SHA-256"), proposal.object_id),
        (_("Auditor"), told["auditor"]),
        (_("Report"), told["report_url"]),
        (_("Report, SHA-256"), told["report_sha256"]),
        (_("Date of the report"), told["audited_on"]),
        (
            _("What you vouch for"),
            _("the report names this bytecode and leaves no critical or high finding open"),
        ),
    ]


KINDS = [
    Kind(
        name=ATTESTATION,
        title=_("Audit of the contract"),
        maker_permission="tokens.add_attestation",
        check=_check,
        effect=_record,
        lines=_lines,
    )
]
