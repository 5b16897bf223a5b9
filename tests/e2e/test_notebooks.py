"""Every notebook runs from its first cell to its last, draws its pictures and leaves the lake as it was."""

from __future__ import annotations

import json
import random
import sys
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from pyspark.sql import DataFrame, SparkSession
from tests import health
from tests.conftest import PROJECT, configured
from tests.e2e.to_jupyter import to_jupyter
from tests.jobs.coupon_rows import Event, campaign, coupon, events

from memberlake import jobs
from memberlake.lake.store import Lake
from memberlake.tables.gold.kpi import KPI
from memberlake.tables.silver import EVENTS, ORDERS

pytestmark = pytest.mark.e2e

AS_OF = date(2026, 6, 30)
NOTEBOOKS = sorted((PROJECT / "notebooks").glob("*.py"))


@pytest.fixture(scope="module")
def scored_lake(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """A year of orders of 60 members, each with a visit, and what the jobs make of them as of AS_OF."""
    lake = Lake(spark, configured(lake=str(tmp_path_factory.mktemp("notebooks") / "lake")).lake)
    orders = made_orders(spark)
    lake.append(ORDERS, orders)
    visits = {
        "event_id": "order_id", "visitor_id": "member_id", "member_id": "member_id", "session_id": "order_id",
        "event_type": "'visit'", "occurred_at": "ordered_at", "received_at": "ordered_at",
    }  # fmt: skip
    columns = [f"CAST({visits.get(c.name, 'NULL')} AS {c.type.simpleString()}) AS {c.name}" for c in EVENTS.columns]
    lake.append(EVENTS, orders.selectExpr(*columns))
    coupon(lake, "K1", "2026-12-31")
    for name, month in (("P1", 2), ("P2", 5)):  # the same coupon
        campaign(lake, name, date(2026, month, 1), date(2026, month, 28), "K1")
        days = [f"2026-0{month}-{10 + n}" for n in range(5)]
        issued = [Event(f"{name}-{n}", "K1", f"{name}-{n}", "issued", days[n], f"m0{n}") for n in range(5)]
        of_campaign = [event._replace(campaign_id=name) for event in issued]
        redeemed = [
            e._replace(event_id=f"{e.event_id}-r", event_type="redeemed", at=f"2026-0{month}-20") for e in of_campaign
        ]
        events(lake, *issued, *redeemed)
    for job in ("rfm", "activity", "rfe", "coupons"):
        jobs.find(job).run(lake, configured(lake=str(lake.conf.root)), AS_OF)
    measured = [row for row in health.made()["kpi"] if row["as_of"] <= health.AS_OF and row["period"] == "month"]
    for row in [row for row in measured if row["metric"] == "movement_ratio"][::2]:
        row.update(denominator=0.0, value=None)
    lake.append(KPI, health.frames(lake.spark, {"kpi": measured}).kpi)
    return lake


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_draws_and_writes_nothing(
    notebook: Path, scored_lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    root = Path(str(scored_lake.conf.root))
    before = files_of(root)

    given = {"MEMBERLAKE_LAKE": str(root), "MEMBERLAKE_PICTURES": str(pictures), "MEMBERLAKE_SCALE": "4000"}
    source = notebook.read_text(encoding="utf-8")
    done = executed(to_jupyter(source), notebook.parent, tmp_path, monkeypatch, given)

    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert [o["ename"] for o in outputs if o.output_type == "error"] == []
    assert len([o for o in outputs if "image/png" in o.get("data", {})]) >= 2
    assert len([*pictures.glob("*.png")]) == 1
    assert files_of(root) == before  # the Delta logs are among them: no table has a new version
    if notebook.stem == "01_rfm":  # its last table compares what it computed with what the job wrote
        compared = [line.rsplit(maxsplit=1) for line in outputs[-1]["data"]["text/plain"].splitlines()[1:]]
        assert compared == [["buyers", "60"], ["only stored", "0"], ["only here", "0"]]

    if notebook.stem == "02_coupons":
        told = next(
            o["data"]["text/plain"] for o in outputs if "left for review" in o.get("data", {}).get("text/plain", "")
        )
        assert [line.rsplit(maxsplit=1)[1] for line in told.splitlines()[2:]] == ["10", "0", "0"]

    if notebook.stem == "05_health":
        assert "Members who ever bought" in outputs[0]["data"]["text/plain"]


def test_cells_are_split_at_the_separator_and_magic_lines_become_markdown() -> None:
    source = """# Databricks notebook source
# MAGIC %md
# MAGIC # Title
# MAGIC
# MAGIC     indented

# COMMAND ----------

# a comment is code
x = "# COMMAND ----------"

# COMMAND ----------

# MAGIC %md one line
"""
    notebook = to_jupyter(source)
    nbformat.validate(notebook)
    assert [(cell.cell_type, cell.source) for cell in notebook.cells] == [
        ("markdown", "# Title\n\n    indented"),
        ("code", '# a comment is code\nx = "# COMMAND ----------"'),
        ("markdown", "one line"),
    ]


@pytest.mark.parametrize("source", ["x = 1\n", "# Databricks notebook source\n# MAGIC %sql SELECT 1\n"])
def test_what_cannot_be_converted_is_refused(source: str) -> None:
    with pytest.raises(ValueError, match=r"no Databricks notebook|only %md"):
        to_jupyter(source)


def executed(
    notebook: nbformat.NotebookNode, folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> nbformat.NotebookNode:
    """The notebook after a run in `folder` by this interpreter, whatever kernels and settings the user has."""
    spec = {
        "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "this Python",
        "language": "python",
        "env": {
            "MEMBERLAKE_HOME": str(PROJECT),
            "MPLBACKEND": "module://matplotlib_inline.backend_inline",
            "JDK_JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # a second JVM, for little data
            **env,
        },
    }
    place = scratch / "jupyter" / "kernels" / "this"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(scratch / "jupyter"))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(scratch / name))
    client = nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="this", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def files_of(root: Path) -> dict[str, tuple[int, int]]:
    """Every file of a lake with its size and time of change."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


def made_orders(spark: SparkSession) -> DataFrame:
    """Members m01 to m60: the higher the number, the more orders, the later and the dearer."""
    chance = random.Random(7)
    rows: list[dict[str, Any]] = []
    for number in range(1, 61):
        for _ in range(1 + number // 6):
            day = AS_OF - timedelta(days=int(chance.random() ** 2 * (360 - 5 * number)))
            at = datetime(day.year, day.month, day.day, 4, tzinfo=timezone.utc)
            amount = Decimal(chance.randrange(500, 500 + 200 * number)) / 100
            rows.append(
                {
                    "order_id": f"o{len(rows):03}",
                    "member_id": f"m{number:02}",
                    "ordered_at": at,
                    "status": "cancelled" if len(rows) % 40 == 39 else "paid",
                    "gross_amount": amount,
                    "net_amount": amount,
                    "updated_at": at,
                }
            )
    return spark.createDataFrame([tuple(map(row.get, ORDERS.column_names)) for row in rows], ORDERS.struct)
