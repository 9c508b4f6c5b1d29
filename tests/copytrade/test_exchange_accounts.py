"""Exchange accounts: keys checked on entry and daily, sealed, paused and erased (SUB-1)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Notice, User
from agora.lib.crypto import Undecryptable
from agora.sandbox.client import SandboxControl
from compliance.models import AuditRow
from copytrade.exchange import runner
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import KeyRights
from copytrade.models import ExchangeAccount, LedgerEntry
from copytrade.replication import pausing
from copytrade.selectors.equity import wallet_balance
from copytrade.services import accounts, key_checks, keys
from copytrade.services.accounts import AccountRefused
from copytrade.services.keys import KeyRefused
from tests.copying import (
    Trader,
    new_account,
    new_follower,
    new_key,
    new_strategy,
    new_subscription,
    sandbox_key,
)
from tests.people import new_user
from tests.threads import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _many_checks(settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 0}


@pytest.fixture
def control(sandbox: SandboxControl) -> Iterator[SandboxControl]:
    """The exchange, and a venue that knows nothing of it yet."""
    runner.close()
    yield sandbox
    runner.close()


@pytest.fixture
def user() -> User:
    return new_user()


def add(user: User, key: tuple[str, str], *, label: str = "Main") -> ExchangeAccount:
    """As pages and API add an account."""
    examined = keys.examine(user=user, api_key=key[0], secret=key[1])
    return accounts.add_account(
        user=user, exchange="binance", label=label, examined=examined, now=timezone.now()
    )


def refusal(user: User, key: tuple[str, str]) -> str:
    try:
        add(user, key)
    except (KeyRefused, AccountRefused) as refused:
        return refused.code
    raise AssertionError("The key was taken.")


def nothing_stored() -> bool:
    return not ExchangeAccount.objects.exists() and not LedgerEntry.objects.exists()


# --- Entering a key -----------------------------------------------------------------------------


def test_a_good_key_is_sealed_and_opens_the_ledger(control: SandboxControl, user: User) -> None:
    _label, key = sandbox_key(control, balances={"USDT": "1500", "BTC": "0.25"}, ip_restrict=True)
    account = add(user, key)

    account.refresh_from_db()
    assert (account.state, account.can_trade, account.can_withdraw) == ("ACTIVE", True, False)
    assert account.ip_restricted is True
    assert account.key_hint == key[0][-4:]
    assert wallet_balance(account_id=account.pk, asset="USDT") == 1500
    assert wallet_balance(account_id=account.pk, asset="BTC") == Decimal("0.25")
    stored = bytes(account.api_key_encrypted) + bytes(account.secret_encrypted)
    assert key[0].encode() not in stored
    assert key[1].encode() not in stored
    assert credentials_of(account).secret == key[1]
    assert account.next_attempt_at is not None
    assert account.next_attempt_at > timezone.now() + timedelta(hours=23)


def test_adding_is_recorded_and_told(control: SandboxControl, user: User) -> None:
    account = add(user, sandbox_key(control)[1], label="  My   main account ")
    assert account.label == "My main account"
    row = AuditRow.objects.get(action="exchange_account.added")
    assert (row.actor, row.object_id) == (f"user:{user.pk}", str(account.pk))
    notice = Notice.objects.get(user=user)
    assert "My main account" in notice.title
    assert notice.next_attempt_at is not None  # an e-mail is due


def test_a_key_without_an_ip_list_is_stored_and_known_as_such(
    control: SandboxControl, user: User
) -> None:
    assert add(user, sandbox_key(control)[1]).ip_restricted is False


def test_a_key_that_may_withdraw_is_refused(control: SandboxControl, user: User) -> None:
    assert refusal(user, sandbox_key(control, withdraw=True)[1]) == "key_can_withdraw"
    assert nothing_stored()


def test_a_key_that_may_not_trade_is_refused(control: SandboxControl, user: User) -> None:
    assert refusal(user, sandbox_key(control, trade=False)[1]) == "key_no_permission"
    assert nothing_stored()


def test_a_revoked_key_is_refused(control: SandboxControl, user: User) -> None:
    assert refusal(user, sandbox_key(control, revoked=True)[1]) == "key_invalid"
    assert nothing_stored()


def test_an_unknown_key_is_refused(control: SandboxControl, user: User) -> None:
    assert refusal(user, new_key()) == "key_invalid"
    assert nothing_stored()


def test_a_wrong_secret_is_refused(control: SandboxControl, user: User) -> None:
    _label, key = sandbox_key(control)
    assert refusal(user, (key[0], new_key()[1])) == "key_invalid"
    assert nothing_stored()


@pytest.mark.parametrize(
    ("api_key", "secret", "code"),
    [
        ("", "s" * 64, "key_malformed"),
        ("short", "s" * 64, "key_malformed"),
        ("k" * 129, "s" * 64, "key_malformed"),
        ("k" * 63 + "\n", "", "secret_malformed"),
        ("k" * 30 + "\r\nX-Evil: 1" + "k" * 30, "s" * 64, "key_malformed"),
        ("ключ" * 16, "s" * 64, "key_malformed"),
        ("k" * 64, "", "secret_malformed"),
        ("k" * 64, "s" * 30 + "\x00" + "s" * 30, "secret_malformed"),
    ],
)
def test_what_is_no_key_never_reaches_the_exchange(
    control: SandboxControl, user: User, api_key: str, secret: str, code: str
) -> None:
    before = len(control.journal())
    assert refusal(user, (api_key, secret)) == code
    assert len(control.journal()) == before


@pytest.mark.parametrize("label", ["", "   ", "x" * 61, "a\x00b", "a\u202eb"])
def test_a_name_must_be_readable(control: SandboxControl, user: User, label: str) -> None:
    with pytest.raises(AccountRefused) as caught:
        add(user, sandbox_key(control)[1], label=label)
    assert (caught.value.code, caught.value.field) == ("label_invalid", "label")
    assert nothing_stored()


def test_a_key_that_cannot_be_checked_is_not_stored(control: SandboxControl, user: User) -> None:
    _label, key = sandbox_key(control)
    control.fault("GET /binance/api/v3/account", "status", status=503)
    assert refusal(user, key) == "exchange_unavailable"
    assert nothing_stored()


def test_checking_ends_at_its_deadline(
    control: SandboxControl, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "DEADLINE_SECONDS", 0.3)
    _label, key = sandbox_key(control)
    control.binance.venue(latency_ms=2000)
    assert refusal(user, key) == "exchange_unavailable"
    assert nothing_stored()


def test_too_many_checks_in_a_minute_are_refused(
    control: SandboxControl, user: User, settings: Settings
) -> None:
    settings.API_RATES = {**settings.API_RATES, "key": 2}
    codes = [refusal(user, new_key()) for _ in range(3)]
    assert codes == ["key_invalid", "key_invalid", "too_many_checks"]
    assert refusal(new_user(), new_key()) == "key_invalid"


# --- Once ---------------------------------------------------------------------------------------


def test_a_key_is_entered_once(control: SandboxControl, user: User) -> None:
    _label, key = sandbox_key(control)
    add(user, key)
    assert refusal(user, key) == "key_known"
    assert refusal(new_user(), key) == "key_known"
    assert ExchangeAccount.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_key_entered_at_the_same_moment_is_stored_once(control: SandboxControl) -> None:
    _label, key = sandbox_key(control)
    people = [new_user() for _ in range(6)]
    outcomes = at_once(6, lambda number: add(people[number], key))
    stored = [one for one in outcomes if isinstance(one, ExchangeAccount)]
    refused = [one.code for one in outcomes if isinstance(one, AccountRefused)]
    assert (len(stored), refused) == (1, ["key_known"] * 5)
    assert ExchangeAccount.objects.count() == 1


def examined_as(owner: str, *, key: tuple[str, str] | None = None) -> keys.Examined:
    """A key that passed, of an account that the exchange calls so."""
    api_key, secret = key or new_key()
    rights = KeyRights(can_read=True, can_trade=True, can_withdraw=False, ip_restricted=True)
    return keys.Examined(api_key, secret, rights, {"USDT": Decimal(10)}, owner)


def add_examined(user: User, examined: keys.Examined) -> ExchangeAccount:
    return accounts.add_account(
        user=user, exchange="binance", label="Main", examined=examined, now=timezone.now()
    )


def test_an_account_is_not_entered_again_by_another_of_its_keys(user: User) -> None:
    add_examined(user, examined_as("77"))
    with pytest.raises(AccountRefused) as caught:
        add_examined(new_user(), examined_as("77"))
    assert caught.value.code == "account_known"
    add_examined(user, examined_as(""))
    add_examined(user, examined_as(""))  # where the exchange tells no number, nothing is compared
    assert ExchangeAccount.objects.count() == 3


def test_rights_that_the_exchange_does_not_tell_pass(user: User) -> None:
    rights = KeyRights(can_read=True, can_trade=True, can_withdraw=None, ip_restricted=None)
    assert keys.verdict_of(rights) == ""


def test_nobody_has_more_accounts_than_allowed(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounts, "MOST_ACCOUNTS", 2)
    gone = add_examined(user, examined_as("1"))
    add_examined(user, examined_as("2"))
    with pytest.raises(AccountRefused) as caught:
        add_examined(user, examined_as("3"))
    assert caught.value.code == "too_many_accounts"
    accounts.remove_account(user=user, account_id=gone.pk, now=timezone.now())
    add_examined(user, examined_as("3"))


# --- Changing -----------------------------------------------------------------------------------


def test_an_account_is_renamed(user: User) -> None:
    account = new_account(user=user)
    accounts.rename_account(user=user, account_id=account.pk, label="Savings", now=timezone.now())
    account.refresh_from_db()
    assert account.label == "Savings"
    assert AuditRow.objects.filter(action="exchange_account.renamed").count() == 1


def test_another_key_of_the_same_account_takes_over(user: User) -> None:
    account = add_examined(user, examined_as("5"))
    pausing.pause(account=account, reason="key_invalid", now=timezone.now())
    key = new_key()
    accounts.replace_key(
        user=user, account_id=account.pk, examined=examined_as("5", key=key), now=timezone.now()
    )
    account.refresh_from_db()
    assert (account.state, account.state_reason) == ("ACTIVE", "")
    assert credentials_of(account).api_key == key[0]
    assert LedgerEntry.objects.filter(account=account).count() == 1  # the books opened once


def test_a_key_of_another_account_does_not_take_over(user: User) -> None:
    key = new_key()
    account = add_examined(user, examined_as("5", key=key))
    with pytest.raises(AccountRefused) as caught:
        accounts.replace_key(
            user=user, account_id=account.pk, examined=examined_as("6"), now=timezone.now()
        )
    assert (caught.value.code, caught.value.field) == ("other_account", "api_key")
    account.refresh_from_db()
    assert credentials_of(account).api_key == key[0]


def test_a_paused_account_is_resumed_after_a_check(control: SandboxControl, user: User) -> None:
    label, key = sandbox_key(control)
    account = add(user, key)
    control.binance.key(label, trade=False)
    pausing.pause(account=account, reason="key_no_permission", now=timezone.now())
    with pytest.raises(KeyRefused):
        keys.examine_stored(account)
    control.binance.key(label, trade=True)
    examined = keys.examine_stored(account)
    accounts.resume_account(user=user, account_id=account.pk, examined=examined, now=timezone.now())
    account.refresh_from_db()
    assert (account.state, account.failures, account.blocked_until) == ("ACTIVE", 0, None)


def test_an_account_in_use_is_not_resumed(user: User) -> None:
    account = add_examined(user, examined_as("5"))
    with pytest.raises(AccountRefused) as caught:
        accounts.resume_account(
            user=user, account_id=account.pk, examined=examined_as("5"), now=timezone.now()
        )
    assert caught.value.code == "account_not_paused"


def test_removing_erases_the_key_and_keeps_the_books(user: User) -> None:
    key = new_key()
    account = add_examined(user, examined_as("5", key=key))
    accounts.remove_account(user=user, account_id=account.pk, now=timezone.now())
    account.refresh_from_db()
    assert account.state == "REMOVED"
    assert bytes(account.api_key_encrypted) == bytes(account.secret_encrypted) == b""
    assert (account.key_index, account.owner_index, account.next_attempt_at) == ("", "", None)
    with pytest.raises(Undecryptable):
        credentials_of(account)
    assert LedgerEntry.objects.filter(account=account).exists()
    add_examined(user, examined_as("5", key=key))  # the same key may come again


def test_an_account_in_use_cannot_be_removed(user: User) -> None:
    strategy = new_strategy()
    follower = new_follower()
    subscription = new_subscription(strategy=strategy, follower=follower)
    for owner, account in ((strategy.master, strategy.account), (follower.user, follower.account)):
        with pytest.raises(AccountRefused) as caught:
            accounts.remove_account(user=owner, account_id=account.pk, now=timezone.now())
        assert caught.value.code == "account_in_use"
    type(subscription).objects.update(state="STOPPED")
    accounts.remove_account(user=follower.user, account_id=follower.account.pk, now=timezone.now())


def test_a_removed_account_cannot_be_changed(user: User) -> None:
    account = add_examined(user, examined_as("5"))
    accounts.remove_account(user=user, account_id=account.pk, now=timezone.now())
    changes: list[Callable[[], object]] = [
        lambda: accounts.rename_account(
            user=user, account_id=account.pk, label="x", now=timezone.now()
        ),
        lambda: accounts.replace_key(
            user=user, account_id=account.pk, examined=examined_as("5"), now=timezone.now()
        ),
        lambda: accounts.remove_account(user=user, account_id=account.pk, now=timezone.now()),
    ]
    for change in changes:
        with pytest.raises(AccountRefused) as caught:
            change()
        assert caught.value.code == "account_removed"


def test_a_stranger_finds_no_account(user: User) -> None:
    account, stranger, now = new_account(user=user), new_user(), timezone.now()
    examined = examined_as("9")
    changes: list[Callable[[], object]] = [
        lambda: accounts.rename_account(user=stranger, account_id=account.pk, label="x", now=now),
        lambda: accounts.replace_key(
            user=stranger, account_id=account.pk, examined=examined, now=now
        ),
        lambda: accounts.resume_account(
            user=stranger, account_id=account.pk, examined=examined, now=now
        ),
        lambda: accounts.remove_account(user=stranger, account_id=account.pk, now=now),
    ]
    for change in changes:
        with pytest.raises(ExchangeAccount.DoesNotExist):
            change()


# --- Pausing, and the daily check ---------------------------------------------------------------


def test_pausing_tells_its_owner_once(user: User) -> None:
    account = new_account(user=user, label="Main")
    now = timezone.now()
    assert pausing.pause(account=account, reason="key_invalid", now=now)
    assert not pausing.pause(account=account, reason="key_invalid", now=now)
    notice = Notice.objects.get(user=user)
    assert notice.level == "alert"
    assert "Main" in notice.text
    assert AuditRow.objects.filter(action="exchange_account.paused").count() == 1


def due(account: ExchangeAccount) -> ExchangeAccount:
    ExchangeAccount.objects.filter(pk=account.pk).update(
        next_attempt_at=timezone.now() - timedelta(seconds=1)
    )
    return account


def check(account: ExchangeAccount) -> ExchangeAccount:
    """Run the daily check now; the account afterwards."""
    key_checks.check(account_id=due(account).pk, now=timezone.now())
    account.refresh_from_db()
    return account


def sandboxed(control: SandboxControl, user: User) -> tuple[str, ExchangeAccount]:
    label, key = sandbox_key(control)
    return label, new_account(user=user, key=key, checked_at=None)


def test_the_daily_check_notes_what_the_key_may_do(control: SandboxControl, user: User) -> None:
    label, account = sandboxed(control, user)
    control.binance.key(label, ip_restrict=False)
    checked = check(account)
    assert (checked.state, checked.ip_restricted) == ("ACTIVE", False)
    assert checked.checked_at is not None
    assert checked.next_attempt_at is not None
    assert checked.next_attempt_at > timezone.now() + timedelta(hours=23)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revoked": True}, "key_invalid"),
        ({"trade": False}, "key_no_permission"),
        ({"withdraw": True}, "key_can_withdraw"),
    ],
)
def test_the_daily_check_pauses_a_key_that_cannot_be_used(
    control: SandboxControl, user: User, change: dict[str, Any], reason: str
) -> None:
    label, account = sandboxed(control, user)
    control.binance.key(label, **change)
    checked = check(account)
    assert (checked.state, checked.state_reason) == ("PAUSED", reason)
    assert Notice.objects.filter(user=user, kind="exchange-account-paused").count() == 1
    check(account)
    assert Notice.objects.filter(user=user, kind="exchange-account-paused").count() == 1


def test_the_daily_check_comes_again_soon_while_the_exchange_is_away(
    control: SandboxControl, user: User
) -> None:
    _label, account = sandboxed(control, user)
    control.fault("GET /binance/sapi/v1/account/apiRestrictions", "status", status=503)
    checked = check(account)
    assert (checked.state, checked.checked_at) == ("ACTIVE", None)
    assert checked.next_attempt_at is not None
    assert checked.next_attempt_at < timezone.now() + timedelta(minutes=10)


def test_a_key_that_was_replaced_during_the_check_is_not_paused(
    control: SandboxControl, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    label, account = sandboxed(control, user)
    control.binance.key(label, revoked=True)
    really = keys.examine_stored

    def meanwhile(checked: ExchangeAccount) -> keys.Examined:
        accounts.replace_key(
            user=user, account_id=account.pk, examined=examined_as(""), now=timezone.now()
        )
        return really(checked)

    monkeypatch.setattr(keys, "examine_stored", meanwhile)
    assert check(account).state == "ACTIVE"


def test_a_removed_account_is_not_checked(control: SandboxControl, user: User) -> None:
    account = add_examined(user, examined_as("5"))
    accounts.remove_account(user=user, account_id=account.pk, now=timezone.now())
    before = len(control.journal())
    check(account)
    assert account.next_attempt_at is None
    assert len(control.journal()) == before


# --- The key shows nowhere ----------------------------------------------------------------------


def test_the_key_shows_nowhere(
    control: SandboxControl,
    user: User,
    client: Client,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("DEBUG")
    _label, key = sandbox_key(control)
    wrong = (key[0], "Canary" + new_key()[1])
    refusal(user, wrong)
    account = add(user, key)
    check(account)
    examined = keys.examine_stored(account)
    trader = Trader(user, account, "", *key)
    client.force_login(new_user(email="boss@example.com", is_staff=True))
    User.objects.filter(email="boss@example.com").update(is_superuser=True)
    told = [
        repr(examined),
        repr(credentials_of(account)),
        repr(account),
        str(list(AuditRow.objects.values_list("evidence", flat=True))),
        str(list(Notice.objects.values_list("params", "body"))),
        caplog.text,
        *capfd.readouterr(),
        client.get(reverse("admin:copytrade_exchangeaccount_changelist")).content.decode(),
        client.get(
            reverse("admin:copytrade_exchangeaccount_change", args=[account.pk])
        ).content.decode(),
    ]
    for text in told:
        for hidden in (trader.api_key, trader.secret, wrong[1]):
            assert hidden not in text
