"""Emptying the database after tests that commit, in a fraction of the time of Django's own flush.

That one truncates every table and makes content types, permissions and groups anew. Here only tables
that hold rows are emptied, and what migrations made is made again only where a test has changed it.
"""

from functools import cache
from typing import Any

from django.core.management.sql import emit_post_migrate_signal
from django.db import connection, transaction

_KEPT = ("auth_group_permissions", "auth_group", "auth_permission", "django_content_type")
# What a migration puts in, and tests change.
_TIERS = "INSERT INTO kyc_tier (number, daily_limit_usd) VALUES (1, 1000), (2, 5000)"
_PERMISSIONS = """
SELECT array(SELECT (app_label, model)::text FROM django_content_type ORDER BY 1),
       array(SELECT (app_label, model, codename, name)::text
             FROM auth_permission p JOIN django_content_type t ON t.id = content_type_id ORDER BY 1),
       array(SELECT (g.name, app_label, codename)::text FROM auth_group g
             LEFT JOIN auth_group_permissions ON group_id = g.id
             LEFT JOIN auth_permission p ON p.id = permission_id
             LEFT JOIN django_content_type t ON t.id = content_type_id ORDER BY 1)
"""


def permissions() -> Any:
    """Content types, permissions, and groups with theirs."""
    with connection.cursor() as cursor:
        cursor.execute(_PERMISSIONS)
        return cursor.fetchone()


def empty_tables(*, kept: Any) -> None:
    """Delete every row, also of tables that refuse it, but leave tiers and `kept`, the permissions."""
    tables = _tables()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")  # no trigger, no foreign key
        # Whoever still writes commits or ends first; what came later would be left behind.
        cursor.execute(f"LOCK TABLE {', '.join(tables)} IN SHARE ROW EXCLUSIVE MODE")
        cursor.execute(
            " UNION ALL ".join(f"SELECT '{t}' WHERE EXISTS (SELECT FROM {t})" for t in tables)
        )
        filled = [name for (name,) in cursor.fetchall()]
        cursor.execute("; ".join([*(f"DELETE FROM {name}" for name in filled), _TIERS]))
    if permissions() != kept:
        _make_permissions()


def _make_permissions() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("; ".join(f"DELETE FROM {name}" for name in _KEPT))
    emit_post_migrate_signal(verbosity=0, interactive=False, db=connection.alias)


@cache
def _tables() -> list[str]:
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return sorted(set(names) - set(_KEPT))
