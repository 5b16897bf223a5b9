# Databricks notebook source
# MAGIC %md
# MAGIC # The story of one churn model
# MAGIC
# MAGIC Who will stop buying? This notebook trains one model on a made brand, whose truth is known, and shows how far it can
# MAGIC be believed. Nothing is written, no lake is needed. `memberlake run churn_train` and `churn_score` do the same on a
# MAGIC lake, with `conf/base.yaml`; definitions are in `docs/churn.md`.

# COMMAND ----------

import os
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

from memberlake import conf, notebook
from memberlake.churn import evaluate, explain, facts, measure, models, rules, season, snapshots, training
from memberlake.lake import session
from memberlake.made import life, write
from memberlake.made.world import World
from memberlake.notebook import BLUE, GREY, ORANGE, PALE

SMALL = "churn.grids.random_forest={maxDepth: [5], numTrees: [12], minInstancesPerNode: [10]}"
settings = conf.load(lake="unused", sets=[SMALL, "churn.max_snapshots=6"])
orders_wanted = int(float(os.environ.get("MEMBERLAKE_SCALE", "10000")))
world = World(session.start(), settings.made, orders_wanted, settings.business_timezone)
as_of = date(2025, 10, 20)
plt.rcParams.update(notebook.STYLE)

# COMMAND ----------

# MAGIC %md
# MAGIC ## What is foretold, and when
# MAGIC
# MAGIC The label of a member on a snapshot day S is 1 when the rule `churn.label_rule` holds on some day after the gap and
# MAGIC within the horizon. The parts follow each other in time: every outcome window ends before the next part begins, so
# MAGIC that nothing is learnt from days that the test is about.

# COMMAND ----------

known = facts.until(
    {name: write.clean(world, t).cache() for name, t in facts.TABLES.items()},  # made up anew at each use, otherwise
    as_of=as_of, zone=world.zone, statuses=settings.orders.counted_statuses,
)
first = snapshots.first_day(settings.churn.foretold, known).first()["on"]
split = snapshots.split(settings.churn, first, as_of)
spells = rules.spells(settings.churn.foretold, known, as_of).cache()
examples = snapshots.eligible(known.known, spells, split.every).transform(
    snapshots.with_labels, spells, split.every, settings.churn
)
measured = measure.measured(known, examples, split.every, settings.activity.active_event_types)
groups = {name: group.cache() for name, group in measured.items()}
table = measure.table(examples, known, groups, settings.rfm.tiles).cache()
training.require_honest(table)  # no feature saw a day after its snapshot

by_day = table.groupBy("as_of").agg(F.count("*").alias("members"), F.avg("label").alias("churners")).toPandas()
by_day = by_day.sort_values("as_of")
part = by_day.as_of.map({split.test: "test", split.calibrate: "calibration"}).fillna("training")
colors = part.map({"training": PALE, "calibration": BLUE, "test": ORANGE})

parts, axes = plt.subplots(figsize=(12, 3.2), layout="constrained")
axes.bar(pd.to_datetime(by_day.as_of), by_day.churners, width=20, color=colors)
for day, share, name in zip(pd.to_datetime(by_day.as_of), by_day.churners, part, strict=True):
    axes.text(day, share, name, ha="center", va="bottom", fontsize=9)
axes.set(ylabel="share of churners", title=f"{settings.churn.label_rule}: {by_day.members.sum():,} examples by snapshot")
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## Is it any good?
# MAGIC
# MAGIC On the test, beside those who had it easier: recency alone, and the base rate. PR-AUC comes first, because churners
# MAGIC are few; what counts is how far it is above the base rate. `uncalibrated` is the forest's own score: class weights
# MAGIC make it rank well and lie about probabilities. See its calibration error, `ece`. `season_shift` is what the log-odds
# MAGIC moved a year ago, between the same two days: the share of churners when the model was calibrated is not that of now.

# COMMAND ----------

year_ago = season.year_ago(known.known, spells, settings.churn, first, split.calibrate, split.test).collect()  # two rows
shift = season.shift(year_ago, split.calibrate, split.test)
trained = training.train(table, split, settings.churn, None, shift)
shown = ["pr_auc", "roc_auc", "brier", "ece", "lift_10", "captured_20", "base_rate", "season_shift"]
print(training.judge(trained.tests, settings.churn.promote_margin).reason)
pd.DataFrame(trained.tests).loc[shown].round(3)

# COMMAND ----------

points = pd.DataFrame(evaluate.curve(trained.levels), columns=["score", "members", "recall", "precision"])
groups_of_ten = pd.DataFrame(evaluate.deciles(trained.levels), columns=["members", "probability", "churners"])
test = trained.tests["model"]

figure, ((curve, calibration), (lift, features)) = plt.subplots(2, 2, figsize=(13, 9), layout="constrained")
curve.step(points.recall, points.precision, where="pre", color=BLUE)
curve.axhline(test["base_rate"], color=GREY, linestyle="--")
curve.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), title=f"PR-AUC {test['pr_auc']:.3f}; the line is the base rate")
calibration.plot([0, 1], [0, 1], color=GREY, linestyle="--")
calibration.plot(groups_of_ten.probability, groups_of_ten.churners, marker="o", color=BLUE)
calibration.set(xlabel="mean probability of a decile", ylabel="share of churners", title=f"Calibration error {test['ece']:.3f}")
lift.plot([0, 1], [0, 1], color=GREY, linestyle="--")
lift.plot([0, *points.members], [0, *points.recall], color=BLUE)
lift.set(xlabel="members, highest score first", ylabel="churners captured", title=f"The top tenth holds {test['captured_10']:.0%}")
leading = pd.Series(trained.importance).head(12).iloc[::-1]
features.barh(leading.index, leading, color=ORANGE)
features.set(xlabel="share of what moves scores", title="Features")
if folder := os.environ.get("MEMBERLAKE_PICTURES"):
    figure.savefig(Path(folder) / "churn.png", dpi=110)
plt.show()

# COMMAND ----------

# MAGIC %md
# MAGIC ## How to read a score
# MAGIC
# MAGIC A probability of 0.7: of ten such members about seven churn. The factors say what moved the *model* most for this
# MAGIC member, up or down, against the average; they do not say why a member leaves. The highest three of the test:

# COMMAND ----------

on_test = table.where(F.col("as_of") == F.lit(split.test))
scored = models.with_probability(trained.fitted.pipeline, on_test, shift)
scored = scored.select("member_id", "probability", explain.top_factors(trained.effects).alias("factors")).cache()
rows = scored.orderBy(F.desc("probability"), "member_id").limit(3).collect()
pd.DataFrame(
    [
        (r.member_id, round(r.probability, 2), "; ".join(f"{f.feature} = {f.value:g} ({f.effect:+.3f})" if f.value is not None
         else f"{f.feature} ({f.effect:+.3f})" for f in r.factors))
        for r in rows
    ],
    columns=["member", "probability", "factors"],
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Against the truth
# MAGIC
# MAGIC The made brand knows who was already lost on the day of the test, without a word and too lately for any rule. The
# MAGIC model cannot know; it should lean that way.

# COMMAND ----------

lost = life.lost(world).where((F.col("is_lost_on") <= F.lit(split.test)) & F.col("returned_on").isNull())
told = scored.join(lost.select("member_id", F.lit("lost").alias("truth")), on="member_id", how="left")
told.groupBy(F.coalesce("truth", F.lit("still there")).alias("truth")).agg(
    F.count("*").alias("members"), F.round(F.avg("probability"), 3).alias("mean probability")
).orderBy("truth").toPandas()
