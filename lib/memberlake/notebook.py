"""What the notebooks have in common: their settings, and the lake that they look at."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from memberlake import conf
from memberlake.conf import Conf
from memberlake.lake import session
from memberlake.lake.store import Lake

Setting = Callable[..., str]  # (name, default="")


def settings(dbutils: Any = None) -> Setting:
    """Asks for a setting by its name: a widget on Databricks, else the environment variable MEMBERLAKE_<NAME>.

    Args:
        dbutils: what Databricks puts among a notebook's names; None elsewhere.
    """

    def setting(name: str, default: str = "") -> str:
        if dbutils is None:
            return os.environ.get(f"MEMBERLAKE_{name.upper()}", default)
        dbutils.widgets.text(name, default)
        return str(dbutils.widgets.get(name))

    return setting


def opened(setting: Setting) -> tuple[Lake, Conf]:
    """The lake of the setting `lake`, in a session that is there or a local one; and the rules in force for it."""
    home = conf.project_home()
    on_databricks = "DATABRICKS_RUNTIME_VERSION" in os.environ
    place = setting("lake", "" if on_databricks else str(home / "lake"))
    rules = conf.load([home / "conf" / ("databricks.yaml" if on_databricks else "local.yaml")], lake=place or None)
    return Lake(session.start(), rules.lake), rules
