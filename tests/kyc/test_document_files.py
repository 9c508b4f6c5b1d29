"""Hostile, broken and strange files: refused with a reason, nothing stored, nothing crashes.

What is uploaded here goes through the API as a phone's app would send it.
"""

import errno
import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from accounts.models import User
from compliance.models import AuditRow
from kyc import conversion
from kyc.models import Document, DocumentPage
from tests.api.conftest import Answer, Api, assert_problem
from tests.document_files import REFUSED, pdf, picture, sent
from tests.kyc.conftest import files_in

pytestmark = pytest.mark.django_db
# What Hypothesis changes: one of each type, small, so that many tries are fast.
SEEDS = [picture(), picture("PNG"), picture("WEBP"), pdf(1)]


@pytest.fixture
def api(person: User, settings: Settings) -> Api:
    settings.API_RATES = {**settings.API_RATES, "document": 0}
    return Api(person)


def upload(api: Api, data: bytes, *, kind: str = "passport", name: str = "photo.jpg") -> Answer:
    assert api.user is not None
    path = f"/api/v1/users/{api.user.pk}/documents"
    body = {"kind": kind, "file": sent(data, name=name)}
    response = api.client.post(path, body, headers=api.headers)
    return Answer(response.status_code, response.json(), response.headers, response.content)


def assert_nothing_stored(folder: Path) -> None:
    assert not Document.objects.exists()
    assert not DocumentPage.objects.exists()
    assert not AuditRow.objects.filter(action__startswith="document.").exists()
    assert not files_in(folder)


@pytest.mark.parametrize("name", REFUSED)
def test_a_hostile_file_is_refused_with_its_reason(api: Api, folder: Path, name: str) -> None:
    code, make = REFUSED[name]

    answer = upload(api, make())

    problem = assert_problem(answer, 422, "invalid")
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [("#/file", code)]
    assert "%(" not in problem["errors"][0]["detail"]
    assert_nothing_stored(folder)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.sampled_from(SEEDS),
    changes=st.lists(
        st.tuples(
            st.sampled_from(["flip", "cut", "insert", "repeat", "zero", "huge"]),
            st.floats(0, 1),
            st.binary(min_size=1, max_size=16),
        ),
        min_size=1,
        max_size=6,
    ),
)
def test_no_changed_file_crashes_anything_or_is_half_stored(
    api: Api, folder: Path, seed: bytes, changes: list[tuple[str, float, bytes]]
) -> None:
    DocumentPage.objects.all().delete()
    Document.objects.all().delete()
    for path in files_in(folder):
        path.unlink()
    data = seed
    for change, place, extra in changes:
        data = changed(data, change, int(place * len(data)), extra)

    answer = upload(api, data)

    if answer.status == 422:
        assert not Document.objects.exists()
        assert not files_in(folder)
    else:
        assert answer.status == 201, answer.raw
        assert len(files_in(folder)) == DocumentPage.objects.count() == answer.body["page_count"]


def changed(data: bytes, change: str, at: int, extra: bytes) -> bytes:
    """The file with one thing wrong, at a place of it."""
    if change == "flip":
        return data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 4]) + data[at + 4 :]
    if change == "cut":
        return data[:at]
    if change == "insert":
        return data[:at] + extra + data[at:]
    if change == "repeat":
        return data[:at] + data[at : at + 500] * 3 + data[at:]
    filling = b"\0" if change == "zero" else b"\xff"
    return data[:at] + filling * 4 + data[at + 4 :]


