"""P5: the last of 1,000 followers at a venue that takes 50 ms, against what 100 at a time allow."""

from bench.copy_fanout import latency as run

__all__ = ["run"]
