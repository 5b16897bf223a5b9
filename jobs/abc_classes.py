"""abc_classes: ABC classes and value tiers of the buyers of a look-back."""

from datetime import date

from memberlake import cli
from memberlake.conf import Conf
from memberlake.lake.store import Lake
from memberlake.orders import only_counted, only_within
from memberlake.tables.gold.value import ABC_CLASSES
from memberlake.tables.silver import ORDERS
from memberlake.value import abc, rfm

READS = (ORDERS,)
WRITES = (ABC_CLASSES,)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    orders = (
        lake.read(ORDERS)
        .transform(only_counted, conf.orders.counted_statuses)
        .transform(only_within, as_of, conf.abc.look_back_days, conf.business_timezone)
        .transform(rfm.with_scope_all)
    )
    with lake.kept(rfm.measure(orders, as_of, "sum").select("member_id", "monetary")) as spending:
        lake.replace(ABC_CLASSES, abc.classify(spending, conf.abc, as_of), as_of=as_of)


if __name__ == "__main__":
    cli.main_job(run)
