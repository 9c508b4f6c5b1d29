"""Officers who have a case of their own are not told of it by a count either."""

import pytest
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import User
from agora.overview import figures
from kyc.admin.screening import waiting_count
from kyc.models import Case
from tests.kyc import casework

pytestmark = pytest.mark.django_db


def waiting(officer: User) -> str:
    cases, *_others = figures(officer, timezone.now())
    return str(cases.value)


def matches(officer: User) -> str:
    request = RequestFactory().get("/admin/")
    request.user = officer
    return waiting_count(request)


def test_the_counts_leave_out_one_s_own() -> None:
    case = casework.applied()
    casework.a_match(case.application)
    person = case.application.user
    casework.allow(person, "kyc.view_case")
    person = User.objects.get(pk=person.pk)

    assert (waiting(casework.officer()), matches(casework.officer())) == ("1", "1")
    assert (waiting(person), matches(person)) == ("0", "")
    assert Case.objects.count() == 1
