"""Putting a person's name or tax id right: they ask, an officer proposes, a second one decides.

LGPD art. 18 III. Nobody but officers changes what was checked, so that a name that is on a list
cannot be typed away; once it is changed the person is looked up again.
"""

import uuid
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import CharField, Exists, OuterRef, QuerySet
from django.db.models.functions import Cast
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_noop

from accounts import notices
from accounts.models import Notice, User
from agora.lib.catalog import Text
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import Proposal
from kyc.cases.opening import hold_application
from kyc.cases.record import WORK
from kyc.fullname import InvalidName, clean_full_name
from kyc.models import Application, Correction
from kyc.taxid import InvalidTaxId, clean_tax_id

CORRECT = "kyc.correct"
OBJECT = "kyc_correction"
LONGEST_TEXT = 1000
TAX_ID_ELSEWHERE: Text = _(
    "Another account has this tax id, so it cannot be corrected. Compare both accounts with the "
    "documents, and answer the person how to go on."
)


class CorrectionRefused(Refused):
    """Nothing was changed. `code` is stable, `message` says what to do, `field` where it is wrong."""

    def __init__(self, code: str, message: Text, *, field: str = "") -> None:
        super().__init__(code, message)
        self.field = field


def ask(*, user: User, full_name: str, tax_id: str, reason: str, now: datetime) -> Correction:
    """Store what the user wants put right, for officers to decide; an empty value is left as it is.

    Raises CorrectionRefused: not_onboarded, account_closed, asked_before, nothing_new, or what is wrong with
    full_name, tax_id or reason. Holds the application's row.
    """
    with transaction.atomic():
        application = _own(user)
        if _open_of(user).exists():
            raise CorrectionRefused(
                "asked_before", _("You have asked for a correction already: we look at it.")
            )
        correction = Correction(application=application, asked_at=now)
        correction.seal(column="full_name", text=_name(application, full_name))
        correction.seal(column="tax_id", text=_number(application, tax_id))
        if not correction.fields:
            raise CorrectionRefused("nothing_new", _("This is what we have already."))
        correction.seal(column="reason", text=_words(reason, field="reason"))
        correction.save(force_insert=True)
        _record(correction, "asked", actor=audit.actor_of(user), now=now)
    return correction


def _open_of(user: User) -> QuerySet[Correction]:
    return Correction.objects.filter(application__user=user, state=Correction.State.OPEN)


def _own(user: User) -> Application:
    """The user's application, held."""
    found = Application.objects.filter(user=user).first()
    if found is None:
        raise CorrectionRefused(
            "not_onboarded", _("You have not told us who you are yet: do that first.")
        )
    application = hold_application(found.pk)
    if not application.user.is_active:
        raise CorrectionRefused("account_closed", _("This account is closed."))
    return application


def _name(application: Application, text: str) -> str:
    """The name as it is kept, or nothing when it is not to be changed."""
    if not text.strip():
        return ""
    try:
        name = clean_full_name(text)
    except InvalidName as error:
        raise CorrectionRefused("full_name", error.reason, field="full_name") from error
    return name if name != application.full_name else ""


def _number(application: Application, text: str) -> str:
    if not text.strip():
        return ""
    try:
        number = clean_tax_id(country=application.country, text=text)
    except InvalidTaxId as error:
        raise CorrectionRefused("tax_id", error.reason, field="tax_id") from error
    # Whether another account has it is for officers: anybody could find out who is a customer here.
    return number if number != application.tax_id else ""


def _words(text: str, *, field: str) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > LONGEST_TEXT:
        raise CorrectionRefused(field, _("Say why, in at most 1,000 characters."), field=field)
    return stripped


def withdraw(*, user: User, now: datetime) -> Correction:
    """Take back one's own open wish. Raises CorrectionRefused (decided). Locks application and wish."""
    with transaction.atomic():
        found = _open_of(user).first()
        if found is None:
            raise CorrectionRefused(
                "decided", _("There is nothing to take back: it has been decided.")
            )
        return _drop(found, actor=audit.actor_of(user), now=now)


def _drop(found: Correction, *, actor: str, now: datetime) -> Correction:
    """End what is not wanted any more, and what is proposed on it."""
    correction = hold(found.pk)
    end(correction, Correction.State.WITHDRAWN, actor=actor, now=now)
    four_eyes.lapse(object_type=OBJECT, object_id=correction.pk, now=now)
    return correction


def propose(*, correction_id: uuid.UUID, officer: User, reason: str, now: datetime) -> Proposal:
    """Propose to make a correction; a second person decides. The values stay out of the proposal.

    Raises Correction.DoesNotExist, PermissionDenied, or Refused: about oneself, decided already,
    proposed already, or a tax id that another account has by now.
    """
    correction = Correction.objects.get(pk=correction_id)
    return four_eyes.propose(
        kind=CORRECT,
        object_type=OBJECT,
        object_id=correction.pk,
        payload={"fields": correction.fields},
        reason=reason,
        maker=officer,
        now=now,
    )


