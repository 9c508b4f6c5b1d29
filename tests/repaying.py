"""Orders whose shares are bought and never minted, and what officers do about them at the vendors."""

from datetime import date
from uuid import uuid4

import requests
from django.conf import settings
from django.utils import timezone

from agora.lib.money import plain, to_cents
from agora.sandbox.client import SandboxControl
from compliance import four_eyes
from compliance.models import Proposal
from custody import vault
from tests.conftest import Chain
from tests.people import new_officer, onboarded
from tests.settling import place, settle
from trading import sales
from trading.models import Order
from trading.repayments import propose_repayment
from trading.states import State


def failed(chain: Chain, *, at: State = State.CUSTODY_CONFIRMED, quantity: str = "0.25") -> Order:
    """An order that was settled up to there for real, and has failed then."""
    order = settle(place(onboarded(), quantity=quantity), chain=chain, until={at})
    Order.objects.filter(pk=order.pk).update(state=State.FAILED, next_attempt_at=None)
    return Order.objects.select_related("custody").get(pk=order.pk)


def sold(sandbox: SandboxControl, quantity: str) -> str:
    """Shares sold at the broker by an officer, without Agora; the broker's id of the sale."""
    order = {"symbol": "AAPL", "qty": quantity, "side": "sell", "type": "market"}
    made = requests.post(
        f"{settings.ALPACA_BASE_URL}/v2/orders",
        json={**order, "time_in_force": "day"},
        headers={
            "APCA-API-KEY-ID": settings.ALPACA_API_KEY,
            "APCA-API-SECRET-KEY": settings.ALPACA_API_SECRET,
        },
        timeout=5,
    )
    sale = str(made.json()["id"])
    wait_until_filled(sandbox, sale)
    return sale


def wait_until_filled(sandbox: SandboxControl, broker_order_id: object) -> None:
    sandbox.wait_for(
        lambda books: any(
            order["id"] == str(broker_order_id) and order["status"] == "filled"
            for order in books["alpaca"]["orders"]
        )
    )


def taken_out(sandbox: SandboxControl, quantity: str) -> str:
    """Receipts moved out of custody by an officer, without Agora; the custodian's id."""
    asset, key = settings.FIREBLOCKS_RECEIPT_ASSET, f"out-{uuid4().hex}"
    custody = {"type": "VAULT_ACCOUNT", "id": settings.FIREBLOCKS_CUSTODY_VAULT}
    back = {"type": "VAULT_ACCOUNT", "id": settings.FIREBLOCKS_RECEIPT_SOURCE_VAULT}
    asked = {"operation": "TRANSFER", "externalTxId": key, "assetId": asset, "amount": quantity}
    transfer = vault._create({**asked, "source": custody, "destination": back}, number=1)
    sandbox.wait_for(
        lambda books: any(
            each["id"] == transfer and each["status"] == "COMPLETED"
            for each in books["fireblocks"]["transactions"]
        )
    )
    return transfer


def propose(order: Order, **changes: str) -> Proposal:
    """Propose that the buyer was paid back what the shares cost."""
    cost = to_cents(order.filled_quantity * (order.filled_avg_price or 0))
    now = timezone.now()
    values = {
        "amount_usd": str(cost),
        "paid_on": now.date().isoformat(),
        "payment_reference": "FT-2026/0815",
        **changes,
    }
    return propose_repayment(
        order=order,
        **{**values, "paid_on": date.fromisoformat(values["paid_on"])},  # type: ignore[arg-type]
        reason="Seen in the books of the bank.",
        maker=new_officer("resolve_order"),
        now=now,
    )


def propose_sale(order: Order, **changes: str) -> Proposal:
    """Propose that all shares of a repaid order were sold."""
    values = {
        "quantity": plain(order.filled_quantity),
        "sale_order_id": str(uuid4()),
        "custody_tx_id": str(uuid4()) if order.custody else "",
        **changes,
    }
    return sales.propose_sale(
        order=order,
        **values,
        reason="Seen in the books of broker and custodian.",
        maker=new_officer("resolve_order"),
        now=timezone.now(),
    )


def propose_withdrawal(order: Order, sale_order_id: str) -> Proposal:
    """Propose that the record of a sale was wrong."""
    return sales.propose_withdrawal(
        order=order,
        sale_order_id=sale_order_id,
        reason="Mistyped.",
        maker=new_officer("resolve_order"),
        now=timezone.now(),
    )


def approve(proposal: Proposal) -> None:
    four_eyes.approve(
        proposal_id=proposal.pk, checker=new_officer("decide_proposal"), now=timezone.now()
    )


def sale_of(order: Order, **changes: str) -> None:
    """Have two officers record that shares were sold."""
    approve(propose_sale(order, **changes))


def repaid(order: Order, **changes: str) -> None:
    """Have two officers record that the buyer was paid back."""
    approve(propose(order, **changes))
