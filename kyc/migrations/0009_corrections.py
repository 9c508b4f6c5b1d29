"""What people say is wrong in their application, and the event of a case that it was put right."""

import uuid

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("kyc", "0008_screening_failures")]

    operations = [
        migrations.CreateModel(
            name="Correction",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("full_name_encrypted", models.BinaryField(default=b"")),
                ("tax_id_encrypted", models.BinaryField(default=b"")),
                ("reason_encrypted", models.BinaryField(default=b"")),
                ("answer_encrypted", models.BinaryField(default=b"")),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("OPEN", "Waits for us"),
                            ("MADE", "Corrected"),
                            ("DECLINED", "Not corrected"),
                            ("WITHDRAWN", "Withdrawn"),
                        ],
                        default="OPEN",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("asked_at", models.DateTimeField(verbose_name="asked")),
                (
                    "decided_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="decided"),
                ),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="corrections",
                        to="kyc.application",
                        verbose_name="application",
                    ),
                ),
            ],
            options={
                "verbose_name": "correction",
                "verbose_name_plural": "corrections",
                "ordering": ["-asked_at", "-id"],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "OPEN")),
                        fields=("application",),
                        name="kyc_correction_one_open_for_a_person",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("decided_at", None), ("state", "OPEN")),
                            models.Q(
                                models.Q(("state", "OPEN"), _negated=True),
                                ("decided_at__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="kyc_correction_end_has_time",
                    ),
                ],
            },
        ),
        migrations.AlterField(
            model_name="caseevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("OPENED", "Opened"),
                    ("MATCHED", "Match on a list"),
                    ("TAKEN", "Taken for review"),
                    ("ASSIGNED", "Assigned"),
                    ("RELEASED", "Put back into the queue"),
                    ("NOTED", "Note"),
                    ("CHECKED", "Checked"),
                    ("ASKED", "Asked the person"),
                    ("ANSWERED", "Answered by the person"),
                    ("ESCALATED", "Escalated"),
                    ("CORRECTED", "Application corrected"),
                    ("PROPOSED", "Decision proposed"),
                    ("RETURNED", "Proposal fell"),
                    ("APPROVED", "Approved"),
                    ("REJECTED", "Rejected"),
                ],
                max_length=10,
                verbose_name="event",
            ),
        ),
    ]
