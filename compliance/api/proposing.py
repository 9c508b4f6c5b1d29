"""API of proposing: one form for every decision by two people that begins at an object."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.core.exceptions import ObjectDoesNotExist
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample
from rest_framework import serializers

from accounts.decisions import ROLE, propose_role
from accounts.models import User
from agora.lib import rest
from agora.lib.idempotency import Answer
from agora.lib.problems import FieldError, Problem, pointer
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from compliance.reserves import sign_off
from compliance.retention import LONGEST
from compliance.retention_decisions import RETENTION, propose_retention
from copytrade.api.history_schema import LimitsRequest
from copytrade.decisions import (
    EVERYBODY,
    RELEASE_SWITCH,
    WIDEN_LIMITS,
    propose_release,
    propose_wider_limits,
)
from copytrade.services.risk import Limits
from kyc import cases, corrections, limit_decisions, screening
from kyc.cases.deciding import REINSTATE, SUSPEND
from kyc.models import Application, ScreeningMatch
from kyc.screening.matching import DISMISS, REOPEN
from tokens.decisions import ATTESTATION, WITHDRAWAL, propose_attestation, propose_withdrawal
from tokens.models import Attestation
from trading import sales
from trading.decisions import RESOLVE, propose_resolution
from trading.models import Order
from trading.repayments import REPAY, propose_repayment


class SignOffPayload(rest.StrictSerializer):
    """What each difference is and what is done about it, by the number of its row; published."""

    explanations = serializers.DictField(child=rest.Text(max_length=500), required=False)


class LimitPayload(rest.StrictSerializer):
    """A daily limit in USD."""

    daily_limit_usd = rest.DecimalText(max_length=20)


class RolePayload(rest.StrictSerializer):
    """A role that is given or taken away."""

    role = rest.Text(max_length=150)
    give = rest.Flag()


class RetentionPayload(rest.StrictSerializer):
    """How many days, and by which law."""

    days = serializers.IntegerField(min_value=1, max_value=LONGEST)
    legal_basis = rest.Text(max_length=300)


class AttestationPayload(rest.StrictSerializer):
    """An external audit of a build of the contract."""

    auditor = rest.Text(max_length=120)
    report_url = rest.Text(max_length=500)
    report_sha256 = rest.Text(max_length=64)
    audited_on = serializers.DateField()


class RepaymentPayload(rest.StrictSerializer):
    """What the buyer of a failed order was paid back."""

    amount_usd = rest.DecimalText(max_length=20)
    paid_on = serializers.DateField()
    payment_reference = rest.Text(max_length=64)


class SalePayload(rest.StrictSerializer):
    """A sale of shares that Agora kept."""

    quantity = rest.DecimalText(max_length=20)
    sale_order_id = rest.Text(max_length=64)
    custody_tx_id = rest.Text(max_length=64, required=False, default="", allow_blank=True)


class SaleWithdrawalPayload(rest.StrictSerializer):
    """Which sale was recorded wrongly."""

    sale_order_id = rest.Text(max_length=64)


@dataclass(frozen=True)
class Form:
    """How a kind is proposed: what its payload holds, how its object is named, and the service.

    `of` reads the name of the object and raises ValueError; `propose` is given what it read, the
    checked payload, and `reason`, `maker` and `now`. `wrong` tells which field a refusal is about.
    """

    payload: type[rest.StrictSerializer]
    of: Callable[[str], Any]
    propose: Callable[..., Proposal]
    wrong: Mapping[str, str] = field(default_factory=dict)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise ValueError(text)
    return int(text)


def _everybody(text: str) -> str:
    if text != EVERYBODY:
        raise ValueError(text)
    return text


def _sign_off(snapshot_id: UUID, **given: Any) -> Proposal:
    return sign_off.propose(snapshot_id=snapshot_id, **given)


def _role(user_id: UUID, **given: Any) -> Proposal:
    return propose_role(person=get_user_model().objects.get(pk=user_id), **given)


def _tier_limit(number: int, **given: Any) -> Proposal:
    return limit_decisions.propose_tier_limit(number=number, **given)


def _person_limit(application_id: UUID, **given: Any) -> Proposal:
    application = Application.objects.get(pk=application_id)
    return limit_decisions.propose_person_limit(application=application, **given)


def _suspension(application_id: UUID, *, maker: Any, **given: Any) -> Proposal:
    application = Application.objects.get(pk=application_id)
    return cases.propose_suspension(application=application, officer=maker, **given)


def _reinstatement(application_id: UUID, *, maker: Any, **given: Any) -> Proposal:
    application = Application.objects.get(pk=application_id)
    return cases.propose_reinstatement(application=application, officer=maker, **given)


def _correction(correction_id: UUID, *, maker: Any, **given: Any) -> Proposal:
    return corrections.propose(correction_id=correction_id, officer=maker, **given)


def _dismissal(match_id: UUID, *, maker: Any, **given: Any) -> Proposal:
    _check_others(match_id, maker)
    return screening.propose_dismissal(match_id=match_id, officer=maker, **given)


def _reopening(match_id: UUID, *, maker: Any, **given: Any) -> Proposal:
    _check_others(match_id, maker)
    return screening.propose_reopening(match_id=match_id, officer=maker, **given)


def _check_others(match_id: UUID, maker: Any) -> None:
    """Nobody learns that a list may mean them."""
    if ScreeningMatch.objects.filter(pk=match_id, application__user=maker).exists():
        raise Problem("not_found")


def _retention(kind: str, **given: Any) -> Proposal:
    return propose_retention(kind=kind, **given)


def _attestation(bytecode_sha256: str, **given: Any) -> Proposal:
    return propose_attestation(bytecode_sha256=bytecode_sha256, **given)


def _withdrawal(attestation_id: UUID, **given: Any) -> Proposal:
    return propose_withdrawal(attestation=Attestation.objects.get(pk=attestation_id), **given)


def _release(switch_id: int, **given: Any) -> Proposal:
    return propose_release(switch_id=switch_id, **given)


def _wider_limits(_platform: str, *, reason: str, maker: Any, now: Any, **amounts: Any) -> Proposal:
    return propose_wider_limits(limits=Limits(**amounts), reason=reason, maker=maker, now=now)


def _resolution(order_id: UUID, **given: Any) -> Proposal:
    return propose_resolution(order=Order.objects.get(pk=order_id), **given)


def _repayment(order_id: UUID, **given: Any) -> Proposal:
    return propose_repayment(order=Order.objects.get(pk=order_id), **given)


def _sale(order_id: UUID, **given: Any) -> Proposal:
    return sales.propose_sale(order=Order.objects.get(pk=order_id), **given)


def _sale_withdrawal(order_id: UUID, **given: Any) -> Proposal:
    return sales.propose_withdrawal(order=Order.objects.get(pk=order_id), **given)


_AMOUNT = dict.fromkeys(
    ("amount_invalid", "above_tier_1", "above_tier", "not_above", "same"),
    "payload.daily_limit_usd",
)
_EXPLAINED = dict.fromkeys(
    ("explanation_missing", "explanation_unknown", "explanation_too_long"), "payload.explanations"
)
FORMS: dict[str, Form] = {
    sign_off.SIGN_OFF: Form(SignOffPayload, UUID, _sign_off, _EXPLAINED),
    ROLE: Form(RolePayload, UUID, _role, {"unknown_role": "payload.role"}),
    limit_decisions.TIER_LIMIT: Form(LimitPayload, _number, _tier_limit, _AMOUNT),
    limit_decisions.PERSON_LIMIT: Form(LimitPayload, UUID, _person_limit, _AMOUNT),
    SUSPEND: Form(rest.NoBody, UUID, _suspension),
    REINSTATE: Form(rest.NoBody, UUID, _reinstatement),
    corrections.CORRECT: Form(rest.NoBody, UUID, _correction),
    DISMISS: Form(rest.NoBody, UUID, _dismissal),
    REOPEN: Form(rest.NoBody, UUID, _reopening),
    RETENTION: Form(
        RetentionPayload,
        str,
        _retention,
        {
            "unknown_kind": "object",
            "days_invalid": "payload.days",
            "basis_missing": "payload.legal_basis",
        },
    ),
    ATTESTATION: Form(
        AttestationPayload,
        str,
        _attestation,
        {
            "bytecode_invalid": "object",
            "report_hash_invalid": "payload.report_sha256",
            "auditor_invalid": "payload.auditor",
            "report_invalid": "payload.report_url",
            "date_invalid": "payload.audited_on",
        },
    ),
    RESOLVE: Form(rest.NoBody, UUID, _resolution),
    REPAY: Form(
        RepaymentPayload,
        UUID,
        _repayment,
        {
            "amount_invalid": "payload.amount_usd",
            "date_invalid": "payload.paid_on",
            "reference_invalid": "payload.payment_reference",
        },
    ),
    sales.RECORD: Form(
        SalePayload,
        UUID,
        _sale,
        {
            "sold_invalid": "payload.quantity",
            "sale_invalid": "payload.sale_order_id",
            "transfer_invalid": "payload.custody_tx_id",
        },
    ),
    sales.WITHDRAW: Form(
        SaleWithdrawalPayload, UUID, _sale_withdrawal, {"sale_invalid": "payload.sale_order_id"}
    ),
    WITHDRAWAL: Form(rest.NoBody, UUID, _withdrawal),
    RELEASE_SWITCH: Form(rest.NoBody, _number, _release),
    WIDEN_LIMITS: Form(
        LimitsRequest,
        _everybody,
        _wider_limits,
        {"amount_invalid": "payload", "not_wider": "payload"},
    ),
}
KINDS = [(name, name) for name in sorted(FORMS)]
PROPOSAL_STATES = [(value, value) for value in Proposal.State.values]


class ProposalRequest(rest.StrictSerializer):
    """What is proposed about which object, and why."""

    kind = serializers.ChoiceField(choices=KINDS)
    object = rest.Text(
        max_length=80,
        help_text=(
            "Whom or what it is about: the id of a user (`accounts.role`), an application "
            "(`kyc.suspend`, `kyc.reinstate`, `kyc.person_limit`), a correction, a match on a "
            "list, an order or a snapshot; the number of a tier, or of the next one, or of a kill "
            "switch (`copytrade.release_switch`); `platform` (`copytrade.widen_limits`); "
            "the name of a kind of record (`compliance.retention`); "
            "the SHA-256 of the bytecode (`tokens.attestation`), the id of the attestation "
            "(`tokens.attestation_withdrawn`)."
        ),
    )
    payload = serializers.DictField(
        required=False,
        default=dict,
        help_text=(
            "`daily_limit_usd` for limits; `max_order`, `max_symbol`, `max_exposure` and `daily_loss` "
            "for `copytrade.widen_limits`, all at once: what is left out or null is no limit; `role` "
            "and `give` for a role; `days` and `legal_basis` for a retention rule; `auditor`, "
            "`report_url`, `report_sha256` and `audited_on` for `tokens.attestation`; `amount_usd`, "
            "`paid_on` and `payment_reference` (nothing personal) for `trading.repay_order`; `quantity`, "
            "`sale_order_id` and, where receipts left custody, `custody_tx_id` for "
            "`trading.record_sale`; `sale_order_id` for `trading.withdraw_sale`; `explanations` "
            "for a sign-off with differences: what each is and what is done about it, by the number "
            "of its row (published: nothing personal); nothing for the others."
        ),
    )
    reason = rest.Text(
        max_length=1000, help_text="Kept with the decision; the trail holds a digest."
    )


class ProposalMade(serializers.Serializer[Any]):
    """What was proposed, without anything personal; all of it is at `Location`."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    object_type = serializers.CharField()
    object_id = serializers.CharField()
    state = serializers.ChoiceField(choices=PROPOSAL_STATES)
    maker_id = serializers.UUIDField()
    proposed_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


