"""Strategies: published, changed, paused and deleted by their master alone (MKT-2)."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Notice, User
from compliance.models import AuditRow
from copytrade.models import MasterPosition, Strategy, TrackRecord
from copytrade.selectors import strategies as selectors
from copytrade.services import strategies as services
from copytrade.services.strategies import StrategyRefused, Terms
from copytrade.states import SubscriptionState
from tests.copying import Trader, mark, new_account, new_follower, new_master, new_subscription
from tests.people import new_user

if TYPE_CHECKING:
    from copytrade.exchange.venue import Venue

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
TERMS = Terms(
    name="Calm swing",
    description="Waits for dips.",
    symbols=["BTC/USDT", "ETH/USDT"],
    style="swing",
    copy_on="fill",
    min_equity=Decimal(100),
    max_followers=10,
    is_public=True,
)


@pytest.fixture
def master(db: None) -> Trader:
    return new_master()


def publish(master: Trader, *, account_id: Any = None, **changes: Any) -> Strategy:
    return services.create_strategy(
        master=master.user,
        account_id=account_id or master.account.pk,
        terms=replace(TERMS, **changes),
        now=NOW,
    )


def update(strategy: Strategy, by: User | None = None, **changes: Any) -> Strategy:
    return services.update_strategy(
        master=by or strategy.master, strategy_id=strategy.pk, changes=changes, now=NOW
    )


def wind_down(strategy: Strategy, *, limit: int = 100) -> int:
    return services.wind_down(strategy_id=strategy.pk, limit=limit, now=NOW)


def actions() -> list[str]:
    return list(AuditRow.objects.order_by("id").values_list("action", flat=True))


# --- publishing ---------------------------------------------------------------------------


def test_a_new_strategy_is_polled_listed_and_recorded(master: Trader) -> None:
    strategy = publish(master)

    strategy.refresh_from_db()
    assert (strategy.state, strategy.exchange) == ("ACTIVE", "binance")
    assert strategy.next_attempt_at == NOW
    assert strategy.symbols == ["BTC/USDT", "ETH/USDT"]
    assert len(strategy.invite_code) >= 20
    assert sorted(strategy.records.values_list("period", flat=True)) == [7, 30, 90, 365]
    row = AuditRow.objects.get(action="strategy.created")
    assert (row.actor, row.object_id) == (f"user:{master.user.pk}", str(strategy.pk))
    assert row.evidence["min_equity"] == "100"


def test_what_the_account_holds_already_is_a_position(db: None) -> None:
    mark("BTC/USDT", "50000")
    master = new_master(balances={"BTC": "0.5", "USDT": "10"})

    strategy = publish(master)

    held = MasterPosition.objects.get(strategy=strategy)
    assert (held.symbol, held.quantity) == ("BTC/USDT", Decimal("0.5"))


def test_names_and_pairs_are_tidied_up(master: Trader) -> None:
    strategy = publish(master, name="  Calm \t swing ", symbols=[" btc/usdt ", "BTC/USDT"])

    assert (strategy.name, strategy.symbols) == ("Calm swing", ["BTC/USDT"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"name": " "}, "name_invalid"),
        ({"name": "x" * 61}, "name_invalid"),
        ({"name": "good\u202elive"}, "name_invalid"),
        ({"name": "a\x00b"}, "name_invalid"),
        ({"name": "\ud800"}, "name_invalid"),
        ({"name": "\u200b"}, "name_invalid"),
        ({"description": "x" * 2001}, "description_invalid"),
        ({"symbols": []}, "symbols_invalid"),
        ({"symbols": ["BTC/EUR"]}, "symbols_invalid"),
        ({"symbols": ["USDT/USDT"]}, "symbols_invalid"),
        ({"symbols": ["BTC/USDT'; DROP TABLE"]}, "symbols_invalid"),
        ({"symbols": [f"C{n}/USDT" for n in range(51)]}, "symbols_invalid"),
        ({"style": "gambling"}, "style_invalid"),
        ({"copy_on": "never"}, "copy_on_invalid"),
        ({"min_equity": Decimal(-1)}, "min_equity_invalid"),
        ({"min_equity": Decimal("NaN")}, "min_equity_invalid"),
        ({"min_equity": Decimal("Infinity")}, "min_equity_invalid"),
        ({"min_equity": Decimal("1E30")}, "min_equity_invalid"),
        ({"min_equity": Decimal("0.000000001")}, "min_equity_invalid"),
        ({"max_followers": 0}, "max_followers_invalid"),
        ({"max_followers": 10_001}, "max_followers_invalid"),
    ],
)
def test_unusable_terms_change_nothing(master: Trader, changes: dict[str, Any], code: str) -> None:
    with pytest.raises(StrategyRefused) as refused:
        publish(master, **changes)

    assert refused.value.code == code
    assert refused.value.field == next(iter(changes))
    assert str(refused.value.message)
    assert not Strategy.objects.exists()
    assert not TrackRecord.objects.exists()
    assert "strategy.created" not in actions()


def test_another_persons_account_does_not_exist(master: Trader) -> None:
    with pytest.raises(StrategyRefused, match="account_unknown"):
        publish(master, account_id=new_master().account.pk)


@pytest.mark.parametrize(
    ("state", "code"), [("PAUSED", "account_not_active"), ("REMOVED", "account_unknown")]
)
def test_the_account_has_to_be_in_use(db: None, state: str, code: str) -> None:
    user = new_user()
    account = new_account(user=user, state=state)

    with pytest.raises(StrategyRefused, match=code):
        services.create_strategy(master=user, account_id=account.pk, terms=TERMS, now=NOW)


def test_pairs_that_the_exchange_does_not_have_are_refused(venue: "Venue", master: Trader) -> None:
    with pytest.raises(StrategyRefused) as refused:
        publish(master, symbols=["BTC/USDT", "BTX/USDT"])

    assert (refused.value.code, refused.value.field) == ("symbols_invalid", "symbols")
    assert "BTX/USDT" in str(refused.value.message)
    strategy = publish(master)
    with pytest.raises(StrategyRefused, match="symbols_invalid"):
        update(strategy, symbols=["BTC/USDT", "BTX/USDT"])
    assert Strategy.objects.get().symbols == ["BTC/USDT", "ETH/USDT"]


def test_a_pair_that_the_exchange_gave_up_may_stay(venue: "Venue", master: Trader) -> None:
    strategy = publish(master)
    Strategy.objects.update(symbols=["BTC/USDT", "GONE/USDT"])

    assert update(strategy, symbols=["GONE/USDT", "SOL/USDT"]).symbols == ["GONE/USDT", "SOL/USDT"]


def test_an_account_carries_one_strategy_until_that_is_deleted(master: Trader) -> None:
    first = publish(master)
    with pytest.raises(StrategyRefused, match="account_taken"):
        publish(master, name="Another")

    services.delete_strategy(master=master.user, strategy_id=first.pk, now=NOW)

    assert publish(master, name="Another").pk != first.pk


def test_a_name_is_unique_for_its_master_whatever_its_case(master: Trader) -> None:
    publish(master)
    second = new_account(user=master.user)
    with pytest.raises(StrategyRefused, match="name_taken"):
        publish(master, account_id=second.pk, name="CALM Swing")

    assert publish(new_master()).name == "Calm swing", "another master may use it"


# --- changing -----------------------------------------------------------------------------


def test_followers_are_told_of_new_terms_that_concern_them(master: Trader) -> None:
    strategy = publish(master)
    follower = new_subscription(strategy=strategy).follower
    new_subscription(strategy=strategy, state=SubscriptionState.STOPPED)
    strategy.refresh_from_db()

    changed = update(strategy, symbols=["SOL/USDT"], description="New words.")

    assert changed.symbols == ["SOL/USDT"]
    notice = Notice.objects.get()
    assert (notice.user, notice.kind) == (follower, "strategy_changed")
    assert "SOL/USDT" in notice.text
    row = AuditRow.objects.get(action="strategy.changed")
    assert row.evidence["changes"]["symbols"] == [["BTC/USDT", "ETH/USDT"], ["SOL/USDT"]]


def test_new_words_bother_nobody(master: Trader) -> None:
    strategy = publish(master)
    new_subscription(strategy=strategy)
    strategy.refresh_from_db()

    update(strategy, description="New words.", name="Calmer")

    assert not Notice.objects.exists()


def test_the_same_terms_again_change_nothing(master: Trader) -> None:
    strategy = publish(master)

    update(strategy, name=strategy.name, symbols=["BTC/USDT", "ETH/USDT"])

    assert actions().count("strategy.changed") == 0


def test_the_cap_cannot_go_below_the_followers(master: Trader) -> None:
    strategy = publish(master)
    new_subscription(strategy=strategy)
    new_subscription(strategy=strategy)

    with pytest.raises(StrategyRefused, match="below_followers"):
        update(strategy, max_followers=1)
    assert update(strategy, max_followers=2).max_followers == 2


def test_a_name_can_be_rewritten_in_another_case(master: Trader) -> None:
    strategy = publish(master)

    assert update(strategy, name="CALM SWING").name == "CALM SWING"


@pytest.mark.parametrize(
    "act", ["update_strategy", "pause_strategy", "resume_strategy", "delete_strategy"]
)
def test_for_a_stranger_there_is_no_such_strategy(master: Trader, act: str) -> None:
    strategy = publish(master)
    options: dict[str, Any] = {"changes": {"name": "Mine"}} if act == "update_strategy" else {}

    with pytest.raises(Strategy.DoesNotExist):
        getattr(services, act)(
            master=new_user(is_staff=True), strategy_id=strategy.pk, now=NOW, **options
        )

    strategy.refresh_from_db()
    assert (strategy.name, strategy.state) == ("Calm swing", "ACTIVE")


# --- pausing, deleting --------------------------------------------------------------------


def test_followers_are_told_of_a_pause_and_its_end(master: Trader) -> None:
    strategy = publish(master)
    new_subscription(strategy=strategy)

    for _repeat in range(2):
        services.pause_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)
    for _repeat in range(2):
        services.resume_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)

    kinds = list(Notice.objects.order_by("created_at", "kind").values_list("kind", flat=True))
    assert kinds == ["strategy_paused", "strategy_resumed"]
    assert actions()[-2:] == ["strategy.paused", "strategy.resumed"]


def test_a_pause_does_not_end_while_the_key_is_out_of_use(master: Trader) -> None:
    strategy = publish(master)
    services.pause_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)
    master.account.state = "PAUSED"
    master.account.save()

    with pytest.raises(StrategyRefused, match="account_not_active"):
        services.resume_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)


def test_deleting_keeps_the_row_and_frees_name_and_account(master: Trader) -> None:
    strategy = publish(master)

    for _repeat in range(2):
        services.delete_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)

    strategy.refresh_from_db()
    assert (strategy.state, strategy.next_attempt_at) == ("DELETED", None)
    assert actions().count("strategy.deleted") == 1
    assert publish(master).name == strategy.name


def test_deleting_with_followers_stops_each_by_its_own_choice(master: Trader) -> None:
    strategy = publish(master)
    keeps = new_subscription(strategy=strategy, on_stop="keep")
    gone = new_subscription(strategy=strategy, state=SubscriptionState.STOPPED)

    services.delete_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)
    assert wind_down(strategy) == 1
    assert wind_down(strategy) == 0

    keeps.refresh_from_db()
    assert keeps.state == SubscriptionState.STOPPED
    told = Notice.objects.filter(kind="strategy_deleted").values_list("user", flat=True)
    assert list(told) == [keeps.follower_id]
    gone.refresh_from_db()
    assert gone.stopped_at is None, "what had ended before is left alone"


def test_winding_down_goes_on_where_it_was_left(master: Trader) -> None:
    strategy = publish(master)
    for _each in range(3):
        new_subscription(strategy=strategy, on_stop="keep")
    services.delete_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)

    assert [wind_down(strategy, limit=2) for _time in range(3)] == [2, 1, 0]
    assert not services.still_copied().exists()
    stopped = AuditRow.objects.filter(action="subscription.stopping")
    assert {row.actor for row in stopped} == {f"user:{master.user.pk}"}


def test_strategies_that_are_not_deleted_are_not_wound_down(master: Trader) -> None:
    strategy = publish(master)
    new_subscription(strategy=strategy)

    assert wind_down(strategy) == 0


@pytest.mark.parametrize("act", ["update_strategy", "pause_strategy", "resume_strategy"])
def test_nothing_moves_a_deleted_strategy(master: Trader, act: str) -> None:
    strategy = publish(master)
    services.delete_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)
    options: dict[str, Any] = {"changes": {"name": "Back"}} if act == "update_strategy" else {}

    with pytest.raises(StrategyRefused, match="deleted"):
        getattr(services, act)(master=master.user, strategy_id=strategy.pk, now=NOW, **options)


# --- who may look -------------------------------------------------------------------------


def test_a_private_strategy_is_seen_by_its_master_and_followers_only(master: Trader) -> None:
    strategy = publish(master, is_public=False)
    follower = new_follower()
    new_subscription(strategy=strategy, follower=follower)

    for user in (master.user, follower.user):
        assert selectors.strategy_for(user=user, strategy_id=strategy.pk) == strategy
    with pytest.raises(Strategy.DoesNotExist):
        selectors.strategy_for(user=new_user(), strategy_id=strategy.pk)
    assert selectors.invited(code=strategy.invite_code) == strategy


def test_a_deleted_strategy_stays_for_who_took_part(master: Trader) -> None:
    strategy = publish(master)
    follower = new_follower()
    new_subscription(strategy=strategy, follower=follower, state=SubscriptionState.STOPPED)
    services.delete_strategy(master=master.user, strategy_id=strategy.pk, now=NOW)

    assert selectors.strategy_for(user=follower.user, strategy_id=strategy.pk) == strategy
    with pytest.raises(Strategy.DoesNotExist):
        selectors.strategy_for(user=new_user(), strategy_id=strategy.pk)
    with pytest.raises(Strategy.DoesNotExist):
        selectors.invited(code=strategy.invite_code)


# --- hostile input ------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    name=st.text(max_size=70),
    description=st.text(max_size=50),
    symbols=st.lists(st.text(max_size=25), max_size=4),
    min_equity=st.decimals(),
    max_followers=st.integers(),
)
@pytest.mark.django_db(transaction=True)
def test_whatever_is_typed_is_stored_whole_or_refused(**terms: Any) -> None:
    master = new_master(balances={})
    with suppress(StrategyRefused):
        publish(master, **terms)

    for made in Strategy.objects.filter(master=master.user):
        assert made.name.strip()
        assert made.symbols
        assert made.min_equity >= 0
