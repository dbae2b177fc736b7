"""What would go, what went and what is left, in words."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from llamaduo.keeping.forget import Proof
from llamaduo.keeping.garbage import Garbage
from llamaduo.keeping.plan import Plan
from llamaduo.keeping.units import Unit, in_words, size
from llamaduo.tracker.forgetting import CHAMPION

SHOWN = 20
"""Files that are named; further ones are counted."""


def of_garbage(found: Garbage) -> Iterator[str]:
    """Yield what no run needs."""
    yield from by_stage(found.units)
    for folder in found.folders:
        yield f"  {folder} ({in_words(size(folder))})"
    yield f"in all {in_words(found.size)} that no run under {found.home} needs"
    if found.in_the_making:
        yield f"stays: {found.in_the_making} that a process makes now"
    if found.damaged:
        yield f"stays: {found.damaged} damaged, which were set aside; --damaged takes them too"
    yield "stays: the ledger, whose replies were paid for, and what MLflow has"


def by_stage(some: Iterable[Unit]) -> Iterator[str]:
    """Yield a line for each stage."""
    units = list(some)
    counts, sizes = Counter(unit.stage for unit in units), Counter[str]()
    for unit in units:
        sizes[unit.stage] += unit.size
    for stage, count in counts.items():
        kinds = Counter(unit.kind for unit in units if unit.stage == stage)
        more = [f"{kinds[kind]} {kind}" for kind in ("begun", "damaged") if kinds[kind]]
        said = f", of them {' and '.join(more)}" if more else ""
        yield f"  {stage}: {count}{said} ({in_words(sizes[stage])})"


def of_plan(plan: Plan) -> Iterator[str]:
    """Yield what goes with the rows, and what it takes to have the rest of it again."""
    names = ", ".join(row.id for row in plan.rows)
    yield f"{len(plan.rows)} rows: {names}"
    yield f"results that hold them, or were made from what does ({len(plan.units)}):"
    yield from by_stage(plan.units)
    yield (
        f"ledger: what was asked and said in {len(plan.calls.keys)} calls; that they cost "
        f"${plan.calls.usd:.4f} stays on record"
    )
    yield f"files of {len(plan.runs)} runs and beside them ({len(plan.files)}):"
    yield from _named(plan.files)
    for folder in plan.folders:
        yield f"brought from a tracking server, and brought anew when it is wanted: {folder}"
    for one in plan.captured:
        yield f"captured calls: {one.path}: stays, without {one.gone} of its lines"
    if plan.looks:
        yield f"the record of looks at tests: {plan.looks} prompts"
    yield from _shown(plan)
    yield (
        f"again: the next run makes these results without the rows (the first time it took "
        f"{plan.seconds:.0f} s), and asks anew what it has to of those "
        f"{len(plan.calls.keys)} calls, ${plan.calls.usd:.4f} at most at the former prices"
    )
    yield from not_ours(plan)


def _shown(plan: Plan) -> Iterator[str]:
    shown = plan.shown
    if shown.files or shown.cells:
        yield f"MLflow: {len(shown.cells)} cells of its database, {len(shown.files)} artifacts:"
        yield from _named(shown.files)
    for one, versions in shown.lined:
        yield f"MLflow: {one.path}: stays, without {one.gone} of its lines"
        for version in versions:
            said = ", ".join((f"version {version.number} of {version.name}", *version.aliases))
            yield f"  {said}: references without these rows; a copy that is served keeps them"
    for version in shown.versions:
        said = f" ({', '.join(version.aliases)})" if version.aliases else ""
        yield f"MLflow: registered version {version.number} of {version.name}{said}"
        if CHAMPION in version.aliases:
            yield (
                f"  LOOK: it is the champion of {version.name}. A server that has loaded it goes "
                "on answering with weights that remember the row: stop it, and serve another"
            )


def _named(paths: Iterable[Path]) -> Iterator[str]:
    all_ = list(paths)
    yield from (f"  {path}" for path in all_[:SHOWN])
    if len(all_) > SHOWN:
        yield f"  and {len(all_) - SHOWN} more"


def not_ours(plan: Plan) -> Iterator[str]:
    """Yield what has to be done by hand."""
    for path, lines in plan.yours:
        numbers = ", ".join(map(str, lines))
        yield f"yours to do: take line {numbers} out of {path}"
    if plan.yours:
        yield (
            "  or go on with `--rest FILE`, which has the others with the `part` that each has: "
            "parts are drawn in the order of the rows, so all behind it would be drawn anew"
        )
    for where in plan.outside:
        yield f"out of reach: {where}"
    yield (
        "out of reach: parcels that were packed, copies and backups of this folder, folders of "
        "captured calls outside home (`rollout --into`, LLAMADUO_CAPTURE_DIR), and servers that "
        "have loaded an adapter; none of them is known here"
    )


def of_proof(found: Proof) -> Iterator[str]:
    """Yield what the search afterwards came to."""
    yield f"searched {found.looked} files under home for the rows' texts and ids"
    yield from (f"not looked into: {path}" for path in found.packed)
    yield from (f"LEFT: {path}" for path in found.left)
    if not found.left:
        yield "nothing is left of them there"
