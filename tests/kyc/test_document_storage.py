"""The storage of documents: a folder or a bucket; what fails midway leaves neither row nor file."""

import resource
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from django.utils import timezone
from moto.server import ThreadedMotoServer
from pytest_django import Settings

from accounts.models import User
from agora import doctor
from agora.checks import check_documents
from compliance.models import AuditRow
from kyc import documents, storage
from kyc.documents import DocumentsUnavailable
from kyc.models import Document, DocumentPage
from tests.clamd import running
from tests.document_files import pdf
from tests.kyc.conftest import Show, files_in

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """A server that speaks S3 over HTTP."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _host, port = server.get_host_and_port()
    yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, settings: Settings) -> Any:
    """An empty bucket, and documents configured to lie in it."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="agora")
    settings.DOCUMENTS_S3_BUCKET = "agora"
    settings.DOCUMENTS_S3_ENDPOINT = s3_server
    settings.DOCUMENTS_S3_KEY_ID, settings.DOCUMENTS_S3_SECRET = "key", "secret"
    settings.DOCUMENTS_S3_PREFIX = "documents/"
    yield client
    for found in client.list_objects_v2(Bucket="agora").get("Contents", []):
        client.delete_object(Bucket="agora", Key=found["Key"])
    client.delete_bucket(Bucket="agora")


def in_bucket(client: Any) -> list[str]:
    return [found["Key"] for found in client.list_objects_v2(Bucket="agora").get("Contents", [])]


def assert_no_rows() -> None:
    assert not Document.objects.exists()
    assert not DocumentPage.objects.exists()
    assert not AuditRow.objects.filter(action__startswith="document.").exists()


def test_a_bucket_holds_the_sealed_pages_and_gives_them_back(
    bucket: Any, show: Show, person: User, folder: Path
) -> None:
    document = show("passport", pdf(2))

    keys = sorted(f"documents/{page.storage_key}" for page in document.pages.all())
    assert sorted(in_bucket(bucket)) == keys
    head = bucket.head_object(Bucket="agora", Key=keys[0])
    assert head["ServerSideEncryption"] == "AES256"
    assert b"JFIF" not in bucket.get_object(Bucket="agora", Key=keys[0])["Body"].read()
    image = documents.page_image(document_id=document.pk, page=1, viewer=person, now=timezone.now())
    assert image.startswith(b"\xff\xd8\xff")
    assert not files_in(folder)


def test_a_withdrawn_document_leaves_the_bucket(
    bucket: Any, show: Show, person: User, django_capture_on_commit_callbacks: Any
) -> None:
    document = show("passport", pdf(2))

    with django_capture_on_commit_callbacks(execute=True):
        documents.withdraw(user=person, document_id=document.pk, now=timezone.now())

    assert not in_bucket(bucket)


def test_a_bucket_that_does_not_answer_refuses_with_words(
    bucket: Any, show: Show, settings: Settings
) -> None:
    settings.DOCUMENTS_S3_ENDPOINT = "http://127.0.0.1:9"

    with pytest.raises(DocumentsUnavailable) as refused:
        show("passport")

    assert refused.value.code == "storage"
    assert "Try again" in refused.value.message
    assert_no_rows()


def test_a_bucket_that_is_not_there_refuses_too(
    bucket: Any, show: Show, settings: Settings
) -> None:
    settings.DOCUMENTS_S3_BUCKET = "another"

    with pytest.raises(DocumentsUnavailable):
        show("passport")

    assert_no_rows()


def test_what_is_missing_in_the_bucket_is_told_to_be_lost(
    bucket: Any, show: Show, person: User
) -> None:
    document = show("passport")
    bucket.delete_object(Bucket="agora", Key=in_bucket(bucket)[0])

    with pytest.raises(DocumentsUnavailable) as lost:
        documents.page_image(document_id=document.pk, page=1, viewer=person, now=timezone.now())

    assert lost.value.code == "lost"


