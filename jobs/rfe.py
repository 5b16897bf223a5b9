"""rfe: recency, frequency and engagement of everyone who visited, members and strangers, as of a day."""

from datetime import date, timedelta

from pyspark.sql import functions as F

from memberlake import calendar, cli, scoring
from memberlake.activity import days, identity
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.tables.gold.activity import RFE_SCORES, SUBJECT_IDENTITY
from memberlake.tables.gold.value import SCORE_BINS
from memberlake.tables.silver import EVENTS
from memberlake.value import rfe

READS = (EVENTS, SUBJECT_IDENTITY)
MAY_BE_STALE = (SUBJECT_IDENTITY,)  # then it is derived here from all events
WRITES = (RFE_SCORES, SCORE_BINS)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    until = lake.read(EVENTS).transform(days.only_until, as_of, conf.business_timezone)
    is_known = lake.has_seen("activity", EVENTS, identity.rules(conf))
    known = lake.read(SUBJECT_IDENTITY) if is_known else identity.stretches(until, conf.business_timezone)
    first = as_of - timedelta(days=conf.rfe.look_back_days - 1)
    in_look_back = until.where(calendar.between(F.col("occurred_at"), first, as_of, conf.business_timezone))
    visits = in_look_back.transform(identity.with_subject, known, as_of)
    active, measures = conf.activity.active_event_types, rfe.measures(conf.rfe.thresholds)
    people = visits.transform(rfe.without_robots, active, conf.activity.robot_threshold)
    measured = rfe.measure(people, as_of, active, conf.rfe.engagement_weights)
    with lake.kept(measured) as subjects, lake.kept(rfe.cuts(subjects, conf.rfe)) as cuts:
        scored = rfe.score(subjects, cuts, conf.rfe)
        with lake.kept(rfe.combinations(scored, conf.rfe)) as combinations:
            named = scoring.named(scored, combinations, measures).withColumns(
                {"engagement": F.col("engagement").cast("double"), "as_of": F.lit(as_of)}
            )
            lake.replace(RFE_SCORES, named.drop("scope", "score_weighted"), as_of=as_of)
            bins = scoring.bins(combinations, measures, "rfe").withColumn("as_of", F.lit(as_of))
            lake.replace(SCORE_BINS, bins, as_of=as_of, model="rfe")


if __name__ == "__main__":
    cli.main_job(run)
