"""Where tables are, and how files are taken in."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from memberlake.conf.section import MOST, Count, Section, absolute


class LakeConf(Section):
    """Where the tables are: a folder or URI, or a catalog, or a catalog whose tables lie below the folder."""

    root: str | None
    catalog: str | None
    schema_prefix: str = Field(pattern=r"^\w*$")
    checkpoints: str | None
    min_free_mb: int = Field(ge=0, le=MOST)
    lock_wait_seconds: int = Field(ge=0, le=MOST)

    @field_validator("root", "checkpoints")
    @classmethod
    def _absolute(cls, place: str | None) -> str | None:
        return absolute(place)

    @model_validator(mode="after")
    def _somewhere(self) -> LakeConf:
        if not self.root and not self.catalog:
            raise ValueError("set lake.root to a folder or URI, or lake.catalog to a catalog's name")
        if not self.root and not self.checkpoints:
            raise ValueError("a lake in a catalog without lake.root needs lake.checkpoints, a folder or URI")
        return self

    @property
    def checkpoint_root(self) -> str:
        return self.checkpoints or f"{self.root}/_checkpoints"


class IngestConf(Section):
    max_reject_ratio: float = Field(ge=0, le=1)
    max_files_per_batch: Count
    tables_at_once: Count
