"""Sanctions and PEP screening: who is found, what officers decide, what it stops (ID-2)."""

import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import PersonKey, User
from agora.lib import work
from compliance.four_eyes import Refused
from compliance.models import AuditRow
from kyc import cases, erasure, screening, services, tasks
from kyc.cases.requirements import requirements
from kyc.models import (
    Application,
    Case,
    Screening,
    ScreeningEntry,
    ScreeningList,
    ScreeningMatch,
    ScreeningRun,
)
from kyc.screening import ScreeningError, everybody, lists
from tests.kyc import casework
from tests.people import new_address, new_cpf, new_officer, new_user, onboarded

pytestmark = pytest.mark.django_db
State, Status = ScreeningMatch.State, Application.Status

COLUMNS = [
    "id", "schema", "name", "aliases", "birth_date", "countries", "addresses", "identifiers",
    "sanctions", "phones", "emails", "program_ids", "dataset", "first_seen", "last_seen",
    "last_change",
]  # fmt: skip


def row(source_id: str, name: str, **cells: str) -> dict[str, str]:
    return dict.fromkeys(COLUMNS, "") | {
        "id": source_id,
        "schema": "Person",
        "name": name,
        "dataset": "Invented List for Tests",
        **cells,
    }


def written(tmp_path: Path, *rows: dict[str, str], columns: list[str] = COLUMNS) -> Path:
    """A file as OpenSanctions writes it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, dialect=csv.unix_dialect, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    path = tmp_path / "targets.simple.csv"
    path.write_text(text.getvalue())
    return path


@pytest.fixture
def load(tmp_path: Path) -> Any:
    """Loads a list with these rows."""

    def put(*rows: dict[str, str], **options: Any) -> lists.Loaded:
        path = written(tmp_path, *rows)
        given = {"name": "default", "actor": "system:test", "now": timezone.now(), **options}
        return lists.load(path=path, **given)

    return put


def apply(name: str, *, cpf: str = "") -> Application:
    """Somebody onboards under this name."""
    user = new_user()
    services.onboard(
        user=user,
        full_name=name,
        country="BR",
        tax_id=cpf or new_cpf(),
        wallet_address=new_address(),
        consent=True,
        now=timezone.now(),
    )
    return Application.objects.get(user=user)


def reviewer() -> User:
    return new_officer("review_match")


# Who is found


def is_met(code: str, case: Case) -> bool:
    """Whether the case's required action with this code is done."""
    (found,) = (action for action in requirements(case) if action.code == code)
    return found.done


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("João da Silva Terrível", "SILVA TERRIVEL, Joao"),
        ("Muhamad Hussain", "Mohammed Husein"),
        ("Wladimir Invented", "Vladimir Invented"),
        ("Yusuf Ibrahim", "Youssef Ebrahim"),
        ("Bachar Invented", "Bashar al-Invented"),
        ("Horacio Manuel Invented Jara", "Horacio Invented"),
        ("Sean O'Invented", "OInvented Sean"),
    ],
)
def test_a_name_written_another_way_is_found(load: Any, given: str, listed: str) -> None:
    load(row("x-1", listed))

    assert apply(given).status == Status.PENDING


@pytest.mark.parametrize(
    ("given", "listed"),
    [
        ("Pedro Alves", "Paulo Alves"),
        ("Joao Souza", "Jose Souza"),
        ("Carlos Alberto Gomez", "Carla Roberta Gomes"),
        ("Maria Pereira", "Maria"),
    ],
)
def test_another_name_is_not_found(load: Any, given: str, listed: str) -> None:
    load(row("x-1", listed))

    assert apply(given).status == Status.APPROVED


def test_an_alias_is_found(load: Any) -> None:
    load(row("x-1", "Somebody Else", aliases='"Invented; Semicolon";Zoltan Invented'))

    assert apply("Zoltan Invented").status == Status.PENDING


