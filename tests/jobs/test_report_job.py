"""The report of a lake that has only some tables: what it shows, where it goes, which run it names."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from pyspark.sql import functions as F
from tests import health
from tests.conftest import PROJECT, configured
from tests.jobs.orders import rows

from memberlake import cli, jobs
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


def test_an_alert_has_the_value_of_the_day_reported(lake: Lake) -> None:
    """Nights go on after it: on the second the rule is broken still, on the third it is not, and another's is gone."""
    one = health.AS_OF
    two, three = one + timedelta(days=1), one + timedelta(days=2)
    of_all = {"period": "day", "dimension": "all", "dimension_value": "all", "is_complete": True}
    rules = [f"{{name: {name}, metric: {name}, period: day, below: 10}}" for name in ("orders", "visits")]
    for day, value in ((one, 8.0), (two, 7.0), (three, 12.0)):
        counted = [{"metric": m, "period_start": day, "value": value, "as_of": day} for m in ("orders", "visits")]
        lake.append(KPI, rows(lake.spark, KPI, [{**of_all, **row} for row in counted]))
        conf = configured(f"alerts.rules=[{', '.join(rules[: 1 if day == three else 2])}]")
        jobs.find("alerts").run(lake, conf, day)

    def reported(day: date) -> list[tuple[object, ...]]:
        told = jobs.find("report").module.facts(lake, conf, day).of("alerts")
        return sorted((a["rule"], a["state"], a["value"], a["as_of"]) for a in told)

    assert reported(one) == [("orders", "open", 8.0, one), ("visits", "open", None, one)]  # no rule reads it any more
    assert reported(two) == [("orders", "open", 7.0, two), ("visits", "open", None, two)]
    assert reported(three) == [("orders", "closed", 7.0, three), ("visits", "closed", 7.0, three)]


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
