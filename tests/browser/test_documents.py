"""Documents in a browser: uploaded without a script, looked at, withdrawn, by keyboard and phone alike."""

from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import ViewportSize
from pytest_django import Settings

from kyc import documents
from kyc.models import Document
from tests.browser.conftest import PHONE, Visitors
from tests.browser.test_accessible import VIEWS, assert_clean, inspect
from tests.document_files import pdf, picture, sent
from tests.people import new_officer, willing


@pytest.fixture(autouse=True)
def _folder(settings: Settings, tmp_path: Path) -> None:
    settings.DOCUMENTS_DIR = tmp_path / "documents"


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_document_is_uploaded_looked_at_and_withdrawn(
    visitors: Visitors, tmp_path: Path, script: bool
) -> None:
    file = tmp_path / "bill.pdf"
    file.write_bytes(pdf(2))
    visitor = visitors(viewport=PHONE, script=script)
    visitor.sign_in(willing())
    page = visitor.open("/verification/documents/")

    page.locator("#id_kind").select_option("proof_of_address")
    page.locator("#id_file").set_input_files(str(file))
    page.get_by_role("button", name="Upload").click()
    page.get_by_text("Waits for review", exact=True).wait_for()
    page.get_by_role("link", name="Look at it").click()
    visitor.sees("Proof of address")
    page.get_by_role("img", name="Proof of address, page 1").wait_for()
    if script:
        page.locator("main img").first.evaluate(
            "image => image.decode()"
        )  # raises for a broken one
    page.get_by_role("link", name="Withdraw").click()
    page.get_by_role("button", name="Withdraw the document").click()
    page.get_by_text("No documents yet").wait_for()


def test_a_wrong_file_is_told_at_its_field(visitors: Visitors, tmp_path: Path) -> None:
    file = tmp_path / "passport.jpg"
    file.write_bytes(b"not a picture")
    visitor = visitors()
    visitor.sign_in(willing())
    page = visitor.open("/verification/documents/")

    page.locator("#id_file").set_input_files(str(file))
    page.get_by_role("button", name="Upload").click()

    page.get_by_text("This is not a JPEG, PNG, WebP or PDF file").wait_for()
    described = page.locator("#id_file").get_attribute("aria-describedby") or ""
    assert "id_file_error" in described
    assert page.locator("#id_file").get_attribute("accept") == (
        "image/jpeg,image/png,image/webp,application/pdf"
    )


@pytest.mark.parametrize("viewport", VIEWS)
def test_the_pages_of_documents_are_accessible(visitors: Visitors, viewport: ViewportSize) -> None:
    user, officer, now = willing(), new_officer("review_document"), timezone.now()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(user)
    wrong = {}
    visitor.open("/verification/documents/")
    wrong["empty"] = inspect(visitor)
    visitor.page.get_by_role("button", name="Upload").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["errors"] = inspect(visitor)
    taken = {
        kind: documents.store(user=user, kind=kind, file=sent(picture()), now=now)
        for kind in Document.Kind.values[:3]
    }
    accepted, rejected, waiting = taken.values()
    documents.accept(document_id=accepted.pk, officer=officer, now=now)
    documents.reject(document_id=rejected.pk, officer=officer, reason="other", note="Why", now=now)
    for path in (
        "/verification/documents/",
        f"/verification/documents/{waiting.pk}/",
        f"/verification/documents/{rejected.pk}/",
        f"/verification/documents/{waiting.pk}/withdraw/",
        "/account/settings/",
    ):
        visitor.open(path)
        wrong[path] = inspect(visitor)
    assert_clean(wrong)
