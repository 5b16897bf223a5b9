"""What a failure is reported as."""

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
        (
            "[MALFORMED_CSV_RECORD] Malformed CSV record: m1,a@b.c SQLSTATE: KD000",
            "RuntimeError: [MALFORMED_CSV_RECORD] a",
        ),
        (
            "[DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] CHECK constraint violated by row with values: m1 SQLSTATE: 23001",
            "RuntimeError: [DELTA_VIOLATE_CONSTRAINT_WITH_VALUES] a value cannot",
        ),
        ("java.io.IOException: No space left on device", "no space left on the device of the lake"),
        (
            "An error occurred while calling o7.isEmpty.\n: org.apache.spark.SparkException: [FAILED_READ] x\n\tat y",
            "SparkException: [FAILED_READ] x",
        ),
        ("", "RuntimeError: RuntimeError"),
    ],
    ids=["without the stack", "without the value", "without the line", "without the row", "disk", "Java", "nothing"],
)
def test_a_failure_in_a_few_lines(said: str, told: str) -> None:
    assert runner.message(RuntimeError(said)).startswith(told)
