"""The embedded services as every test gets them."""

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection

from accounts.models import User
from agora import roles
from agora.runtime import Services, probes
from compliance.models import AuditRow
from kyc.models import Tier
from tests.people import onboarded


@pytest.mark.django_db
def test_the_database_is_the_embedded_one(services: Services) -> None:
    assert not User.objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 180000
    assert connection.settings_dict["PORT"] == services.postgres.port


@pytest.mark.django_db(transaction=True)
def test_the_tables_are_emptied_also_those_whose_rows_cannot_be_deleted() -> None:
    user = onboarded()
    assert AuditRow.objects.exists()

    call_command("flush", interactive=False, verbosity=0)

    assert not User.objects.exists()
    assert not AuditRow.objects.exists()
    assert Tier.objects.count() == 2
    assert onboarded().pk != user.pk


@pytest.mark.django_db(transaction=True)
def test_groups_that_a_test_changed_are_made_anew() -> None:
    Group.objects.get(name=roles.AUDITOR).permissions.clear()
    Group.objects.create(name="Somebody else's")

    call_command("flush", interactive=False, verbosity=0)

    assert Group.objects.get(name=roles.AUDITOR).permissions.exists()
    assert not Group.objects.filter(name="Somebody else's").exists()


def test_the_cache_is_the_embedded_one() -> None:
    cache.set("key", "value")
    assert cache.get("key") == "value"


def test_the_chain_is_the_embedded_one(services: Services) -> None:
    assert probes.rpc(services.env["CHAIN_RPC_URL"], "eth_chainId") == hex(31337)
