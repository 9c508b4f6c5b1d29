"""Cases that officers work on; what happened to a case can only be added to."""

import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

KEPT = """
CREATE TRIGGER kyc_caseevent_no_change BEFORE UPDATE OR DELETE ON kyc_caseevent
    FOR EACH ROW EXECUTE FUNCTION agora_refuse_change();
CREATE TRIGGER kyc_caseevent_no_truncate BEFORE TRUNCATE ON kyc_caseevent
    FOR EACH STATEMENT EXECUTE FUNCTION agora_refuse_change();
"""
FREE = """
DROP TRIGGER kyc_caseevent_no_change ON kyc_caseevent;
DROP TRIGGER kyc_caseevent_no_truncate ON kyc_caseevent;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("compliance", "0002_append_only"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("kyc", "0004_documents"),
    ]

    operations = [
        migrations.AlterField(
            model_name="application",
            name="status",
            field=models.CharField(
                choices=[
                    ("PENDING", "Pending"),
                    ("APPROVED", "Approved"),
                    ("REJECTED", "Rejected"),
                    ("SUSPENDED", "Suspended"),
                ],
                db_index=True,
                default="PENDING",
                max_length=10,
                verbose_name="status",
            ),
        ),
        migrations.CreateModel(
            name="Case",
            fields=[
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
                            ("TIER", "Wants a higher tier"),
                            ("AGAIN", "Applies again after a rejection"),
                            ("ONBOARDING", "A match on a list at onboarding"),
                            ("SCREENING", "A match on a list later"),
                        ],
                        max_length=10,
                        verbose_name="cause",
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("PENDING", "Waits for an officer"),
                            ("UNDER_REVIEW", "Under review"),
                            ("INFO_REQUESTED", "Waits for the person"),
                            ("ESCALATED", "Escalated"),
                            ("AWAITING_SECOND", "Waits for a second person"),
                            ("APPROVED", "Approved"),
                            ("REJECTED", "Rejected"),
                        ],
                        default="PENDING",
                        max_length=15,
                        verbose_name="state",
                    ),
                ),
                (
                    "outcome",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("VERIFIED", "Identity verified"),
                            ("NO_RISK", "Matches on lists are of other people"),
                            ("UNREADABLE", "A document cannot be read"),
                            ("EXPIRED", "A document has expired"),
                            ("DIFFERENT", "Documents and application differ"),
                            ("ADDRESS_UNPROVEN", "The address is not proven"),
                            ("NO_ANSWER", "No answer from the person"),
                            ("RISK_CONFIRMED", "A match on a list is this person"),
                            ("OTHER", "Another reason"),
                        ],
                        max_length=16,
                        verbose_name="outcome",
                    ),
                ),
                (
                    "lock_until",
                    models.DateTimeField(blank=True, null=True, verbose_name="locked until"),
                ),
                ("needs", models.JSONField(blank=True, default=list, verbose_name="asked for")),
                ("opened_at", models.DateTimeField(verbose_name="opened")),
                ("queued_at", models.DateTimeField(verbose_name="in the queue since")),
                ("due_at", models.DateTimeField(verbose_name="due")),
                (
                    "first_look_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="first look"),
                ),
                ("closed_at", models.DateTimeField(blank=True, null=True, verbose_name="closed")),
                ("version", models.PositiveIntegerField(default=1, verbose_name="version")),
                (
                    "application",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="cases",
                        to="kyc.application",
                        verbose_name="application",
                    ),
                ),
                (
                    "assigned_to",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="assigned to",
                    ),
                ),
                (
                    "group",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="auth.group",
                        verbose_name="escalated to",
                    ),
                ),
                (
                    "locked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="reviewed by",
                    ),
                ),
                (
                    "tier",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="kyc.tier",
                        verbose_name="tier wanted",
                    ),
                ),
            ],
            options={
                "verbose_name": "case",
                "verbose_name_plural": "cases",
                "ordering": ["due_at", "id"],
                "permissions": [
                    (
                        "work_case",
                        "Can work on cases: take, ask, note, escalate, propose a decision",
                    ),
                    ("assign_case", "Can give cases to other officers and free them"),
                    ("suspend_application", "Can propose to suspend a person, and to end it"),
                ],
            },
        ),
        migrations.CreateModel(
            name="CaseCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("code", models.CharField(max_length=20, verbose_name="check")),
                ("done_at", models.DateTimeField(verbose_name="done")),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="checks",
                        to="kyc.case",
                    ),
                ),
                (
                    "done_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "check of a case",
                "verbose_name_plural": "checks of cases",
            },
        ),
        migrations.CreateModel(
            name="CaseEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("uid", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                (
                    "kind",
                    models.CharField(
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
                            ("PROPOSED", "Decision proposed"),
                            ("RETURNED", "Proposal fell"),
                            ("APPROVED", "Approved"),
                            ("REJECTED", "Rejected"),
                        ],
                        max_length=10,
                        verbose_name="event",
                    ),
                ),
                ("at", models.DateTimeField(verbose_name="at")),
                ("text_encrypted", models.BinaryField(null=True)),
                (
                    "for_person",
                    models.BooleanField(default=False, verbose_name="shown to the person"),
                ),
                ("facts", models.JSONField(default=dict, verbose_name="facts")),
                (
                    "by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="by",
                    ),
                ),
                (
                    "case",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="events",
                        to="kyc.case",
                    ),
                ),
            ],
            options={
                "verbose_name": "event of a case",
                "verbose_name_plural": "events of cases",
                "ordering": ["id"],
            },
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(
                condition=models.Q(("closed_at", None)),
                fields=["due_at", "id"],
                name="kyc_case_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="case",
            index=models.Index(fields=["opened_at"], name="kyc_case_opened"),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.UniqueConstraint(
                condition=models.Q(("closed_at", None)),
                fields=("application",),
                name="kyc_case_one_open_for_a_person",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "PENDING",
                            "UNDER_REVIEW",
                            "INFO_REQUESTED",
                            "ESCALATED",
                            "AWAITING_SECOND",
                            "APPROVED",
                            "REJECTED",
                        ],
                    )
                ),
                name="kyc_case_state",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("closed_at__isnull", False), ("state__in", ["APPROVED", "REJECTED"])),
                    models.Q(
                        models.Q(("state__in", ["APPROVED", "REJECTED"]), _negated=True),
                        ("closed_at", None),
                    ),
                    _connector="OR",
                ),
                name="kyc_case_closed_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("outcome__in", ["NO_RISK", "VERIFIED"]), ("state", "APPROVED")),
                    models.Q(
                        (
                            "outcome__in",
                            [
                                "ADDRESS_UNPROVEN",
                                "DIFFERENT",
                                "EXPIRED",
                                "NO_ANSWER",
                                "OTHER",
                                "RISK_CONFIRMED",
                                "UNREADABLE",
                            ],
                        ),
                        ("state", "REJECTED"),
                    ),
                    models.Q(
                        models.Q(("state__in", ["APPROVED", "REJECTED"]), _negated=True),
                        ("outcome", ""),
                    ),
                    _connector="OR",
                ),
                name="kyc_case_outcome_fits",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("lock_until", None), ("locked_by", None)),
                    models.Q(("lock_until__isnull", False), ("locked_by__isnull", False)),
                    _connector="OR",
                ),
                name="kyc_case_lock_whole",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state__in", ["UNDER_REVIEW", "AWAITING_SECOND"]), _negated=True),
                    ("assigned_to__isnull", False),
                    _connector="OR",
                ),
                name="kyc_case_review_has_officer",
            ),
        ),
        migrations.AddConstraint(
            model_name="case",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("state", "ESCALATED"), _negated=True),
                    ("group__isnull", False),
                    _connector="OR",
                ),
                name="kyc_case_escalated_has_group",
            ),
        ),
        migrations.AddConstraint(
            model_name="casecheck",
            constraint=models.UniqueConstraint(fields=("case", "code"), name="kyc_casecheck_once"),
        ),
        migrations.AddIndex(
            model_name="caseevent",
            index=models.Index(fields=["case", "id"], name="kyc_caseevent_of_case"),
        ),
        migrations.RunSQL(KEPT, FREE),
    ]
