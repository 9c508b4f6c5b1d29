"""The log lines of the parts as the demo shows them."""

from io import StringIO
from pathlib import Path

from agora.runtime.logs import Follower, readable


def test_a_json_line_becomes_time_event_and_facts() -> None:
    line = (
        '{"timestamp": "2026-11-22T01:45:46.1Z", "level": "info", "event": "Order Submitted", '
        '"order_id": "7", "logger": "agora"}'
    )
    assert readable(line) == "01:45:46 Order Submitted order_id=7"


def test_a_warning_says_so_and_shows_its_traceback() -> None:
    line = (
        '{"timestamp": "2026-11-22T01:45:46.1Z", "level": "error", "event": "Lost", '
        '"exception": "Traceback"}'
    )
    assert readable(line) == "01:45:46 ERROR Lost\nTraceback"


def test_other_lines_stay_as_they_are() -> None:
    for line in ("plain", '{"ready": true}', "[1]", '{"timestamp": 1, "event": "x"}'):
        assert readable(line) == line


def test_new_whole_lines_are_shown_behind_their_part(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("one\ntw")
    out = StringIO()
    follower = Follower(tmp_path, out=out)
    follower.follow(["web"])
    follower.print_new()
    with log.open("a") as file:
        file.write("o\n")
    follower.print_new()
    follower.close()
    assert out.getvalue() == "     web │ one\n     web │ two\n"
