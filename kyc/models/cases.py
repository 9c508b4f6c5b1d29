"""Cases that officers work on, and everything that happened to each of them."""

import uuid
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import models
from django.utils.translation import gettext_lazy as _

from kyc.models.applications import Application, Tier
from kyc.states import BAD_OUTCOMES, CLOSED, GOOD_OUTCOMES, NO_DECISION, Outcome, State


class Case(models.Model):
    """One review of a person by officers. A person has at most one open case.

    `tier` is what the person has once it is approved. While `lock_until` is ahead, `locked_by` is
    reviewing it and nobody else may act on it. `version` grows with every change: an action that
    was begun on an older version is refused. Times are UTC.
    """

    class Cause(models.TextChoices):
        TIER = "TIER", _("Wants a higher tier")
        AGAIN = "AGAIN", _("Applies again after a rejection")
        ONBOARDING = "ONBOARDING", _("At onboarding")
        SCREENING = "SCREENING", _("A match on a list later")
        OFFICER = "OFFICER", _("Asked for by an officer")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application, on_delete=models.PROTECT, related_name="cases", verbose_name=_("application")
    )
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    tier = models.ForeignKey(
        Tier, on_delete=models.PROTECT, related_name="+", verbose_name=_("tier wanted")
    )
    state = models.CharField(_("state"), max_length=15, choices=State, default=State.PENDING)
    outcome = models.CharField(_("outcome"), max_length=16, choices=Outcome, blank=True)
    group = models.ForeignKey(
        Group,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("escalated to"),
    )
    assigned_to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("assigned to"),
    )
    locked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("reviewed by"),
    )
    lock_until = models.DateTimeField(_("locked until"), null=True, blank=True)
    # What the person was asked for last: codes of kyc.cases.needs.
    needs = models.JSONField(_("asked for"), default=list, blank=True)
    opened_at = models.DateTimeField(_("opened"))
    queued_at = models.DateTimeField(_("in the queue since"))
    due_at = models.DateTimeField(_("due"))
    # Since when it waits for the person, and when they were reminded of it.
    asked_at = models.DateTimeField(_("asked"), null=True, blank=True)
    reminded_at = models.DateTimeField(_("reminded"), null=True, blank=True)
    # They were asked and did not answer in time.
    is_unanswered = models.BooleanField(_("no answer"), default=False, db_default=False)
    first_look_at = models.DateTimeField(_("first look"), null=True, blank=True)
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)
    version = models.PositiveIntegerField(_("version"), default=1)

    class Meta:
        verbose_name = _("case")
        verbose_name_plural = _("cases")
        ordering = ["due_at", "id"]
        permissions = [
            ("work_case", "Can work on cases: take, ask, note, escalate, propose a decision"),
            ("assign_case", "Can give cases to other officers and free them"),
            ("suspend_application", "Can propose to suspend a person, and to end it"),
        ]
        indexes = [
            models.Index(
                fields=["due_at", "id"],
                condition=models.Q(closed_at=None),
                name="kyc_case_queue",
            ),
            models.Index(fields=["opened_at"], name="kyc_case_opened"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["application"],
                condition=models.Q(closed_at=None),
                name="kyc_case_one_open_for_a_person",
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=State.values), name="kyc_case_state"
            ),
            models.CheckConstraint(
                condition=models.Q(state__in=sorted(CLOSED), closed_at__isnull=False)
                | (~models.Q(state__in=sorted(CLOSED)) & models.Q(closed_at=None)),
                name="kyc_case_closed_has_time",
            ),
            models.CheckConstraint(
                condition=models.Q(state=State.APPROVED, outcome__in=sorted(GOOD_OUTCOMES))
                | models.Q(state=State.REJECTED, outcome__in=sorted(BAD_OUTCOMES))
                | models.Q(state=State.ENDED, outcome__in=sorted(NO_DECISION))
                | (~models.Q(state__in=sorted(CLOSED)) & models.Q(outcome="")),
                name="kyc_case_outcome_fits",
            ),
            models.CheckConstraint(
                condition=models.Q(locked_by=None, lock_until=None)
                | models.Q(locked_by__isnull=False, lock_until__isnull=False),
                name="kyc_case_lock_whole",
            ),
            models.CheckConstraint(
                condition=~models.Q(state__in=[State.UNDER_REVIEW, State.AWAITING_SECOND])
                | models.Q(assigned_to__isnull=False),
                name="kyc_case_review_has_officer",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=State.ESCALATED) | models.Q(group__isnull=False),
                name="kyc_case_escalated_has_group",
            ),
            models.CheckConstraint(
                condition=~models.Q(state=State.INFO_REQUESTED) | models.Q(asked_at__isnull=False),
                name="kyc_case_asked_has_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()}, {self.application.country}, {self.opened_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.state not in CLOSED

    def lock_holder(self, now: datetime) -> uuid.UUID | None:
        """The id of the officer who is reviewing it now, if anybody is."""
        held = self.lock_until is not None and self.lock_until > now
        return self.locked_by_id if held else None


# The person did not ask for such a review and is not told of it, unless something is needed of them.
UNASKED = frozenset({Case.Cause.SCREENING, Case.Cause.OFFICER})


class CaseCheck(models.Model):
    """One required action, done by an officer; gone once the person answers or is corrected."""

    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="checks")
    code = models.CharField(_("check"), max_length=20)
    done_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    done_at = models.DateTimeField(_("done"))

    class Meta:
        verbose_name = _("check of a case")
        verbose_name_plural = _("checks of cases")
        constraints = [
            models.UniqueConstraint(fields=["case", "code"], name="kyc_casecheck_once"),
        ]

    def __str__(self) -> str:
        return self.code


