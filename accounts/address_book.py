"""Writes of the address book (WAL-1). The audit trail names entries, never addresses."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from accounts import locks
from accounts.addresses import LARGEST_TAG, Chain, Checked, Exchange, InvalidAddress, check
from accounts.models import AddressEntry, User
from agora.lib.catalog import Text
from compliance import audit

MOST_ENTRIES = 200
LONGEST_LABEL = 60


class AddressRefused(Exception):
    """An entry that cannot be stored; `field` is chain, exchange, label, address, tag or empty.

    Codes: those of addresses.check, and invalid, tag_not_used, tag_out_of_range, tag_differs,
    address_exists, too_many_addresses.
    """

    def __init__(self, *, code: str, field: str, message: Text) -> None:
        super().__init__(code)
        self.code = code
        self.field = field
        self.message = message


def create_entry(
    *,
    user: User,
    exchange: str,
    chain: str,
    label: str,
    address: str,
    tag: int | None,
    now: datetime,
) -> AddressEntry:
    """Add an address, in its chain's one form, to the user's book; raises AddressRefused.

    `exchange` empty means a wallet of the user's own. An X-address brings its `tag` along. Locks
    the user's row, so that the number of entries is exact and a twin is told, not an error.
    """
    checked = clean_address(exchange=exchange, chain=chain, address=address, tag=tag)
    name = _clean_label(label)
    with transaction.atomic():
        locks.open_account(user.pk)
        book = AddressEntry.objects.filter(user=user)
        twin = book.filter(
            exchange=exchange, chain=chain, address=checked.address, tag=checked.tag
        ).first()
        if twin is not None:
            raise _exists(twin)
        if book.count() >= MOST_ENTRIES:
            raise AddressRefused(
                code="too_many_addresses",
                field="",
                message=_("Your address book is full. Delete an address first."),
            )
        entry = AddressEntry.objects.create(
            user=user,
            exchange=exchange,
            chain=chain,
            label=name,
            address=checked.address,
            tag=checked.tag,
            created_at=now,
            updated_at=now,
        )
        _record(entry, user=user, action="address.added", now=now)
    return entry


def relabel_entry(*, user: User, entry_id: UUID, label: str, now: datetime) -> AddressEntry:
    """Give an entry another label; the same one changes nothing. Locks the entry.

    Raises AddressRefused, and AddressEntry.DoesNotExist for another person's entry.
    """
    name = _clean_label(label)
    with transaction.atomic():
        entry = _locked(user=user, entry_id=entry_id)
        if entry.label != name:
            entry.label, entry.updated_at = name, now
            entry.save(update_fields=["label", "updated_at"])
            _record(entry, user=user, action="address.relabelled", now=now)
    return entry


def delete_entry(*, user: User, entry_id: UUID, now: datetime) -> AddressEntry:
    """Delete an entry for good; it is returned as it was. Locks the entry.

    Raises AddressEntry.DoesNotExist for another person's entry, or one that is gone.
    """
    with transaction.atomic():
        entry = _locked(user=user, entry_id=entry_id)
        _record(entry, user=user, action="address.deleted", now=now)
        AddressEntry.objects.filter(pk=entry.pk).delete()
    return entry


def clean_address(*, exchange: str, chain: str, address: str, tag: int | None) -> Checked:
    """What would be stored of an address and its tag; raises AddressRefused."""
    if exchange not in Exchange.values:
        raise AddressRefused(
            code="invalid", field="exchange", message=_("Choose one of the known exchanges.")
        )
    if chain not in Chain.values:
        raise AddressRefused(
            code="invalid", field="chain", message=_("Choose one of the known chains.")
        )
    try:
        checked = check(Chain(chain), address)
    except InvalidAddress as error:
        raise AddressRefused(
            code=str(error.code), field="address", message=error.messages[0]
        ) from error
    return Checked(checked.address, _clean_tag(chain, given=tag, included=checked.tag))


def _clean_tag(chain: str, *, given: int | None, included: int | None) -> int | None:
    if given is None:
        return included
    if chain != Chain.XRP:
        raise AddressRefused(
            code="tag_not_used",
            field="tag",
            message=_("This chain has no destination tags. Leave the field empty."),
        )
    if not 0 <= given <= LARGEST_TAG:
        raise AddressRefused(
            code="tag_out_of_range",
            field="tag",
            message=_("A destination tag is a whole number from 0 to 4294967295."),
        )
    if included is not None and included != given:
        raise AddressRefused(
            code="tag_differs",
            field="tag",
            message=_("The address includes another destination tag. Leave the field empty."),
        )
    return given


def _clean_label(label: str) -> str:
    name = " ".join(label.split())
    if not name or len(name) > LONGEST_LABEL or not name.isprintable():
        raise AddressRefused(
            code="invalid", field="label", message=_("Give it a label of 1 to 60 characters.")
        )
    return name


def _exists(twin: AddressEntry) -> AddressRefused:
    message = _("This address is in your book already, as “%(label)s”.") % {"label": twin.label}
    return AddressRefused(code="address_exists", field="address", message=message)


def _locked(*, user: User, entry_id: UUID) -> AddressEntry:
    return AddressEntry.objects.select_for_update().get(pk=entry_id, user=user)


def _record(entry: AddressEntry, *, user: User, action: str, now: datetime) -> None:
    """An address is personal data: the trail, which forgets nothing, does not hold it."""
    audit.record(
        actor=audit.actor_of(user),
        action=action,
        object_type="address_entry",
        object_id=str(entry.pk),
        evidence={"chain": str(entry.chain), "exchange": str(entry.exchange)},
        now=now,
    )
