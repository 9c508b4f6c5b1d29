"""API of officers: the token's scope `admin`, and the permission that its owner's role gives."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from accounts.authentication import HasScope, has_method
from accounts.models import User
from agora.lib import rest
from agora.lib.problems import Problem


class HasPermission(BasePermission):
    """The token's owner has the permission that the view names for this method; unnamed, nobody has."""

    def has_permission(self, request: Request, view: Any) -> bool:
        user = request.user
        if not isinstance(user, User):
            return False
        method = "GET" if request.method == "HEAD" else str(request.method)
        if not has_method(view, method):
            return True  # 405 follows
        needed = view.permissions.get(method)
        if needed is not None and user.is_staff and user.has_perm(needed):
            return True
        raise Problem("forbidden")


class OfficerEndpoint(rest.Endpoint):
    """Base of officers' endpoints; `permissions` names the permission of each method."""

    permission_classes = (HasScope, HasPermission)
    scopes: ClassVar = {"GET": "admin", "POST": "admin"}
    permissions: ClassVar[Mapping[str, str]] = {}
