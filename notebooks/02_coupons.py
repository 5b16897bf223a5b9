# Databricks notebook source
# MAGIC %md
# MAGIC # Coupons: what became of them, and whose they were
# MAGIC
# MAGIC One row a voucher, with its status and campaign; the same coupon used again is told apart by campaign (a *run*), and
# MAGIC a voucher that does not say its campaign gets one where only one fits. The words are defined in docs/coupons.md.
# MAGIC This notebook reads what the job `coupons` wrote and writes nothing. It needs a lake with coupons: `make run` makes one.

# COMMAND ----------

import os
import sys
from pathlib import Path

try:
    import memberlake
except ModuleNotFoundError:  # not installed: this folder is notebooks/ of the project
    sys.path.insert(0, str(Path.cwd().parent / "lib"))

import matplotlib.pyplot as plt
from pyspark.sql import functions as F

from memberlake import conf
from memberlake.lake import session
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import COUPON_MAPPING_QUALITY, COUPON_RUNS, VOUCHERS


def setting(name, default=""):
    if "dbutils" in globals():
        dbutils.widgets.text(name, default)
        return dbutils.widgets.get(name)
    return os.environ.get(f"MEMBERLAKE_{name.upper()}", default)


on_databricks = "DATABRICKS_RUNTIME_VERSION" in os.environ
place = setting("lake", "" if on_databricks else str(conf.project_home() / "lake"))
files = [conf.project_home() / "conf" / "databricks.yaml"] if on_databricks else []
lake = Lake(session.start(), conf.load(files, lake=place or None).lake)
runs, vouchers = lake.read(COUPON_RUNS), lake.read(VOUCHERS)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The funnel of the largest runs
# MAGIC
# MAGIC Vouchers issued, claimed, redeemed and expired. Where vouchers are not claimed, or whose issue nobody recorded, the
# MAGIC redeemed are more than the steps before.

# COMMAND ----------

steps = ["issued", "claimed", "redeemed", "expired"]
by_campaign = (
    runs.groupBy("campaign_id").agg(*[F.sum(c).alias(c) for c in (*steps, "vouchers")]).orderBy(F.desc("redeemed"))
)
largest = by_campaign.limit(12).toPandas()  # twelve rows
largest["campaign_id"] = largest["campaign_id"].fillna("not known")
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
largest.plot.barh(x="campaign_id", y=steps, ax=left, width=0.8)
left.invert_yaxis()
left.set(title="Vouchers by campaign", ylabel="campaign")
if len(largest) and largest["vouchers"].max() > 0:
    left.set_xscale("symlog")
uses = runs.groupBy("coupon_id").agg(F.count("*").alias("runs")).groupBy("runs").count().orderBy("runs").toPandas()
right.bar(uses["runs"].astype(str), uses["count"])
right.set(title="Coupons by number of runs: the reused ones are right of the first", xlabel="runs", ylabel="coupons")
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## How campaigns are known, and how far to trust that
# MAGIC
# MAGIC Each kind of evidence is tried on the vouchers whose campaign is recorded; its precision is their confidence.

# COMMAND ----------

method = F.coalesce("method", F.lit("left for review"))
known = vouchers.groupBy(method.alias("method")).agg(F.count("*").alias("vouchers")).toPandas()
days = vouchers.where("redeemed_at IS NOT NULL").select(
    F.date_diff("redeemed_at", "first_on").alias("days")
)
waits = days.where("days BETWEEN 0 AND 90").groupBy("days").count().orderBy("days").toPandas()  # at most 91 rows
figure, (left, right) = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
left.barh(known["method"], known["vouchers"])
left.set_title("Vouchers by how their campaign is known")
right.bar(waits["days"], waits["count"])
right.set(title="Redemptions by days since the first date", xlabel="days")
if folder := setting("pictures"):
    figure.savefig(Path(folder) / "coupons.png", dpi=90)
plt.show()

# COMMAND ----------

lake.read(COUPON_MAPPING_QUALITY).toPandas()  # a row a kind of evidence
