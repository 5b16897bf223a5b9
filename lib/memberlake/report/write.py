"""The report as a folder of HTML: pages, a style sheet, a script, Plotly. It opens from file://, without a network."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from memberlake.conf import local_path
from memberlake.errors import UserError
from memberlake.report import texts
from memberlake.report.blocks import Block
from memberlake.report.facts import Facts
from memberlake.report.pages import Page, every
from memberlake.report.texts import Said

_MARK = ".memberlake-report"  # says that the folder's files are the report's own, and may be replaced


def target(folder: str | None, lake: str | None) -> Path:
    """Where the pages go: the folder of the settings, else `report` in the lake's.

    Raises:
        UserError: neither is on a disk of this machine, or the place holds something else, or cannot be written to.
    """
    place = local_path(folder or (f"{lake}/report" if lake else None))
    if place is None:
        raise UserError("the report needs a folder on a disk of this machine: set report.folder, or give --out")
    if place.exists() and (not place.is_dir() or (any(place.iterdir()) and not (place / _MARK).exists())):
        raise UserError(f"{place} holds something else than a report: name another folder with report.folder or --out")
    try:
        place.mkdir(parents=True, exist_ok=True)
        (place / _MARK).touch()
    except OSError as error:
        raise UserError(f"the report cannot be written to {place}: {error.strerror}") from None
    return place


def folder(target: Path, facts: Facts, language: str, code_version: str) -> Path:
    """Writes the pages, and returns the first.

    Args:
        language: of a reader who has not chosen one, `en` or `zh`.

    Raises:
        UserError: jinja2 or plotly is not installed.
    """
    try:
        import jinja2  # only here: the other jobs run where these are not installed
        from plotly.offline import get_plotlyjs
    except ImportError as error:
        raise UserError(f"the report needs jinja2 and plotly ({error}): pip install jinja2 plotly") from None
    target.mkdir(parents=True, exist_ok=True)
    (target / _MARK).touch()
    jinja = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    jinja.filters |= {"spec": _spec, "glossary": _glossary, "day": texts.day}
    for name, text in {"plotly.js": get_plotlyjs(), **{n: _asset(n) for n in ("report.css", "report.js")}}.items():
        (target / name).write_text(text, encoding="utf-8")
    template, pages = jinja.get_template("page.html"), every(facts)
    for page in pages:
        html = template.render(
            page=page,
            pages=pages,
            facts=facts,
            language=language,
            code_version=code_version,
            run=facts.run,
            ui=texts.UI,
            version=lake_version(facts),
            currency=texts.symbol(facts.conf.currency),
        )
        (target / f"{page.key}.html").write_text(html, encoding="utf-8")
    return target / "index.html"


def lake_version(facts: Facts) -> str:
    """A digest of the versions of all tables that the report read: equal when the lake was."""
    said = json.dumps({name: version for name, (version, _) in sorted(facts.versions.items())})
    return hashlib.sha256(said.encode()).hexdigest()[:10]


def _asset(name: str) -> str:
    """A file beside this module; the package may be in a zip."""
    return resources.files("memberlake.report").joinpath(name).read_text(encoding="utf-8")


def _spec(block: Block) -> Any:
    """The block's picture as JSON; a text in two languages is an object, see fill() in report.js."""
    from markupsafe import Markup

    return Markup(json.dumps(_plain(block.chart), ensure_ascii=False).replace("<", "\\u003c"))


def _plain(node: Any) -> Any:
    if isinstance(node, Said):  # Plotly takes tags in texts for markup, and these may be names from the data
        said = {lang: text.replace("<", "&lt;") for lang, text in node._asdict().items()}
        return said["en"] if said["en"] == said["zh"] else said
    if isinstance(node, dict):
        return {key: _plain(value) for key, value in node.items()}
    if isinstance(node, float) and not math.isfinite(node):  # which JSON has not: the page's script would stop
        return None
    return [_plain(value) for value in node] if isinstance(node, list | tuple) else node


def _glossary(page: Page) -> Sequence[Any]:
    """What is defined on the page, each once."""
    return list({d.label: d for block in page.blocks for d in block.defined}.values())
