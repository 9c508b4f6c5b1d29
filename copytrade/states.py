"""States of copy trading's rows and the moves between them."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from agora.lib.states import Moves


class LegState(TextChoices):
    """Where one leg (a signal's order for one subscription) stands."""

    PLANNED = "PLANNED", _("Waiting")
    SENDING = "SENDING", _("Sending")
    WORKING = "WORKING", _("Open at the exchange")
    FILLED = "FILLED", _("Filled")
    CANCELLED = "CANCELLED", _("Ended with a rest unfilled")
    DONE = "DONE", _("Carried out")
    REJECTED = "REJECTED", _("Refused by the exchange")
    SKIPPED = "SKIPPED", _("Not copied")
    EXPIRED = "EXPIRED", _("Came too late")


LEG_MOVES = Moves(
    {
        LegState.PLANNED: {LegState.SENDING, LegState.SKIPPED, LegState.EXPIRED},
        # Back to PLANNED only when it is certain that nothing was done.
        LegState.SENDING: {
            LegState.PLANNED,
            LegState.WORKING,
            LegState.FILLED,
            LegState.CANCELLED,
            LegState.DONE,
            LegState.REJECTED,
        },
        LegState.WORKING: {LegState.FILLED, LegState.CANCELLED},
        LegState.FILLED: set(),
        LegState.CANCELLED: set(),
        LegState.DONE: set(),
        LegState.REJECTED: set(),
        LegState.SKIPPED: set(),
        LegState.EXPIRED: set(),
    }
)


class MasterOrderState(TextChoices):
    """Where a master's own order stands at the exchange."""

    PENDING = "PENDING", _("Pending")
    WORKING = "WORKING", pgettext_lazy("order", "Open")
    FILLED = "FILLED", _("Filled")
    CANCELLED = "CANCELLED", _("Cancelled")
    REJECTED = "REJECTED", _("Rejected")


MASTER_ORDER_MOVES = Moves(
    {
        MasterOrderState.PENDING: {
            MasterOrderState.WORKING,
            MasterOrderState.FILLED,
            MasterOrderState.CANCELLED,
            MasterOrderState.REJECTED,
        },
        MasterOrderState.WORKING: {MasterOrderState.FILLED, MasterOrderState.CANCELLED},
        MasterOrderState.FILLED: set(),
        MasterOrderState.CANCELLED: set(),
        MasterOrderState.REJECTED: set(),
    }
)


class StrategyState(TextChoices):
    """Whether a strategy sends signals and takes followers."""

    ACTIVE = "ACTIVE", _("Active")
    PAUSED = "PAUSED", _("Paused")
    DELETED = "DELETED", _("Deleted")


STRATEGY_MOVES = Moves(
    {
        StrategyState.ACTIVE: {StrategyState.PAUSED, StrategyState.DELETED},
        StrategyState.PAUSED: {StrategyState.ACTIVE, StrategyState.DELETED},
        StrategyState.DELETED: set(),
    }
)


class SubscriptionState(TextChoices):
    """Which signals a subscription copies: all, reducing ones only, or none."""

    ACTIVE = "ACTIVE", _("Copying")
    PAUSED = "PAUSED", _("Paused: only closes are copied")
    REDUCING = "REDUCING", _("Risk limit reached: only closes are copied")
    STOPPING = "STOPPING", _("Closing positions")
    STOPPED = "STOPPED", pgettext_lazy("subscription", "Stopped")


SUBSCRIPTION_MOVES = Moves(
    {
        SubscriptionState.ACTIVE: {
            SubscriptionState.PAUSED,
            SubscriptionState.REDUCING,
            SubscriptionState.STOPPING,
            SubscriptionState.STOPPED,
        },
        SubscriptionState.PAUSED: {
            SubscriptionState.ACTIVE,
            SubscriptionState.REDUCING,
            SubscriptionState.STOPPING,
            SubscriptionState.STOPPED,
        },
        SubscriptionState.REDUCING: {
            SubscriptionState.ACTIVE,
            SubscriptionState.PAUSED,
            SubscriptionState.STOPPING,
            SubscriptionState.STOPPED,
        },
        SubscriptionState.STOPPING: {SubscriptionState.STOPPED},
        SubscriptionState.STOPPED: set(),
    }
)


class AccountState(TextChoices):
    """Whether a person's exchange key may be used."""

    ACTIVE = "ACTIVE", _("In use")
    PAUSED = "PAUSED", _("Paused")
    REMOVED = "REMOVED", _("Removed")


ACCOUNT_MOVES = Moves(
    {
        AccountState.ACTIVE: {AccountState.PAUSED, AccountState.REMOVED},
        AccountState.PAUSED: {AccountState.ACTIVE, AccountState.REMOVED},
        AccountState.REMOVED: set(),
    }
)
