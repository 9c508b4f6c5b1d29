"""The officers' pages in Chromium: axe finds nothing, nothing overflows, on a phone and on a desk."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import ViewportSize

from kyc.models import Application
from tests.architecture.permissions import World
from tests.browser.conftest import DESKTOP, PHONE, Visitors
from tests.browser.test_accessible import assert_clean, faults
from tests.kyc import casework
from tests.proofs import a_published_snapshot
from tests.settling import place

PAGES = (
    "index",
    "accounts_user_changelist",
    "accounts_user_change",
    "accounts_wallet_change",
    "compliance_auditrow_changelist",
    "compliance_auditrow_change",
    "compliance_auditrow_show_clauses",
    "compliance_proposal_changelist",
    "compliance_proposal_change",
    "compliance_reservesnapshot_changelist",
    "compliance_reservesnapshot_change",
    "copytrade_killswitch_changelist",
    "kyc_application_change",
    "kyc_case_changelist",
    "kyc_case_change",
    "kyc_document_change",
    "kyc_screeningmatch_change",
    "trading_order_change",
)
EVIDENCE = "docs/audit-trail.md#retention"


@pytest.mark.parametrize(
    ("viewport", "dark"),
    [pytest.param(DESKTOP, False, id="desk-light"), pytest.param(PHONE, True, id="phone-dark")],
)
def test_pages_of_an_officer(visitors: Visitors, viewport: ViewportSize, dark: bool) -> None:
    world = World(timezone.now())
    a_published_snapshot(world.owner)
    proposal = casework.approval_proposed(casework.officer())
    casework.a_match(Application.objects.get(user=proposal.subject_id))
    place(world.owner, nudged=False)
    visitor = visitors(viewport=viewport, dark=dark)
    visitor.sign_in(world.people["superuser"])
    wrong = {}
    for page in PAGES:
        name = f"admin:{page}"
        named = {"object_id": world.object_of(name)} if page.endswith("_change") else {}
        path = reverse(name, kwargs=named)
        assert visitor.open(path).url.endswith(path), page  # a row that is not there leads home
        wrong[page] = faults(visitor)
    evidence = reverse("admin:compliance_auditrow_show_clauses", query={"evidence": EVIDENCE})
    assert visitor.open(evidence).url.endswith(evidence)
    marked = visitor.page.locator("mark#part")
    assert marked.is_visible()
    assert marked.inner_text().startswith("## Retention")
    wrong["evidence"] = faults(visitor)
    assert_clean(wrong)


@pytest.mark.parametrize(
    ("viewport", "dark"),
    [pytest.param(DESKTOP, True, id="desk-dark"), pytest.param(PHONE, False, id="phone-light")],
)
def test_a_dialog_keeps_the_focus_and_is_left_by_key_and_button(
    visitors: Visitors, viewport: ViewportSize, dark: bool
) -> None:
    proposal = casework.approval_proposed(casework.officer())
    visitor = visitors(viewport=viewport, dark=dark)
    visitor.sign_in(casework.officer(*casework.WORKS, "compliance.view_proposal"))
    visitor.open(reverse("admin:compliance_proposal_change", args=[proposal.pk]))
    opener = visitor.page.get_by_role("link", name="Refuse", exact=True)
    dialog = visitor.page.get_by_role("dialog", name="Refuse")

    for way_out in ("Escape", "Cancel", "Close"):
        if viewport == PHONE:
            visitor.page.get_by_role("button", name="Actions").click()
        opener.click()
        dialog.wait_for()
        assert dialog.get_by_label("Reason").evaluate("e => e === document.activeElement")
        assert_clean({"dialog": faults(visitor)})
        if way_out == "Escape":
            visitor.page.keyboard.press(way_out)
        else:
            dialog.get_by_role("button", name=way_out).click()
        dialog.wait_for(state="hidden")
        visitor.page.mouse.click(5, 500)
    if viewport == PHONE:
        visitor.page.get_by_role("button", name="Actions").click()
    opener.click()
    dialog.get_by_role("button", name="Refuse").click()
    dialog.get_by_text("This field is required").wait_for()
    assert_clean({"dialog with an error": faults(visitor)})
