"""The word of an external audit for one build of the contract, recorded by two people (RAT-010)."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import URLValidator
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from agora.lib.catalog import Text
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal
from tokens.models import Attestation, AttestationWithdrawal

ATTESTATION = "tokens.attestation"
WITHDRAWAL = "tokens.attestation_withdrawn"
_ARTIFACT = settings.BASE_DIR / "contracts" / "artifacts" / "RATMintingContract.json"
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


def propose_withdrawal(
    *, attestation: Attestation, reason: str, maker: User, now: datetime
) -> Proposal:
    """Propose that an attestation counts no more, as a finding came up or the report was wrong.

    Raises PermissionDenied, or four_eyes.Refused: it is withdrawn already.
    """
    return four_eyes.propose(
        kind=WITHDRAWAL,
        object_type="attestation",
        object_id=attestation.pk,
        payload={"bytecode_sha256": attestation.bytecode_sha256},
        reason=reason,
        maker=maker,
        now=now,
    )


def is_attested(*, bytecode_sha256: str) -> bool:
    """Whether two people recorded an audit of exactly this bytecode, and it was not withdrawn."""
    found = Attestation.objects.filter(bytecode_sha256=bytecode_sha256, withdrawal=None)
    return found.exists()


def _check(proposal: Proposal) -> None:
    told = proposal.payload
    hashes = {
        "bytecode_invalid": proposal.object_id, "report_hash_invalid": told["report_sha256"],
    }  # fmt: skip
    for code, text in hashes.items():
        if not _SHA256.fullmatch(text):
            raise Refused(code, _("A SHA-256 is written as 64 hexadecimal digits."))
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


def _check_withdrawal(proposal: Proposal) -> None:
    if AttestationWithdrawal.objects.filter(attestation_id=proposal.object_id).exists():
        raise Refused("withdrawn", _("This attestation is withdrawn already."))


def _withdraw(proposal: Proposal, now: datetime) -> None:
    AttestationWithdrawal.objects.create(
        attestation_id=proposal.object_id, proposal_id=proposal.pk, withdrawn_at=now
    )


def _withdrawal_lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    attestation = Attestation.objects.get(pk=proposal.object_id)
    return [
        (_("Bytecode, SHA-256"), attestation.bytecode_sha256),
        (_("Compared with this release"), _build(attestation.bytecode_sha256)),
        (_("Auditor"), attestation.auditor),
        (_("Report"), attestation.report_url),
        (
            _("What happens"),
            _("it is not deployed any more; what stands on a chain already stays there"),
        ),
    ]


def _build(bytecode_sha256: str) -> Text:
    """How the hash stands to contracts/artifacts, so that nobody vouches for another build unaware."""
    with _ARTIFACT.open(encoding="utf-8") as file:
        ours = json.load(file)["bytecodeSha256"]
    if bytecode_sha256 == ours:
        return _("this is the build of this release")
    return _("this is NOT the build of this release")


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    told = proposal.payload
    return [
        (_("Bytecode, SHA-256"), proposal.object_id),
        (_("Compared with this release"), _build(proposal.object_id)),
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
    ),
    Kind(
        name=WITHDRAWAL,
        title=_("Withdrawal of an audit of the contract"),
        maker_permission="tokens.add_attestation",
        check=_check_withdrawal,
        effect=_withdraw,
        lines=_withdrawal_lines,
    ),
]
