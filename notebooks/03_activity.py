# Databricks notebook source
# MAGIC %md
# MAGIC # Activity: how many come, who is new, who stays
# MAGIC
# MAGIC A **subject** (the member when known, else the visitor) is **active** on a business date when it has an event of
# MAGIC `activity.active_event_types` on it, and counts once in a period. This notebook draws what the jobs `activity` and
# MAGIC `rfe` wrote, and writes nothing to the lake. Definitions, with a worked example: `docs/activity.md`.
# MAGIC It needs a lake with events: `make run` or `make run DATA=ecom` makes one.

# COMMAND ----------

import sys
from datetime import timedelta
from pathlib import Path

try:
    import memberlake
except ModuleNotFoundError:  # not installed: this folder is notebooks/ of the project
    sys.path.insert(0, str(Path.cwd().parent / "lib"))

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from pyspark.sql import functions as F

from memberlake import notebook
from memberlake.notebook import BLUE, GREY, INK, ORANGE, PALE, SKY, TINT
from memberlake.tables.gold.activity import ACTIVE_COUNTS, RETENTION, RFE_SCORES

# COMMAND ----------

# MAGIC %md
# MAGIC ## Settings
# MAGIC
# MAGIC A widget on Databricks, an environment variable elsewhere:
# MAGIC
# MAGIC | widget | variable | default |
# MAGIC |---|---|---|
# MAGIC | `lake` | `MEMBERLAKE_LAKE` | `lake` in the project's folder; on Databricks the catalog of `conf/databricks.yaml` |
# MAGIC | `pictures` | `MEMBERLAKE_PICTURES` | none: a folder to save the last picture in |

# COMMAND ----------

setting = notebook.settings(globals().get("dbutils"))
lake, rules = notebook.opened(setting)

# rows of the dimension `all`: one a period and window
counts = lake.read(ACTIVE_COUNTS).where("dimension = 'all'").orderBy("period_end").toPandas()
as_of = counts[counts.window == "day"].period_end.max()
pd.Series(
    {
        "as_of": as_of,
        "active event types": ", ".join(rules.activity.active_event_types),
        "rolling windows": ", ".join(f"{w} days" for w in rules.activity.rolling_windows),
        "business time zone": rules.business_timezone,
    }
).to_frame("in force")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Active subjects
# MAGIC
# MAGIC Each line counts a subject once in its window. The days jump with the weekday, seven days even that out, thirty show
# MAGIC the trend. **Stickiness** is the day's actives over those of thirty days: how much of the month's people a day sees.

# COMMAND ----------

plt.rcParams.update(notebook.STYLE)
windows = {w: counts[counts.window == f"rolling_{w}"] for w in sorted(rules.activity.rolling_windows)}


def draw_active(ax):
    days = counts[counts.window == "day"]
    ax.plot(days.period_end, days.active, color=PALE, linewidth=0.8)
    ends = [(days.active.iloc[-1], " day", GREY)]
    for (w, rows), color in zip(windows.items(), (SKY, BLUE, ORANGE, INK)):
        ax.plot(rows.period_end, rows.active, color=color, linewidth=1.8)
        ends.append((rows.active.iloc[-1], f" {w} days", color))
    ax.set(ylim=(0, None))
    lowest = 0
    for value, said, color in sorted(ends):  # lines that end close together are named one above the other
        at = max(value, lowest)
        ax.text(days.period_end.iloc[-1], at, said, color=color, va="center")
        lowest = at + 0.05 * ax.get_ylim()[1]
    ax.set_title(f"Active subjects, each counted once in its window, to {as_of}")


