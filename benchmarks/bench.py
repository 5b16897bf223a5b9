"""Runs the measured cases one after the other and writes benchmarks/results.md: make bench.

Each side is a process of its own (side.py), measured between its marks: wall time, CPU of the process and its
children, highest resident memory (sampled), and what Spark's stages read, shuffled and spilled. Rivals must give the
same answer, which is compared. The cases are in cases/, found by themselves.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import psutil
from rich.console import Console

from cases.run import Case, Side

HERE = Path(__file__).parent
err = Console(stderr=True)

MODULES = [importlib.import_module(f"cases.{file.stem}") for file in sorted((HERE / "cases").glob("*.py"))]
CASES: dict[str, Case] = {name: case for module in MODULES for name, case in getattr(module, "CASES", {}).items()}
RESULTS = HERE / "results.json"
COLUMNS = (
    *("side", "orders", "rows out", "wall s", "CPU s", "peak GiB"),
    *("read MB", "shuffled MB", "spilled MB", "same answer", "time / ours"),
)


Found = dict[tuple[str, int], dict[str, Any]]


@click.command()
@click.option("--orders", "asked", multiple=True, help="Scales, rising. Default: each case's own.")
@click.option(
    "--folder", default="lake-bench", type=click.Path(path_type=Path), show_default=True, help="For the data."
)
@click.option(
    "--case",
    "chosen",
    multiple=True,
    type=click.Choice(list(CASES)),
    help="These; other figures stay. [default: all but long ones]",
)
@click.option("--spark", "settings", multiple=True, metavar="KEY=VALUE", help="Over those of conf/spark/local.conf.")
@click.option("--reuse", is_flag=True, help="Take the made data of an earlier run where it was measured.")
def main(asked: tuple[str, ...], folder: Path, chosen: tuple[str, ...], settings: tuple[str, ...], reuse: bool) -> None:
    """Measure, and write results.json and results.md."""
    found = kept()
    cases = [case for name, case in CASES.items() if (name in chosen if chosen else not case.is_long)]
    ran: set[tuple[str, int]] = set()  # cases share sides that make data
    for scale, case in sorted(((n, each) for each in cases for n in scales(each, asked)), key=lambda pair: pair[0]):
        place = (folder / str(scale)).absolute()
        for side in (*case.data, *case.sides):
            key = (side.__name__, scale)
            if key in ran or (reuse and side in case.data and key in found and place.exists()):
                continue
            found[key] = measured(side, place, scale, settings, case.patience if side in case.same else None)
            ran.add(key)
            keep(found)
    (HERE / "results.md").write_text("\n".join(report(found)) + "\n", encoding="utf-8")
    click.echo((HERE / "results.md").read_text(encoding="utf-8"))
    wrong = [why for case in CASES.values() for why in disagreements(case, found)]
    for why in wrong:
        err.print(why, markup=False)
    sys.exit(bool(wrong))


def scales(case: Case, asked: tuple[str, ...]) -> list[int]:
    return [int(float(n)) for n in asked or case.scales]


def machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark", "duckdb"))
    memory = psutil.virtual_memory().total / 2**30
    return (
        f"{os.cpu_count()} cores ({_cpu_name()}), {memory:.0f} GiB; Python {platform.python_version()}, {packages}; "
        f"Spark in local mode, with a driver of 4 GiB where nothing else is said"
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


def measured(
    side: Side, place: Path, scale: int, settings: Sequence[str], patience: float | None = None
) -> dict[str, Any]:
    """Runs a side and returns what it told, with CPU seconds and peak memory between its marks.

    Of one that is at work for longer than `patience` seconds: `stopped`, and how long and how much that was.
    """
    err.print(f"{side.__name__}, {scale:,} orders ...", end=" ", markup=False)
    name = f"{side.__module__.removeprefix('cases.')}.{side.__name__}"
    command = [sys.executable, str(HERE / "side.py"), name, str(place), str(scale), *settings]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines, peak, cpu, working = [], 0, [0.0, 0.0], threading.Event()
    stopped = threading.Event()

    def watch() -> None:
        nonlocal peak
        while child.poll() is None:
            if working.is_set():
                with contextlib.suppress(psutil.NoSuchProcess):  # a child of it has just ended
                    peak = max(peak, resident(child.pid))
            time.sleep(0.2)

    def stop() -> None:
        """Java is left to remove its scratch files: it ends by itself when Python is gone."""
        stopped.set()
        with contextlib.suppress(psutil.NoSuchProcess):
            cpu[1] = cpu_seconds(child.pid)
        others = tree(child.pid)[1:]
        child.kill()
        for process in psutil.wait_procs(others, timeout=60)[1]:
            process.kill()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    timer = threading.Timer(patience or 0, stop)
    timer.daemon = True
    for line in child.stdout:
        if line == "BEGIN\n":
            cpu[0] = cpu_seconds(child.pid)
            working.set()
            if patience:
                timer.start()
        elif line == "END\n":
            working.clear()
            cpu[1] = cpu_seconds(child.pid)
            timer.cancel()
        else:
            lines.append(line)
    timer.cancel()
    if child.wait() and not stopped.is_set():
        sys.exit(f"{name} failed")
    told: dict[str, Any] = {"stopped": True, "seconds": patience} if stopped.is_set() else json.loads(lines[-1])
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


def measured_scales(case: Case, found: Found) -> list[int]:
    """The scales at which every side was measured."""
    return sorted(n for n in {n for _, n in found} if all((side.__name__, n) in found for side in case.sides))


def disagreements(case: Case, found: Found) -> list[str]:
    ours = case.sides[0].__name__
    return [
        f"{rival.__name__} does not give the answer of {ours} at {n:,} orders"
        for n in measured_scales(case, found)
        for rival in case.same
        if not found[rival.__name__, n].get("stopped") and not agree(found[rival.__name__, n], found[ours, n])
    ]


def agree(rival: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Every answer of the rival is ours too; ours may be more."""
    return "answer" in rival and all(ours.get(k) == v for k, v in rival.items() if k.startswith("answer"))


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
    makers = {side.__name__ for case in CASES.values() for side in case.data}
    makers -= {side.__name__ for case in CASES.values() for side in case.sides}  # which are in a table of their own
    for (side, _), told in sorted(found.items()):
        if side in makers and "rows" in told:
            rate = told["rows"] / told["seconds"] / (os.cpu_count() or 1)
            lines.append(f"| {side.replace('_', ', ')} | {told['rows']:,} | {told['seconds']:.1f} | {rate:,.0f} |")
    for case in CASES.values():
        if measured_at := measured_scales(case, found):
            lines += _section(case, measured_at, found)
    return lines


