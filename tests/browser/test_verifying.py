"""Verification in a browser: what a person sees, and an officer's day from the queue to the decision."""

import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from PIL import Image, ImageDraw
from playwright.sync_api import ViewportSize

from accounts.models import User
from kyc import cases, documents
from kyc.models import Application, Case, Document
from kyc.states import State
from tests.browser.conftest import Visitor, Visitors
from tests.browser.test_accessible import VIEWS, assert_clean, inspect
from tests.kyc import casework
from tests.kyc.casework import fresh, officer
from tests.people import willing

pytestmark = pytest.mark.django_db(transaction=True)


def a_paper(words: str, colour: str) -> SimpleUploadedFile:
    """A picture of a made-up document."""
    picture = Image.new("RGB", (1000, 640), colour)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((40, 120, 300, 520), fill="grey")
    for line in range(6):
        draw.text((360, 120 + 60 * line), f"{words} {line}", fill="black", font_size=40)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return SimpleUploadedFile("paper.png", out.getvalue(), content_type="image/png")


def with_papers(person: User) -> User:
    papers = [
        (Document.Kind.PASSPORT, "PASSPORT", "lightblue"),
        (Document.Kind.PROOF_OF_ADDRESS, "BILL", "lightyellow"),
        (Document.Kind.SELFIE, "FACE", "mistyrose"),
    ]
    for kind, words, colour in papers:
        documents.store(user=person, kind=kind, file=a_paper(words, colour), now=timezone.now())
    return person


@pytest.mark.parametrize("viewport", VIEWS)
def test_the_verification_page_in_every_standing(
    visitors: Visitors, viewport: ViewportSize
) -> None:
    casework.second_tier()
    person = willing()
    visitor = visitors(viewport=viewport)
    visitor.sign_in(person)
    wrong = {}

    def look(name: str) -> None:
        visitor.open("/verification/")
        wrong[name] = inspect(visitor)

    look("open, documents missing")
    casework.with_documents(person)
    look("open, ready")
    case = cases.hand_in(user=person, now=timezone.now())
    look("in review")
    me = officer()
    case = cases.take(case_id=case.pk, officer=me, version=case.version, now=timezone.now())
    case = cases.ask(
        case_id=case.pk,
        officer=me,
        needs=["ADDRESS", "ANSWER"],
        text="Your bill is older than three months.\nWhere do you live now?",
        version=case.version,
        now=timezone.now(),
    )
    look("needs you, document missing")
    person.kyc_application.documents.filter(kind=Document.Kind.PROOF_OF_ADDRESS).update(
        state=Document.State.WITHDRAWN, decided_at=timezone.now()
    )
    casework.document(person, Document.Kind.PROOF_OF_ADDRESS)
    look("needs you")
    visitor.page.get_by_role("button", name="Hand in").click()
    visitor.page.locator(".errorlist").first.wait_for()
    wrong["needs you, nothing answered"] = inspect(visitor)
    case = cases.take(case_id=case.pk, officer=me, version=case.version, now=timezone.now())
    casework.approve(casework.rejection_proposed(me, case), officer())
    look("rejected")
    Application.objects.filter(user=person).update(status=Application.Status.SUSPENDED)
    look("suspended")
    assert_clean(wrong)


def test_a_person_applies_and_two_officers_decide(visitors: Visitors) -> None:
    casework.second_tier()
    person = with_papers(willing())
    mine, second = officer(), officer(*casework.WORKS, "compliance.view_proposal")
    customer = visitors()
    customer.sign_in(person)
    customer.open("/verification/").get_by_role("button", name="Hand in").click()
    customer.page.get_by_text("Being reviewed").wait_for()

    first = visitors()
    first.sign_in(mine)
    first.open("/admin/kyc/case/").get_by_role("button", name="Take next").click()
    first.page.get_by_text("You are reviewing this case").wait_for()
    for _ in range(3):
        _accept_one(first)
    for _ in range(3):
        first.page.get_by_role("button", name="Done").first.click()
        first.page.wait_for_load_state()
    first.page.get_by_role("link", name="Propose to approve").click()
    dialog = first.page.locator("#dialog")
    dialog.get_by_label("Outcome").select_option("VERIFIED")
    dialog.get_by_label("Reason").fill("Name, face and address compared.")
    dialog.get_by_role("button", name="Propose").click()
    first.page.get_by_text("Waits for a second person").first.wait_for()

    other = visitors()
    other.sign_in(second)
    other.open("/admin/compliance/proposal/?waits=me").locator("#result_list tbody a").first.click()
    other.page.get_by_role("link", name="Approve", exact=True).click()
    other.page.locator("#dialog").get_by_role("button", name="Approve").click()
    other.page.get_by_text("Approved. It has taken effect.").wait_for()

    case = Case.objects.get(application__user=person)
    assert case.state == State.APPROVED
    assert fresh(case).application.tier_id == 2
    customer.open("/verification/")
    customer.page.get_by_text("Fully verified").wait_for()


def _accept_one(officer: Visitor) -> None:
    """Choose a document that waits on the left side and accept it by its dialog."""
    waiting = Document.objects.filter(state="PENDING").first()
    assert waiting is not None
    officer.page.goto(officer.page.url.partition("?")[0] + f"?left={waiting.pk}.1")
    officer.page.get_by_role("link", name="Accept", exact=True).first.click()
    officer.page.locator("#dialog").get_by_role("button", name="Accept").click()
    officer.page.get_by_text(f"{waiting.get_kind_display()}: Accepted").wait_for()
