"""Handing a person their trades or ledger entries as a file (LED-1)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import IO, Any
from zoneinfo import ZoneInfo

from django.db.models import Case, CharField, F, QuerySet, Value, When
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from compliance import audit
from copytrade.ledger import export
from copytrade.ledger.export import Column, exact, text, utc
from copytrade.models import Fill, LedgerEntry
from copytrade.selectors.history import Filters, entries_of, trades_of

FORMS = ("csv", "json", "xlsx")
_ORIGIN = Case(
    When(copy_order__isnull=False, then=Value("copied")),
    When(subscription__isnull=False, then=Value("copied")),
    When(strategy__isnull=False, then=Value("master")),
    default=Value("external"),
    output_field=CharField(),
)
TRADES = [
    Column("id", text("id")),
    Column("at", utc("at")),
    Column("booked_at", utc("booked_at")),
    Column("account_id", text("account_id")),
    Column("account", F("account__label"), is_text=True),
    Column("exchange", F("account__exchange")),
    Column("symbol", F("symbol"), is_text=True),
    Column("side", F("side")),
    Column("price", exact("price")),
    Column("quantity", exact("quantity")),
    Column("value", exact("quote_quantity")),
    Column("fee", exact("fee")),
    Column("fee_asset", F("fee_asset"), is_text=True),
    Column("fee_value", exact("fee_value")),
    Column("realized", exact("realized")),
    Column("origin", _ORIGIN),
    Column("strategy", F("subscription__strategy__name"), is_text=True),
    Column("subscription_id", text("subscription_id")),
    Column("leg_id", text("copy_order_id")),
    Column("signal_id", text("copy_order__signal_id")),
    Column("master_order_id", text("master_order_id")),
    Column("exchange_trade_id", F("trade_id"), is_text=True),
    Column("exchange_order_id", F("exchange_order_id"), is_text=True),
]
ENTRIES = [
    Column("id", text("id")),
    Column("at", utc("at")),
    Column("booked_at", utc("booked_at")),
    Column("account_id", text("account_id")),
    Column("account", F("account__label"), is_text=True),
    Column("kind", F("kind")),
    Column("credit", F("credit")),
    Column("debit", F("debit")),
    Column("asset", F("asset"), is_text=True),
    Column("amount", exact("amount")),
    Column("trade_id", text("fill_id")),
    Column("symbol", F("fill__symbol"), is_text=True),
    Column("reverses", text("reverses_id")),
    Column("note", F("note"), is_text=True),
    Column("source", F("source"), is_text=True),
]
COLUMNS: Mapping[str, list[Column]] = {"trades": TRADES, "ledger": ENTRIES}


class ExportRefused(Exception):
    """Why there is no file; `code` for programs, `message` for people."""

    def __init__(self, code: str, message: "str | Promise") -> None:
        super().__init__(code)
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Exported:
    """A file, open at its start; whoever sends it closes it."""

    file: IO[bytes]
    name: str
    content_type: str


def export_history(
    *, user: User, what: str, form: str, filters: Filters, now: datetime
) -> Exported:
    """The user's own `trades` or `ledger` as `csv`, `json` or `xlsx`, noted in the audit trail.

    The same filters give the rows that page and API show. Raises ExportRefused. Locks nothing.
    """
    if what not in COLUMNS or form not in FORMS:
        raise ExportRefused("export_unknown", _("Choose CSV, JSON or XLSX."))
    rows: QuerySet[Fill] | QuerySet[LedgerEntry]
    rows = (trades_of if what == "trades" else entries_of)(user=user, filters=filters)
    try:
        file = export.write(rows=rows, columns=COLUMNS[what], form=form)
    except export.TooManyRows as error:
        raise ExportRefused(
            "export_too_long",
            _("These are too many rows for a workbook. Choose CSV or JSON, or a shorter time."),
        ) from error
    _record(user=user, what=what, form=form, filters=filters, now=now)
    return Exported(file, _name(what, form, filters, now=now), export.CONTENT_TYPES[form])


def _name(what: str, form: str, filters: Filters, *, now: datetime) -> str:
    """Says what it holds, so that two files in one folder are told apart."""
    last = filters.last or now.astimezone(ZoneInfo(filters.zone)).date()
    first = f"{filters.first}-to-" if filters.first else "until-"
    return f"agora-{what}-{first}{last}.{form}"


def _record(*, user: User, what: str, form: str, filters: Filters, now: datetime) -> None:
    asked: dict[str, Any] = {key: str(value) for key, value in asdict(filters).items() if value}
    audit.record(
        actor=audit.actor_of(user),
        action="ledger.exported",
        object_type="user",
        object_id=str(user.pk),
        evidence={"what": what, "form": form, "filters": asked},
        now=now,
    )