def open_proposal(correction_id: uuid.UUID) -> Proposal | None:
    """What waits for a second person about the correction."""
    return four_eyes.open_proposal(object_type=OBJECT, object_id=correction_id)


def is_proposed() -> Exists:
    """Whether a correction waits for a second person, for queries of corrections."""
    theirs = Proposal.objects.filter(state=Proposal.State.OPEN, object_type=OBJECT)
    return Exists(theirs.filter(object_id=Cast(OuterRef("pk"), CharField())))


def decline(*, correction_id: uuid.UUID, officer: User, text: str, now: datetime) -> Correction:
    """Answer the person why it is not corrected. Locks the application and the correction.

    Raises Correction.DoesNotExist, PermissionDenied, or CorrectionRefused: about oneself, decided
    already, proposed for a second person, or no text.
    """
    if not officer.has_perm(WORK):
        raise PermissionDenied
    with transaction.atomic():
        correction = hold(correction_id)
        if correction.application.user_id == officer.pk:
            raise CorrectionRefused("own_case", _("This is about you: a colleague has to decide."))
        if open_proposal(correction.pk):
            raise CorrectionRefused(
                "proposed",
                _("It is proposed to a second person: they decide, or withdraw it first."),
            )
        correction.seal(column="answer", text=_words(text, field="text"))
        end(correction, Correction.State.DECLINED, actor=audit.actor_of(officer), now=now)
        tell(correction, now=now)
    return correction


def elsewhere(correction: Correction) -> Application | None:
    """The application that has the tax id wanted; None when there is none, or no other tax id is wanted."""
    if not correction.tax_id_encrypted:
        return None
    return Application.objects.filter(tax_id_index=correction.tax_id_index).first()


def hold(correction_id: uuid.UUID) -> Correction:
    """An open correction, its row locked until the transaction ends; raises CorrectionRefused.

    The application is locked before it, as by every decision. Raises Correction.DoesNotExist, too.
    """
    found = Correction.objects.get(pk=correction_id)
    application = hold_application(found.application_id)
    correction = Correction.objects.select_for_update().get(pk=correction_id)
    correction.application = application
    if correction.state != Correction.State.OPEN:
        raise CorrectionRefused("decided", _("This is decided already: nothing was changed."))
    return correction


def hold_open(*, user: User) -> None:
    """Lock the user's open wish until the transaction ends; the application's row is held."""
    _open_of(user).select_for_update(of=("self",)).first()


def end(correction: Correction, state: Correction.State, *, actor: str, now: datetime) -> None:
    """Close a correction whose row is held, with its audit row."""
    correction.state, correction.decided_at = state, now
    correction.save(update_fields=["state", "decided_at", "answer_encrypted"])
    _record(correction, state.lower(), actor=actor, now=now)


def end_with_account(*, user: User, now: datetime) -> None:
    """An account that is closed wants nothing put right any more. Call it inside a transaction."""
    for found in _open_of(user):
        _drop(found, actor=audit.system("kyc"), now=now)


def change(correction: Correction) -> None:
    """Write the new values into the application, whose row is held.

    Raises CorrectionRefused when another account has got the tax id meanwhile.
    """
    application = correction.application
    for column in correction.fields:
        text = getattr(correction, column)
        setattr(application, f"{column}_encrypted", application.seal(column=column, text=text))
    if correction.tax_id_encrypted:
        application.tax_id_index = correction.tax_id_index
    try:
        with transaction.atomic():
            application.save(
                update_fields=["full_name_encrypted", "tax_id_encrypted", "tax_id_index"]
            )
    except IntegrityError as error:
        raise CorrectionRefused("tax_id_taken", TAX_ID_ELSEWHERE) from error


def tell(correction: Correction, *, now: datetime) -> None:
    """Tell the person how it ended; what was changed stays on the page, e-mails are open to many."""
    made = correction.state == Correction.State.MADE
    notices.notify(
        user=correction.application.user,
        kind="correction",
        subject=gettext_noop("Your data has been corrected")
        if made
        else gettext_noop("Your data was not corrected"),
        body=gettext_noop(
            "What you asked us to put right has been changed. If you did not ask for it, write to us."
        )
        if made
        else gettext_noop("Open the page on your data to read why."),
        params={},
        url=reverse("correction"),
        level=Notice.Level.WARNING,
        now=now,
    )


def _record(correction: Correction, what: str, *, actor: str, now: datetime) -> None:
    audit.record(
        actor=actor,
        action=f"kyc.correction.{what}",
        object_type="kyc_application",
        object_id=str(correction.application_id),
        evidence={"correction": str(correction.pk), "fields": correction.fields},
        now=now,
    )