def _section(case: Case, measured_at: list[int], found: Found) -> list[str]:
    ours = {n: found[case.sides[0].__name__, n] for n in measured_at}
    lines = ["", f"## {case.title}", "", f"Goal: {case.goal}.", ""]
    columns = (*COLUMNS, *case.also)
    lines += [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [_row(case, side, n, found[side.__name__, n], ours[n]) for n in measured_at for side in case.sides]
    notes = []
    if len(measured_at) > 1:
        first, last = measured_at[0], measured_at[-1]
        growth = ours[last]["seconds"] / ours[first]["seconds"]
        grown = f"From {first:,} to {last:,} orders ({last / first:g}x)"
        notes = [f"{grown} {case.sides[0].__name__} takes {growth:.1f}x."]
    notes += [*case.notes(ours), *(f"**{why}**" for why in disagreements(case, found))]
    return lines + [text for note in notes for text in ("", note)]


def _row(case: Case, side: Side, scale: int, told: dict[str, Any], ours: dict[str, Any]) -> str:
    # Spark forgets stages of a long run, and what it counted before them is then more than what it counts after
    volumes = [f"{told[n] / 1e6:,.0f}" if told.get(n, -1) >= 0 else "" for n in ("read", "shuffled", "spilled")]
    same = ""
    if side in case.same or side in case.differs:
        differs = f"no: {case.differs[side]}" if side in case.differs else "NO"
        same = "" if told.get("stopped") else "yes" if agree(told, ours) else differs
    rows = f"{told['rows']:,}" if "rows" in told else ""
    more = "stopped after " if told.get("stopped") else ""
    spent = f"{more}{told['seconds']:.1f}", f"{told['cpu']:.1f}", f"{told['peak'] / 2**30:.2f}"
    ratio = f"{'over ' if more else ''}{told['seconds'] / ours['seconds']:.2f}"
    cells = [side.__name__, f"{scale:,}", rows, *spent, *volumes, same, ratio]
    cells += [f"{told[name]:,.{1 if name.endswith(' s') else 0}f}" if name in told else "" for name in case.also]
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
