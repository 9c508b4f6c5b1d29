"""`python -m bench [NAME …]`: run benchmarks and print one JSON line each.

Ends with 1 when a goal is missed, 2 for an unknown name.
"""

import importlib
import os
import sys
import time

from bench.measure import Line, tell
from bench.stand import stand

NAMES = (
    "order_place",
    "saga_step",
    "limit_check",
    "audit_write",
    "audit_verify",
    "audit_export",
    "por_tree",
    "por_snapshot",
    "copy_fanout",
    "copy_fanout_latency",
    "copy_first",
    "market_page",
    "market_deep",
    "screening",
)


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        tell(f"There is no benchmark {', '.join(unknown)}; choose of {', '.join(NAMES)}.")
        return 2
    lines: list[Line] = []
    with stand() as ready:
        for name in names or NAMES:
            tell(f"{name} (load average {os.getloadavg()[0]:.1f})")
            started = time.monotonic()
            line: Line = importlib.import_module(f"bench.{name}").run(ready)
            tell(f"  took {time.monotonic() - started:.0f} s")
            print(line.text(), flush=True)
            lines.append(line)
    return 0 if all(line.ok for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
