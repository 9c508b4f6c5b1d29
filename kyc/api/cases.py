"""API of the case queue: which cases there are, taking the next one, and all about one of them."""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import user_of
from accounts.models import User
from accounts.officers import OfficerEndpoint
from agora.lib import idempotency, rest
from agora.lib.idempotency import Answer
from agora.lib.openapi import IDEMPOTENCY_KEY, PAGES
from agora.lib.problems import Problem
from compliance import audit
from kyc import cases
from kyc.api.case_schema import CaseDetail, CasePage, CaseView, OfficerView, case_detail, case_json
from kyc.cases.queue import overdue
from kyc.cases.record import LONGEST_TEXT, WORK
from kyc.cases.review import groups_for_cases, officers_for_cases
from kyc.models import Application, Case
from kyc.states import State

READ_PERSON = "kyc.view_application"
_VALUES: Mapping[str, list[str]] = {
    "state": State.values,
    "cause": Case.Cause.values,
    "country": Application.Country.values,
}
_FLAGS = {
    "mine": "Only cases that are assigned to you.",
    "unassigned": "Only cases that are nobody's.",
    "overdue": "Only cases whose due time has passed.",
    "closed": "Only closed cases; without this and `state` only open ones.",
}


class CaseTaken(serializers.Serializer[Any]):
    """The case that was taken; null when nothing waits for you.

    It is kept for repeats: of people it holds ids, and the e-mail address of who took it.
    """

    case = CaseView(allow_null=True)


class CaseOfficers(serializers.Serializer[Any]):
    """Whom a case can be assigned to, and the groups it can be escalated to."""

    officers = OfficerView(many=True)
    groups = serializers.ListField(child=serializers.CharField())


class OpenCaseRequest(rest.StrictSerializer):
    """Whom to look at, and why."""

    application = serializers.UUIDField()
    reason = rest.Text(max_length=LONGEST_TEXT, help_text="Only officers read it.")


class DueFirst(rest.NewestFirst):
    ordering = ("due_at", "id")


def visible_to(officer: User) -> QuerySet[Case]:
    """Cases that the officer may see: never one's own, which may say what a list says of them."""
    others = Case.objects.exclude(application__user=officer)
    return others.select_related("application__user", "assigned_to", "locked_by", "group", "tier")


def seen(officer: User, case_id: UUID) -> Case:
    """The case; raises Problem 404 for whom it is about as for an id that nobody has."""
    found = visible_to(officer).filter(pk=case_id).first()
    if found is None:
        raise Problem("not_found")
    return found


class Cases(OfficerEndpoint):
    """The queue."""

    rates: ClassVar = {"GET": "read", "POST": "trade"}
    permissions: ClassVar = {"GET": "kyc.view_case", "POST": WORK}
    query_parameters = frozenset({*_VALUES, *_FLAGS, "tier", "application", "cursor", "page_size"})

    @extend_schema(
        operation_id="list_cases",
        tags=["cases"],
        parameters=[
            *(
                OpenApiParameter(name, enum=values, description="Only these.")
                for name, values in _VALUES.items()
            ),
            OpenApiParameter("tier", type=OpenApiTypes.INT, description="The tier wanted."),
            OpenApiParameter(
                "application", type=OpenApiTypes.UUID, description="Cases of one person."
            ),
            *(
                OpenApiParameter(name, enum=["true"], description=text)
                for name, text in _FLAGS.items()
            ),
            *PAGES,
        ],
        responses={200: CasePage},
        summary="List cases, the one due first at the top",
        description="Never one's own.",
    )
    def get(self, request: Request) -> Response:
        officer, now = user_of(request), timezone.now()
        found = _chosen(visible_to(officer), request.query_params, officer, now)
        return DueFirst.listed(found, request, partial(case_json, now=now))

    @extend_schema(
        operation_id="open_case",
        tags=["cases"],
        request=OpenCaseRequest,
        responses={201: CaseView},
        summary="Have a person looked at: open a case about them",
        description=(
            "It waits in the queue. The person is not told of it, unless something is asked of them. Who "
            "still waits for their first approval is told what two people decide. "
            "409 `case_refused` while they have an open case."
        ),
    )
    def post(self, request: Request) -> Response:
        asked = rest.validated(OpenCaseRequest, request)
        officer, now = user_of(request), timezone.now()
        others = Application.objects.exclude(user=officer)
        application = others.filter(pk=asked["application"]).first()
        if application is None:
            raise Problem("not_found")
        try:
            case = cases.open_for_officer(
                application=application, officer=officer, reason=asked["reason"], now=now
            )
        except cases.CaseError as error:
            raise Problem(
                "case_refused", detail=error.message, extra={"reason": error.code}
            ) from error
        return Response(
            case_json(seen(officer, case.pk), now),
            status=201,
            headers={"Location": reverse("api:case", args=[case.pk])},
        )


