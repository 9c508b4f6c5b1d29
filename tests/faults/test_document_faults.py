"""Uploads to a real web server: endless ones, lying ones, and a server killed in the middle."""

import http.client
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.token_store import issue_token
from compliance.models import AuditRow
from kyc import documents
from kyc.models import Document, DocumentPage
from tests.document_files import pdf, picture
from tests.faults.worker import wait_until
from tests.kyc.conftest import files_in
from tests.people import willing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.fault]
_ROOT = Path(__file__).resolve().parents[2]
GIGABYTE = 10**9
BOUNDARY = "boundary"


class Server:
    """gunicorn with one process, its temporary files and failpoints in folders of its own."""

    def __init__(self, *, folder: Path, documents_dir: Path) -> None:
        self.temporary = folder / "tmp"
        self.points = folder / "failpoints"
        for path in (self.temporary, self.points):
            path.mkdir()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._log = folder / "web.log"
        self._connections: list[http.client.HTTPConnection] = []
        environ = {
            **os.environ,
            "FAILPOINTS_DIR": str(self.points),
            "DOCUMENTS_DIR": str(documents_dir),
            "TMPDIR": str(self.temporary),
            "API_RATE_DOCUMENT": "0",
        }
        command = [sys.executable, "-W", "ignore", "-m", "gunicorn", "agora.wsgi:application"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--worker-class", "gthread"]
        command += ["--workers", "1", "--threads", "4", "--no-control-socket"]
        command += ["--worker-tmp-dir", str(folder)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(self.answers, limit=60, what="web server\n" + self._log.read_text())

    def answers(self) -> bool:
        """Whether it takes requests."""
        try:
            connection = self.connect()
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except OSError:
            return False

    def connect(self) -> http.client.HTTPConnection:
        """A connection, closed with the server."""
        self._connections.append(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60))
        return self._connections[-1]

    def worker(self) -> int:
        """Process id of the one that answers."""
        path = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        wait_until(lambda: bool(path.read_text().split()), limit=30, what="a worker")
        return int(path.read_text().split()[0])

    def most_memory(self) -> int:
        """The most bytes that the worker has ever had in memory."""
        status = Path(f"/proc/{self.worker()}/status").read_text()
        (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) * 1024

    def stop(self) -> None:
        for connection in self._connections:
            connection.close()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DOCUMENTS_DIR = tmp_path / "documents"
    return tmp_path / "documents"


@pytest.fixture
def server(tmp_path: Path, folder: Path) -> Iterator[Server]:
    started = Server(folder=tmp_path, documents_dir=folder)
    yield started
    started.stop()


@pytest.fixture
def person() -> User:
    return willing()


@pytest.fixture
def headers(person: User) -> dict[str, str]:
    _row, token = issue_token(
        user=person, name="phone", scopes=("read", "trade"), expires_at=None, now=timezone.now()
    )
    kind = f"multipart/form-data; boundary={BOUNDARY}"
    return {"Authorization": f"Bearer {token}", "Content-Type": kind}


def beginning(kind: str = "passport") -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="kind"\r\n\r\n{kind}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n'
        "Content-Type: image/jpeg\r\n\r\n"
    ).encode()


END = f"\r\n--{BOUNDARY}--\r\n".encode()


def address(person: User) -> str:
    return f"/api/v1/users/{person.pk}/documents"


def assert_nothing_stored(folder: Path) -> None:
    assert not Document.objects.exists()
    assert not DocumentPage.objects.exists()
    assert not AuditRow.objects.filter(action__startswith="document.").exists()
    assert not files_in(folder)


def post(server: Server, person: User, headers: dict[str, str], data: bytes) -> Any:
    connection = server.connect()
    connection.request("POST", address(person), beginning() + data + END, headers)
    answer = connection.getresponse()
    answer.read()
    return answer


