"""Reads about people."""

from collections.abc import Iterable
from uuid import UUID

from django.db.models import QuerySet

from accounts.models import (
    AddressEntry,
    ApiToken,
    Notice,
    TokenUse,
    User,
    Wallet,
    WalletChange,
    WalletProof,
)

# Nobody counts further; and counting further would cost a page the more the less is read.
COUNTED_UNREAD = 100


def wallet_of(user: User) -> Wallet | None:
    """The wallet that the user's tokens go to, or None before onboarding."""
    return Wallet.objects.filter(user=user).first()


def pending_change(user: User) -> WalletChange | None:
    """The change of the user's wallet that waits for its cool-down, if any."""
    return WalletChange.objects.filter(user=user, state=WalletChange.State.PENDING).first()


def proof_for(*, user: User, proof_id: UUID) -> WalletProof:
    """A message that the user was asked to sign; raises WalletProof.DoesNotExist for another's."""
    return WalletProof.objects.get(pk=proof_id, user=user)


def addresses_of(
    user: User, *, chain: str = "", exchange: str | None = None
) -> QuerySet[AddressEntry]:
    """The user's address book, newest first; of one chain, or of one exchange ("": own wallets)."""
    book = AddressEntry.objects.filter(user=user)
    if chain:
        book = book.filter(chain=chain)
    return book if exchange is None else book.filter(exchange=exchange)


def address_for(*, user: User, entry_id: UUID) -> AddressEntry:
    """One entry of the user's book; raises AddressEntry.DoesNotExist for anybody else's."""
    return AddressEntry.objects.get(pk=entry_id, user=user)


def notices_of(user: User, *, unread: bool = False) -> QuerySet[Notice]:
    """What the user was told, newest first; `unread` leaves out what they have read."""
    told = Notice.objects.filter(user=user)
    return told.filter(read_at=None) if unread else told


def unread_count(user: User) -> int:
    """How many notices the user has not read, counted up to COUNTED_UNREAD; one query."""
    return notices_of(user, unread=True)[:COUNTED_UNREAD].count()


def token_for(*, user: User, token_id: UUID) -> ApiToken:
    """One of the user's API tokens, revoked ones too; raises ApiToken.DoesNotExist for another's."""
    return ApiToken.objects.get(pk=token_id, user=user)


def uses_of(token: ApiToken) -> QuerySet[TokenUse]:
    """A token's uses and refused attempts, newest first."""
    return TokenUse.objects.filter(token=token)


def last_uses(tokens: Iterable[ApiToken]) -> dict[UUID, TokenUse]:
    """The last use of each token that was let in, by the token's id; one query."""
    used = TokenUse.objects.filter(token__in=tokens, outcome=TokenUse.Outcome.USED)
    newest = used.order_by("token_id", "-last_at", "-id").distinct("token_id")
    return {use.token_id: use for use in newest}
