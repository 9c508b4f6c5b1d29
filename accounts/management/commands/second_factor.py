"""`manage.py second_factor reset`: for people who lost their second factor and all recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts import lost_factors
from accounts.models import User


class Command(BaseCommand):
    help = "Remove all second factors of an account, after its owner has shown who they are."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("action", choices=["reset"])
        parser.add_argument("email", help="of the account")
        parser.add_argument(
            "--reason",
            required=True,
            help="how its owner has shown who they are; kept in the trail",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError("There is no account with this e-mail address.")
        if not options["reason"].strip():
            raise CommandError("Say how the owner has shown who they are: --reason.")
        count = lost_factors.remove_all(user=user, reason=options["reason"], now=timezone.now())
        self.stdout.write(f"{count} removed; all sessions are signed out, and the owner is told.")
