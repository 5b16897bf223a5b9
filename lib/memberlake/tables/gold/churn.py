"""Who has left, who is about to, and how well the models do."""

from pyspark.sql.types import ArrayType, StructField, StructType

from memberlake.churn.features import DECLARED
from memberlake.lake.contract import BOOL, DATE, DOUBLE, LONG, STRING, STRINGS, Column, Table
from memberlake.tables.gold.common import AS_OF

FACTORS = ArrayType(
    StructType([StructField("feature", STRING), StructField("value", DOUBLE), StructField("effect", DOUBLE)])
)
STRETCHES = ArrayType(StructType([StructField("churned_on", DATE), StructField("back_on", DATE)]))

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
        Column("known_on", DATE, "first day of registration or a counted order", required=True),
        Column("is_churned", BOOL, "some enabled rule holds", required=True),
        Column("kind", STRING, "explicit when an explicit rule holds, else implicit; NULL when not churned"),
        Column("permanence", STRING, "permanent when such a rule holds, else temporary; NULL when not churned"),
        Column("rules", STRINGS, "names of the rules that hold", required=True),
        Column("churned_on", DATE, "first day since which some rule has held, NULL when not churned"),
        Column("came_back_on", DATE, "day on which the last churn ended, NULL while churned and when there was none"),
        Column(
            "stretches",
            STRETCHES,
            "every churn since known_on, by time: first day, and the day they were back, NULL while churned",
            required=True,
        ),
    ),
)

CHURN_FEATURES = Table(
    "gold",
    "churn_features",
    grain="one member who can be scored, as of a day",
    key=("as_of", "member_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("member_id", STRING, "the member", required=True),
        *[
            Column(
                f.name,
                STRING if f.is_text else DOUBLE,
                f.about + (f", in the last {f.window} days" if f.window else ""),
            )
            for f in DECLARED
        ],
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
        Column(
            "top_factors",
            FACTORS,
            "the three features that moved the score most; effects are of the score before calibration",
        ),
    ),
)

CHURN_MODELS = Table(
    "gold",
    "churn_models",
    grain="one model that was trained",
    key=("model_name", "model_version"),
    columns=(
        AS_OF,
        Column("model_name", STRING, "registered model", required=True),
        Column("model_version", STRING, "its version", required=True),
        Column("model", STRING, "random_forest, ...", required=True),
        Column("run_id", STRING, "its run in MLflow", required=True),
        Column("tested_on", DATE, "snapshot of the test", required=True),
        Column("examples", LONG, "members in the test", required=True),
        Column("base_rate", DOUBLE, "share of churners in the test", required=True),
        Column("pr_auc", DOUBLE, "area under precision and recall in the test", required=True),
        Column("roc_auc", DOUBLE, "area under the ROC curve in the test", required=True),
        Column("brier", DOUBLE, "mean squared error of the probability in the test", required=True),
        Column("ece", DOUBLE, "expected calibration error in the test, over deciles", required=True),
        Column("recency_pr_auc", DOUBLE, "pr_auc of recency alone on the same test", required=True),
        Column("champion_pr_auc", DOUBLE, "pr_auc of the champion of then on the same test, NULL when there was none"),
        Column(
            "is_promoted",
            BOOL,
            "it passed the gate when it was trained; whether it is champion now, `memberlake models` says",
            required=True,
        ),
        Column("reason", STRING, "why, or why not", required=True),
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

TABLES = (CHURN_STATUS, CHURN_FEATURES, CHURN_MODELS, CHURN_SCORES, MODEL_MONITORING)
