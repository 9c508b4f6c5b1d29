"""Cases that end without a decision, that an officer asks for, and that nobody answers."""

from django.conf import settings
from django.db import migrations, models

# Cases that wait for the person already were asked when the last question was put.
ASKED_AT = """
UPDATE kyc_case SET asked_at = coalesce(
    (SELECT max(at) FROM kyc_caseevent WHERE case_id = kyc_case.id AND kind = 'ASKED'), queued_at
) WHERE state = 'INFO_REQUESTED'
"""


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("kyc", "0010_screening_candidates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="case",
            name="kyc_case_state",
        ),
        migrations.RemoveConstraint(
            model_name="case",
            name="kyc_case_closed_has_time",
        ),
        migrations.RemoveConstraint(
            model_name="case",
            name="kyc_case_outcome_fits",
        ),
        migrations.AddField(
            model_name="case",
            name="asked_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="asked"),
        ),
        migrations.AddField(
            model_name="case",
            name="is_unanswered",
            field=models.BooleanField(db_default=False, default=False, verbose_name="no answer"),
        ),
        migrations.AddField(
            model_name="case",
            name="reminded_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="reminded"),
        ),
        migrations.AlterField(
            model_name="case",
            name="cause",
            field=models.CharField(
                choices=[
                    ("TIER", "Wants a higher tier"),
                    ("AGAIN", "Applies again after a rejection"),
                    ("ONBOARDING", "A match on a list at onboarding"),
                    ("SCREENING", "A match on a list later"),
                    ("OFFICER", "Asked for by an officer"),
                ],
                max_length=10,
                verbose_name="cause",
            ),
        ),
        migrations.AlterField(
            model_name="case",
            name="outcome",
            field=models.CharField(
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
                    ("ACCOUNT_CLOSED", "The person has closed the account"),
                ],
                max_length=16,
                verbose_name="outcome",
            ),
        ),
        migrations.AlterField(
            model_name="case",
            name="state",
            field=models.CharField(
                choices=[
                    ("PENDING", "Waits for an officer"),
                    ("UNDER_REVIEW", "Under review"),
                    ("INFO_REQUESTED", "Waits for the person"),
                    ("ESCALATED", "Escalated"),
                    ("AWAITING_SECOND", "Waits for a second person"),
                    ("APPROVED", "Approved"),
                    ("REJECTED", "Rejected"),
                    ("ENDED", "Ended without a decision"),
                ],
                default="PENDING",
                max_length=15,
                verbose_name="state",
            ),
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
                    ("REMINDED", "Reminded the person"),
                    ("ANSWERED", "Answered by the person"),
                    ("UNANSWERED", "No answer from the person"),
                    ("ESCALATED", "Escalated"),
                    ("CORRECTED", "Application corrected"),
                    ("PROPOSED", "Decision proposed"),
                    ("RETURNED", "Proposal fell"),
                    ("APPROVED", "Approved"),
                    ("REJECTED", "Rejected"),
                    ("ENDED", "Ended without a decision"),
                ],
                max_length=10,
                verbose_name="event",
            ),
        ),
        migrations.RunSQL(ASKED_AT, migrations.RunSQL.noop),
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
                            "ENDED",
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
                    models.Q(
                        ("closed_at__isnull", False),
                        ("state__in", ["APPROVED", "ENDED", "REJECTED"]),
                    ),
                    models.Q(
                        models.Q(("state__in", ["APPROVED", "ENDED", "REJECTED"]), _negated=True),
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
                    models.Q(("outcome__in", ["ACCOUNT_CLOSED"]), ("state", "ENDED")),
                    models.Q(
                        models.Q(("state__in", ["APPROVED", "ENDED", "REJECTED"]), _negated=True),
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
                    models.Q(("state", "INFO_REQUESTED"), _negated=True),
                    ("asked_at__isnull", False),
                    _connector="OR",
                ),
                name="kyc_case_asked_has_time",
            ),
        ),
    ]
