"""Which copy of a coupon an event without a voucher number is of.

A member may hold several copies at once, and only their events tell them apart: a matching of parentheses, for which
window functions are no help. So it is a Python function over the events of a member, in time linear in them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, IntegerType


@dataclass(eq=False)
class _Copy:
    number: int
    is_claimed: bool = False
    is_redeemed: bool = False
    is_voided: bool = False

    @property
    def is_open(self) -> bool:
        return not (self.is_redeemed or self.is_voided)


def copies(kinds: Sequence[str], instants: Sequence[int]) -> list[int]:
    """The number of each event's copy; 0 is the first that came to be known.

    An issue makes a copy known. A claim, redemption, return or void is of the last copy that can take it: see
    docs/coupons.md. One that none can take makes another copy known, whose issue nobody recorded. An event of the
    kind and instant of the one before repeats it.

    Args:
        kinds: event types, in the order of the state of vouchers.
        instants: of the same events; only told apart.
    """
    found: list[_Copy] = []
    # by when they became so; what is no longer so is dropped when it is met
    opened: list[_Copy] = []
    to_claim: list[_Copy] = []
    unclaimed: list[_Copy] = []
    redeemed: list[_Copy] = []
    voided: list[_Copy] = []
    newest: _Copy | None = None
    count = 0
    for n, kind in enumerate(kinds):
        if n and (kind, instants[n]) == (kinds[n - 1], instants[n - 1]):
            found.append(found[-1])
            continue
        copy = None
        if kind == "claimed":
            copy = _last(to_claim, lambda c: c.is_open and not c.is_claimed)
            copy = copy or _last(unclaimed, lambda c: not c.is_claimed)
        elif kind == "redeemed":
            copy = _last(opened, lambda c: c.is_open) or _last(voided, lambda c: c.is_voided and not c.is_redeemed)
        elif kind == "returned":
            copy = _last(redeemed, lambda c: c.is_redeemed) or newest
        elif kind == "voided":
            copy = _last(opened, lambda c: c.is_open) or newest
        was_open = copy is not None and copy.is_open
        if copy is None:
            copy = newest = _Copy(count)
            unclaimed.append(copy)
            count += 1
        if kind == "claimed":
            copy.is_claimed = True
        elif kind == "redeemed":
            copy.is_redeemed = True
            redeemed.append(copy)
        elif kind == "returned":
            copy.is_redeemed = False
        elif kind == "voided":
            copy.is_voided = True
        if kind in ("returned", "voided") and copy.is_voided:
            voided.append(copy)
        if copy.is_open and not was_open:
            opened.append(copy)
            to_claim.append(copy)
        found.append(copy)
    return [copy.number for copy in found]


def _last(stack: list[_Copy], holds: Callable[[_Copy], bool]) -> _Copy | None:
    while stack and not holds(stack[-1]):
        stack.pop()
    return stack[-1] if stack else None


_copies = F.udf(copies, ArrayType(IntegerType()), useArrow=False)


def copy_of_each(events: str) -> Column:
    """The copies of an array of events (event_type, occurred_at), in its order."""
    return _copies(F.col(f"{events}.event_type"), F.transform(events, lambda e: F.unix_micros(e["occurred_at"])))
