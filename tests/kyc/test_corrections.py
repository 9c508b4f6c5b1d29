"""A name or tax id that is wrong is put right by two people, sealed all the way, and looked up again."""

import html
from decimal import Decimal
from pathlib import Path

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Notice, User
from compliance import audit, four_eyes
from compliance.four_eyes import Refused
from compliance.models import AuditRow, Proposal
from kyc import corrections, holds, screening
from kyc import erasure as kyc_erasure
from kyc.corrections import CorrectionRefused
from kyc.models import Application, CaseEvent, Correction, ScreeningMatch
from kyc.screening import lists
from tests.kyc import casework
from tests.people import new_cpf, new_user, onboarded

pytestmark = pytest.mark.django_db
State = Correction.State
NAME = "Canary Corrected Name"


@pytest.fixture
def person() -> User:
    return onboarded()


def asked(person: User, **changes: str) -> Correction:
    values = {"full_name": NAME, "tax_id": "", "reason": "I typed it wrong.", **changes}
    return corrections.ask(user=person, **values, now=timezone.now())


def proposed(correction: Correction, officer: User | None = None) -> Proposal:
    return corrections.propose(
        correction_id=correction.pk,
        officer=officer or casework.officer(),
        reason="As on the document.",
        now=timezone.now(),
    )


def made(correction: Correction) -> Application:
    """The application once two people have decided."""
    proposal = proposed(correction)
    four_eyes.approve(proposal_id=proposal.pk, checker=casework.officer(), now=timezone.now())
    return Application.objects.get(pk=correction.application_id)


def listed(tmp_path: Path, name: str, number: str = "") -> None:
    """A list of sanctions with this person alone."""
    path = tmp_path / "targets.simple.csv"
    path.write_text(
        "id,schema,name,aliases,birth_date,countries,addresses,identifiers,sanctions,phones,emails,"
        "program_ids,dataset,first_seen,last_seen,last_change\n"
        f"x-1,Person,{name},,,,,{number},Invented,,,,Invented List for Tests,,,\n"
    )
    lists.load(path=path, name="default", actor="system:test", now=timezone.now())


# What it changes


def test_nothing_changes_until_a_second_person_approves(person: User) -> None:
    before = person.kyc_application.full_name

    proposed(asked(person))

    assert Application.objects.get(user=person).full_name == before


def test_the_name_is_changed_and_the_tax_id_left_as_it_was(person: User) -> None:
    tax_id = person.kyc_application.tax_id

    application = made(asked(person))

    assert (application.full_name, application.tax_id) == (NAME, tax_id)
    assert Correction.objects.get().state == State.MADE


def test_a_new_tax_id_takes_the_old_ones_place_in_the_index(person: User) -> None:
    old, new = person.kyc_application.tax_id, new_cpf()

    application = made(asked(person, full_name="", tax_id=new))

    assert application.tax_id == new
    assert made(asked(onboarded(), full_name="", tax_id=old)).tax_id == old


def test_a_rejected_person_corrects_what_they_typed_wrong(person: User) -> None:
    Application.objects.update(status="REJECTED")

    application = made(asked(person))

    assert (application.full_name, application.status) == (NAME, "REJECTED")


def test_the_person_is_looked_up_under_the_new_name(person: User, tmp_path: Path) -> None:
    listed(tmp_path, NAME)
    assert not ScreeningMatch.objects.exists()

    made(asked(person))

    match = ScreeningMatch.objects.get()
    assert match.application.user == person
    assert person.kyc_application.cases.get().is_open


def dismissed(person: User) -> ScreeningMatch:
    """What is found under the name, which an officer takes for somebody else."""
    with transaction.atomic():
        (match,) = screening.screen(application=person.kyc_application, now=timezone.now())
    return screening.dismiss(
        match_id=match.pk,
        officer=casework.officer("kyc.review_match"),
        reason="Another number.",
        now=timezone.now(),
    )


def test_a_match_dismissed_by_name_holds_once_the_number_is_the_list_s(
    person: User, tmp_path: Path
) -> None:
    number = new_cpf()
    listed(tmp_path, person.kyc_application.full_name, number)
    match = dismissed(person)
    person.kyc_application.cases.update(
        state="REJECTED", outcome="EXPIRED", closed_at=timezone.now()
    )
    assert not holds.is_held(person.kyc_application.pk)

    made(asked(person, full_name="", tax_id=number))

    match.refresh_from_db()
    assert (match.by, match.score, match.state) == ("IDENTIFIER", Decimal(100), "OPEN")
    assert holds.is_held(person.kyc_application.pk)
    assert person.kyc_application.cases.filter(closed_at=None).count() == 1
    assert AuditRow.objects.filter(action="screening.matched_again").count() == 1


