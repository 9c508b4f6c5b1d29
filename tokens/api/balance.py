"""API of token balances (RAT-015)."""

from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.authentication import own_account
from accounts.selectors import wallet_of
from agora.lib import rest
from agora.lib.problems import Problem
from tokens.selectors import balance_of


class BalanceView(serializers.Serializer[Any]):
    """An AAPL-RAT balance as the chain told it at one block."""

    user_id = serializers.UUIDField()
    address = serializers.CharField()
    token = serializers.CharField()
    contract = serializers.CharField()
    chain_id = serializers.IntegerField()
    balance = serializers.CharField(help_text="In tokens, exactly.")
    units = serializers.CharField(help_text="In base units of 10^-18.")
    block_number = serializers.IntegerField()
    read_at = serializers.DateTimeField()


class BalanceOfUser(rest.Endpoint):
    """The balance of the token's own account."""

    scopes: ClassVar = {"GET": "read"}
    related = ("user__wallet",)

    @extend_schema(
        operation_id="read_balance",
        tags=["balance"],
        responses={200: BalanceView},
        summary="Read the token balance from the chain",
        description="Only one's own: any other user id is 404. Without a wallet: 409 `no_wallet`.",
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        wallet = wallet_of(own_account(request, user_id))
        if wallet is None:
            raise Problem("no_wallet")
        balance = balance_of(wallet.address)
        return Response(
            {
                "user_id": str(user_id),
                "address": balance.address,
                "token": "AAPL-RAT",
                "contract": settings.CONTRACT_ADDRESS,
                "chain_id": settings.CHAIN_ID,
                "balance": rest.amount(balance.amount),
                "units": str(balance.units),
                "block_number": balance.block_number,
                "read_at": rest.moment(balance.read_at),
            }
        )
