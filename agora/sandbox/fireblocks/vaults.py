"""Vault accounts and their balances."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal

from agora.sandbox.fireblocks import errors
from agora.sandbox.fireblocks.keys import Signer
from agora.sandbox.store import Store
from agora.sandbox.wire import Json, plain, text_or_none

RECEIPT = "AAPL_RECEIPT"
MINTER_ASSET = "BASECHAIN_ETH_TEST5"
# Asset ids the workspace knows; constants of @fireblocks/fireblocks-web3-provider but the first.
ASSETS = (
    RECEIPT, MINTER_ASSET, "ETH_TEST5", "ETH-AETH_SEPOLIA", "ETH-OPT_SEPOLIA", "AMOY_POLYGON_TEST",
)  # fmt: skip
FIRST_ACCOUNTS = (
    ("0", "Receipt source", RECEIPT, Decimal(1_000_000)),
    ("1", "Custody", RECEIPT, Decimal(0)),
    ("2", "Minter", MINTER_ASSET, Decimal(0)),
)


@dataclass
class Balance:
    """What a vault account holds of one asset. `locked` leaves soon, `pending` arrives soon."""

    total: Decimal = Decimal(0)
    pending: Decimal = Decimal(0)
    frozen: Decimal = Decimal(0)
    locked: Decimal = Decimal(0)

    @property
    def available(self) -> Decimal:
        return self.total - self.locked - self.frozen


@dataclass
class Account:
    """A vault account with its asset wallets."""

    id: str
    name: str
    customer_ref_id: str | None = None
    hidden: bool = False
    auto_fuel: bool = False
    assets: dict[str, Balance] = field(default_factory=dict)

    def row(self) -> Json:
        return {
            "id": self.id,
            "name": self.name,
            "customer_ref_id": self.customer_ref_id,
            "hidden": self.hidden,
            "auto_fuel": self.auto_fuel,
            "assets": {
                asset: {name: str(value) for name, value in vars(balance).items()}
                for asset, balance in self.assets.items()
            },
        }

    @classmethod
    def from_row(cls, row: Json) -> Account:
        assets = {
            asset: Balance(**{name: Decimal(value) for name, value in amounts.items()})
            for asset, amounts in row["assets"].items()
        }
        return cls(**{**row, "assets": assets})


@dataclass
class Vaults:
    """All vault accounts. `height` counts the blocks of the sandbox's own ledger."""

    store: Store
    signer: Signer
    accounts: dict[str, Account] = field(default_factory=dict)
    height: int = 0

    def load(self) -> None:
        """Read the accounts, or make the three that every sandbox has."""
        self.accounts = {
            row["id"]: Account.from_row(row) for row in self.store.all("fireblocks.vault")
        }
        saved = self.store.get(kind="fireblocks.ledger", key="height")
        self.height = 0 if saved is None else saved["height"]
        if self.accounts:
            return
        with self.store.transaction():
            for vault_id, name, asset, amount in FIRST_ACCOUNTS:
                made = Account(id=vault_id, name=name, assets={asset: Balance(total=amount)})
                self.accounts[vault_id] = made
                self.save(made)

    def save(self, account: Account) -> None:
        self.store.put(kind="fireblocks.vault", key=account.id, body=account.row())

    def next_block(self) -> None:
        self.height += 1
        self.store.put(kind="fireblocks.ledger", key="height", body={"height": self.height})

    def get(self, vault_id: str) -> Account:
        found = self.accounts.get(vault_id)
        if found is None:
            raise errors.vault_not_found(vault_id)
        return found

    def create(self, body: Json) -> Account:
        """A new account with the next number as id."""
        made = Account(
            id=str(max(int(known) for known in self.accounts) + 1),
            name=str(body.get("name") or ""),
            customer_ref_id=text_or_none(body.get("customerRefId")),
            hidden=bool(body.get("hiddenOnUI", False)),
            auto_fuel=bool(body.get("autoFuel", False)),
        )
        self.save(made)
        self.accounts[made.id] = made
        return made

    def add_asset(self, *, account: Account, asset: str) -> Json:
        """Open a wallet for an asset. Raises VendorError for an unknown asset or a second wallet."""
        if asset not in ASSETS:
            raise errors.asset_not_found(asset)
        if asset in account.assets:
            raise errors.bad_request(f"Asset {asset} already exists in vault account {account.id}")
        account.assets[asset] = Balance()
        self.save(account)
        return {
            "id": account.id,
            "address": self.address(account.id),
            "legacyAddress": "",
            "tag": "",
        }

    def balance(self, *, account: Account, asset: str) -> Balance:
        found = account.assets.get(asset)
        if found is None:
            raise errors.asset_not_found(asset)
        return found

    def address(self, vault_id: str) -> str:
        return self.signer.address(vault_id)

    def wire(self, account: Account) -> Json:
        return {
            "id": account.id,
            "name": account.name,
            "hiddenOnUI": account.hidden,
            "autoFuel": account.auto_fuel,
            "customerRefId": account.customer_ref_id,
            "assets": [self.asset_wire(account=account, asset=asset) for asset in account.assets],
        }

    def asset_wire(self, *, account: Account, asset: str) -> Json:
        """One asset of an account; all amounts are strings."""
        held = self.balance(account=account, asset=asset)
        return {"id": asset, **amounts(held), **self.block()}

    def total(self, asset: str) -> Json:
        """The vendor's GET /v1/vault/assets/{assetId}: the sum over all accounts."""
        if asset not in ASSETS:
            raise errors.asset_not_found(asset)
        summed = Balance()
        for account in self.accounts.values():
            held = account.assets.get(asset, Balance())
            summed.total += held.total
            summed.pending += held.pending
            summed.frozen += held.frozen
            summed.locked += held.locked
        return {"id": asset, **amounts(summed), **self.block()}

    def addresses(self, *, account: Account, asset: str) -> list[Json]:
        self.balance(account=account, asset=asset)
        return [{
            "assetId": asset,
            "address": self.address(account.id),
            "description": "",
            "tag": "",
            "type": "Permanent",
            "customerRefId": account.customer_ref_id,
            "addressFormat": "BASE",
            "legacyAddress": "",
            "enterpriseAddress": "",
            "bip44AddressIndex": 0,
            "userDefined": False,
        }]  # fmt: skip

    def block(self) -> Json:
        digest = hashlib.sha256(f"block {self.height}".encode()).hexdigest()
        return {"blockHeight": str(self.height), "blockHash": "0x" + digest}


def amounts(held: Balance) -> Json:
    return {
        "total": plain(held.total),
        "balance": plain(held.total),
        "available": plain(held.available),
        "pending": plain(held.pending),
        "frozen": plain(held.frozen),
        "lockedAmount": plain(held.locked),
    }
