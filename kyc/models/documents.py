"""Documents that a person has shown, their pages, and who looked at them."""

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.keys import key_for
from agora.lib import crypto
from kyc.models.applications import Application

MOST_PAGES = 10


class Document(models.Model):
    """One file that a person has shown (ID-2). What is kept are its pages, drawn anew.

    `sha256`, `size` and `media_type` are of the file as it came, which itself is not kept. The
    pages of a withdrawn document are gone.
    """

    class Kind(models.TextChoices):
        IDENTITY_FRONT = "identity_front", _("Identity card, front")
        IDENTITY_BACK = "identity_back", _("Identity card, back")
        PASSPORT = "passport", _("Passport, page with the photo")
        PROOF_OF_ADDRESS = "proof_of_address", _("Proof of address")
        SELFIE = "selfie", _("Photo of yourself")

    class State(models.TextChoices):
        PENDING = "PENDING", _("Waits for review")
        ACCEPTED = "ACCEPTED", _("Accepted")
        REJECTED = "REJECTED", _("Not accepted")
        WITHDRAWN = "WITHDRAWN", _("Withdrawn")

    class Reason(models.TextChoices):
        UNREADABLE = "unreadable", _("It cannot be read: blurred, dark, or with glare")
        CUT_OFF = "cut_off", _("A part of it is missing")
        WRONG_KIND = "wrong_kind", _("It is another kind of document")
        EXPIRED = "expired", _("It has expired, or is too old")
        DIFFERENT = "different", _("It does not match the application")
        OTHER = "other", _("Another reason")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    application = models.ForeignKey(
        Application,
        on_delete=models.PROTECT,
        related_name="documents",
        verbose_name=_("application"),
    )
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    media_type = models.CharField(_("type"), max_length=20)
    sha256 = models.CharField(_("SHA-256 of the file"), max_length=64)
    size = models.PositiveIntegerField(_("size, bytes"))
    page_count = models.PositiveSmallIntegerField(_("pages"))
    uploaded_at = models.DateTimeField(_("uploaded"))
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    decided_by = models.CharField(_("decided by"), max_length=80, blank=True)
    reason = models.CharField(_("reason"), max_length=12, choices=Reason, blank=True)
    # What the officer adds for the person, under the person's key.
    note_encrypted = models.BinaryField(editable=False, default=b"")

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        ordering = ["-uploaded_at", "-id"]
        permissions = [("review_document", "Can accept and reject documents")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(page_count__gte=1, page_count__lte=MOST_PAGES),
                name="kyc_document_page_count",
            ),
            models.CheckConstraint(
                condition=models.Q(state="PENDING", decided_at=None, decided_by="")
                | (~models.Q(state="PENDING") & models.Q(decided_at__isnull=False)),
                name="kyc_document_decision_has_time",
            ),
            models.CheckConstraint(
                condition=(models.Q(state="REJECTED") & ~models.Q(reason=""))
                | (~models.Q(state="REJECTED") & models.Q(reason="")),
                name="kyc_document_rejection_has_reason",
            ),
            # A new one takes the place of the one that waits.
            models.UniqueConstraint(
                fields=["application", "kind"],
                condition=models.Q(state="PENDING"),
                name="kyc_document_one_waits",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, {self.uploaded_at:%Y-%m-%d %H:%M}"

    @property
    def note_place(self) -> crypto.Place:
        """Where the ciphertext of the note opens."""
        return {"table": "kyc_document", "column": "note", "row": self.pk}

    @property
    def note(self) -> str:
        """What the officer added for the person; empty without a note, or once it was erased."""
        if not self.note_encrypted:
            return ""
        try:
            key = key_for(self.application.user_id)
        except crypto.Shredded:
            return ""
        return crypto.decrypt(bytes(self.note_encrypted), key=key, **self.note_place)


class DocumentPage(models.Model):
    """One page as an image; its bytes lie encrypted in the document storage under `storage_key`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="pages")
    number = models.PositiveSmallIntegerField(_("page"))
    storage_key = models.CharField(_("storage key"), max_length=48, unique=True)
    width = models.PositiveSmallIntegerField(_("width, pixels"))
    height = models.PositiveSmallIntegerField(_("height, pixels"))

    class Meta:
        verbose_name = _("page of a document")
        verbose_name_plural = _("pages of documents")
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(
                fields=["document", "number"], name="kyc_documentpage_number_once"
            ),
            models.CheckConstraint(
                condition=models.Q(number__gte=1, number__lte=MOST_PAGES),
                name="kyc_documentpage_number",
            ),
            models.CheckConstraint(
                condition=models.Q(storage_key__regex=r"^[0-9a-f]{48}$"),
                name="kyc_documentpage_storage_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}/{self.number}"

    @property
    def place(self) -> crypto.Place:
        """Where its ciphertext opens: as this page of this document and nowhere else."""
        row = f"{self.document_id}/{self.number}"
        return {"table": "kyc_documentpage", "column": "image", "row": row}


class DocumentView(models.Model):
    """That somebody looked at a page: the log that the person may ask for (LGPD art. 9, 18)."""

    class Purpose(models.TextChoices):
        REVIEW = "review", _("Review by an officer")
        OWN = "own", _("Looked at by the person themselves")

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="views")
    page = models.PositiveSmallIntegerField(_("page"))
    viewer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, verbose_name=_("who looked")
    )
    purpose = models.CharField(_("purpose"), max_length=10, choices=Purpose)
    at = models.DateTimeField(_("at"), db_index=True)

    class Meta:
        verbose_name = _("view of a document")
        verbose_name_plural = _("views of documents")
        ordering = ["-at", "-id"]

    def __str__(self) -> str:
        return f"{self.get_purpose_display()}, {self.at:%Y-%m-%d %H:%M}"
