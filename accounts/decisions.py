"""Who may do what in the back office is decided by two people: roles are given and taken away."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _

from accounts import token_store
from accounts.models import ApiToken, User
from agora.lib.catalog import Text
from compliance import four_eyes
from compliance.four_eyes import Kind, Refused
from compliance.models import Proposal

ROLE = "accounts.role"


def propose_role(
    *, person: User, role: str, give: bool, reason: str, maker: User, now: datetime
) -> Proposal:
    """Propose to give a person a role (a group of permissions), or to take it away.

    Raises PermissionDenied, or four_eyes.Refused: an unknown role, nothing that would change, or the
    maker's own roles.
    """
    return four_eyes.propose(
        kind=ROLE,
        object_type="user",
        object_id=person.pk,
        payload={"role": role, "give": give},
        reason=reason,
        maker=maker,
        now=now,
    )


def _person(proposal: Proposal) -> User:
    person = User.objects.select_for_update(no_key=True).filter(pk=UUID(proposal.object_id)).first()
    if person is None:
        raise Refused("gone", _("This account is not there any more."))
    return person


def _role(proposal: Proposal) -> Group:
    role = Group.objects.filter(name=proposal.payload["role"]).first()
    if role is None:
        raise Refused("unknown_role", _("There is no such role."))
    return role


def _check(proposal: Proposal) -> None:
    person, role = _person(proposal), _role(proposal)
    has_it = person.groups.filter(pk=role.pk).exists()
    if proposal.payload["give"]:
        if not person.is_active:
            raise Refused("inactive", _("This account is not active."))
        if has_it:
            raise Refused("same", _("This person has the role already."))
    elif not has_it:
        raise Refused("same", _("This person does not have the role."))


def _change(proposal: Proposal, now: datetime) -> None:
    person, role = _person(proposal), _role(proposal)
    if proposal.payload["give"]:
        person.groups.add(role)
    else:
        person.groups.remove(role)
    person.is_staff = person.is_superuser or person.groups.exists()
    person.save(update_fields=["is_staff"])
    if not person.is_staff:
        _revoke_staff_tokens(person, now)


def _revoke_staff_tokens(person: User, now: datetime) -> None:
    """A token keeps its scopes for as long as it lives; only staff may hold the scope admin."""
    tokens = ApiToken.objects.filter(user=person, revoked_at=None, scopes__contains=["admin"])
    for token_id in tokens.values_list("pk", flat=True):
        token_store.revoke_token(user=person, token_id=token_id, now=now)


def _lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    person = User.objects.filter(pk=UUID(proposal.object_id)).first()
    return [
        (_("Account"), str(person or proposal.object_id)),
        (_("Role"), str(proposal.payload["role"])),
        (_("What happens"), _("is given") if proposal.payload["give"] else _("is taken away")),
    ]


KINDS = [
    Kind(
        name=ROLE,
        title=_("Role of a person"),
        maker_permission="accounts.assign_role",
        check=_check,
        effect=_change,
        lines=_lines,
        subject=lambda proposal: UUID(proposal.object_id),
    )
]
