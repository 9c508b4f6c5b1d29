"""Documents over the API (ID-2); hostile files are in tests/kyc/test_document_files.py."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from kyc import documents
from kyc.models import Document
from tests.api.conftest import Answer, Api, assert_problem, pointers
from tests.document_files import pdf, picture, sent
from tests.kyc.conftest import files_in
from tests.people import new_officer, onboarded, willing

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    return tmp_path / "documents"


@pytest.fixture
def buyer() -> Api:
    """Somebody who has agreed to show documents."""
    return Api(willing())


def path_of(api: Api, document: object = "") -> str:
    assert api.user is not None
    return f"/api/v1/users/{api.user.pk}/documents" + (f"/{document}" if document else "")


def upload(api: Api, *, path: str = "", **fields: Any) -> Answer:
    body = {"kind": "passport", "file": sent(picture()), **fields}
    body = {name: value for name, value in body.items() if value is not None}
    response = api.client.post(path or path_of(api), body, headers=api.headers)
    return Answer(response.status_code, response.json(), response.headers, response.content)


def test_an_uploaded_document_waits_and_can_be_read(buyer: Api) -> None:
    answer = upload(buyer, file=sent(pdf(2)))

    assert answer.status == 201
    assert answer.headers["Location"] == path_of(buyer, answer.body["id"])
    assert (answer.body["kind"], answer.body["state"]) == ("passport", "PENDING")
    assert (answer.body["media_type"], answer.body["page_count"]) == ("application/pdf", 2)
    assert buyer.get(answer.headers["Location"]).body == answer.body
    assert buyer.get(path_of(buyer)).body == {"results": [answer.body]}


def test_the_same_file_again_gives_the_same_document(buyer: Api) -> None:
    first, again = upload(buyer), upload(buyer)

    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body
    assert Document.objects.count() == 1


def test_a_rejected_document_says_why(buyer: Api) -> None:
    made = upload(buyer)
    documents.reject(
        document_id=made.body["id"],
        officer=new_officer("review_document"),
        reason="other",
        note="Please show both sides",
        now=timezone.now(),
    )

    body = buyer.get(path_of(buyer, made.body["id"])).body

    assert (body["state"], body["reason"], body["note"]) == (
        "REJECTED", "other", "Please show both sides",
    )  # fmt: skip


def test_a_document_is_withdrawn_while_it_waits(buyer: Api) -> None:
    made = upload(buyer)

    assert buyer.call("DELETE", path_of(buyer, made.body["id"])).status == 204
    assert buyer.call("DELETE", path_of(buyer, made.body["id"])).status == 204
    assert_problem(buyer.get(path_of(buyer, made.body["id"])), 404, "not_found")
    assert buyer.get(path_of(buyer)).body == {"results": []}


def test_a_reviewed_document_is_not_withdrawn(buyer: Api) -> None:
    made = upload(buyer)
    officer = new_officer("review_document")
    documents.accept(document_id=made.body["id"], officer=officer, now=timezone.now())

    answer = buyer.call("DELETE", path_of(buyer, made.body["id"]))

    assert_problem(answer, 409, "document_reviewed")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"file": None}, ["#/file"]),
        ({"kind": None}, ["#/kind"]),
        ({"kind": "visa"}, ["#/kind"]),
        ({"file": "text"}, ["#/file"]),
        ({"file": [sent(b"a"), sent(b"b")]}, ["#/file"]),
        ({"name": "mine"}, ["#/name"]),
    ],
)
def test_what_is_wrong_is_pointed_to(
    buyer: Api, folder: Path, fields: dict[str, Any], wrong: list[str]
) -> None:
    answer = upload(buyer, **fields)

    assert_problem(answer, 422, "invalid")
    assert pointers(answer) == wrong
    assert not files_in(folder)


def test_only_a_form_with_a_file_is_taken(buyer: Api) -> None:
    answer = buyer.call("POST", path_of(buyer), {"kind": "passport"})

    assert_problem(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", [b"", b"--b\r\n", b"garbage", b"--b\r\nContent-Disposition: form-data\r\n\r\n--b--"]
)
def test_a_broken_form_is_no_crash(buyer: Api, body: bytes) -> None:
    kind = "multipart/form-data; boundary=b"

    answer = buyer.call("POST", path_of(buyer), raw=body, content_type=kind)

    assert answer.status in (400, 422)


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", "multipart/form-data; boundary=" + "é" * 5]
)
def test_a_form_without_a_proper_boundary_is_malformed(buyer: Api, kind: str) -> None:
    answer = buyer.call("POST", path_of(buyer), raw=b"x", content_type=kind)

    assert_problem(answer, 400, "malformed")


def test_too_many_files_are_malformed(buyer: Api, folder: Path) -> None:
    files: dict[str, Any] = {f"f{number}": sent(b"a") for number in range(20)}
    answer = upload(buyer, **files)

    assert_problem(answer, 400, "malformed")
    assert not files_in(folder)


def test_a_stranger_finds_nothing(buyer: Api, stranger: Api, folder: Path) -> None:
    made = upload(buyer)
    before = files_in(folder)

    for answer in (
        stranger.get(path_of(buyer)),
        stranger.get(path_of(buyer, made.body["id"])),
        stranger.call("DELETE", path_of(buyer, made.body["id"])),
        stranger.call("DELETE", path_of(stranger, made.body["id"])),
        stranger.get(path_of(stranger, uuid4())),
        upload(stranger, path=path_of(buyer)),
    ):
        assert_problem(answer, 404, "not_found")
    assert files_in(folder) == before
    assert Document.objects.get().state == "PENDING"


def test_scopes_and_tokens_are_needed(buyer: Api, anybody: Api) -> None:
    assert buyer.user is not None
    reader = Api(buyer.user, scopes=("read",))

    assert_problem(upload(reader), 403, "insufficient_scope")
    assert reader.get(path_of(reader)).status == 200
    assert_problem(upload(anybody, path=path_of(buyer)), 401, "unauthenticated")


def test_who_has_not_onboarded_shows_nothing(api: Api, folder: Path) -> None:
    assert_problem(upload(api), 403, "not_approved")
    assert api.get(path_of(api)).body == {"results": []}
    assert not files_in(folder)


def test_uploads_are_limited_by_the_minute(buyer: Api, settings: Settings) -> None:
    settings.API_RATES = {**settings.API_RATES, "document": 1}

    answers = [upload(buyer, file=sent(b"x")) for _ in range(5)]

    assert 429 in [answer.status for answer in answers]


def test_storage_that_is_away_is_told_with_when_to_come_back(buyer: Api, folder: Path) -> None:
    folder.write_text("a file stands in its place")

    answer = upload(buyer)

    assert_problem(answer, 503, "unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert not Document.objects.exists()


def test_without_consent_nothing_is_taken(folder: Path) -> None:
    person = Api(onboarded())

    answer = upload(person)

    assert_problem(answer, 409, "consent_needed")
    assert not files_in(folder)
