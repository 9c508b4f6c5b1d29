"""Two uploads of one person at the same moment: one waits, nothing is left over."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from compliance.models import AuditRow
from kyc import documents
from kyc.models import Document, DocumentPage
from tests.document_files import pdf, picture, sent
from tests.kyc.conftest import files_in
from tests.people import willing
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)
TIMES = 4


@pytest.fixture
def folder(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # However slow the machine is, no upload is told to come back before the others are drawn.
    monkeypatch.setattr("kyc.conversion._LONGEST_WAIT", 60.0)
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    return tmp_path / "documents"


def assert_files_and_rows_agree(folder: Path) -> None:
    keys = DocumentPage.objects.values_list("storage_key", flat=True)
    assert sorted(path.name for path in files_in(folder)) == sorted(keys)


def test_the_same_file_many_times_is_one_document(folder: Path) -> None:
    user, data, now = willing(), picture(), timezone.now()

    answers = at_once(
        TIMES,
        lambda _: documents.store(user=user, kind="passport", file=sent(data), now=now),
    )

    assert {getattr(answer, "pk", answer) for answer in answers} == {Document.objects.get().pk}
    assert AuditRow.objects.filter(action="document.uploaded").count() == 1
    assert_files_and_rows_agree(folder)


def test_of_many_files_for_one_place_one_waits_and_the_others_are_withdrawn(folder: Path) -> None:
    user, now = willing(), timezone.now()

    answers = at_once(
        TIMES,
        lambda number: documents.store(
            user=user, kind="passport", file=sent(pdf(number + 1)), now=now
        ),
    )

    assert all(isinstance(answer, Document) for answer in answers), answers
    states = sorted(Document.objects.values_list("state", flat=True))
    assert states == ["PENDING", *["WITHDRAWN"] * (TIMES - 1)]
    assert_files_and_rows_agree(folder)


def test_the_limit_holds_for_uploads_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kyc.documents.uploading.MOST_KEPT", 2)
    user, now, kinds = willing(), timezone.now(), Document.Kind.values[:TIMES]

    answers = at_once(
        TIMES,
        lambda number: documents.store(
            user=user, kind=kinds[number], file=sent(picture()), now=now
        ),
    )

    assert sum(isinstance(answer, Document) for answer in answers) == 2
    refused = [answer for answer in answers if isinstance(answer, documents.DocumentRefused)]
    assert [refusal.code for refusal in refused] == ["too_many_documents"] * 2
    assert_files_and_rows_agree(folder)
