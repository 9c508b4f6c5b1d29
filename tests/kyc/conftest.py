"""Documents of people in tests: a folder of their own, and a way to show something."""

from collections.abc import Callable
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from kyc import documents
from kyc.models import Document
from tests.document_files import picture, sent
from tests.people import new_officer, willing

Show = Callable[..., Document]


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """The folder that documents are stored in."""
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    return tmp_path / "documents"


@pytest.fixture
def person(db: None, folder: Path) -> User:
    return willing()


@pytest.fixture
def show(person: User) -> Show:
    """Uploads a document of the person's."""

    def upload(
        kind: str = "passport",
        data: bytes = b"",
        *,
        user: User | None = None,
        name: str = "photo.jpg",
    ) -> Document:
        file = sent(data or picture(), name=name)
        return documents.store(user=user or person, kind=kind, file=file, now=timezone.now())

    return upload


@pytest.fixture
def officer(db: None) -> User:
    """Somebody who may look at documents and decide about them."""
    return new_officer("view_document", "review_document")


def files_in(folder: Path) -> list[Path]:
    """Everything that lies in the document storage."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
