"""What the report says in both languages: every text is there, and numbers are written as people read them."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.conftest import configured
from tests.pages import RULES, D

from memberlake import conf, jobs
from memberlake.churn import features
from memberlake.conf.kpi import MEMBER_DIMENSIONS, ORDER_DIMENSIONS
from memberlake.kpi.metrics import METRICS
from memberlake.report import texts
from memberlake.report.facts import DEFINED, Facts
from memberlake.report.kpi import fraction
from memberlake.report.pages import every
from memberlake.report.texts import Said, number, slope


def test_every_text_is_there_in_both_languages() -> None:
    def said(node: Any) -> list[Said]:
        if isinstance(node, Said):
            return [node]
        values = node.values() if isinstance(node, dict) else node if isinstance(node, tuple) else ()
        return [text for value in values for text in said(value)]

    found = said((texts.PAGES, texts.UI, texts.HEADERS, texts.WORDS, texts.BLOCKS, texts.ALERTS, texts.MISSING))
    found += said((texts.FEATURES, texts.VERDICTS, texts.MEASURES, texts.FORETOLD, texts.TERMS))
    found += [text for of in DEFINED.values() for text in (of.label, of.sentence, of.formula)]
    assert len(found) > 200
    assert all(text.en and text.zh for text in found)
    found = [text for text in found if text not in {texts.UI["switch"], texts.UI["slope"]}]
    assert all(any(ord(c) > 0x2E80 for c in text.zh) or text.en == text.zh for text in found)


def test_words_of_the_project_are_there_in_both_languages() -> None:
    rules = configured()
    page = (conf.project_home() / "docs" / "coupons.md").read_text(encoding="utf-8")
    others = page[page.index("Other flags:") :].partition("\n\n")[0]
    flags = {*re.findall(r"flag `(\w+)`", page), *re.findall(r"`(\w+)`", others)}
    assert len(flags) > 10
    named = {rule.name for rule in rules.churn.rules if rule.enabled} | {*rules.kpi.goals}
    dimensions = {name for metric in METRICS.values() for name in rules.kpi.dimensions_of(metric)}
    known = {*dimensions, *MEMBER_DIMENSIONS, *ORDER_DIMENSIONS}
    assert (flags | named | known) - texts.WORDS.keys() == set()


def test_every_feature_has_a_short_name_in_both_languages_and_nothing_else_has() -> None:
    assert texts.FEATURES.keys() == set(features.NAMES)
    assert len(set(texts.FEATURES.values())) == len(features.NAMES)
    for name, said in texts.FEATURES.items():
        assert len(said.en) <= 28, name  # it stands beside a bar, on a phone too
        assert len(said.zh) <= 14, name
        assert name not in said, name
        assert any(ord(c) > 0x2E80 for c in said.zh), name


def test_a_command_that_brings_data_is_one_that_there_is() -> None:
    assert {of.job for of in texts.MISSING.values() if of.job} <= {job.name for job in jobs.every()}


def test_every_block_explains_itself() -> None:
    """A press of its button says more than its note again."""
    for page in every(Facts({}, D, "lake", RULES)):
        for found in page.blocks:
            assert found.defined, (page.key, found.key)
    used = {name for block in texts.BLOCKS.values() for name in block.terms}
    assert used == texts.TERMS.keys()
    for labels in zip(*(label for label, _ in texts.TERMS.values()), strict=True):
        assert len(set(labels)) == len(labels)  # the definitions of a page hold each label once


def test_names_of_settings_are_for_those_who_set_them() -> None:
    for of in DEFINED.values():
        assert "kpi." not in "".join((*of.sentence, *of.formula))
    for page in every(Facts({}, D, "lake", RULES)):
        for found in page.blocks:
            assert "{" not in "".join((*found.title, *found.note))


@pytest.mark.parametrize(
    ("value", "form", "en", "zh"),
    [
        (None, "count", "–", "–"),
        (0, "count", "0", "0"),
        (1234567, "count", "1,234,567", "1,234,567"),
        (12_345_678, "count", "12.3 M", "1,235 万"),
        (-12_345_678.0, "money", "-¥12.3 M", "-¥1,235 万"),
        (999.5, "money", "¥999.50", "¥999.50"),
        (-1908.6, "money", "-¥1,909", "-¥1,909"),
        (0.1234, "share", "12.3%", "12.3%"),
        (1.5, "ratio", "1.500", "1.500"),
        (12.3456, "ratio", "12.346", "12.346"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float | None, form: str, en: str, zh: str) -> None:
    assert number(value, form, "CNY") == Said(en, zh)


@pytest.mark.parametrize(
    ("value", "form", "period", "en", "zh"),
    [
        (None, "share", "month", "–", "–"),
        (0.0037, "share", "month", "+0.37 pts a month", "+0.37 个百分点/月"),
        (-0.0037, "share", "week", "-0.37 pts a week", "-0.37 个百分点/周"),
        (0.00001, "share", "day", "±0.00 pts a day", "±0.00 个百分点/日"),
        (-0.0096, "count", "month", "±0.0 a month", "±0.0/月"),
        (-2.345, "count", "month", "-2.3 a month", "-2.3/月"),
        (1234.5, "count", "month", "+1,234 a month", "+1,234/月"),
        (-12_345_678.0, "count", "month", "-12.3 M a month", "-1,235 万/月"),
        (-1908.6, "money", "month", "-¥1,909 a month", "-¥1,909/月"),
        (0.0, "money", "month", "±¥0 a month", "±¥0/月"),
        (-0.0104, "ratio", "month", "-0.010 a month", "-0.010/月"),
    ],
)
def test_a_slope_has_the_unit_of_what_rises(value: float | None, form: str, period: str, en: str, zh: str) -> None:
    assert slope(value, form, period, "CNY") == Said(en, zh)


def test_the_parts_of_a_number_are_exact_however_large() -> None:
    revenue = {"numerator": 12_345_678_901.25, "denominator": 1_234_567.0}
    facts = Facts({}, D, "lake", RULES)
    assert fraction(facts, revenue, DEFINED["average_order_value"]) == "¥12,345,678,901.25 / 1,234,567"
