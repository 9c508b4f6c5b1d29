"""`python -m agora.runtime`: only the services, for work on Agora itself.

Commands in another terminal find them: `python manage.py migrate`, `python manage.py runserver`.
Exit codes: 0 stopped by a signal, 1 a part failed, 2 the data folder is in use.
"""

import argparse
import os
import sys
import time
from pathlib import Path

from agora.runtime.ending import Stopped, stops_on_signals
from agora.runtime.folder import FolderInUse
from agora.runtime.processes import PartFailed
from agora.runtime.services import ALL_PARTS, Services

_PROJECT = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m agora.runtime", description=__doc__)
    parser.add_argument("--data", type=Path, default=_PROJECT / ".data")
    parser.add_argument("--part", action="append", choices=sorted(ALL_PARTS), help="default: all")
    options = parser.parse_args()
    try:
        services = Services(data=options.data, parts=options.part or ALL_PARTS, environ=os.environ)
        with stops_on_signals(), services:
            services.write_env(services.env)
            print(f"Ready: {', '.join(sorted(services.started))}. Ctrl-C stops.", flush=True)
            while True:
                services.supervisor.check()
                services.tick()
                time.sleep(1)
    except Stopped:
        return 0
    except FolderInUse as error:
        print(f"✗ {error}", file=sys.stderr)
        return 2
    except PartFailed as error:
        print(f"✗ {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
