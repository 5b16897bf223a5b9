"""Gold: what jobs compute. A module for each domain."""

from memberlake.tables.gold import activity, churn, coupons, kpi, value

TABLES = (*value.TABLES, *coupons.TABLES, *activity.TABLES, *churn.TABLES, *kpi.TABLES)