def test_an_open_match_by_name_holds_once_the_number_is_the_list_s(
    person: User, tmp_path: Path
) -> None:
    number = new_cpf()
    listed(tmp_path, person.kyc_application.full_name, number)
    with transaction.atomic():
        screening.screen(application=person.kyc_application, now=timezone.now())
    assert not holds.is_held(person.kyc_application.pk)

    made(asked(person, full_name="", tax_id=number))

    assert ScreeningMatch.objects.get().by == ScreeningMatch.By.IDENTIFIER
    assert holds.is_held(person.kyc_application.pk)


def test_a_dismissed_match_that_still_hits_is_decided_anew_and_then_rests(
    person: User, tmp_path: Path
) -> None:
    listed(tmp_path, person.kyc_application.full_name)
    match = dismissed(person)

    made(asked(person, full_name="", tax_id=new_cpf()))

    match.refresh_from_db()
    assert (match.state, match.by, match.decided_by, match.reason) == ("OPEN", "NAME", None, "")
    with transaction.atomic():
        assert screening.screen(application=person.kyc_application, now=timezone.now()) == []


def test_an_open_case_is_checked_anew() -> None:
    officer = casework.officer()
    case = casework.all_done(casework.taken(officer), officer)
    assert case.checks.exists()

    made(asked(case.application.user))

    assert not case.checks.exists()
    assert case.events.filter(kind=CaseEvent.Kind.CORRECTED).exists()


def test_the_person_is_told_without_the_values(person: User) -> None:
    made(asked(person))

    notice = Notice.objects.get(user=person, kind="correction")
    assert notice.title == "Your data has been corrected"
    assert NAME not in notice.title + notice.text


# Who may do what


def test_nobody_proposes_or_declines_their_own() -> None:
    officer = casework.officer()
    own = onboarded()
    correction = asked(own)
    casework.allow(own, *casework.WORKS)
    self_served = User.objects.get(pk=own.pk)

    with pytest.raises(Refused, match="about yourself"):
        proposed(correction, self_served)
    with pytest.raises(CorrectionRefused, match="about you"):
        corrections.decline(
            correction_id=correction.pk, officer=self_served, text="x", now=timezone.now()
        )
    assert proposed(correction, officer).subject_id == own.pk


def test_who_does_not_work_on_cases_neither_proposes_nor_declines(person: User) -> None:
    correction, looker = asked(person), casework.officer(*casework.LOOKS)

    with pytest.raises(PermissionDenied):
        proposed(correction, looker)
    with pytest.raises(PermissionDenied):
        corrections.decline(
            correction_id=correction.pk, officer=looker, text="No.", now=timezone.now()
        )


def test_who_is_declined_reads_why(person: User, client: Client) -> None:
    correction = corrections.decline(
        correction_id=asked(person).pk,
        officer=casework.officer(),
        text="Your document shows the other name.",
        now=timezone.now(),
    )

    assert correction.state == State.DECLINED
    client.force_login(person)
    assert "Your document shows the other name." in client.get(reverse("correction")).text
    notice = Notice.objects.get(user=person)
    assert (notice.title, notice.url) == ("Your data was not corrected", reverse("correction"))


def test_what_is_proposed_is_not_declined_by_one_alone(person: User) -> None:
    correction = asked(person)
    proposed(correction)

    with pytest.raises(CorrectionRefused) as refused:
        corrections.decline(
            correction_id=correction.pk, officer=casework.officer(), text="No.", now=timezone.now()
        )
    assert refused.value.code == "proposed"


def test_what_was_taken_back_is_not_made(person: User) -> None:
    proposal = proposed(asked(person))
    corrections.withdraw(user=person, now=timezone.now())

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.EXPIRED
    with pytest.raises(Refused, match="decided already"):
        four_eyes.approve(proposal_id=proposal.pk, checker=casework.officer(), now=timezone.now())
    assert Application.objects.get(user=person).full_name != NAME


def test_who_asks_does_not_learn_whether_somebody_has_a_tax_id(
    person: User, client: Client
) -> None:
    taken = onboarded().kyc_application.tax_id
    client.force_login(person)

    def shown(tax_id: str) -> str:
        wish = {"tax_id": tax_id, "reason": "Typo."}
        text = client.post(reverse("correction"), wish, follow=True).text
        client.post(reverse("correction_withdraw"))
        return text

    for tax_id in (new_cpf(), taken):
        text = shown(tax_id)
        assert text.count("Waits for us") == 1
        assert "exists already" not in text
    assert AuditRow.objects.filter(action="kyc.correction.asked").count() == 2


