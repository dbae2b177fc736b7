"""Findings as a tracker wants them: figures by name, and tables."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llamaduo.findings import Assessment, Projection, Result, Round, Searched
from llamaduo.records import Judgement

SHOWN = 200
"""Judgements in a table of MLflow's page; the Parquet file beside it has them all."""
LONGEST_NOTE = 5000
"""Letters of a run's note."""
CURVE = "curve.json"
"""Beside an adapter: what its tuning logged, a list a figure, one value an optimiser step."""
OF_A_STEP = {
    "loss": "tune/step_loss",
    "learning_rate": "tune/learning_rate",
    "grad_norm": "tune/grad_norm",
}
"""Its figures, and the names they are shown under."""


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


def of_outcome(result: Result, projection: Projection) -> dict[str, float | None]:
    """Return the figures of a whole run."""
    outcome: dict[str, float | None] = {"cost/break_even_month": projection.break_even_month}
    if result.test is not None:
        outcome |= of_assessment(result.test, "test")
    for other in result.baselines:
        outcome[f"baseline/{other.name}"] = other.coverage.value
    for beside in result.compared:
        outcome[f"gain/{beside.name}"] = beside.coverage.value
        outcome[f"gain_low/{beside.name}"] = beside.coverage.low
    outcome["test/needed_prompts"] = result.decision.needed
    outcome["audit/flags"] = None if result.audit is None else len(result.audit.flags)
    return outcome


def whose(projection: Projection) -> str:
    """Say which pair the cost is of: a workload need not describe the run's own."""
    pair = projection.pairs[0]
    return f"{pair.local} against {pair.service}"


def cost_curves(projection: Projection) -> dict[str, dict[int, float | None]]:
    """Return the cost over months."""
    return {
        "cost/service_usd": dict(zip(projection.months, projection.service_usd, strict=True)),
        "cost/local_usd": dict(zip(projection.months, projection.local_usd, strict=True)),
    }


def tuning_curves(adapter: Path, looks: Sequence[tuple[int, float]]) -> dict[str, dict[int, float]]:
    """Return what was logged of every optimiser step, and the looks at dev, by name and step.

    Nothing of an adapter that was tuned before this was kept, or not here.
    """
    curves = {"tune/step_dev_loss": dict(looks)} if looks else {}
    try:
        kept = json.loads((adapter / CURVE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return curves
    for name, shown in OF_A_STEP.items():
        curves[shown] = dict(zip(kept["step"], kept[name], strict=True))
    return curves


def best(searched: Searched) -> dict[str, str]:
    """Say which trial's settings tuned, and what they are, as tags."""
    winner = searched.trial(searched.best)
    settings = {f"llamaduo.best.{key}": json.dumps(v) for key, v in winner.settings.items()}
    return {"llamaduo.best_trial": str(winner.number), **settings}


def note(report: Path) -> str:
    """Return the top of a report in Markdown, by whole lines; its pictures are kept elsewhere."""
    try:
        text = report.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    text = re.sub(r"^!\[.*\]\(.*\)\n?", "", text, flags=re.MULTILINE)
    if len(text) <= LONGEST_NOTE:
        return text
    more = "\n\nThe rest: report/report.md among the artifacts."
    return text[: text.rfind("\n", 0, LONGEST_NOTE - len(more))] + more


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


def tables(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write rows as `judgements.parquet`, and the first as the JSON that MLflow's page reads."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet(rows, folder / "judgements.parquet")
    names = list(rows[0]) if rows else []
    table = {"columns": names, "data": [[row[name] for name in names] for row in rows[:SHOWN]]}
    (folder / "judgements.json").write_text(json.dumps(table), encoding="utf-8")


def browsable(*paths: str) -> dict[str, str]:
    """Return the tag by which MLflow's page offers tables to look at."""
    named = [{"path": path, "type": "table"} for path in paths]
    return {"mlflow.loggedArtifacts": json.dumps(named)}


def parquet(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows as a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows)), path)
