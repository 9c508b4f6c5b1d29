"""The embedded services as every test gets them."""

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection

from agora.runtime import Services, probes


@pytest.mark.django_db
def test_the_database_is_the_embedded_one(services: Services) -> None:
    assert not get_user_model().objects.exists()
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        assert int(cursor.fetchone()[0]) >= 180000
    assert connection.settings_dict["PORT"] == services.postgres.port


@pytest.mark.django_db(transaction=True)
def test_tables_that_refuse_truncate_are_emptied_after_a_test() -> None:
    get_user_model().objects.create_user("a@demo.example", "x")


def test_the_cache_is_the_embedded_one() -> None:
    cache.set("key", "value")
    assert cache.get("key") == "value"


def test_the_chain_is_the_embedded_one(services: Services) -> None:
    assert probes.rpc(services.env["CHAIN_RPC_URL"], "eth_chainId") == hex(31337)
