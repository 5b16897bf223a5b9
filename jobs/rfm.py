"""rfm: recency, frequency and monetary value of every buyer as of a day, scored, ranked and named."""

from datetime import date

from pyspark.sql import functions as F

from memberlake import cli, scoring
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.orders import only_counted, only_within
from memberlake.tables.gold.value import RFM_SCORES, SCORE_BINS
from memberlake.tables.silver import ORDER_LINES, ORDERS, PRODUCTS
from memberlake.value import rfm

READS = (ORDERS, ORDER_LINES, PRODUCTS)
WRITES = (RFM_SCORES, SCORE_BINS)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    orders = (
        lake.read(ORDERS)
        .transform(only_counted, conf.orders.counted_statuses)
        .transform(only_within, as_of, conf.rfm.look_back_days, conf.business_timezone)
    )
    if conf.rfm.by_category:
        orders = orders.transform(rfm.with_categories, lake.read(ORDER_LINES), lake.read(PRODUCTS))
    else:
        orders = orders.transform(rfm.with_scope_all)
    measured = rfm.measure(orders, as_of, conf.rfm.monetary)
    measures = rfm.measures(conf.rfm.thresholds)
    with lake.kept(measured) as buyers, lake.kept(rfm.cuts(buyers, conf.rfm)) as cuts:
        scored = rfm.score(buyers, cuts, conf.rfm)
        with lake.kept(rfm.combinations(scored, conf.rfm)) as combinations:
            named = scoring.named(scored, combinations, measures).withColumn("as_of", F.lit(as_of))
            lake.replace(RFM_SCORES, named, as_of=as_of)
            bins = scoring.bins(combinations, measures, "rfm").withColumn("as_of", F.lit(as_of))
            lake.replace(SCORE_BINS, bins, as_of=as_of, model="rfm")


if __name__ == "__main__":
    cli.main_job(run)
