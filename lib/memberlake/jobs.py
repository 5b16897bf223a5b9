"""The jobs of the project: scripts in jobs/, found by name, ordered by what they read and write."""

from __future__ import annotations

import difflib
import graphlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from memberlake.conf import project_home
from memberlake.errors import UserError
from memberlake.lake.contract import Table


@dataclass(frozen=True)
class Job:
    """A job script, imported. Its docstring starts with `name: sentence`."""

    name: str
    about: str
    module: ModuleType

    @property
    def reads(self) -> tuple[Table, ...]:
        return tuple(self.module.READS)

    @property
    def waits_for(self) -> tuple[Table, ...]:
        """What the job reads and must have been brought up to date: all but the module's MAY_BE_STALE."""
        return tuple(t for t in self.reads if t not in getattr(self.module, "MAY_BE_STALE", ()))

    @property
    def writes(self) -> tuple[Table, ...]:
        return tuple(self.module.WRITES)

    @property
    def is_dated(self) -> bool:
        """True for a job of a business date; false for ingest."""
        return self.name != "ingest"

    def run(self, *arguments: Any) -> Any:
        return self.module.run(*arguments)


def find(name: str) -> Job:
    """The job of that name.

    Raises:
        UserError: there is none; says which there are.
    """
    folder = project_home() / "jobs"
    if not name.isidentifier() or not (folder / f"{name}.py").is_file():
        known = [job.name for job in every() if job.is_dated]
        close = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise UserError(f"there is no job {name}{hint} (jobs: {', '.join(known)})")
    return _load(folder / f"{name}.py")


def of_script(module: ModuleType) -> Job:
    """The job of a script that is running: a cluster may have it alone, without the project around it."""
    return Job(Path(str(module.__file__)).stem, _about(module), module)


def every() -> list[Job]:
    """All jobs, those that write a table before those that read it."""
    loaded = {path.stem: _load(path) for path in sorted((project_home() / "jobs").glob("*.py"))}
    writers = {table: job.name for job in loaded.values() for table in job.writes}
    needs = {job.name: {writers[t] for t in job.reads if t in writers} for job in loaded.values()}
    return [loaded[name] for name in graphlib.TopologicalSorter(needs).static_order()]


def _load(path: Path) -> Job:
    # a name below memberlake, so that what the job logs is shown as what the package logs
    spec = importlib.util.spec_from_file_location(f"memberlake.job.{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return Job(path.stem, _about(module), module)


def _about(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n")[0].partition(": ")[2]
