"""The back office of copy trading: everything is read, nothing about money is changed by hand."""

import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.contrib import admin
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from compliance.models import Proposal
from copytrade.models import (
    CopyOrder,
    ExchangeAccount,
    Fill,
    KillSwitch,
    LedgerEntry,
    LedgerProof,
    MasterOrder,
    RiskDay,
    RiskLimits,
    Signal,
    Subscription,
)
from copytrade.services.kill import engage
from copytrade.services.risk import begin_days
from tests.copying import new_subscription
from tests.copytrade.booking import a_leg, a_signal, copied
from tests.copytrade.replicating import master_order
from tests.people import new_officer

pytestmark = pytest.mark.django_db
MODELS: list[type[Any]] = [
    CopyOrder, Fill, KillSwitch, LedgerEntry, LedgerProof, MasterOrder, RiskDay, RiskLimits, Signal,
]  # fmt: skip
APPEND_ONLY = ["copytrade_fill", "copytrade_ledgerentry", "copytrade_ledgerproof"]


def an_officer(*permissions: str) -> Client:
    browser = Client()
    browser.force_login(new_officer(*permissions))
    return browser


@pytest.fixture
def auditor() -> Client:
    """Somebody who may look at everything."""
    return an_officer(*(f"view_{model._meta.model_name}" for model in MODELS), "view_auditrow")


@pytest.fixture
def rows() -> dict[type[Any], Any]:
    """One row of everything."""
    subscription = new_subscription()
    signal = a_signal(
        subscription.strategy, subscription=None, master_order=master_order(subscription.strategy)
    )
    leg = a_leg(signal, subscription, state="SKIPPED", reason="expired")
    fill = copied(subscription, leg=leg)
    begin_days(now=timezone.now())
    RiskLimits.objects.create(user=subscription.follower, updated_at=timezone.now())
    RiskLimits.objects.create(updated_at=timezone.now())
    KillSwitch.objects.create(
        level="platform", reason="drill", engaged_by="system:operator", engaged_at=timezone.now()
    )
    proof(subscription.account)
    found = {model: model.objects.first() for model in MODELS}
    return found | {CopyOrder: leg, Fill: fill, Signal: signal}


def proof(account: ExchangeAccount, *, difference: str = "1") -> LedgerProof:
    return LedgerProof.objects.create(
        account=account,
        run=uuid.uuid4(),
        at=timezone.now(),
        asset="BTC",
        ledger=Decimal("0.01"),
        exchange=Decimal("0.01") + Decimal(difference),
        difference=Decimal(difference),
    )


def address(model: type[Any], page: str, *arguments: object) -> str:
    return reverse(f"admin:copytrade_{model._meta.model_name}_{page}", args=arguments)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_and_rows_can_be_read_and_nothing_changed(
    auditor: Client, rows: dict[type[Any], Any], model: type[Any]
) -> None:
    row = rows[model]

    assert auditor.get(address(model, "changelist")).status_code == 200
    assert auditor.get(address(model, "changelist"), {"q": str(row.pk)}).status_code == 200
    assert auditor.get(address(model, "change", row.pk)).status_code == 200
    before = list(model.objects.values())
    for page in (address(model, "add"), address(model, "delete", row.pk)):
        assert auditor.get(page).status_code == 403
        assert auditor.post(page, {"post": "yes"}).status_code == 403
    assert auditor.post(address(model, "change", row.pk), {"reason": "x"}).status_code == 403
    assert list(model.objects.values()) == before


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_who_may_not_look_does_not(rows: dict[type[Any], Any], model: type[Any]) -> None:
    browser = an_officer("view_user")

    assert browser.get(address(model, "changelist")).status_code == 403
    assert browser.get(address(model, "change", rows[model].pk)).status_code in (302, 403)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_not_even_a_superuser_changes_rows(model: type[Any]) -> None:
    page = admin.site._registry[model]
    request: Any = None

    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


def test_a_signal_leads_to_its_legs_and_a_leg_to_its_trades(
    auditor: Client, rows: dict[type[Any], Any]
) -> None:
    link = f"{address(CopyOrder, 'changelist')}?signal__id__exact={rows[Signal].pk}"
    assert link in auditor.get(address(Signal, "change", rows[Signal].pk)).content.decode()
    assert auditor.get(link).status_code == 200
    link = f"{address(Fill, 'changelist')}?copy_order__id__exact={rows[CopyOrder].pk}"
    page = auditor.get(address(CopyOrder, "change", rows[CopyOrder].pk)).content.decode()
    assert link in page
    assert "Not copied" in page
    assert auditor.get(link).status_code == 200


@pytest.mark.parametrize("model", [Fill, LedgerEntry], ids=lambda model: model.__name__)
def test_auditors_export_without_personal_data(
    auditor: Client, rows: dict[type[Any], Any], model: type[Any]
) -> None:
    fields = dict.fromkeys(("id", "account", "at"), "on")
    chosen = {f"{model.__name__.lower()}resource_{name}": value for name, value in fields.items()}
    answer = auditor.post(address(model, "export"), {"format": "0", "resource": "0", **chosen})

    assert answer.status_code == 200
    assert b"@" not in answer.content


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize(
    "statement", ["UPDATE {} SET at = at", "DELETE FROM {}", "TRUNCATE {} CASCADE"]
)
def test_the_database_refuses_to_change_what_is_booked(
    rows: dict[type[Any], Any], table: str, statement: str
) -> None:
    def everything() -> list[list[Any]]:
        return [list(model.objects.values()) for model in (Fill, LedgerEntry, LedgerProof)]

    before = everything()
    assert all(before)
    with connection.cursor() as cursor:  # TRUNCATE is refused earlier while checks are pending
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement.format(table))
    assert everything() == before


