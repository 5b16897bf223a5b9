"""The report of a lake that has only some tables: what it shows, where it goes, which run it names."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import functions as F
from tests import health
from tests.conftest import PROJECT

from memberlake import cli
from memberlake.lake.store import Lake
from memberlake.tables.gold.kpi import ALERTS, KPI
from memberlake.tables.gold.value import RFM_SCORES
from memberlake.tables.ops import RUNS

pytestmark = pytest.mark.lake


def memberlake(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, [*arguments, "-q"], catch_exceptions=False)


def text(page: Path) -> str:
    return re.sub(r"<[^>]*>", " ", page.read_text(encoding="utf-8"))


def test_a_report_is_of_the_last_day_that_ran_and_names_its_run(lake: Lake, tmp_path: Path) -> None:
    root = str(lake.conf.root)
    Path(root).mkdir()
    nothing_ran = memberlake("report", "--lake", root)
    assert (nothing_ran.exit_code, "there is no lake at" in nothing_ran.stderr) == (2, True)

    made = health.made()
    frames = health.frames(lake.spark, {name: made[name] for name in ("alerts", "kpi", "runs")})
    lake.append(KPI, frames.kpi)
    lake.append(ALERTS, frames.alerts)
    lake.append(RUNS, frames.runs.where("state <> 'running'"))
    own = tmp_path / "elsewhere"
    done = memberlake("report", "--lake", root, "--out", str(own), "--set", "report.language=zh")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.endswith(f"Open in a browser:\n  {own / 'index.html'}\n")
    run = lake.read(RUNS).where("job = 'report'").first()
    assert run is not None
    assert (run.as_of, run.state) == (health.AS_OF, "done")
    pages = sorted(own.glob("*.html"))
    assert len(pages) == 10
    assert all('<html lang="zh-CN">' in page.read_text(encoding="utf-8") for page in pages)
    assert all(run.run_id in text(page) for page in pages)
    assert "memberlake run rfm --lake" in text(own / "value.html")  # not computed: how to get it
    assert "987,654,321" not in "".join(map(text, pages))  # of a later day
    refused = memberlake("run", "report", "--lake", root, "--as-of", "2026-10-31", "--set", f"report.folder={tmp_path}")
    assert (refused.exit_code, "holds something else than a report" in refused.stderr) == (2, True)


def test_the_readme_reads_gold_without_spark(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The README's snippet, as it stands, run beside a lake with scores of its day."""
    scored = health.frames(lake.spark, {"rfm_scores": health.made()["rfm_scores"]}).rfm_scores
    in_time = scored.withColumn("as_of", F.lit(date(2017, 12, 31)))
    lake.append(RFM_SCORES, scored)  # of another day
    lake.append(RFM_SCORES, in_time)
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    (snippet,) = [code for code in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "import duckdb" in code]
    monkeypatch.chdir(tmp_path)
    scope: dict[str, Any] = {}
    exec(snippet, scope)
    printed = capsys.readouterr().out
    rows = in_time.groupBy("segment").agg(F.count("*").alias("n"), F.sum("monetary").alias("m")).orderBy(F.desc("m"))
    expected = [(row.segment, str(row.n), str(row.m)) for row in rows.limit(3).collect()]
    assert len(expected) == 3
    assert re.findall(r"│ (\w+) +│ +(\d+) │ +([\d.]+) │", printed) == expected
