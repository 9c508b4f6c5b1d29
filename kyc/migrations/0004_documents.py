"""Documents that people have shown, and who looked at them."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("kyc", "0003_personal_keys"),
    ]

    operations = [
        migrations.CreateModel(
            name="Document",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("identity_front", "Identity card, front"),
                            ("identity_back", "Identity card, back"),
                            ("passport", "Passport, page with the photo"),
                            ("proof_of_address", "Proof of address"),
                            ("selfie", "Photo of yourself"),
                        ],
                        max_length=20,
                        verbose_name="kind",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PENDING", "Waits for review"),
                            ("ACCEPTED", "Accepted"),
                            ("REJECTED", "Not accepted"),
                            ("WITHDRAWN", "Withdrawn"),
                        ],
                        default="PENDING",
                        max_length=10,
                        verbose_name="state",
                    ),
                ),
                ("media_type", models.CharField(max_length=20, verbose_name="type")),
                ("sha256", models.CharField(max_length=64, verbose_name="SHA-256 of the file")),
                ("size", models.PositiveIntegerField(verbose_name="size, bytes")),
                ("page_count", models.PositiveSmallIntegerField(verbose_name="pages")),
                ("uploaded_at", models.DateTimeField(verbose_name="uploaded")),
                ("decided_at", models.DateTimeField(blank=True, null=True, verbose_name="decided")),
                (
                    "decided_by",
                    models.CharField(blank=True, max_length=80, verbose_name="decided by"),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("unreadable", "It cannot be read: blurred, dark, or with glare"),
                            ("cut_off", "A part of it is missing"),
                            ("wrong_kind", "It is another kind of document"),
                            ("expired", "It has expired, or is too old"),
                            ("different", "It does not match the application"),
                            ("other", "Another reason"),
                        ],
                        max_length=12,
                        verbose_name="reason",
                    ),
                ),
                ("note_encrypted", models.BinaryField(default=b"")),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="documents",
                        to="kyc.application",
                        verbose_name="application",
                    ),
                ),
            ],
            options={
                "verbose_name": "document",
                "verbose_name_plural": "documents",
                "ordering": ["-uploaded_at", "-id"],
                "permissions": [("review_document", "Can accept and reject documents")],
            },
        ),
        migrations.CreateModel(
            name="DocumentPage",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("number", models.PositiveSmallIntegerField(verbose_name="page")),
                (
                    "storage_key",
                    models.CharField(max_length=48, unique=True, verbose_name="storage key"),
                ),
                ("width", models.PositiveSmallIntegerField(verbose_name="width, pixels")),
                ("height", models.PositiveSmallIntegerField(verbose_name="height, pixels")),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="pages",
                        to="kyc.document",
                    ),
                ),
            ],
            options={
                "verbose_name": "page of a document",
                "verbose_name_plural": "pages of documents",
                "ordering": ["number"],
            },
        ),
        migrations.CreateModel(
            name="DocumentView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("page", models.PositiveSmallIntegerField(verbose_name="page")),
                (
                    "purpose",
                    models.CharField(
                        choices=[
                            ("review", "Review by an officer"),
                            ("own", "Looked at by the person themselves"),
                        ],
                        max_length=10,
                        verbose_name="purpose",
                    ),
                ),
                ("at", models.DateTimeField(db_index=True, verbose_name="at")),
                (
                    "document",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="views",
                        to="kyc.document",
                    ),
                ),
                (
                    "viewer",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="who looked",
                    ),
                ),
            ],
            options={
                "verbose_name": "view of a document",
                "verbose_name_plural": "views of documents",
                "ordering": ["-at", "-id"],
            },
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(("page_count__gte", 1), ("page_count__lte", 10)),
                name="kyc_document_page_count",
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("decided_at", None), ("decided_by", ""), ("state", "PENDING")),
                    models.Q(
                        models.Q(("state", "PENDING"), _negated=True), ("decided_at__isnull", False)
                    ),
                    _connector="OR",
                ),
                name="kyc_document_decision_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "REJECTED"), models.Q(("reason", ""), _negated=True)),
                    models.Q(models.Q(("state", "REJECTED"), _negated=True), ("reason", "")),
                    _connector="OR",
                ),
                name="kyc_document_rejection_has_reason",
            ),
        ),
        migrations.AddConstraint(
            model_name="document",
            constraint=models.UniqueConstraint(
                condition=models.Q(("state", "PENDING")),
                fields=("application", "kind"),
                name="kyc_document_one_waits",
            ),
        ),
        migrations.AddConstraint(
            model_name="documentpage",
            constraint=models.UniqueConstraint(
                fields=("document", "number"), name="kyc_documentpage_number_once"
            ),
        ),
        migrations.AddConstraint(
            model_name="documentpage",
            constraint=models.CheckConstraint(
                condition=models.Q(("number__gte", 1), ("number__lte", 10)),
                name="kyc_documentpage_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="documentpage",
            constraint=models.CheckConstraint(
                condition=models.Q(("storage_key__regex", "^[0-9a-f]{48}$")),
                name="kyc_documentpage_storage_key",
            ),
        ),
    ]
