"""What a block without data says: why there is nothing, and the commands that bring it."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from memberlake.report.facts import Facts
from memberlake.report.texts import MISSING, Said

# what must be there before, as keys of MISSING, which are those of the facts' rows
_BEFORE = {"alerts": ["kpi"], "risks": ["models"], "monitoring": ["models"]}
_MADE_OF = {"gold.active_counts": "actives", "gold.churn_status": "churned"}


def reason(facts: Facts, needs: str, sources: AbstractSet[str]) -> tuple[Said, list[str]]:
    """Why there is nothing, and the commands that bring it: not the one that has just brought nothing."""
    if not MISSING[needs].job:
        return MISSING[needs].why, []
    counted = {table for table in sources if table.startswith("silver.")}
    made_of = sources & _MADE_OF.keys() if not counted else ()  # else there would be the part that silver brings
    before = [*_BEFORE.get(needs, ()), *(_MADE_OF[table] for table in sorted(made_of))]
    chain = [MISSING[name] for name in [*(name for name in before if not facts.of(name)), needs]]
    wanted = counted.union(*(of.tables for of in chain))
    empty = {table for table in wanted if facts.is_empty.get(table)}
    first, steps = chain[0], [facts.command(of.job) for of in chain]
    why = first.why if needs == "kpi" else MISSING[needs].why
    has_run = facts.has_run(first.job) or (first.job == "kpi" and bool(facts.of("kpi")))
    # a metric may do with some of the tables, a job needs all of its own
    is_lacking = empty == wanted if needs == "kpi" else empty
    if not has_run and not (wanted and is_lacking):
        return why, steps
    if not wanted:
        return why, []  # time will bring it
    if empty:
        why = MISSING["empty"].why.of(tables=", ".join(sorted(empty)))
    elif first.job == "kpi":  # a table that is known to have rows is not what lacks, unless all are
        why = MISSING["sources"].why.of(tables=", ".join(sorted(wanted - facts.is_empty.keys() or wanted)))
    return why, [facts.ingest(), *steps]
