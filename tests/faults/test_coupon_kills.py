"""kill -9 while coupon events are folded: the next run ends in the tables of a lake that nothing disturbed."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Told
from tests.processes import PATIENT, fast_project, put, rows, run_here, started, wait_until

from memberlake.tables.gold import coupons

pytestmark = [pytest.mark.lake, pytest.mark.e2e, pytest.mark.faults]

SEED, KILLS = 20261124, 5
TABLES = tuple(table for table in coupons.TABLES if table is not coupons.COUPON_ALERTS)
COLUMNS = "event_id,coupon_id,voucher_id,member_id,event_type,occurred_at,amount,received_at\n"


class Nights(NamedTuple):
    """Lakes after the first night, with the events of the second taken in, and after the second; what it ended in."""

    first: Path
    second: Path
    tables: dict[str, list[str]]


def night(landing: Path, n: int) -> None:
    """Events of vouchers that the night before had too, and of new ones."""
    chance = random.Random(SEED + n)
    kinds = ("issued", "claimed", "redeemed", "returned")
    made = [(f"{n}-{m}", chance.randrange(10 + 10 * n), chance.choice(kinds)) for m in range(40)]
    lines = [f"{e},K{v % 3},V{v},m{v % 4},{kind},2026-01-0{n + 1},5.00,2026-01-0{n + 1}\n" for e, v, kind in made]
    put(landing / "coupon_events" / f"{n}.csv", COLUMNS + "".join(lines))


def ended(command: list[str]) -> None:
    done = run_here(command)
    assert done.exit_code == 0, done.output


def coupons_of(day: int, lake: Path) -> list[str]:
    return ["run", "coupons", "--as-of", f"2026-01-0{day}", "--lake", str(lake), *PATIENT]


def commits(lake: Path) -> int:
    return len([*lake.glob("gold/*/_delta_log/*.json")])


@pytest.fixture(scope="module")
def nights(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Nights:
    folder = tmp_path_factory.mktemp("nights")
    first, second, landing = folder / "first", folder / "second", folder / "landing"
    for n in range(2):
        night(landing, n)
        ended(["ingest", "--source", "contracts", "--landing", str(landing), "--lake", str(first)])
        if n == 0:
            ended(coupons_of(2, first))
    shutil.copytree(first, second)
    ended(coupons_of(3, second))
    return Nights(first, second, rows(spark, second, TABLES))


@pytest.mark.parametrize("n", range(KILLS))
def test_coupons_killed(spark: SparkSession, nights: Nights, tmp_path: Path, told: Told, n: int) -> None:
    """In the stretch between two commits, each another."""
    lake = tmp_path / "lake"
    shutil.copytree(nights.first, lake)
    until = commits(nights.first) + (commits(nights.second) - commits(nights.first)) * n // KILLS
    process = started(fast_project(tmp_path / "project", "coupons"), coupons_of(3, lake), tmp_path / "log")
    wait_until(process, lambda: commits(lake) > until)
    assert process.poll() is None, "it was at its end before it was killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    rerun = run_here(coupons_of(3, lake))
    assert rerun.exit_code == 0, rerun.output
    told(
        f"killed after {n} of {KILLS} parts of its commits; rerun: exit code 0",
        rows(spark, lake, TABLES) == nights.tables,
    )
