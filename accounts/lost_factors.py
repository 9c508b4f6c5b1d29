"""Helping somebody back in who has lost their second factor and the recovery codes too."""

from datetime import datetime

from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext_noop

from accounts import locks
from accounts.models import Notice, User
from accounts.notices import notify
from compliance import audit


@transaction.atomic
def remove_all(*, user: User, reason: str, now: datetime) -> int:
    """Take away all second factors and sign the user out everywhere; how many factors it were.

    The operator has made sure who asks (docs/identity.md). Locks the user's row. The person is told,
    by e-mail too, so that whoever did not ask learns of it.
    """
    locks.people(user.pk)
    factors = Authenticator.objects.filter(user=user)
    types = sorted(factors.values_list("type", flat=True))
    factors.delete()
    for session in UserSession.objects.filter(user=user):
        session.end()
    audit.record(
        actor=audit.system("operator"),
        action="second_factor.reset",
        object_type="user",
        object_id=str(user.pk),
        evidence={"types": types, "reason": reason},
        now=now,
    )
    notify(
        user=user,
        kind="second_factor",
        subject=gettext_noop("All second factors of your account were removed"),
        body=gettext_noop(
            "It was done because somebody told us that they are lost, and all sessions were signed "
            "out. If it was not you, change your password and write to us at once."
        ),
        params={},
        url=reverse("mfa_index"),
        level=Notice.Level.ALERT,
        now=now,
    )
    return len(types)
