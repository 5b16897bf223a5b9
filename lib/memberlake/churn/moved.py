"""Models of a lake that was copied or moved: MLflow's store keeps whole paths, which lead to where it was."""

from __future__ import annotations

from pathlib import Path

# what of MLflow's store names a place
_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def artifacts(folder: str) -> str:
    """Where the models of the store in a lake's folder are kept."""
    return f"file://{folder}/artifacts"


def bring_along(folder: str) -> None:
    """Lets the store in a lake's folder lead to the artifacts beside it. Without it a copy would use the models of the
    lake that it was made of, and write its own there.

    Raises:
        SQLAlchemyError: the store cannot be read or written.
    """
    from sqlalchemy import create_engine, inspect, text

    if not Path(folder, "mlflow.db").is_file():
        return
    here, ending = artifacts(folder), f"/{Path(folder).name}/artifacts"
    engine = create_engine(f"sqlite:///{folder}/mlflow.db")
    try:
        if not {table for table, _ in _PLACES} <= {*inspect(engine).get_table_names()}:
            return  # it is only being made
        with engine.begin() as store:
            found = store.execute(text("SELECT DISTINCT artifact_location FROM experiments")).scalars().all()
            for there in {place for place in found if place != here and str(place).endswith(ending)}:
                for table, column in _PLACES:
                    begins = f"substr({column}, 1, length(:there)) = :there"
                    new = f"UPDATE {table} SET {column} = :here || substr({column}, length(:there) + 1) WHERE {begins}"
                    store.execute(text(new), {"here": here, "there": there})
    finally:
        engine.dispose()