def draw_lifecycle(ax, grain="month"):
    rows = counts[counts.window == grain]
    at, bottom = np.arange(len(rows)), np.zeros(len(rows))
    for name, color in (("retained", BLUE), ("resurrected", TINT), ("new", ORANGE)):
        heights = rows[name].astype(float).to_numpy()
        ax.bar(at, heights, bottom=bottom, color=color, width=0.8, label=name)
        bottom += heights
    over = rows.is_complete.to_numpy(dtype=bool)  # until then nobody knows who is dormant
    ax.bar(at[over], -rows.dormant[over].astype(float).to_numpy(), color=PALE, width=0.8, label="dormant")
    ax.axhline(0, color=INK, linewidth=0.8)
    step = max(1, len(rows) // 12)
    shown = rows.iloc[::-1].iloc[::step].iloc[::-1]
    is_of_year = shown.period_start.map(lambda day: day.year).diff() != 0  # the first of its year that is named
    labels = [f"{day:%b\n%Y}" if is_first else f"{day:%b}" for day, is_first in zip(shown.period_start, is_of_year)]
    if not rows.is_complete.iloc[-1]:
        labels[-1] += "\n(so far)"
    ax.set_xticks(at[::-step][::-1], labels, fontsize=9)
    ax.legend(ncols=4, loc="upper left", fontsize=9.5)
    ax.set(ylim=(None, max(1, bottom.max() * 1.15)))
    ax.set_title("Months: who stayed, is back, is new; below zero, who is gone")


figure, (above, below) = plt.subplots(2, 1, figsize=(14, 8), layout="constrained")
draw_active(above)
whole_from = counts.period_end.min() + timedelta(days=29)  # before it thirty days reach back beyond the record
sticky = counts[(counts.window == "day") & counts.stickiness.notna() & (counts.period_end >= whole_from)]
below.plot(sticky.period_end, sticky.stickiness.rolling(7).mean(), color=BLUE)
below.set(ylim=(0, None))
below.yaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
below.set_title("Stickiness: actives of a day / of 30 days, mean of 7 days")
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The lifecycle of a period
# MAGIC
# MAGIC `active = active of the period before - dormant + new + resurrected`: nobody comes from nowhere. The job counts all
# MAGIC five on their own and fails when they do not fit. The last months:

# COMMAND ----------

columns = ["period_start", "active", "new", "retained", "resurrected", "dormant", "is_complete"]
counts.loc[counts.window == "month", columns].tail(6).reset_index(drop=True)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Retention
# MAGIC
# MAGIC Of the subjects that were new in a month, the share that was active in the k-th month after it. Below the
# MAGIC diagonal nothing has happened yet: there is no figure, and no zero. The last cell of a row is of a month that may
# MAGIC still be running; its figure still grows, and it is set in italics then.

# COMMAND ----------

cells = lake.read(RETENTION).where("grain = 'month'").toPandas()  # a row a pair of months


def draw_retention(ax):
    shown = cells[cells.cohort_start.isin(sorted(cells.cohort_start.unique())[-13:])]
    rates = shown.pivot(index="cohort_start", columns="offset", values="rate")
    whole = shown.pivot(index="cohort_start", columns="offset", values="is_complete")
    sizes = shown.groupby("cohort_start").subjects.first()
    top = rates.loc[:, rates.columns > 0].max().max()
    ax.imshow(rates, cmap="Blues", aspect="auto", vmin=0, vmax=max(top, 0.01) if top == top else 1)
    for n, cohort in enumerate(rates.index):
        for offset in rates.columns:
            if pd.isna(rate := rates.at[cohort, offset]):
                continue
            style = "normal" if whole.at[cohort, offset] else "italic"
            color = "white" if rate > 0.6 * top else INK
            ax.text(offset, n, f"{rate:.0%}", ha="center", va="center", color=color, fontsize=9, style=style)
    ax.set_yticks(range(len(rates)), [f"{day:%b %Y}  ({sizes[day]:,})" for day in rates.index], fontsize=9)
    ax.set_xticks(list(rates.columns))
    ax.set(xlabel="months after the first")
    ax.set_title("Retention by month of the first active day (italics: month still running)")


figure, ax = plt.subplots(figsize=(14, 5.5), layout="constrained")
draw_retention(ax)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## RFE
# MAGIC
# MAGIC Recency, frequency and engagement of everyone who visited in the look-back, strangers too. The segments are rules of
# MAGIC `conf/base.yaml` (`rfe.segment_maps`). *Rare but deep* is who came seldom, and did much: invite them back.

# COMMAND ----------

scores = lake.read(RFE_SCORES)
scored_on = scores.agg(F.max("as_of")).first()[0]
segments = (
    scores.where(F.col("as_of") == F.lit(scored_on))
    .groupBy("segment")
    .agg(F.count(F.lit(1)).alias("subjects"), F.sum("engagement").alias("engagement"))
    .toPandas()  # a row a segment
    .sort_values("subjects", ignore_index=True)
)
segments.iloc[::-1]

# COMMAND ----------


def draw_segments(ax):
    at = np.arange(len(segments))
    for shift, name, color, said in ((0.19, "subjects", PALE, "of the subjects"), (-0.19, "engagement", BLUE, "of the engagement")):
        shares = segments[name] / max(segments[name].sum(), 1)
        ax.barh(at + shift, shares, height=0.34, color=color)
        for n, share in enumerate(shares):
            text = f" {share:.1%}" + (f" {said}" if n == len(at) - 1 else "")
            ax.text(share, n + shift, text, va="center", fontsize=9.5, color=INK)
    ax.set(yticks=at, yticklabels=segments.segment, xticks=[])
    ax.margins(x=0.25)
    ax.set_title(f"RFE segments as of {scored_on}: {segments.subjects.sum():,} subjects in {rules.rfe.look_back_days} days")


figure, axes = plt.subplots(2, 2, figsize=(16, 10.5), layout="constrained")
draw_active(axes[0, 0])
draw_lifecycle(axes[0, 1])
draw_retention(axes[1, 0])
draw_segments(axes[1, 1])
if folder := setting("pictures"):
    figure.savefig(Path(folder) / "activity.png", dpi=100)
plt.show()
