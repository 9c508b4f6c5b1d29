"""What the header of every page shows of the person who is signed in."""

from collections.abc import Callable
from functools import cache

from django.http import HttpRequest

from accounts.models import User
from accounts.selectors import unread_count


def header(request: HttpRequest) -> dict[str, Callable[[], int]]:
    """`unread_notices`: counted when a template asks for it, once; 0 for nobody in particular."""

    @cache
    def unread_notices() -> int:
        user = getattr(request, "user", None)
        return unread_count(user) if isinstance(user, User) else 0

    return {"unread_notices": unread_notices}
