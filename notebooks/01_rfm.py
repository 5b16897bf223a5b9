# Databricks notebook source
# MAGIC %md
# MAGIC # RFM: who bought lately, often, for much
# MAGIC
# MAGIC Three questions about every member who bought, as of a day:
# MAGIC
# MAGIC | | question | number | better |
# MAGIC |---|---|---|---|
# MAGIC | **R** recency | how long ago was the last order? | days from its date to `as_of`, 0 = that day | less |
# MAGIC | **F** frequency | how often? | counted orders in the look-back | more |
# MAGIC | **M** monetary | for how much? | sum of their net amounts | more |
# MAGIC
# MAGIC Each number becomes a score. The three scores, written one after the other, are a code such as `313`.
# MAGIC This notebook calls the functions of the job `rfm`, shows what they give, and writes nothing to the lake.
# MAGIC It needs a lake with orders: `make run` makes one.

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
from pyspark.sql import functions as F

from memberlake import notebook, runner, scoring
from memberlake.notebook import BLUE, GREY, INK, ORANGE, PALE, TINT
from memberlake.orders import only_counted, only_within
from memberlake.tables.gold.value import RFM_SCORES
from memberlake.tables.silver import ORDERS
from memberlake.value import rfm

# COMMAND ----------

# MAGIC %md
# MAGIC ## Settings
# MAGIC
# MAGIC A widget on Databricks, an environment variable elsewhere:
# MAGIC
# MAGIC | widget | variable | default |
# MAGIC |---|---|---|
# MAGIC | `lake` | `MEMBERLAKE_LAKE` | `lake` in the project's folder; on Databricks the catalog of `conf/databricks.yaml` |
# MAGIC | `as_of` | `MEMBERLAKE_AS_OF` | the latest date in `gold.rfm_scores`, else the last day with an order |
# MAGIC | `pictures` | `MEMBERLAKE_PICTURES` | none: a folder to save the last picture in |

# COMMAND ----------

setting = notebook.settings(globals().get("dbutils"))
lake, rules = notebook.opened(setting)
latest = lake.read(RFM_SCORES).agg(F.max("as_of")).first()[0] or runner.last_day(lake, rules.business_timezone)
as_of = date.fromisoformat(setting("as_of", str(latest)))

pd.Series(
    {
        "as_of": as_of,
        "look-back": f"{rules.rfm.look_back_days} days that end with {as_of}",
        "business time zone": rules.business_timezone,
        "counted statuses": ", ".join(rules.orders.counted_statuses),
        "tiles": rules.rfm.tiles,
        "monetary": f"{rules.rfm.monetary} of net amounts, {rules.currency}",
    }
).to_frame("in force")

# COMMAND ----------

# MAGIC %md
# MAGIC ## From orders to R, F and M
# MAGIC
# MAGIC Only orders that count are taken: paid for, not refunded in full. Only business dates within the look-back are
# MAGIC taken: `(as_of - look_back_days, as_of]`. A guest order has no member and gives no score; a member without an
# MAGIC order in the look-back gets none either.

# COMMAND ----------

orders = (
    lake.read(ORDERS)
    .transform(only_counted, rules.orders.counted_statuses)
    .transform(only_within, as_of, rules.rfm.look_back_days, rules.business_timezone)
    .transform(rfm.with_scope_all)
)
buyers = rfm.measure(orders, as_of, rules.rfm.monetary).cache()
buyers.select("recency_days", "frequency", "monetary").summary("count", "min", "25%", "50%", "75%", "max").toPandas()

# COMMAND ----------

# MAGIC %md
# MAGIC ## From a number to a score
# MAGIC
# MAGIC With n tiles (5 by default) over N buyers, a value v of a measure where more is better scores
# MAGIC
# MAGIC     score(v) = 1 + floor(n * (buyers with a value below v) / N)
# MAGIC
# MAGIC For recency, less is better: buyers with a value *above* v are counted. Equal values always get equal scores:
# MAGIC nobody is put above another by chance. Five buyers with 1, 1, 1, 2 and 9 orders score so:
# MAGIC
# MAGIC | orders | buyers below | score |
# MAGIC |---|---|---|
# MAGIC | 1, 1, 1 | 0 | 1 + floor(5 * 0 / 5) = 1 |
# MAGIC | 2 | 3 | 1 + floor(5 * 3 / 5) = 4 |
# MAGIC | 9 | 4 | 1 + floor(5 * 4 / 5) = 5 |
# MAGIC
# MAGIC Nobody scores 2 or 3: with heavy ties a score may stay empty, and the best value need not reach n. That is why
# MAGIC the bins are a table of their own, `gold.score_bins`: who got which score, from which value to which.

# COMMAND ----------

