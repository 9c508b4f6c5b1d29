"""Pausing an exchange account whose key cannot be used any more (SUB-1).

The engine does it when the exchange refuses the key, the daily check when its rights have changed.
"""

from datetime import datetime

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice
from compliance import audit
from copytrade.models import ExchangeAccount
from copytrade.states import AccountState

_SUBJECT = gettext_noop("Copying with “%(account)s” is paused")
_BODIES = {
    "key_invalid": gettext_noop(
        "The exchange no longer accepts the key of your account “%(account)s”. Nothing is copied with "
        "it until you give Agora a key that works; closes wait until then."
    ),
    "key_no_permission": gettext_noop(
        "The key of your account “%(account)s” may no longer trade. Nothing is copied with it until "
        "you allow trading for the key at the exchange and resume the account; closes wait until then."
    ),
    "ip_not_allowed": gettext_noop(
        "The key of your account “%(account)s” does not allow Agora's network address. Nothing is "
        "copied with it until you add the address at the exchange and resume the account; closes wait "
        "until then."
    ),
    "key_can_withdraw": gettext_noop(
        "The key of your account “%(account)s” may now withdraw money, which is not safe. Nothing is "
        "copied with it until you switch withdrawals off for the key at the exchange and resume the "
        "account; closes wait until then."
    ),
}
_OTHER = gettext_noop(
    "The exchange refuses to trade for your account “%(account)s”. Nothing is copied with it until you "
    "have looked at the account at the exchange and resumed it here; closes wait until then."
)


def pause(*, account: ExchangeAccount, reason: str, now: datetime) -> bool:
    """Pause an active account, tell its owner once and record it; whether it was active.

    Joins the caller's transaction; holds the account's row from then on. `reason` is one of
    copytrade.reasons.
    """
    with transaction.atomic():
        changed = ExchangeAccount.objects.filter(pk=account.pk, state=AccountState.ACTIVE).update(
            state=AccountState.PAUSED, state_reason=reason
        )
        if not changed:
            return False
        audit.record(
            actor=audit.system("copytrade"),
            action="exchange_account.paused",
            object_type="exchange_account",
            object_id=str(account.pk),
            evidence={"reason": reason},
            now=now,
        )
        notices.notify(
            user=account.user,
            kind="exchange-account-paused",
            subject=_SUBJECT,
            body=_BODIES.get(reason, _OTHER),
            params={"account": account.label},
            url=reverse("exchange-accounts"),
            level=Notice.Level.ALERT,
            now=now,
        )
    account.state, account.state_reason = AccountState.PAUSED, reason
    return True
