"""kill -9 while coupon events are folded: the next run ends in the tables of a lake that nothing disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Told
from tests.processes import PATIENT, fast_project, put, rows, run_here, started, wait_until

from memberlake.tables.gold import coupons

pytestmark = [pytest.mark.lake, pytest.mark.e2e, pytest.mark.faults]

SEED, KILLS = 20261124, 4
TABLES = tuple(table for table in coupons.TABLES if table is not coupons.COUPON_ALERTS)
COLUMNS = "event_id,coupon_id,voucher_id,member_id,event_type,occurred_at,amount,received_at\n"


def night(landing: Path, n: int) -> None:
    """Events of vouchers that the night before had too, and of new ones."""
    chance = random.Random(SEED + n)
    kinds = ("issued", "claimed", "redeemed", "returned")
    made = [(f"{n}-{m}", chance.randrange(10 + 10 * n), chance.choice(kinds)) for m in range(40)]
    lines = [f"{e},K{v % 3},V{v},m{v % 4},{kind},2026-01-0{n + 1},5.00,2026-01-0{n + 1}\n" for e, v, kind in made]
    put(landing / "coupon_events" / f"{n}.csv", COLUMNS + "".join(lines))


def ingest(landing: Path, lake: Path) -> list[str]:
    return ["ingest", "--source", "contracts", "--landing", str(landing), "--lake", str(lake), *PATIENT]


def coupons_of(day: int, lake: Path) -> list[str]:
    return ["run", "coupons", "--as-of", f"2026-01-0{day}", "--lake", str(lake), *PATIENT]


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake after its first night, with the events of the second taken in."""
    folder = tmp_path_factory.mktemp("first")
    for n, after in enumerate((coupons_of(2, folder / "lake"), None)):
        night(folder / "landing", n)
        for command in filter(None, (ingest(folder / "landing", folder / "lake"), after)):
            done = run_here(command)
            assert done.exit_code == 0, done.output
    return folder / "lake"


@pytest.mark.parametrize("n", range(KILLS))
def test_kill(spark: SparkSession, first_night: Path, tmp_path: Path, told: Told, n: int) -> None:
    undisturbed, lake = tmp_path / "undisturbed", tmp_path / "lake"
    for copy in (undisturbed, lake):
        shutil.copytree(first_night, copy)
    assert run_here(coupons_of(3, undisturbed)).exit_code == 0

    def commits(place: Path) -> int:
        return len([*place.glob("gold/*/_delta_log/*.json")])

    until = commits(lake) + (commits(undisturbed) - commits(lake)) * n // KILLS
    process = started(fast_project(tmp_path / "project"), coupons_of(3, lake), tmp_path / "log")
    wait_until(process, lambda: commits(lake) > until)
    assert process.poll() is None, "it was at its end before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    rerun = run_here(coupons_of(3, lake))
    assert rerun.exit_code == 0, rerun.output
    same = rows(spark, lake, TABLES) == rows(spark, undisturbed, TABLES)
    told(f"coupons killed after {n} of {KILLS} parts of its commits; rerun: exit code 0", same)
