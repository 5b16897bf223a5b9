"""What is read from plans, on plans written out: the text of the operators is Spark's own. Nothing here needs Spark."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from memberlake.plans import Graph, Join, Node, Plan, Scan, Shuffle, Window, analysed

ORDERS = (
    "FileScan parquet [member_id#1,net_amount#2] Batched: true, DataFilters: [], Format: Parquet, "
    "Location: PreparedDeltaFileIndex(1 paths)[file:/a lake, mine/silver/orders], PartitionFilters: []"
)
BY_MEMBER = "HashAggregate(keys=[member_id#1], functions=[count(1)])"
ONE_TASK = "Exchange SinglePartition, ENSURE_REQUIREMENTS, [plan_id=9]"
BY_KEY = "Exchange hashpartitioning(member_id#1, coalesce(A_B#3, x), 8), ENSURE_REQUIREMENTS, [plan_id=7]"
BROADCAST = "BroadcastExchange IdentityBroadcastMode, [plan_id=3]"
NESTED = "BroadcastNestedLoopJoin BuildRight, Cross"
NO_PARTITION = (
    "Window [row_number() windowspecdefinition(a#1 DESC NULLS LAST) AS r#4], [a#1 DESC NULLS LAST, b#2 ASC NULLS FIRST]"
)


def plan(*lines: str, metrics: Mapping[str, Mapping[str, str]] | None = None) -> Graph:
    """The graph of a tree written with two blanks a level; metrics by operator."""
    nodes: list[Node] = []
    edges: list[tuple[int, int]] = []
    open_nodes: list[int] = []
    for n, line in enumerate(lines):
        text = line.lstrip()
        del open_nodes[(len(line) - len(text)) // 2 :]
        if open_nodes:
            edges.append((n, open_nodes[-1]))
        open_nodes.append(n)
        name = re.findall(r"^Scan \w+|^\w+", text.removeprefix("File"))[0]
        nodes.append(Node(n, name, text, (metrics or {}).get(name, {})))
    return Graph(nodes, edges)


def tree(*texts: str) -> list[str]:
    """A chain of operators, each fed by the next."""
    return ["  " * n + text for n, text in enumerate(texts)]


def test_scans_shuffles_windows_and_joins_are_read_in_the_order_of_the_rows() -> None:
    totals = "total (min, med, max (stageId: taskId))\n"
    metrics = {
        "Scan parquet": {
            "number of files read": "1,234",
            "size of files read": "5.5 KiB",
            "number of output rows": "1,000,000",
        },
        "Exchange": {
            "number of partitions": "8",
            "shuffle records written": "12",
            "shuffle bytes written": totals + "1588.0 B (794.0 B, 794.0 B, 794.0 B (stage 13.0: task 12))",
        },
        "BroadcastExchange": {"number of output rows": "3"},
        "BroadcastHashJoin": {"number of output rows": "2,500"},
    }
    found = plan(
        "BroadcastHashJoin [scope#1, sum(a#2, b#3)], [scope#7, total#8], LeftOuter, BuildRight, false, false",
        "  Window [max(x#1) windowspecdefinition(p#3) AS _w#2], [p#3, f(q#4, 1)], [x#1 ASC NULLS FIRST]",
        f"    {BY_KEY}",
        f"      {ORDERS}",
        "  BroadcastExchange HashedRelationBroadcastMode(List(input[0, string, false]),false), [plan_id=513]",
        "    LocalTableScan [scope#7, total#8]",
        metrics=metrics,
    )
    assert analysed([found]) == Plan(
        scans=[Scan("file:/a lake, mine/silver/orders", 1234, 5632, 1_000_000)],
        shuffles=[Shuffle("member_id, coalesce(A_B, x)", 8, 12, 1588)],
        windows=[Window("p, f(q, 1)", "x")],
        joins=[Join("broadcast", "LeftOuter", "scope, sum(a, b) = total", 3, 2500)],
    )


@pytest.mark.parametrize(
    ("text", "by", "partitions"),
    [
        ("Exchange SinglePartition, REPARTITION_BY_NUM, [plan_id=1]", "one task", None),
        ("Exchange rangepartitioning(a#1 ASC NULLS FIRST, 200), ENSURE_REQUIREMENTS, [plan_id=1]", "ranges of a", 200),
        ("Exchange RoundRobinPartitioning(4), REPARTITION_BY_NUM, [plan_id=1]", "round robin", 4),
    ],
)
def test_kinds_of_shuffles(text: str, by: str, partitions: int | None) -> None:
    (shuffle,) = analysed([plan(*tree(text, "LocalTableScan [a#1]"))]).shuffles
    assert (shuffle.by, shuffle.partitions) == (by, partitions)


@pytest.mark.parametrize(
    ("text", "join"),
    [
        ("SortMergeJoin [a#1], [b#2], FullOuter", Join("sort-merge", "FullOuter", "a = b", None, None)),
        ("ShuffledHashJoin [a#1], [a#2], LeftAnti, BuildRight", Join("shuffled hash", "LeftAnti", "a", None, None)),
        ("CartesianProduct", Join("Cartesian", "Inner", "", None, None)),
        ("CartesianProduct (a#1 < b#2)", Join("Cartesian", "Inner", "(a < b)", None, None)),
        ("BroadcastNestedLoopJoin BuildLeft, Inner, (a#1 < b#2)", Join("nested loop", "Inner", "(a < b)", None, None)),
    ],
)
def test_kinds_of_joins(text: str, join: Join) -> None:
    assert analysed([plan(text, f"  {ORDERS}", f"  {ORDERS}")]).joins == [join]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            tree(NO_PARTITION, "Sort [a#1 DESC NULLS LAST], false, 0", ONE_TASK, ORDERS),
            "a window without PARTITION BY (order by a desc, b)",
        ),
        (tree(NO_PARTITION, ONE_TASK, BY_MEMBER, ORDERS), "a window without PARTITION BY"),
        (tree("Sort [a#1 ASC NULLS FIRST], true, 0", ONE_TASK, ORDERS), "all rows meet in one task, for the result"),
        (tree("AggregateInPandas [f(a#1)]", ONE_TASK, ORDERS), "all rows meet in one task, for AggregateInPandas"),
        (tree("Exchange SinglePartition, REPARTITION_BY_NUM, [plan_id=1]", ORDERS), "all rows meet in one task"),
        (tree("Coalesce 1", ORDERS), "all rows meet in one task"),
        (
            tree(
                "ObjectHashAggregate(keys=[], functions=[collect_list(a#1, 0, 0)])",
                ONE_TASK,
                "ObjectHashAggregate(keys=[], functions=[partial_collect_list(a#1, 0, 0)])",
                ORDERS,
            ),
            "all rows meet in one task, for ObjectHashAggregate",
        ),
        (["CartesianProduct", f"  {ORDERS}", f"  {ORDERS}"], "a Cartesian join of rows that grow on both sides"),
        ([NESTED, f"  {ORDERS}", f"  {BROADCAST}", f"    {ORDERS}"], "a nested loop join of rows that grow"),
        ([NESTED, f"  {ORDERS}", f"  {BROADCAST}", f"    {BY_MEMBER}", f"      {ORDERS}"], "a nested loop join"),
        ([NESTED, f"  {ORDERS}", f"  {BROADCAST}", "    InMemoryTableScan", f"      {ORDERS}"], "a nested loop join"),
    ],
)  # fmt: skip
def test_what_will_not_scale_is_warned_of_once(lines: list[str], said: str) -> None:
    (warning,) = analysed([plan(*lines)]).warnings
    assert warning.startswith(said)


@pytest.mark.parametrize(
    "lines",
    [
        tree(
            "HashAggregate(keys=[], functions=[max(a#1)])",
            ONE_TASK,
            "HashAggregate(keys=[], functions=[partial_max(a#1)])",
            ORDERS,
        ),
        tree("GlobalLimit 5", ONE_TASK, "LocalLimit 5", ORDERS),
        tree(NO_PARTITION, ONE_TASK, "Project [a#1]", "LocalTableScan [a#1]"),
        tree("Window [sum(a#1) windowspecdefinition(b#2) AS s#3], [b#2]", BY_KEY, ORDERS),
        [
            NESTED,
            f"  {ORDERS}",
            f"  {BROADCAST}",
            "    HashAggregate(keys=[], functions=[max(a#1)])",
            f"      {ONE_TASK}",
            "        SortAggregate(key=[], functions=[partial_max(a#1)])",
            f"          {ORDERS}",
        ],
        [NESTED, f"  {ORDERS}", f"  {BROADCAST}", "    Generate explode([1,2])", "      Scan OneRowRelation"],
        [NESTED, "  LocalTableScan [a#1]", f"  {BROADCAST}", f"    {ORDERS}"],
        tree("SortMergeJoin [a#1], [b#2], Inner", BY_KEY, ORDERS),
    ],
)  # fmt: skip
def test_what_is_harmless_is_not_warned_of(lines: list[str]) -> None:
    assert analysed([plan(*lines)]).warnings == []


def test_a_spill_is_warned_of() -> None:
    spilled = {"Sort": {"spill size": "total (min, med, max (stageId: taskId))\n1.5 MiB (0.0 B, 0.0 B, 1.5 MiB (..))"}}
    found = plan(*tree("Sort [a#1 ASC NULLS FIRST], false, 0", BY_KEY, ORDERS), metrics=spilled)
    assert analysed([found]).warnings == ["Sort [a ASC NULLS FIRST] spilled 1,572,864 bytes to disk"]


def test_an_operator_of_a_kept_frame_is_counted_once_with_its_metrics_wherever_they_are() -> None:
    exchange = Node(0, "Exchange", BY_KEY, {}, identity=(11, 12))
    ran = exchange._replace(id=4, metrics={"shuffle records written": "7"})
    shown = exchange._replace(metrics={"shuffle records written": "0"})  # in a later query
    graphs = [Graph([exchange], []), Graph([ran], []), Graph([shown], []), Graph([exchange], [])]
    assert [shuffle.rows for shuffle in analysed(graphs).shuffles] == [7]


def test_queries_of_delta_over_its_own_log_are_none_of_the_jobs() -> None:
    log = "Scan ExistingRDD Delta Table State #1 - file:/lake/silver/orders/_delta_log"
    assert analysed([plan(*tree(ONE_TASK, log))]) == Plan()
