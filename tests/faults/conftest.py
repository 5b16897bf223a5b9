"""The undisturbed run that all is compared with, and what every fault did, as a list at the end: `make fault-test`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from pyspark.sql import SparkSession
from tests.processes import ALL, FILES, INGESTED, SMALL_BATCHES, arguments, fast_project, made_landing, rows, run_here

Told = Callable[[str, bool], None]


class Undisturbed(NamedTuple):
    home: Path
    landing: Path
    lake: Path
    tables: dict[str, list[str]]


@pytest.fixture(scope="session")
def undisturbed(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """A nightly, in this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    home, landing = fast_project(folder / "project"), made_landing(folder / "landing")
    done = run_here(arguments("nightly", landing, folder / "lake", *SMALL_BATCHES), home)
    assert done.exit_code == 0, done.output
    tables = rows(spark, folder / "lake")
    counts = {name: len(found) for name, found in tables.items()}
    assert counts == {"silver.orders": FILES * 5 + 5, "ops.rejects": FILES, "gold.rfm_scores": 5, "gold.score_bins": 10}
    return Undisturbed(home, landing, folder / "lake", tables)


def same(spark: SparkSession, lake: Path, undisturbed: Undisturbed, command: str) -> bool:
    tables = INGESTED if command == "ingest" else ALL
    return rows(spark, lake, tables) == {table.full_name: undisturbed.tables[table.full_name] for table in tables}


@pytest.fixture
def told(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Told:
    """For the list: what happened, and whether the tables of the rerun equal those of an undisturbed run."""
    record_property("fault", str(request.node.name).removeprefix("test_").replace("_", " "))

    def tell(happened: str, equal: bool) -> None:
        record_property("happened", happened)
        record_property("equal", equal)
        assert equal, happened

    return tell


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    rows = list(_rows(terminalreporter))
    if not rows:
        return
    terminalreporter.section("faults")
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        terminalreporter.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _rows(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, ...]]:
    ended = [
        report
        for state in ("passed", "failed", "error")
        for report in reporter.getreports(state)
        if isinstance(report, pytest.TestReport)  # a file that cannot be imported has a report of another kind
    ]
    found = [(report, dict(report.user_properties)) for report in ended if report.when == "call" or report.failed]
    found = [(report, said) for report, said in found if "fault" in said]
    if found:
        yield "fault", "what happened", "rerun equal", "seconds"
    for report, said in found:
        equal = "yes" if report.passed and said.get("equal") else "NO"
        yield str(said["fault"]), str(said.get("happened", "FAILED")), equal, f"{report.duration:.0f}"
