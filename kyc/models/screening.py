"""Lists of sanctioned and politically exposed persons, who was looked up, and what was found."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.utils.translation import gettext_lazy as _

from agora.lib.work import Job
from kyc.models.applications import Application


class ScreeningList(models.Model):
    """One load of a list. At most one load of each name is active: the one that is looked up in.

    A load that was replaced keeps its row and loses its entries.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.SlugField(_("list"), max_length=60)
    sha256 = models.CharField(_("file, SHA-256"), max_length=64)
    loaded_at = models.DateTimeField(_("loaded"))
    loaded_by = models.CharField(_("loaded by"), max_length=80)
    entries_count = models.PositiveIntegerField(_("persons"))
    skipped = models.PositiveIntegerField(_("not persons, left out"))
    added = models.PositiveIntegerField(_("new"))
    changed = models.PositiveIntegerField(_("changed"))
    removed = models.PositiveIntegerField(_("gone"))
    replaced_at = models.DateTimeField(_("replaced"), null=True, blank=True)

    class Meta:
        verbose_name = _("load of a list")
        verbose_name_plural = _("sanctions and PEP lists")
        ordering = ["-loaded_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=models.Q(replaced_at=None),
                name="kyc_screeninglist_one_active",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}, {self.loaded_at:%Y-%m-%d %H:%M}"


class ScreeningEntry(models.Model):
    """A person on a list, as OpenSanctions tells it, and by what they can be found.

    `forms` are the names in the form that is compared, `keys` what those sound like, `identifiers`
    numbers without their punctuation (kyc.screening.names). `few_keys`: the names have so few parts that
    one that sounds alike makes a candidate. `digest` tells whether anything changed.
    """

    id = models.BigAutoField(primary_key=True)
    load = models.ForeignKey(ScreeningList, on_delete=models.PROTECT, related_name="entries")
    source_id = models.CharField(_("id on the list"), max_length=255)
    content = models.JSONField(_("entry"))
    forms = ArrayField(models.TextField())
    keys = ArrayField(models.TextField())
    few_keys = models.BooleanField()
    identifiers = ArrayField(models.TextField())
    digest = models.CharField(max_length=64)

    class Meta:
        verbose_name = _("person on a list")
        verbose_name_plural = _("persons on lists")
        constraints = [
            models.UniqueConstraint(
                fields=["load", "source_id"], name="kyc_screeningentry_once_in_a_load"
            )
        ]
        # Without a list of what is not in the index yet, which each look-up after a load would read.
        indexes = [
            GinIndex(fields=["keys"], name="kyc_screeningentry_keys", fastupdate=False),
            GinIndex(
                fields=["keys"],
                name="kyc_screeningentry_few_keys",
                condition=models.Q(few_keys=True),
                fastupdate=False,
            ),
            GinIndex(
                fields=["identifiers"], name="kyc_screeningentry_identifiers", fastupdate=False
            ),
        ]

    def __str__(self) -> str:
        return self.source_id


class Screening(models.Model):
    """When a person was looked up last, and in which loads.

    `more` is how many matches by name there was no room for beside those that wait for officers.
    """

    application = models.OneToOneField(
        Application, on_delete=models.PROTECT, primary_key=True, related_name="screening"
    )
    at = models.DateTimeField(_("looked up"), db_index=True)
    loads = ArrayField(models.UUIDField(), verbose_name=_("in which loads"))
    more = models.PositiveIntegerField(_("matches not kept"), db_default=0)

    class Meta:
        verbose_name = _("screening")
        verbose_name_plural = _("screenings")

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} UTC"


class ScreeningMatch(models.Model):
    """A person that may be somebody on a list. Officers decide whether they are.

    `entry` is the list's entry as it was when it was found: later loads may not have it any more.
    What was dismissed comes back when the entry itself changes (`digest`), or the person's name or number.
    """

    class State(models.TextChoices):
        OPEN = "OPEN", _("To be looked at")
        CONFIRMED = "CONFIRMED", _("It is the same person")
        DISMISSED = "DISMISSED", _("It is somebody else")

    class By(models.TextChoices):
        NAME = "NAME", _("Name")
        IDENTIFIER = "IDENTIFIER", _("Tax id or another number")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application, on_delete=models.PROTECT, related_name="matches", verbose_name=_("application")
    )
    list_name = models.SlugField(_("list"), max_length=60)
    source_id = models.CharField(_("id on the list"), max_length=255)
    digest = models.CharField(max_length=64)
    entry = models.JSONField(_("entry"))
    is_sanctioned = models.BooleanField(_("under sanctions"))
    by = models.CharField(_("found by"), max_length=10, choices=By)
    score = models.DecimalField(_("likeness, per cent"), max_digits=5, decimal_places=2)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    found_at = models.DateTimeField(_("found"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("decided by"),
    )
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    reason = models.TextField(_("reason"), max_length=1000, blank=True)

    class Meta:
        verbose_name = _("match on a list")
        verbose_name_plural = _("matches on lists")
        ordering = ["-found_at", "-id"]
        permissions = [
            ("review_match", "Can decide whether a match on a list is the same person"),
            ("load_list", "Can have everybody looked up again"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["application", "list_name", "source_id", "digest"],
                name="kyc_screeningmatch_once_for_an_entry",
            ),
            models.CheckConstraint(
                condition=models.Q(state="OPEN", decided_by=None, decided_at=None, reason="")
                | (
                    models.Q(
                        state__in=["CONFIRMED", "DISMISSED"],
                        decided_by__isnull=False,
                        decided_at__isnull=False,
                    )
                    & ~models.Q(reason="")
                ),
                name="kyc_screeningmatch_decision_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.list_name} {self.source_id}"

    @property
    def holds(self) -> bool:
        """Whether it pauses buying, as `kyc.holds.HOLDING` says in SQL; two people dismiss it then."""
        by_number = self.by == self.By.IDENTIFIER
        return self.is_sanctioned and by_number and self.state != self.State.DISMISSED


class ScreeningRun(Job):
    """Everybody is looked up again, some at a time; `cursor` is the last application that was."""

    class Cause(models.TextChoices):
        LIST = "LIST", _("A list was loaded")
        NIGHT = "NIGHT", _("Every night")
        ASKED = "ASKED", _("Asked for")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    cause = models.CharField(_("cause"), max_length=5, choices=Cause)
    begun_at = models.DateTimeField(_("begun"))
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    cursor = models.UUIDField(null=True, blank=True)
    persons = models.PositiveIntegerField(_("persons looked up"), default=0)
    found = models.PositiveIntegerField(_("new matches"), default=0)
    failed = models.PositiveIntegerField(_("could not be looked up"), db_default=0)

    class Meta:
        verbose_name = _("screening of everybody")
        verbose_name_plural = _("screenings of everybody")
        ordering = ["-begun_at"]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(next_attempt_at__isnull=False),
                name="kyc_screeningrun_due",
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_cause_display()}, {self.begun_at:%Y-%m-%d %H:%M}"
