"""People: the user, their wallets, their API tokens, their address book and what they are told."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.addresses import LARGEST_TAG, LONGEST_ADDRESS, Caution, Chain, Exchange, cautions
from agora.lib.work import Job


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail address; there is no user name."""

    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("An e-mail address is needed.")
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """Someone who signs in by e-mail: a retail user, or staff."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(_("e-mail address"), unique=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("staff"), default=False)
    is_demo = models.BooleanField(_("demo data"), default=False)
    date_joined = models.DateTimeField(_("joined"), db_default=Now(), editable=False)
    # Of e-mails, which know no browser; empty until one was chosen, which means English.
    language = models.CharField(_("language"), max_length=10, blank=True, default="")

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        verbose_name = _("user")
        verbose_name_plural = _("users")
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case"),
        ]

    def __str__(self) -> str:
        return self.email


class Wallet(models.Model):
    """The address that a person's tokens are minted to; verified once its owner signs for it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="wallet")
    address = models.CharField(_("address"), max_length=42, unique=True)
    created_at = models.DateTimeField(_("added"), db_default=Now(), editable=False)
    verified_at = models.DateTimeField(_("verified"), null=True, blank=True)

    class Meta:
        verbose_name = _("wallet")
        verbose_name_plural = _("wallets")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(address__regex=r"^0x[0-9a-fA-F]{40}$"),
                name="accounts_wallet_is_evm_address",
            ),
        ]

    def __str__(self) -> str:
        return self.address


class ApiToken(models.Model):
    """A bearer token of the API: only its keyed digest is stored (ID-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=12, unique=True)
    digest = models.BinaryField(_("digest"), max_length=32, editable=False)
    scopes = models.JSONField(_("scopes"), default=list)
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


class AddressEntry(models.Model):
    """An address in a person's address book, in the one form that its chain gives it (WAL-1)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="address_entries")
    exchange = models.CharField(_("exchange"), max_length=16, choices=Exchange, blank=True)
    chain = models.CharField(_("chain"), max_length=8, choices=Chain)
    label = models.CharField(_("label"), max_length=60)
    address = models.CharField(_("address"), max_length=LONGEST_ADDRESS)
    tag = models.BigIntegerField(_("destination tag"), null=True, blank=True)
    created_at = models.DateTimeField(_("added"))
    updated_at = models.DateTimeField(_("changed"))

    class Meta:
        verbose_name = _("address")
        verbose_name_plural = _("address book")
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="accounts_address_of_user"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "exchange", "chain", "address", "tag"],
                nulls_distinct=False,
                name="accounts_address_once",
            ),
            models.CheckConstraint(
                condition=models.Q(chain__in=Chain.values), name="accounts_address_chain"
            ),
            models.CheckConstraint(
                condition=models.Q(exchange__in=Exchange.values), name="accounts_address_exchange"
            ),
            models.CheckConstraint(
                condition=models.Q(tag=None)
                | models.Q(chain=Chain.XRP, tag__gte=0, tag__lte=LARGEST_TAG),
                name="accounts_address_tag",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} ({self.chain})"

    @property
    def cautions(self) -> list[Caution]:
        """What its owner should look at again."""
        return cautions(
            chain=self.chain, exchange=self.exchange, address=self.address, tag=self.tag
        )


class Notice(Job):
    """Something a person is told in the app and by e-mail; the row is the e-mail's job.

    `subject` and `body` are English msgids and `params` what stands in their places: a notice is
    translated whenever it is shown, to whatever its reader's language is by then.
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
        return f"{self.kind} {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def title(self) -> str:
        """The subject in the language that is active."""
        return str(gettext(self.subject) % self.params)

    @property
    def text(self) -> str:
        """The body in the language that is active."""
        return str(gettext(self.body) % self.params)