def test_the_officer_is_led_to_the_account_that_has_the_tax_id_and_answers(
    person: User, client: Client
) -> None:
    other = onboarded().kyc_application
    correction = asked(person, full_name="", tax_id=other.tax_id)
    free = asked(onboarded(), full_name="", tax_id=new_cpf())
    client.force_login(casework.officer(*casework.WORKS, "kyc.view_correction"))
    link = reverse("admin:kyc_application_change", args=[other.pk])

    def page(one: Correction) -> str:
        return client.get(reverse("admin:kyc_correction_change", args=[one.pk])).text

    assert link in page(correction)
    assert "Account with this tax id" not in page(free)

    with pytest.raises(Refused, match="Another account has this tax id"):
        proposed(correction)
    answer = "Your tax id is on your first account: go on with that one."
    corrections.decline(
        correction_id=correction.pk, officer=casework.officer(), text=answer, now=timezone.now()
    )
    assert link not in page(correction)
    client.force_login(person)
    assert answer in client.get(reverse("correction")).text


def test_a_tax_id_that_somebody_got_meanwhile_is_refused_at_the_approval(person: User) -> None:
    taken = onboarded().kyc_application
    correction = asked(person, full_name="", tax_id=new_cpf())
    proposal = proposed(correction)
    Application.objects.filter(pk=taken.pk).update(tax_id_index=correction.tax_id_index)

    with pytest.raises(Refused, match="Another account has this tax id"):
        four_eyes.approve(proposal_id=proposal.pk, checker=casework.officer(), now=timezone.now())
    correction.refresh_from_db()
    assert correction.state == State.OPEN


