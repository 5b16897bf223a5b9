# Databricks notebook source
# MAGIC %md
# MAGIC # Coupons: what became of them, which are used again, and whose they were
# MAGIC
# MAGIC A **voucher** is one issued copy of a coupon, a **run** one use of a coupon: its vouchers of one campaign. A voucher that
# MAGIC does not say its campaign gets one where windows and outreach lists leave only one. This notebook draws what the job
# MAGIC `coupons` wrote, hides the campaigns of redemptions from the same rules to see whether they are found again, and writes
# MAGIC nothing to the lake. Definitions: `docs/coupons.md`. It needs a lake with coupons: `make run` makes one.

# COMMAND ----------

import sys
from pathlib import Path

try:
    import memberlake
except ModuleNotFoundError:  # not installed: this folder is notebooks/ of the project
    sys.path.insert(0, str(Path.cwd().parent / "lib"))

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from pyspark.sql import functions as F

from memberlake import notebook
from memberlake.coupons import campaigns, state
from memberlake.notebook import BLUE, INK, ORANGE, PALE, SKY, TINT
from memberlake.tables import silver
from memberlake.tables.gold.coupons import COUPON_FUNNEL, COUPON_MAPPING_QUALITY, COUPON_RUNS, VOUCHERS

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
as_of = lake.stands_at("coupons")
runs = lake.read(COUPON_RUNS).toPandas()  # a row a use of a coupon
of_all = runs[["vouchers", "issued", "claimed", "redeemed", "expired"]].sum()
uses = runs.groupby("coupon_id").size()
pd.concat([of_all, pd.Series({"coupons": len(uses), "used more than once": (uses > 1).sum()})]).to_frame(f"as of {as_of}")

# COMMAND ----------

# MAGIC %md
# MAGIC ## The funnel of campaigns
# MAGIC
# MAGIC Rates are of the vouchers whose issue is recorded. In Complete Journey nothing is claimed, and the campaigns of type A
# MAGIC (the largest) do not record what they issued: they have redemptions, and no rate.

# COMMAND ----------

plt.rcParams.update(notebook.STYLE)
by_campaign = runs.fillna({"campaign_id": "not known"}).groupby("campaign_id")[["issued", "claimed", "redeemed"]].sum()
largest = by_campaign.sort_values(["redeemed", "issued"]).tail(12)


def draw_funnel(ax):
    ax.barh(range(len(largest)), largest.redeemed, color=BLUE)
    for n, row in enumerate(largest.itertuples()):
        rate = f" of {row.issued:,} issued, {row.redeemed / row.issued:.1%}" if row.issued else ""
        ax.text(row.redeemed, n, f" {row.redeemed:,}{rate}", va="center", fontsize=9.5, color=INK)
    ax.set(yticks=range(len(largest)), yticklabels=[f"campaign {name}" for name in largest.index], xticks=[])
    ax.margins(x=0.25)
    ax.set_title("Redeemed vouchers of the campaigns that have most")


in_zone = F.to_date(F.from_utc_timestamp("redeemed_at", rules.business_timezone))
waited = lake.read(VOUCHERS).where("redeemed_at IS NOT NULL AND issued_at IS NOT NULL")
days_to = F.date_diff(in_zone, F.col("first_on")).alias("days")
waits = waited.groupBy(days_to).count().orderBy("days").toPandas()  # a row a number of days


def draw_waits(ax):
    ax.bar(waits.days, waits["count"], color=BLUE, width=0.9)
    if len(waits):
        median, top = np.repeat(waits.days, waits["count"]).median(), 1.15 * waits["count"].max()
        ax.axvline(median, color=ORANGE)
        ax.text(median, top, f" half within {median:.0f} days", color=ORANGE, va="top")
        ax.set(ylim=(0, top))
    ax.set(xlabel="days from issue to redemption")
    ax.set_title("Redemptions of vouchers with a recorded issue")


figure, (left, right) = plt.subplots(1, 2, figsize=(15, 5), layout="constrained")
draw_funnel(left)
draw_waits(right)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Coupons used again
# MAGIC
# MAGIC By its bare id a reused coupon is one thing; by runs it is several, each with a campaign, a time and a result of its own.

# COMMAND ----------

redeemed_by_coupon = runs[runs.redeemed > 0].groupby("coupon_id").agg(runs=("coupon_run_id", "size"), redeemed=("redeemed", "sum"))
reused = redeemed_by_coupon.sort_values(["runs", "redeemed"]).index[-1:].tolist()
daily = lake.read(COUPON_FUNNEL).where(F.col("coupon_id").isin(reused) & (F.col("redeemed") > 0)).toPandas()  # of one coupon


