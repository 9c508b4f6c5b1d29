"""Proposing through the API: one endpoint for every kind, which believes nothing that it is sent."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.second_factors import add_authenticator_app
from agora.lib.models import IdempotencyKey
from agora.sandbox.client import SandboxControl
from compliance import four_eyes
from compliance.api.proposing import FORMS, ProposalRequest
from compliance.models import AuditRow, Proposal
from copytrade.models import RiskLimits
from copytrade.services.kill import engage
from kyc import corrections, screening
from kyc.api.case_actions import ApproveRequest, RejectRequest
from kyc.models import Application, Correction, ScreeningMatch, Tier
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.api.test_matches import a_match
from tests.approvals import approved
from tests.conftest import Chain
from tests.people import TOTP_SECRET, new_officer, new_user, onboarded
from tests.quoting import a_quote
from tests.repaying import repaid, sale_of
from tests.reserving import a_snapshot, a_stored_snapshot, explained
from tokens import decisions as attesting
from tokens.models import Attestation
from trading.models import Order
from trading.services import place_order

pytestmark = pytest.mark.django_db
PATH = "/api/v1/admin/proposals"
HASH = "ab" * 32
PERMISSIONS = (
    "view_proposal", "sign_reservesnapshot", "assign_role", "change_tier", "change_dailylimit",
    "suspend_application", "propose_retention", "add_attestation", "resolve_order", "work_case",
    "view_case", "view_application", "review_match", "view_screeningmatch", "change_killswitch",
    "change_risklimits",
)  # fmt: skip
ATTESTATION = {
    "auditor": "An auditor of this test",
    "report_url": "https://audits.example/report.pdf",
    "report_sha256": "cd" * 32,
    "audited_on": "2026-01-05",
}


@pytest.fixture
def maker() -> Api:
    return Api(new_officer(*PERMISSIONS), scopes=("admin",))


def propose(api: Api, kind: str, about: object, key: str | None = "new", **changes: Any) -> Answer:
    body = {"kind": kind, "object": str(about), "reason": "It has to be.", **changes}
    return api.post(PATH, body, key=key)


def attested(bytecode_sha256: str) -> Attestation:
    return Attestation.objects.create(
        bytecode_sha256=bytecode_sha256,
        auditor="An auditor of this test",
        report_url="https://audits.example/report.pdf",
        report_sha256="cd" * 32,
        audited_on=date(2026, 1, 5),
        proposal_id=approved(
            kind=attesting.ATTESTATION, object_type="contract", object_id=bytecode_sha256
        ),
        recorded_at=timezone.now(),
    )


def parked() -> Order:
    order = place_order(
        user=onboarded(),
        quantity=Decimal("0.5"),
        quote=a_quote(),
        source="page",
        placement_key=None,
        now=timezone.now(),
    )
    Order.objects.filter(pk=order.pk).update(attention=True, next_attempt_at=None)
    return order


REPAID = {
    "amount_usd": "120.00",
    "paid_on": timezone.now().date().isoformat(),
    "payment_reference": "FT-2026/0815",
}
SOLD = {"quantity": "0.5", "sale_order_id": "9d1f0c62-6f7c-4a4e-8b5a-0f6a6f0f7a11"}


def owed() -> Order:
    order = parked()
    Order.objects.filter(pk=order.pk).update(
        state="FAILED", attention=False, filled_quantity="0.5", filled_avg_price="200"
    )
    order.refresh_from_db()
    return order


def a_repaid() -> Order:
    order = owed()
    repaid(order)
    return order


def a_sold() -> Order:
    order = a_repaid()
    sale_of(order, **SOLD)
    return order


def suspended() -> Application:
    application = onboarded().kyc_application
    Application.objects.filter(pk=application.pk).update(status=Application.Status.SUSPENDED)
    return application


def platform_limits(*, max_order: str) -> str:
    RiskLimits.objects.create(max_order=Decimal(max_order), updated_at=timezone.now())
    return "platform"


def a_dismissed_match(person: User | None = None) -> ScreeningMatch:
    match = a_match(person)
    return screening.dismiss(
        match_id=match.pk,
        officer=new_officer("review_match"),
        reason="Born elsewhere.",
        now=timezone.now(),
    )


def a_correction() -> Correction:
    return corrections.ask(
        user=onboarded(),
        full_name="Another Name of a Test",
        tax_id="",
        reason="Married.",
        now=timezone.now(),
    )


def request_of(kind: str) -> tuple[object, dict[str, Any]]:
    """An object that the kind can be proposed for now, and a payload that goes with it."""
    made: dict[str, Any] = {
        "reserves.sign_off": lambda: (a_stored_snapshot().pk, {}),
        "accounts.role": lambda: (new_user().pk, {"role": "Auditor", "give": True}),
        "kyc.tier_limit": lambda: (1, {"daily_limit_usd": "900.00"}),
        "kyc.person_limit": lambda: (
            onboarded().kyc_application.pk,
            {"daily_limit_usd": "500"},
        ),
        "kyc.suspend": lambda: (onboarded().kyc_application.pk, {}),
        "kyc.reinstate": lambda: (suspended().pk, {}),
        "kyc.correct": lambda: (a_correction().pk, {}),
        "kyc.dismiss_match": lambda: (a_match(by=ScreeningMatch.By.IDENTIFIER).pk, {}),
        "kyc.reopen_match": lambda: (a_dismissed_match().pk, {}),
        "compliance.retention": lambda: (
            "api_token",
            {"days": 400, "legal_basis": "Placeholder: to be named"},
        ),
        "tokens.attestation": lambda: (HASH, ATTESTATION),
        "trading.resolve_order": lambda: (parked().pk, {}),
        "trading.repay_order": lambda: (owed().pk, REPAID),
        "trading.record_sale": lambda: (a_repaid().pk, SOLD),
        "trading.withdraw_sale": lambda: (
            a_sold().pk,
            {"sale_order_id": SOLD["sale_order_id"].upper()},
        ),
        "tokens.attestation_withdrawn": lambda: (attested("ab" * 32).pk, {}),
        "copytrade.widen_limits": lambda: (platform_limits(max_order="100"), {"max_order": "200"}),
        "copytrade.release_switch": lambda: (
            engage(level="platform", reason="drill", by=None, now=timezone.now()).switch.pk,
            {},
        ),
    }
    about, payload = made[kind]()
    return about, payload


def test_every_decision_can_be_proposed_here_or_in_its_case() -> None:
    in_cases = {"kyc.approve", "kyc.reject"}

    assert {kind.name for kind in four_eyes.kinds()} == {*FORMS, *in_cases}


@pytest.mark.parametrize("kind", sorted(set(FORMS) - {"reserves.sign_off"}))
def test_a_decision_is_proposed_for_a_second_person(maker: Api, kind: str) -> None:
    about, payload = request_of(kind)

    answer = propose(maker, kind, about, payload=payload)

    assert answer.status == 201, answer.raw
    proposal = Proposal.objects.get(kind=kind)
    assert maker.user is not None
    assert (proposal.kind, proposal.maker_id, proposal.state) == (kind, maker.user.pk, "OPEN")
    assert answer.body["id"] == str(proposal.pk)
    assert answer.headers["Location"] == f"{PATH}/{proposal.pk}"
    assert maker.get(answer.headers["Location"]).body["reason"] == "It has to be."


def test_a_sign_off_is_proposed_for_a_second_person(
    maker: Api, chain: Chain, sandbox: SandboxControl
) -> None:
    snapshot = a_snapshot()
    payload = {"explanations": explained(snapshot)}

    answer = propose(maker, "reserves.sign_off", snapshot.pk, payload=payload)

    assert answer.status == 201, answer.raw
    assert Proposal.objects.get().payload["content_hash"] == snapshot.content_hash


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_each_kind_asks_for_its_own_permission_before_it_looks(kind: str) -> None:
    looker = Api(new_officer("view_proposal"), scopes=("admin",))
    about, payload = request_of(kind)

    assert_problem(propose(looker, kind, about, payload=payload), 403, "forbidden")
    assert_problem(propose(looker, kind, uuid4(), payload={"x": 1}), 403, "forbidden")
    assert not Proposal.objects.filter(kind=kind).exists()


def test_who_is_no_officer_gets_nowhere(buyer: Api) -> None:
    assert_problem(propose(buyer, "kyc.tier_limit", 1), 403, "insufficient_scope")


def test_a_repeat_proposes_once(maker: Api) -> None:
    body = {"daily_limit_usd": "900.00"}

    first = propose(maker, "kyc.tier_limit", 1, key="one", payload=body)
    again = propose(maker, "kyc.tier_limit", 1, key="one", payload=body)

    assert (again.status, again.body) == (201, first.body)
    assert Proposal.objects.count() == 1
    assert_problem(propose(maker, "kyc.tier_limit", 1, key=None), 400, "idempotency_key_missing")


def test_the_kept_answer_holds_nothing_personal(maker: Api) -> None:
    person = new_user()
    payload = {"role": "Auditor", "give": True}

    propose(maker, "accounts.role", person.pk, payload=payload)

    assert person.email not in IdempotencyKey.objects.get().body


def test_the_same_decision_is_not_proposed_twice(maker: Api) -> None:
    propose(maker, "kyc.tier_limit", 1, payload={"daily_limit_usd": "900"})

    answer = propose(maker, "kyc.tier_limit", 1, payload={"daily_limit_usd": "800"})

    assert assert_problem(answer, 409, "decision_refused")["reason"] == "already_proposed"
    assert Proposal.objects.count() == 1


def test_nobody_proposes_about_themselves(maker: Api) -> None:
    assert maker.user is not None

    answer = propose(
        maker, "accounts.role", maker.user.pk, payload={"role": "Auditor", "give": True}
    )

    assert answer.status == 409
    assert not Proposal.objects.exists()


def test_nobody_learns_here_that_a_list_may_mean_them(maker: Api) -> None:
    person = onboarded()
    person.is_staff = True
    person.save(update_fields=["is_staff"])
    add_authenticator_app(user=person, secret=TOTP_SECRET)
    person.user_permissions.set(maker.user.user_permissions.all() if maker.user else [])
    own = Api(User.objects.get(pk=person.pk), scopes=("admin",))

    answer = propose(own, "kyc.reopen_match", a_dismissed_match(person).pk)

    assert_problem(answer, 404, "not_found")
    assert not Proposal.objects.exists()


@pytest.mark.parametrize(
    "kind",
    [
        "reserves.sign_off",
        "accounts.role",
        "kyc.person_limit",
        "kyc.suspend",
        "trading.resolve_order",
        "trading.repay_order",
    ],
)
def test_an_object_that_there_is_not_is_not_found(maker: Api, kind: str) -> None:
    _about, payload = request_of(kind)

    assert_problem(propose(maker, kind, uuid4(), payload=payload), 404, "not_found")
    assert not Proposal.objects.exists()


def test_an_unknown_tier_is_not_found(maker: Api) -> None:
    answer = propose(maker, "kyc.tier_limit", 9999, payload={"daily_limit_usd": "1"})

    assert_problem(answer, 404, "not_found")


LIMIT, ROLE, RULE = "kyc.tier_limit", "accounts.role", "compliance.retention"
AUDIT, WIDER, REPAY = "tokens.attestation", "copytrade.widen_limits", "trading.repay_order"
SALE, NO_SALE = "trading.record_sale", "trading.withdraw_sale"
BASIS = {"legal_basis": "Placeholder: to be named"}


@pytest.mark.parametrize(
    ("kind", "about", "payload", "wrong"),
    [
        (LIMIT, "1", {}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": 900}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "NaN"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "sNaN"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "-Infinity"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "1e-999999"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "9e999999"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "1000.01"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "0"}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": ["900"]}, ["#/payload/daily_limit_usd"]),
        (LIMIT, "1", {"daily_limit_usd": "900", "before": "1"}, ["#/payload/before"]),
        (LIMIT, "1", [], ["#/payload"]),
        (LIMIT, "1", None, ["#/payload"]),
        (LIMIT, "one", {"daily_limit_usd": "900"}, ["#/object"]),
        (LIMIT, "-1", {"daily_limit_usd": "900"}, ["#/object"]),
        (LIMIT, "²", {"daily_limit_usd": "900"}, ["#/object"]),
        (LIMIT, "9" * 60, {"daily_limit_usd": "900"}, ["#/object"]),
        (LIMIT, "1\0", {"daily_limit_usd": "900"}, ["#/object"]),
        (ROLE, "7", {"role": "Auditor", "give": True}, ["#/object"]),
        (ROLE, None, {"role": "No such role", "give": True}, ["#/payload/role"]),
        (ROLE, None, {"role": {"name": "Auditor"}, "give": "yes"}, ["#/payload/give", "#/payload/role"]),
        (ROLE, None, {"role": "Auditor\ud800", "give": 1}, ["#/payload/give", "#/payload/role"]),
        (RULE, "no_such_kind", {"days": 400, **BASIS}, ["#/object"]),
        (RULE, "api_token", {"days": 10**30, **BASIS}, ["#/payload/days"]),
        (RULE, "api_token", {"days": True, **BASIS}, ["#/payload/days"]),
        (RULE, "api_token", {"days": 0, "legal_basis": ""}, ["#/payload/days", "#/payload/legal_basis"]),
        (AUDIT, HASH, {**ATTESTATION, "report_url": "javascript:alert(1)"}, ["#/payload/report_url"]),
        (AUDIT, HASH, {**ATTESTATION, "audited_on": "5.1.2026"}, ["#/payload/audited_on"]),
        (AUDIT, HASH, {**ATTESTATION, "audited_on": "9999-12-31"}, ["#/payload/audited_on"]),
        (AUDIT, HASH, {**ATTESTATION, "auditor": "A"}, ["#/payload/auditor"]),
        (AUDIT, "xy" * 32, ATTESTATION, ["#/object"]),
        (AUDIT, HASH, {**ATTESTATION, "report_sha256": "cd"}, ["#/payload/report_sha256"]),
        (WIDER, "platform", {"max_order": 5}, ["#/payload/max_order"]),
        (WIDER, "platform", {"max_order": "0"}, ["#/payload"]),
        (WIDER, "platform", {"max_order": "1e3"}, ["#/payload/max_order"]),
        (WIDER, "platform", {"timezone": "UTC"}, ["#/payload/timezone"]),
        (WIDER, "everybody", {}, ["#/object"]),
        ("reserves.sign_off", None, {"explanations": {"1": "x"}}, ["#/payload/explanations"]),
        ("reserves.sign_off", None, {"explanations": {"1": 7}}, ["#/payload/explanations/1"]),
        (REPAY, None, {}, [f"#/payload/{name}" for name in sorted(REPAID)]),
        (REPAY, None, {**REPAID, "amount_usd": 120}, ["#/payload/amount_usd"]),
        (REPAY, None, {**REPAID, "amount_usd": "1e9"}, ["#/payload/amount_usd"]),
        (REPAY, None, {**REPAID, "paid_on": "9999-12-31"}, ["#/payload/paid_on"]),
        (REPAY, None, {**REPAID, "payment_reference": "Jo Doe"}, ["#/payload/payment_reference"]),
        (REPAY, None, {**REPAID, "iban": "x"}, ["#/payload/iban"]),
        (SALE, None, {}, [f"#/payload/{name}" for name in sorted(SOLD)]),
        (SALE, None, {**SOLD, "quantity": "1"}, ["#/payload/quantity"]),
        (SALE, None, {**SOLD, "sale_order_id": "x"}, ["#/payload/sale_order_id"]),
        (SALE, None, {**SOLD, "custody_tx_id": "x"}, ["#/payload/custody_tx_id"]),
        (NO_SALE, None, {"sale_order_id": "x"}, ["#/payload/sale_order_id"]),
        ("kyc.suspend", "../../etc/passwd", {}, ["#/object"]),
        ("kyc.suspend", None, {"status": "APPROVED"}, ["#/payload/status"]),
        ("kyc.approve", "1", {}, ["#/kind"]),
        ("no.such.kind", "1", {}, ["#/kind"]),
        ([], "1", {}, ["#/kind"]),
    ],
)  # fmt: skip
def test_a_hostile_request_is_told_what_is_wrong_and_changes_nothing(
    maker: Api, kind: Any, about: str | None, payload: Any, wrong: list[str]
) -> None:
    named = about if about is not None else request_of(kind)[0]
    proposals = Proposal.objects.count()
    before = AuditRow.objects.filter(action="proposal.made").count()

    answer = propose(maker, kind, named, payload=payload)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == wrong
    assert Proposal.objects.count() == proposals
    assert not IdempotencyKey.objects.exists()
    assert AuditRow.objects.filter(action="proposal.made").count() == before
    assert Tier.objects.get(pk=1).daily_limit_usd == 1000


@pytest.mark.parametrize("changes", [{"reason": " "}, {"reason": "x" * 1001}, {"colour": "red"}])
def test_the_rest_of_the_request_is_checked_too(maker: Api, changes: dict[str, Any]) -> None:
    answer = propose(maker, LIMIT, 1, payload={"daily_limit_usd": "900"}, **changes)

    assert_problem(answer, 422, "invalid")
    assert not Proposal.objects.exists()


def test_nothing_takes_effect_before_a_second_person_approves(maker: Api) -> None:
    proposed = propose(maker, LIMIT, 1, payload={"daily_limit_usd": "900"})
    assert Tier.objects.get(pk=1).daily_limit_usd == 1000

    second: User = new_officer("view_proposal", "decide_proposal")
    path = f"{proposed.headers['Location']}/approve"
    assert Api(second, scopes=("admin",)).post(path, {}, key=None).status == 200
    assert Tier.objects.get(pk=1).daily_limit_usd == 900


def test_the_schema_says_which_id_withdraws_an_attestation() -> None:
    told = str(ProposalRequest().fields["object"].help_text)

    assert "the id of the attestation (`tokens.attestation_withdrawn`)" in told


def test_nobody_is_told_that_a_reason_stands_in_the_trail() -> None:
    told = {
        str(form().fields["reason"].help_text)
        for form in (ProposalRequest, ApproveRequest, RejectRequest)
    }

    assert told == {"Kept with the decision; the trail holds a digest."}
