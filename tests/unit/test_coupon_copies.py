"""Which copy of a coupon an event without a number is of."""

from __future__ import annotations

import random

import pytest
from tests.jobs import coupon_model as model
from tests.jobs.coupon_rows import Event

from memberlake.coupons.copies import copies


@pytest.mark.parametrize(
    ("story", "expected"),
    {
        "issued redeemed": [0, 0],
        "issued issued redeemed redeemed": [0, 1, 1, 0],  # both copies are used: none stays open
        "issued issued redeemed redeemed redeemed": [0, 1, 1, 0, 2],  # and one whose issue nobody recorded
        "issued issued claimed redeemed": [0, 1, 1, 1],
        "issued claimed issued redeemed": [0, 0, 1, 1],
        "claimed redeemed claimed redeemed": [0, 0, 1, 1],  # never issued: a claim is a copy
        "redeemed claimed redeemed": [0, 0, 1],  # a clock that is wrong
        "issued redeemed returned redeemed": [0, 0, 0, 0],
        "issued redeemed issued returned redeemed": [0, 0, 1, 0, 0],  # the return is of what was redeemed
        "issued issued redeemed returned redeemed redeemed": [0, 1, 1, 1, 1, 0],
        "issued voided redeemed": [0, 0, 0],  # redeemed after its void
        "issued redeemed voided": [0, 0, 0],
        "issued issued voided redeemed": [0, 1, 1, 0],
        "issued returned": [0, 0],
        "returned redeemed": [0, 0],
        "voided": [0],
    }.items(),
)
def test_stories(story: str, expected: list[int]) -> None:
    kinds = story.split()
    assert copies(kinds, range(len(kinds))) == expected


def test_a_repeat_is_of_the_copy_that_it_repeats() -> None:
    assert copies(["issued", "issued", "redeemed", "redeemed"], [1, 1, 2, 2]) == [0, 0, 0, 0]
    assert copies(["issued", "issued", "redeemed", "redeemed"], [1, 2, 3, 3]) == [0, 1, 1, 1]


def test_random_stories_end_in_what_the_model_says() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        ats = [f"2026-11-{chance.randrange(1, 15):02}" for _ in range(chance.randrange(1, 14))]
        events = [Event(f"e{n}", "K", None, chance.choice(model.RANK), at) for n, at in enumerate(ats)]
        events.sort(key=lambda e: (e.at, model.RANK.index(e.event_type), e.event_id))
        found = copies([e.event_type for e in events], [int(e.at[-2:]) for e in events])
        groups = [[e for e, copy in zip(events, found, strict=True) if copy == n] for n in range(max(found) + 1)]
        assert groups == [history for _, history, _ in model.without_number(events)]
        assert len({history[0].at for history in groups}) == len(groups)  # the first instant tells copies apart


def test_a_story_of_many_events() -> None:
    n = 200_000  # would not end if each event looked through the copies before it
    assert copies(["issued", "redeemed", "returned", "claimed"] * n, range(4 * n))[-1] == n - 1
