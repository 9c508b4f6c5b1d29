"""A person's part in the proof of reserve: page, file and program."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from accounts.models import User, Wallet
from compliance.models import LiabilityNonce, ReserveSnapshot
from tests.people import onboarded
from tests.proofs import a_published_snapshot

pytestmark = pytest.mark.django_db


def page(browser: Client, snapshot: ReserveSnapshot | None = None) -> str:
    address = reverse("my_reserves_in", args=[snapshot.pk]) if snapshot else reverse("my_reserves")
    answer = browser.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def file_of(snapshot: ReserveSnapshot, number: int = 1) -> str:
    return reverse("proof_file", args=[snapshot.pk, number])


def test_before_anything_is_published_the_page_says_so(browser: Client) -> None:
    assert "You are in no published snapshot yet" in page(browser)


def test_the_balance_and_every_step_are_shown(browser: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer, others=20)

    text = page(browser)

    assert "1.25" in text
    assert snapshot.tree_root in text
    assert text.count("on the left") + text.count("on the right") == 5
    assert file_of(snapshot) in text


def test_the_address_is_shown_with_its_checksum(browser: Client, buyer: User) -> None:
    mixed = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"  # of EIP-55
    Wallet.objects.filter(user=buyer).update(address=mixed)
    a_published_snapshot(buyer)

    assert mixed in page(browser)


def test_an_unsigned_snapshot_is_not_shown(browser: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer, signed=False)

    assert "You are in no published snapshot yet" in page(browser)
    assert browser.get(reverse("my_reserves_in", args=[snapshot.pk])).status_code == 404
    assert browser.get(file_of(snapshot)).status_code == 404


def test_older_snapshots_can_be_chosen(browser: Client, buyer: User) -> None:
    older = a_published_snapshot(buyer, units=3 * 10**18)
    newer = a_published_snapshot(buyer, units=7 * 10**18)

    assert newer.tree_root in page(browser)
    assert older.tree_root in page(browser, older)


def test_hidden_balances_stay_hidden(browser: Client, buyer: User) -> None:
    a_published_snapshot(buyer)
    browser.cookies["hide_balances"] = "1"

    text = page(browser)

    assert "••••" in text
    assert ">1.25<" not in text
    assert ">1250000000000000000<" not in text


def test_the_file_passes_the_downloaded_program(
    browser: Client, buyer: User, tmp_path: Path
) -> None:
    """As people do it: both downloads, then Python with its standard library alone."""
    snapshot = a_published_snapshot(buyer)
    proof, program = tmp_path / "proof.json", tmp_path / "verify.py"
    answer = browser.get(file_of(snapshot))
    assert "attachment" in answer["Content-Disposition"]
    proof.write_bytes(answer.getvalue())
    program.write_bytes(Client().get(reverse("reserve_verifier")).getvalue())

    checked = subprocess.run(
        [sys.executable, "-I", "-S", program, proof, "--root", snapshot.tree_root],
        check=False,
        capture_output=True,
        text=True,
    )

    assert checked.returncode == 0, checked.stderr
    assert "1250000000000000000" in checked.stdout


def test_a_stranger_gets_neither_page_nor_file(client: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer)
    client.force_login(onboarded())

    assert client.get(reverse("my_reserves_in", args=[snapshot.pk])).status_code == 404
    assert client.get(file_of(snapshot)).status_code == 404


@pytest.mark.parametrize("number", [0, 2, 99])
def test_there_is_a_file_for_each_account_and_no_other(
    browser: Client, buyer: User, number: int
) -> None:
    snapshot = a_published_snapshot(buyer)

    assert browser.get(file_of(snapshot, number)).status_code == 404


def test_without_a_session_one_is_led_to_sign_in(client: Client) -> None:
    for address in (reverse("my_reserves"), reverse("proof_file", args=[uuid4(), 1])):
        answer = client.get(address)
        assert answer.status_code == 302
        assert "/account/login/" in answer["Location"]


def test_an_erased_salt_is_told_and_not_a_server_error(browser: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer)
    LiabilityNonce.objects.filter(user_id=buyer.pk).delete()

    assert browser.get(file_of(snapshot)).status_code == 404
    assert browser.get(reverse("my_reserves")).status_code == 200


def test_a_damaged_tree_is_told_on_the_page(browser: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "DELETE FROM compliance_liabilitychunk WHERE snapshot_id = %s", [snapshot.pk]
        )
        cursor.execute("SET LOCAL session_replication_role = origin")

    assert "The proof cannot be read" in page(browser)
    assert browser.get(file_of(snapshot)).status_code == 404


def test_no_address_is_in_a_url(browser: Client, buyer: User) -> None:
    snapshot = a_published_snapshot(buyer)
    proof = json.loads(browser.get(file_of(snapshot)).getvalue())

    assert proof["leaf"]["account"] == buyer.wallet.address.lower()
    assert buyer.wallet.address.lower() not in file_of(snapshot)