def test_an_announced_gigabyte_is_refused_before_it_is_sent(
    server: Server, person: User, headers: dict[str, str], folder: Path
) -> None:
    post(server, person, headers, b"warm")
    before = server.most_memory()
    connection = server.connect()
    connection.putrequest("POST", address(person))
    for name, value in {**headers, "Content-Length": str(GIGABYTE)}.items():
        connection.putheader(name, value)
    connection.endheaders(beginning())

    answer = connection.getresponse()

    assert answer.status == 413
    assert b"payload_too_large" in answer.read()
    assert server.most_memory() - before < 30_000_000
    assert not list(server.temporary.iterdir())
    assert_nothing_stored(folder)


def test_a_gigabyte_without_announcement_is_never_kept(
    server: Server, person: User, headers: dict[str, str], folder: Path
) -> None:
    post(server, person, headers, b"warm")
    before = server.most_memory()
    connection = server.connect()
    connection.putrequest("POST", address(person))
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    piece = b"\xff\xd8\xff" + bytes(10**6)
    written = _send_until_answered(connection.sock, beginning(), piece)

    answer = connection.getresponse()

    assert answer.status in (400, 411, 413, 422)
    assert written < GIGABYTE
    assert server.most_memory() - before < 30_000_000
    assert not list(server.temporary.iterdir())
    assert_nothing_stored(folder)


def _send_until_answered(sock: socket.socket, first: bytes, piece: bytes) -> int:
    """Bytes that went out in chunks until the server said something, or a gigabyte."""
    written = 0
    for data in [first, *[piece] * 1000]:
        if select.select([sock], [], [], 0)[0]:
            break
        try:
            sock.sendall(b"%x\r\n" % len(data) + data + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            break
        written += len(data)
    return written


def test_a_file_somewhat_too_large_is_read_dropped_and_told_at_its_field(
    server: Server, person: User, headers: dict[str, str], folder: Path
) -> None:
    post(server, person, headers, bytes(9_000_000))
    before = server.most_memory()

    connection = server.connect()
    body = beginning() + bytes(35_000_000) + END
    connection.request("POST", address(person), body, headers)
    answer = connection.getresponse()

    assert answer.status == 422
    assert b"too_large" in answer.read()
    assert server.most_memory() - before < 15_000_000
    assert not list(server.temporary.iterdir())
    assert_nothing_stored(folder)


@pytest.mark.parametrize("point", ["document.after_page", "document.before_commit"])
def test_a_server_killed_in_the_middle_leaves_no_row_and_the_sweep_no_file(
    server: Server, person: User, headers: dict[str, str], folder: Path, point: str
) -> None:
    (server.points / f"{point}@{person.kyc_application.pk}").write_text("kill")
    killed = server.worker()

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        post(server, person, headers, pdf(3))

    wait_until(lambda: server.worker() != killed, limit=30, what="another worker")
    wait_until(server.answers, limit=60, what="its answer")
    assert not Document.objects.exists()
    assert len(files_in(folder)) == (1 if point == "document.after_page" else 3)
    documents.sweep(now=timezone.now() + timedelta(hours=2))
    assert_nothing_stored(folder)
    assert post(server, person, headers, pdf(3)).status == 201
    assert len(files_in(folder)) == DocumentPage.objects.count() == 3


def test_a_server_killed_while_a_page_is_drawn_takes_the_drawing_process_along(
    server: Server, person: User, headers: dict[str, str], folder: Path
) -> None:
    sock = socket.create_connection(("127.0.0.1", server.port))
    body = beginning() + picture("PNG", size=(7000, 7000)) + END
    lines = [f"POST {address(person)} HTTP/1.1", "Host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    sock.sendall("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
    worker = server.worker()
    wait_until(lambda: bool(_drawing_below(worker)), limit=30, what="the drawing process")
    (drawing,) = _drawing_below(worker)

    os.kill(worker, signal.SIGKILL)

    wait_until(lambda: not _is_alive(drawing), limit=10, what="the end of the drawing process")
    sock.close()
    assert_nothing_stored(folder)


def _drawing_below(worker: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{worker}/task").iterdir():
        for child in (task / "children").read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            if b"converter.py" in command:
                found.append(int(child))
    return found


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
