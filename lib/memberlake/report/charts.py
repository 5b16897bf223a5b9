"""Pictures as Plotly's own JSON. The page fills in what depends on the reader: a `Said` in their language, and a
"$name", a colour of report.css, in their light or dark."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any, NamedTuple

from memberlake.report.texts import Said

Spec = dict[str, Any]


# what tells lines apart whose colours look alike to a reader: symbols at points, of which there may be too many
_MARKED = 40
_LINES = (("solid", "circle"), ("dash", "square"), ("dot", "diamond"), ("dashdot", "triangle-up"), ("longdash", "x"))


class Series(NamedTuple):
    """A line, or bars of one colour.

    Attributes:
        hover: a text for each point, such as its numerator and denominator.
        running: for each point, whether its period is not over: drawn hollow, or hatched.
        color: number of a colour of the palette, from 1.
    """

    name: Said
    x: Sequence[Any]
    y: Sequence[float | None]
    hover: Sequence[str | Said] = ()
    color: int = 1
    running: Sequence[bool] = ()


def lines(series: Sequence[Series], form: str) -> Spec:
    """Lines over days, weeks or months. Args: form: format of values, of d3: `,.0f`, `.1%`."""
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers" if len(s.x) < _MARKED else "lines",
            "line": {"color": f"${s.color}", "width": 2.5, "dash": "solid" if len(s.x) < _MARKED else dash},
            "marker": {"size": 7, "symbol": [f"{symbol}-open" if r else symbol for r in s.running] or symbol},
            **_common(s, form),
        }
        for s, (dash, symbol) in zip(series, cycle(_LINES))
    ]
    return _spec(data, {"yaxis": {"tickformat": form, "rangemode": "tozero"}}, series)


def bars(
    series: Sequence[Series], form: str, *, stacked: bool = False, line: Series | None = None, line_form: str = ""
) -> Spec:
    """Bars over periods or names, side by side or stacked; and a line with an axis and a format of its own."""
    data: list[Spec] = [
        {
            "type": "bar",
            "marker": {"color": f"${s.color}", "pattern": {"shape": ["/" if r else "" for r in s.running], "size": 6}},
            **_common(s, form),
        }
        for s in series
    ]
    layout: Spec = {"barmode": "relative" if stacked else "group", "yaxis": {"tickformat": form}}
    if line:
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "yaxis": "y2",
                "line": {"color": f"${line.color}", "width": 2.5},
                **_common(line, line_form),
            }
        )
        layout["yaxis2"] = {
            "overlaying": "y",
            "side": "right",
            "title": {"text": line.name},
            "tickformat": line_form,
            "tickmode": "auto",
            "rangemode": "tozero",
            "showgrid": False,
        }
    return _spec(data, layout, [*series, *([line] if line else [])])


def ranking(names: Sequence[Said], series: Sequence[Series], form: str, *, one_each: bool = False) -> Spec:
    """Horizontal bars, the first on top, with their values written on them.

    Args:
        one_each: each name has a value in one series only, whose colour tells what it is.
    """
    data = [
        {
            "type": "bar",
            "orientation": "h",
            "marker": {"color": f"${s.color}"},
            "texttemplate": f"%{{x:{form}}}",
            "textangle": 0,
            "textposition": ["outside" if v == 0 else "auto" for v in s.y],  # within no bar there is no place
            "cliponaxis": False,
            **_common(s, form, x=s.y, y=list(names), across=True),
        }
        for s in series
    ]
    # what is written left of a bar that falls stands clear of the names
    falls = {"ticklabelstandoff": 64, "showline": False} if any((v or 0) < 0 for s in series for v in s.y) else {}
    layout = {
        "barmode": "overlay" if one_each else "group",
        "xaxis": {"rangemode": "tozero", "showticklabels": False, "showgrid": False},  # the bars say their values
        "yaxis": {"autorange": "reversed", "automargin": True, "type": "category", "showgrid": False, **falls},
        "height": 60 + 38 * len(names) * (1 if one_each else max(1, 0.7 * len(series))),
    }
    return _spec(data, layout, series)


def heat(
    columns: Sequence[Any],
    rows: Sequence[Any],
    values: Sequence[Sequence[float | None]],
    written: Sequence[Sequence[str]],
    hover: Sequence[Sequence[str]],
    across: Said,
    down: Said,
    form: str,
) -> Spec:
    """A map of two scores, or of cohorts and offsets: dark is much; each cell says its number."""
    data = [
        {
            "type": "heatmap",
            "x": list(columns),
            "y": list(rows),
            "z": [list(line) for line in values],
            "text": [list(line) for line in written],
            "customdata": [list(line) for line in hover],
            "meta": [_short(down), _short(across)],
            "hovertemplate": "%{meta[0]} %{y}, %{meta[1]} %{x}"
            "<br><b>%{z:" + form + "}</b><br>%{customdata}<extra></extra>",
            "colorscale": [[0, "$seq0"], [0.5, "$seq1"], [1, "$seq2"]],
            "colorbar": {
                **{"orientation": "h", "y": 1.02, "yanchor": "bottom", "thickness": 10, "xpad": 0, "ypad": 6},
                **{"outlinewidth": 0, "nticks": 5, "tickformat": ".0%" if form.endswith("%") else form},
            },
            "xgap": 2,
            "ygap": 2,
            "hoverongaps": False,
        }
    ]
    layout = {
        "xaxis": {"title": {"text": across}, "type": "category", "side": "bottom", "showgrid": False},
        "yaxis": {"title": {"text": down}, "type": "category", "automargin": True, "showgrid": False},
        "height": 150 + 44 * len(rows),
    }
    return {"data": data, "layout": layout}


def _short(title: Said) -> Said:
    """`R` of `R: long ago → lately`."""
    return Said(*(re.split("[:：]", text)[0] for text in title))


def _common(s: Series, form: str, *, x: Any = None, y: Any = None, across: bool = False) -> Spec:
    shown, at = ("x", "y") if across else ("y", "x")
    hover = s.hover if any(s.hover) else ()
    more = "<br>%{customdata}" if hover else ""
    return {
        "name": s.name,
        "showlegend": any(v is not None for v in s.y),
        "x": list(s.x if x is None else x),
        "y": list(s.y if y is None else y),
        **({"customdata": list(hover)} if hover else {}),
        "hovertemplate": f"%{{{at}}}<br><b>%{{{shown}:{form}}}</b>{more}<extra>%{{fullData.name}}</extra>",
    }


def _spec(data: list[Spec], layout: Mapping[str, Any], series: Sequence[Series]) -> Spec:
    return {"data": data, "layout": {**layout, "showlegend": len(series) > 1}}


def sparkline(values: Sequence[float | None]) -> str:
    """Points of an SVG polyline in a box of 120 by 32; empty when there are not two values."""
    known = [(n, v) for n, v in enumerate(values) if v is not None and math.isfinite(v)]
    if len(known) < 2:
        return ""
    low, high = min(v for _, v in known), max(v for _, v in known)
    rise = (high - low) or 1.0
    across = 116 / (len(values) - 1)
    return " ".join(f"{2 + n * across:.1f},{29 - (v - low) / rise * 26:.1f}" for n, v in known)
