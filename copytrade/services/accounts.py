"""A person's exchange accounts: add, rename, replace the key, resume, remove (SUB-1).

Key and secret are sealed on the way in and never leave again but to the exchange. Whether a key may
be used is found out before (`services.keys`), outside of any transaction.
"""

import uuid
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import locks, notices
from accounts.models import Notice, User
from agora.lib import crypto
from agora.lib.catalog import Text
from compliance import audit
from copytrade.ledger import booking
from copytrade.models import Exchange, ExchangeAccount
from copytrade.services.keys import Examined
from copytrade.states import AccountState, StrategyState, SubscriptionState

CHECK_EVERY = timedelta(days=1)
MOST_ACCOUNTS = 20
LONGEST_LABEL = 60

MESSAGES: dict[str, Text] = {
    "label_invalid": _("Give the account a name of 1 to 60 characters."),
    "exchange_unknown": _("Agora does not work with this exchange."),
    "key_known": _("This key has been entered before. Each key can be entered once."),
    "account_known": _(
        "This exchange account has been entered before, with another key. Replace the key there."
    ),
    "other_account": _(
        "This key belongs to another account at the exchange. Add it as a new account."
    ),
    "too_many_accounts": _("You have as many exchange accounts as Agora allows. Remove one first."),
    "account_in_use": _(
        "A subscription or strategy uses this account. Stop or delete it first, then remove the account."
    ),
    "account_removed": _("This account has been removed. Add it again with a new key."),
    "account_not_paused": _("This account is in use already."),
}
_FIELDS = {
    "label_invalid": "label",
    "exchange_unknown": "exchange",
    "key_known": "api_key",
    "account_known": "api_key",
    "other_account": "api_key",
}


