"""The address book in a real browser: with a script it answers while one types, without it works too."""

import pytest

from accounts.models import AddressEntry
from tests.browser.conftest import PHONE, Visitor, Visitors
from tests.people import onboarded

BTC = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
X_ADDRESS = "X7AcgcsBL6XDcUb289X4mJ8djcdyKaGZMhc9YTE92ehJ2Fu"


def at_the_book(visitors: Visitors, *, script: bool) -> Visitor:
    visitor = visitors(script=script, viewport=PHONE)
    visitor.sign_in(onboarded())
    visitor.open("/account/addresses/")
    return visitor


@pytest.mark.parametrize("script", [True, False])
def test_an_address_is_added_renamed_and_deleted(visitors: Visitors, script: bool) -> None:
    visitor = at_the_book(visitors, script=script)
    page = visitor.page
    page.locator("#id_chain").select_option("BTC")
    page.get_by_label("Address", exact=True).fill(BTC)
    page.get_by_label("Label").fill("Savings")
    page.get_by_role("button", name="Add the address").click()
    visitor.sees("Savings")

    page.get_by_role("link", name="Rename Savings").click()
    page.get_by_label("Label").fill("Cold storage")
    page.get_by_role("button", name="Save").click()
    visitor.sees("Cold storage")

    page.get_by_role("link", name="Delete Cold storage").click()
    assert AddressEntry.objects.filter(label="Cold storage").exists()
    page.get_by_role("button", name="Delete the address").click()
    page.get_by_text("No addresses yet").wait_for()


def test_the_form_answers_while_an_address_is_typed(visitors: Visitors) -> None:
    visitor = at_the_book(visitors, script=True)
    said = visitor.page.get_by_role("status").and_(visitor.page.locator("#address-check"))
    visitor.page.locator("#id_chain").select_option("BTC")
    said.get_by_text("Begins with bc1, 1 or 3.").wait_for()
    visitor.page.get_by_label("Address", exact=True).fill(BTC[:-1])
    said.get_by_text("checksum does not match").wait_for()
    visitor.page.get_by_label("Address", exact=True).fill(BTC)
    said.get_by_text("Valid address: Bitcoin").wait_for()

    assert not [url for url in visitor.requests if BTC[:10] in url], "not in any log"


@pytest.mark.parametrize("script", [True, False])
def test_a_destination_tag_is_asked_for_where_there_are_any(
    visitors: Visitors, script: bool
) -> None:
    visitor = at_the_book(visitors, script=script)
    tag = visitor.page.get_by_label("Destination tag")
    visitor.page.locator("#id_chain").select_option("BTC")
    assert not tag.is_visible()
    visitor.page.locator("#id_chain").select_option("XRP")
    assert tag.is_visible()
    tag.fill("1")
    visitor.page.locator("#id_chain").select_option("BTC")
    visitor.page.get_by_label("Address", exact=True).fill(BTC)
    visitor.page.get_by_label("Label").fill("Savings")
    visitor.page.get_by_role("button", name="Add the address").click()

    visitor.page.get_by_text("no destination tags").first.wait_for()
    assert tag.is_visible(), "what is wrong stays in sight"


def test_the_list_is_narrowed_at_once(visitors: Visitors) -> None:
    visitor = at_the_book(visitors, script=True)
    visitor.page.locator("#id_chain").select_option("XRP")
    visitor.page.get_by_label("Address", exact=True).fill(X_ADDRESS)
    visitor.page.get_by_label("Label").fill("Savings")
    visitor.page.get_by_role("button", name="Add the address").click()
    visitor.sees("Savings")

    visitor.page.locator("#filter-chain").select_option("BTC")
    visitor.page.get_by_text("No such address").wait_for()
    visitor.page.locator("#filter-chain").select_option("XRP")
    visitor.sees("Savings")
