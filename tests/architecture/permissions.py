"""Who gets in where: every route of the site, tried by everybody.

The world holds one of each thing, owned by `owner`; `routes` finds every address there is, so that a
new one cannot be forgotten.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import Any
from uuid import uuid4

from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import FieldError
from django.db import transaction
from django.db.models import Model
from django.test import Client
from django.urls import NoReverseMatch, URLPattern, URLResolver, get_resolver, reverse

from accounts import notices, token_store
from accounts.address_book import create_entry
from accounts.models import Notice, User
from agora import roles
from compliance.models import Proposal
from copytrade.models import CopyOrder, KillSwitch, MasterOrder, Signal, Strategy
from copytrade.replication.publish import publish
from kyc import corrections
from kyc.cases import open_for_match
from kyc.models import Document, ScreeningMatch
from tests import copying
from tests.people import new_user, onboarded, signed_in_recently
from tests.quoting import a_quote
from trading.services import place_order

ACTORS = (
    "anonymous", "owner", "other person", "officer", "second officer", "senior officer", "operator",
    "auditor", "superuser",
)  # fmt: skip
_ROLES = {
    "officer": roles.OFFICER,
    "second officer": roles.OFFICER,
    "senior officer": roles.SENIOR,
    "operator": roles.OPERATOR,
    "auditor": roles.AUDITOR,
}
_API_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Route:
    """An address and a method it may be asked with."""

    name: str
    method: str
    kwargs: tuple[str, ...]


def routes() -> list[Route]:
    """Every route, pages with GET and POST, endpoints with the methods they have."""
    found = {
        Route(name=name, method=method, kwargs=kwargs)
        for name, kwargs, methods in _walk(get_resolver(), "")
        for method in methods
    }
    return sorted(found, key=lambda route: (route.name, route.method))


def who(route: Route) -> tuple[str, ...]:
    """Whose answer is asked for: outside of the back office all officers are people like others."""
    if route.name.startswith(("admin:", "api:")):
        return ACTORS
    return tuple(actor for actor in ACTORS if actor not in ("senior officer", "operator"))


def _walk(
    resolver: URLResolver, space: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for entry in resolver.url_patterns:
        names = (*above, *entry.pattern.regex.groupindex)
        if isinstance(entry, URLResolver):
            yield from _walk(
                entry, f"{space}{entry.namespace}:" if entry.namespace else space, names
            )
        elif entry.name:  # Django's admin has two without
            yield f"{space}{entry.name}", tuple(sorted(names)), _methods(entry)


def _methods(entry: URLPattern) -> tuple[str, ...]:
    endpoint = getattr(entry.callback, "cls", None)
    if endpoint is None:
        return ("get", "post")
    return tuple(name for name in _API_METHODS if hasattr(endpoint, name))


@dataclass
class World:
    """One of each thing; `now` is the moment it was made."""

    now: datetime
    people: dict[str, User] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.people = {
            "owner": onboarded(now=self.now),
            "other person": onboarded(now=self.now),
            "superuser": self._staff(is_superuser=True),
            **{name: self._staff(role=role) for name, role in _ROLES.items()},
        }
        self.owner = self.people["owner"]

    def _staff(self, *, role: str = "", is_superuser: bool = False) -> User:
        user = new_user(is_staff=True)
        user.is_superuser = is_superuser
        user.save(update_fields=["is_superuser"])
        if role:
            user.groups.add(Group.objects.get(name=role))
        return User.objects.get(pk=user.pk)

    @cached_property
    def values(self) -> dict[str, Any]:
        """What stands in addresses, by its name there."""
        token, _raw = token_store.issue_token(
            user=self.owner, name="one", scopes=["read"], expires_at=None, now=self.now
        )
        return {
            **self._copying(),
            **self._identity(),
            **self._shown(),
            "user_id": self.owner.pk,
            "token_id": token.pk,
            "order_id": self._order(),
            "proposal_id": self._proposal(),
            "symbol": "AAPL",
            "asset": "USDT",
            "level": "subscription",
            "page": 1,
            "form": "csv",
            "path": "nowhere",
            "app_label": "trading",
            "content_type_id": 1,
            "provider_id": "none",
        }

    def _order(self) -> Any:
        order = place_order(
            user=self.owner,
            quantity=Decimal("0.5"),
            quote=a_quote(),
            source="page",
            placement_key=None,
            now=self.now,
        )
        return order.pk

    def _proposal(self) -> Any:
        proposal = Proposal.objects.create(
            kind="kyc.tier_limit",
            object_type="tier",
            object_id="1",
            payload={"daily_limit_usd": "900.00", "before": "1000.00"},
            reason="To be seen.",
            maker_id=self.people["senior officer"].pk,
            proposed_at=self.now,
            expires_at=self.now + timedelta(days=1),
        )
        return proposal.pk

    def _identity(self) -> dict[str, Any]:
        client = Client()
        client.force_login(self.owner)
        session = UserSession.objects.create(
            user=self.owner, ip="127.0.0.1", session_key=str(client.session.session_key)
        )
        entry = create_entry(
            user=self.owner,
            exchange="",
            chain="EVM",
            label="Mine",
            address="0x52908400098527886E0F7030069857D2E4169EE7",
            tag=None,
            now=self.now,
        )
        return {
            "session_id": session.pk,
            "entry_id": entry.pk,
            "uidb36": "0",
            "key": "none",
        }

    def _shown(self) -> dict[str, Any]:
        """What the owner has shown and was told."""
        notice = notices.notify(
            user=self.owner,
            kind="test",
            subject="One",
            body="Two",
            params={},
            url="",
            level=Notice.Level.INFO,
            email=False,
            now=self.now,
        )
        document = Document.objects.create(
            application=self.owner.kyc_application,
            kind=Document.Kind.SELFIE,
            media_type="image/png",
            sha256="0" * 64,
            size=1,
            page_count=1,
            uploaded_at=self.now,
        )
        corrections.ask(
            user=self.owner, full_name="Another Name", tax_id="", reason="Typed.", now=self.now
        )
        assert notice is not None
        return {"notice_id": notice.pk, "document_id": document.pk, **self._suspected()}

    def _suspected(self) -> dict[str, Any]:
        """A list may mean the owner, who is not told of it."""
        match = ScreeningMatch.objects.create(
            application=self.owner.kyc_application,
            list_name="default",
            source_id="invented-1",
            digest="0" * 64,
            entry={"name": "Invented Name"},
            is_sanctioned=True,
            by=ScreeningMatch.By.NAME,
            score=Decimal(90),
            found_at=self.now,
        )
        with transaction.atomic():
            case = open_for_match(application=self.owner.kyc_application, now=self.now)
        assert case is not None
        return {"match_id": match.pk, "case_id": case.pk}

    def _copying(self) -> dict[str, Any]:
        """The owner is a master of one strategy and follows another."""
        master = copying.new_master(user=self.owner)
        strategy = copying.new_strategy(master=master)
        followed = copying.new_strategy()
        follower = copying.new_follower(user=self.owner)
        subscription = copying.new_subscription(strategy=followed, follower=follower)
        copying.mark()
        with transaction.atomic():
            signal = publish(
                strategy=followed,
                kind=Signal.Kind.OPEN,
                symbol="BTC/USDT",
                type="MARKET",
                price=Decimal(50000),
                at=self.now,
                now=self.now,
                master_order=self._master_order(followed),
                cumulative=Decimal("0.1"),
                order_quantity=Decimal("0.1"),
                equity_before=Decimal(10000),
            )
        assert signal is not None
        order = self._master_order(strategy)
        switch = KillSwitch.objects.create(
            level=KillSwitch.Level.SUBSCRIPTION,
            subscription=subscription,
            reason="To be seen.",
            engaged_by=f"user:{self.owner.pk}",
            engaged_at=self.now,
        )
        return {
            "strategy_id": strategy.pk,
            "subscription_id": subscription.pk,
            "target_id": subscription.pk,
            "account_id": follower.account.pk,
            "signal_id": signal.pk,
            "leg_id": CopyOrder.objects.get(signal=signal).pk,
            "switch_id": switch.pk,
            "code": strategy.invite_code,
            "master_order_id": order.pk,
        }

    def _master_order(self, strategy: Strategy) -> MasterOrder:
        return MasterOrder.objects.create(
            strategy=strategy,
            account=strategy.account,
            source=MasterOrder.Source.PAGE,
            client_order_id=uuid4().hex,
            symbol="BTC/USDT",
            side="BUY",
            type="LIMIT",
            quantity=Decimal("0.1"),
            price=Decimal(40000),
            placed_at=self.now,
            updated_at=self.now,
        )

    def address(self, route: Route) -> str:
        """The route's address, leading to the owner's things where it names some."""
        kwargs = {name: self._value(route, name) for name in route.kwargs}
        unknown = [name for name, value in kwargs.items() if not value]
        for nothing in product((uuid4(), 1, "none"), repeat=len(unknown)):
            with suppress(NoReverseMatch):  # whichever kinds of id the route takes
                return reverse(route.name, kwargs=kwargs | dict(zip(unknown, nothing, strict=True)))
        raise AssertionError(f"No value stands for {route.kwargs} of {route.name}.")

    def _value(self, route: Route, name: str) -> Any:
        if name == "object_id":
            return self.object_of(route.name)
        if name == "order_id" and ("desk" in route.name or "copy" in route.name):
            return self.values["master_order_id"]
        if name == "code" and route.name == "api_problem":
            return "not_found"
        return self.values.get(name)

    def object_of(self, name: str) -> Any:
        """A row of the admin page's model, the owner's if people have such; or an id no row has."""
        for model in apps.get_models():
            label = f"admin:{model._meta.app_label}_{model._meta.model_name}_"
            if name.startswith(label):
                row = self._owned(model) or model._default_manager.first()
                return row.pk if row else uuid4()
        return uuid4()

    def _owned(self, model: type[Model]) -> Model | None:
        """Which row comes first hangs on random ids, and what may be done with it on its state."""
        if model is User:
            return self.owner
        for path in ("user", "application__user", "account__user"):
            with suppress(FieldError):
                return model._default_manager.filter(**{path: self.owner}).first()
        return None


@dataclass
class Visits:
    """Everybody's browser and program; what they do is undone at once."""

    world: World
    browser: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def __post_init__(self) -> None:
        assert self.sessions  # made before the first visit, which is undone
        assert self.tokens

    @cached_property
    def sessions(self) -> dict[str, str]:
        """The cookie of everybody's session."""
        name = settings.SESSION_COOKIE_NAME
        return {
            actor: signed_in_recently(Client(), user).cookies[name].value
            for actor, user in self.world.people.items()
        }

    @cached_property
    def tokens(self) -> dict[str, dict[str, str]]:
        made: dict[str, dict[str, str]] = {"anonymous": {}}
        for name, user in self.world.people.items():
            scopes = ["read", "trade", "copy", *(["admin"] if user.is_staff else [])]
            _row, raw = token_store.issue_token(
                user=user, name="all", scopes=scopes, expires_at=None, now=self.world.now
            )
            made[name] = {"Authorization": f"Bearer {raw}"}
        return made

    def answers(self, route: Route) -> dict[str, str]:
        """What everybody gets, in a word: in, wrong (what was sent), sign in, confirm, or the status."""
        address = self.world.address(route)
        return {actor: self._answer(route, address, actor) for actor in who(route)}

    def _answer(self, route: Route, address: str, actor: str) -> str:
        self.browser.cookies.clear()
        with transaction.atomic():
            if route.name.startswith("api:"):
                response = self._call(route, address, actor)
            else:
                response = self._visit(route, address, actor)
            if response.streaming:
                b"".join(response.streaming_content)  # read to its end it closes its file
            word = _word(response)
            transaction.set_rollback(True)
        return word

    def _visit(self, route: Route, address: str, actor: str) -> Any:
        if actor in self.sessions:
            self.browser.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[actor]
        return getattr(self.browser, route.method)(address)

    def _call(self, route: Route, address: str, actor: str) -> Any:
        body = None if route.method == "get" else json.dumps({})
        headers = {**self.tokens[actor], "Idempotency-Key": uuid4().hex}
        return self.browser.generic(
            route.method.upper(), address, body or "", "application/json", headers=headers
        )


_GATES = (
    ("/account/login/", "sign in"),
    ("/admin/login/", "sign in"),
    ("/account/reauthenticate/", "confirm"),
    ("/account/2fa/", "confirm"),
)


def _word(response: Any) -> str:
    status = response.status_code
    if status in (301, 302, 303):
        gates = (word for path, word in _GATES if response.headers["Location"].startswith(path))
        return next(gates, "in")
    if status in (400, 415, 422):
        return "wrong"
    return str(status) if status in (401, 403, 404, 405, 409, 500) else "in"
