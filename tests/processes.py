"""The command in processes of its own, to be disturbed; made files for it, and the tables that it should end in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from click.testing import CliRunner, Result
from pyspark.sql import SparkSession

from memberlake import cli
from memberlake.lake.contract import Table
from memberlake.lake.store import Lake
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.ops import REJECTS
from memberlake.tables.silver import ORDERS
from tests.conftest import FAST_START, PROJECT, configured

FILES = 2  # a batch each
INGESTED = (ORDERS, REJECTS)
ALL = (*INGESTED, RFM_SCORES, SCORE_BINS)
SMALL_BATCHES = ("--set", "ingest.max_files_per_batch=1")
PATIENT = ("--set", "lake.lock_wait_seconds=120")


def made_landing(folder: Path) -> Path:
    """Files that hold orders of their own, versions of shared ones, and one bad row."""
    for n in range(FILES):
        own = "".join(f"{n}-{m},m{m},2026-01-0{1 + m},paid,9.00,{m}.50,2026-01-05\n" for m in range(5))
        shared = "".join(f"o{m},m{m},2026-01-02,paid,9.00,{n}.25,2026-01-0{3 + (n + m) % FILES}\n" for m in range(5))
        bad = "bad,m1,2026-01-02,lost,9.00,9.00,2026-01-03\n"
        columns = "order_id,member_id,ordered_at,status,gross_amount,net_amount,updated_at\n"
        put(folder / "orders" / f"{n}.csv", columns + own + shared + bad)
    return folder


def arguments(command: str, landing: Path, lake: Path, *more: str) -> list[str]:
    """Of `ingest` or `nightly` over made files."""
    days = ["--as-of", "2026-01-06"] if command == "nightly" else []
    return [command, "--source", "contracts", *days, "--landing", str(landing), "--lake", str(lake), *more]


def run_here(arguments: Sequence[str], home: Path = PROJECT) -> Result:
    """The command in this process, with the session that is there; `home` is a project such as `fast_project`."""
    return CliRunner().invoke(cli.main, list(arguments), env={"MEMBERLAKE_HOME": str(home)})


def fast_project(home: Path, *jobs: str) -> Path:
    """The project's configuration with the JVM settings of the suite, and a few of its jobs: a short nightly."""
    shutil.copytree(PROJECT / "conf", home / "conf")
    (home / "jobs").mkdir()
    for job in jobs or ("ingest", "rfm"):
        shutil.copy(PROJECT / "jobs" / f"{job}.py", home / "jobs")
    with (home / "conf" / "spark" / "local.conf").open("a") as settings:
        settings.write("".join(f"\n{key} {value}" for key, value in FAST_START.items()))
    return home


def started(home: Path, arguments: Sequence[str], log: Path) -> subprocess.Popen[str]:
    """The command as a process that leads a group; its JVM is in it."""
    return subprocess.Popen(
        [sys.executable, "-m", "memberlake.cli", *arguments],
        env={**os.environ, "MEMBERLAKE_HOME": str(home)},
        cwd=home,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=log.open("w"),
        text=True,
    )


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    """Until it is so, or the process ended."""
    while process.poll() is None and not condition():
        time.sleep(0.02)


def rows(spark: SparkSession, lake: Path, tables: Sequence[Table] = ALL) -> dict[str, list[str]]:
    """Every row of the tables, whole but for the instant at which it was rejected."""
    found = Lake(spark, configured(lake=str(lake)).lake)
    return {t.full_name: sorted(map(str, found.read(t).drop("rejected_at").collect())) for t in tables}


def put(file: Path, content: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file
