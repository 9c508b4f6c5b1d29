"""A superuser is made on the command line only, and leaves a row in the trail."""

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from compliance import audit
from compliance.models import AuditRow

pytestmark = pytest.mark.django_db


def create(email: str) -> None:
    call_command("createsuperuser", interactive=False, email=email, verbosity=0)


def test_a_new_superuser_stands_in_the_trail_by_id() -> None:
    create("first@example.com")

    person = User.objects.get(email="first@example.com")
    (row,) = audit.history(object_type="user", object_id=str(person.pk))
    assert (person.is_superuser, person.is_staff) == (True, True)
    assert (row.action, row.actor, row.evidence) == ("superuser.created", "system:command", {})


def test_a_superuser_who_is_there_already_leaves_no_second_row() -> None:
    create("first@example.com")

    with pytest.raises(CommandError, match="already taken"):
        create("first@example.com")

    assert AuditRow.objects.filter(action="superuser.created").count() == 1
