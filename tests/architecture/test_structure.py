"""What the import contract cannot see: foreign keys, task names, constraints (ARCHITECTURE 1)."""

import pytest
from django.apps import apps
from django.conf import settings
from django.db import connection, models

from agora.celery import app as celery
from agora.lib.work import Job
from compliance.reserves.snapshots import BUILD_TASK
from kyc.screening.runs import RUN_TASK
from trading.services import SETTLE_TASK

# From the top to the bottom; the trail's tables hold plain ids and stand below all.
APPS = ["compliance", "copytrade", "trading", "tokens", "custody", "kyc", "accounts", "lib"]
LAYERS = [*APPS, "auth"]  # Django's own groups stand below ours
SAME_LAYER = {"copytrade": "trading"}
OURS = [model for label in APPS for model in apps.get_app_config(label).get_models()]


ForeignKey = models.ForeignKey[models.Model, models.Model]
FOREIGN_KEYS: list[tuple[type[models.Model], ForeignKey]] = [
    (model, field)
    for model in OURS
    for field in model._meta.get_fields()
    if isinstance(field, models.ForeignKey)
]


def named(value: object) -> str:
    meta = getattr(value, "_meta", None)
    return str(meta.label if meta else value)


@pytest.mark.parametrize(("model", "field"), FOREIGN_KEYS, ids=named)
def test_a_foreign_key_points_downward(model: type[models.Model], field: ForeignKey) -> None:
    here, there = model._meta.app_label, field.related_model._meta.app_label

    assert LAYERS.index(there) >= LAYERS.index(here)
    assert here == there or SAME_LAYER.get(here) != there


@pytest.mark.parametrize(("model", "field"), FOREIGN_KEYS, ids=named)
def test_no_money_record_goes_with_what_it_points_to(
    model: type[models.Model], field: ForeignKey
) -> None:
    about_money = {"compliance", "trading", "tokens", "custody", "kyc"}

    if model._meta.app_label in about_money:
        assert field.remote_field.on_delete is models.PROTECT


@pytest.mark.parametrize("name", [SETTLE_TASK, BUILD_TASK, RUN_TASK])
def test_a_task_that_is_nudged_by_name_is_registered(name: str) -> None:
    celery.loader.import_default_modules()

    assert name in celery.tasks


def test_every_scheduled_task_is_registered() -> None:
    celery.loader.import_default_modules()

    scheduled = {str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    assert scheduled <= set(celery.tasks)


def test_every_kind_of_job_is_swept() -> None:
    """A row that waits for work without a sweep would be lost with its nudge."""
    jobs = {model._meta.app_label for model in OURS if issubclass(model, Job)}
    tasks = [str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    swept = {task.split(".")[0] for task in tasks if ".sweep_" in task}

    assert jobs == swept


@pytest.mark.parametrize("model", OURS, ids=named)
def test_no_column_about_money_is_a_float(model: type[models.Model]) -> None:
    assert not [f for f in model._meta.get_fields() if isinstance(f, models.FloatField)]


UNIQUE_KEYS = {
    "kyc_application": {"user_id", "tax_id_index"},
    "accounts_wallet": {"user_id", "address"},
    "custody_custodyrecord": {"reference", "external_tx_id", "custody_tx_id"},
    "tokens_minttx": {"reference", "broker_trade_id", "tx_hash"},
    "tokens_mintattempt": {"external_tx_id", "tx_hash"},
    "trading_order": {"client_order_id", "broker_order_id", "custody_id", "mint_id"},
    "compliance_auditrow": {"uid"},
    "compliance_auditseal": {"row_id"},
}


@pytest.mark.django_db
@pytest.mark.parametrize("table", UNIQUE_KEYS)
def test_the_key_of_every_leg_is_unique_in_the_database(table: str) -> None:
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, table).values()

    unique = {c["columns"][0] for c in found if c["unique"] and len(c["columns"]) == 1}
    assert UNIQUE_KEYS[table] <= unique
