"""Findings as a tracker wants them: figures by name, and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaduo.findings import Assessment, Round
from llamaduo.records import Judgement


def of_round(round_: Round) -> dict[str, float | None]:
    """Return the figures of a round, by the name they are shown under."""
    return {
        **of_assessment(round_.assessment, "judge"),
        "data/train_rows": round_.train_rows,
        "data/synthetic_rows": round_.synthetic_rows,
        "data/dropped_rows": sum(round_.dropped.values()),
        "tune/steps": round_.training.steps,
        "tune/loss": round_.training.loss,
        "tune/dev_loss": round_.training.dev_loss,
        "tune/kept_step": round_.training.kept_step,
        "tune/tokens": round_.training.tokens,
        "tune/rows_too_long": len(round_.training.too_long),
        "cost/api_usd": round_.usd,
    }


def of_assessment(assessment: Assessment, prefix: str) -> dict[str, float | None]:
    """Return the figures of an assessment, by name, each behind `prefix`."""
    return {
        f"{prefix}/coverage": assessment.coverage.value,
        f"{prefix}/coverage_low": assessment.coverage.low,
        f"{prefix}/coverage_high": assessment.coverage.high,
        f"{prefix}/similarity": assessment.similarity.value,
        f"{prefix}/precision": assessment.precision.value,
        f"{prefix}/prompts": assessment.coverage.n,
        f"{prefix}/unjudged": assessment.unjudged,
        f"{prefix}/cut": assessment.cut,
        **{f"{prefix}/{name}": share.value for name, share in assessment.checks.items()},
    }


def judgement_row(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as a row of a table."""
    answer, score = judgement.answer, judgement.score
    return {
        "id": answer.example.id,
        "category": answer.example.category,
        "prompt": answer.example.instruction,
        "target": answer.example.target,
        "answer": answer.text,
        "sample": answer.sample,
        "finish": answer.finish,
        "similarity": None if score is None else score.similarity,
        "precision": None if score is None else score.precision,
        "replies": len(judgement.marks),
        "why": "; ".join(judgement.why),
    }


def columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return rows as columns."""
    return {key: [row[key] for row in rows] for key in rows[0]} if rows else {}


def parquet(rows: list[dict[str, Any]], path: Path) -> None:
    """Write rows as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
