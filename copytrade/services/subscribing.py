"""Subscribing to a strategy (SUB-1).

Rows are locked in the order account, strategy, subscription. What the exchange has to tell is asked
before (`services.funds`), outside of any transaction.
"""

import uuid
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils.crypto import constant_time_compare

from accounts.models import User
from compliance import audit
from copytrade.models import (
    ExchangeAccount,
    MarkPrice,
    MasterPosition,
    Signal,
    Strategy,
    Subscription,
)
from copytrade.replication.publish import publish
from copytrade.selectors.equity import base_of_shares
from copytrade.services import funds
from copytrade.services.subscription_news import tell
from copytrade.services.subscriptions import (
    SubscriptionRefused,
    record,
    refuse_overdrawn,
    terms_told,
)
from copytrade.services.terms import STORED, Terms, faults_of, stop_equity_of
from copytrade.states import AccountState, StrategyState

# Any constant: whoever adds an edge to the graph of who copies whom does so alone.
_GRAPH_LOCK = 0x41474F524143


def strategy_to_copy(*, user: User, strategy_id: uuid.UUID, invite_code: str = "") -> Strategy:
    """A strategy that the user may subscribe to: public, or private with its invitation.

    Raises Strategy.DoesNotExist; its master may look too, and is refused later with the reason.
    """
    found = Strategy.objects.exclude(state=StrategyState.DELETED).get(pk=strategy_id)
    open_to_all = found.is_public or found.master_id == user.pk
    if open_to_all or constant_time_compare(found.invite_code, invite_code):
        return found
    raise Strategy.DoesNotExist


def subscribe(
    *,
    user: User,
    strategy_id: uuid.UUID,
    account_id: uuid.UUID,
    terms: Terms,
    start: str,
    held: Decimal,
    invite_code: str = "",
    now: datetime,
) -> Subscription:
    """Copy a strategy from now on; `held` is what the account holds of the quote asset.

    Locks the graph of copying, then the account, last the strategy's row for its slot. Raises
    SubscriptionRefused, and Strategy.DoesNotExist for one that the user may not see.
    """
    strategy = strategy_to_copy(user=user, strategy_id=strategy_id, invite_code=invite_code)
    if strategy.master_id == user.pk:
        raise SubscriptionRefused("own_strategy")
    if start not in Subscription.Start.values:
        raise SubscriptionRefused("start_invalid")
    _refuse_faults(terms, strategy=strategy)
    with transaction.atomic():
        _hold_graph()
        account = _account(user=user, account_id=account_id, strategy=strategy)
        _refuse_circle(follower=user, strategy=strategy)
        refuse_overdrawn(terms.allocated, free=funds.free_of(account_id=account.pk, held=held))
        subscription = _insert(user, strategy, account, terms, start=start, now=now)
        _take_slot(strategy)
        record(
            subscription, "started", actor=audit.actor_of(user), now=now, **terms_told(subscription)
        )
        if start == Subscription.Start.JOIN:
            _join(subscription, now=now)
        tell(subscription, "started", now=now)
    return subscription


def _refuse_faults(terms: Terms, *, strategy: Strategy) -> None:
    if faults := faults_of(terms, strategy=strategy):
        raise SubscriptionRefused("terms_invalid", faults=faults)


def _hold_graph() -> None:
    """Until the transaction ends nobody else adds to who copies whom."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_GRAPH_LOCK])


def _account(*, user: User, account_id: uuid.UUID, strategy: Strategy) -> ExchangeAccount:
    own = ExchangeAccount.objects.select_for_update(no_key=True).filter(user=user)
    account = own.filter(pk=account_id, exchange=strategy.exchange).first()
    if account is None or account.state == AccountState.REMOVED:
        raise SubscriptionRefused("account_unknown")
    if account.state != AccountState.ACTIVE:
        raise SubscriptionRefused("account_paused")
    if account.strategies.exclude(state=StrategyState.DELETED).exists():
        raise SubscriptionRefused("account_publishes")
    return account


# Everybody whom the master copies, directly or through others.
_ABOVE = """
WITH RECURSIVE above(id) AS (
    SELECT %(master)s::uuid
    UNION
    SELECT g.master_id FROM above
    JOIN copytrade_subscription s ON s.follower_id = above.id AND s.state <> 'STOPPED'
    JOIN copytrade_strategy g ON g.id = s.strategy_id
)
SELECT 1 FROM above WHERE id = %(follower)s
"""


def _refuse_circle(*, follower: User, strategy: Strategy) -> None:
    with connection.cursor() as cursor:
        cursor.execute(_ABOVE, {"master": strategy.master_id, "follower": follower.pk})
        if cursor.fetchone():
            raise SubscriptionRefused("copies_in_a_circle")


def _insert(
    user: User,
    strategy: Strategy,
    account: ExchangeAccount,
    terms: Terms,
    *,
    start: str,
    now: datetime,
) -> Subscription:
    subscription = Subscription(
        follower=user,
        strategy=strategy,
        account=account,
        start=start,
        stop_equity=stop_equity_of(equity=terms.allocated, percent=terms.stop_loss_percent),
        next_attempt_at=now,
        created_at=now,
        updated_at=now,
        **{name: getattr(terms, name) for name in STORED},
    )
    subscription.symbols = list(terms.symbols)
    try:
        with transaction.atomic():
            subscription.save(force_insert=True)
    except IntegrityError as error:
        if "copytrade_subscription_once" in str(error):
            raise SubscriptionRefused("already_subscribed") from error
        raise
    return subscription


def _take_slot(strategy: Strategy) -> None:
    """One of the strategy's places, by one conditional UPDATE: exact however many ask at once."""
    free = Strategy.objects.filter(
        pk=strategy.pk, state=StrategyState.ACTIVE, copiers__lt=F("max_followers")
    )
    if not free.update(copiers=F("copiers") + 1):
        strategy.refresh_from_db(fields=["state"])
        full = strategy.state == StrategyState.ACTIVE
        raise SubscriptionRefused("strategy_full" if full else "strategy_not_active")


def _join(subscription: Subscription, *, now: datetime) -> None:
    """Open what the master holds now, at the newest price, in the pairs that are allowed."""
    strategy = subscription.strategy
    equity = base_of_shares(strategy=strategy, now=now)
    held = MasterPosition.objects.filter(
        strategy=strategy, quantity__gt=0, symbol__in=subscription.symbols
    )
    marks = dict(
        MarkPrice.objects.filter(exchange=strategy.exchange).values_list("symbol", "price")
    )
    for position in held:
        price = marks.get(position.symbol) or position.average_price
        if price:
            publish(
                strategy=strategy,
                kind=Signal.Kind.OPEN,
                symbol=position.symbol,
                type="MARKET",
                price=price,
                at=now,
                now=now,
                cumulative=position.quantity,
                order_quantity=position.quantity,
                equity_before=equity,
                cause=Signal.Cause.JOIN,
                subscription=subscription,
            )