def draw_reused(ax):
    weeks = pd.to_datetime(daily.business_date).dt.to_period("W").dt.start_time.rename("week")
    named = daily.fillna({"campaign_id": "not known"}).groupby(["campaign_id", weeks]).redeemed.sum().unstack("campaign_id", fill_value=0)
    below = np.zeros(len(named))
    for n, name in enumerate(named.gt(0).idxmax().sort_values().index):  # by their first week
        ax.bar(named.index, named[name], bottom=below, color=(BLUE, ORANGE, INK, SKY, PALE)[n % 5], width=6, align="edge", label=f"campaign {name}")
        below += named[name].to_numpy()
    ax.set(ylim=(0, 1.3 * max(below, default=1)))
    ax.yaxis.get_major_locator().set_params(integer=True)
    ax.xaxis.set_major_formatter(ConciseDateFormatter(ax.xaxis.get_major_locator()))
    ax.legend(loc="upper left", ncols=3)
    ax.set_title(f"Redemptions a week of coupon {', '.join(reused)}: one id, {named.shape[1]} uses")


def draw_uses(ax):
    counts = uses.value_counts().sort_index()
    ax.bar(counts.index.astype(str), counts, color=[PALE if n == 1 else BLUE for n in counts.index])
    for n, count in enumerate(counts):
        ax.text(n, count, f"{count:,}", ha="center", va="bottom")
    ax.set(xlabel="runs", yticks=[])
    ax.set_title("Coupons by number of their runs")


figure, (left, right) = plt.subplots(1, 2, figsize=(15, 4.5), layout="constrained", width_ratios=(2, 1))
draw_reused(left)
draw_uses(right)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Lost campaigns, found again
# MAGIC
# MAGIC The campaign is hidden from all redemptions, and the job's own rules decide each without it. Since the record is there
# MAGIC to compare with, every answer is right, wrong, or left for review because several campaigns (or none) fit.

# COMMAND ----------

zone = rules.business_timezone
events = lake.read(silver.COUPON_EVENTS).transform(state.only_until, "occurred_at", as_of, zone)
orders = lake.read(silver.ORDERS).transform(state.only_until, "ordered_at", as_of, zone)
contacts = lake.read(silver.CAMPAIGN_CONTACTS).transform(state.only_until, "sent_at", as_of, zone)
versions = lake.read(silver.COUPONS).transform(state.only_until, "valid_from_version", as_of, zone)
definitions = state.definitions(versions, lake.read(silver.COUPON_CAMPAIGNS))
is_redeemed = F.col("event_type") == "redeemed"
hidden = events.withColumn("campaign_id", F.when(~is_redeemed, F.col("campaign_id"))).transform(state.with_holder)
folded = state.fold(hidden, definitions, orders, rules.coupons, as_of, zone)
windows = campaigns.windows(lake.read(silver.CAMPAIGNS), rules.coupons.window_grace_days)
none = lake.read(silver.COUPON_CAMPAIGN_OVERRIDES).limit(0)
decided = campaigns.decide(lake.settled(folded), windows, campaigns.audience(contacts), none)

# one row a physical redemption; sources repeat some, with a campaign each
redeemed = events.where(is_redeemed & F.col("campaign_id").isNotNull())
truth = redeemed.groupBy("coupon_id", "member_id", F.col("occurred_at").alias("redeemed_at")).agg(
    F.collect_set("campaign_id").alias("true_campaigns")
)
found = truth.join(decided, on=["coupon_id", "member_id", "redeemed_at"], how="inner")
is_right = F.array_contains("true_campaigns", F.col("campaign_id"))
answer = F.when(is_right, "right").when(F.col("campaign_id").isNotNull(), "wrong").otherwise("left for review")
told = found.groupBy(answer.alias("answer")).count().toPandas().set_index("answer")["count"]
answers = told.reindex(["right", "left for review", "wrong"], fill_value=0)
answers.to_frame("redemptions without their campaign")

# COMMAND ----------


def draw_answers(ax):
    ax.barh(answers.index[::-1], answers[::-1], color=[ORANGE, PALE, BLUE])
    for n, count in enumerate(answers[::-1]):
        ax.text(count, n, f" {count:,}", va="center")
    ax.set(xticks=[])
    ax.margins(x=0.15)
    ax.set_title(f"{answers.sum():,} redemptions, their campaign hidden: found again?")


figure, axes = plt.subplots(2, 2, figsize=(16, 10), layout="constrained")
draw_funnel(axes[0, 0])
draw_reused(axes[0, 1])
draw_uses(axes[1, 0])
draw_answers(axes[1, 1])
if folder := setting("pictures"):
    figure.savefig(Path(folder) / "coupons.png", dpi=100)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## How far to trust an inferred campaign
# MAGIC
# MAGIC On every run each kind of evidence is tried on all vouchers whose campaign is recorded. Its precision stands as
# MAGIC `confidence` beside every campaign that was inferred by it.

# COMMAND ----------

lake.read(COUPON_MAPPING_QUALITY).orderBy("evidence").toPandas()  # a row a kind of evidence
