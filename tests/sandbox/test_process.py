"""The process itself: how it starts and stops, and what it keeps when it is killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import requests
from alpaca.common.exceptions import APIError
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.sandbox.conftest import ROOT, Sandbox, until
from tests.sandbox.helpers import balance, buy, raw_sign, transfer, wait_for_status, wait_for_tx

Start = Callable[..., Sandbox]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


def test_help_names_the_addresses_and_every_flag() -> None:
    text = run("-m", "agora.sandbox", "--help").stdout
    for part in ("/alpaca-data", "/fireblocks/v1", "/control", "--fill-delay", "FIREBLOCKS_PUBLIC"):
        assert part in text


def test_it_stands_apart_from_django_and_the_apps() -> None:
    code = (
        "import sys, agora.sandbox.__main__, agora.sandbox.client;"
        "print([m for m in sys.modules if m.split('.')[0] in"
        " ('django', 'celery', 'accounts', 'kyc', 'custody', 'tokens', 'trading', 'compliance')"
        " or m.startswith('agora.') and not m.startswith('agora.sandbox')])"
    )
    done = run("-c", code)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_a_bad_start_says_why(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no key")
    data = str(tmp_path / "data")
    done = run("-m", "agora.sandbox", "--data", data, "--fireblocks-public-key", str(bad))
    assert done.returncode == 1
    assert done.stderr.startswith("sandbox: ")
    assert "Traceback" not in done.stderr


def test_a_data_folder_has_one_sandbox(own_box: Start) -> None:
    box = own_box()
    second = run("-m", "agora.sandbox", "--data", str(box.data))
    assert (second.returncode, second.stdout) == (1, "")
    assert "another sandbox runs on" in second.stderr
    assert box.trading.get_clock()["is_open"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(own_box: Start, number: int) -> None:
    box = own_box()
    box.trading.get_clock()
    assert box.stop(number) == 0


def test_the_clients_key_can_be_given(tmp_path: Path, own_box: Start) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = tmp_path / "public.pem"
    public.write_bytes(
        private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    box = own_box("--fireblocks-public-key", str(public))
    assert not (box.data / "fireblocks_client.pem").exists()
    (box.data / "fireblocks_client.pem").write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    with box.fireblocks as vault:
        assert vault.vaults.get_vault_account("1").result().data.name == "Custody"


def test_keys_on_disk_are_private(own_box: Start) -> None:
    box = own_box()
    for name in ("vault.key", "fireblocks_client.pem"):
        assert (box.data / name).stat().st_mode & 0o777 == 0o600


def test_after_a_kill_the_books_are_as_they_were_answered(own_box: Start) -> None:
    box = own_box("--status-delay", "0")
    box.control.market(price="230.10", fill={"partial": ["0.2"], "outcome": "never"}, match="part")
    buy(box.trading, "whole")
    wait_for_status(box.trading, "whole")
    buy(box.trading, "part")
    part = wait_for_status(box.trading, "part", "partially_filled")
    with box.fireblocks as vault:
        moved = wait_for_tx(vault, transfer(vault, "moved", idempotency_key="key-1")).to_dict()
        signed = wait_for_tx(vault, raw_sign(vault, "signed")).to_dict()
    before = box.control.books()

    box.kill()
    box.start()

    after = box.control.books()
    assert after["alpaca"] == before["alpaca"]
    assert after["fireblocks"] == before["fireblocks"]
    assert box.trading.get_order_by_client_id("part") == part
    with pytest.raises(APIError) as refused:
        buy(box.trading, "whole")
    assert refused.value.code == 40010001
    with box.fireblocks as vault:
        assert transfer(vault, "moved", idempotency_key="key-1") == moved["id"]
        assert vault.transactions.get_transaction(signed["id"]).result().data.to_dict() == signed
        again = wait_for_tx(vault, raw_sign(vault, "signed-again"))
    assert again.signed_messages[0].public_key == signed["signedMessages"][0]["publicKey"]
    box.trading.cancel_order_by_id(part["id"])
    assert wait_for_status(box.trading, "part", "canceled")["filled_qty"] == "0.2"


def test_after_a_kill_what_was_under_way_goes_on(own_box: Start) -> None:
    box = own_box("--fill-delay", "1", "--status-delay", "0.2")
    with box.fireblocks as vault:
        tx_id = transfer(vault, "open", "1.5")
    buy(box.trading, "open")

    box.kill()
    books = box.start().control.books()
    assert books["alpaca"]["orders"][0]["status"] in ("accepted", "new")
    assert books["fireblocks"]["transactions"][0]["status"] != "COMPLETED"

    assert wait_for_status(box.trading, "open")["filled_qty"] == "0.5"
    with box.fireblocks as vault:
        assert wait_for_tx(vault, tx_id).status == "COMPLETED"
        assert balance(vault, "0")["total"] == "999998.5"
        assert balance(vault, "1")["total"] == "1.5"


def test_killed_amid_orders_it_keeps_all_it_answered_and_none_twice(own_box: Start) -> None:
    box = own_box()
    wanted = {f"kill-{n}" for n in range(120)}
    answered: dict[str, str] = {}

    def send(client_id: str) -> None:
        # A broken connection leaves it open what became of the order; a later round sends it again,
        # and the one that exists already is refused then and looked up.
        with suppress(requests.RequestException):
            with suppress(APIError):
                buy(box.trading, client_id)
            answered[client_id] = box.trading.get_order_by_client_id(client_id)["id"]

    def enough_answered(enough: int) -> Callable[[], bool]:
        return lambda: len(answered) >= enough

    for kill_after in (15, 50, 90):
        with ThreadPoolExecutor(4) as pool:
            sent = [pool.submit(send, client_id) for client_id in sorted(wanted - set(answered))]
            until(enough_answered(kill_after))
            box.kill()
        for future in sent:
            future.result()
        kept = {order["id"] for order in box.start().control.orders()}
        assert kept >= set(answered.values())

    for client_id in wanted - set(answered):
        send(client_id)
    books = box.control.wait_for(
        lambda books: all(o["status"] == "filled" for o in books["alpaca"]["orders"])
    )
    orders = {order["client_order_id"]: order["id"] for order in books["alpaca"]["orders"]}
    assert orders == answered
    assert len(books["alpaca"]["orders"]) == 120
    (position,) = books["alpaca"]["positions"]
    assert position["qty"] == "60"


def test_reset_makes_it_as_new_but_keeps_the_keys(own_box: Start) -> None:
    box = own_box()
    first = box.control.books()
    with box.fireblocks as vault:
        address = vault.vaults.create_vault_account_asset("1", "ETH_TEST5").result().data.address
        buy(box.trading, "gone")
        box.control.market(mode="closed")
        box.control.reset()
        assert box.control.books() == first
        assert box.control.journal() == []
        made = vault.vaults.create_vault_account_asset("1", "ETH_TEST5").result().data
    assert made.address == address
    assert box.trading.get_clock()["is_open"] is True
