"""What every fault did, as a list at the end: `make fault-test`."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

Told = Callable[[str, bool], None]


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
    ended = [report for state in ("passed", "failed", "error") for report in reporter.getreports(state)]
    found = [(report, dict(report.user_properties)) for report in ended if report.when == "call" or report.failed]
    found = [(report, said) for report, said in found if "fault" in said]
    if found:
        yield "fault", "what happened", "rerun equal", "seconds"
    for report, said in found:
        equal = "yes" if report.passed and said.get("equal") else "NO"
        yield str(said["fault"]), str(said.get("happened", "FAILED")), equal, f"{report.duration:.0f}"
