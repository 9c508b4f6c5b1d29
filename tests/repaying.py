"""Orders whose shares are bought and never minted, and what officers do about them at the vendors."""

import requests
from django.conf import settings

from agora.sandbox.client import SandboxControl
from tests.conftest import Chain
from tests.people import onboarded
from tests.settling import place, settle
from trading.models import Order
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
