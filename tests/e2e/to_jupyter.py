"""Databricks notebook source to a Jupyter notebook: python tests/e2e/to_jupyter.py notebooks/01_rfm.py"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

HEADER, SEPARATOR, MAGIC = "# Databricks notebook source\n", "# COMMAND ----------", "# MAGIC"


def to_jupyter(source: str) -> nbformat.NotebookNode:
    """The notebook: a cell between two separators each, `# MAGIC %md` cells as markdown.

    Raises:
        ValueError: the source is no Databricks notebook, or uses a magic other than %md.
    """
    if not source.startswith(HEADER):
        raise ValueError(f"no Databricks notebook: the first line is not {HEADER.strip()!r}")
    texts = [text.strip() for text in source.removeprefix(HEADER).split(f"\n{SEPARATOR}")]
    cells = [_cell(text) for text in texts if text]
    for n, cell in enumerate(cells):
        cell["id"] = f"cell-{n}"  # the same file for the same source
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})


def _cell(text: str) -> nbformat.NotebookNode:
    if not text.startswith(MAGIC):
        return nbformat.v4.new_code_cell(text)
    first, *rest = [line.removeprefix(MAGIC).removeprefix(" ") for line in text.splitlines()]
    if not first.startswith("%md"):
        raise ValueError(f"only %md is converted, not {first}")
    return nbformat.v4.new_markdown_cell("\n".join([first.removeprefix("%md").lstrip(), *rest]).strip())


if __name__ == "__main__":
    for name in sys.argv[1:]:
        made = Path(name).with_suffix(".ipynb")
        nbformat.write(to_jupyter(Path(name).read_text(encoding="utf-8")), made)
        sys.stdout.write(f"{made}\n")
