"""The metrics of member operation, and the alerts they raise."""

from memberlake.lake.contract import BOOL, DATE, DOUBLE, STRING, TS, Column, Table

KPI = Table(
    "gold",
    "kpi",
    grain="one metric of a period and one value of a dimension",
    key=("period", "period_start", "metric", "dimension", "dimension_value"),
    partitioned_by=("period",),
    columns=(
        Column("period", STRING, "day, week or month", required=True, allowed=("day", "week", "month")),
        Column("period_start", DATE, "first day", required=True),
        Column("metric", STRING, "name; see docs/metrics.md", required=True),
        Column("dimension", STRING, "all, or one of kpi.dimensions", required=True),
        Column("dimension_value", STRING, "its value", required=True),
        Column("numerator", DOUBLE, "what is counted or summed"),
        Column("denominator", DOUBLE, "what it is divided by, NULL for counts and sums"),
        Column("value", DOUBLE, "numerator / denominator, or the numerator; NULL when the denominator is 0"),
        Column(
            "same_days_before",
            DOUBLE,
            "of a running period: the value over as many days of the period before; NULL when that cannot be had",
        ),
        Column("is_complete", BOOL, "the whole period, or a cohort's time to buy, is not after as_of", required=True),
        Column(
            "as_of",
            DATE,
            "the last day that the row has seen: the end of its period (of a cohort N days later), or the run's as_of",
            required=True,
        ),
    ),
)

ALERTS = Table(
    "gold",
    "alerts",
    grain="one alert, from its opening to its end",
    key=("alert_id",),
    columns=(
        Column("alert_id", STRING, "digest of rule, subject and opening day", required=True),
        Column("raised_on", DATE, "as_of at which it was opened", required=True),
        Column("as_of", DATE, "last as_of at which a run opened, updated or closed it", required=True),
        Column("rule", STRING, "name of the rule", required=True),
        Column("subject_kind", STRING, "what the alert is about: metric or model", required=True),
        Column("subject_id", STRING, "which one, NULL for the whole"),
        Column("value", DOUBLE, "the value of the last as_of at which the rule was broken"),
        Column("threshold", DOUBLE, "the limit"),
        Column("severity", STRING, "by the rule", required=True, allowed=("info", "warning", "critical")),
        Column("notify", STRING, "whom to tell, by the rule"),
        Column("message", STRING, "one sentence for the person who acts", required=True),
        Column("state", STRING, "open or closed", required=True, allowed=("open", "closed")),
        Column("closed_on", DATE, "as_of at which it was closed, NULL while open"),
        Column("sent_at", TS, "when the webhook took it, NULL when it was not sent"),
    ),
)

TABLES = (KPI, ALERTS)
