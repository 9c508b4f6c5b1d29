"""Copies of a person's data, requests for erasure, and how long legal records are kept."""

import uuid
from typing import Any

import django.db.models.deletion
from django.db import migrations, models

# Ten years from the end of the relationship, the longest that AML laws of the countries served ask
# for; counsel has still to name the law (docs/personal-data.md).
IDENTITY_DAYS = 3653
UNCONFIRMED = "Placeholder: chosen by Agora, to be confirmed by counsel"


def fill_rule(apps: Any, schema_editor: Any) -> None:
    apps.get_model("compliance", "RetentionRule").objects.get_or_create(
        kind="identity", defaults={"days": IDENTITY_DAYS, "legal_basis": UNCONFIRMED}
    )


class Migration(migrations.Migration):
    dependencies = [("compliance", "0006_audit_trail")]

    operations = [
        migrations.CreateModel(
            name="DataExport",
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
                ("user_id", models.UUIDField(verbose_name="person")),
                ("requested_by", models.CharField(max_length=80, verbose_name="requested by")),
                ("requested_at", models.DateTimeField(verbose_name="requested")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("REQUESTED", "Being put together"),
                            ("READY", "Ready"),
                            ("EXPIRED", "Expired"),
                        ],
                        default="REQUESTED",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("built_at", models.DateTimeField(blank=True, null=True, verbose_name="ready")),
                ("expires_at", models.DateTimeField(blank=True, null=True, verbose_name="removed")),
                (
                    "size",
                    models.PositiveBigIntegerField(
                        blank=True, null=True, verbose_name="size, bytes"
                    ),
                ),
                (
                    "sha256",
                    models.CharField(blank=True, max_length=64, verbose_name="SHA-256 of the file"),
                ),
                (
                    "downloaded_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="last downloaded"),
                ),
            ],
            options={
                "verbose_name": "copy of a person's data",
                "verbose_name_plural": "copies of people's data",
                "ordering": ["-requested_at", "-id"],
                "permissions": [("request_dataexport", "Can have a copy of a person's data made")],
                "indexes": [
                    models.Index(
                        fields=["user_id", "-requested_at"], name="compliance_export_of_person"
                    ),
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="compliance_export_due",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "REQUESTED")),
                        fields=("user_id",),
                        name="compliance_export_one_at_a_time",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("state", "READY"), _negated=True),
                            models.Q(
                                ("built_at__isnull", False),
                                ("expires_at__isnull", False),
                                ("size__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="compliance_export_ready_has_file",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="ErasureRequest",
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
                ("user_id", models.UUIDField(verbose_name="person")),
                ("requested_by", models.CharField(max_length=80, verbose_name="requested by")),
                ("requested_at", models.DateTimeField(verbose_name="requested")),
                ("execute_after", models.DateTimeField(verbose_name="can be undone until")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("REQUESTED", "Requested"),
                            ("WITHDRAWN", "Withdrawn"),
                            ("CLOSED", "Account closed, legal records kept"),
                            ("ERASED", "Erased"),
                        ],
                        default="REQUESTED",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                (
                    "obstacles",
                    models.JSONField(blank=True, default=list, verbose_name="stands against it"),
                ),
                (
                    "withdrawn_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="withdrawn"),
                ),
                (
                    "closed_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="account closed"),
                ),
                (
                    "keep_until",
                    models.DateTimeField(
                        blank=True, null=True, verbose_name="legal records kept until"
                    ),
                ),
                ("erased_at", models.DateTimeField(blank=True, null=True, verbose_name="erased")),
            ],
            options={
                "verbose_name": "request for erasure",
                "verbose_name_plural": "requests for erasure",
                "ordering": ["-requested_at", "-id"],
                "permissions": [
                    ("request_erasure", "Can request and withdraw a person's erasure for them")
                ],
                "indexes": [
                    models.Index(
                        condition=models.Q(("next_attempt_at__isnull", False)),
                        fields=["next_attempt_at"],
                        name="compliance_erasure_due",
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "WITHDRAWN"), _negated=True),
                        fields=("user_id",),
                        name="compliance_erasure_one_a_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(
                                ("closed_at", None),
                                ("erased_at", None),
                                ("state", "REQUESTED"),
                                ("withdrawn_at", None),
                            ),
                            models.Q(
                                ("closed_at", None),
                                ("erased_at", None),
                                ("state", "WITHDRAWN"),
                                ("withdrawn_at__isnull", False),
                            ),
                            models.Q(
                                ("closed_at__isnull", False),
                                ("erased_at", None),
                                ("keep_until__isnull", False),
                                ("state", "CLOSED"),
                            ),
                            models.Q(
                                ("closed_at__isnull", False),
                                ("erased_at__isnull", False),
                                ("state", "ERASED"),
                            ),
                            _connector="OR",
                        ),
                        name="compliance_erasure_times",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="DataExportPart",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField()),
                ("sealed", models.BinaryField()),
                (
                    "export",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="parts",
                        to="compliance.dataexport",
                    ),
                ),
            ],
            options={
                "verbose_name": "part of a copy of data",
                "verbose_name_plural": "parts of copies of data",
                "ordering": ["number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("export", "number"), name="compliance_exportpart_number_once"
                    )
                ],
            },
        ),
        migrations.RunPython(fill_rule, migrations.RunPython.noop),
    ]