def test_a_number_is_found_whatever_the_name(load: Any) -> None:
    cpf = new_cpf()
    dotted = f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"
    load(row("x-1", "Somebody Else", identifiers=f"AB-1;{dotted}"))

    application = apply("Quite Different", cpf=cpf)

    match = screening.open_matches(application).get()
    assert match.by == ScreeningMatch.By.IDENTIFIER
    assert match.score == 100


def test_companies_and_ships_are_left_out(load: Any) -> None:
    loaded = load(row("x-1", "Some Person"), row("x-2", "Person Invented", schema="Vessel"))

    assert (loaded.counts.entries_count, loaded.counts.skipped) == (1, 1)
    assert apply("Person Invented").status == Status.APPROVED


def test_the_threshold_is_a_setting(load: Any, settings: Settings) -> None:
    load(row("x-1", "Marcelo Invented"))
    settings.SCREENING_THRESHOLD = 99

    assert apply("Marcos Invented").status == Status.APPROVED


# What a match does


def test_a_match_at_onboarding_keeps_the_person_waiting_and_opens_a_case(load: Any) -> None:
    load(row("x-1", "Zoltan Invented", sanctions="Invented programme"))

    application = apply("Zoltan Invented")

    assert application.status == Status.PENDING
    assert not hasattr(application, "daily_limit")
    match = screening.open_matches(application).get()
    assert (match.source_id, match.is_sanctioned, match.state) == ("x-1", True, State.OPEN)
    assert match.entry["name"] == "Zoltan Invented"
    case = Case.objects.get(application=application)
    assert case.cause == Case.Cause.ONBOARDING
    assert not is_met("MATCHES", case)


def test_nobody_else_waits(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))

    application = apply("Ana Pereira")

    assert application.status == Status.APPROVED
    assert Screening.objects.get(application=application).loads == [ScreeningList.objects.get().pk]
    assert not Case.objects.exists()


def test_nothing_personal_is_in_the_trail_and_the_log(
    load: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    load(row("x-1", "Zoltan Invented"))

    application = apply("Zoltan Invented")
    screening.dismiss(
        match_id=screening.open_matches(application).get().pk,
        officer=reviewer(),
        reason="Zoltan was born elsewhere.",
        now=timezone.now(),
    )

    told = [str(each.evidence) for each in AuditRow.objects.all()]
    assert not any("Zoltan" in text or "x-1" in text for text in told)
    printed = capsys.readouterr()
    assert "Zoltan" not in printed.out + printed.err


def test_without_a_list_people_are_approved_or_wait_as_the_setting_says(
    settings: Settings,
) -> None:
    assert apply("Ana Pereira").status == Status.APPROVED
    settings.SCREENING_REQUIRED = True
    assert apply("Ana Pereira").status == Status.PENDING


def test_who_waited_for_a_list_is_approved_once_it_finds_nothing(
    load: Any, settings: Settings
) -> None:
    settings.SCREENING_REQUIRED = True
    clean, found = apply("Ana Pereira"), apply("Zoltan Invented")

    load(row("x-1", "Zoltan Invented"))
    everybody.work_on(run_id=ScreeningRun.objects.get().pk)

    clean.refresh_from_db()
    found.refresh_from_db()
    assert (clean.status, found.status) == (Status.APPROVED, Status.PENDING)
    assert clean.daily_limit.limit_usd == 1000


# What officers decide


def test_dismissed_it_does_not_stand_against_an_approval(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))
    application = apply("Zoltan Invented")
    officer = reviewer()

    match = screening.dismiss(
        match_id=screening.open_matches(application).get().pk,
        officer=officer,
        reason=" Born in another year. ",
        now=timezone.now(),
    )

    assert (match.state, match.reason) == (State.DISMISSED, "Born in another year.")
    assert match.decided_by == officer
    assert not screening.open_matches(application).exists()
    assert is_met("MATCHES", Case.objects.get(application=application))
    assert AuditRow.objects.get(action="screening.dismissed").actor == f"user:{officer.pk}"


