"""Decisions of compliance that need two people."""

from collections.abc import Sequence

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from agora.lib.catalog import Text
from compliance.four_eyes import Kind, Person
from compliance.models import Proposal
from compliance.reserves import sign_off


def _sign_off_lines(proposal: Proposal) -> Sequence[tuple[Text, Text]]:
    return [
        (_("Hash of the snapshot"), proposal.payload["content_hash"]),
        (_("Statement"), proposal.payload["statement"]),
    ]


def _unsigned_by(person: Person) -> Q:
    """Every sign-off, for who may not sign: they could refuse it only."""
    return Q(pk__in=[]) if person.has_perm(sign_off.PERMISSION) else Q()


KINDS = [
    Kind(
        name=sign_off.SIGN_OFF,
        title=_("Sign-off of a proof of reserve"),
        maker_permission=sign_off.PERMISSION,
        check=sign_off.check,
        effect=sign_off.sign,
        lines=_sign_off_lines,
        closed_to=_unsigned_by,
    )
]
