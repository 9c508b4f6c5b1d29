"""Decisions that need two people."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Proposal(models.Model):
    """A decision that one person proposes and another one takes (four-eyes).

    `payload` holds what the effect needs, as JSON without personal data. Who proposed, who decided
    and whom it is about are plain ids of users: the table stands below the people's own. The
    database refuses to store one as decided, every change of a decided proposal and of what was
    proposed, and any removal; only reason and note give way to a dash once that person is erased
    (migrations 0003, 0008, 0018, 0021).
    """

    class State(models.TextChoices):
        OPEN = "OPEN", _("Waits for a second person")
        APPROVED = "APPROVED", _("Approved")
        REFUSED = "REFUSED", _("Refused")
        WITHDRAWN = "WITHDRAWN", _("Withdrawn")
        EXPIRED = "EXPIRED", _("Expired")

    # What the kinds of decisions are called (compliance.four_eyes).
    TITLES: ClassVar[dict[str, str | Promise]] = {}

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(_("decision"), max_length=60)
    object_type = models.CharField(_("object type"), max_length=40)
    object_id = models.CharField(_("object"), max_length=80)
    payload = models.JSONField(_("what it does"), default=dict)
    reason = models.TextField(_("reason"), max_length=1000)
    subject_id = models.UUIDField(_("about whom"), null=True, blank=True, db_index=True)
    maker_id = models.UUIDField(_("proposed by"))
    proposed_at = models.DateTimeField(_("proposed"))
    expires_at = models.DateTimeField(_("expires"), db_index=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    checker_id = models.UUIDField(_("decided by"), null=True, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    note = models.TextField(_("note"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("decision by two people")
        verbose_name_plural = _("decisions by two people")
        ordering = ["-proposed_at", "-id"]
        permissions = [("decide_proposal", "Can approve or refuse what another person proposed")]
        indexes = [
            models.Index(fields=["state", "-proposed_at"], name="compliance_proposal_state"),
            models.Index(fields=["object_type", "object_id"], name="compliance_proposal_object"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(checker_id=None) | ~models.Q(checker_id=models.F("maker_id")),
                name="compliance_proposal_maker_is_not_checker",
            ),
            models.CheckConstraint(
                condition=models.Q(
                    state__in=["APPROVED", "REFUSED"],
                    checker_id__isnull=False,
                    decided_at__isnull=False,
                )
                | models.Q(
                    state__in=["WITHDRAWN", "EXPIRED"],
                    checker_id=None,
                    decided_at__isnull=False,
                )
                | models.Q(state="OPEN", checker_id=None, decided_at=None),
                name="compliance_proposal_decided_by_a_second_person",
            ),
            models.CheckConstraint(
                condition=models.Q(subject_id=None)
                | (
                    ~models.Q(subject_id=models.F("maker_id"))
                    & (models.Q(checker_id=None) | ~models.Q(subject_id=models.F("checker_id")))
                ),
                name="compliance_proposal_not_by_whom_it_is_about",
            ),
            models.UniqueConstraint(
                fields=["kind", "object_type", "object_id"],
                condition=models.Q(state="OPEN"),
                name="compliance_proposal_one_open_for_an_object",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.TITLES.get(self.kind, self.kind)}, {self.proposed_at:%Y-%m-%d %H:%M}"