@pytest.mark.parametrize(("sanctions", "forbids"), [("Invented programme", True), ("", False)])
def test_confirmed_sanctions_forbid_an_approval_and_an_office_does_not(
    load: Any, sanctions: str, forbids: bool
) -> None:
    load(row("x-1", "Zoltan Invented", sanctions=sanctions))
    application = apply("Zoltan Invented")

    screening.confirm(
        match_id=screening.open_matches(application).get().pk,
        officer=reviewer(),
        reason="Same number.",
        now=timezone.now(),
    )

    assert screening.open_matches(application).exists() is forbids
    assert is_met("MATCHES", Case.objects.get(application=application)) is not forbids


@pytest.mark.parametrize("state", ["OPEN", "CONFIRMED"])
def test_a_match_stands_against_the_end_of_a_suspension(load: Any, state: str) -> None:
    application = apply("Zoltan Invented")
    Application.objects.filter(pk=application.pk).update(status=Application.Status.SUSPENDED)
    chief, second = casework.officer(*casework.LEADS), casework.officer()
    back = cases.propose_reinstatement(
        application=application, officer=chief, reason="Clear.", now=timezone.now()
    )
    load(row("x-1", "Zoltan Invented", sanctions="a list"))
    screening.screen(application=application, now=timezone.now())
    (match,) = screening.open_matches(application)
    if state == "CONFIRMED":
        screening.confirm(match_id=match.pk, officer=reviewer(), reason="Same.", now=timezone.now())

    with pytest.raises(Refused, match="Matches on lists settled"):
        casework.approve(back, second)

    application.refresh_from_db()
    assert application.status == Application.Status.SUSPENDED


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1001])
def test_a_decision_needs_a_reason(load: Any, reason: str) -> None:
    load(row("x-1", "Zoltan Invented"))
    match = screening.open_matches(apply("Zoltan Invented")).get()

    with pytest.raises(ScreeningError):
        screening.dismiss(match_id=match.pk, officer=reviewer(), reason=reason, now=timezone.now())

    match.refresh_from_db()
    assert match.state == State.OPEN


def test_a_decision_needs_the_permission(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))
    match = screening.open_matches(apply("Zoltan Invented")).get()

    with pytest.raises(PermissionDenied):
        screening.dismiss(match_id=match.pk, officer=new_officer(), reason="x", now=timezone.now())


def test_a_decision_is_taken_once(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))
    match = screening.open_matches(apply("Zoltan Invented")).get()
    now = timezone.now()
    screening.confirm(match_id=match.pk, officer=reviewer(), reason="Same.", now=now)

    with pytest.raises(ScreeningError) as refused:
        screening.dismiss(match_id=match.pk, officer=reviewer(), reason="Other.", now=now)

    assert refused.value.code == "decided"


def test_nobody_decides_about_themselves(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))
    application = apply("Zoltan Invented")
    officer = reviewer()
    Application.objects.filter(pk=application.pk).update(user=officer)

    with pytest.raises(ScreeningError) as refused:
        screening.dismiss(
            match_id=screening.open_matches(application).get().pk,
            officer=officer,
            reason="Not me.",
            now=timezone.now(),
        )

    assert refused.value.code == "own_case"


# Everybody again


def test_a_new_entry_finds_who_is_approved_already(load: Any) -> None:
    load(row("x-1", "Somebody Else"))
    application = apply("Zoltan Invented")
    assert application.status == Status.APPROVED

    load(row("x-1", "Somebody Else"), row("x-2", "Zoltan Invented"))
    run = everybody.work_on(run_id=ScreeningRun.objects.order_by("-begun_at")[0].pk)

    assert run is not None
    assert (run.persons, run.found) == (1, 1)
    assert Case.objects.get(application=application).cause == Case.Cause.SCREENING
    application.refresh_from_db()
    assert application.status == Status.APPROVED  # two people decide whether it stays so