def _chosen(
    found: QuerySet[Case], asked: Mapping[str, str], officer: User, now: datetime
) -> QuerySet[Case]:
    """What the query asks for; raises ParseError."""
    values, flags = _values(asked), _flags(asked)
    for name, value in values.items():
        found = found.filter(**{_FIELDS.get(name, name): value})
    if "closed" in flags:
        found = found.filter(closed_at__isnull=False)
    elif "state" not in values:
        found = found.filter(closed_at=None)
    if "mine" in flags:
        found = found.filter(assigned_to=officer)
    if "unassigned" in flags:
        found = found.filter(assigned_to=None)
    if "overdue" in flags:
        found = found.filter(overdue(now))
    return found


_FIELDS = {"country": "application__country"}


def _values(asked: Mapping[str, str]) -> dict[str, object]:
    values: dict[str, object] = {name: asked[name] for name in _VALUES if name in asked}
    for name, value in values.items():
        if value not in _VALUES[name]:
            raise ParseError(
                _("%(name)s is one of: %(values)s.")
                % {"name": name, "values": ", ".join(_VALUES[name])}
            )
    if "tier" in asked:
        values["tier"] = _tier(asked["tier"])
    if "application" in asked:
        values["application"] = application_id(asked["application"])
    return values


def _tier(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,4}", text):
        raise ParseError(_("A tier is a number."))
    return int(text)


def application_id(text: str) -> UUID:
    """The application that a filter names; raises ParseError."""
    try:
        return UUID(text)
    except ValueError as error:
        raise ParseError(_("An application is named by its id.")) from error


def _flags(asked: Mapping[str, str]) -> set[str]:
    flags = {name for name in _FLAGS if name in asked}
    if any(asked[name] != "true" for name in flags):
        raise ParseError(_("The only value of %(names)s is true.") % {"names": ", ".join(_FLAGS)})
    return flags


class TakeNextCase(OfficerEndpoint):
    """The case that is due first."""

    rates: ClassVar = {"POST": "trade"}
    permissions: ClassVar = {"POST": WORK}

    @extend_schema(
        operation_id="take_next_case",
        tags=["cases"],
        parameters=[IDEMPOTENCY_KEY],
        request=rest.NoBody,
        responses={200: CaseTaken},
        summary="Take the case that is due first",
        description=(
            "Of those that are yours or nobody's, are not being reviewed and were not escalated to a "
            "group of others. Two officers never get the same one."
        ),
    )
    def post(self, request: Request) -> Response:
        key = idempotency.key_of(request)
        rest.validated(rest.NoBody, request)
        officer, now = user_of(request), timezone.now()

        def perform() -> Answer:
            taken = cases.take_next(officer=officer, now=now)
            case = taken and case_json(seen(officer, taken.pk), now)
            return Answer(body={"case": case}, status=200)

        return idempotency.once(request, client=officer.pk, key=key, now=now, perform=perform)


class CaseById(OfficerEndpoint):
    """One case."""

    permissions: ClassVar = {"GET": "kyc.view_case"}

    @extend_schema(
        operation_id="get_case",
        tags=["cases"],
        responses={200: CaseDetail},
        summary="Look at one case with everything that belongs to it",
        description=(
            "Name, tax id and what was written are decrypted for whoever has `kyc.view_application`; "
            "that they were shown is a row of the audit trail (`personal_data.viewed`)."
        ),
    )
    def get(self, request: Request, case_id: UUID) -> Response:
        officer, now = user_of(request), timezone.now()
        case = seen(officer, case_id)
        personal = officer.has_perm(READ_PERSON)
        if personal:
            audit.viewed(
                viewer=officer,
                object_type="kyc_application",
                object_id=str(case.application_id),
                fields=["full_name", "tax_id", "texts", "note"],
                now=now,
            )
        suspected = officer.has_perm("kyc.view_screeningmatch")
        return Response(case_detail(case, personal=personal, suspected=suspected, now=now))


class OfficersForCases(OfficerEndpoint):
    """Who works on cases."""

    permissions: ClassVar = {"GET": WORK}

    @extend_schema(
        operation_id="list_case_officers",
        tags=["cases"],
        responses={200: CaseOfficers},
        summary="List whom a case can be assigned or escalated to",
    )
    def get(self, request: Request) -> Response:
        officers = officers_for_cases().values("pk", "email")
        return Response(
            {
                "officers": [{"id": str(one["pk"]), "email": one["email"]} for one in officers],
                "groups": list(groups_for_cases().values_list("name", flat=True)),
            }
        )
