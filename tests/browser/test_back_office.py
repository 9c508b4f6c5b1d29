"""The officers' pages in Chromium: axe finds nothing, nothing overflows, on a phone and on a desk."""

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import ViewportSize

from kyc.models import Application
from tests.architecture.permissions import World
from tests.browser.conftest import DESKTOP, PHONE, Visitors
from tests.browser.test_accessible import assert_clean, inspect
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
        wrong[page] = inspect(visitor)
    evidence = reverse("admin:compliance_auditrow_show_clauses", query={"evidence": EVIDENCE})
    assert visitor.open(evidence).url.endswith(evidence)
    marked = visitor.page.locator("mark#part")
    assert marked.is_visible()
    assert marked.inner_text().startswith("## Retention")
    wrong["evidence"] = inspect(visitor)
    assert_clean(wrong)
