"""The account, its commission rates, and what its API key may do."""

from __future__ import annotations

import json
from dataclasses import dataclass

from agora.sandbox.binance.api import Call, Endpoint
from agora.sandbox.binance.auth import READ
from agora.sandbox.binance.engine import COMMISSION
from agora.sandbox.binance.orders import ZERO
from agora.sandbox.binance.symbols import ASSETS, PERMISSIONS, eight
from agora.sandbox.binance.trading import discount
from agora.sandbox.binance.venue import Venue

BASIS_POINTS = 10_000


@dataclass(frozen=True)
class AccountApi:
    """The USER_DATA endpoints that are not about orders, and the wallet status."""

    venue: Venue

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("GET", "/api/v3/account", self.account, 20, READ),
            Endpoint("GET", "/api/v3/account/commission", self.commission, 20, READ),
            Endpoint("GET", "/sapi/v1/account/apiRestrictions", self.restrictions, 1, READ),
            Endpoint("GET", "/sapi/v1/capital/config/getall", self.coins, 10, READ),
            Endpoint("GET", "/sapi/v1/system/status", self.system, 1),
        ]

    def account(self, call: Call) -> str:
        account = call.account
        rate = int(COMMISSION * BASIS_POINTS)
        omit = call.params.flag("omitZeroBalances")
        assets = account.assets() if omit else sorted({*ASSETS, *account.free})
        return json.dumps({
            "makerCommission": rate,
            "takerCommission": rate,
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": {
                "maker": eight(COMMISSION), "taker": eight(COMMISSION),
                "buyer": eight(ZERO), "seller": eight(ZERO),
            },
            # These three are the account's; the key's own rights are in apiRestrictions.
            "canTrade": not account.disabled,
            "canWithdraw": not account.disabled,
            "canDeposit": True,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": account.updated,
            "accountType": "SPOT",
            "balances": [
                {
                    "asset": asset,
                    "free": eight(account.free.get(asset, ZERO)),
                    "locked": eight(account.locked.get(asset, ZERO)),
                }
                for asset in assets
            ],
            "permissions": PERMISSIONS,
            "uid": account.uid,
        })  # fmt: skip

    def commission(self, call: Call) -> str:
        zero = dict.fromkeys(("maker", "taker", "buyer", "seller"), eight(ZERO))
        standard = {**zero, "maker": eight(COMMISSION), "taker": eight(COMMISSION)}
        return json.dumps({
            "symbol": call.params.symbol().name,
            "standardCommission": standard,
            "specialCommission": zero,
            "taxCommission": zero,
            "discount": discount(call.account),
        })  # fmt: skip

    def restrictions(self, call: Call) -> str:
        account = call.account
        return json.dumps({
            "ipRestrict": account.ip_restrict,
            "createTime": account.created,
            "enableReading": account.read,
            "enableSpotAndMarginTrading": account.trade,
            "enableWithdrawals": account.withdraw,
            "enableInternalTransfer": False,
            "permitsUniversalTransfer": False,
            "enableMargin": False,
            "enableFutures": False,
            "enableVanillaOptions": False,
            "enablePortfolioMarginTrading": False,
            "enableFixApiTrade": False,
            "enableFixReadOnly": False,
        })  # fmt: skip

    def coins(self, call: Call) -> str:
        """Every asset without networks: nothing here can be deposited or withdrawn over a chain."""
        account = call.account
        return json.dumps([
            {
                "coin": asset,
                "name": asset,
                "depositAllEnable": False,
                "withdrawAllEnable": False,
                "free": eight(account.free.get(asset, ZERO)),
                "locked": eight(account.locked.get(asset, ZERO)),
                "freeze": "0",
                "withdrawing": "0",
                "ipoing": "0",
                "ipoable": "0",
                "storage": "0",
                "isLegalMoney": False,
                "trading": True,
                "networkList": [],
            }
            for asset in ASSETS
        ])  # fmt: skip

    def system(self, call: Call) -> str:
        down = self.venue.settings.maintenance
        return json.dumps({"status": int(down), "msg": "system_maintenance" if down else "normal"})
