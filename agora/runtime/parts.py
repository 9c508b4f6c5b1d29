"""Agora's own processes: web, worker, slow worker, sealer and beat."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from agora.runtime import probes
from agora.runtime.folder import Folder
from agora.runtime.processes import Part

# As CELERY_TASK_ROUTES names it; the runtime itself loads no settings of the product.
SEAL_QUEUE, SLOW_QUEUE = "seal", "slow"
_CALM = {
    # Known and harmless here: static files are served from their sources, root runs a local demo.
    "PYTHONWARNINGS": "ignore:No directory at,ignore:You're running the worker with superuser",
    # manage.py doctor and `make check` run Django's checks; here they would only cost a start.
    "SKIP_CHECKS": "1",
}


def web(*, env: Mapping[str, str], port: int) -> Part:
    """gunicorn with threads; the application is loaded once and shared by its processes."""
    return Part(
        name="web",
        command=[
            *(sys.executable, "-m", "gunicorn", "agora.wsgi:application"),
            *("--bind", f"127.0.0.1:{port}", "--preload"),
            *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
            *("--graceful-timeout", "5", "--timeout", "60", "--no-control-socket"),
        ],
        env={**env, **_CALM},
        ready=lambda: probes.http_ok(f"http://127.0.0.1:{port}/livez"),
    )


def worker(*, env: Mapping[str, str], folder: Folder) -> Part:
    """One Celery worker; it leads the orders from state to state."""
    own = ("--concurrency", "2", "--prefetch-multiplier", "1")
    return _celery("worker", own, env=env, folder=folder)


def slow_worker(*, env: Mapping[str, str], folder: Folder) -> Part:
    """A worker for what takes minutes and may wait.

    One process is enough, because nobody waits for it; a child of its own, because Celery ends a task
    at its time limit in a child only.
    """
    own = ("--concurrency", "1", "--queues", SLOW_QUEUE, "--hostname", "slow@%h")
    return _celery("slow-worker", own, env=env, folder=folder)


def sealer(*, env: Mapping[str, str], folder: Folder) -> Part:
    """A worker of one process for what may not wait seconds: it chains the audit trail."""
    own = ("--pool", "solo", "--queues", SEAL_QUEUE, "--hostname", "sealer@%h")
    return _celery("sealer", own, env=env, folder=folder)


def _celery(name: str, own: Sequence[str], *, env: Mapping[str, str], folder: Folder) -> Part:
    ready = folder.root / f"{name}.ready"
    ready.unlink(missing_ok=True)
    return Part(
        name=name,
        command=[
            *(sys.executable, "-m", "celery", "--quiet", "--app", "agora", "worker"),
            *(*own, "--loglevel", "WARNING"),
            *("--without-gossip", "--without-mingle", "--include", "agora.runtime.ready"),
        ],
        env={**env, **_CALM, "AGORA_READY_FILE": str(ready)},
        ready=ready.exists,
    )


def beat(*, env: Mapping[str, str]) -> Part:
    """The clock that starts the sweeps. It has nothing to answer, so it counts as ready at once."""
    return Part(
        name="beat",
        command=[
            *(sys.executable, "-m", "celery", "--quiet", "--app", "agora", "beat"),
            *("--loglevel", "WARNING", "--pidfile", ""),
        ],
        env={**env, **_CALM},
        ready=lambda: True,
    )


def metrics_folder(folder: Folder) -> Path:
    """Where the processes of this run meet their counters; those of the last run are dropped."""
    path = folder.root / "metrics"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    return path
