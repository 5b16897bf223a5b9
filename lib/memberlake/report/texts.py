"""Every word of the report that is not data, from texts.yaml; and how numbers are written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from importlib import resources
from typing import Any, NamedTuple

import yaml

from memberlake import calendar


class Said(NamedTuple):
    """A text in both languages."""

    en: str
    zh: str

    def of(self, **values: Any) -> Said:
        """With values put in; a value that is `Said` in its language."""
        return Said(*(getattr(self, lang).format(**{k: _in(v, lang) for k, v in values.items()}) for lang in LANGUAGES))


class BlockText(NamedTuple):
    """A part of a page.

    Attributes:
        terms: names in TERMS of what it speaks of, where that is no metric of gold.kpi.
    """

    title: Said
    note: Said
    terms: Sequence[str] = ()


class Missing(NamedTuple):
    """Why there is nothing.

    Attributes:
        job: that brings it; empty when there is nothing to bring.
        tables: silver tables without whose rows the job brings nothing.
    """

    why: Said
    job: str
    tables: tuple[str, ...] = ()


LANGUAGES = ("en", "zh")


def same(text: Any) -> Said:
    """Data, such as a name: the same in both languages."""
    return Said(str(text), str(text))


def word(name: Any) -> Said:
    """A name from the tables or the settings; one that nobody translated as it is."""
    return WORDS.get(str(name)) or same("–" if name is None else str(name).replace("_", " "))


def feature(name: str) -> Said:
    """A feature of the churn model; one that is declared no more, of an earlier model, as its column."""
    return FEATURES.get(name) or word(name)


def measure(name: str) -> Said:
    """A metric of gold.model_monitoring: `pr_auc`, or `psi:orders_30` of a feature."""
    kind, _, of = name.partition(":")
    return MEASURES[kind].of(feature=feature(of)) if of and kind in MEASURES else word(name)


_OURS = {"kind", "permanence", "method", "cost_type", "goal"}  # dimensions whose values are words of this project
_CHANNELS = {"sms", "email", "qq", "wechat", "app_push"}


def value(dimension: str, name: Any) -> Said:
    """A value of a dimension: one from the business's data as it is, whatever it reads like."""
    is_ours = dimension in _OURS or name in {None, "all", "unknown"} or (dimension == "channel" and name in _CHANNELS)
    is_ours |= (dimension, name) == ("campaign", "none")
    return word(name) if is_ours else same(str(name))


def headers(*names: str) -> list[Said]:
    """The headers of a table's columns."""
    return [HEADERS[name] for name in names]


def _in(value: Any, lang: str) -> Any:
    return getattr(value, lang) if isinstance(value, Said) else value


NONE = same("–")
SYMBOLS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}


# how the numbers of a form are written, for Python and for pictures alike; only pictures know a sign for the currency
FORMATS = {"count": ",.0f", "money": ",.0f", "share": ".1%", "ratio": ",.3f"}
PICTURED = {**FORMATS, "money": "$,.0f"}


def number(value: float | None, form: str, currency: str = "", cents: bool | None = None) -> Said:
    """A number as people read it.

    Args:
        form: `count`, `money`, `share` (0.25 is 25 %) or `ratio`.
        cents: of money; by its size unless a column decides for all of its cells.
    """
    if value is None:
        return NONE
    if form in ("share", "ratio"):
        return same(f"{value:{FORMATS[form]}}")
    sign = _sign(value, form, currency)
    if abs(value) >= 1e7:
        return Said(f"{sign}{abs(value) / 1e6:,.1f} M", f"{sign}{abs(value) / 1e4:,.0f} 万")
    if cents is None:
        cents = form == "money" and has_cents([value])
    return same(f"{sign}{abs(value):,.{2 if cents else 0}f}")


def has_cents(amounts: Iterable[float]) -> bool:
    """Amounts of money that are read with their cents: small ones that are not all whole."""
    sizes = [abs(amount) for amount in amounts]
    return max(sizes, default=0) < 1000 and any(size % 1 for size in sizes)


def exact(value: float, form: str, currency: str = "") -> str:
    """Whole as it is, else to a cent, whatever its size."""
    return f"{_sign(value, form, currency)}{abs(value):,.{2 if value % 1 else 0}f}"


def symbol(currency: str) -> str:
    """What stands before an amount."""
    return SYMBOLS.get(currency, f"{currency} ")


def _sign(value: float, form: str, currency: str) -> str:
    return f"{'-' if value < 0 else ''}{symbol(currency) if form == 'money' else ''}"


def share(value: Any) -> str:
    """A limit as it was set: 0.8 is 80%."""
    return f"{100 * float(value):g}%"


def slope(value: float | None, form: str, period: str, currency: str) -> Said:
    """How much a number of that form rises in a day, week or month.

    Args:
        form: of the number that rises; of a share the slope is in percentage points.
    """
    if value is None:
        return NONE
    size = abs(value)
    if form == "share":
        said = UI["points"].of(number=f"{100 * size:,.2f}")
    elif form == "count" and size < 10:  # a mean over periods: whole numbers would hide a slow rise
        said = same(f"{size:,.1f}")
    else:
        said = number(size, form, currency)
    sign = "±" if not re.search("[1-9]", said.en) else "+" if value > 0 else "-"
    return UI["slope"].of(number=Said(*(f"{sign}{text}" for text in said)), period=word(period))


def signed(value: float | None, form: str = "+,.3f") -> Said:
    """A rise or a fall."""
    return NONE if value is None else same(f"{value:{form}}")


def points(value: float | None) -> Said:
    """A difference of shares, in percentage points: the column says so."""
    return signed(None if value is None else 100 * value, "+,.1f")


def day(value: date | datetime | None) -> str:
    if value is None:
        return "–"
    if isinstance(value, datetime):
        return f"{calendar.utc(value):%Y-%m-%d %H:%M} UTC"
    return f"{value:%Y-%m-%d}"


# the package may be in a zip
_TEXTS = yaml.safe_load(resources.files("memberlake.report").joinpath("texts.yaml").read_text(encoding="utf-8"))


def _said(section: str) -> dict[str, Said]:
    return {key: Said(*text) for key, text in _TEXTS[section].items()}


def _titled(section: str) -> dict[str, tuple[Said, Said]]:
    return {key: (Said(*first), Said(*second)) for key, (first, second) in _TEXTS[section].items()}


PAGES, TERMS = _titled("pages"), _titled("terms")
BLOCKS = {key: BlockText(Said(*title), Said(*note), *terms) for key, (title, note, *terms) in _TEXTS["blocks"].items()}
UI, HEADERS, WORDS, ALERTS = map(_said, ("ui", "headers", "words", "alerts"))
FEATURES, VERDICTS, MEASURES, FORETOLD = map(_said, ("features", "verdicts", "measures", "foretold"))
MISSING = {
    key: Missing(Said(*why), job, tuple(table for listed in tables for table in listed))
    for key, (why, job, *tables) in _TEXTS["missing"].items()
}
