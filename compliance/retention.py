"""What need not be kept any more is removed: per kind of record, by rules that are data (AUD-1).

`KINDS` says what a kind is and from which moment its days count; the table RetentionRule says how
many days, and only two people change it (compliance.retention_decisions). A kind without a rule is
kept. The audit trail itself is no kind: its rows hold no personal data, and all of them are kept, so
the chain stays whole (docs/audit-trail.md).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.db.models.functions import Least, TruncMonth
from django.utils.translation import gettext_lazy as _

from accounts.models import WalletChange
from agora.lib.catalog import Text
from compliance import audit
from compliance.models import ReserveSignature, RetentionRule

BATCH = 1000
_MOST_BATCHES = 100  # a run ends well within a task's time limit; the next one goes on
_MOST_TREES = 5  # in a run, for the same reason: each may have a million leaves
SHORTEST, LONGEST = 1, 36_500
FIVE_YEARS = 1826  # FATF recommendation 11: identity is kept for at least as long after the end


@dataclass(frozen=True)
class Kind:
    """One kind of record: its model, the moment from which its days count, and which rows of it.

    Without a model, another part of Agora reads the rule and removes by it. `least_days` is what
    other parts rely on; a rule cannot go below. Rows that the worker may remove and not change
    (agora.database_roles) are removed without being held first: `holds` is False. `parts` are models
    whose rows go first, by `snapshot_id`; then a portion is one row, and the trail names it.
    """

    name: str
    title: Text
    model: str = ""
    since: Any = None
    which: models.Q = field(default_factory=models.Q)
    least_days: int = SHORTEST
    holds: bool = True
    parts: tuple[str, ...] = ()

    @property
    def portions(self) -> tuple[int, int]:
        """How many portions go in a run at most, and of how many rows each."""
        return (_MOST_TREES, 1) if self.parts else (_MOST_BATCHES, BATCH)

    def expired(self, *, days: int, now: datetime) -> models.QuerySet[Any]:
        """Rows whose days are over: the moment lies more than `days` times 24 hours back."""
        rows: models.QuerySet[Any] = apps.get_model(self.model)._base_manager.all()
        rows = rows.filter(self.which).annotate(_since=self.since)
        return rows.filter(_since__lt=now - timedelta(days=days))


def _not_last_of_month() -> models.Q:
    """Trees whose snapshot is not the last signed one of its month (UTC)."""
    built = models.ExpressionWrapper(models.OuterRef("built_at"), models.DateTimeField())
    signed = ReserveSignature.objects.annotate(month=TruncMonth("snapshot__built_at", tzinfo=UTC))
    own = signed.filter(snapshot_id=models.OuterRef("snapshot_id"))
    later = signed.filter(
        month=TruncMonth(built, tzinfo=UTC), snapshot__built_at__gt=models.OuterRef("built_at")
    )
    return ~models.Q(models.Exists(own)) | models.Q(models.Exists(later))


def _took_over() -> models.Q:
    """Proofs of an address that somebody else had by a change of wallet, which is kept for good.

    Without them the address would go back to who had it before (compliance.ownership).
    """
    others = WalletChange.objects.filter(
        address=models.OuterRef("address"),
        state=WalletChange.State.APPLIED,
        created_at__lt=models.OuterRef("used_at"),
    ).exclude(user=models.OuterRef("user"))
    return models.Q(purpose="verify", outcome="proved") & models.Q(models.Exists(others))


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="api_token",
            title=_("API tokens, from their expiry or revocation"),
            model="accounts.ApiToken",
            # LEAST ignores NULL: whichever came first, of those that came.
            since=Least("expires_at", "revoked_at"),
            # Their uses go with them, which may have to be kept for longer.
            which=models.Q(uses=None),
        ),
        Kind(
            name="idempotency_key",
            title=_("Answers kept for repeated requests, from the request"),
            model="lib.IdempotencyKey",
            since=models.F("created_at"),
            least_days=3,
        ),
        # Removed by compliance.personal_data, from the end of the relationship.
        Kind(
            name="identity",
            title=_("Who a person is, from the end of the relationship"),
            least_days=FIVE_YEARS,
        ),
        Kind(
            name="liability_tree",
            title=_("Trees of holders in the proof of reserve, but the last signed of each month"),
            model="compliance.LiabilityTree",
            since=models.F("built_at"),
            which=_not_last_of_month(),
            least_days=30,  # the database refuses earlier ones
            holds=False,
            parts=("compliance.LiabilityChunk", "compliance.LiabilityLeaf"),
        ),
        Kind(
            name="notice",
            title=_("Notices that were read, from their reading"),
            model="accounts.Notice",
            since=models.F("read_at"),
            # What is still to be sent by e-mail is work, not a record.
            which=models.Q(next_attempt_at=None),
            least_days=30,
        ),
        Kind(
            name="session",
            title=_("Sessions, from their expiry"),
            model="sessions.Session",
            since=models.F("expire_date"),
            holds=False,
        ),
        Kind(
            name="session_device",
            title=_("Devices of sessions, from when they were last seen"),
            model="usersessions.UserSession",
            since=models.F("last_seen_at"),
            holds=False,
        ),
        Kind(
            name="token_use",
            title=_("Uses of API tokens, from each use"),
            model="accounts.TokenUse",
            since=models.F("minute"),
            least_days=30,  # compliance.trail.usage seals whole days that are kept and closed
        ),
        Kind(
            name="wallet_nonce",
            title=_("Nonces and messages of wallet proofs, from their expiry"),
            model="accounts.WalletProof",
            since=models.F("expires_at"),
            which=~_took_over(),
            least_days=30,  # as for token_use
        ),
    )
}
RetentionRule.TITLES.update((kind.name, kind.title) for kind in KINDS.values())


@dataclass(frozen=True)
class Outcome:
    """What was removed of one kind, or in a dry run what would be."""

    kind: str
    days: int
    before: datetime
    rows: int


def run(*, now: datetime, dry_run: bool = False, kind: str | None = None) -> list[Outcome]:
    """Remove what has expired, of every kind that has a rule, or of one; a dry run only counts.

    Each portion is a transaction of its own with its row in the trail, so an interrupted run has
    removed what it says; the next one goes on. Rows that somebody holds are left for then, too.
    """
    swept = [known.name for known in KINDS.values() if known.model and kind in (None, known.name)]
    rules = RetentionRule.objects.filter(kind__in=swept)
    return [_of_rule(rule, now=now, dry_run=dry_run) for rule in rules]


def _of_rule(rule: RetentionRule, *, now: datetime, dry_run: bool) -> Outcome:
    kind = KINDS[rule.kind]
    count = kind.expired(days=rule.days, now=now).count
    return Outcome(
        kind=rule.kind,
        days=rule.days,
        before=now - timedelta(days=rule.days),
        rows=count() if dry_run else sum(_portions(kind, rule.days, now)),
    )


def _portions(kind: Kind, days: int, now: datetime) -> Iterator[int]:
    most, size = kind.portions
    for _number in range(most):
        removed = _remove_portion(kind, days, now)
        yield removed
        if removed < size:
            return


def _remove_portion(kind: Kind, days: int, now: datetime) -> int:
    model, (_most, size) = apps.get_model(kind.model), kind.portions
    with transaction.atomic():
        rows = kind.expired(days=days, now=now).order_by("_since")
        if kind.holds:
            rows = rows.select_for_update(skip_locked=True, of=("self",))
        keys = [row.pk for row in rows[:size]]
        for part in kind.parts:
            apps.get_model(part)._base_manager.filter(snapshot_id__in=keys).delete()
        # What is not held may be gone by now: another run counts it.
        _all, gone = model._base_manager.filter(pk__in=keys).delete()
        removed: int = gone.get(model._meta.label, 0)
        if removed:
            audit.record(
                actor=audit.system("retention"),
                action="retention.removed",
                object_type="retention",
                object_id=kind.name,
                evidence={
                    "rows": removed,
                    "days": days,
                    "before": (now - timedelta(days=days)).isoformat(),
                    **({"ids": [str(key) for key in keys]} if kind.parts else {}),
                },
                now=now,
            )
        return removed
