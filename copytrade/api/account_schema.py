"""Forms of the API of exchange accounts: what a person sends, and what comes back."""

from typing import Any

from rest_framework import serializers

from agora.lib import rest
from copytrade.models import Exchange
from copytrade.states import AccountState

EXCHANGES = [(value, value) for value in Exchange.values]
ACCOUNT_STATES = [(state.value, state.value) for state in AccountState]


class KeyRequest(rest.StrictSerializer):
    """An API key of the exchange: it may trade and must not withdraw. Never given out again."""

    api_key = rest.Text(max_length=200, write_only=True)
    secret = rest.Text(max_length=200, write_only=True)


class AccountRequest(KeyRequest):
    """A new exchange account."""

    exchange = serializers.ChoiceField(choices=EXCHANGES)
    label = rest.Text(max_length=60, help_text="A name for yourself.")  # type: ignore[assignment]


class AccountChange(rest.StrictSerializer):
    """Another name."""

    label = rest.Text(max_length=60)  # type: ignore[assignment]


class AccountView(serializers.Serializer[Any]):
    """An exchange account; its key is told by its last four characters alone."""

    id = serializers.UUIDField()
    exchange = serializers.ChoiceField(choices=EXCHANGES)
    label = serializers.CharField()  # type: ignore[assignment]
    key_hint = serializers.CharField()
    state = serializers.ChoiceField(choices=ACCOUNT_STATES)
    state_reason = serializers.CharField(allow_blank=True)
    can_trade = serializers.BooleanField()
    can_withdraw = serializers.BooleanField(
        allow_null=True, help_text="null: the exchange does not tell. A key that may is refused."
    )
    ip_restricted = serializers.BooleanField(
        allow_null=True, help_text="Whether the key works from named addresses only."
    )
    checked_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()


class AccountPage(rest.Page):
    """One page of accounts and the addresses of its neighbours."""

    results = AccountView(many=True)
