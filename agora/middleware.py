"""Around every request: its id, its log line, its latency, and problems for the API."""

import re
import time
import uuid
from collections.abc import Callable
from http import HTTPStatus

import structlog
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render

from agora import health, metrics
from agora.lib import hosts, problems
from agora.lib.network import client_address, is_inside

Handler = Callable[[HttpRequest], HttpResponseBase]

REQUEST_ID = "Request-Id"
_VALID_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_OPERATIONS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/livez": health.livez,
    "/readyz": health.readyz,
    "/metrics": metrics.metrics,
}

log = structlog.get_logger("agora.access")


def operations(get_response: Handler) -> Handler:
    """Answers probes and scrapes before anything else.

    They come by address, over plain HTTP, from the cluster: host check, redirect to HTTPS and
    sessions are not for them.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        operation = _OPERATIONS.get(request.path)
        if operation is None:
            return get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse(status=405, headers={"Allow": "GET, HEAD"})
        return operation(request)

    return middleware


def request_context(get_response: Handler) -> Handler:
    """Gives the request its id, logs one line when it is done, and counts its time.

    The line names the route, never the raw path: links in e-mails carry secrets in theirs.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        request_id = _request_id(request)
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        response = get_response(request)
        if problems.are_for(request):
            response = _as_problem(response)
        response[REQUEST_ID] = request_id
        _account(request, response, seconds=time.perf_counter() - started)
        return response

    return middleware


def back_office(get_response: Handler) -> Handler:
    """Keeps the back office to the networks and the host that the settings name for it.

    From elsewhere there is nothing: 404, as for anything unknown. A host of its own serves nothing
    else, so that a fault of a retail page reaches no session of an officer.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        if _is_elsewhere(request):
            if problems.are_for(request):
                return problems.unknown_path(request)
            raise Http404
        if settings.BACK_OFFICE_HOST and request.path == "/" and hosts.is_office(request):
            return HttpResponseRedirect("/admin/")
        return get_response(request)

    return middleware


def _is_elsewhere(request: HttpRequest) -> bool:
    """Whether what is asked for is not there for this address, or not on this host."""
    networks = settings.BACK_OFFICE_NETWORKS
    is_limited = networks and request.path.startswith(hosts.OFFICE)
    if is_limited and not is_inside(client_address(request), networks):
        return True
    if not settings.BACK_OFFICE_HOST:
        return False
    return not hosts.serves(request.path, by_office=hosts.is_office(request))


def wrong_methods(get_response: Handler) -> Handler:
    """Gives people who open the address of a form as a page something to read, and a way on."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = request.method == "GET" and not problems.are_for(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not is_page:
            return response
        page = render(request, "405.html", status=HTTPStatus.METHOD_NOT_ALLOWED)
        page["Allow"] = response["Allow"]
        return page

    return middleware


def _request_id(request: HttpRequest) -> str:
    given = request.headers.get(REQUEST_ID) or request.headers.get("X-Request-Id") or ""
    return given if _VALID_ID.fullmatch(given) else uuid.uuid4().hex


def _as_problem(response: HttpResponseBase) -> HttpResponseBase:
    """Whatever refuses outside DRF, even a debug page, becomes a problem document."""
    kind = response.get("Content-Type", "")
    if response.status_code < 400 or kind.startswith(problems.MEDIA_TYPE):
        return response
    replacement = problems.respond(problems.of_status(response.status_code))
    for name in ("Allow", "Retry-After", "Vary", "Content-Language"):
        if name in response:
            replacement[name] = response[name]
    response.close()
    return replacement


def _account(request: HttpRequest, response: HttpResponseBase, *, seconds: float) -> None:
    match = request.resolver_match
    route = (match.view_name or match.route) if match else "unmatched"
    method = request.method or ""
    metrics.observe(method=method, route=route, status=response.status_code, seconds=seconds)
    bound: dict[str, object] = {}
    user = getattr(request, "_cached_user", None)  # asking request.user would cost a query
    if user is not None and user.is_authenticated:
        bound["user_id"] = str(user.pk)
    log.info(
        "Request",
        method=method[:10],
        route=route,
        status=response.status_code,
        ms=round(seconds * 1000, 1),
        **bound,
    )
