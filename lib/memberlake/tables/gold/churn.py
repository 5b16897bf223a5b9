"""Who has left, who is about to, and how well the models do."""

from pyspark.sql.types import ArrayType, StructField, StructType

from memberlake.lake.contract import BOOL, DATE, DOUBLE, STRING, STRINGS, Column, Table
from memberlake.tables.gold.common import AS_OF

FACTORS = ArrayType(
    StructType([StructField("feature", STRING), StructField("value", DOUBLE), StructField("effect", DOUBLE)])
)

CHURN_STATUS = Table(
    "gold",
    "churn_status",
    grain="one member, as of a day",
    key=("as_of", "member_id"),
    partitioned_by=("as_of",),
    keeps_changes=True,  # gold.kpi asks which days they touch
    columns=(
        AS_OF,
        Column("member_id", STRING, "the member", required=True),
        Column("is_churned", BOOL, "some enabled rule holds", required=True),
        Column("kind", STRING, "explicit when an explicit rule holds, else implicit; NULL when not churned"),
        Column("permanence", STRING, "permanent when such a rule holds, else temporary; NULL when not churned"),
        Column("rules", STRINGS, "names of the rules that hold", required=True),
        Column("churned_on", DATE, "first day since which some rule has held, NULL when not churned"),
    ),
)

CHURN_SCORES = Table(
    "gold",
    "churn_scores",
    grain="one scored member, as of a day",
    key=("as_of", "member_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("member_id", STRING, "the member", required=True),
        Column("model_name", STRING, "registered model", required=True),
        Column("model_version", STRING, "its version", required=True),
        Column("probability", DOUBLE, "calibrated probability to churn within the horizon", required=True),
        Column("predicted_churn", BOOL, "the probability reaches the model's threshold", required=True),
        Column("risk_band", STRING, "by churn.bands", required=True, allowed=("high", "medium", "low")),
        Column("top_factors", FACTORS, "the three features that moved the probability most"),
    ),
)

MODEL_MONITORING = Table(
    "gold",
    "model_monitoring",
    grain="one metric of a model, as of a day",
    key=("model_name", "model_version", "as_of", "metric"),
    partitioned_by=("as_of",),
    columns=(
        Column("model_name", STRING, "registered model", required=True),
        Column("model_version", STRING, "its version", required=True),
        AS_OF,
        Column("metric", STRING, "psi:<feature>, psi:score, pr_auc, ...", required=True),
        Column("value", DOUBLE, "its value, NULL when it cannot be had"),
        Column("threshold", DOUBLE, "the limit from the settings, NULL without one"),
        Column("is_alert", BOOL, "the value is beyond the limit"),
    ),
)

TABLES = (CHURN_STATUS, CHURN_SCORES, MODEL_MONITORING)
