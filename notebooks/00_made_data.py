# Databricks notebook source
# MAGIC %md
# MAGIC # The made brand
# MAGIC
# MAGIC `memberlake generate` makes up a brand of any size. This notebook draws what it looks like: nothing is written,
# MAGIC no lake is needed. What each share means is in `conf/base.yaml` under `made`; `docs/made-data.md` tells the rest.

# COMMAND ----------

import os
import sys
from pathlib import Path

try:
    import memberlake
except ModuleNotFoundError:  # not installed: this folder is notebooks/ of the project
    sys.path.insert(0, str(Path.cwd().parent / "lib"))

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.dates import ConciseDateFormatter
from pyspark.sql import functions as F

from memberlake import calendar, conf, notebook
from memberlake.lake import session
from memberlake.made import dirt, life, marketing, shopping, write
from memberlake.made.world import World
from memberlake.notebook import BLUE, INK, ORANGE, PALE
from memberlake.tables import silver

rules = conf.load(lake="unused")
orders_wanted = int(float(os.environ.get("MEMBERLAKE_SCALE", "20000")))
world = World(session.start(), rules.made, orders_wanted, rules.business_timezone)
plt.rcParams.update(notebook.STYLE)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Seasons, skew, loss
# MAGIC
# MAGIC Orders follow the week and the year. Most members buy a few times, a few buy every few days. A member who is
# MAGIC lost buys no more from that day on; one of ten comes back after four to seven months.

# COMMAND ----------

orders = write.clean(world, silver.ORDERS).withColumn("day", calendar.business_date(F.col("ordered_at"), world.zone))
orders = orders.select("order_id", "member_id", "day", "status", "coupon_id", "net_amount").cache()
by_day = orders.groupBy("day").count().orderBy("day").toPandas()  # a row a day
per_member = orders.where("member_id IS NOT NULL").groupBy("member_id").count()
distribution = per_member.groupBy("count").agg(F.count("*").alias("members")).orderBy("count").toPandas()
around = (
    orders.join(life.lost(world), "member_id")
    .withColumn("week", F.floor(F.date_diff("day", "is_lost_on") / 7))
    .where(F.col("week").between(-26, 40))
    .groupBy("week")
    .agg(F.count_if(F.col("coupon_id").isNull()).alias("rhythm"), F.count("coupon_id").alias("campaign"))
    .orderBy("week")
    .toPandas()
)

shapes, axes = plt.subplots(2, 3, figsize=(15, 8), layout="constrained")
dates = pd.to_datetime(by_day["day"])
axes[0, 0].plot(dates, by_day["count"], color=PALE, lw=0.6, label="a day")
axes[0, 0].plot(dates, by_day["count"].rolling(28, center=True).mean(), color=BLUE, label="mean of 28 days")
axes[0, 0].set_title("Orders a day")
axes[0, 0].xaxis.set_major_formatter(ConciseDateFormatter(axes[0, 0].xaxis.get_major_locator()))
axes[0, 0].legend()

weekdays = by_day["count"].groupby(dates.dt.weekday).mean()
axes[0, 1].bar(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], weekdays, color=BLUE)
axes[0, 1].set_title("Orders a day, by weekday")

with_more = distribution["members"][::-1].cumsum()[::-1] / distribution["members"].sum()
axes[0, 2].loglog(distribution["count"], with_more, color=BLUE)
axes[0, 2].set_title("Share of buyers with at least so many orders")
axes[0, 2].set_xlabel("orders")

axes[1, 0].bar(around["week"], around["rhythm"], width=0.9, color=BLUE, label="own rhythm")
axes[1, 0].bar(around["week"], around["campaign"], width=0.9, bottom=around["rhythm"], color=ORANGE, label="by a campaign")
axes[1, 0].axvline(0, color=INK, lw=0.8)
axes[1, 0].set_title("Orders by weeks since a member is lost")
axes[1, 0].legend()
plt.close(shapes)  # drawn on, and shown, in the next cell

# COMMAND ----------

# MAGIC %md
# MAGIC ## Campaigns with a real effect
# MAGIC
# MAGIC A tenth of those chosen is held out. Only who was really contacted can be moved, so the difference between the
# MAGIC two curves is the effect, and every evaluation can be held against it. Behind it: visits, before and after
# MAGIC registration.

# COMMAND ----------

contacts = marketing.outreach(world).select("i", "c", "is_control", F.col("day").alias("contacted_on"))
bought = shopping.purchases(world).select("i", F.col("day").alias("bought_on"))
after = (
    contacts.join(bought, "i")
    .withColumn("days", F.col("bought_on") - F.col("contacted_on"))
    .where(F.col("days").between(-14, 28))
    .groupBy("is_control", "days")
    .count()
    .toPandas()
    .pivot_table(index="days", columns="is_control", values="count")
    .sort_index()
    .rolling(7)  # few are held out
    .sum()
)
reached = {row["is_control"]: row["count"] for row in contacts.groupBy("is_control").count().collect()}
for held_out, color, label in ((False, ORANGE, "contacted"), (True, PALE, "held out")):
    axes[1, 1].plot(after.index, 100 * after[held_out] / reached[held_out], color=color, label=label)
axes[1, 1].axvline(0, color=INK, lw=0.8)
axes[1, 1].set(ylim=(0, None), xlabel="days since the contact")
axes[1, 1].set_title("Orders of 100 contacts, week to each day")
axes[1, 1].legend()

events = write.clean(world, silver.EVENTS)
late = (
    events.select(F.date_diff("received_at", "occurred_at").alias("days")).groupBy("days").count().orderBy("days")
).toPandas()  # at most 26 rows
axes[1, 2].bar(late["days"], late["count"], color=BLUE)
axes[1, 2].set_yscale("log")
axes[1, 2].set_title("Events by days until they are received")
if pictures := os.environ.get("MEMBERLAKE_PICTURES"):
    shapes.savefig(Path(pictures) / "made-data.png", dpi=80)
shapes

# COMMAND ----------

# MAGIC %md
# MAGIC ## Vouchers and dirt
# MAGIC
# MAGIC A coupon may be used again seven campaigns later; every fifth voucher does not say which campaign it belongs to.
# MAGIC Besides the clean rows come rows again, rows out of date and rows that break the contract: ingest ends in the
# MAGIC clean rows, and the broken ones are in `ops.rejects`.

# COMMAND ----------

uses = marketing.vouchers(world).groupBy("coupon_id", "campaign_id").agg(
    F.count("*").alias("vouchers"), F.count_if("is_hidden").alias("hidden")
)
uses = uses.toPandas()  # a row a campaign
uses["campaign"] = uses["campaign_id"].str[1:].astype(int)
uses["coupon"] = uses["coupon_id"].str[1:].astype(int)
dirty = dirt.of(write.clean(world, silver.ORDERS), silver.ORDERS, world).groupBy("why").count().toPandas()

more, (left, right) = plt.subplots(1, 2, figsize=(15, 4), layout="constrained")
left.scatter(uses["campaign"], uses["coupon"], s=uses["vouchers"] / uses["vouchers"].max() * 200, color=BLUE)
left.scatter(uses["campaign"], uses["coupon"], s=uses["hidden"] / uses["vouchers"].max() * 200, color=ORANGE)
left.set(title="Vouchers by campaign and coupon; orange: no campaign recorded", xlabel="campaign", ylabel="coupon")
right.barh(dirty["why"], dirty["count"], color=ORANGE)
right.set_title("Dirty rows beside the orders")
plt.show()