EXAMPLE = OpenApiExample(
    "Another limit for a tier",
    value={
        "kind": "kyc.tier_limit",
        "object": "1",
        "payload": {"daily_limit_usd": "900.00"},
        "reason": "Less risk while the custodian is moved.",
    },
    request_only=True,
)


def prepared(asked: Mapping[str, Any], *, maker: User, now: datetime) -> Callable[[], Answer]:
    """What proposes a ProposalRequest, for idempotency.once; raises Problem or ValidationError."""
    form = FORMS[asked["kind"]]
    if not maker.has_perm(four_eyes.kind_of(asked["kind"]).maker_permission):
        raise Problem("forbidden")
    payload = _payload(form, asked["payload"])
    subject = _object(form, asked["object"])

    def perform() -> Answer:
        with_reason = {**payload, "reason": asked["reason"], "maker": maker, "now": now}
        proposal = _proposed(form, lambda: form.propose(subject, **with_reason))
        return Answer(body=_made(proposal), location=reverse("api:proposal", args=[proposal.pk]))

    return perform


def _payload(form: Form, data: Mapping[str, object]) -> dict[str, Any]:
    serializer = form.payload(data=data)
    if not serializer.is_valid():
        raise serializers.ValidationError({"payload": serializer.errors})
    checked: dict[str, Any] = serializer.validated_data
    return checked


def _object(form: Form, text: str) -> Any:
    try:
        return form.of(text)
    except ValueError as error:
        raise _wrong("object", _("No such object can be named like this."), "invalid") from error


def _proposed(form: Form, propose: Callable[[], Proposal]) -> Proposal:
    try:
        return propose()
    except ObjectDoesNotExist as error:
        raise Problem("not_found") from error
    except Refused as refused:
        about = {"reason_missing": "reason", "reason_too_long": "reason", **form.wrong}
        if refused.code in about:
            raise _wrong(about[refused.code], refused.message, refused.code) from refused
        raise Problem(
            "decision_refused", detail=refused.message, extra={"reason": refused.code}
        ) from refused


def _wrong(place: str, message: Any, code: str) -> Problem:
    error = FieldError(pointer(*place.split(".")), message, code)
    return Problem("invalid", errors=[error])


def _made(proposal: Proposal) -> dict[str, object]:
    return {
        "id": str(proposal.pk),
        "kind": proposal.kind,
        "object_type": proposal.object_type,
        "object_id": proposal.object_id,
        "state": proposal.state,
        "maker_id": str(proposal.maker_id),
        "proposed_at": rest.moment(proposal.proposed_at),
        "expires_at": rest.moment(proposal.expires_at),
    }
