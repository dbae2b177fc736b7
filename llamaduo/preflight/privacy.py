"""Rows that services would be sent: what in them looks like personal data or secrets."""

from collections.abc import Iterator, Sequence

from llamaduo.errors import ConfigError, DataError
from llamaduo.experiment import Experiment
from llamaduo.judge.human import read as read_human
from llamaduo.preflight.finding import Finding, look, missing
from llamaduo.privacy import Fate
from llamaduo.privacy.finder import Finder
from llamaduo.privacy.kinds import PERSONAL, SECRETS
from llamaduo.privacy.survey import SHOWN, Held, Survey, survey
from llamaduo.progress import Progress
from llamaduo.records import Answer, Example, Part, Placed
from llamaduo.task.coverage import CoverageTask
from llamaduo.task.rows import FileRows
from llamaduo.tuner.untuned import Untuned


def refuse_unasked(exp: Experiment, placed: Sequence[Placed], progress: Progress) -> None:
    """Refuse to send what nobody has said may be sent; say what will be.

    Raises:
        ConfigError: with counts, rows and the keys to set; no value is in it.
    """
    found = list(leaving(exp, placed))
    if faults := [line for level, line in found if level == "MISSING"]:
        raise ConfigError("this experiment may not send its rows yet:", faults)
    for _, line in found:
        progress.say(f"look: {line}")


def leaving(exp: Experiment, placed: Sequence[Placed]) -> Iterator[Finding]:
    """Yield a line for what is found in the rows that would leave; nothing where none would."""
    if not exp.outside:
        return
    privacy = exp.privacy
    finder = Finder(privacy.kinds("ask", "send", "redact"), privacy.phones)
    parts, answers = _sent(exp)
    rows = [one.example for one in placed if one.part in parts]
    seen = survey([*rows, *answers], finder)
    to = " and ".join(dict.fromkeys(service.name for service in exp.outside))
    for key, fate, kinds in (
        ("privacy.personal_data", privacy.personal_data, PERSONAL),
        ("privacy.secrets", privacy.secrets, SECRETS),
    ):
        if (some := seen.of(kinds)).held:
            yield _said(exp, some, key, fate, to)


def _sent(exp: Experiment) -> tuple[set[Part], list[Answer]]:
    """Return which parts services outside may be asked with, and a person's scored answers."""
    judged = any(exp.privacy.leaves(service) for service in exp.judges)
    asked = exp.engine.asked
    endpoint = asked is not None and exp.privacy.leaves(asked.service)
    teacher = exp.privacy.leaves(exp.service)
    parts: set[Part] = {"dev", "test"} if judged or endpoint else set()
    shown = "few_shot" in exp.baselines
    if (teacher and exp.rounds > 1) or (endpoint and shown):
        parts.add("train")
    if judged and (shown or not isinstance(exp.tuner, Untuned)):  # answers repeat what was learned
        parts.add("train")
    if teacher and "service" in exp.baselines:
        parts.add("test")
    if exp.judge.human is None or not judged:
        return parts, []
    try:
        return parts, [answer for answer, _ in read_human(exp.judge.human)]
    except DataError:  # said where faults are
        return parts, []


def _said(exp: Experiment, some: Survey, key: str, fate: Fate, to: str) -> Finding:
    if fate == "send":
        return look(f"privacy: {to} will be sent what looks like {some} ({key}=send)")
    if fate == "redact":
        said = f"placeholders for what looks like {some} ({key}=redact)"
        return look(f"privacy: {to} will be sent {said}")
    more = len(some.held) - SHOWN
    lines = [f"privacy: {to} would be sent what looks like {some}:"]
    lines += _rows(exp, some.held[:SHOWN])
    lines += [f"and {more} more rows"] if more > 0 else []
    lines.append(
        f"set {key}=send to send it as it is, or {key}=redact to send placeholders and have the "
        "values back in the replies; privacy.ignore leaves out a kind that is none"
    )
    return missing("\n    ".join(lines))


def _rows(exp: Experiment, held: Sequence[Held]) -> list[str]:
    """Return a line for each row: where it stands, and what it holds, masked."""
    lines = _lines(exp, [one.example for one in held])
    return [f"{lines.get(one.example.id, '')}row {one.example.id}: {one.masked}" for one in held]


def _lines(exp: Experiment, rows: Sequence[Example]) -> dict[str, str]:
    """Return the place in their file of rows that came from one, by id."""
    if not (isinstance(exp.task, CoverageTask) and isinstance(exp.task.rows, FileRows)):
        return {}
    wanted = {(row.messages, row.target): row.id for row in rows}
    return {
        wanted[said]: f"{exp.task.rows.path.name} line {line}, "
        for line, row in exp.task.rows.numbered()
        if (said := (row.messages, row.target)) in wanted
    }
