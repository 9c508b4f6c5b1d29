"""Every column that is sealed under a master key, and how it is sealed anew (docs/personal-data.md).

A test compares this list with the models: a new sealed column without a line here fails it.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator

from accounts.keys import key_for
from accounts.models import PersonKey
from accounts.second_factors import SecondFactorAdapter
from agora.lib import crypto
from agora.lib.crypto import DataKey
from copytrade.models import ExchangeAccount
from kyc.models import Application

# PostgreSQL breaks base64 into lines.
_BASE64 = "replace(encode(%s::bytea, 'base64'), chr(10), '')"
# The header of a ciphertext as text; NUL, which ends it, is written \000.
HEADER = "split_part(encode(substr({}, 1, 64), 'escape'), '\\000', 1)"


@dataclass(frozen=True)
class SealedColumn:
    """A column of ciphertexts. `read` and `write` are SQL: the bytes, and how new ones are set.

    `owner` is the SQL of what `reseal` needs to know of the row besides its key. Columns that are
    `personal` belong under the person's key; what is still under a master key moves there.
    """

    table: str
    key: str
    name: str
    owner: str
    read: str
    write: str
    reseal: Callable[[Any, Any, bytes], bytes]
    personal: bool = False
    key_type: str = "uuid"

    @property
    def title(self) -> str:
        return f"{self.table}.{self.name}"


def _person_key(_pk: Any, user_id: Any, sealed: bytes) -> bytes:
    return DataKey.opened(sealed, person=user_id).sealed()


def _application(column: str) -> SealedColumn:
    table = Application._meta.db_table

    def reseal(pk: Any, user_id: Any, sealed: bytes) -> bytes:
        text = crypto.decrypt(sealed, table=table, column=column, row=pk)
        return crypto.encrypt(text, table=table, column=column, row=pk, key=key_for(user_id))

    return SealedColumn(
        table=table,
        key="id",
        name=column,
        owner="user_id",
        read=f"{column}_encrypted",
        write=f"{column}_encrypted = %s",
        reseal=reseal,
        personal=True,
    )


def _exchange_account(column: str) -> SealedColumn:
    table = ExchangeAccount._meta.db_table

    def reseal(pk: Any, _owner: Any, sealed: bytes) -> bytes:
        text = crypto.decrypt(sealed, table=table, column=column, row=pk)
        return crypto.encrypt(text, table=table, column=column, row=pk)

    return SealedColumn(
        table=table,
        key="id",
        name=column,
        owner="NULL",
        read=f"{column}_encrypted",
        write=f"{column}_encrypted = %s",
        reseal=reseal,
    )


def _second_factor(member: str) -> SealedColumn:
    """A secret inside allauth's JSON, in base64."""

    def reseal(_pk: Any, _owner: Any, sealed: bytes) -> bytes:
        adapter = SecondFactorAdapter()
        return b64decode(adapter.encrypt(adapter.decrypt(b64encode(sealed).decode())))

    return SealedColumn(
        table=Authenticator._meta.db_table,
        key="id",
        name=member,
        owner="NULL",
        read=f"decode(data->>'{member}', 'base64')",
        write=f"data = jsonb_set(data, '{{{member}}}', to_jsonb({_BASE64}))",
        reseal=reseal,
        key_type="bigint",
    )


COLUMNS = (
    SealedColumn(
        table=PersonKey._meta.db_table,
        key="user_id",
        name="sealed",
        owner="user_id",
        read="sealed",
        write="sealed = %s",
        reseal=_person_key,
    ),
    _exchange_account("api_key"),
    _exchange_account("secret"),
    _second_factor("secret"),
    _second_factor("seed"),
    _application("full_name"),
    _application("tax_id"),
)
