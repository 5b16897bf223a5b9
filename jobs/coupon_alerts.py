"""coupon_alerts: signs of abuse of vouchers in the look-back of a day."""

from datetime import date

from memberlake import cli
from memberlake.conf import Conf
from memberlake.coupons import alerts
from memberlake.errors import UserError
from memberlake.lake.store import Lake
from memberlake.tables.gold.coupons import COUPON_ALERTS, VOUCHERS

READS, WRITES = (VOUCHERS,), (COUPON_ALERTS,)


def run(lake: Lake, conf: Conf, as_of: date) -> None:
    stands = lake.stands_at("coupons")
    if lake.ready(VOUCHERS) and stands != as_of:  # a voucher that was returned since would not be redeemed then
        known = f"are as of {stands}" if stands else "were left by a run that failed"
        raise UserError(f"gold.vouchers {known}: run `memberlake run coupons --as-of {as_of}` first")
    found = alerts.of(lake.read(VOUCHERS), conf.coupons.alerts, as_of, conf.business_timezone)
    lake.replace(COUPON_ALERTS, found, as_of=as_of)


if __name__ == "__main__":
    cli.main_job(run)