measures = rfm.measures(rules.rfm.thresholds)
scores = rfm.score(buyers, rfm.cuts(buyers, rules.rfm), rules.rfm)
combinations = rfm.combinations(scores, rules.rfm).cache()  # 555 to 111, with what follows from the scores alone
scored = scoring.named(scores, combinations, measures).cache()
bins = scoring.bins(combinations, measures, "rfm").drop("model", "scope").toPandas()
bins = bins.sort_values(["measure", "score"], ignore_index=True)
bins

# COMMAND ----------

plt.rcParams.update(notebook.STYLE)


def draw_bins(ax, measure, title, unit):
    of = bins[bins.measure == measure].set_index("score").reindex(range(1, rules.rfm.tiles + 1))
    ax.barh(of.index, of.subjects.fillna(0), height=0.76, color=TINT)
    even = of.subjects.sum() / rules.rfm.tiles
    ax.axvline(even, color=ORANGE, linewidth=1.5)
    ax.text(even, rules.rfm.tiles + 0.66, f"even: {even:,.0f}", color=ORANGE, va="bottom", ha="center", fontsize=10)
    for score, row in of.iterrows():
        if pd.isna(row.subjects):
            ax.text(0, score, " nobody", va="center", color=GREY)
            continue
        low, high = (f"{v:,.0f}" for v in (row.min_value, row.max_value))
        span = low if low == high else f"{low} to {high}"
        ax.text(0, score + 0.14, f" {span} {unit}", va="center", weight="bold")
        ax.text(0, score - 0.19, f" {row.subjects:,.0f} buyer{'' if row.subjects == 1 else 's'}", va="center", fontsize=9.5)
    ax.set_title(title, pad=28)
    ax.set(yticks=of.index, xticks=[], ylabel="score", xlim=(0, bins.subjects.max() * 1.1))
    ax.set_ylim(0.4, rules.rfm.tiles + 0.6)


figure, axes = plt.subplots(1, 3, figsize=(14, 1.4 + 0.64 * rules.rfm.tiles), layout="constrained")
draw_bins(axes[0], "recency_days", "R: days since the last order", "days")
draw_bins(axes[1], "frequency", "F: orders", "orders")
draw_bins(axes[2], "monetary", f"M: {rules.rfm.monetary} of net amounts", rules.currency)
figure.suptitle(f"Buyers by score as of {as_of}: bars off the even line are ties\n", x=0.01, ha="left", fontsize=14)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The code
# MAGIC
# MAGIC The code reads R, F, M. With three tiles, where 3 is best:
# MAGIC
# MAGIC | code | says | so |
# MAGIC |---|---|---|
# MAGIC | `212` | middling recent, rarely, middling amounts | regular promotion mail |
# MAGIC | `313` | lately, rarely, large amounts | win a second order while the memory is fresh |
# MAGIC | `321` | lately, middling often, small amounts | bundles, and products that go with what they buy |
# MAGIC
# MAGIC How many there are here, scored with three tiles (a code that nobody has is absent):

# COMMAND ----------

thirds = rules.rfm.model_copy(update={"tiles": 3, "thresholds": {}, "segment_map": "eight_values"})
scores_of_three = rfm.score(buyers, rfm.cuts(buyers, thirds), thirds)
in_thirds = scoring.named(scores_of_three, rfm.combinations(scores_of_three, thirds), measures)
in_thirds.where(F.col("score_code").isin("212", "313", "321")).groupBy("score_code").agg(
    F.count(F.lit(1)).alias("members"),
    F.round(F.avg("recency_days"), 1).alias("mean recency_days"),
    F.round(F.avg("frequency"), 1).alias("mean frequency"),
    F.round(F.avg("monetary"), 2).alias("mean monetary"),
).orderBy("score_code").toPandas()  # three rows

# COMMAND ----------

# MAGIC %md
# MAGIC ## Segments
# MAGIC
# MAGIC A segment is a name for codes that are treated alike. Its rules stand in `conf/base.yaml`
# MAGIC (`rfm.segment_maps`); they are tried in order and the first that matches gives the name. `rank` is 1 + the buyers
# MAGIC with a higher `score_sum`, the sum of the three scores. The best ten:

# COMMAND ----------

(
    scored.select(
        "member_id", "recency_days", "frequency", "monetary", "score_code", "score_sum", "rank", "segment"
    )
    .orderBy("rank", F.desc("monetary"), "member_id")
    .limit(10)
    .toPandas()
)

# COMMAND ----------