def test_what_was_dismissed_comes_back_only_when_the_entry_changes(load: Any) -> None:
    entry = row("x-1", "Zoltan Invented", last_seen="2026-01-01")
    load(entry)
    application = apply("Zoltan Invented")
    screening.dismiss(
        match_id=screening.open_matches(application).get().pk,
        officer=reviewer(),
        reason="Other person.",
        now=timezone.now(),
    )

    load({**entry, "last_seen": "2026-02-02"})
    assert screening.screen(application=application, now=timezone.now()) == []

    load({**entry, "birth_date": "1970-01-01"})
    assert len(screening.screen(application=application, now=timezone.now())) == 1


def test_a_run_goes_through_everybody_some_at_a_time(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everybody, "BATCH", 2)
    people = {apply("Ana Pereira").pk for _ in range(5)}
    load(row("x-1", "Zoltan Invented"))

    run = everybody.work_on(run_id=ScreeningRun.objects.get().pk)

    assert run is not None
    assert run.finished_at is not None
    assert run.persons == 5
    assert set(Screening.objects.values_list("application", flat=True)) == people


def test_who_cannot_be_looked_up_keeps_nobody_else_from_it(
    load: Any,
) -> None:
    people = {apply("Ana Pereira").pk for _ in range(3)}
    broken = min(people)
    load(row("x-1", "Zoltan Invented"))
    with connection.cursor() as cursor:  # stands for whatever fails with one person alone
        cursor.execute(
            "ALTER TABLE kyc_screening ADD CONSTRAINT fails_for_one "
            f"CHECK (application_id <> '{broken}')"
        )

    run = everybody.work_on(run_id=ScreeningRun.objects.get().pk)

    assert run is not None
    assert run.finished_at is not None
    assert (run.persons, run.failed, run.attention) == (2, 1, True)
    assert set(Screening.objects.values_list("application", flat=True)) == people - {broken}


@pytest.mark.parametrize(("times", "failed"), [(1, 0), (2, 1)])
def test_what_the_database_refuses_for_a_moment_is_tried_once_more(
    load: Any, times: int, failed: int
) -> None:
    apply("Ana Pereira")
    load(row("x-1", "Zoltan Invented"))
    with connection.cursor() as cursor:  # a sequence counts on although the transaction is undone
        cursor.execute("CREATE TEMPORARY SEQUENCE tries")
        cursor.execute(
            "CREATE FUNCTION pg_temp.deadlock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"IF nextval('tries') <= {times} THEN RAISE 'in the way' USING ERRCODE = '40P01'; END IF; "
            "RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER deadlocks BEFORE INSERT ON kyc_screening "
            "FOR EACH ROW EXECUTE FUNCTION pg_temp.deadlock()"
        )

    run = everybody.work_on(run_id=ScreeningRun.objects.get().pk)

    assert run is not None
    assert (run.persons, run.failed, run.attention) == (1 - failed, failed, bool(failed))


def test_a_run_gives_its_worker_back_and_goes_on_where_it_was(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everybody, "STINT_SECONDS", 0)
    people = {apply("Ana Pereira").pk for _ in range(3)}
    load(row("x-1", "Zoltan Invented"))
    run = ScreeningRun.objects.get()

    noted = []
    while (worked := everybody.work_on(run_id=run.pk)) and worked.finished_at is None:
        noted.append((worked.persons, worked.lease_token, work.due_ids(ScreeningRun, limit=1)))

    assert noted == [(number, None, [run.pk]) for number in (1, 2, 3)]
    assert set(Screening.objects.values_list("application", flat=True)) == people


