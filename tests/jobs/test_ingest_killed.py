"""ingest as a process of its own, killed at random moments and run again: it ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from chispa import assert_df_equality
from pyspark.sql import SparkSession
from tests.conftest import FAST_START, PROJECT, configured

from memberlake.lake.store import Lake
from memberlake.tables.ops import REJECTS
from memberlake.tables.silver import ORDERS, PRODUCTS

pytestmark = [pytest.mark.lake, pytest.mark.e2e]

KILLS = 3
FILES = 2  # of each table, a batch each


def test_ingest_killed_at_any_moment_ends_in_the_same_tables(spark: SparkSession, tmp_path: Path) -> None:
    home, landing = fast_project(tmp_path / "project"), made_landing(tmp_path / "landing")
    undisturbed = started(home, landing, tmp_path / "undisturbed")
    assert undisturbed.wait() == 0, (home / "log").read_text()

    chance = random.Random(20261120)
    ended = []
    for _ in range(KILLS):
        # the first write comes seconds after the start, so that the moments lie within and between the commits
        process = started(home, landing, tmp_path / "killed")
        wait_for_write(process, home / "log")
        time.sleep(chance.uniform(0, 1.5))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)  # the JVM is in the group
        ended.append(process.wait())
    assert ended[0] == -signal.SIGKILL  # a fast machine may come to the end before the last ones
    last = started(home, landing, tmp_path / "killed")
    assert last.wait() == 0, (home / "log").read_text()

    expected = Lake(spark, configured(lake=str(tmp_path / "undisturbed")).lake)
    found = Lake(spark, configured(lake=str(tmp_path / "killed")).lake)
    assert found.read(PRODUCTS).count() == FILES * 10 + 1
    for table in (PRODUCTS, ORDERS):
        assert_df_equality(found.read(table), expected.read(table), ignore_row_order=True)
    assert found.read(REJECTS).count() == FILES  # the same row in each file, once for each
    undated = [name for name in REJECTS.column_names if name != "rejected_at"]
    assert_df_equality(
        found.read(REJECTS).select(undated), expected.read(REJECTS).select(undated), ignore_row_order=True
    )


def made_landing(folder: Path) -> Path:
    """Files that hold rows of their own, versions of one shared row, and one bad row."""
    for n in range(FILES):
        products = "".join(f"p{n}-{m},name,\n" for m in range(10))
        shared = f"shared,version {n},2026-01-0{1 + n * 3 % FILES}\n"
        put(folder / "products" / f"{n}.csv", f"product_id,name,recorded_at\n{products}{shared},bad,\n")
        orders = "".join(f"o{m},2026-01-01,paid,1,{n}.00,2026-01-0{1 + (n + m) % FILES}\n" for m in range(10))
        put(folder / "orders" / f"{n}.csv", f"order_id,ordered_at,status,gross_amount,net_amount,updated_at\n{orders}")
    return folder


def fast_project(home: Path) -> Path:
    """The project's configuration and jobs, with the JVM settings of the suite."""
    shutil.copytree(PROJECT / "conf", home / "conf")
    shutil.copytree(PROJECT / "jobs", home / "jobs")
    with (home / "conf" / "spark" / "local.conf").open("a") as settings:
        settings.write("".join(f"\n{key} {value}" for key, value in FAST_START.items()))
    return home


def started(home: Path, landing: Path, lake: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "memberlake.cli", "ingest", "--source", "contracts"),
            *("--landing", landing, "--lake", lake, "--set", "ingest.max_files_per_batch=1"),
        ],
        env={**os.environ, "MEMBERLAKE_HOME": str(home)},
        cwd=home,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=(home / "log").open("w"),
        text=True,
    )


def wait_for_write(process: subprocess.Popen[str], log: Path) -> None:
    """Until the log of the process tells of a commit to silver, or it ended."""
    while process.poll() is None and "wrote silver." not in log.read_text():
        time.sleep(0.05)


def put(file: Path, content: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
