"""When a served copy passes, and what is named where it does not. Pure.

The same weights in the same numbers have to say the same to nearly all prompts; from other
numbers, or an adapter beside the base in the place of one merged in, rounding turns near ties,
and a share may differ. Where rounding can be to blame (in bf16 other kernels round otherwise too),
it may be shown by the run's own judge instead that no more than two points of coverage were lost
or won. In float32 on both sides it is not to blame.
"""

from typing import Literal

from llamaduo.findings import Measure
from llamaduo.intervals import wilson
from llamaduo.metrics import difference
from llamaduo.parity.figures import Figures
from llamaduo.records import Record

Numbers = Literal["exact", "same", "other"]
"""What a copy computes with: the same weights, in float32 on both sides; the same weights, in the
same type of fewer bits; others, or not known."""
SAME = 99.0
"""% of answers that have to be identical, where weights and numbers are the same."""
BARS: dict[Numbers, float] = {"exact": SAME, "same": SAME, "other": 95.0}
"""% of answers that have to be identical."""
POINTS = 2.0
"""Points of coverage within which the judged difference has to lie, where fewer are identical."""
ENDED = 1.0
"""Points by which the share of answers that end by themselves may differ."""
UNANSWERED = 1.0
"""% of prompts that may stay without an answer."""

AS_BASE = 2
"""Answers of the base's own, where it says something else, that no rounding explains any more.
One alone may be a near tie that turned; that two of a few both turn to what the base says is, where
5 % may turn, less than 1 in 100."""

LEFT_OUT = "adapter left out"
TEMPLATE = "another template"
WRONG = "a wrong model behind the name"
CUT = "cut answers"
ENDLESS = "answers that do not end"
OTHERWISE = "other weights or other numbers"
UNREACHABLE = "unreachable"


class Verdict(Record):
    """Whether a served copy says what was judged."""

    passed: bool
    cause: str
    """One of the above; "" where it passed."""
    reasons: tuple[str, ...]
    """What failed, with figures; empty where nothing did."""


def verdict(
    seen: Figures, *, numbers: Numbers, judged: Measure | None = None, live: str = ""
) -> Verdict:
    """Say whether the copy passes, and if not, why.

    Args:
        judged: coverage of the served answers less that of the references, in points; None: it
            was not judged.
        live: why the adapter is not taken for live; "" where nothing speaks against it.
    """
    reasons = []
    if seen.unanswered_percent > UNANSWERED or not seen.came:
        reasons.append(f"{seen.unanswered} of {seen.n} prompts were not answered")
    if live:
        reasons.append(live)
    if left_out(seen):
        reasons.append(
            f"{seen.as_base} of {seen.tellable} answers are the base's own, where it says "
            "something else"
        )
    if not stops(seen):
        reasons.append(
            f"{seen.late} answers are their references and were generated on to the limit"
        )
    rounds = numbers != "exact"
    if not enough(seen, numbers) and not (rounds and within(judged)):
        reasons.append(f"{identical(seen)} are identical, and {BARS[numbers]:g} % have to be")
        if judged is not None and rounds:
            reasons.append(f"the judged difference is not shown to lie within {POINTS:g} points")
    if abs(seen.ended_points) > ENDED:
        reasons.append(
            f"{seen.ended} answers ended by themselves, and {seen.ended_before} references did: "
            f"{seen.ended_points:+.1f} points"
        )
    if seen.counts is not None and laid_out_otherwise(seen):
        reasons.append(seen.counts.words)
    if not reasons:
        return Verdict(passed=True, cause="", reasons=())
    return Verdict(passed=False, cause=cause(seen, live=live), reasons=tuple(reasons))


def enough(seen: Figures, numbers: Numbers) -> bool:
    """Whether enough answers are identical."""
    return bool(seen.came) and seen.identical_percent >= BARS[numbers]


def left_out(seen: Figures) -> bool:
    """Whether most answers that tell the adapter from its base are the base's own.

    However few tell the two apart: where they mostly agree, the share of identical answers is
    high whether the adapter is there or not.
    """
    return seen.as_base >= AS_BASE and 2 * seen.as_base > seen.tellable


def stops(seen: Figures) -> bool:
    """Whether the server ends an answer where the model does.

    A few that are cut with their very text said had their end as the last token allowed. Where
    most are, the server runs on in tokens that are no text.
    """
    return 2 * seen.late <= seen.identical


def laid_out_otherwise(seen: Figures) -> bool:
    """Whether the prompts were, and it mattered."""
    return seen.counts is not None and seen.counts.another and seen.identical_percent < SAME


def within(judged: Measure | None) -> bool:
    """Whether the judged difference is shown to be small."""
    return (
        judged is not None
        and judged.low is not None
        and judged.high is not None
        and judged.low >= -POINTS
        and judged.high <= POINTS
    )


def cause(seen: Figures, *, live: str = "") -> str:
    """Name what failed; what shows most surely comes first."""
    if not seen.came or seen.unanswered_percent > UNANSWERED:
        return UNREACHABLE
    if seen.counts is not None and laid_out_otherwise(seen):
        strange = not seen.counts.constant and 10 * seen.identical < seen.came
        return WRONG if strange else TEMPLATE  # tokens by another tokenizer, and nothing alike
    if live or left_out(seen):
        return LEFT_OUT
    if not stops(seen):
        return ENDLESS
    if seen.differing and 2 * seen.cut > seen.differing:
        return CUT
    if seen.differing and 2 * seen.runs_on > seen.differing:
        return ENDLESS
    if 2 * seen.identical < seen.came:
        return WRONG
    return OTHERWISE


def identical(seen: Figures) -> str:
    """Say how many answers are identical, with Wilson's interval."""
    if not seen.came:
        return "0 of 0"
    low, high = (100 * end for end in wilson(seen.identical, seen.came))
    return (
        f"{seen.identical} of {seen.came}, {seen.identical_percent:.1f} % ({low:.1f} to {high:.1f})"
    )


def prompts_to_show() -> int:
    """Return how many prompts it takes to show that a difference lies within `POINTS`.

    With fewer, not even answers that are judged alike on every prompt would.
    """
    n = 1
    while not within(difference(0, 0, n)):
        n += 1
    return n
