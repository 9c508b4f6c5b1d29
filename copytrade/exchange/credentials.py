"""Opening the sealed key of an account, for the length of a call."""

import uuid

from agora.lib import crypto
from copytrade.exchange.types import Credentials
from copytrade.models import ExchangeAccount

Sealed = bytes | memoryview
_TABLE = ExchangeAccount._meta.db_table


def credentials_of(account: ExchangeAccount) -> Credentials:
    """The key of an account; raises crypto.Undecryptable for one that was moved or shredded."""
    return open_sealed(
        account_id=account.pk, api_key=account.api_key_encrypted, secret=account.secret_encrypted
    )


def open_sealed(*, account_id: uuid.UUID, api_key: Sealed, secret: Sealed) -> Credentials:
    """The key whose sealed columns a statement has read."""

    def unseal(column: str, sealed: Sealed) -> str:
        return crypto.decrypt(bytes(sealed), table=_TABLE, column=column, row=account_id)

    return Credentials(
        account_id=account_id,
        api_key=unseal("api_key", api_key),
        secret=unseal("secret", secret),
    )