def test_the_sweep_leaves_alone_what_is_not_ours_in_the_bucket(
    bucket: Any, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = show("passport")
    bucket.put_object(Bucket="agora", Key="documents/README.txt", Body=b"mine")
    bucket.put_object(Bucket="agora", Key="documents/" + "0" * 48, Body=b"orphan")

    removed = documents.sweep(now=timezone.now() + timedelta(hours=2))

    assert removed == 1
    kept = f"documents/{document.pages.get().storage_key}"
    assert sorted(in_bucket(bucket)) == sorted(["documents/README.txt", kept])


@pytest.mark.fault
def test_a_full_disk_is_told_and_leaves_nothing(show: Show, folder: Path) -> None:
    _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DocumentsUnavailable) as refused:
            show("passport", pdf(2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))

    assert refused.value.code == "storage_full"
    assert not files_in(folder)
    assert_no_rows()


@pytest.mark.fault
def test_a_storage_that_fails_at_the_second_page_keeps_not_the_first_either(
    show: Show, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, done = Path.rename, []

    def fails_later(path: Path, target: Path) -> Path:
        done.append(target)
        if len(done) == 2:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_later)

    with pytest.raises(DocumentsUnavailable) as refused:
        show("passport", pdf(3))

    assert refused.value.code == "storage"
    assert len(done) == 2
    assert not files_in(folder)
    assert_no_rows()


@pytest.mark.fault
def test_a_folder_that_cannot_be_made_is_told(show: Show, folder: Path) -> None:
    folder.write_text("a file stands in its place")

    with pytest.raises(DocumentsUnavailable) as refused:
        show("passport")

    assert refused.value.code == "storage"
    assert_no_rows()


def test_the_sweep_removes_what_no_row_names_once_it_is_old(show: Show, folder: Path) -> None:
    document = show("passport")
    orphan, draft = "a" * 48, "b" * 48 + ".part"
    for name in (orphan, draft):
        path = folder / name[:2] / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"left behind")
    (folder / "aa" / "notes.txt").write_text("somebody else's")
    now = timezone.now()

    assert documents.sweep(now=now) == 0
    assert documents.sweep(now=now + timedelta(hours=2)) == 2

    assert sorted(path.name for path in files_in(folder)) == sorted(
        ["notes.txt", document.pages.get().storage_key]
    )


@pytest.mark.parametrize(
    "key", ["../../etc/passwd", "", "a" * 47, "A" * 48, "a" * 48 + "\n", "/etc"]
)
def test_no_key_leads_out_of_the_folder(folder: Path, key: str) -> None:
    place = storage.Folder(folder)

    for call in (lambda: place.read(key), lambda: place.delete(key), lambda: place.write(key, b"")):
        with pytest.raises(storage.Gone):
            call()
    assert not files_in(folder)


def test_what_is_written_is_never_half_there(folder: Path) -> None:
    place = storage.Folder(folder)
    key = storage.new_key()
    place.write(key, b"whole")

    names = [path.name for path in files_in(folder)]
    assert names == [key]
    assert place.read(key) == b"whole"


def test_a_storage_below_the_static_files_is_an_error(settings: Settings) -> None:
    assert not check_documents()

    settings.DOCUMENTS_DIR = settings.STATIC_ROOT / "documents"

    assert [message.id for message in check_documents()] == ["agora.E005"]


def test_the_doctor_tries_the_storage(folder: Path) -> None:
    assert str(folder) in _finding("documents").detail
    assert not files_in(folder)
    for path in folder.iterdir():
        path.rmdir()
    folder.rmdir()
    folder.write_text("a file stands in its place")

    assert not _finding("documents").ok


def test_the_doctor_asks_the_scanner(settings: Settings) -> None:
    assert "NONE CONFIGURED" in _finding("virus scanner").detail
    with running() as (address, _server):
        settings.CLAMD_ADDRESS = address
        assert _finding("virus scanner").ok
    assert not _finding("virus scanner").ok


def _finding(name: str) -> doctor.Finding:
    return next(
        doctor._examine(name, check, remedy)
        for found, check, remedy in doctor._CHECKS
        if found == name
    )
