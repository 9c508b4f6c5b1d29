"""What an exchange key may do, asked before it is stored and every day after (SUB-1).

Nothing here is inside a transaction: the exchange may take seconds to answer.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from accounts.models import User
from agora.lib import throttle
from agora.lib.catalog import Text
from agora.lib.outcome import Rejected, Temporary, Unknown
from copytrade.exchange import reasons, runner
from copytrade.exchange.credentials import credentials_of
from copytrade.exchange.types import Credentials, Holdings, KeyRights
from copytrade.models import ExchangeAccount

DEADLINE_SECONDS = 8.0
_NOBODY = uuid.UUID(int=0)  # the key belongs to no account yet
KEY_CAN_WITHDRAW = "key_can_withdraw"
# Binance's are 64 letters and digits; its test network and other exchanges differ a little.
_KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")

MESSAGES: dict[str, Text] = {
    "key_malformed": _("This is not an API key. Copy it from the exchange in full."),
    "secret_malformed": _("This is not an API secret. Copy it from the exchange in full."),
    reasons.KEY_INVALID: _(
        "The exchange does not accept this key. Check that key and secret belong together, that the "
        "key has not been deleted, and that it allows Agora's network address."
    ),
    reasons.IP_NOT_ALLOWED: _(
        "The exchange does not accept this key from Agora's network address. Add the address to the "
        "key's list at the exchange."
    ),
    reasons.KEY_NO_PERMISSION: _(
        "This key may not trade. Allow “Enable Spot & Margin Trading” for it at the exchange."
    ),
    KEY_CAN_WITHDRAW: _(
        "This key may withdraw money, so it was not stored. Switch off “Enable Withdrawals” for it "
        "at the exchange, or create a key without it."
    ),
    reasons.LEGAL: _("The exchange does not serve this account for legal reasons."),
    "exchange_unavailable": _(
        "The exchange did not answer in time, so the key could not be checked. Try again in a minute."
    ),
    "too_many_checks": _("Too many keys were checked. Wait a minute, then try again."),
}

_FIELDS = {"secret_malformed": "secret", "exchange_unavailable": "", "too_many_checks": ""}


class KeyRefused(Exception):
    """The key cannot be used, and nothing was stored. `field` is api_key, secret or empty.

    Codes: key_malformed, secret_malformed, key_invalid, ip_not_allowed, key_no_permission,
    key_can_withdraw, legal; exchange_unavailable and too_many_checks say nothing about the key.
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
        self.message: Text = MESSAGES[code]
        self.field = _FIELDS.get(code, "api_key")


@dataclass(frozen=True)
class Examined:
    """A key that may be used, with what the exchange told. Its repr shows neither key nor secret.

    `owner` is the exchange's number of the account, empty when it tells none; `balances` are the
    units held of each asset, locked ones included.
    """

    api_key: str = field(repr=False)
    secret: str = field(repr=False)
    rights: KeyRights
    balances: Mapping[str, Decimal]
    owner: str = field(repr=False)


@sensitive_variables()
def examine(*, user: User, api_key: str, secret: str) -> Examined:
    """Check a key that the user has typed in, within 8 seconds; raises KeyRefused."""
    key, hidden = api_key.strip(), secret.strip()
    if not _KEY.fullmatch(key):
        raise KeyRefused("key_malformed")
    if not _KEY.fullmatch(hidden):
        raise KeyRefused("secret_malformed")
    # Nobody may try keys through us at will: the exchange would ban our address for all.
    if not throttle.allowed(rate="key", who=str(user.pk)):
        raise KeyRefused("too_many_checks")
    return _ask(Credentials(account_id=_NOBODY, api_key=key, secret=hidden))


@sensitive_variables()
def examine_stored(account: ExchangeAccount) -> Examined:
    """Check the key of an account as `examine` does; raises KeyRefused."""
    return _ask(credentials_of(account))


def verdict_of(rights: KeyRights) -> str:
    """Why a key with these rights must not be used; "" when it may. Unknown rights pass."""
    if not rights.can_trade:
        return reasons.KEY_NO_PERMISSION
    return KEY_CAN_WITHDRAW if rights.can_withdraw else ""


@sensitive_variables()
def _ask(credentials: Credentials) -> Examined:
    try:
        rights, holdings = runner.run(_read(credentials), timeout=DEADLINE_SECONDS)
    except Rejected as error:
        raise KeyRefused(error.code if error.code in MESSAGES else reasons.KEY_INVALID) from None
    except (Temporary, Unknown):
        raise KeyRefused("exchange_unavailable") from None
    if verdict := verdict_of(rights):
        raise KeyRefused(verdict)
    return Examined(
        api_key=credentials.api_key,
        secret=credentials.secret,
        rights=rights,
        balances=holdings.totals,
        owner=holdings.owner,
    )


@sensitive_variables()
async def _read(credentials: Credentials) -> tuple[KeyRights, Holdings]:
    venue = runner.venue()
    rights = await venue.rights(credentials)
    return rights, await venue.holdings(credentials)
