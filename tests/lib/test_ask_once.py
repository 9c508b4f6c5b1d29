"""An outside call with effect is done once, whatever became of an earlier try (ARCHITECTURE 2)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from agora.lib import work
from agora.lib.outcome import Rejected, Temporary, Unknown
from agora.lib.work import Lease, LeaseLost, NotSeen
from compliance.models import ReserveSnapshot

pytestmark = pytest.mark.django_db
GRACE = timedelta(seconds=settings.UNKNOWN_GRACE_SECONDS)


class WorkerDied(BaseException):
    """Stands for a crash: nothing after it is run."""


@dataclass
class Outside:
    """A vendor that keeps what it accepts, and a log of what it was asked in which order."""

    job: ReserveSnapshot
    held: str | None = None
    asked: list[str] = field(default_factory=list)
    fails: list[BaseException] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    accepts_before_failing: bool = False
    look_up_fails: list[Exception] = field(default_factory=list)

    def find(self) -> str | None:
        self.asked.append("find")
        if self.look_up_fails:
            raise self.look_up_fails.pop()
        return self.held

    def send(self, number: int) -> str:
        self.numbers.append(number)
        self.asked.append("send")
        assert ReserveSnapshot.objects.get(pk=self.job.pk).asked_at, "the intent stands first"
        if self.fails and not self.accepts_before_failing:
            raise self.fails.pop()
        self.held = "accepted"
        if self.fails:
            raise self.fails.pop()
        return "accepted"

    def ask(self, lease: Lease[ReserveSnapshot], *, after: timedelta = timedelta()) -> str:
        return lease.ask_once(
            mark="test.ask", find=self.find, send=self.send, now=timezone.now() + after
        )


@pytest.fixture
def job() -> ReserveSnapshot:
    now = timezone.now()
    return ReserveSnapshot.objects.create(
        requested_by="system:test", requested_at=now, next_attempt_at=now
    )


@pytest.fixture
def outside(job: ReserveSnapshot) -> Outside:
    return Outside(job)


def next_worker(job: ReserveSnapshot) -> Lease[ReserveSnapshot]:
    """The row as another worker leases it, once the earlier lease has run out."""
    ReserveSnapshot.objects.filter(pk=job.pk).update(
        lease_until=None, next_attempt_at=timezone.now() - timedelta(hours=1)
    )
    lease = work.claim(ReserveSnapshot, pk=job.pk)
    assert lease is not None
    return lease


def asked_at(job: ReserveSnapshot) -> bool:
    return ReserveSnapshot.objects.get(pk=job.pk).asked_at is not None


def test_the_first_try_sends_without_looking(job: ReserveSnapshot, outside: Outside) -> None:
    assert outside.ask(next_worker(job)) == "accepted"
    assert outside.asked == ["send"]


@pytest.mark.parametrize("failure", [WorkerDied(), Unknown("answer lost"), RuntimeError("a bug")])
def test_what_was_accepted_is_found_and_not_sent_again(
    job: ReserveSnapshot, outside: Outside, failure: BaseException
) -> None:
    outside.accepts_before_failing, outside.fails = True, [failure]
    with pytest.raises(type(failure)):
        outside.ask(next_worker(job))

    assert outside.ask(next_worker(job)) == "accepted"
    assert outside.asked == ["send", "find"]


def test_what_was_not_heard_is_sent_again_only_after_two_misses_a_grace_apart(
    job: ReserveSnapshot, outside: Outside
) -> None:
    outside.fails = [WorkerDied()]
    with pytest.raises(WorkerDied):
        outside.ask(next_worker(job))

    with pytest.raises(NotSeen):
        outside.ask(next_worker(job))
    with pytest.raises(NotSeen):
        outside.ask(next_worker(job))
    assert outside.ask(next_worker(job), after=2 * GRACE) == "accepted"
    assert outside.asked == ["send", "find", "find", "find", "send"]


def test_one_miss_is_no_proof_however_late_it_comes(job: ReserveSnapshot, outside: Outside) -> None:
    outside.fails = [Unknown("answer lost")]
    with pytest.raises(Unknown):
        outside.ask(next_worker(job))

    with pytest.raises(NotSeen):
        outside.ask(next_worker(job), after=100 * GRACE)
    assert outside.asked == ["send", "find"]


def test_a_call_that_arrives_late_is_still_found(job: ReserveSnapshot, outside: Outside) -> None:
    outside.fails = [Unknown("answer lost")]
    with pytest.raises(Unknown):
        outside.ask(next_worker(job))
    with pytest.raises(NotSeen):
        outside.ask(next_worker(job))
    outside.held = "accepted"

    assert outside.ask(next_worker(job), after=2 * GRACE) == "accepted"
    assert outside.asked == ["send", "find", "find"]


def test_a_second_lost_answer_starts_the_look_ups_anew(
    job: ReserveSnapshot, outside: Outside
) -> None:
    outside.fails = [Unknown("lost again"), Unknown("lost")]
    with pytest.raises(Unknown):
        outside.ask(next_worker(job))
    with pytest.raises(NotSeen):
        outside.ask(next_worker(job))
    with pytest.raises(Unknown, match="lost again"):
        outside.ask(next_worker(job), after=2 * GRACE)

    with pytest.raises(NotSeen):
        outside.ask(next_worker(job), after=100 * GRACE)
    assert outside.asked == ["send", "find", "find", "send", "find"]


def test_what_was_certainly_not_done_is_sent_again_without_looking(
    job: ReserveSnapshot, outside: Outside
) -> None:
    outside.fails = [Temporary("rate limit")]
    with pytest.raises(Temporary):
        outside.ask(next_worker(job))

    assert not asked_at(job)
    assert outside.ask(next_worker(job)) == "accepted"
    assert outside.asked == ["send", "send"]


def test_a_look_up_that_fails_leaves_the_doubt_standing(
    job: ReserveSnapshot, outside: Outside
) -> None:
    outside.accepts_before_failing, outside.fails = True, [Unknown("answer lost")]
    outside.look_up_fails = [Temporary("away")]
    with pytest.raises(Unknown):
        outside.ask(next_worker(job))
    with pytest.raises(Temporary):
        outside.ask(next_worker(job), after=2 * GRACE)

    assert asked_at(job)
    assert outside.ask(next_worker(job), after=4 * GRACE) == "accepted"
    assert outside.asked == ["send", "find", "find"]


def test_a_refused_look_up_does_not_mean_that_the_call_was_refused(
    job: ReserveSnapshot, outside: Outside
) -> None:
    outside.accepts_before_failing, outside.fails = True, [Unknown("answer lost")]
    outside.look_up_fails = [Rejected("forbidden", code="403")]
    with pytest.raises(Unknown):
        outside.ask(next_worker(job))

    with pytest.raises(Unknown):
        outside.ask(next_worker(job))
    assert asked_at(job)


def test_a_refusal_of_the_call_is_passed_on(job: ReserveSnapshot, outside: Outside) -> None:
    outside.fails = [Rejected("no", code="403")]
    with pytest.raises(Rejected):
        outside.ask(next_worker(job))

    assert not asked_at(job)


def test_a_worker_that_lost_its_lease_sends_nothing(job: ReserveSnapshot, outside: Outside) -> None:
    late = next_worker(job)
    next_worker(job)

    with pytest.raises(LeaseLost):
        outside.ask(late)
    assert outside.asked == []


def test_what_belongs_to_the_intent_is_stored_with_it(
    job: ReserveSnapshot, outside: Outside
) -> None:
    lease = next_worker(job)
    seen: list[object] = []

    def send(number: int) -> str:
        seen.append(ReserveSnapshot.objects.get(pk=job.pk).figures)
        return "accepted"

    lease.ask_once(
        mark="test.ask", find=outside.find, send=send, now=timezone.now(), figures={"key": "k-1"}
    )

    assert seen == [{"key": "k-1"}]


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_during_the_call(job: ReserveSnapshot, outside: Outside) -> None:
    states: list[bool] = []

    def send(number: int) -> str:
        states.append(connection.in_atomic_block)
        return "accepted"

    call: Callable[[int], str] = send
    next_worker(job).ask_once(mark="test.ask", find=outside.find, send=call, now=timezone.now())

    assert states == [False]
