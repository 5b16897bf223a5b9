"""kill -9 at random moments, and what two commands at once do: the rerun ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from tests.faults.conftest import Told, Undisturbed, same
from tests.processes import PATIENT, SMALL_BATCHES, arguments, run_here, started, wait_until

pytestmark = [pytest.mark.lake, pytest.mark.e2e]
faults = pytest.mark.faults

SEED = 20261122
KILLS = 20
FILES_OF = {"ingest": 0.6, "nightly": 0.95}  # of those of a nightly, a command has written shortly before its end


def files(lake: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(lake))


def killed(process: subprocess.Popen[str], *, alone: bool) -> None:
    """Python alone, whose JVM then finds its end by itself; or both at once."""
    if alone:
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def test_a_killed_ingest_run_again(spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, told: Told) -> None:
    """The one real kill of every run of the suite. Its JVM may go on for a moment: the rerun waits for it."""
    again = arguments("ingest", undisturbed.landing, tmp_path / "lake", *SMALL_BATCHES, *PATIENT)
    process = started(undisturbed.home, again, tmp_path / "log")
    wait_until(process, lambda: "wrote silver." in (tmp_path / "log").read_text())
    time.sleep(random.Random(SEED).uniform(0, 1.5))
    killed(process, alone=True)
    rerun = run_here(again)
    assert rerun.exit_code == 0, rerun.output
    told("Python killed, its Java not; rerun: exit code 0", same(spark, tmp_path / "lake", undisturbed, "ingest"))


@faults
@pytest.mark.parametrize("said", ["wrote silver.", "wrote gold."])
def test_spark_killed(spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, told: Told, said: str) -> None:
    """Its JVM alone, as by a system without memory."""
    log, again = tmp_path / "log", arguments("nightly", undisturbed.landing, tmp_path / "lake", *SMALL_BATCHES)
    process = started(undisturbed.home, again, log)
    wait_until(process, lambda: said in log.read_text())
    java = json.loads((tmp_path / "lake" / "_lock").read_text())["java"]
    os.kill(java, signal.SIGKILL)
    job = "ingest" if "silver" in said else "rfm as of 2026-01-06"
    assert process.wait(timeout=120) == 1
    errors = [line for line in log.read_text().splitlines() if line.startswith("memberlake: ")]
    assert errors == [
        f"memberlake: {job} failed: Spark has stopped, killed or out of memory: give the same command again"
    ]
    assert "Traceback" not in log.read_text()
    rerun = run_here(again, undisturbed.home)
    assert rerun.exit_code == 0, rerun.output
    told("Spark killed; exit code 1, one sentence; rerun: 0", same(spark, tmp_path / "lake", undisturbed, "nightly"))


@faults
@pytest.mark.parametrize("n", range(KILLS))
def test_kill(spark: SparkSession, undisturbed: Undisturbed, tmp_path: Path, told: Told, n: int) -> None:
    """Each in a stretch of the process's life of its own, measured in files, since machines differ in speed."""
    command, alone, chance = ("ingest", "nightly")[n % 2], n % 4 > 1, random.Random(SEED + n)
    share = (n // 2 + chance.random()) / (KILLS // 2)
    until = share * FILES_OF[command] * files(undisturbed.lake)
    again = arguments(command, undisturbed.landing, tmp_path / "lake", *SMALL_BATCHES, *PATIENT)
    process = started(undisturbed.home, again, tmp_path / "log")
    wait_until(process, lambda: files(tmp_path / "lake") > max(until, 1))  # the first is the lock
    time.sleep(chance.uniform(0, 0.5) * (1 - share))  # near its end half a second is all that it has left
    assert process.poll() is None, "it was at its end before it was killed"
    killed(process, alone=alone)
    rerun = run_here(again, undisturbed.home)
    assert rerun.exit_code == 0, rerun.output
    what = f"{command} killed{', Java not,' if alone else ''} at {share:.0%}; rerun: exit code 0"
    told(what, same(spark, tmp_path / "lake", undisturbed, command))


@pytest.fixture
def both(undisturbed: Undisturbed, tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@faults
@pytest.mark.parametrize("waits", [False, True])
def test_two_nightlies_at_once(
    spark: SparkSession,
    undisturbed: Undisturbed,
    both: list[subprocess.Popen[str]],
    tmp_path: Path,
    told: Told,
    waits: bool,
) -> None:
    nightly = arguments("nightly", undisturbed.landing, tmp_path / "lake", *SMALL_BATCHES, *(PATIENT if waits else ()))
    for n in range(2):  # neither knows which is the first
        both.append(started(undisturbed.home, nightly, tmp_path / f"log {n}"))
    codes = [process.wait() for process in both]
    said = [(tmp_path / f"log {n}").read_text() for n in range(2)]
    if waits:
        assert codes == [0, 0], said
        assert sum("waiting: the lake" in log for log in said) == 1
    else:
        assert sorted(codes) == [0, 2], said
        stopped = said[codes.index(2)].strip()
        assert stopped.startswith(f"memberlake: the lake {tmp_path / 'lake'} is being written to by ")
        assert len(stopped.splitlines()) == 1
    what = "the second waited; exit codes 0 and 0" if waits else "the second stopped with one sentence, exit code 2"
    told(what, same(spark, tmp_path / "lake", undisturbed, "nightly"))
