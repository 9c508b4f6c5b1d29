"""Sanctions and PEP lists, who was looked up, and what was found."""

import uuid

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("kyc", "0005_cases"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Screening",
            fields=[
                (
                    "application",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="screening",
                        serialize=False,
                        to="kyc.application",
                    ),
                ),
                ("at", models.DateTimeField(db_index=True, verbose_name="looked up")),
                (
                    "loads",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None, verbose_name="in which loads"
                    ),
                ),
            ],
            options={
                "verbose_name": "screening",
                "verbose_name_plural": "screenings",
            },
        ),
        migrations.CreateModel(
            name="ScreeningList",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("name", models.SlugField(max_length=60, verbose_name="list")),
                ("sha256", models.CharField(max_length=64, verbose_name="file, SHA-256")),
                ("loaded_at", models.DateTimeField(verbose_name="loaded")),
                ("loaded_by", models.CharField(max_length=80, verbose_name="loaded by")),
                ("entries_count", models.PositiveIntegerField(verbose_name="persons")),
                ("skipped", models.PositiveIntegerField(verbose_name="not persons, left out")),
                ("added", models.PositiveIntegerField(verbose_name="new")),
                ("changed", models.PositiveIntegerField(verbose_name="changed")),
                ("removed", models.PositiveIntegerField(verbose_name="gone")),
                (
                    "replaced_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="replaced"),
                ),
            ],
            options={
                "verbose_name": "load of a list",
                "verbose_name_plural": "sanctions and PEP lists",
                "ordering": ["-loaded_at"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("replaced_at", None)),
                        fields=("name",),
                        name="kyc_screeninglist_one_active",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ScreeningRun",
            fields=[
                ("next_attempt_at", models.DateTimeField(blank=True, null=True)),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("lease_until", models.DateTimeField(blank=True, null=True)),
                ("lease_token", models.UUIDField(blank=True, null=True)),
                ("last_error", models.TextField(blank=True)),
                ("attention", models.BooleanField(default=False)),
                ("asked_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("missed_lookups", models.PositiveSmallIntegerField(default=0, editable=False)),
                ("sends", models.PositiveSmallIntegerField(default=0, editable=False)),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "cause",
                    models.CharField(
                        choices=[
                            ("LIST", "A list was loaded"),
                            ("NIGHT", "Every night"),
                            ("ASKED", "Asked for"),
                        ],
                        max_length=5,
                        verbose_name="cause",
                    ),
                ),
                ("begun_at", models.DateTimeField(verbose_name="begun")),
                (
                    "finished_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="finished"),
                ),
                ("cursor", models.UUIDField(blank=True, null=True)),
                (
                    "persons",
                    models.PositiveIntegerField(default=0, verbose_name="persons looked up"),
                ),
                ("found", models.PositiveIntegerField(default=0, verbose_name="new matches")),
            ],
            options={
                "verbose_name": "screening of everybody",
                "verbose_name_plural": "screenings of everybody",
                "ordering": ["-begun_at"],
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="kyc_screeningrun_due",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ScreeningEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("source_id", models.CharField(max_length=255, verbose_name="id on the list")),
                ("content", models.JSONField(verbose_name="entry")),
                (
                    "forms",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                (
                    "keys",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                (
                    "identifiers",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                ("digest", models.CharField(max_length=64)),
                (
                    "load",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="entries",
                        to="kyc.screeninglist",
                    ),
                ),
            ],
            options={
                "verbose_name": "person on a list",
                "verbose_name_plural": "persons on lists",
                "indexes": [
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["keys"], name="kyc_screeningentry_keys"
                    ),
                    django.contrib.postgres.indexes.GinIndex(
                        fields=["identifiers"],
                        name="kyc_screeningentry_identifiers",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("load", "source_id"), name="kyc_screeningentry_once_in_a_load"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ScreeningMatch",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("list_name", models.SlugField(max_length=60, verbose_name="list")),
                ("source_id", models.CharField(max_length=255, verbose_name="id on the list")),
                ("digest", models.CharField(max_length=64)),
                ("entry", models.JSONField(verbose_name="entry")),
                ("is_sanctioned", models.BooleanField(verbose_name="under sanctions")),
                (
                    "by",
                    models.CharField(
                        choices=[("NAME", "Name"), ("IDENTIFIER", "Tax id or another number")],
                        max_length=10,
                        verbose_name="found by",
                    ),
                ),
                (
                    "score",
                    models.DecimalField(
                        decimal_places=2, max_digits=5, verbose_name="likeness, per cent"
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OPEN", "To be looked at"),
                            ("CONFIRMED", "It is the same person"),
                            ("DISMISSED", "It is somebody else"),
                        ],
                        default="OPEN",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("found_at", models.DateTimeField(verbose_name="found")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                ("reason", models.TextField(blank=True, max_length=1000, verbose_name="reason")),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="matches",
                        to="kyc.application",
                        verbose_name="application",
                    ),
                ),
                (
                    "decided_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="decided by",
                    ),
                ),
            ],
            options={
                "verbose_name": "match on a list",
                "verbose_name_plural": "matches on lists",
                "ordering": ["-found_at", "-id"],
                "permissions": [
                    ("review_match", "Can decide whether a match on a list is the same person"),
                    ("load_list", "Can have everybody looked up again"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("application", "list_name", "source_id", "digest"),
                        name="kyc_screeningmatch_once_for_an_entry",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("decided_at", None),
                                ("decided_by", None),
                                ("reason", ""),
                                ("state", "OPEN"),
                            ),
                            models.Q(
                                ("decided_at__isnull", False),
                                ("decided_by__isnull", False),
                                ("state__in", ["CONFIRMED", "DISMISSED"]),
                                models.Q(("reason", ""), _negated=True),
                            ),
                            _connector="OR",
                        ),
                        name="kyc_screeningmatch_decision_is_whole",
                    ),
                ],
            },
        ),
    ]
