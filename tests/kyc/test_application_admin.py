"""An officer who is shown who somebody is leaves a row in the trail, without what was shown."""

import json

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from compliance.models import AuditRow
from kyc.models import Application
from tests.people import new_officer, onboarded

pytestmark = pytest.mark.django_db


def looked_at(officer: User, application: Application) -> int:
    browser = Client()
    browser.force_login(officer)
    return browser.get(reverse("admin:kyc_application_change", args=[application.pk])).status_code


def test_looking_at_an_application_is_told_without_what_was_seen() -> None:
    application = Application.objects.get(user=onboarded())
    officer = new_officer("view_application")

    assert looked_at(officer, application) == 200

    row = AuditRow.objects.get(action="personal_data.viewed")
    assert (row.actor, row.object_id) == (f"user:{officer.pk}", str(application.pk))
    assert row.evidence == {"fields": ["full_name", "tax_id"]}
    assert application.tax_id not in json.dumps(row.evidence)


def test_who_may_not_look_is_shown_nothing_and_leaves_no_such_row() -> None:
    application = Application.objects.get(user=onboarded())

    assert looked_at(new_officer("view_tier"), application) == 403
    assert not AuditRow.objects.filter(action="personal_data.viewed").exists()