def test_noise_behind_every_magic_number_is_refused(api: Api, folder: Path) -> None:
    noise = random.Random(7)
    for magic in (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\x27\0\0WEBP", b"%PDF-1.7"):
        answer = upload(api, magic + noise.randbytes(10_000))
        assert answer.status == 422, magic
    assert_nothing_stored(folder)


def test_a_file_that_takes_too_long_is_given_up_and_its_process_is_gone(
    api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversion, "MOST_SECONDS", 0.02)
    started: list[subprocess.Popen[bytes]] = []

    class Watched(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)

    answer = upload(api, picture(size=(4000, 3000)))

    assert answer.body["errors"][0]["code"] == "unreadable"
    assert [process.returncode for process in started] == [-9]
    assert_nothing_stored(folder)


def test_what_had_to_be_given_up_counts_among_the_files_of_the_day(
    api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kyc.documents.uploading.MOST_A_DAY", 2)
    assert upload(api, b"no picture").status == 422  # costs nothing, counts for nothing
    with monkeypatch.context() as slow:
        slow.setattr(conversion, "MOST_SECONDS", 0.02)
        heavy = picture(size=(4000, 3000))
        assert [upload(api, heavy).status for _ in range(2)] == [422, 422]

    answer = upload(api, picture())

    problem = assert_problem(answer, 409, "too_many_documents")
    assert "in 24 hours" in problem["detail"]
    assert_nothing_stored(folder)


def test_while_others_are_drawn_nobody_waits_long(
    api: Api, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = threading.BoundedSemaphore(2)
    monkeypatch.setattr(conversion, "_AT_ONCE", busy)
    busy.acquire()
    busy.acquire()
    began = time.monotonic()

    answer = upload(api, picture())

    assert time.monotonic() - began < 10
    problem = assert_problem(answer, 503, "unavailable")
    assert "Try again in a minute" in problem["detail"]
    assert int(answer.headers["Retry-After"]) > 0
    assert_nothing_stored(folder)


ATTEMPT = """
import socket, os
def tried(call):
    try:
        call()
    except OSError as error:
        return error.errno
    return 0
path = os.path.abspath(__file__)
{confine}
os.write(1, repr(([tried(call) for call in ({calls},)], sorted(os.environ))).encode())
"""
OPENING = """
lambda: open("/etc/passwd"), socket.socket, os.pipe, socket.socketpair,
lambda: os.close(0) or open("/proc/self/status"), lambda: os.close(2) or socket.socket()
"""
# What needs no descriptor.
REACHING = """
lambda: os.unlink(path), lambda: os.chmod(path, 0o777), lambda: os.stat(path),
lambda: os.rename(path, path + "x"), lambda: os.kill(os.getppid(), 0), os.fork,
lambda: os.execv("/bin/true", ["true"]), lambda: resource.prlimit(0, resource.RLIMIT_CORE)
"""


def attempted(folder: Path, *, confine: str, calls: str) -> list[int]:
    """What a decoder that was taken over would get: error numbers, 0 for what works."""
    program = Path(conversion.__file__).with_name("converter.py").read_text()
    script = folder / "attempt.py"
    attempt = ATTEMPT.format(confine=confine, calls=calls.strip())
    script.write_text(program.replace('if __name__ == "__main__":\n    main()', attempt))
    ran = subprocess.run(
        [sys.executable, "-I", str(script)], capture_output=True, env={}, check=True
    )
    answers, environment = eval(ran.stdout)
    assert set(environment) <= {"LC_CTYPE"}
    return list(answers)


def test_the_drawing_process_can_open_neither_files_nor_connections(tmp_path: Path) -> None:
    """Limits alone see to that, on any machine."""
    answers = attempted(tmp_path, confine="give_up_resources()", calls=OPENING)

    assert answers == [errno.EMFILE] * 6


def test_the_drawing_process_can_reach_no_file_and_no_process_by_name(tmp_path: Path) -> None:
    answers = attempted(
        tmp_path, confine="assert confine()", calls=f"{OPENING.strip()}, {REACHING}"
    )

    assert answers == [errno.EPERM] * 14
    assert (tmp_path / "attempt.py").exists()
    assert conversion.is_filtered()


def test_an_answer_of_the_drawing_process_is_not_believed() -> None:
    for output in (
        b"",
        b"not json\n",
        b"[]\n",
        b'{"pages": []}\n',
        b'{"pages": [{"size": 9, "width": 1, "height": 1}]}\n\xff\xd8\xff',
        b'{"pages": [{"size": 4, "width": 1, "height": 1}]}\nGIF8',
        b'{"pages": [{"size": "x", "width": 1, "height": 1}]}\n',
        b'{"refused": "anything"}\n',
    ):
        with pytest.raises(conversion.Unconvertible):
            conversion._pages(output)
