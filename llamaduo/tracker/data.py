"""Rows as MLflow knows them: by our own sha256, since its digests do not see every row."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from llamaduo.records import Example


def of_part(rows: Sequence[Example]) -> tuple[str, int]:
    """Return the sha256 of rows, as the JSON lines that the store writes, and how many they are."""
    lines = "".join(row.model_dump_json() + "\n" for row in rows)
    return hashlib.sha256(lines.encode()).hexdigest(), len(rows)


def dataset(name: str, sha256: str, rows: int, context: str) -> Any:
    """Return rows as an input of a run.

    Args:
        context: what the run has them for.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    made = Dataset(
        name=name,
        digest=sha256[:36],  # the most that MLflow takes
        source_type="llamaduo",
        source=json.dumps({"sha256": sha256}),
        profile=json.dumps({"rows": rows}),
    )
    return DatasetInput(made, [InputTag("mlflow.data.context", context)])