def test_a_slow_run_notes_how_far_it_is_and_keeps_its_lease(
    load: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(everybody, "NOTE_SECONDS", 0)
    for _ in range(3):
        apply("Ana Pereira")
    load(row("x-1", "Zoltan Invented"))
    run = ScreeningRun.objects.get()
    seen = []
    look_up = everybody._look_up

    def watched(person: Any, now: Any) -> int | None:
        run.refresh_from_db()
        seen.append((run.persons, run.lease_until is not None and run.lease_until > now))
        return look_up(person, now)

    monkeypatch.setattr(everybody, "_look_up", watched)
    everybody.work_on(run_id=run.pk)

    assert seen == [(0, True), (1, True), (2, True)]


def test_who_is_the_end_of_every_worker_is_passed_over_and_somebody_is_told(load: Any) -> None:
    _deadly, second = sorted(apply("Ana Pereira").pk for _ in range(2))
    load(row("x-1", "Zoltan Invented"))
    run = ScreeningRun.objects.get()
    for _death in range(everybody.MOST_TRIES):
        assert work.claim(ScreeningRun, pk=run.pk)
        past = timezone.now() - timedelta(seconds=1)
        ScreeningRun.objects.filter(pk=run.pk).update(lease_until=past)

    everybody.work_on(run_id=run.pk)

    run.refresh_from_db()
    assert run.finished_at is not None
    assert (run.persons, run.failed, run.attention) == (1, 1, True)
    assert [one.application_id for one in Screening.objects.all()] == [second]


def test_a_run_that_is_over_is_not_begun_again(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))
    run = ScreeningRun.objects.get()
    everybody.work_on(run_id=run.pk)

    assert everybody.work_on(run_id=run.pk) is None


def test_a_worker_that_died_left_it_for_the_next(load: Any) -> None:
    first, second = sorted([apply("Ana Pereira"), apply("Ana Pereira")], key=lambda a: a.pk)
    load(row("x-1", "Zoltan Invented"))
    run = ScreeningRun.objects.get()
    past = timezone.now() - timedelta(seconds=1)
    ScreeningRun.objects.filter(pk=run.pk).update(
        cursor=first.pk, persons=1, lease_until=past, lease_token="0" * 32
    )

    everybody.work_on(run_id=run.pk)

    run.refresh_from_db()
    assert run.persons == 2
    assert [one.application_id for one in Screening.objects.all()] == [second.pk]


def test_what_lists_say_of_somebody_is_erased_with_them(load: Any) -> None:
    cpf = new_cpf()
    load(row("x-1", "Zoltan Invented", identifiers=cpf), row("x-2", "Zoltan Inventet"))
    application = apply("Zoltan Invented", cpf=cpf)
    for match in screening.open_matches(application):
        screening.confirm(
            match_id=match.pk, officer=reviewer(), reason="Zoltan told me.", now=timezone.now()
        )

    erasure.forget(user_id=application.user_id, now=timezone.now())

    kept = ScreeningMatch.objects.filter(application=application).values()
    assert len(kept) == 2
    for telling in ("zoltan", "x-1", cpf):
        assert telling not in str(list(kept)).lower()


def test_who_has_closed_the_account_is_not_looked_up_and_never_approved(
    load: Any, settings: Settings
) -> None:
    settings.SCREENING_REQUIRED = True
    closed = apply("Ana Pereira")
    User.objects.filter(pk=closed.user_id).update(is_active=False)
    load(row("x-1", "Ana Pereira Souza"), row("x-2", "Zoltan Invented"))

    run = everybody.work_on(run_id=ScreeningRun.objects.get().pk)
    everybody._look_up(closed.pk, timezone.now())  # a worker that read the list before

    assert run is not None
    assert (run.persons, run.failed) == (0, 0)
    closed.refresh_from_db()
    assert closed.status == Status.PENDING
    assert not hasattr(closed, "daily_limit")
    assert not Screening.objects.exists()
    assert not ScreeningMatch.objects.exists()


def test_who_cannot_be_read_for_want_of_a_key_counts_as_not_looked_up(load: Any) -> None:
    unreadable, other = apply("Ana Pereira"), apply("Ana Pereira")
    theirs = PersonKey.objects.get(pk=other.user_id).sealed
    PersonKey.objects.filter(pk=unreadable.user_id).update(sealed=theirs)
    load(row("x-1", "Zoltan Invented"))

    run = everybody.work_on(run_id=ScreeningRun.objects.get().pk)

    assert run is not None
    assert (run.persons, run.failed, run.attention) == (1, 1, True)
    assert [one.application_id for one in Screening.objects.all()] == [other.pk]


# More than officers can look at at once


