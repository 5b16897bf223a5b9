"""Who was active when, who came back, and scores of visits."""

from memberlake.lake.contract import BINARY, BOOL, DATE, DOUBLE, INT, LONG, STRING, STRINGS, TS, Column, Table
from memberlake.tables.gold.common import AS_OF

SUBJECT_IDENTITY = Table(
    "gold",
    "subject_identity",
    grain="one stretch of a visitor's life in which it was one member",
    key=("visitor_id", "identified_at"),
    columns=(
        Column("visitor_id", STRING, "the visitor", required=True),
        Column(
            "identified_at",
            TS,
            "first event of the stretch that names the member; it lasts until the next stretch, and the first one "
            "reaches back to the visitor's first event",
            required=True,
        ),
        Column("identified_on", DATE, "its business date; as of an earlier day nobody knew", required=True),
        Column("member_id", STRING, "who it was", required=True),
    ),
)

ACTIVITY_DAYS = Table(
    "gold",
    "activity_days",
    grain="one subject active on a business date",
    key=("subject_id", "active_on"),
    partitioned_by=("active_on",),
    columns=(
        Column("subject_id", STRING, "the member when known, else the visitor", required=True),
        Column("active_on", DATE, "the business date", required=True),
        Column("is_member", BOOL, "the subject is a member", required=True),
        Column("channel", STRING, "channel of the day's first event, NULL when it has none"),
        Column("events", LONG, "active events on that day", required=True),
        Column("first_seen_on", BOOL, "it is the subject's first active day, robots' days apart", required=True),
        Column("channels", STRINGS, "channels of the day's active events, `unknown` for those without", required=True),
        Column("is_robot", BOOL, "more events than activity.robot_threshold: counted nowhere", required=True),
    ),
)

ACTIVE_COUNTS = Table(
    "gold",
    "active_counts",
    grain="one window and one value of a dimension",
    key=("window", "period_start", "period_end", "dimension", "dimension_value"),
    partitioned_by=("window",),
    checks=(("active_is_whole", "new IS NULL OR active = new + retained + resurrected"),),
    columns=(
        Column("window", STRING, "day, week, month, or rolling_w for w days", required=True),
        Column("period_start", DATE, "first day", required=True),
        Column("period_end", DATE, "last day", required=True),
        Column("dimension", STRING, "all, channel, kind, or a column of members named in the settings", required=True),
        Column("dimension_value", STRING, "its value", required=True),
        Column("active", LONG, "distinct active subjects", required=True),
        Column("new", LONG, "active for the first time ever; NULL for rolling windows"),
        Column("retained", LONG, "active in the period before too; NULL for rolling windows"),
        Column("resurrected", LONG, "active again, not new, not in the period before; NULL for rolling windows"),
        Column("dormant", LONG, "active in the period before, not in this one; NULL for rolling windows"),
        Column("is_complete", BOOL, "the whole period is not after as_of", required=True),
        Column("active_30", LONG, "of days: distinct active subjects in the 30 days that end with it"),
        Column("stickiness", DOUBLE, "of days: active / active_30, NULL when nobody was active in 30 days"),
        Column("registered", LONG, "of kind member: members registered by the end of the period, or by as_of"),
        Column("activity_rate", DOUBLE, "of kind member: active / registered, NULL when nobody is registered"),
        Column("relative_error", DOUBLE, "standard error of an estimate, relative to it; NULL: exact"),
    ),
)

ACTIVITY_SKETCHES = Table(
    "gold",
    "activity_sketches",
    grain="one value of a dimension on a business date; only with activity.approximate",
    key=("active_on", "dimension", "dimension_value"),
    columns=(
        Column("active_on", DATE, "the business date", required=True),
        Column("dimension", STRING, "as in active_counts", required=True),
        Column("dimension_value", STRING, "its value", required=True),
        Column("sketch", BINARY, "HyperLogLog sketch of the subjects; hll_union, hll_sketch_estimate", required=True),
    ),
)

ACTIVITY_CHANGES = Table(
    "gold",
    "activity_changes",
    grain="one window and one value of a dimension on a date: what begins and ends; active_counts are made of it",
    key=("window", "dimension", "dimension_value", "due_on"),
    columns=(
        Column("window", STRING, "as in active_counts", required=True),
        Column("dimension", STRING, "as in active_counts", required=True),
        Column("dimension_value", STRING, "its value", required=True),
        Column(
            "due_on", DATE, "first day of the period; of a rolling window its last; also after as_of", required=True
        ),
        Column(
            "active",
            LONG,
            "active in the period; of a rolling window: how many more than the day before",
            required=True,
        ),
        Column("new", LONG, "as in active_counts, 0 for rolling windows", required=True),
        Column("retained", LONG, "as in active_counts, 0 for rolling windows", required=True),
        Column("resurrected", LONG, "as in active_counts, 0 for rolling windows", required=True),
        Column("dormant", LONG, "as in active_counts, 0 for rolling windows", required=True),
    ),
)

RETENTION = Table(
    "gold",
    "retention",
    grain="one cohort at an offset",
    key=("grain", "cohort_start", "offset"),
    partitioned_by=("grain",),
    columns=(
        Column("grain", STRING, "week or month", required=True),
        Column("cohort_start", DATE, "first day of the period in which the subjects were new", required=True),
        Column("offset", INT, "periods after it", required=True),
        Column("subjects", LONG, "subjects of the cohort", required=True),
        Column("retained", LONG, "of them active in the period at the offset", required=True),
        Column("rate", DOUBLE, "retained / subjects", required=True),
        Column("rolling_retained", LONG, "of them active in that period or in a later one, by as_of", required=True),
        Column("rolling_rate", DOUBLE, "rolling_retained / subjects", required=True),
        Column("is_complete", BOOL, "the whole period is not after as_of; else the cell still grows", required=True),
    ),
)

RFE_SCORES = Table(
    "gold",
    "rfe_scores",
    grain="one subject with a visit in the look-back, as of a day",
    key=("as_of", "subject_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("subject_id", STRING, "the member when known by as_of, else the visitor", required=True),
        Column("is_member", BOOL, "the subject is a member", required=True),
        Column("recency_days", INT, "days from the last visit to as_of, 0 = the same day", required=True),
        Column("frequency", LONG, "visits: sessions, or active days without them", required=True),
        Column("engagement", DOUBLE, "sum of the weights of its events", required=True),
        Column("r_score", INT, "1 (longest ago) to rfe.tiles (latest)", required=True),
        Column("f_score", INT, "1 (fewest) to rfe.tiles (most)", required=True),
        Column("e_score", INT, "1 (least) to rfe.tiles (most)", required=True),
        Column("score_code", STRING, "the three scores, 313, or 10-9-3 for ten tiles", required=True),
        Column("score_sum", INT, "sum of the three scores", required=True),
        Column("rank", LONG, "1 + subjects with a higher score_sum; ties share", required=True),
        Column("segment", STRING, "first rule that matches", required=True),
    ),
)

TABLES = (SUBJECT_IDENTITY, ACTIVITY_DAYS, ACTIVITY_CHANGES, ACTIVE_COUNTS, ACTIVITY_SKETCHES, RETENTION, RFE_SCORES)
