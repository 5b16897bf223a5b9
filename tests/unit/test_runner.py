"""What is told of a failure."""

from __future__ import annotations

import pytest

from memberlake import runner


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("one\n\n\tat java.lang\ntwo", "RuntimeError: one two"),
        (
            "[CAST_INVALID_INPUT] The value 'a@b.c' of the type \"STRING\" cannot be cast. SQLSTATE: 22018\n== SQL ==",
            "RuntimeError: [CAST_INVALID_INPUT] a value cannot be computed with",
        ),
        ("java.io.IOException: No space left on device", "no space left on the device of the lake"),
        ("", "RuntimeError: RuntimeError"),
    ],
    ids=["without the stack", "without the value", "disk", "nothing"],
)
def test_a_failure_in_a_few_lines(said: str, told: str) -> None:
    assert runner.told(RuntimeError(said)).startswith(told)
