# Databricks notebook source
# MAGIC %md
# MAGIC # Health: the figures of the morning
# MAGIC
# MAGIC What the report of `memberlake report` shows, in a notebook: the same figures, from the same functions. Each figure
# MAGIC has its period: the last whole month, against the month before, with numerator and denominator; the month that runs
# MAGIC stands beside the same days of the month before. Runs and liability of coupons are as of the day. What each metric
# MAGIC means: `docs/metrics.md`.
# MAGIC
# MAGIC Nothing is written to the lake. It needs a lake in which `memberlake nightly` has run: `make run` makes one.

# COMMAND ----------

import sys
from datetime import date
from pathlib import Path

try:
    import memberlake
except ModuleNotFoundError:  # not installed: this folder is notebooks/ of the project
    sys.path.insert(0, str(Path.cwd().parent / "lib"))

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from pyspark.sql import functions as F

from memberlake import jobs, notebook, runner
from memberlake.kpi.metrics import CHANGES
from memberlake.notebook import BLUE, GREY, INK, ORANGE
from memberlake.report import pages
from memberlake.report.facts import DEFINED
from memberlake.tables.gold.kpi import KPI

# COMMAND ----------

# MAGIC %md
# MAGIC ## Settings
# MAGIC
# MAGIC A widget on Databricks, an environment variable elsewhere:
# MAGIC
# MAGIC | widget | variable | default |
# MAGIC |---|---|---|
# MAGIC | `lake` | `MEMBERLAKE_LAKE` | `lake` in the project's folder; on Databricks the catalog of `conf/databricks.yaml` |
# MAGIC | `as_of` | `MEMBERLAKE_AS_OF` | the latest date that `gold.kpi` was computed for, else the last day with an order |
# MAGIC | `pictures` | `MEMBERLAKE_PICTURES` | none: a folder to save the first picture in |

# COMMAND ----------

setting = notebook.settings(globals().get("dbutils"))
lake, rules = notebook.opened(setting)
latest = lake.read(KPI).agg(F.max("as_of")).first()[0] or runner.last_day(lake, rules.business_timezone)
as_of = date.fromisoformat(setting("as_of", str(latest)))
facts = jobs.find("report").module.facts(lake, rules, as_of)  # a few thousand rows: days and names, no member

# COMMAND ----------

# MAGIC %md
# MAGIC ## Every figure, page by page

# COMMAND ----------

figures = pd.DataFrame(
    [
        {
            "page": page.title.en,
            "figure": figure.defined.label.en,
            "period": figure.period.en,
            "value": figure.value.en,
            "change": figure.change.en if figure.change else "",
            "numerator": figure.numerator.en,
            "denominator": figure.denominator.en,
            "so far": figure.so_far[0].en if figure.so_far else "",
            "same days before": figure.so_far[1].en if figure.so_far else "",
        }
        for page in pages.every(facts)
        for block in page.blocks
        for figure in block.figures
    ]
)
figures.drop_duplicates(["figure", "period"], ignore_index=True) if len(figures) else f"no metric as of {as_of}: {facts.command('kpi')}"

# COMMAND ----------

# MAGIC %md
# MAGIC ## The headline, over the months
# MAGIC
# MAGIC The hollow point is the month that runs. The first months of a record stand apart: who bought before it is new in
# MAGIC them, and nobody can have been away for long yet.

# COMMAND ----------

plt.rcParams.update(notebook.STYLE | {"font.size": 9.5, "axes.titlesize": 11})


def draw_metric(ax, name):
    rows = facts.series(name, "month")
    ax.set_title(DEFINED[name].label.en)
    months, values = [r["period_start"] for r in rows], [r["value"] for r in rows]
    if all(value is None for value in values):
        ax.text(0.5, 0.5, "no data", transform=ax.transAxes, ha="center", color=GREY)
        ax.set(xticks=[], yticks=[])
        return
    ax.plot(months, values, color=BLUE, linewidth=2)  # a month without a value is a gap
    for row in (r for r in rows if r["value"] is not None):
        face = BLUE if row["is_complete"] else "white"
        ax.plot(row["period_start"], row["value"], "o", color=BLUE, markerfacecolor=face, markersize=4)
    ax.set_ylim(0, 1.08 * max(v for v in values if v is not None) or 1)
    ax.xaxis.set_major_locator(AutoDateLocator(maxticks=5))
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}" if DEFINED[name].form == "share" else f"{v:,.10g}")


figure, axes = plt.subplots(3, 4, figsize=(14, 7.5), layout="constrained")
for ax, name in zip(axes.flat, pages.overview.HEADLINE):
    draw_metric(ax, name)
figure.suptitle(f"Member health as of {as_of}\n", x=0.01, ha="left", fontsize=14)
if folder := setting("pictures"):
    figure.savefig(Path(folder) / "health.png", dpi=110)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## What moved revenue
# MAGIC
# MAGIC The change of the last whole month, split exactly into the number of members, orders per member, the value of an
# MAGIC order, and guests: the parts add up to the change.

# COMMAND ----------

total, *names = CHANGES
found = [(name, rows[-1]) for name in names if (rows := facts.whole(name))]
parts = [(DEFINED[name].label.en, row["value"] or 0) for name, row in found]
figure, ax = plt.subplots(figsize=(10, 3), layout="constrained")
ax.barh([label for label, _ in parts], [v for _, v in parts], color=[BLUE if v >= 0 else ORANGE for _, v in parts])
for label, value in parts:
    ax.text(value, label, f" {value:,.2f} ", va="center", ha="left" if value >= 0 else "right")
ax.invert_yaxis()
ax.margins(x=0.2)
ax.axvline(0, color=INK, linewidth=0.8)
whole = facts.whole(total)
title = f"{whole[-1]['period_start']:%Y-%m}: {whole[-1]['value'] or 0:+,.2f} {rules.currency}" if whole else "no data"
ax.set_title(f"Change of revenue, {title}")
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Open alerts

# COMMAND ----------

alerts = pd.DataFrame([a for a in facts.of("alerts") if a["state"] == "open"])
alerts[["severity", "raised_on", "rule", "message"]] if len(alerts) else "no alert is open"

# COMMAND ----------

# MAGIC %md
# MAGIC All pages with their pictures, in English and Chinese, open in a browser after `memberlake report`: `docs/report.md`.
