"""What every endpoint for officers does, whatever it is about."""

from typing import ClassVar

import pytest
from django.test import RequestFactory
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.officers import OfficerEndpoint
from tests.api.conftest import Api
from tests.people import new_officer

pytestmark = pytest.mark.django_db


class NamesNoPermission(OfficerEndpoint):
    """Somebody forgot to say who may read it."""

    rates: ClassVar = {"GET": "read", "POST": "read"}

    def get(self, request: Request) -> Response:
        return Response({})


@pytest.mark.parametrize(
    ("method", "status"), [("GET", 403), ("HEAD", 403), ("POST", 405), ("OPTIONS", 405)]
)
def test_a_method_that_names_no_permission_is_closed_to_everybody(method: str, status: int) -> None:
    token = Api(new_officer(is_superuser=True), scopes=("admin",)).token
    request = RequestFactory().generic(method, "/", headers={"Authorization": f"Bearer {token}"})

    assert NamesNoPermission.as_view()(request).status_code == status