# as many rows as there are segments, and as there are pairs of scores
segments = scored.groupBy("segment").agg(F.count(F.lit(1)).alias("members"), F.sum("monetary").alias("money")).toPandas()
segments["money"] = segments.money.astype(float)
segments = segments.assign(
    of_members=segments.members / segments.members.sum(), of_money=segments.money / segments.money.sum()
).sort_values("money", ignore_index=True)
cells = scored.groupBy("r_score", "f_score").agg(
    F.count(F.lit(1)).alias("members"), F.avg("monetary").cast("double").alias("money")
).toPandas()
segments.iloc[::-1]

# COMMAND ----------


def draw_heat_map(ax):
    tiles = range(1, rules.rfm.tiles + 1)
    money = cells.pivot(index="r_score", columns="f_score", values="money").reindex(index=tiles, columns=tiles)
    members = cells.pivot(index="r_score", columns="f_score", values="members").reindex(index=tiles, columns=tiles)
    ax.imshow(money, cmap="Blues", origin="lower", aspect="auto", vmin=0, extent=(0.5, len(tiles) + 0.5) * 2)
    for r in tiles:
        for f in tiles:
            if pd.isna(members.at[r, f]):
                ax.text(f, r, "nobody", ha="center", va="center", color=PALE, fontsize=9.5)
                continue
            color = "white" if money.at[r, f] > 0.6 * money.max().max() else INK
            ax.text(f, r + 0.12, f"{money.at[r, f]:,.0f}", ha="center", va="center", color=color, weight="bold")
            said = f"{members.at[r, f]:,.0f} buyer{'' if members.at[r, f] == 1 else 's'}"
            ax.text(f, r - 0.2, said, ha="center", va="center", color=color, fontsize=9)
    ax.set(xticks=tiles, yticks=tiles, xlabel="F: rarely  →  often", ylabel="R: long ago  →  lately")
    top, low = money.at[max(tiles), max(tiles)], money.at[1, 1]
    said = f"Mean M ({rules.currency}) by R and F"
    if top > 0 and low > 0:
        said += f": {max(tiles)}-{max(tiles)} spent {top / low:,.0f} times as much as 1-1"
    ax.set_title(said)


def draw_segments(ax):
    at = pd.Series(segments.index, dtype=float)
    ax.barh(at + 0.19, segments.of_members, height=0.34, color=PALE)
    ax.barh(at - 0.19, segments.of_money, height=0.34, color=BLUE)
    last = len(at) - 1  # the topmost bars say what the bars are
    for n, row in segments.iterrows():
        buyers_said = f" {row.of_members:.1%}" + (f" of the buyers ({row.members:,})" if n == last else f" ({row.members:,})")
        money_said = f" {row.of_money:.1%}" + (" of the money" if n == last else "")
        ax.text(row.of_members, n + 0.19, buyers_said, va="center", color=GREY, fontsize=9.5)
        ax.text(row.of_money, n - 0.19, money_said, va="center", color=BLUE, fontsize=9.5)
    first, widest = segments.iloc[-1], max(segments.of_members.max(), segments.of_money.max())
    ax.set(yticks=at, yticklabels=segments.segment, xticks=[], xlim=(0, widest * 1.3), ylim=(-0.6, len(at) - 0.4))
    ax.set_title(f"{first.segment}: {first.of_members:.0%} of the buyers, {first.of_money:.0%} of the money")


figure, (left, right) = plt.subplots(1, 2, figsize=(14, 6.2), layout="constrained", width_ratios=(1, 1.05))
draw_heat_map(left)
draw_segments(right)
figure.get_layout_engine().set(wspace=0.06)
when = f"{rules.rfm.look_back_days} days to {as_of}"
figure.suptitle(f"RFM of {scored.count():,} buyers, {when}\n", x=0.01, ha="left", fontsize=14)
if folder := setting("pictures"):
    figure.savefig(Path(folder) / "rfm.png", dpi=110)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## The job's rows are these rows
# MAGIC
# MAGIC `memberlake run rfm` wrote its result for this date to `gold.rfm_scores`. Rows that are there but not here, and the
# MAGIC other way round; both are 0 unless orders or settings changed since the job ran, or it never ran for this date:

# COMMAND ----------

stored = lake.read(RFM_SCORES).where((F.col("as_of") == F.lit(as_of)) & (F.col("scope") == "all"))
here = scored.withColumn("as_of", F.lit(as_of)).select(stored.columns)
pd.Series(
    {"buyers": scored.count(), "only stored": stored.exceptAll(here).count(), "only here": here.exceptAll(stored).count()}
).to_frame("rows")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Before you compare
# MAGIC
# MAGIC - A score is relative to the buyers of its date. 555 today and 555 last month are different bars to clear; for
# MAGIC   scores that stay comparable set `rfm.thresholds`.
# MAGIC - Scores of two categories, or of two look-backs, are not comparable either: their rhythms differ.
# MAGIC - An order that is cancelled or refunded later changes the past when the job runs again for that date.
