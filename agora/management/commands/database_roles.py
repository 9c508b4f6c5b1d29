"""`manage.py database_roles`: the database roles of web, worker and auditor, and their grants."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import ProgrammingError, connection, transaction

from agora import database_roles


class Command(BaseCommand):
    help = (
        "Print the SQL that makes the database roles and their grants, apply it, or compare. Run it "
        "as the tables' owner after every migration. Exit code 0: done; 1: it differs, or failed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--prefix", default="agora", help="begins the roles' names")
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--apply", action="store_true", help="run the SQL")
        what.add_argument("--check", action="store_true", help="name every grant that differs")
        what.add_argument(
            "--grants", action="store_true", help="print the policy, as docs/database-grants.txt"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        prefix = options["prefix"]
        if not prefix.isidentifier():
            raise CommandError("The prefix is made of letters, digits and underscores.")
        if options["grants"]:
            for grant in database_roles.grants(database_roles.tables()):
                self.stdout.write(grant.line())
        elif options["check"]:
            self._check(prefix)
        elif options["apply"]:
            self._apply(prefix)
        else:
            self.stdout.write("BEGIN;")
            for statement in database_roles.statements(prefix=prefix):
                self.stdout.write(f"{statement};")
            self.stdout.write("COMMIT;")

    def _check(self, prefix: str) -> None:
        if not database_roles.exist(prefix=prefix):
            raise CommandError("The roles do not exist: run this with --apply.", returncode=1)
        differences = database_roles.differences(prefix=prefix)
        if differences:
            raise CommandError("\n".join(differences), returncode=1)
        self.stdout.write("Every grant is as it should be.")

    def _apply(self, prefix: str) -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                for statement in database_roles.statements(prefix=prefix):
                    cursor.execute(statement)
        except ProgrammingError as error:
            raise CommandError(
                f"{error}\nRun this as the tables' owner, with the right to create roles."
            ) from error
        names = ", ".join(f"{prefix}_{role}" for role in database_roles.ROLES)
        self.stdout.write(f"Roles {names} are as they should be. Give each a password:")
        self.stdout.write(f"  \\password {prefix}_{database_roles.WEB}")
