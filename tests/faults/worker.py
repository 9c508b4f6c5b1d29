"""A real Celery worker in processes of its own, for tests that kill it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.utils import timezone
from redis import Redis

from agora.lib import work
from agora.lib.work import Job
from trading.models import Order

_ROOT = Path(__file__).resolve().parents[2]


def wait_until(condition: Callable[[], bool], *, limit: float, what: str) -> None:
    """Wait for a condition, not for a time; fails with `what` after `limit` seconds."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"After {limit:.0f} s still not: {what}")
        time.sleep(0.05)


class Worker:
    """A prefork worker whose failpoints can be armed; it takes slow work, too, unlike a real one."""

    def __init__(self, *, folder: Path, concurrency: int = 4) -> None:
        self.points = folder / "failpoints"
        self.points.mkdir()
        self._log = folder / "worker.log"
        self._concurrency = concurrency
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a process group of its own and wait until it takes tasks."""
        environ = {**os.environ, "FAILPOINTS_DIR": str(self.points)}
        command = [sys.executable, "-m", "celery", "-A", "agora", "worker", "--loglevel=INFO"]
        command += ["--queues=celery,slow", f"--concurrency={self._concurrency}"]
        command += ["--without-gossip", "--without-mingle"]
        before = self.log().count(" ready.")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=_ROOT, env=environ, stdout=log, stderr=log, start_new_session=True
            )
        wait_until(
            lambda: self.log().count(" ready.") > before,
            limit=60,
            what="worker ready\n" + self.log(),
        )

    def kill(self) -> None:
        """SIGKILL to the worker and all its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def children(self) -> list[int]:
        """Ids of the processes that do the tasks."""
        assert self._process is not None
        told = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(pid) for pid in told.split()]

    def log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def arm(self, point: str, *, action: str, order: Order) -> None:
        """Have a failpoint strike once, when this order reaches it."""
        (self.points / f"{point}@{order.pk}").write_text(action)

    def armed(self) -> list[str]:
        """Marks that were armed and never reached."""
        return sorted(p.name for p in self.points.iterdir() if not p.name.startswith("taken."))


def let_the_lease_run_out(job: Job) -> None:
    """The minute for which nobody else takes over from a worker that died."""
    past = timezone.now() - timedelta(seconds=1)
    type(job)._default_manager.filter(pk=job.pk).update(lease_until=past)


def sweep_until_rest(orders: list[Order], *, limit: float, redis: Redis | None = None) -> None:
    """Do beat's part, the sweep, until no order is due any more."""
    ids = [order.pk for order in orders]
    last = 0.0

    def all_rest() -> bool:
        nonlocal last
        if time.monotonic() - last > 0.3:
            last = time.monotonic()
            for pk in work.due_ids(Order, limit=500):
                work.nudge("trading.tasks.settle_order", pk=pk)
        return not Order.objects.filter(pk__in=ids, next_attempt_at__isnull=False).exists()

    wait_until(all_rest, limit=limit, what=f"orders at rest: {_states(ids)}")


def _states(ids: list[UUID]) -> str:
    rows = Order.objects.filter(pk__in=ids, next_attempt_at__isnull=False)
    return ", ".join(f"{row.state} {row.last_error}" for row in rows)
