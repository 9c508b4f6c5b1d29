"""The check of a proof in the page, by Chromium's own SHA-256 under the site's security policy."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Route

from tests.browser.conftest import Visitors
from tests.people import onboarded
from tests.proofs import a_published_snapshot

pytestmark = pytest.mark.django_db(transaction=True)

CHANGES = {
    "units": lambda proof: proof["leaf"].update(units="1250000000000000001"),
    "salt": lambda proof: proof["leaf"].update(salt="00" * 32),
    "index": lambda proof: proof["leaf"].update(index=str(int(proof["leaf"]["index"]) ^ 1)),
    "sibling": lambda proof: proof["path"][1].update(hash="11" * 32),
    "a sibling's sum": lambda proof: proof["path"][0].update(sum="5"),
    "snapshot": lambda proof: proof.update(snapshot="6f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1"),
    "holders": lambda proof: proof["root"].update(holders="12"),
    "shorter": lambda proof: proof["path"].pop(),
    "longer": lambda proof: proof["path"].append(proof["path"][0]),
    "format": lambda proof: proof.update(format="agora-liabilities-proof/2"),
    "no proof": lambda proof: proof.clear(),
}


@pytest.mark.parametrize("others", [0, 1, 2, 10, 31])
def test_a_right_proof_is_found_right(visitors: Visitors, others: int) -> None:
    user = onboarded()
    a_published_snapshot(user, others=others)
    visitor = visitors()
    visitor.sign_in(user)

    visitor.open("/reserves/mine/").get_by_role("button", name="Check it in this browser").click()

    visitor.page.get_by_text("It is right", exact=True).wait_for()
    assert not visitor.page.get_by_text("It is not right", exact=True).is_visible()


def test_every_change_is_found(visitors: Visitors) -> None:
    user = onboarded()
    a_published_snapshot(user)
    visitor = visitors()
    visitor.sign_in(user)
    page = visitor.page

    def with_change(change: Any) -> Callable[[Route], None]:
        def answer(route: Route) -> None:
            proof = route.fetch().json()
            change(proof)
            route.fulfill(status=200, content_type="application/json", body=json.dumps(proof))

        return answer

    for name, change in CHANGES.items():
        page.unroute_all()
        page.route("**/proof.json", with_change(change))
        visitor.open("/reserves/mine/").get_by_role("button", name="Check it").click()
        page.get_by_text("It is not right", exact=True).wait_for()
        assert not page.get_by_text("It is right", exact=True).is_visible(), name


def test_an_answer_that_does_not_come_is_not_taken_for_a_wrong_proof(visitors: Visitors) -> None:
    user = onboarded()
    a_published_snapshot(user)
    visitor = visitors()
    visitor.sign_in(user)
    visitor.page.route("**/proof.json", lambda route: route.abort())

    visitor.open("/reserves/mine/").get_by_role("button", name="Check it").click()

    visitor.page.get_by_text("It could not be checked here", exact=True).wait_for()


def test_without_a_script_steps_and_downloads_are_there(visitors: Visitors) -> None:
    user = onboarded()
    a_published_snapshot(user)
    visitor = visitors(script=False)
    visitor.sign_in(user)

    page = visitor.open("/reserves/mine/")

    assert not page.get_by_role("button", name="Check it in this browser").is_visible()
    assert page.get_by_text("Our server computed the steps").is_visible()
    assert page.get_by_role("link", name="Download the proof").is_visible()
    assert page.get_by_role("link", name="Download the program that checks it").is_visible()