# What is refused


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"full_name": "?"}, "full_name", "full_name"),
        ({"tax_id": "123"}, "tax_id", "tax_id"),
        ({"reason": "  "}, "reason", "reason"),
        ({"reason": "x" * 1001}, "reason", "reason"),
        ({"full_name": ""}, "nothing_new", ""),
        ({"full_name": "Person  of a Test"}, "nothing_new", ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_stored(
    person: User, changes: dict[str, str], code: str, field: str
) -> None:
    with pytest.raises(CorrectionRefused) as refused:
        asked(person, **changes)

    assert (refused.value.code, refused.value.field) == (code, field)
    assert not Correction.objects.exists()


def test_one_at_a_time_and_only_who_has_applied(person: User) -> None:
    asked(person)
    for user, code in ((person, "asked_before"), (new_user(), "not_onboarded")):
        with pytest.raises(CorrectionRefused) as refused:
            asked(user)
        assert refused.value.code == code


# What is kept


def test_the_values_are_in_no_table_in_clear(person: User) -> None:
    tax_id = new_cpf()
    made(asked(person, tax_id=tax_id, reason="Canary reason."))

    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT t::text FROM "{table}" t')
            whole = "\n".join(row[0] for row in cursor.fetchall())
            for secret in (NAME, tax_id, "Canary reason."):
                assert secret not in whole, table
                assert secret.encode().hex() not in whole, table


def test_the_trail_names_the_fields_and_who_decided(person: User) -> None:
    made(asked(person))

    rows = AuditRow.objects.filter(action__startswith="kyc.correction.").order_by("id")
    assert [row.action for row in rows] == ["kyc.correction.asked", "kyc.correction.made"]
    assert rows[0].actor == audit.actor_of(person)
    assert rows[1].evidence["fields"] == ["full_name"]


def test_a_closed_account_wants_nothing_corrected(person: User) -> None:
    correction = asked(person)
    proposal = proposed(correction)

    kyc_erasure.close(user=person, now=timezone.now())

    correction.refresh_from_db()
    proposal.refresh_from_db()
    assert (correction.state, proposal.state) == (State.WITHDRAWN, Proposal.State.EXPIRED)


# Pages


def test_the_person_asks_on_the_page_and_takes_it_back(person: User, client: Client) -> None:
    client.force_login(person)
    address = reverse("correction")

    wrong = client.post(address, {"full_name": NAME, "tax_id": "1", "reason": "Typo."})
    assert wrong.status_code == 422
    assert "This is not a valid CPF" in wrong.text
    page = client.post(address, {"full_name": NAME, "reason": "Typo."}, follow=True)
    assert "Waits for us" in page.text
    assert NAME not in page.text
    page = client.post(reverse("correction_withdraw"), follow=True)
    assert "Nothing was changed." in page.text
    assert Correction.objects.get().state == State.WITHDRAWN


def test_who_tries_many_tax_ids_has_to_wait(
    person: User, client: Client, settings: Settings
) -> None:
    settings.API_RATES = {**settings.API_RATES, "onboard": 2}
    client.force_login(person)

    def tried() -> int:
        wish = {"tax_id": new_cpf(), "reason": "Typo."}
        answer = client.post(reverse("correction"), wish)
        client.post(reverse("correction_withdraw"))
        return answer.status_code

    answers = [tried() for _ in range(4)]

    # A minute may end in between.
    assert answers[0] == 302
    assert 429 in answers[1:3]
    assert Correction.objects.count() < 4


def test_what_was_corrected_is_shown_also_once_it_is_another_value(
    person: User, client: Client
) -> None:
    correction = asked(person)
    made(correction)
    made(asked(person, full_name="Another Name Again"))
    client.force_login(casework.officer(*casework.WORKS, "kyc.view_correction"))

    shown = client.get(reverse("admin:kyc_correction_change", args=[correction.pk])).text

    assert NAME in shown
    assert "Another Name Again" not in shown


@pytest.mark.parametrize(("state", "listed"), [("OPEN", "free"), ("PROPOSED", "proposed")])
def test_what_is_proposed_does_not_wait_for_an_officer(
    client: Client, state: str, listed: str
) -> None:
    wishes = {"free": asked(onboarded()), "proposed": asked(onboarded())}
    proposed(wishes["proposed"])
    client.force_login(casework.officer(*casework.WORKS, "kyc.view_correction"))

    shown = client.get(reverse("admin:kyc_correction_changelist"), {"state": state}).text

    found = {name for name, wish in wishes.items() if str(wish.pk) in shown}
    assert found == {listed}


def test_an_officer_sees_old_and_new_and_proposes_it(person: User, client: Client) -> None:
    correction = asked(person)
    officer = casework.officer(*casework.WORKS, "kyc.view_correction")
    client.force_login(officer)
    page = reverse("admin:kyc_correction_change", args=[correction.pk])

    shown = client.get(page).text

    assert f"Person of a Test → {NAME}" in shown
    look = AuditRow.objects.filter(actor=audit.actor_of(officer)).latest("id")
    assert (look.object_id, look.evidence["fields"]) == (
        str(correction.application_id), ["full_name", "reason"],
    )  # fmt: skip
    client.post(
        reverse("admin:kyc_correction_propose", args=[correction.pk]),
        {"_form_submitted": "True", "reason": "Seen."},
    )
    assert Proposal.objects.get().object_id == str(correction.pk)


def test_an_officer_sees_what_is_to_be_corrected_and_the_look_names_all_of_it(
    person: User, client: Client
) -> None:
    tax_id = new_cpf()
    correction = asked(person, full_name="", tax_id=tax_id, reason="A digit is wrong.")
    declined = corrections.decline(
        correction_id=correction.pk,
        officer=casework.officer(),
        text="The document says otherwise.",
        now=timezone.now(),
    )
    officer = casework.officer(*casework.LOOKS, "kyc.view_correction")
    client.force_login(officer)

    shown = client.get(reverse("admin:kyc_correction_change", args=[declined.pk])).text

    for text in (tax_id, "A digit is wrong.", "The document says otherwise."):
        assert text in shown
    assert person.kyc_application.full_name not in shown
    look = AuditRow.objects.filter(actor=audit.actor_of(officer)).latest("id")
    assert look.evidence["fields"] == ["answer", "reason", "tax_id"]


def test_who_decides_reads_no_value_in_the_proposal(person: User) -> None:
    proposal = proposed(asked(person))

    lines = four_eyes.kind_of(proposal.kind).lines(proposal)
    assert NAME not in str([(str(label), str(text)) for label, text in lines])
    assert NAME not in str(proposal.payload)


def test_what_is_proposed_offers_the_proposal_alone(person: User, client: Client) -> None:
    correction = asked(person)
    client.force_login(casework.officer(*casework.WORKS, "kyc.view_correction"))
    page = reverse("admin:kyc_correction_change", args=[correction.pk])
    propose = reverse("admin:kyc_correction_propose", args=[correction.pk])
    decline = reverse("admin:kyc_correction_decline", args=[correction.pk])
    before = client.get(page).text
    assert propose in before
    assert decline in before
    assert "Waits for a second person" not in before

    proposal = proposed(correction)

    shown = client.get(page).text
    assert propose not in shown
    assert decline not in shown
    assert "Waits for a second person" in shown
    assert reverse("admin:compliance_proposal_change", args=[proposal.pk]) in shown


def test_the_page_says_the_state_in_words(person: User, client: Client) -> None:
    client.force_login(casework.officer(*casework.WORKS, "kyc.view_correction"))

    shown = client.get(reverse("admin:kyc_correction_change", args=[asked(person).pk])).text

    assert "Waits for us" in shown
    assert "'OPEN'" not in html.unescape(shown)


def test_the_proposal_names_the_person(person: User) -> None:
    lines = four_eyes.lines_of(proposed(asked(person)))

    assert {str(label): str(value) for label, value in lines}["Person"] == person.email
