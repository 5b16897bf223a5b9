"""churn_train: a model that foretells churn, tested on a later snapshot, promoted when it beats what there is."""

import logging
from contextlib import ExitStack
from datetime import date

from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame

from memberlake import cli
from memberlake.churn import facts, measure, rules, season, snapshots, training
from memberlake.churn.models import require_grid
from memberlake.churn.registry import Registry, Version, types
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.churn import CHURN_MODELS

READS = tuple(facts.TABLES.values())
WRITES = (CHURN_MODELS,)

log = logging.getLogger(__name__)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    models = Registry(conf.mlflow, lake.conf, conf.churn.foretells)
    if unfinished := models.finish(lake.read(CHURN_MODELS)):
        record(lake, models, unfinished)
    due = models.due(as_of, conf.churn.retrain_every_days, conf.churn.retrain_pause_days)
    why = due if lake.if_needed else "it was asked for"
    log.info("training: %s", why or "none is due")
    if not why:
        return
    require_grid(conf.churn)
    with ExitStack() as stack:

        def keep(frame: DataFrame) -> DataFrame:
            return stack.enter_context(lake.kept(frame))

        known = facts.until(
            {name: lake.read(table) for name, table in facts.TABLES.items()},
            as_of=as_of,
            zone=conf.business_timezone,
            statuses=conf.orders.counted_statuses,
            kept=keep,
        )
        rule = conf.churn.foretold
        first = snapshots.first_day(rule, known).collect()[0]["on"]  # one row
        split = snapshots.split(conf.churn, first, as_of)
        spells = keep(rules.spells(rule, known, as_of))
        eligible = snapshots.eligible(known.known, spells, split.every)
        every = keep(snapshots.with_labels(eligible, spells, split.every, conf.churn))
        share = min(1.0, conf.churn.max_examples / max(every.count(), 1))
        examples = snapshots.drawn(every, share, conf.churn.seed)
        measured = measure.measured(known, examples, split.every, conf.activity.active_event_types)
        groups = {name: keep(group) for name, group in measured.items()}
        table = keep(measure.table(examples, known, groups, conf.rfm.tiles))
        training.require_honest(table)
        training.require_both_classes(table, split)
        ago = season.year_ago(known.known, spells, conf.churn, first, split.calibrate, split.test).collect()  # two rows
        shift = season.shift(ago, split.calibrate, split.test)
        trained = training.train(table, split, conf.churn, rival(models, as_of), shift)
    verdict = training.judge(trained.tests, conf.churn.promote_margin)
    versions = {f"delta:{t.full_name}": lake.version(t) for t in READS}
    days = {**split._asdict(), "train": " ".join(map(str, split.train))}
    settings = {"config_hash": conf.digest, "rule": conf.churn.label_rule, "share_of_members": share}
    parameters = {**settings, **versions, **days}
    version = models.record(trained, verdict, as_of, parameters, conf.churn.model, split.train[0])
    log.info("%s version %s: %s", version.name, version.version, verdict.reason)
    record(lake, models, version)


def rival(models: Registry, as_of: date) -> PipelineModel | None:
    """The champion, which a new model has to beat; none where it asks for other features than there are."""
    champion = models.champion(as_of)
    if champion is None:
        return None
    if gone := models.differences(champion, types()):
        log.warning("champion version %s is no rival, it cannot score any more: %s", champion.version, "; ".join(gone))
        return None
    return models.load(champion, types()).pipeline


def record(lake: Lake, models: Registry, version: Version) -> None:
    row = lake.row(CHURN_MODELS, models.row(version))
    lake.replace(CHURN_MODELS, row, model_name=version.name, model_version=version.version)


if __name__ == "__main__":
    cli.main_job(run)