MANY = [row(f"x-{n}", "Maria Silva") for n in range(7)]


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many matches of one person may wait in these tests."""
    monkeypatch.setattr("kyc.screening.matching.MOST_WAITING", 3)
    return 3


def settle_all(application: Application) -> int:
    """Dismiss whatever is open just now: how many."""
    found = list(ScreeningMatch.objects.filter(application=application, state=State.OPEN))
    for match in found:
        screening.dismiss(match_id=match.pk, officer=reviewer(), reason="x", now=timezone.now())
    return len(found)


def test_without_a_list_no_more_follow(load: Any, few: int) -> None:
    load(*MANY)
    application = apply("Maria Silva")
    lists.active().update(replaced_at=timezone.now())

    assert settle_all(application) == few

    assert is_met("MATCHES", Case.objects.get(application=application))


def test_of_many_matches_some_wait_and_the_others_follow_once_these_are_decided(
    load: Any, few: int
) -> None:
    load(*MANY)
    application = apply("Maria Silva")
    case = Case.objects.get(application=application)

    (action,) = (one for one in requirements(case) if one.code == "MATCHES")
    assert (action.done, str(action.detail)) == (False, "3 to look at, then 4 more")
    assert AuditRow.objects.filter(action="screening.matched").count() == few

    decided = [settle_all(application) for _ in range(3)]

    assert decided == [3, 3, 1]
    assert Screening.objects.get(application=application).more == 0
    assert is_met("MATCHES", case)


def test_matches_that_there_was_no_room_for_stand_against_an_approval(load: Any, few: int) -> None:
    load(*MANY)
    application = apply("Maria Silva")
    ScreeningMatch.objects.update(
        state=State.DISMISSED, reason="x", decided_by=reviewer(), decided_at=timezone.now()
    )

    assert not is_met("MATCHES", Case.objects.get(application=application))


def test_the_number_and_the_most_alike_come_first(load: Any, few: int) -> None:
    cpf = new_cpf()
    alike = [row(f"y-{n}", f"Maria Silva {more}") for n, more in enumerate(["Souza", "Rocha"])]
    load(*alike, *MANY[:2], row("z-1", "Somebody Else", identifiers=cpf))

    apply("Maria Silva", cpf=cpf)

    assert set(ScreeningMatch.objects.values_list("source_id", flat=True)) == {
        "z-1", "x-0", "x-1",
    }  # fmt: skip


def test_a_number_always_has_room(load: Any, few: int) -> None:
    application = apply("Maria Silva")
    load(*MANY)
    screening.screen(application=application, now=timezone.now())

    load(*MANY, row("z-1", "Somebody Else", identifiers=application.tax_id))
    (match,) = screening.screen(application=application, now=timezone.now())

    assert (match.source_id, match.by) == ("z-1", ScreeningMatch.By.IDENTIFIER)


# Loading a list


def test_a_load_takes_the_place_of_the_one_before(load: Any) -> None:
    load(row("x-1", "First One"), row("x-2", "Second One"), row("x-3", "Third One"))

    loaded = load(row("x-2", "Second One"), row("x-3", "Third Changed"), row("x-4", "Fourth One"))

    counts = loaded.counts
    assert (counts.added, counts.changed, counts.removed) == (1, 1, 1)
    active = lists.active().get()
    assert active == loaded.load
    assert set(ScreeningEntry.objects.values_list("source_id", flat=True)) == {"x-2", "x-3", "x-4"}
    assert ScreeningList.objects.count() == 2
    assert ScreeningRun.objects.count() == 2


def test_a_list_of_another_name_stands_beside_it(load: Any) -> None:
    load(row("x-1", "First Invented"))
    load(row("x-1", "Second Invented"), name="peps")

    assert lists.active().count() == 2
    assert apply("First Invented").status == apply("Second Invented").status == Status.PENDING


def test_the_same_file_is_loaded_once(load: Any) -> None:
    load(row("x-1", "Zoltan Invented"))

    assert load(row("x-1", "Zoltan Invented")).load is None
    assert ScreeningList.objects.count() == ScreeningRun.objects.count() == 1


def test_a_trial_changes_nothing(load: Any) -> None:
    counts = load(row("x-1", "Zoltan Invented"), trial=True).counts

    assert counts.added == 1
    assert not ScreeningList.objects.exists()
    assert not ScreeningRun.objects.exists()


def test_a_list_that_shrinks_suddenly_is_refused(load: Any) -> None:
    load(*(row(f"x-{n}", f"Invented {chr(97 + n)}") for n in range(10)))

    with pytest.raises(lists.ListError) as refused:
        load(*(row(f"x-{n}", f"Invented {chr(97 + n)}") for n in range(7)))

    assert refused.value.code == "shrunk"
    assert ScreeningEntry.objects.count() == 10
    assert load(row("x-1", "Invented b"), force=True).counts.removed == 9


@pytest.mark.parametrize(
    "text",
    [
        "",
        "id,name\nx-1,Somebody\n",
        "no list at all",
        ",".join(COLUMNS) + "\n",
        ",".join(COLUMNS) + '\n"x-1","Person","Cut off',
        ",".join(COLUMNS) + "\nx-1,Person,Too few cells\n",
        ",".join(COLUMNS) + "\n" + "x-1,Person,Twice Here,,,,,,,,,,,,,\n" * 2,
        ",".join(COLUMNS) + "\nx-1,Person,,,,,,,,,,,,,,\n",
        ",".join(COLUMNS) + "\n,Person,Without Id,,,,,,,,,,,,,\n",
    ],
)
def test_what_is_no_such_file_is_refused_and_the_list_stays(
    load: Any, tmp_path: Path, text: str
) -> None:
    load(row("x-1", "Zoltan Invented"))
    broken = tmp_path / "broken.csv"
    broken.write_text(text)

    with pytest.raises(lists.ListError):
        lists.load(path=broken, name="default", actor="system:test", now=timezone.now())

    assert lists.active().get().entries_count == 1
    assert ScreeningEntry.objects.get().source_id == "x-1"


def test_older_exports_without_the_newest_columns_are_read(tmp_path: Path) -> None:
    columns = [name for name in COLUMNS if name not in {"program_ids", "last_change"}]
    path = written(tmp_path, row("x-1", "Zoltan Invented"), columns=columns[::-1])

    loaded = lists.load(path=path, name="default", actor="system:test", now=timezone.now())

    assert loaded.counts.entries_count == 1


def test_the_command_loads_tells_and_looks_everybody_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    application = Application.objects.get(user=onboarded())
    path = written(tmp_path, row("x-1", "Person of a Test"))

    with pytest.raises(CommandError) as none:
        call_command("screening", "status")
    call_command("screening", "import", str(path), "--dry-run")
    call_command("screening", "import", str(path))
    call_command("screening", "run")
    call_command("screening", "status")

    told = capsys.readouterr().out
    assert none.value.returncode == 1
    assert "a trial" in told
    assert "Everybody is being looked up again" in told
    assert "1 people looked up, 1 new matches" in told
    assert "1 matches to decide" in told
    assert screening.open_matches(application).exists()


def test_the_command_names_its_failures(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("nothing")

    for path, code in ((tmp_path / "nowhere.csv", 2), (broken, 1)):
        with pytest.raises(CommandError) as failed:
            call_command("screening", "import", str(path))
        assert failed.value.returncode == code


def test_every_night_a_run_is_due() -> None:
    tasks.begin_nightly_screening()

    run = ScreeningRun.objects.get()
    assert run.cause == ScreeningRun.Cause.NIGHT
    assert work.due_ids(ScreeningRun, limit=10) == [run.pk]


def test_a_night_does_not_pile_up_on_the_one_before() -> None:
    tasks.begin_nightly_screening()
    tasks.begin_nightly_screening()
    run = ScreeningRun.objects.get()
    everybody.work_on(run_id=run.pk)

    tasks.begin_nightly_screening()

    assert ScreeningRun.objects.count() == 2