# --- actions


def press(browser: Client, model: type[Any], name: str, *arguments: object, **data: str) -> int:
    target = reverse(f"admin:copytrade_{model._meta.model_name}_{name}", args=arguments)
    return browser.post(target, {"_form_submitted": "True", **data}).status_code


@pytest.mark.parametrize(
    ("permission", "engaged"), [("view_killswitch", 0), ("change_killswitch", 1)]
)
def test_officers_stop_everything_and_propose_its_release(permission: str, engaged: int) -> None:
    browser = an_officer("view_killswitch", permission)

    press(browser, KillSwitch, "stop", reason="drill")
    assert KillSwitch.objects.count() == engaged
    press(browser, KillSwitch, "stop", reason="drill", exchange="binance")
    assert KillSwitch.objects.filter(level="exchange").count() == engaged
    for switch in KillSwitch.objects.all():
        assert press(browser, KillSwitch, "release", switch.pk) == 403
        press(browser, KillSwitch, "propose_release", switch.pk, reason="over")
    assert KillSwitch.objects.filter(released_at=None).count() == 2 * engaged
    proposals = Proposal.objects.filter(kind="copytrade.release_switch")
    assert proposals.count() == 2 * engaged


def test_who_engaged_a_switch_is_told_by_address() -> None:
    browser = an_officer("view_killswitch", "change_killswitch")
    press(browser, KillSwitch, "stop", reason="drill")
    officer = User.objects.get(pk=browser.session["_auth_user_id"])
    switch = KillSwitch.objects.get()

    for page in ("changelist", "change"):
        args = [switch.pk] if page == "change" else []
        answer = browser.get(reverse(f"admin:copytrade_killswitch_{page}", args=args)).text
        assert f"user:{officer.pk}" not in answer
        assert answer.count(officer.email) > browser.get(reverse("admin:index")).text.count(
            officer.email
        )


def test_an_officer_releases_one_subscription_s_switch_alone() -> None:
    switch = engage(
        level="subscription",
        subscription=new_subscription(),
        reason="drill",
        by=None,
        now=timezone.now(),
    ).switch
    browser = an_officer("view_killswitch", "change_killswitch")

    assert press(browser, KillSwitch, "propose_release", switch.pk, reason="over") == 403
    press(browser, KillSwitch, "release", switch.pk)

    switch.refresh_from_db()
    assert switch.released_at is not None


def test_a_stop_without_a_reason_asks_again() -> None:
    browser = an_officer("change_killswitch", "view_killswitch")

    assert press(browser, KillSwitch, "stop", reason="") == 200
    assert not KillSwitch.objects.exists()


@pytest.mark.parametrize(
    ("permission", "rows_after"), [("view_risklimits", 0), ("change_risklimits", 1)]
)
def test_officers_set_the_platforms_limits(permission: str, rows_after: int) -> None:
    browser = an_officer("view_risklimits", permission)

    press(browser, RiskLimits, "set_platform", max_order="250", daily_loss="")

    assert RiskLimits.objects.filter(user=None, subscription=None).count() == rows_after
    assert RiskLimits.objects.filter(max_order=250).count() == rows_after


def test_narrower_limits_of_the_platform_are_set_and_wider_ones_proposed() -> None:
    browser = an_officer("view_risklimits", "change_risklimits")
    press(browser, RiskLimits, "set_platform", max_order="250")
    press(browser, RiskLimits, "set_platform", max_order="200", reason="Careful.")
    assert RiskLimits.objects.get().max_order == 200

    press(browser, RiskLimits, "set_platform", max_order="300")
    assert not Proposal.objects.exists(), "a reason is needed"
    press(browser, RiskLimits, "set_platform", max_order="300", reason="Calmer markets.")

    assert RiskLimits.objects.get().max_order == 200
    assert Proposal.objects.get().kind == "copytrade.widen_limits"


def test_an_officer_is_told_that_their_own_switch_is_for_others_to_release() -> None:
    subscription = new_subscription()
    switch = engage(
        level="subscription", subscription=subscription, reason="x", by=None, now=timezone.now()
    ).switch
    browser = an_officer("view_killswitch", "change_killswitch")
    Subscription.objects.filter(pk=subscription.pk).update(
        follower=browser.session["_auth_user_id"]
    )

    press(browser, KillSwitch, "release", switch.pk)

    page = browser.get(address(KillSwitch, "changelist"))
    assert "whom it does not stop" in " ".join(str(told) for told in page.context["messages"])
    switch.refresh_from_db()
    assert switch.released_at is None


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


@pytest.mark.parametrize(
    ("permission", "booked"), [("view_ledgerproof", 0), ("add_ledgerentry", 1)]
)
def test_officers_book_a_difference_and_take_it_back(
    subscription: Subscription, permission: str, booked: int
) -> None:
    copied(subscription)
    row = proof(subscription.account)
    browser = an_officer("view_ledgerproof", "view_ledgerentry", permission)

    press(browser, LedgerProof, "book", row.pk, note="deposit, seen at the exchange")

    entries = LedgerEntry.objects.filter(kind="external")
    assert entries.count() == booked
    for entry in entries:
        press(browser, LedgerEntry, "take_back", entry.pk, note="was none")
    assert LedgerEntry.objects.filter(kind="reversal").count() == booked


def test_an_older_comparison_is_not_booked(subscription: Subscription) -> None:
    copied(subscription)
    row = proof(subscription.account)
    proof(subscription.account, difference="2")

    press(an_officer("view_ledgerproof", "add_ledgerentry"), LedgerProof, "book", row.pk, note="x")

    assert not LedgerEntry.objects.filter(kind="external").exists()
