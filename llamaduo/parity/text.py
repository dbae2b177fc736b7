"""What a probe has seen, as lines to print."""

from llamaduo.intervals import wilson
from llamaduo.parity.probe import Probed
from llamaduo.parity.rule import AS_BASE, BARS, ENDED, POINTS, UNANSWERED, identical
from llamaduo.tables import aligned

WIDTH = 10
"""Of the name of a step."""


def step(name: str, seen: str) -> str:
    """Return the line of a step."""
    return f"{name:{WIDTH}}  {seen}"


def table(found: Probed) -> list[str]:
    """Return the figures, each beside what it is held to."""
    seen, numbers = found.seen, found.alike.numbers
    bar = f"{BARS[numbers]:g} % at least" + ("" if numbers == "exact" else ", or as judged")
    rows = [
        ["figure", "seen", "has to be"],
        [
            "unanswered",
            f"{seen.unanswered} of {seen.n}, {seen.unanswered_percent:.1f} %",
            f"{UNANSWERED:g} % at most",
        ],
        ["identical", identical(seen), bar],
        [
            "ended by themselves",
            f"{seen.ended} of {seen.came}; references: {seen.ended_before} of {seen.came}",
            f"within {ENDED:g} point",
        ],
    ]
    if seen.counts is not None:
        same = seen.counts.n - seen.counts.off
        rows.append(["prompt tokens as ours", f"{same} of {seen.counts.n}", "more than half"])
    if seen.tellable:
        low, high = (100 * end for end in wilson(seen.as_base, seen.tellable))
        rows.append(
            [
                "the base's own",
                f"{seen.as_base} of {seen.tellable} ({low:.1f} to {high:.1f} %)",
                f"not most of them, if {AS_BASE} or more",
            ]
        )
    if found.live is not None:
        rows.append(
            [
                "differ without adapter",
                f"{found.live.differ} of {found.live.n}, noise {found.live.noise}",
                "more than twice the noise",
            ]
        )
    one = found.judged
    if one is not None and one.value is not None:
        rows.append(
            [
                "coverage, difference",
                f"{one.value:+.1f} ({one.low:+.1f} to {one.high:+.1f})",
                f"within {POINTS:g} points",
            ]
        )
    return aligned(rows)


def verdict(found: Probed, forced: str) -> list[str]:
    """Return what it comes to, with what can be done."""
    said = found.verdict
    if said.passed:
        return ["PASSED: what is served says what was judged"]
    words = [f"FAILED: {said.cause}", *(f"  {reason}" for reason in said.reasons)]
    if forced:
        words.append(f"passed by force: {forced}")
    return words
