"""What a query plan costs, read from plans as Spark ran them: scans, shuffles, windows, joins, and what will not scale.

Everything here is text and numbers; the plans come from `memberlake.lake.session.watched`.

What is warned of is decided by the shape of the plan, never by the number of rows: a small lake must tell the same as
a large one. Rows are *bounded* when the plan itself limits them, however large the tables are: a limit, an aggregate
without keys (a row a task, then one row), rows written in the code, and what is computed from such rows alone. A
grouped aggregate is not bounded, since groups may grow. It is warned of

- rows that meet in one task (`Exchange SinglePartition`, `coalesce(1)`), unless they are bounded;
- a window without PARTITION BY, unless its rows are bounded;
- a product of rows, by a Cartesian or a nested-loop join, unless one side is bounded. Which side is broadcast says
  nothing: Spark takes the smaller one, and on a small lake that may be the table;
- an operator that spilled to disk.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple


class Node(NamedTuple):
    """An operator. `metrics` are values as Spark shows them, by name; `identity` is the same wherever it is seen."""

    id: int
    name: str
    text: str
    metrics: Mapping[str, str]
    identity: tuple[int, ...] = ()

    def rows(self, metric: str = "number of output rows") -> int | None:
        found = re.match(r"[\d,]+", self.metrics.get(metric, ""))
        return int(found[0].replace(",", "")) if found else None

    def bytes(self, metric: str) -> int | None:
        """Spark shows bytes with one decimal of their unit; so they are rounded. The first is the total."""
        found = re.search(r"([\d.,]+) ([KMGTPE]i)?B", self.metrics.get(metric, ""))
        return (
            round(float(found[1].replace(",", "")) * 1024 ** " KMGTPE".index((found[2] or " ")[0])) if found else None
        )

    @property
    def arguments(self) -> list[str]:
        """What follows the name, without the numbers that Spark gives to columns."""
        return _split(re.sub(r"^\w+ ?", "", _plain(self.text)))


@dataclass(frozen=True)
class Graph:
    """The plan of one query. Nodes from the result down to the scans; edges from child to parent."""

    nodes: Sequence[Node]
    edges: Sequence[tuple[int, int]]

    def below(self, node: Node) -> list[Node]:
        return [self._by_id[child] for child in sorted(child for child, parent in self.edges if parent == node.id)]

    def above(self, node: Node) -> list[Node]:
        return [self._by_id[parent] for child, parent in self.edges if child == node.id]

    def is_bounded(self, node: Node) -> bool:
        """True when the plan limits the rows that the node gives, however large the tables are."""
        if node.name in _BOUNDED or node.name.startswith("Scan OneRowRelation"):
            return True
        if re.match(r"\w*Aggregate\(keys?=\[\], ", node.text):
            return not _HOLDS_ALL.search(node.text)
        below = self.below(node)
        return bool(below) and all(self.is_bounded(child) for child in below)

    @property
    def is_of_the_log(self) -> bool:
        """True for a query of Delta's own over a table's log, which is none of the job's."""
        return any(re.search(r"/_delta_log\b|DeltaLogFileIndex|ExistingRDD\[txn#", node.text) for node in self.nodes)

    def upward(self) -> Iterator[Node]:
        """Every node after those that feed it, in the order of the sides of a join."""
        fed = {child for child, _ in self.edges}
        passed: set[int] = set()

        def visit(node: Node) -> Iterator[Node]:
            if node.id not in passed:
                passed.add(node.id)
                for child in self.below(node):
                    yield from visit(child)
                yield node

        for root in self.nodes:
            if root.id not in fed:
                yield from visit(root)

    @cached_property
    def _by_id(self) -> dict[int, Node]:
        return {node.id: node for node in self.nodes}


@dataclass(frozen=True)
class Scan:
    """One scan of files, after Delta has left out those that cannot hold a row that is asked for."""

    place: str
    files: int | None
    bytes: int | None
    rows: int | None


@dataclass(frozen=True)
class Shuffle:
    """Rows sent from task to task. Bytes are compressed, as they are written."""

    by: str
    partitions: int | None
    rows: int | None
    bytes: int | None


@dataclass(frozen=True)
class Window:
    partition_by: str
    order_by: str


@dataclass(frozen=True)
class Join:
    """A join. `broadcast_rows` are those of the side that every executor gets whole."""

    kind: str
    how: str
    on: str
    broadcast_rows: int | None
    rows: int | None


@dataclass(frozen=True)
class Plan:
    """What the queries of a job do, in the order in which the rows come by."""

    scans: list[Scan] = field(default_factory=list)
    shuffles: list[Shuffle] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    joins: list[Join] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def analysed(graphs: Sequence[Graph]) -> Plan:
    """What queries do. An operator that several of them show, such as those of a kept frame, is counted once."""
    plan = Plan()
    for graph, node in _operators(graphs):
        if node.name.startswith("Scan ") and (place := _place(node)):
            size = node.bytes("size of files read")
            plan.scans.append(Scan(place, node.rows("number of files read"), size, node.rows()))
        elif node.name == "Exchange":
            plan.shuffles.append(_shuffle(node))
        elif node.name == "Window":
            plan.windows.append(_window(node))
        elif node.name in _JOINS:
            plan.joins.append(_join(graph, node))
        plan.warnings.extend(_warnings(graph, node))
    return plan


