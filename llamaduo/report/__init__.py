"""What a run came to, for people: a table for the terminal, `report.md` with figures beside it.

The same results give the same bytes: no clock, no path of this machine.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from llamaduo import plots
from llamaduo.findings import Assessment, Result, Round
from llamaduo.metrics import prompt_scores
from llamaduo.projection import Projection
from llamaduo.records import Judgement
from llamaduo.report.calls import calls, remarks
from llamaduo.report.judge import card
from llamaduo.report.models import models
from llamaduo.report.money import data, pictures, savings
from llamaduo.report.search import search
from llamaduo.report.verdict import by_category, categories, verdict
from llamaduo.report.words import aligned, mark, markdown, the_test, with_interval
from llamaduo.study.best import summary as search_summary
from llamaduo.workload import Workload

SIMULATED = (
    "A simulated service taught and judged here: this shows that the machinery works, "
    "and is no fact about any real service."
)


def write(
    result: Result,
    workload: Workload,
    projection: Projection,
    judged: Mapping[str, Sequence[Judgement]],
    facts: Sequence[str],
    into: Path,
) -> Path:
    """Write `report.md` and its figures.

    Args:
        projection: of `workload`, with what this run's calls cost.
        judged: judgements of the steering part, by round.
        facts: further lines on what the run was made of.
        into: folder; files of the same names are replaced.

    Returns:
        The path of the report.
    """
    into.mkdir(parents=True, exist_ok=True)
    drawn = _pictures(result, judged, into) + pictures(result, workload, projection, into)
    lines = [
        f"# {result.task}: {result.decision.verdict}",
        "",
        *([f"> **{SIMULATED}**", ""] if result.simulated else []),
        *verdict(result, workload, projection),
        *models(result),
        *categories(result),
        *card(result),
        *search(result, into),
        *_rounds_table(result),
        *_rows(result),
        *calls(result),
        *data(result),
        *savings(result, workload, projection),
        *(f"![{title}]({name})\n" for title, name in drawn),
        "## What it was made of",
        "",
        *(f"- {fact}" for fact in [*facts, *_arithmetic(result.rounds)]),
        f"- fingerprint: {result.fingerprint}",
        "",
    ]
    path = into / "report.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    (into / "result.json").write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return path


def summary(result: Result, where: Sequence[str]) -> str:
    """Return the short table a run ends with."""
    head = ("round", "train rows", "coverage", "n", "similarity", "precision", "unjudged", "so far")
    body = [
        (
            str(r.number),
            str(r.train_rows),
            f"{mark(r.assessment.coverage.value)} %",
            str(r.assessment.coverage.n),
            mark(r.assessment.similarity.value),
            mark(r.assessment.precision.value),
            f"{r.assessment.unjudged}/{r.assessment.answers}",
            f"${r.usd:.4f}",
        )
        for r in result.rounds
    ]
    lines = [
        f"{result.local} <- {result.service} on {result.task}; judged on {result.steered_on}, "
        f"goal {result.goal:g} %, stopped by: {result.stopped}",
        *aligned(head, body),
        *([search_summary(result.searched)] if result.searched is not None else []),
    ]
    if result.test:
        lines.append(f"on {the_test(result)}: {_sentence(result.test)}")
    lines += [f"  {a.name}: {_sentence(a)}" for a in result.baselines]
    lines.append(f"verdict: {result.decision.verdict}")
    lines += [f"  {reason}" for reason in result.decision.reasons]
    if result.decision.categories:
        lines.append(f"  by category: {by_category(result.decision.categories)}")
    if result.simulated:
        lines.append(SIMULATED)
    lines += remarks(result.tallies)
    return "\n".join([*lines, *where])


def _rounds_table(result: Result) -> list[str]:
    head = ["round", "train rows", "synthetic", "steps", "loss", "coverage %", "n"]
    head += ["similarity", "precision", "unjudged", "cut", "too long", "spend so far"]
    rows = [
        [
            str(r.number),
            str(r.train_rows),
            str(r.synthetic_rows),
            str(r.training.steps),
            "-" if r.training.loss is None else f"{r.training.loss:.3f}",
            with_interval(r.assessment.coverage),
            str(r.assessment.coverage.n),
            mark(r.assessment.similarity.value),
            mark(r.assessment.precision.value),
            f"{r.assessment.unjudged} of {r.assessment.answers}",
            str(r.assessment.cut),
            str(len(r.training.too_long)),
            f"${r.usd:.4f}",
        ]
        for r in result.rounds
    ]
    looked = [r for r in result.rounds if r.training.dev_loss is not None]
    dev = [
        f"Round {r.number}: the adapter is that of step {r.training.kept_step} of "
        f"{r.training.steps}, which had the lowest loss on {r.training.dev_rows} dev rows, "
        f"{r.training.dev_loss:.4f} nats per answer token."
        for r in looked
    ]
    paper = " (the paper's protocol: test steers too)" if result.steered_on == "test" else ""
    ended = (
        f"The loop went for a coverage of {result.goal:g} % and was stopped by: {result.stopped}."
    )
    title = f"## Rounds, steered on {result.steered_on}{paper}"
    return [title, "", *markdown(head, rows), "", ended, "", *(f"{line}\n" for line in dev)]


def _rows(result: Result) -> list[str]:
    counted = ", ".join(f"{n} {part}" for part, n in result.rows.items() if n)
    lines = ["## Rows", "", f"- coverage rows: {counted}"]
    if result.rows.get("out"):
        lines.append("- `out`: near copies of rows preset in another part, or over `task.volume`")
    for r in result.rounds[1:]:
        dropped = ", ".join(f"{n} {why}" for why, n in r.dropped.items()) or "none"
        lines.append(f"- dropped before round {r.number}: {dropped}")
    lines += _nearest(result.rounds)
    return [*lines, *([f"- the service said of rows: {result.note}"] if result.note else []), ""]


def _nearest(rounds: Sequence[Round]) -> list[str]:
    if not rounds or rounds[-1].nearest_test is None:
        return []
    largest, p99 = rounds[-1].nearest_test
    return [
        "- nearest test row of the kept synthetic rows (Jaccard of word 3-grams, 0 to 1): "
        f"largest {largest:.3f}, 99th percentile {p99:.3f}, n = {rounds[-1].synthetic_rows}"
    ]


def _arithmetic(rounds: Sequence[Round]) -> list[str]:
    """Say what the adapters were computed with: another type of number is another adapter."""
    kinds = sorted({r.training.dtype for r in rounds if r.training.dtype})
    return [f"tuned on NF4 weights, computing in {' and '.join(kinds)}"] if kinds else []


def _pictures(
    result: Result, judged: Mapping[str, Sequence[Judgement]], into: Path
) -> list[tuple[str, str]]:
    found = []
    if result.test is not None:
        title = f"{result.local} on {result.task}: coverage on {the_test(result)}"
        figure = plots.models_on_test(
            result.test, result.baselines, result.goal, result.decision, title=title
        )
        plots.save(figure, into / "models.png")
        found.append((f"Models on {the_test(result)}", "models.png"))
    part = result.steered_on
    if result.rounds:
        figure = plots.coverage_by_round(result.rounds, result.goal, part=part)
        plots.save(figure, into / "coverage.png")
        found.append((f"Coverage by round, {part} prompts", "coverage.png"))
    scores = {name: list(prompt_scores(rows).values()) for name, rows in judged.items()}
    scores = {name: of for name, of in scores.items() if of}
    if scores:
        kinds = {
            "similarity": {name: [score.similarity for score in of] for name, of in scores.items()},
            "precision": {name: [score.precision for score in of] for name, of in scores.items()},
        }
        figure = plots.density_grid(
            [plots.Panel(title=f"marks by {result.judge}", rows=kinds)],
            title=f"Scores by round, {part} prompts",
            thresholds={"similarity": result.similarity, "precision": result.precision},
        )
        plots.save(figure, into / "scores.png")
        found.append((f"Scores by round, {part} prompts", "scores.png"))
    return found


def _sentence(a: Assessment) -> str:
    return f"coverage {with_interval(a.coverage)} %, n = {a.coverage.n}, {a.unjudged} unjudged"
