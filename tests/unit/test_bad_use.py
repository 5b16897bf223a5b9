"""Mistakes that a command tells before Spark starts, in one sentence and with exit code 2."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from memberlake import cli, commands
from memberlake.commands import Days
from memberlake.errors import UserError, cause
from memberlake.ingest.source import Source
from memberlake.lake import session

EAST, WEST = "Pacific/Kiritimati", "Pacific/Pago_Pago"  # never on the same date


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is taken for a lake; Spark must not be asked for."""

    def start() -> None:
        raise AssertionError("Spark was started")

    monkeypatch.setattr(session, "start", start)
    (tmp_path / "lake" / "silver").mkdir(parents=True)
    return tmp_path / "lake"


def refused(*arguments: object) -> str:
    """What the command says; it must be one line."""
    ended: Result = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    assert ended.exit_code == 2, (ended.output, ended.exception)
    (line,) = ended.stderr.splitlines()
    assert line.startswith("memberlake: ")
    return line


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["run", "rfm", "--as-of", ""], "--as-of"),
        (["run", "rfm", "--as-of", "", "--from", "2026-03-01"], "--as-of"),
        (["nightly", "--from", "2026-03-01", "--to", " "], "--to"),
        (["nightly", "--source", ""], "--source"),
        (["report", "--out", ""], "--out"),
        (["report", "--as-of", ""], "--as-of"),
        (["models", "promote", ""], "VERSION"),
        (["tables", ""], "NAME"),
        (["show", "silver.orders", "--where", ""], "--where"),
        (["run", "rfm", "--conf", "local.yaml", "--conf", ""], "--conf"),
    ],
)
def test_an_empty_value_is_not_the_default(lake: Path, arguments: list[str], name: str) -> None:
    assert f": {name} is empty" in refused(*arguments, "--lake", lake)


def test_a_place_that_java_cannot_open(lake: Path, tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode("订单".encode("gb18030"))
    place.mkdir()
    arguments = ["ingest", "--source", "contracts", "--landing"]
    assert "--landing is not in UTF-8" in refused(*arguments, place, "--lake", lake)
    assert "--lake is not in UTF-8" in refused(*arguments, tmp_path, "--lake", place)


def test_an_empty_place_is_not_the_default_one(lake: Path) -> None:
    """`generate --out ""` would fill the configured lake."""
    assert "--out is empty" in refused("generate", "--scale", "1e3", "--out", "")
    assert "--lake is empty" in refused("run", "rfm", "--lake", "")


@pytest.mark.parametrize("days", [("", None, None), (None, "", None), (None, "2026-03-01", ""), ("", "2026-03-01", "")])
def test_empty_days_are_none(days: tuple[str | None, str | None, str | None]) -> None:
    with pytest.raises(UserError):
        Days(*days).listed("UTC")


def test_a_landing_is_of_a_source(lake: Path, tmp_path: Path) -> None:
    assert "--landing needs --source" in refused("nightly", "--landing", tmp_path, "--lake", lake)


def test_an_interrupted_command_says_how_to_go_on(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "start", start)
    ended = CliRunner().invoke(cli.main, ["run", "rfm", "--as-of", "2026-03-01", "--lake", str(lake)])
    assert (ended.exit_code, ended.stderr) == (130, "memberlake: interrupted: give the same command again\n")


LONG = "x" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "rfm", "--lake", LONG],
        ["tables", "--set", f"lake.root={LONG}"],
        ["run", "rfm", "--conf", f"{LONG}.yaml"],
        ["ingest", "--source", LONG],
        ["ingest", "--source", f"{LONG}.yaml"],
        ["ingest", "--source", "contracts", "--landing", LONG],
        ["generate", "--scale", "1e3", "--out", LONG],
    ],
)
def test_a_name_that_no_file_can_have(lake: Path, arguments: list[str]) -> None:
    assert refused(*arguments).endswith("File name too long")


@pytest.mark.parametrize("place", ["/proc/x/made", "/dev/null/made"])
def test_made_files_where_none_can_be(lake: Path, place: str) -> None:
    assert refused("generate", "--scale", "1e3", "--out", place).startswith(f"memberlake: {place[:5]}")


def test_what_is_told_is_one_line_and_changes_no_terminal(lake: Path) -> None:
    told = refused("run", "rfm", "--set", "rfm.a\nb\x1b]0;x\x07=3", "--lake", lake)
    assert r"rfm.a b\x1b]0;x\x07: unknown key" in told
    record = logging.makeLogRecord({"name": "memberlake", "msg": "%s: left", "args": ("a\nb\x1b",)})
    assert cli._in_a_line(record)
    assert record.getMessage() == r"a b\x1b: left"


def test_more_rows_than_spark_can_count(lake: Path) -> None:
    assert "99999999999 is not in the range" in refused("show", "silver.orders", "--limit", "99999999999")


def test_why_spark_failed_is_the_innermost_cause_of_java_what_ended_a_stream_or_the_first_line() -> None:
    java = """An error occurred while calling o31.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed
\tat org.apache.spark.Here.there(Here.scala:1)
Caused by: java.util.regex.PatternSyntaxException: Unclosed group near index 1
(
\tat java.util.regex.Pattern.error(Pattern.java:1)"""
    assert cause(RuntimeError(java)) == "Unclosed group near index 1"
    assert cause(RuntimeError(f"{java}\nCaused by: java.io.EOFException\n\tat x")) == "EOFException"
    assert cause(RuntimeError(java.partition("Caused")[0])).startswith("Job aborted due to stage failure")
    assert cause(RuntimeError(f"Caused by: java.io.IOException: {'x' * 999}")) == "x" * 300
    assert cause(RuntimeError("[WRONG] This: that. SQLSTATE: 42000\n== SQL ==\nx")) == "[WRONG] This: that."
    stream = "[STREAM_FAILED] Query [id = 1] terminated with exception: batch 3 doesn't exist SQLSTATE: XXKST\nmore"
    assert cause(RuntimeError(stream)) == "batch 3 doesn't exist"
    assert cause(RuntimeError()) == "RuntimeError"


def test_files_that_no_load_takes_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    taken = ("orders/a.csv", "orders/2026/b.csv", "shop/visits-1.csv", "shop/old/visits-2.csv", "shop/types.csv")
    passed = ("orders/_SUCCESS", "order/.b.csv.crc", ".git/x", "orders/_tmp/c.csv", "order/a.crc")
    left = ("a.csv", "order/a.csv", "shop/visit-1.txt", "visits/visits-1.csv", "x/orders/a.csv")
    source = Source.model_validate(
        {
            "about": "x",
            "time_zone": "UTC",
            "loads": {"orders": None, "visits": {"table": "events", "files": "shop/{visits,calls}*.csv"}},
            "lookups": {"types": "shop/types.csv"},
        }
    )
    for name in (*taken, *passed):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    commands._warn_of_files_left(tmp_path, "mine", source)
    assert caplog.messages == []
    for name in left:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    commands._warn_of_files_left(tmp_path, "mine", source)
    assert caplog.messages == [f"{tmp_path}: no load of mine takes {', '.join(left[:3])} and 2 more"]
