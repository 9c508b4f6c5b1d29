"""Commands with actions: what an action does not know is refused with that action's own usage."""

from argparse import _SubParsersAction
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandParser

APPS = ("accounts", "agora", "compliance", "copytrade", "kyc", "tokens")


def parser_of(command: str, app: str) -> CommandParser:
    loaded: Any = load_command_class(app, command)
    loaded._called_from_command_line = True
    parser: CommandParser = loaded.create_parser("manage.py", command)
    return parser


def actions() -> list[tuple[str, str, str]]:
    """App, command and action of every command of ours that has actions."""
    return [
        (app, command, name)
        for command, app in sorted(get_commands().items())
        if app in APPS
        for each in parser_of(command, app)._actions
        if isinstance(each, _SubParsersAction)
        for name in each.choices
    ]


@pytest.mark.parametrize(("app", "command", "action"), actions())
def test_an_unknown_option_shows_how_the_action_is_called(
    app: str, command: str, action: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parser_of(command, app).parse_args([action, "--bogus"])

    assert left.value.code == 2
    assert capsys.readouterr().err.startswith(f"usage: manage.py {command} {action} ")
