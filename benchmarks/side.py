"""Runs one side alone, as a process of its own, and prints what it told as JSON; bench.py starts it.

    python benchmarks/side.py orders.rfm_memberlake FOLDER ORDERS [KEY=VALUE...]

FOLDER holds the data of one scale; settings are Spark's. A side's clock starts after its session or database is ready.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from pathlib import Path

from cases.run import Run, Side, say
from memberlake.lake import session

if __name__ == "__main__":
    name, folder, orders = sys.argv[1], Path(sys.argv[2]).absolute(), int(float(sys.argv[3]))
    folder.mkdir(parents=True, exist_ok=True)
    module, _, function = name.partition(".")
    side: Side = getattr(importlib.import_module(f"cases.{module}"), function)
    run = Run(folder, orders)
    if "duckdb" not in function:
        started = time.monotonic()
        _ = session.start(dict(each.split("=", 1) for each in sys.argv[4:])).range(1).count()
        run.told["session_seconds"] = time.monotonic() - started
    side(run)
    say(json.dumps(run.told))
