"""The user: somebody who signs in."""

import uuid
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models, transaction
from django.db.models.functions import Lower, Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

# Of erased accounts' addresses. Nobody's own: the top-level domain is reserved (RFC 2606).
ERASED_DOMAIN = "erased.invalid"


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
        """As `manage.py createsuperuser` makes one; leaves a row in the trail, in one transaction."""
        from compliance import audit  # its rows are models, too, and loaded after these

        with transaction.atomic(using=self._db):
            user = self.create_user(email, password, is_staff=True, is_superuser=True, **fields)
            audit.record(
                actor=audit.system("command"),
                action="superuser.created",
                object_type="user",
                object_id=str(user.pk),
                evidence={},
                now=timezone.now(),
            )
        return user


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
        permissions = [("assign_role", "Can propose roles of the back office")]
        constraints = [
            models.UniqueConstraint(Lower("email"), name="accounts_user_email_any_case"),
        ]

    def __str__(self) -> str:
        return self.email
