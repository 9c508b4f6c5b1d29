"""`manage.py doctor`: is everything that Agora stands on as it should be?"""

import json
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agora import doctor


class Command(BaseCommand):
    """Exit codes: 0 all checks passed, 1 some failed."""

    help = "Check settings, database, broker, chain, contract, vendors and clocks."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print a JSON document instead.")

    def handle(self, *args: Any, **options: Any) -> None:
        findings = []
        for finding in doctor.examine():
            findings.append(finding)
            if not options["json"]:
                self._show(finding)
        ok = all(finding.ok for finding in findings)
        if options["json"]:
            document = {"ok": ok, "checks": [asdict(finding) for finding in findings]}
            self.stdout.write(json.dumps(document, indent=1))
        if not ok:
            raise SystemExit(1)

    def _show(self, finding: doctor.Finding) -> None:
        mark = self.style.SUCCESS("✓") if finding.ok else self.style.ERROR("✗")
        self.stdout.write(f"{mark} {finding.name:<16} {finding.detail}")
        if not finding.ok:
            self.stdout.write(f"{'':<18} → {finding.remedy}")
