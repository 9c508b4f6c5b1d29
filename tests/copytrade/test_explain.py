"""What became of a signal, told alike by page, API and command; to nobody whom it does not concern."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import translation

from copytrade.models import CopyOrder, KillSwitch, Signal, Subscription
from copytrade.reasons import REASONS
from copytrade.selectors.explain import explain_leg, explain_signal, headline, why
from copytrade.states import LegState
from tests.api.conftest import Api, assert_problem
from tests.copying import new_follower, new_strategy, new_subscription
from tests.copytrade.booking import a_leg, a_signal, copied
from tests.people import new_user

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
def subscription() -> Subscription:
    return new_subscription()


@pytest.fixture
def signal(subscription: Subscription) -> Signal:
    """The master bought 0.5 BTC at 50,000; published 12 ms later."""
    return a_signal(
        subscription.strategy,
        subscription=subscription,
        cause="master",
        at=NOON,
        created_at=NOON + timedelta(milliseconds=12),
    )


def filled(signal: Signal, subscription: Subscription, **changes: Any) -> CopyOrder:
    """A copy of 0.0512 BTC of which limits left 0.05, bought at 50,010."""
    values: dict[str, Any] = {
        "state": "FILLED",
        "type": "LIMIT",
        "ideal": Decimal("0.0512"),
        "clamped": Decimal("0.05001"),
        "rounded": Decimal("0.05"),
        "sent": Decimal("0.05"),
        "filled": Decimal("0.05"),
        "quote_filled": Decimal("2500.5"),
        "accepted_at": signal.created_at + timedelta(milliseconds=210),
        "reason": "risk_max_order",
    }
    return a_leg(signal, subscription, **{**values, **changes})


def skipped(signal: Signal, subscription: Subscription, reason: str = "expired") -> CopyOrder:
    return a_leg(signal, subscription, state="SKIPPED", reason=reason)


def told(*arguments: object) -> str:
    out = StringIO()
    call_command("copy", *map(str, arguments), stdout=out)
    return out.getvalue()


def refused(*arguments: object) -> CommandError:
    with pytest.raises(CommandError) as error:
        told(*arguments)
    return error.value


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The master bought 0.5 BTC at 50,000 USDT."),
        ({"type": "LIMIT"}, "The master offered to buy 0.5 BTC at 50,000 USDT."),
        (
            {"kind": "CLOSE", "side": "SELL", "position_before": Decimal(2)},
            "The master sold 0.5 BTC, 25.0% of it, at 50,000 USDT.",
        ),
        ({"kind": "CANCEL"}, "An open order of BTC/USDT was cancelled."),
        ({"cause": "join"}, "The subscription began while the master held 0.5 BTC."),
        (
            {"kind": "CLOSE", "side": "SELL", "cause": "stop"},
            "The subscription was being stopped, and its BTC was to be sold.",
        ),
        (
            {"kind": "CLOSE", "side": "SELL", "cause": "orphan"},
            "The master no longer held BTC, and the copied rest was to be sold.",
        ),
    ],
)
def test_a_signal_is_one_sentence(
    subscription: Subscription, changes: dict[str, Any], sentence: str
) -> None:
    values = {"cause": "master", **changes}

    assert (
        headline(a_signal(subscription.strategy, subscription=subscription, **values)) == sentence
    )


def test_a_copy_shows_its_five_numbers_and_where_it_shrank(
    signal: Signal, subscription: Subscription
) -> None:
    answer = explain_leg(filled(signal, subscription))

    assert answer.outcome == "Copied: bought 0.05 BTC at 50,010.00 USDT on average."
    assert answer.why == f"Less than wanted: {REASONS['risk_max_order']}"
    assert [(q.key, q.value, bool(q.note)) for q in answer.quantities] == [
        ("ideal", Decimal("0.0512"), False),
        ("clamped", Decimal("0.05001"), True),
        ("rounded", Decimal("0.05"), True),
        ("sent", Decimal("0.05"), False),
        ("filled", Decimal("0.05"), False),
    ]
    assert (answer.published_after_ms, answer.accepted_after_ms) == (12, 210)
    assert answer.slippage_bps == Decimal("2.0")


def test_slippage_is_worse_when_a_sale_brings_less(subscription: Subscription) -> None:
    signal = a_signal(subscription.strategy, subscription=subscription, kind="CLOSE", side="SELL")
    leg = filled(signal, subscription, quote_filled=Decimal("2499.5"), reason="")

    assert explain_leg(leg).slippage_bps == Decimal("2.0")


@pytest.mark.parametrize("state", LegState.values)
def test_every_state_is_explained_in_words(
    signal: Signal, subscription: Subscription, state: str
) -> None:
    leg = a_leg(
        signal, subscription, state=state, reason="rejected", asked_at=NOON, sent=Decimal("0.1")
    )

    answer = explain_leg(leg)
    assert answer.outcome.endswith(".")
    assert "%(" not in answer.outcome
    assert answer.is_copied == (state == "DONE")


@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_is_told_as_a_sentence(
    signal: Signal, subscription: Subscription, code: str
) -> None:
    assert why(skipped(signal, subscription, code)).endswith(".")


def test_what_waits_says_what_for(signal: Signal, subscription: Subscription) -> None:
    leg = a_leg(signal, subscription, last_error="kill_switch")

    assert explain_leg(leg).outcome == "Under way: waiting to be sent."
    assert why(leg) == str(REASONS["kill_switch"])
    leg.last_error = "Traceback (most recent call last): secret"
    assert why(leg) == ""


def test_all_copies_together_say_nothing_about_one_follower(
    subscription: Subscription, signal: Signal
) -> None:
    filled(signal, subscription)
    for reason in ("expired", "expired", "symbol_not_allowed"):
        skipped(signal, new_subscription(strategy=subscription.strategy), reason)

    answer = explain_signal(signal)
    assert (answer.legs, answer.copied) == (4, 1)
    assert [(o.reason, o.count) for o in answer.outcomes] == [
        ("expired", 2), ("risk_max_order", 1), ("symbol_not_allowed", 1),
    ]  # fmt: skip
    assert (answer.median_ms, answer.last_ms) == (210, 210)
    assert (answer.value, answer.slippage_bps) == (Decimal("2500.5"), Decimal("2.0"))


def test_a_signal_that_nobody_copied_has_an_answer_too(signal: Signal) -> None:
    answer = explain_signal(signal)

    assert (answer.legs, answer.outcomes, answer.median_ms, answer.slippage_bps) == (
        0, [], None, None,
    )  # fmt: skip


# --- who sees what


@pytest.fixture
def leg(signal: Signal, subscription: Subscription) -> CopyOrder:
    return filled(signal, subscription)


def test_the_master_sees_the_sum_and_no_follower(
    client: Client, signal: Signal, leg: CopyOrder, subscription: Subscription
) -> None:
    client.force_login(subscription.strategy.master)

    page = client.get(reverse("copy-signal", args=[signal.pk])).content.decode()
    assert "All copies together" in page
    assert "1 of 1" in page
    for personal in (subscription.follower.email, str(leg.pk), str(subscription.pk)):
        assert personal not in page
    assert client.get(reverse("copy-leg", args=[leg.pk])).status_code == 404


def test_a_follower_sees_their_own_copy_and_no_sum(
    client: Client, signal: Signal, leg: CopyOrder, subscription: Subscription
) -> None:
    skipped(signal, new_subscription(strategy=subscription.strategy), "expired")
    fill = copied(subscription, leg=leg)
    client.force_login(subscription.follower)

    page = client.get(reverse("copy-signal", args=[signal.pk])).content.decode()
    assert "Copied: bought 0.05 BTC" in page
    assert "All copies together" not in page
    assert str(REASONS["expired"]) not in page
    page = client.get(reverse("copy-leg", args=[leg.pk])).content.decode()
    assert leg.client_order_id in page
    assert reverse("copy-leg", args=[leg.pk]) in page  # of its trade
    assert fill.symbol in page


def test_strangers_find_nothing(client: Client, signal: Signal, leg: CopyOrder) -> None:
    client.force_login(new_user())
    api = Api(new_user())

    for name, pk in (("copy-signal", signal.pk), ("copy-leg", leg.pk)):
        assert client.get(reverse(name, args=[pk])).status_code == 404
        assert client.get(reverse(name, args=[uuid.uuid4()])).status_code == 404
    assert_problem(api.get(f"/api/v1/copy/signals/{signal.pk}"), 404, "not_found")
    assert_problem(api.get(f"/api/v1/copy/legs/{leg.pk}"), 404, "not_found")
    assert api.get("/api/v1/copy/signals").body["results"] == []


def test_the_api_tells_the_same(signal: Signal, leg: CopyOrder, subscription: Subscription) -> None:
    follower, master = Api(subscription.follower), Api(subscription.strategy.master)

    (listed,) = follower.get("/api/v1/copy/signals").body["results"]
    assert listed["headline"] == "The master bought 0.5 BTC at 50,000 USDT."
    detail = follower.get(f"/api/v1/copy/signals/{signal.pk}").body
    assert detail["copies"] is None
    assert detail["legs"] == [follower.get(f"/api/v1/copy/legs/{leg.pk}").body]
    assert detail["legs"][0]["quantities"][2] == {
        "key": "rounded", "value": "0.05", "note": "Cut to the exchange's step.",
    }  # fmt: skip
    of_master = master.get(f"/api/v1/copy/signals/{signal.pk}").body
    assert of_master["legs"] == []
    assert of_master["copies"]["copied"] == 1
    assert_problem(master.get(f"/api/v1/copy/legs/{leg.pk}"), 404, "not_found")


def test_it_is_told_in_the_readers_language(signal: Signal, leg: CopyOrder) -> None:
    english = (headline(signal), explain_leg(leg).outcome)

    for language in ("pt-br", "es"):
        with translation.override(language):
            told_here = (headline(signal), explain_leg(leg).outcome)
        assert not set(told_here) & set(english)


# --- the command


def test_the_command_reads_like_an_answer(
    signal: Signal, leg: CopyOrder, subscription: Subscription
) -> None:
    skipped(signal, new_subscription(strategy=subscription.strategy), "symbol_not_allowed")

    text = told("explain", signal.pk)

    for part in (
        f"Signal {signal.number} of “{signal.strategy.name}”, 2026-11-20 12:00:00 UTC: The master",
        "1 of 2 copies were made:",
        "The pair is not on the subscription's list of allowed pairs. (symbol_not_allowed)",
        "Together 0.05 BTC for 2,500.50 USDT, 2.0 bps worse than the signal's price.",
        "half within 210 ms, the last after 210 ms.",
        str(leg.pk),
    ):
        assert part in text, part


def test_the_command_explains_one_copy(leg: CopyOrder) -> None:
    text = told("explain", leg.pk)

    assert "Copied: bought 0.05 BTC at 50,010.00 USDT on average." in text
    assert "(risk_max_order)" in text
    assert "Within limits" in text
    assert "12 ms after the master's trade, accepted by the exchange 210 ms later." in text


def test_the_command_tells_programs_the_same(signal: Signal, leg: CopyOrder) -> None:
    whole, one = (json.loads(told("explain", pk, "--json")) for pk in (signal.pk, leg.pk))

    assert whole["legs"] == [one]
    assert whole["copies"]["outcomes"][0]["count"] == 1


def test_an_unknown_id_is_an_error_that_says_where_ids_are() -> None:
    error = refused("explain", uuid.uuid4())

    assert error.returncode == 1
    assert "There is no signal and no copy" in str(error)


@pytest.mark.parametrize("arguments", [("explain", "seven"), ("explain",), (), ("dance",)])
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises((CommandError, SystemExit)):
        told(*arguments)


def test_the_operator_stops_and_lets_go_on(subscription: Subscription) -> None:
    assert "is engaged" in told("kill", "strategy", subscription.strategy_id, "--reason", "drill")
    assert "was engaged already" in told(
        "kill", "strategy", subscription.strategy_id, "--reason", "drill"
    )
    assert KillSwitch.objects.get().engaged_by == "system:operator"
    status = told("status")
    assert f"strategy {subscription.strategy_id}" in status
    assert "drill" in status

    assert "is released" in told("release", "strategy", subscription.strategy_id)
    assert refused("release", "strategy", subscription.strategy_id).returncode == 1


def test_everything_goes_on_by_one_alone_only_in_an_emergency() -> None:
    told("kill", "platform", "--reason", "drill")

    assert refused("release", "platform").returncode == 1
    assert "is released" in told("release", "platform", "--emergency", "drill is over")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("platform", "x"), 2),
        (("exchange",), 2),
        (("exchange", "nowhere"), 1),
        (("strategy", "x"), 2),
        (("subscription", str(uuid.uuid4())), 1),
        (("platform",), 1),  # the reason is empty
    ],
)
def test_what_cannot_be_stopped_is_named(arguments: tuple[str, ...], code: int) -> None:
    assert refused("kill", *arguments, "--reason", " ").returncode == code
    assert not KillSwitch.objects.exists()


def test_status_asks_for_a_person_when_one_is_needed(
    signal: Signal, subscription: Subscription
) -> None:
    a_leg(signal, subscription, next_attempt_at=NOON)
    assert "1 PLANNED" in told("status")
    assert json.loads(told("status", "--json"))["oldest_waiting_seconds"] > 0
    CopyOrder.objects.update(attention=True)

    assert refused("status").returncode == 1


def test_proving_an_account_that_there_is_not_is_an_error() -> None:
    error = refused("prove", "--account", uuid.uuid4())

    assert (error.returncode, "There is no exchange account" in str(error)) == (1, True)


def test_proving_without_accounts_finds_nothing_wrong() -> None:
    assert told("prove") == ""


def test_help_names_exit_codes_and_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("copy", "--help")
    text = capsys.readouterr().out
    assert "exit codes:" in text
    assert "manage.py copy explain" in text


def test_a_hundred_copies_take_few_queries(django_assert_max_num_queries: Any) -> None:
    strategy = new_strategy()
    trader = new_follower()
    signal = a_signal(strategy, subscription=new_subscription(strategy=strategy))
    one = new_subscription(strategy=strategy, follower=trader)
    for leg in range(100):
        a_leg(signal, one, leg=leg, state="SKIPPED", reason="expired")

    with django_assert_max_num_queries(6):
        told("explain", signal.pk)
