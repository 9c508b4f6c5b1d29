"""Roles of the back office: given and taken away by two people, in step with the table."""

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.core.management.sql import emit_post_migrate_signal
from django.db import connection
from django.utils import timezone

from accounts import token_store
from accounts.decisions import propose_role
from accounts.models import ApiToken, User
from agora import roles
from compliance import four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from tests.people import new_officer, new_user

pytestmark = pytest.mark.django_db


def proposed(
    person: User, *, role: str = roles.AUDITOR, give: bool = True, maker: User | None = None
) -> Proposal:
    return propose_role(
        person=person,
        role=role,
        give=give,
        reason="Joins the team.",
        maker=maker or new_officer("assign_role"),
        now=timezone.now(),
    )


def approve(proposal: Proposal, checker: User | None = None) -> None:
    four_eyes.approve(
        proposal_id=proposal.pk,
        checker=checker or new_officer("decide_proposal"),
        now=timezone.now(),
    )


def given(person: User, *names: str) -> User:
    for name in names:
        approve(proposed(person, role=name))
    return User.objects.get(pk=person.pk)


def test_a_role_is_given_once_a_second_person_approves() -> None:
    person = new_user()
    proposal = proposed(person)
    assert not User.objects.get(pk=person.pk).is_staff

    approve(proposal)

    person = User.objects.get(pk=person.pk)
    assert person.is_staff
    assert person.has_perm("compliance.view_auditrow")
    assert not person.has_perm("compliance.decide_proposal")


def test_who_loses_the_last_role_is_no_longer_staff_and_holds_no_staff_token() -> None:
    person = given(new_user(is_staff=True), roles.AUDITOR)
    kept, _raw = token_store.issue_token(
        user=person, name="own", scopes=["read"], expires_at=None, now=timezone.now()
    )
    lost, _raw = token_store.issue_token(
        user=person, name="staff", scopes=["read", "admin"], expires_at=None, now=timezone.now()
    )

    approve(proposed(person, give=False))

    person = User.objects.get(pk=person.pk)
    assert not person.is_staff
    assert not person.has_perm("compliance.view_auditrow")
    assert ApiToken.objects.get(pk=lost.pk).revoked_at is not None
    assert ApiToken.objects.get(pk=kept.pk).revoked_at is None


def test_who_keeps_another_role_stays_staff() -> None:
    person = given(new_user(), roles.AUDITOR, roles.OFFICER)

    approve(proposed(person, give=False))

    assert User.objects.get(pk=person.pk).is_staff


def test_nobody_decides_on_their_own_roles() -> None:
    maker = new_officer("assign_role")
    checker = new_officer("decide_proposal")

    with pytest.raises(Refused, match="about yourself"):
        proposed(maker, maker=maker)
    proposal = proposed(checker)
    with pytest.raises(Proposal.DoesNotExist):
        approve(proposal, checker)

    assert not checker.groups.exists()


@pytest.mark.parametrize(
    ("role", "give", "code"),
    [("King", True, "unknown_role"), (roles.AUDITOR, False, "same")],
)
def test_what_cannot_be_is_refused(role: str, give: bool, code: str) -> None:
    with pytest.raises(Refused) as refusal:
        proposed(new_user(), role=role, give=give)

    assert refusal.value.code == code
    assert not Proposal.objects.exists()


def test_a_closed_account_gets_no_role() -> None:
    person = new_user()
    person.is_active = False
    person.save()

    with pytest.raises(Refused, match="not active"):
        proposed(person)


def test_without_the_permission_nobody_proposes_roles() -> None:
    with pytest.raises(PermissionDenied):
        proposed(new_user(), maker=new_officer("decide_proposal"))


def test_an_auditor_changes_nothing_and_an_operator_reads_nobody_s_documents() -> None:
    auditor = Group.objects.get(name=roles.AUDITOR).permissions.values_list("codename", flat=True)
    operator = Group.objects.get(name=roles.OPERATOR).permissions

    assert [name for name in auditor if not name.startswith(("view_", "export_"))] == []
    assert not operator.filter(content_type__app_label="kyc").exists()


def test_every_permission_of_the_table_exists() -> None:
    known = {
        f"{permission.content_type.app_label}.{permission.codename}"
        for permission in Permission.objects.select_related("content_type")
    }

    assert {name for does in roles._DOES.values() for name in does} <= known


def test_roles_follow_the_table_after_every_migration() -> None:
    group = Group.objects.get(name=roles.AUDITOR)
    group.permissions.add(Permission.objects.get(codename="delete_user"))
    other = Group.objects.create(name="Somebody else's")

    roles.sync()

    assert not group.permissions.filter(codename="delete_user").exists()
    assert Group.objects.filter(pk=other.pk).exists()


def test_a_migration_of_one_app_before_there_are_groups_is_no_failure() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_group RENAME TO auth_group_of_later")

    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")

    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_group_of_later RENAME TO auth_group")


def test_roles_are_in_step_after_every_migration() -> None:
    Group.objects.get(name=roles.AUDITOR).permissions.clear()

    emit_post_migrate_signal(verbosity=0, interactive=False, db="default")

    assert Group.objects.get(name=roles.AUDITOR).permissions.exists()
