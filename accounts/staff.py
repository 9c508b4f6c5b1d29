"""Who of the staff may do something."""

from django.contrib.auth.models import Permission
from django.db.models import Q, QuerySet

from accounts.models import User


def holders_of(permission: str) -> QuerySet[User]:
    """Active staff with a permission (`app.codename`), by a role, of their own, or as superusers."""
    app, _dot, codename = permission.partition(".")
    given = Permission.objects.filter(content_type__app_label=app, codename=codename)
    may = Q(is_superuser=True) | Q(groups__permissions__in=given) | Q(user_permissions__in=given)
    staff = User.objects.filter(is_active=True, is_staff=True)
    return staff.filter(pk__in=User.objects.filter(may).values("pk"))