class CaseEvent(models.Model):
    """What happened to a case; the database refuses changes and removal (migration 0005).

    `text` is what was written (a note, a question, an answer, a reason), sealed with the person's
    key. `for_person` texts are shown to the person; others stay with officers. `facts` holds codes
    and ids only.
    """

    class Kind(models.TextChoices):
        OPENED = "OPENED", _("Opened")
        MATCHED = "MATCHED", _("Match on a list")
        TAKEN = "TAKEN", _("Taken for review")
        ASSIGNED = "ASSIGNED", _("Assigned")
        RELEASED = "RELEASED", _("Put back into the queue")
        NOTED = "NOTED", _("Note")
        CHECKED = "CHECKED", _("Checked")
        ASKED = "ASKED", _("Asked the person")
        REMINDED = "REMINDED", _("Reminded the person")
        ANSWERED = "ANSWERED", _("Answered by the person")
        UNANSWERED = "UNANSWERED", _("No answer from the person")
        ESCALATED = "ESCALATED", _("Escalated")
        CORRECTED = "CORRECTED", _("Application corrected")
        PROPOSED = "PROPOSED", _("Decision proposed")
        RETURNED = "RETURNED", _("Proposal fell")
        APPROVED = "APPROVED", _("Approved")
        REJECTED = "REJECTED", _("Rejected")
        ENDED = "ENDED", _("Ended without a decision")

    # Known before the row is stored: the sealed text is bound to it.
    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    case = models.ForeignKey(Case, on_delete=models.PROTECT, related_name="events")
    kind = models.CharField(_("event"), max_length=10, choices=Kind)
    at = models.DateTimeField(_("at"))
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("by"),
    )
    text_encrypted = models.BinaryField(null=True, editable=False)
    for_person = models.BooleanField(_("shown to the person"), default=False)
    facts = models.JSONField(_("facts"), default=dict)

    class Meta:
        verbose_name = _("event of a case")
        verbose_name_plural = _("events of cases")
        ordering = ["id"]
        indexes = [models.Index(fields=["case", "id"], name="kyc_caseevent_of_case")]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d %H:%M}"
