"""One writer a lake. A lock of a process never keeps out the process itself, so the other one is always a real one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from pyspark.sql import SparkSession
from tests.conftest import PROJECT, configured
from tests.frames import utc
from tests.jobs.orders import rows
from tests.processes import arguments, made_landing

from memberlake import cli
from memberlake.errors import UserError
from memberlake.lake import session
from memberlake.lake.lock import only_writer
from memberlake.lake.store import Lake
from memberlake.tables.ops import RUNS

HOLD = """
import fcntl, json, sys, time
lock = open(sys.argv[1], "r+")
fcntl.lockf(lock, fcntl.LOCK_EX, 1, 0)
who = {"command": "memberlake nightly", "process": 4711, "java": 4712, "host": "night", "since": "1 UTC"}
lock.write(json.dumps(who))
lock.flush()
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextlib.contextmanager
def held(lake: Path, seconds: float = 60) -> Iterator[subprocess.Popen[str]]:
    """Another process is writing to the lake."""
    lake.mkdir(exist_ok=True)
    (lake / "_lock").touch()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, lake / "_lock", str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        yield other
    finally:
        other.kill()
        other.wait()


def can_be_taken(lake: Path) -> bool:
    """By another process."""
    take = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB, 2, 0)"
    return subprocess.run([sys.executable, "-c", take, lake / "_lock"], capture_output=True).returncode == 0


def test_a_second_command_stops_and_names_the_first(tmp_path: Path) -> None:
    """Before Spark starts, and without a trace in the lake."""
    lake, landing = tmp_path / "lake", made_landing(tmp_path / "landing")
    with held(lake):
        second = subprocess.run(
            [sys.executable, "-m", "memberlake.cli", *arguments("nightly", landing, lake)],
            env={**os.environ, "MEMBERLAKE_HOME": str(PROJECT)},
            capture_output=True,
            text=True,
        )
    assert second.returncode == 2, second.stderr
    assert second.stderr.splitlines() == [
        f"memberlake: the lake {lake} is being written to by memberlake nightly (process 4711, its Java 4712, "
        "on night, since 1 UTC). Run this again when that has ended, or let it wait: --set lake.lock_wait_seconds=3600"
    ]
    assert [path.name for path in lake.iterdir()] == ["_lock"]


def test_commands_that_read_do_not_wait(spark: SparkSession, tmp_path: Path) -> None:
    with held(tmp_path / "lake"):
        (tmp_path / "lake" / "silver").mkdir()  # it has begun
        for command in (["show", "silver.orders"], ["tables", "silver.orders"]):
            shown = CliRunner().invoke(cli.main, [*command, "--lake", str(tmp_path / "lake")])
            assert shown.exit_code == 0, shown.output


def test_a_command_waits_as_long_as_it_is_told(
    spark: SparkSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    conf = configured("lake.lock_wait_seconds=60", lake=str(tmp_path / "lake")).lake
    with held(tmp_path / "lake", 2) as other, caplog.at_level(logging.INFO), only_writer(conf, "a command"):
        assert other.poll() == 0
    assert len(re.findall("waiting: the lake .* by memberlake nightly", caplog.text)) == 1

    conf = configured("lake.lock_wait_seconds=1", lake=str(tmp_path / "lake")).lake
    started = time.monotonic()
    with held(tmp_path / "lake"), pytest.raises(UserError, match="is being written to"), only_writer(conf, "a command"):
        pass
    assert time.monotonic() - started > 1


def test_a_killed_command_leaves_no_lock(spark: SparkSession, tmp_path: Path) -> None:
    conf = configured(lake=str(tmp_path / "lake")).lake
    with held(tmp_path / "lake") as other:
        other.kill()
        other.wait()
        with only_writer(conf, "a command"):
            pass


def test_the_lock_lasts_as_long_as_spark(spark: SparkSession, tmp_path: Path) -> None:
    """When Python alone was killed, the JVM may go on writing for a moment."""
    conf = configured(lake=str(tmp_path / "lake")).lake
    with only_writer(conf, "a command"):
        assert not can_be_taken(tmp_path / "lake")
        who = json.loads((tmp_path / "lake" / "_lock").read_text())  # and with it goes this process's part of the lock
        assert (who["command"], who["process"]) == ("a command", os.getpid())
        assert Path(f"/proc/{who['java']}").exists()
        assert not can_be_taken(tmp_path / "lake")
    assert can_be_taken(tmp_path / "lake")
    with session.locking(spark, tmp_path / "lake" / "_lock", 1):
        assert not can_be_taken(tmp_path / "lake")


def test_no_locks_on_the_file_system(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", none)
    with only_writer(configured(lake=str(tmp_path / "lake")).lake, "a command") as lake:
        assert lake.spark is spark
    assert "its file system has no locks" in caplog.text


def test_a_killed_run_is_marked_by_the_next_writer(spark: SparkSession, tmp_path: Path) -> None:
    conf = configured(lake=str(tmp_path / "lake")).lake
    of_any_run = {"job": "rfm", "started_at": utc("2026-03-01 10:00"), "config_hash": "1", "code_version": "1"}
    states = {"killed": "running", "ended": "done"}
    Lake(spark, conf).append(
        RUNS, rows(spark, RUNS, [{**of_any_run, "run_id": r, "state": s} for r, s in states.items()])
    )
    with only_writer(conf, "memberlake nightly") as lake:
        found = {row.run_id: (row.state, row.error) for row in lake.read(RUNS).collect()}
    assert found == {"killed": ("failed", "killed: it ended without a word; run it again"), "ended": ("done", None)}
