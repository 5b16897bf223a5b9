"""What the notebooks have in common: their settings, the lake that they look at, and the looks of their pictures."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from memberlake import conf
from memberlake.conf import Conf
from memberlake.lake import session
from memberlake.lake.store import Lake

Setting = Callable[..., str]  # (name, default="")

BLUE, SKY, TINT, ORANGE = "#0072B2", "#56B4E9", "#A9CFE6", "#D55E00"  # told apart by colour-blind readers
INK, GREY, PALE = "#333333", "#767676", "#BBBBBB"
STYLE = {  # for Matplotlib's rcParams
    "font.size": 11,
    "text.color": INK,
    "axes.titlesize": 12.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 14,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.spines.bottom": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "legend.frameon": False,
}


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
