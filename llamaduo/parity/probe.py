"""The probe: whether a server is there, lays prompts out as we do, and says what was judged."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from llamaduo.desk import Desk
from llamaduo.errors import LlamaDuoError, OverBudget, ServiceError
from llamaduo.experiment import Experiment
from llamaduo.findings import Measure
from llamaduo.parity.alike import Alike, alike
from llamaduo.parity.alive import look
from llamaduo.parity.figures import Figures, figures
from llamaduo.parity.heard import Heard
from llamaduo.parity.judged import judged
from llamaduo.parity.replay import Live, live, replay
from llamaduo.parity.rule import (
    TEMPLATE,
    Verdict,
    enough,
    identical,
    prompts_to_show,
    verdict,
)
from llamaduo.privacy.redacting import guarded
from llamaduo.progress import Progress
from llamaduo.promotion.held import Held
from llamaduo.records import Example
from llamaduo.serving import Serving
from llamaduo.serving.endpoint import Endpoint

Say = Callable[[str, str], None]
"""Is told of each step: its name, and what was seen."""
JUDGED = "the judge"
"""Name of the step that may cost something."""


@dataclass(frozen=True)
class Probed:
    """What a probe has seen."""

    endpoint: Endpoint
    alike: Alike
    heard: tuple[Heard, ...]
    seen: Figures
    live: Live | None
    judged: Measure | None
    verdict: Verdict


@dataclass(frozen=True)
class Questioning:
    """How differing answers would be judged."""

    exp: Experiment
    """Composed from the version's own config."""
    desk: Desk
    """Whose service is not asked; each judge has one like it."""

    def rows(self) -> Mapping[str, Example]:
        """Return the coverage rows by id, read anew: references have no targets."""
        return {row.example.id: row.example for row in self.exp.task.place()}


def probe(
    held: Held,
    serving: Serving,
    endpoint: Endpoint,
    desk: Desk,
    questioning: Callable[[], Questioning],
    *,
    say: Say,
    progress: Progress,
) -> Probed:
    """Probe a served copy of a version.

    Args:
        desk: the way to ask the endpoint.
        questioning: makes the judge, which is called only where a judgement could help; may raise.

    Raises:
        Unreachable: if nobody can be asked, so that nothing is known of the version.
        UsageError: if the preset cannot serve the version at all.
    """
    same = alike(held, serving)
    say("alive", look(endpoint).words)
    say("form", same.words)
    most = held.served.max_new_tokens
    found = replay(held.references, held.base_answers, desk, max_new_tokens=most, progress=progress)
    seen = figures(found)
    _told(seen, found, say)
    asked = _live(held, endpoint, desk, seen, say)
    against = asked.against if asked is not None else ""
    first = verdict(seen, numbers=same.numbers, live=against)
    measure = None
    if not first.passed and _may_be_judged(seen, same, first):
        measure = _judged(found, questioning, say, progress)
        first = verdict(seen, numbers=same.numbers, judged=measure, live=against)
    return Probed(endpoint, same, tuple(found), seen, asked, measure, first)


def _told(seen: Figures, found: Sequence[Heard], say: Say) -> None:
    """Say what the replay showed."""
    whys = [one.why for one in found if one.why]
    more = f"; the last because {whys[-1]}" if whys else ""
    say("answers", f"{seen.came} of {seen.n} came{more}")
    counts = "token counts are not known on both sides, so nothing is said of it"
    say("template", counts if seen.counts is None else seen.counts.words)
    if seen.tellable:
        say(
            "base",
            f"{seen.as_base} of {seen.tellable} answers are the base's own, where it says "
            "something else",
        )
    else:
        say("base", "its answers are not kept with this version, or say the same; not compared")
    say("identical", identical(seen))


def _live(held: Held, endpoint: Endpoint, desk: Desk, seen: Figures, say: Say) -> Live | None:
    """Ask with and without the adapter, where the endpoint can be."""
    if endpoint.base is None or not seen.came:
        return None
    bare = replace(desk, service=endpoint.service(bare=True))
    most = held.served.max_new_tokens
    try:
        found = live(held.references, held.base_answers, desk, bare, max_new_tokens=most)
    except ServiceError as error:
        say("adapter", f"it cannot be asked for without: {error}")
        return None
    if found is None:
        say("adapter", "no prompt tells it from its base, or none was answered; not compared")
        return None
    say("adapter", found.words)
    return found


def _may_be_judged(seen: Figures, same: Alike, first: Verdict) -> bool:
    """Whether the judge could make the copy pass: else it is not paid."""
    alone = [reason for reason in first.reasons if "are identical" in reason]
    return (
        same.numbers != "exact"
        and not enough(seen, same.numbers)
        and len(alone) == len(first.reasons)
        and first.cause != TEMPLATE
        and 2 * seen.identical >= seen.came
    )


def _judged(
    found: Sequence[Heard], questioning: Callable[[], Questioning], say: Say, progress: Progress
) -> Measure | None:
    """Have the differing answers judged, if that can show anything; says why not."""
    came = [one for one in found if one.finish != "none"]
    if len(came) < prompts_to_show():
        say(JUDGED, f"not asked: it takes {prompts_to_show()} prompts to show so little")
        return None
    try:
        how = questioning()
        services = how.exp.judge.services
        if faults := [fault for one in services.values() for fault in one.faults()]:
            say(JUDGED, f"not asked: {'; '.join(faults)}")
            return None
        rows = how.rows()
        if gone := [one for one in came if one.reference.id not in rows]:
            say(JUDGED, f"not asked: {len(gone)} of its rows are not where the task has them")
            return None
        desks = {
            name: guarded(replace(how.desk, service=one), one, how.exp.privacy)
            for name, one in services.items()
        }
        measure = judged(came, rows, how.exp.judge, desks, how.exp.goal, progress)
    except OverBudget as stop:
        say(JUDGED, f"{stop}, for the run that the version is of")
        return None
    except LlamaDuoError as error:
        say(JUDGED, f"not asked: {' '.join(str(error).split())}")
        return None
    simulated = " (simulated)" if how.exp.simulated else ""
    say(
        JUDGED,
        f"{how.exp.judge.name}{simulated}: coverage {measure.value:+.1f} points "
        f"({measure.low:+.1f} to {measure.high:+.1f}, n={measure.n})",
    )
    return measure
