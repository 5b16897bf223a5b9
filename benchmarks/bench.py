"""Runs the measured cases one after the other and writes benchmarks/results.md: make bench.

Each side is a process of its own (sides.py), measured between its marks: wall time, CPU of the process and its
children, highest resident memory (sampled), and what Spark's stages read, shuffled and spilled. Rivals must give the
same answer, which is compared.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import threading
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import click
import psutil
from rich.console import Console

HERE = Path(__file__).parent
err = Console(stderr=True)


class Case(NamedTuple):
    """Sides that are compared; the first is ours. `same`: sides whose answer must equal ours."""

    title: str
    sides: tuple[str, ...]
    same: tuple[str, ...]
    goal: str


INGEST = Case("Ingest of orders from CSV", ("ingest_memberlake", "ingest_duckdb"), ("ingest_duckdb",), "none was set")
RFM = Case(
    "RFM",
    ("rfm_memberlake", "rfm_ntile", "rfm_rank", "rfm_duckdb"),
    ("rfm_rank", "rfm_duckdb"),
    "at least 2x the ntile version, within 3x of DuckDB, no spill",
)
NEXT_DAY = Case(
    "RFM's measures of the next day", ("next_day_facts", "next_day_raw"), (), "facts cheaper than raw orders"
)


CASES = {"ingest": INGEST, "rfm": RFM, "next_day": NEXT_DAY}
MAKERS = {"generate_csv": {"ingest"}, "generate_lake": {"rfm", "next_day"}}
RESULTS = HERE / "results.json"
COLUMNS = (
    *("side", "orders", "rows out", "wall s", "CPU s", "peak GiB"),
    *("read MB", "shuffled MB", "spilled MB", "same answer", "time / ours"),
)


Found = dict[tuple[str, int], dict[str, Any]]


@click.command()
@click.option("--orders", "scales", multiple=True, default=("2e6", "2e7"), show_default=True, help="Scales, rising.")
@click.option(
    "--folder", default="lake-bench", type=click.Path(path_type=Path), show_default=True, help="For the data."
)
@click.option("--case", "chosen", multiple=True, type=click.Choice(list(CASES)), help="Only these; the rest stays.")
def main(scales: tuple[str, ...], folder: Path, chosen: tuple[str, ...]) -> None:
    """Measure, and write results.json and results.md."""
    found = kept()
    cases = {name: case for name, case in CASES.items() if not chosen or name in chosen}
    data = [maker for maker, users in MAKERS.items() if users & {*cases}]
    for scale in (int(float(text)) for text in scales):
        place = (folder / str(scale)).absolute()
        for side in (*data, *(side for case in cases.values() for side in case.sides)):
            found[side, scale] = measured(side, place, scale)
            keep(found)
    (HERE / "results.md").write_text("\n".join(report(found)) + "\n", encoding="utf-8")
    click.echo((HERE / "results.md").read_text(encoding="utf-8"))
    wrong = [why for case in CASES.values() for why in disagreements(case, found)]
    for why in wrong:
        err.print(why, markup=False)
    sys.exit(bool(wrong))


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark", "duckdb"))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({_cpu_name()}), {memory:.0f} GiB; Python {platform.python_version()}, {packages}; "
        f"Spark in local mode with a driver of 4 GiB"
    )


def kept() -> Found:
    """What was measured before on this machine with these versions; a ratio of two machines says nothing."""
    if not RESULTS.exists():
        return {}
    before = json.loads(RESULTS.read_text())
    if before["machine"] != machine():
        return {}
    return {(each["side"], each["orders"]): each for each in before["measured"]}


def keep(found: Found) -> None:
    rows = [{**told, "side": side, "orders": orders} for (side, orders), told in found.items()]
    RESULTS.write_text(json.dumps({"machine": machine(), "measured": rows}, indent=1) + "\n")


def measured(side: str, place: Path, scale: int) -> dict[str, Any]:
    """Runs a side and returns what it told, with CPU seconds and peak memory between its marks."""
    err.print(f"{side}, {scale:,} orders ...", end=" ", markup=False)
    command = [sys.executable, str(HERE / "sides.py"), side, str(place), str(scale)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines, peak, cpu, working = [], 0, [0.0, 0.0], threading.Event()

    def watch() -> None:
        nonlocal peak
        while child.poll() is None:
            if working.is_set():
                peak = max(peak, resident(child.pid))
            time.sleep(0.2)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    for line in child.stdout:
        if line == "BEGIN\n":
            cpu[0] = cpu_seconds(child.pid)
            working.set()
        elif line == "END\n":
            working.clear()
            cpu[1] = cpu_seconds(child.pid)
        else:
            lines.append(line)
    if child.wait():
        sys.exit(f"{side} failed")
    told: dict[str, Any] = json.loads(lines[-1])
    err.print(f"{told['seconds']:.1f} s", markup=False)
    return {**told, "cpu": cpu[1] - cpu[0], "peak": peak, "on": str(date.today())}


def tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident(pid: int) -> int:
    return sum(p.memory_info().rss for p in tree(pid) if p.is_running())


def cpu_seconds(pid: int) -> float:
    times = [p.cpu_times() for p in tree(pid)]
    return sum(t.user + t.system for t in times)


def scales_of(case: Case, found: Found) -> list[int]:
    """The scales at which every side was measured."""
    return sorted(n for n in {n for _, n in found} if all((side, n) in found for side in case.sides))


def disagreements(case: Case, found: Found) -> list[str]:
    ours, wrong = case.sides[0], []
    for n in scales_of(case, found):
        rivals = [rival for rival in case.same if found[rival, n]["answer"] != found[ours, n]["answer"]]
        wrong += [f"{rival} does not give the answer of {ours} at {n:,} orders" for rival in rivals]
        if case is NEXT_DAY and found[ours, n]["answer"] != found[ours, n]["answer_of_raw"]:
            wrong.append(f"facts do not give the answer of raw orders at {n:,} orders")
    return wrong


def report(found: Found) -> list[str]:
    days = sorted({told["on"] for told in found.values()})
    lines = [
        "# Measured",
        "",
        f"By `make bench`, {' to '.join(sorted({days[0], days[-1]}))}: {machine()}. Starting a session took "
        f"{_sessions(found)} and is not in the figures. Peak memory is resident, of the process and its children. "
        f"Bytes read are those that Spark's tasks count, less than the files hold. Seconds vary on a machine that "
        f"others use; the sides of a case ran one after the other.",
        "",
        "| made data | rows | seconds | rows a second a core |",
        "|---|---|---|---|",
    ]
    for (side, _), told in sorted(found.items()):
        if side in MAKERS:
            rate = told["rows"] / told["seconds"] / (os.cpu_count() or 1)
            lines.append(f"| {side.replace('_', ', ')} | {told['rows']:,} | {told['seconds']:.1f} | {rate:,.0f} |")
    for case in CASES.values():
        if scales := scales_of(case, found):
            lines += _section(case, scales, found)
    return lines


def _section(case: Case, scales: list[int], found: Found) -> list[str]:
    ours = case.sides[0]
    lines = ["", f"## {case.title}", "", f"Goal: {case.goal}.", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    lines += [_row(case, side, n, found[side, n], found[ours, n]) for n in scales for side in case.sides]
    if len(scales) > 1:
        first, last = scales[0], scales[-1]
        growth = found[ours, last]["seconds"] / found[ours, first]["seconds"]
        lines += ["", f"From {first:,} to {last:,} orders ({last / first:g}x) {ours} takes {growth:.1f}x."]
    if case is NEXT_DAY:
        folds = ", ".join(f"{found[ours, n]['fold_seconds']:.1f} s for {n:,}" for n in scales)
        lines += ["", f"Folding all orders into the facts, once: {folds}."]
    return lines + [text for why in disagreements(case, found) for text in ("", f"**{why}**")]


def _row(case: Case, side: str, scale: int, told: dict[str, Any], ours: dict[str, Any]) -> str:
    volumes = [f"{told[name] / 1e6:,.0f}" if name in told else "" for name in ("read", "shuffled", "spilled")]
    same = "" if side not in case.same else "yes" if told["answer"] == ours["answer"] else "NO"
    if side == "rfm_ntile":
        same = "yes" if told["answer"] == ours["answer"] else "no: ties are split"
    rows = f"{told['rows']:,}" if "rows" in told else ""
    spent = f"{told['seconds']:.1f}", f"{told['cpu']:.1f}", f"{told['peak'] / 2**30:.2f}"
    cells = [side, f"{scale:,}", rows, *spent, *volumes, same, f"{told['seconds'] / ours['seconds']:.2f}"]
    return f"| {' | '.join(cells)} |"


def _sessions(found: Found) -> str:
    seconds = [told["session_seconds"] for told in found.values() if "session_seconds" in told]
    return f"{min(seconds):.1f} to {max(seconds):.1f} s"


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    main()
