"""What people are told."""

import uuid

from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User
from agora.lib.formats import usd
from agora.lib.work import Job


class Notice(Job):
    """Something a person is told in the app and by e-mail; the row is the e-mail's job.

    `subject` and `body` are English msgids and `params` what stands in their places: text, a number,
    a list of msgids, or `{"usd": "5000.00"}`. A notice is put into words whenever it is shown, in
    whatever its reader's language is by then.
    """

    class Level(models.TextChoices):
        INFO = "info", _("Information")
        WARNING = "warning", _("Warning")
        ALERT = "alert", _("Alert")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="notices")
    kind = models.SlugField(_("kind"), max_length=60)
    level = models.CharField(_("level"), max_length=8, choices=Level)
    subject = models.CharField(_("subject"), max_length=200)
    body = models.TextField(_("text"), max_length=2000)
    params = models.JSONField(_("values"), default=dict)
    url = models.CharField(_("about"), max_length=300, blank=True)
    dedupe_key = models.CharField(_("told once for"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"))
    read_at = models.DateTimeField(_("read"), null=True, blank=True)
    emailed_at = models.DateTimeField(_("e-mailed"), null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="accounts_notice_of_user"),
            models.Index(
                fields=["user"], condition=models.Q(read_at=None), name="accounts_notice_unread"
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(next_attempt_at__isnull=False),
                name="accounts_notice_due",
            ),
            models.Index(
                fields=["created_at"],
                condition=models.Q(attention=True),
                name="accounts_notice_stuck",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "dedupe_key"],
                condition=~models.Q(dedupe_key=""),
                name="accounts_notice_told_once",
            ),
            # A path on this site and nothing that a browser takes for another host.
            models.CheckConstraint(
                condition=models.Q(url="") | models.Q(url__regex=r"^/([^/\\]|$)"),
                name="accounts_notice_leads_to_this_site",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def title(self) -> str:
        """The subject in the language that is active."""
        return self._in_words(self.subject)

    @property
    def text(self) -> str:
        """The body in the language that is active."""
        return self._in_words(self.body)

    def _in_words(self, text: str) -> str:
        values = {name: _in_words(value) for name, value in self.params.items()}
        return str(gettext(text) % values)


def _in_words(value: str | int | list[str] | dict[str, str]) -> str | int:
    match value:
        case list():
            return ", ".join(map(gettext, value))
        case dict():
            return usd(value["usd"])
        case _:
            return value
