"""The trail of settings: a row whenever a process starts with other settings than before.

Every setting of `agora.settings` counts, secrets too: what is stored is a keyed digest of each
value, so that the trail tells that a key was replaced but not which. Numbers and flags, which are
never secret, stand in the row as they are. What belongs to one machine does not count: its folders,
and the network address by which it reaches the exchange.
"""

import importlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.db import connection, transaction

from agora.lib import crypto
from compliance import audit
from compliance.models import AuditRow

_LOCK = 0x5345545452  # any constant: one note of settings at a time
# Several workers with these of their own would take turns in noting that they changed.
_OF_ONE_MACHINE = frozenset({"EGRESS_NAME", "EGRESS_ADDRESSES"})


def note(*, process: str, now: datetime) -> AuditRow | None:
    """Write the row if the settings of this kind of process are not those of its last row.

    `process` is "web" or "worker": they may run with settings of their own.
    """
    values = _values()
    digests = {name: _digest(name, value) for name, value in values.items()}
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        before = _last(process)
        changed = sorted(name for name in digests | before if digests.get(name) != before.get(name))
        if not changed:
            return None
        return audit.record(
            actor=audit.system(process),
            action="settings.changed" if before else "settings.noted",
            object_type="settings",
            object_id=process,
            evidence={
                "changed": changed if before else [],
                "plain": {name: value for name, value in values.items() if _is_plain(value)},
                "digests": digests,
            },
            now=now,
        )


def _last(process: str) -> dict[str, str]:
    rows = AuditRow.objects.filter(object_type="settings", object_id=process)
    row = rows.order_by("-id").first()
    return dict(row.evidence["digests"]) if row else {}


def _values() -> dict[str, Any]:
    """The settings that Agora sets itself, as they are in effect."""
    own = vars(importlib.import_module(os.environ[ENVIRONMENT_VARIABLE]))
    names = sorted(name for name in own if name.isupper() and name not in _OF_ONE_MACHINE)
    return {name: getattr(settings, name) for name in names}


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _digest(name: str, value: object) -> str:
    text = json.dumps(_comparable(value), sort_keys=True, ensure_ascii=False)
    return crypto.blind_index(f"{name}\0{text}", purpose="settings").hex()[:32]


def _comparable(value: Any) -> Any:
    """The same text for the same setting in every process, without code, translations and paths."""
    if isinstance(value, dict):
        return {str(key): _comparable(each) for key, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(each) for each in value)
    if isinstance(value, list | tuple):
        return [_comparable(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    left_out = callable(value) or _is_lazy(value) or isinstance(value, Path)
    return type(value).__name__ if left_out else str(value)


def _is_lazy(value: object) -> bool:
    return type(value).__name__ == "__proxy__"
