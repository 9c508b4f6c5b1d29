"""Makes the demo's database, contract and accounts ready: `python -m agora.runtime.prepare`.

One process for all of it, because loading Django is what takes the time. Its last line of output
is JSON: the contract's address, the accounts, and copy trading. Everything here may be repeated.
"""

import json
import os
import secrets
import sys
from io import StringIO
from typing import Any

import django

from agora.sandbox.client import SandboxControl


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agora.settings")
    django.setup()
    # Imported here, because models exist only after the set-up.
    from django.core.management.base import CommandError
    from django.utils import timezone

    from agora.runtime import demo_accounts, demo_copying, demo_officers
    from compliance import audit

    password = os.environ["AGORA_DEMO_PASSWORD"]
    once = "--once" in sys.argv[1:]
    try:
        _migrate()
        contract = _contract()
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    officers, second_factor = demo_officers.ensure(password=password)
    accounts = demo_accounts.ensure(password=password) | officers
    if once:
        accounts["once"] = demo_accounts.add_person(
            email=f"once-{secrets.token_hex(4)}@{demo_accounts.DOMAIN}", password=password
        )
    copying = None
    if sandbox := os.environ.get("AGORA_DEMO_SANDBOX"):
        copying = demo_copying.ensure(
            control=SandboxControl(sandbox), password=password, begin=not once
        )
    # Preparing can take longer than rows may wait for the worker, which would begin with an alarm.
    audit.seal_all(now=timezone.now())
    done = {"contract": contract, "accounts": accounts, "copying": copying}
    print(json.dumps({**done, "second_factor": second_factor}))
    return 0


def _migrate() -> None:
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    # The command itself takes a second even when there is nothing to do.
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        call_command("migrate", interactive=False, verbosity=0)


def _contract() -> dict[str, Any]:
    """Deploy the contract, or find it where the last start left it."""
    from django.conf import settings
    from django.core.management import call_command

    known = settings.DATA_DIR / "contract.json"
    again = []
    if known.exists():
        # Knowing the minter spares asking the custodian, whose SDK takes seconds to load.
        last = json.loads(known.read_text())
        again = ["--minter", last["minter"], "--expect-address", last["address"]]
    output = StringIO()
    call_command("deploy_contract", "--json", *again, stdout=output, stderr=StringIO())
    deployed: dict[str, Any] = json.loads(output.getvalue().splitlines()[-1])
    known.write_text(json.dumps(deployed, indent=1) + "\n")
    return deployed


if __name__ == "__main__":
    sys.exit(main())
