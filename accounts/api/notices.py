"""API of notices: what the token owner was told, and that they have read it."""

from typing import Any, ClassVar
from uuid import UUID

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import notices, selectors
from accounts.authentication import user_of
from accounts.models import Notice
from agora.lib import hosts, rest
from agora.lib.openapi import PAGES
from agora.lib.problems import Problem

LEVEL_CHOICES = [(value, value) for value in Notice.Level.values]


class NoticeView(serializers.Serializer[Any]):
    """Something that you were told, in the language that the request asks for."""

    id = serializers.UUIDField()
    kind = serializers.CharField()
    level = serializers.ChoiceField(choices=LEVEL_CHOICES)
    subject = serializers.CharField()
    body = serializers.CharField()
    url = serializers.CharField(
        help_text="What it is about: a path on this site, an address of the back office where that has "
        "a host of its own, or empty."
    )
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticePage(rest.Page):
    """A page of notices."""

    results = NoticeView(many=True)


class AllNoticesReadRequest(rest.StrictSerializer):
    """Up to which moment everything was read."""

    until = serializers.DateTimeField(
        help_text="`created_at` of the newest notice that was seen: what came later stays unread."
    )


class NoticesMarked(serializers.Serializer[Any]):
    """How many notices were unread until now."""

    marked = serializers.IntegerField(min_value=0)


class Notices(rest.Endpoint):
    """What the token owner was told."""

    scopes: ClassVar = {"GET": "read"}
    query_parameters = frozenset({"unread", "cursor", "page_size"})

    @extend_schema(
        operation_id="list_notices",
        tags=["notices"],
        parameters=[
            OpenApiParameter("unread", enum=["true"], description="Only what you have not read."),
            *PAGES,
        ],
        responses={200: NoticePage},
        summary="List your notices, newest first",
        description="The header `Link` has the neighbouring pages too.",
    )
    def get(self, request: Request) -> Response:
        unread = request.query_params.get("unread")
        if unread not in (None, "true"):
            raise ParseError(_("The only value of “unread” is true."))
        found = selectors.notices_of(user_of(request), unread=unread is not None)
        return rest.NewestFirst.listed(found, request, notice_json)


class NoticeRead(rest.Endpoint):
    """Marks one notice."""

    rates: ClassVar = {"POST": "trade"}
    scopes: ClassVar = {"POST": "trade"}

    @extend_schema(
        operation_id="mark_notice_read",
        tags=["notices"],
        request=rest.NoBody,
        responses={200: NoticeView},
        summary="Mark a notice as read",
        description="A repeat changes nothing: `read_at` stays the first one.",
    )
    def post(self, request: Request, notice_id: UUID) -> Response:
        rest.validated(rest.NoBody, request)
        try:
            notice = notices.mark_read(
                user=user_of(request), notice_id=notice_id, now=timezone.now()
            )
        except Notice.DoesNotExist as error:
            raise Problem("not_found") from error
        return Response(notice_json(notice))


class AllNoticesRead(rest.Endpoint):
    """Marks everything up to a moment."""

    rates: ClassVar = {"POST": "trade"}
    scopes: ClassVar = {"POST": "trade"}

    @extend_schema(
        operation_id="mark_all_notices_read",
        tags=["notices"],
        request=AllNoticesReadRequest,
        responses={200: NoticesMarked},
        summary="Mark all notices up to a moment as read",
    )
    def post(self, request: Request) -> Response:
        asked = rest.validated(AllNoticesReadRequest, request)
        marked = notices.mark_all_read(
            user=user_of(request), until=asked["until"], now=timezone.now()
        )
        return Response({"marked": marked})


def notice_json(notice: Notice) -> dict[str, object]:
    """A notice on the wire, in the language that is active; times in UTC."""
    return {
        "id": str(notice.pk),
        "kind": notice.kind,
        "level": str(notice.level),
        "subject": notice.title,
        "body": notice.text,
        "url": hosts.address(notice.url, by_office=False),
        "created_at": rest.moment(notice.created_at),
        "read_at": rest.moment(notice.read_at),
    }
