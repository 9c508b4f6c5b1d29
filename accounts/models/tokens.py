"""Bearer tokens of the API."""

import uuid

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from accounts.models.users import User


class ApiToken(models.Model):
    """A bearer token of the API: only its keyed digest is stored (ID-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    digest = models.BinaryField(_("digest"), max_length=32, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
    # Networks in CIDR form from which it works; an empty list means anywhere.
    networks = models.JSONField(_("network addresses"), default=list, blank=True)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class TokenUse(models.Model):
    """How often a token was shown from one address in one minute, and the last of these uses (AUD-1).

    Attempts with a known prefix that were let in nowhere are rows too, with their `outcome`. The
    address is personal data: kept as it is, for as long as the retention rule says. `route` is the
    name of the endpoint and never the path, which may hold ids.
    """

    class Outcome(models.TextChoices):
        USED = "used", _("Used")
        WRONG_SECRET = "wrong_secret", _("Wrong secret")
        REVOKED = "revoked", _("Revoked token")
        EXPIRED = "expired", _("Expired token")
        INACTIVE = "inactive", _("Account not active")
        NETWORK = "network", _("Address not allowed")

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="uses")
    minute = models.DateTimeField(_("minute"))
    outcome = models.CharField(_("outcome"), max_length=12, choices=Outcome)
    address = models.GenericIPAddressField(_("network address"), null=True, blank=True)
    count = models.PositiveIntegerField(_("times"))
    method = models.CharField(_("method"), max_length=10)
    route = models.CharField(_("endpoint"), max_length=80)
    status = models.PositiveSmallIntegerField(_("status"))
    last_at = models.DateTimeField(_("last"))

    class Meta:
        verbose_name = _("use of a token")
        verbose_name_plural = _("uses of tokens")
        ordering = ["-last_at", "-id"]
        indexes = [
            models.Index(fields=["token", "-last_at", "-id"], name="accounts_tokenuse_of_token"),
            models.Index(fields=["minute"], name="accounts_tokenuse_minute"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["token", "minute", "outcome", "address"],
                nulls_distinct=False,
                name="accounts_tokenuse_once",
            ),
            models.CheckConstraint(condition=models.Q(count__gt=0), name="accounts_tokenuse_count"),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint}, {self.last_at:%Y-%m-%d %H:%M}"

    @property
    def endpoint(self) -> str:
        """Method and name of the endpoint, such as "GET orders"."""
        return f"{self.method} {self.route.removeprefix('api:')}"
