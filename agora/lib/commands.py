"""Management commands with actions, such as `audit verify`."""

from typing import Any

from django.core.management.base import CommandParser


class ActionParser(CommandParser):
    """The parser of one action: what it does not know it refuses itself, and shows its own usage.

    argparse leaves that to the parser of the command, which only knows the names of the actions.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return known, unknown


def actions_of(parser: CommandParser) -> Any:
    """The actions of a command, one of which has to be given; a parser is added for each."""
    return parser.add_subparsers(
        dest="action", required=True, metavar="ACTION", parser_class=ActionParser
    )
