"""What members are worth: scores and classes."""

from memberlake.lake.contract import DOUBLE, INT, LONG, MONEY, STRING, Column, Table
from memberlake.tables.gold.common import AS_OF

_SCOPE = Column("scope", STRING, "`all`, or a product category; never mix scores of two scopes", required=True)

RFM_SCORES = Table(
    "gold",
    "rfm_scores",
    grain="one buyer of the look-back, as of a day, in a scope",
    key=("as_of", "scope", "member_id"),
    partitioned_by=("as_of",),
    checks=(
        ("recency_within", "recency_days >= 0"),
        ("frequency_within", "frequency >= 1"),
        ("scores_within", "least(r_score, f_score, m_score) >= 1 and greatest(r_score, f_score, m_score) <= 10"),
    ),
    columns=(
        AS_OF,
        _SCOPE,
        Column("member_id", STRING, "the member", required=True),
        Column("recency_days", INT, "days from the last counted order to as_of, 0 = the same day", required=True),
        Column("frequency", LONG, "counted orders in the look-back", required=True),
        Column("monetary", MONEY, "net amount by rfm.monetary: sum, mean or last order", required=True),
        Column("r_score", INT, "1 (longest ago) to rfm.tiles (latest)", required=True),
        Column("f_score", INT, "1 (fewest) to rfm.tiles (most)", required=True),
        Column("m_score", INT, "1 (least) to rfm.tiles (most)", required=True),
        Column("score_code", STRING, "the three scores, 313, or 10-9-3 for ten tiles", required=True),
        Column("score_sum", INT, "sum of the three scores", required=True),
        Column("score_weighted", DOUBLE, "scores weighted by rfm.weights, NULL without weights"),
        Column("rank", LONG, "1 + buyers of the scope with a higher score_sum; ties share", required=True),
        Column("segment", STRING, "first rule of rfm.segment_map that matches", required=True),
    ),
)

SCORE_BINS = Table(
    "gold",
    "score_bins",
    grain="who got a score: one score of a measure, as of a day",
    key=("as_of", "model", "scope", "measure", "score"),
    partitioned_by=("as_of", "model"),
    columns=(
        AS_OF,
        Column("model", STRING, "rfm or rfe", required=True),
        _SCOPE,
        Column("measure", STRING, "the scored column", required=True),
        Column("score", INT, "the score; one that no subject got has no row", required=True),
        Column("subjects", LONG, "subjects with this score", required=True),
        Column("min_value", DOUBLE, "least value of the measure among them"),
        Column("max_value", DOUBLE, "greatest value of the measure among them"),
    ),
)

ABC_CLASSES = Table(
    "gold",
    "abc_classes",
    grain="one buyer of the look-back, as of a day",
    key=("as_of", "member_id"),
    partitioned_by=("as_of",),
    columns=(
        AS_OF,
        Column("member_id", STRING, "the member", required=True),
        Column("monetary", MONEY, "net amount in the look-back", required=True),
        Column("cumulative_share", DOUBLE, "share of all amounts held by members before this one", required=True),
        Column("class", STRING, "A, B or C by cumulative_share", required=True, allowed=("A", "B", "C")),
        Column("value_tier", STRING, "high, middle or low", required=True, allowed=("high", "middle", "low")),
    ),
)

TABLES = (RFM_SCORES, SCORE_BINS, ABC_CLASSES)
