"""The virus scanner: asked when it is configured, and nothing is taken without its word."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import Settings
from pytest_socket import socket_allow_hosts

from kyc import scanning
from kyc.documents import DocumentRefused, DocumentsUnavailable
from kyc.models import Document
from tests.clamd import EICAR, Clamd, running
from tests.document_files import pdf, picture
from tests.kyc.conftest import Show, files_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def clamd(settings: Settings) -> Iterator[Clamd]:
    with running() as (address, server):
        settings.CLAMD_ADDRESS = address
        yield server


def test_a_clean_file_is_seen_whole_and_taken(clamd: Clamd, show: Show) -> None:
    data = picture(size=(3000, 2000), quality=100)
    assert len(data) > 200_000  # more than one chunk

    assert show("passport", data).state == "PENDING"

    assert clamd.seen == [data]


def test_an_infected_file_is_refused_before_it_is_opened(
    clamd: Clamd, show: Show, folder: Path
) -> None:
    with pytest.raises(DocumentRefused) as refused:
        show("passport", pdf(title=EICAR.decode()) + EICAR)

    assert refused.value.code == "infected"
    assert not Document.objects.exists()
    assert not files_in(folder)


def test_a_file_that_is_refused_anyway_is_not_sent_to_the_scanner(clamd: Clamd, show: Show) -> None:
    with pytest.raises(DocumentRefused):
        show("passport", b"not a document")

    assert not clamd.seen


@pytest.mark.fault
@pytest.mark.parametrize(
    "answer",
    [b"INSTREAM: Can't allocate memory ERROR\0", b"stream: OK FOUND?\0", b"\0", b"stream: OKAY\0"],
)
def test_a_scanner_that_does_not_say_ok_stops_the_upload(
    clamd: Clamd, show: Show, folder: Path, answer: bytes
) -> None:
    clamd.answer = answer  # type: ignore[misc]

    with pytest.raises(DocumentsUnavailable) as refused:
        show()

    assert refused.value.code == "scanner"
    assert not Document.objects.exists()
    assert not files_in(folder)


@pytest.mark.fault
def test_a_file_beyond_the_scanners_limit_is_not_taken(clamd: Clamd, show: Show) -> None:
    clamd.limit = 100_000

    with pytest.raises(DocumentsUnavailable):
        show("passport", picture(size=(3000, 2000), quality=100))

    assert not Document.objects.exists()


@pytest.mark.fault
def test_a_scanner_that_is_not_there_stops_the_upload(
    show: Show, settings: Settings, folder: Path
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        settings.CLAMD_ADDRESS = f"127.0.0.1:{unused.getsockname()[1]}"

        with pytest.raises(DocumentsUnavailable) as refused:
            show()

    assert refused.value.code == "scanner"
    assert not Document.objects.exists()
    assert not files_in(folder)


@pytest.mark.fault
def test_a_scanner_that_hangs_is_given_up(
    show: Show, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_ANSWER_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings.CLAMD_ADDRESS = f"127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(DocumentsUnavailable):
            show()

    assert not Document.objects.exists()


@pytest.fixture
def _sockets_at_paths() -> None:
    """Besides loopback, which is all that tests may reach otherwise."""
    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


@pytest.mark.usefixtures("_sockets_at_paths")
def test_a_scanner_at_a_path_is_asked(show: Show, settings: Settings, tmp_path: Path) -> None:
    with running(tmp_path / "clamd.sock") as (address, server):
        settings.CLAMD_ADDRESS = address

        show()

        assert len(server.seen) == 1


@pytest.mark.fault
@pytest.mark.usefixtures("_sockets_at_paths")
def test_no_scanner_at_the_path_stops_the_upload(
    show: Show, settings: Settings, tmp_path: Path
) -> None:
    settings.CLAMD_ADDRESS = str(tmp_path / "nothing.sock")

    with pytest.raises(DocumentsUnavailable):
        show()
