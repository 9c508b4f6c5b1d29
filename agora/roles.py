"""The roles of the back office: which permissions each of them has.

Roles are groups of Django's, kept in step with this table whenever migrations have run. Who has a
role is decided by two people (accounts.decisions).
"""

from collections.abc import Iterable, Iterator

from django.apps import apps
from django.contrib.auth.models import Group, Permission
from django.db import transaction

OFFICER = "Compliance officer"
SENIOR = "Senior compliance officer"
AUDITOR = "Auditor"
OPERATOR = "Operator"

_OURS = ("accounts", "kyc", "custody", "tokens", "trading", "copytrade", "compliance")
# Operators keep the machines running: what people have shown of themselves is none of it, nor are the
# rows of the trail about that (compliance.trail.own).
_OPERATED = tuple(label for label in _OURS if label != "kyc")
_WORKS = [
    "accounts.cancel_walletchange",
    "compliance.add_reservesnapshot",
    "compliance.decide_proposal",
    "compliance.request_dataexport",
    "compliance.request_erasure",
    "compliance.sign_reservesnapshot",
    "kyc.review_document",
    "kyc.review_match",
    "kyc.work_case",
]
# Pictures of people's papers are for those who review them; auditors read who looked at them.
_NOT_FOR_AUDITORS = {"kyc.view_document", "kyc.view_documentpage"}
# What a role may do besides looking.
_DOES: dict[str, list[str]] = {
    OFFICER: _WORKS,
    SENIOR: [
        *_WORKS,
        "accounts.assign_role",
        "compliance.export_auditrow",
        "compliance.propose_retention",
        "kyc.assign_case",
        "kyc.change_dailylimit",
        "kyc.change_tier",
        "kyc.load_list",
        "kyc.suspend_application",
        "tokens.add_attestation",
        "trading.resolve_order",
    ],
    OPERATOR: [
        "accounts.change_notice",
        "copytrade.change_killswitch",
        "copytrade.change_risklimits",
        "tokens.add_attestation",
        "trading.change_order",
        "trading.resolve_order",
    ],
    AUDITOR: ["compliance.export_auditrow"],
}


def sync() -> None:
    """Make the groups what the table says; other groups and their members are left alone."""
    everything = {
        f"{permission.content_type.app_label}.{permission.codename}": permission
        for permission in Permission.objects.select_related("content_type")
    }
    with transaction.atomic():
        for role, does in _DOES.items():
            group, _created = Group.objects.get_or_create(name=role)
            looks = set(_views(_OPERATED if role == OPERATOR else _OURS))
            looks -= _NOT_FOR_AUDITORS if role == AUDITOR else set()
            # Midway through the migrations some permissions are not there yet.
            group.permissions.set(
                everything[name] for name in (*looks, *does) if name in everything
            )


def _views(labels: Iterable[str]) -> Iterator[str]:
    for label in labels:
        for model in apps.get_app_config(label).get_models():
            yield f"{label}.view_{model._meta.model_name}"
