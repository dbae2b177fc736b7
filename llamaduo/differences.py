"""Which settings differ between runs: a table of those whose values are not all alike. Pure."""

from collections import Counter
from collections.abc import Sequence

from llamaduo.comparison import Finished
from llamaduo.tables import aligned

COLUMNS = 6
"""Runs in one table; more go below."""
LONGEST = 28
"""Characters of a value; the rest is in the run's config.yaml."""
NOTHING = "-"
"""Stands where a run has no such setting."""


def differences(runs: Sequence[Finished]) -> list[str]:
    """Return tables of the settings that differ, a column for each run.

    Where another option of a group was chosen, its name is shown and its other settings are
    counted. Runs whose settings were not kept are said, beside runs whose were.
    """
    known = [run for run in runs if run.settings]
    unknown = [run.name for run in runs if not run.settings]
    rows = _rows(known)
    lines: list[str] = []
    for start in range(0, len(known) if rows else 0, COLUMNS):
        some = range(start, min(start + COLUMNS, len(known)))
        head = ["setting", *(known[at].name for at in some)]
        lines += aligned([head, *([key, *(values[at] for at in some)] for key, values in rows)])
        lines.append("")
    if lines:
        lines.insert(0, "What they were made with, where it differs:")
    if unknown and known:
        lines += [f"Settings were not kept of {', '.join(unknown)}", ""]
    return lines


def _rows(runs: Sequence[Finished]) -> list[tuple[str, list[str]]]:
    keys = dict.fromkeys(key for run in runs for key in run.settings)
    differing = {
        key: values
        for key in keys
        if len(set(values := [run.settings.get(key, NOTHING) for run in runs])) > 1
    }
    named = [key.removesuffix("name") for key in differing if key.endswith(".name")]
    hidden: Counter[str] = Counter()
    for key in list(differing):
        above = max((name for name in named if key.startswith(name)), key=len, default="")
        if above and key != f"{above}name":
            hidden[above] += 1
            del differing[key]
    return [
        (_with_others(key, hidden[key.removesuffix("name")]), [_cut(value) for value in values])
        for key, values in differing.items()
    ]


def _with_others(key: str, count: int) -> str:
    return f"{key} (and {count} more)" if key.endswith(".name") and count else key


def _cut(value: str) -> str:
    """Return a value in one line that is not too long."""
    line = " ".join(value.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