_JOINS = {
    "BroadcastHashJoin": "broadcast",
    "SortMergeJoin": "sort-merge",
    "ShuffledHashJoin": "shuffled hash",
    "BroadcastNestedLoopJoin": "nested loop",
    "CartesianProduct": "Cartesian",
}
_PRODUCTS = ("BroadcastNestedLoopJoin", "CartesianProduct")
_BOUNDED = {
    *("LocalLimit", "GlobalLimit", "CollectLimit", "TakeOrderedAndProject"),
    *("LocalTableScan", "Range", "CommandResult", "EmptyRelation"),
}
# one row, but with something of every row in it
_HOLDS_ALL = re.compile(
    r"\b(?:partial_|merge_)?(?:collect_list|collect_set|listagg|percentile|mode|histogram_numeric)\("
)
_NOTHING = re.compile(r"0(\.0)?( \w+)?")  # what the query of a frame that is there already tells of its operators
_PASSED = {"Sort", "Project", "Filter", "AQEShuffleRead", "WindowGroupLimit"}


def _operators(graphs: Sequence[Graph]) -> Iterator[tuple[Graph, Node]]:
    """Each operator once, scans first. A metric of a kept frame has its value in the query that computed it."""
    kept: dict[object, tuple[Graph, Node]] = {}
    for graph in graphs:
        if graph.is_of_the_log:
            continue
        for node in graph.upward():
            same = node.identity or (id(graph), node.id)
            if same in kept:
                first, before = kept[same]
                found = {name: v for name, v in before.metrics.items() if not _NOTHING.fullmatch(v)}
                kept[same] = first, before._replace(metrics={**before.metrics, **node.metrics, **found})
            else:
                kept[same] = graph, node
    yield from kept.values()


def _warnings(graph: Graph, node: Node) -> Iterator[str]:
    below = graph.below(node)
    grows = not all(graph.is_bounded(child) for child in below)
    if node.name == "Window" and grows and not (window := _window(node)).partition_by:
        yield f"a window without PARTITION BY (order by {window.order_by or 'nothing'}) takes all rows in one task"
    meets = _shuffle(node).by == "one task" or node.text == "Coalesce 1"
    if meets and grows and (reason := _next(graph, node)) != "Window":  # which is warned of by itself
        yield f"all rows meet in one task, for {reason}"
    if node.name in _PRODUCTS and not any(graph.is_bounded(side) for side in below):
        yield f"a {_JOINS[node.name]} join of rows that grow on both sides: every row is held against every other"
    if spilled := node.bytes("spill size"):
        yield f"{node.name} {', '.join(node.arguments[:1])} spilled {spilled:,} bytes to disk"


def _next(graph: Graph, node: Node) -> str:
    """The operator that the rows are brought together for."""
    above = graph.above(node)
    while above and above[0].name in _PASSED:
        above = graph.above(above[0])
    return above[0].name if above and not above[0].name.startswith("AdaptiveSparkPlan") else "the result"


def _place(node: Node) -> str | None:
    """Where the files of a scan are; the table's name when a catalog gave it."""
    name = re.match(r"Scan \w+ (\S+)", node.name)
    found = re.search(r"Location: \w+\(\d+ paths\)\[(.*?)\](?:, PartitionFilters|$)", node.text)
    return name[1] if name else found[1] if found else None


def _shuffle(node: Node) -> Shuffle:
    found = re.match(r"Exchange (\w+)(?:\((.*)\))?, [A-Z]+(?:_[A-Z]+)+(?:, |$)", _plain(node.text))
    kind, inner = (found[1], found[2] or "") if found else ("", "")
    *keys, partitions = _split(inner) or [""]
    kinds = {
        "SinglePartition": "one task",
        "hashpartitioning": ", ".join(keys),
        "rangepartitioning": f"ranges of {', '.join(map(_direction, keys))}",
        "RoundRobinPartitioning": "round robin",
    }
    planned = int(partitions) if partitions.isdigit() else None
    counted = node.rows("number of partitions")
    rows, size = node.rows("shuffle records written"), node.bytes("shuffle bytes written")
    return Shuffle(kinds.get(kind, kind), planned if counted is None else counted, rows, size)


def _window(node: Node) -> Window:
    """An empty list is not in the text: an order shows its direction, a partition does not."""
    lists = [_split(part[1:-1]) for part in node.arguments[1:] if part.startswith("[")]
    is_order = re.compile(r" (ASC|DESC) NULLS (FIRST|LAST)$")
    partition = next((part for part in lists if not is_order.search(part[0])), [])
    order = next((part for part in lists if is_order.search(part[0])), [])
    return Window(", ".join(partition), ", ".join(map(_direction, order)))


def _join(graph: Graph, node: Node) -> Join:
    lists = [_split(part[1:-1]) for part in node.arguments if part.startswith("[")]
    words = [part for part in node.arguments if not part.startswith("[")]
    how = next((word for word in words if not word.startswith("Build")), "Inner")
    if len(lists) > 1:
        on = ", ".join(a if a == b else f"{a} = {b}" for a, b in zip(*lists[:2], strict=False))
    else:
        on = ", ".join(w for w in words if w.startswith("("))
    broadcast = [child.rows() for child in graph.below(node) if "BroadcastExchange" in child.name]
    how = "Inner" if how.startswith("(") else how
    return Join(_JOINS[node.name], how, on, broadcast[0] if broadcast else None, node.rows())


def _direction(order: str) -> str:
    return re.sub(r" ASC NULLS \w+$", "", re.sub(r" DESC NULLS \w+$", " desc", order))


def _plain(text: str) -> str:
    return re.sub(r"#\d+L?\b", "", text)


def _split(text: str) -> list[str]:
    """Splits at the commas that are in no bracket."""
    parts, depth, start = [], 0, 0
    for at, sign in enumerate(text):
        depth += (sign in "([{") - (sign in ")]}")
        if sign == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return [part for part in (*parts, text[start:].strip()) if part]
