"""churn_score: who has churned, and by which rules; who may churn soon, how likely, and what moves that."""

import logging
from contextlib import ExitStack
from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from memberlake import cli
from memberlake.activity import identity
from memberlake.churn import facts, measure, rules, score, season, snapshots, training
from memberlake.churn.facts import Facts
from memberlake.churn.registry import Registry, types
from memberlake.conf import Conf
from memberlake.errors import NotYet
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import SUBJECT_IDENTITY
from memberlake.tables.gold.churn import CHURN_FEATURES, CHURN_MODELS, CHURN_SCORES, CHURN_STATUS, MODEL_MONITORING

READS = (*facts.TABLES.values(), SUBJECT_IDENTITY, CHURN_MODELS)
MAY_BE_STALE = (SUBJECT_IDENTITY, CHURN_MODELS)  # then it is derived here; the champion that is there scores
WRITES = (CHURN_STATUS, CHURN_FEATURES, CHURN_SCORES, MODEL_MONITORING)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    churn = conf.churn
    is_known = lake.has_seen("activity", facts.TABLES["events"], identity.rules(conf))
    with ExitStack() as stack:

        def keep(frame: DataFrame) -> DataFrame:
            return stack.enter_context(lake.kept(frame))

        known = facts.until(
            {name: lake.read(table) for name, table in facts.TABLES.items()},
            as_of=as_of,
            zone=conf.business_timezone,
            statuses=conf.orders.counted_statuses,
            identity=lake.read(SUBJECT_IDENTITY) if is_known else None,
            kept=keep,
        )
        stretches = rules.stretches(churn.rules, known, as_of)
        status = rules.status(known.known, stretches, churn.rules).withColumn("as_of", F.lit(as_of))
        lake.replace(CHURN_STATUS, status, as_of=as_of)
        spells = keep(rules.spells(churn.foretold, known, as_of))
        examples = snapshots.eligible(known.known, spells, [as_of])
        measured = measure.measured(known, examples, [as_of], conf.activity.active_event_types)
        groups = {name: keep(group) for name, group in measured.items()}
        features = keep(measure.table(examples, known, groups, conf.rfm.tiles))
        training.require_honest(features)
        lake.replace(CHURN_FEATURES, features.select(*CHURN_FEATURES.column_names), as_of=as_of)
        score_members(lake, conf, as_of, known, spells)


def score_members(lake: Lake, conf: Conf, as_of: date, known: Facts, spells: DataFrame) -> None:
    models = Registry(conf.mlflow, lake.conf, conf.churn.foretells)
    models.finish(lake.read(CHURN_MODELS))
    champion = models.champion(as_of)
    if champion is None:
        raise NotYet(
            f"{models.name} has no champion as of {as_of}, so nobody is scored, and scores that are there stay: train "
            "one with `memberlake run churn_train`, or see with `memberlake models` why one was refused"
        )
    model = models.load(champion, types())
    members = lake.read(CHURN_FEATURES).where(F.col("as_of") == F.lit(as_of))
    shift, first = 0.0, snapshots.first_day(conf.churn.foretold, known).collect()[0]["on"]  # one row
    if day := champion.calibrated_on:
        ago = season.year_ago(known.known, spells, conf.churn, first, day, as_of).collect()  # two rows
        shift = season.shift(ago, day, as_of)
    threshold = score.threshold(members, model, conf.churn.threshold, shift)
    lake.replace(CHURN_SCORES, score.scores(members, model, conf.churn.bands, threshold, shift), as_of=as_of)

    every = lake.read(CHURN_SCORES)
    scored = every.where(F.col("as_of") == F.lit(as_of))
    then = as_of - timedelta(days=conf.churn.embargo_days)  # what came of those scores is known today
    given = snapshots.with_labels(given_on(then, every, models), spells, [then], conf.churn)
    found = score.shifts(members, scored, model, conf.churn.alerts, first)
    found += score.outcomes(given, lake.read(CHURN_MODELS), conf.churn.alerts)
    lake.replace(MODEL_MONITORING, score.monitoring(lake.spark, found, as_of), as_of=as_of)
    # what came of scores that an earlier model gave says nothing of this one
    of_champion = [row.metric for row in found if row.model_version == champion.version]
    if alerts := [metric.metric for metric in of_champion if metric.is_alert]:
        log.warning("%s version %s: alerts for %s", champion.name, champion.version, ", ".join(alerts))
        models.alert(champion, as_of)


def given_on(day: date, scores: DataFrame, models: Registry) -> DataFrame:
    """The scores of a day that foretell what is asked now: of others it is not known whether they came true."""
    alike = [version.version for version in models.alike()]
    of_alike = (F.col("model_name") == models.name) & F.col("model_version").isin(alike)
    return scores.where((F.col("as_of") == F.lit(day)) & of_alike)


if __name__ == "__main__":
    cli.main_job(run)
