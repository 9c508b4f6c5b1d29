"""Tasks of copy trading, one module a topic; Celery finds those that are imported here."""

from copytrade.tasks import accounts, desk, ledger, records, replication, risk, strategies

__all__ = ["accounts", "desk", "ledger", "records", "replication", "risk", "strategies"]