class AccountRefused(Exception):
    """Nothing was changed; `message` says what to do. `field` is label, exchange, api_key or empty.

    Codes: the keys of MESSAGES.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message = MESSAGES[code]
        self.field = _FIELDS.get(code, "")


def clean_label(label: str) -> str:
    """The name without surplus white space; raises AccountRefused (label_invalid)."""
    text = " ".join(label.split())
    if not 1 <= len(text) <= LONGEST_LABEL or not text.isprintable():
        raise AccountRefused("label_invalid")
    return text


def add_account(
    *, user: User, exchange: str, label: str, examined: Examined, now: datetime
) -> ExchangeAccount:
    """Store an examined key, open the account's ledger with what it holds, and tell the user.

    Locks the user's row, so that the number of accounts is exact. Raises AccountRefused.
    """
    if exchange not in Exchange.values:
        raise AccountRefused("exchange_unknown")
    account = ExchangeAccount(
        user=user, exchange=exchange, label=clean_label(label), created_at=now, opened_at=now
    )
    _take_key(account, examined, now=now)
    with transaction.atomic():
        locks.open_account(user.pk)
        kept = ExchangeAccount.objects.filter(user=user).exclude(state=AccountState.REMOVED)
        if kept.count() >= MOST_ACCOUNTS:
            raise AccountRefused("too_many_accounts")
        _save_once(account, force_insert=True)
        booking.open_books(account=account, balances=examined.balances, now=now)
        _record(account, "added", user=user, now=now, key_hint=account.key_hint)
        _tell(account, "added", now=now)
    return account


def rename_account(
    *, user: User, account_id: uuid.UUID, label: str, now: datetime
) -> ExchangeAccount:
    """Give an account another name; the same one changes nothing. Locks the account.

    Raises AccountRefused, and ExchangeAccount.DoesNotExist for another person's account.
    """
    text = clean_label(label)
    with transaction.atomic():
        account = _locked(user=user, account_id=account_id)
        if account.label != text:
            account.label = text
            account.save(update_fields=["label"])
            _record(account, "renamed", user=user, now=now)
    return account


def replace_key(
    *, user: User, account_id: uuid.UUID, examined: Examined, now: datetime
) -> ExchangeAccount:
    """Use another key of the same account from now on; a paused account is resumed by it.

    Locks the account. Raises AccountRefused, and ExchangeAccount.DoesNotExist for another person's.
    """
    with transaction.atomic():
        account = _locked(user=user, account_id=account_id)
        known, told = account.owner_index, _owner_index(examined)
        if known and told and known != told:
            raise AccountRefused("other_account")
        _take_key(account, examined, now=now)
        _activate(account)
        _save_once(account)
        _record(account, "key_replaced", user=user, now=now, key_hint=account.key_hint)
        _tell(account, "key_replaced", now=now)
    return account


def resume_account(
    *, user: User, account_id: uuid.UUID, examined: Examined, now: datetime
) -> ExchangeAccount:
    """Use a paused account again, after its stored key has been examined anew. Locks the account.

    Raises AccountRefused, and ExchangeAccount.DoesNotExist for another person's account.
    """
    with transaction.atomic():
        account = _locked(user=user, account_id=account_id)
        if account.state != AccountState.PAUSED:
            raise AccountRefused("account_not_paused")
        _take_rights(account, examined, now=now)
        _activate(account)
        _save_once(account)
        _record(account, "resumed", user=user, now=now)
        _tell(account, "resumed", now=now)
    return account


def remove_account(*, user: User, account_id: uuid.UUID, now: datetime) -> ExchangeAccount:
    """Forget the key for good; trades and ledger stay. Locks the account.

    Raises AccountRefused (account_in_use), and ExchangeAccount.DoesNotExist for another person's.
    """
    with transaction.atomic():
        account = _locked(user=user, account_id=account_id)
        copying = account.subscriptions.exclude(state=SubscriptionState.STOPPED)
        publishing = account.strategies.exclude(state=StrategyState.DELETED)
        if copying.exists() or publishing.exists():
            raise AccountRefused("account_in_use")
        account.state, account.state_reason = AccountState.REMOVED, ""
        # Overwritten, so that no copy of the master key can ever open it again.
        account.api_key_encrypted = account.secret_encrypted = b""
        account.key_index = account.owner_index = ""
        account.next_attempt_at = account.lease_token = account.lease_until = None
        account.attention = False
        account.save()
        _record(account, "removed", user=user, now=now)
        _tell(account, "removed", now=now)
    return account


def _locked(*, user: User, account_id: uuid.UUID) -> ExchangeAccount:
    account = ExchangeAccount.objects.select_for_update(no_key=False).get(pk=account_id, user=user)
    if account.state == AccountState.REMOVED:
        raise AccountRefused("account_removed")
    return account


def _take_key(account: ExchangeAccount, examined: Examined, *, now: datetime) -> None:
    account.api_key_encrypted = account.seal(column="api_key", text=examined.api_key)
    account.secret_encrypted = account.seal(column="secret", text=examined.secret)
    account.key_index = crypto.blind_index(examined.api_key, purpose="exchange_key").hex()
    account.key_hint = examined.api_key[-4:]
    _take_rights(account, examined, now=now)


def _take_rights(account: ExchangeAccount, examined: Examined, *, now: datetime) -> None:
    account.owner_index = _owner_index(examined) or account.owner_index
    account.can_trade = examined.rights.can_trade
    account.can_withdraw = examined.rights.can_withdraw
    account.ip_restricted = examined.rights.ip_restricted
    account.checked_at, account.next_attempt_at = now, now + CHECK_EVERY


def _owner_index(examined: Examined) -> str:
    if not examined.owner:
        return ""
    return crypto.blind_index(examined.owner, purpose="exchange_owner").hex()


def _activate(account: ExchangeAccount) -> None:
    """In use, and without the memory of what went wrong; a check that runs now writes nothing."""
    account.state, account.state_reason = AccountState.ACTIVE, ""
    account.failures, account.blocked_until = 0, None
    account.attempts, account.last_error, account.attention = 0, "", False
    account.lease_token = account.lease_until = None


def _save_once(account: ExchangeAccount, *, force_insert: bool = False) -> None:
    """Save; a key or account that somebody has entered already is AccountRefused."""
    try:
        with transaction.atomic():
            account.save(force_insert=force_insert)
    except IntegrityError as error:
        names = {
            "copytrade_account_key_once": "key_known",
            "copytrade_account_owner_once": "account_known",
        }
        code = next((code for name, code in names.items() if name in str(error)), None)
        if code is None:
            raise
        # Without the cause: the database's words hold the blind index.
        raise AccountRefused(code) from None


def _record(
    account: ExchangeAccount, what: str, *, user: User, now: datetime, **evidence: str
) -> None:
    audit.record(
        actor=audit.actor_of(user),
        action=f"exchange_account.{what}",
        object_type="exchange_account",
        object_id=str(account.pk),
        evidence={"exchange": account.exchange, "state": str(account.state), **evidence},
        now=now,
    )


_NOTICES = {
    "added": (
        gettext_noop("Exchange account “%(account)s” was added"),
        gettext_noop(
            "Agora can now trade with the account “%(account)s” by the key that ends in %(hint)s. If "
            "this was not you, delete the key at the exchange and change your password here."
        ),
    ),
    "key_replaced": (
        gettext_noop("The key of “%(account)s” was replaced"),
        gettext_noop(
            "Agora now uses the key that ends in %(hint)s for the account “%(account)s”. You can delete "
            "the old key at the exchange. If this was not you, delete the new key there too and change "
            "your password here."
        ),
    ),
    "resumed": (
        gettext_noop("Exchange account “%(account)s” is in use again"),
        gettext_noop("The key of “%(account)s” was checked and is fine. Copying goes on with it."),
    ),
    "removed": (
        gettext_noop("Exchange account “%(account)s” was removed"),
        gettext_noop(
            "Agora has erased the key of “%(account)s”. Trades and ledger entries stay. You can delete "
            "the key at the exchange."
        ),
    ),
}


def _tell(account: ExchangeAccount, what: str, *, now: datetime) -> None:
    subject, body = _NOTICES[what]
    notices.notify(
        user=account.user,
        kind=f"exchange-account-{what.replace('_', '-')}",
        subject=subject,
        body=body,
        params={"account": account.label, "hint": account.key_hint},
        url=reverse("exchange-accounts"),
        level=Notice.Level.INFO,
        now=now,
    )
