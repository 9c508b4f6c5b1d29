"""Runs Agora's parts on this machine: PostgreSQL, Valkey, a chain, the sandbox, web, worker, beat.

`Services` is the programmatic way in (tests, benchmarks); `python manage.py demo` the one for
people. Everything lives in one data folder that holds the data, the secrets and the logs.
"""

from agora.runtime.folder import FolderInUse
from agora.runtime.processes import PartFailed
from agora.runtime.services import Services

__all__ = ["FolderInUse", "PartFailed", "Services"]
