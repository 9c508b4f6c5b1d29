"""API of people: tokens, address book and notices."""

from accounts.api.addresses import AddressById, Addresses
from accounts.api.notices import AllNoticesRead, NoticeRead, Notices
from accounts.api.tokens import IssueToken, RevokeToken, Tokens, TokenUses

__all__ = [
    "AddressById",
    "Addresses",
    "AllNoticesRead",
    "IssueToken",
    "NoticeRead",
    "Notices",
    "RevokeToken",
    "TokenUses",
    "Tokens",
]
