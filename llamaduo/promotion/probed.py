"""What probes have shown of versions, and what it allows. All of it stands in tags.

A model that is served can change hands only to a version whose served copy was seen to say what
was judged: `llamaduo probe` sees it, and writes it down here.
"""

from llamaduo.promotion.candidate import now
from llamaduo.records import Record
from llamaduo.tracker.registry import CHAMPION, Registry, Version

PARITY = "llamaduo.parity"
"""Tag of a version: `passed` or `failed`, by its latest probe."""
SERVED = "llamaduo.served_at"
"""Tag of a registered model: where its champion was first seen to answer, and when."""
UNPROVED = "llamaduo.unproved"
"""Tag of a version: why it became champion without a probe that passed, who said so and when."""


NOT_KNOWN = "not known"


class Passed(Record):
    """The latest probe of a version, which it passed."""

    at: str
    """ISO 8601, UTC."""
    by: str
    url: str
    engine: str
    form: str
    """`adapter` or `merged`: what was served."""
    dtype: str
    """Type of its numbers, or how they were quantised; `NOT_KNOWN` where nobody says."""
    n: int
    """Answers that were compared."""
    forced: str = ""
    """Why it counts as passed though it failed; empty where it passed by itself."""


def passed(version: Version) -> Passed | None:
    """Return the latest probe of a version if it passed; None: it failed, or there is none."""
    tags = version.tags
    if tags.get(PARITY) != "passed":
        return None
    fields = {name: tags.get(f"{PARITY}_{name}", "") for name in ("at", "by", "url", "engine")}
    counted = tags.get(f"{PARITY}_n", "")
    return Passed(
        **fields,
        form=tags.get(f"{PARITY}_form", ""),
        dtype=tags.get(f"{PARITY}_dtype", ""),
        n=int(counted) if counted.isdigit() else 0,
        forced=tags.get(f"{PARITY}_forced", ""),
    )


def opens(seen: Passed | None, *, engine: str, form: str, dtype: str) -> bool:
    """Whether a probe says something of what is served so: by this engine, in these numbers.

    What a tag does not say is not held against it.

    Args:
        seen: the latest probe, if it passed.
        dtype: type of the numbers, or how they are quantised; "": not known.
    """
    if seen is None:
        return False
    pairs = ((seen.engine, engine), (seen.form, form), (seen.dtype, dtype or NOT_KNOWN))
    return all(probed in ("", served) for probed, served in pairs)


def refused(version: Version, what: str) -> str:
    """Say why `what` cannot be done with a version that has no probe that passed.

    Args:
        what: what was asked for, as a subject: `canary`, `cutover`, `champion`.
    """
    name = f"{version.name}/{version.number}"
    tags = version.tags
    if tags.get(PARITY) == "failed":
        seen = (
            f"its latest probe failed ({tags.get(f'{PARITY}_cause', 'cause not told')}; "
            f"{tags.get(f'{PARITY}_at', 'time not told')}, {tags.get(f'{PARITY}_url', '')})"
        )
    else:
        seen = "no probe has shown that a served copy of it says what was judged"
    return (
        f"{what} of {name}: {seen}. Serve it (`llamaduo serve {name}`), and then "
        f'`llamaduo probe URL {name}`; `llamaduo probe URL {name} --force "reason"` lets a copy '
        "that failed pass on your word"
    )


def stands_against(registry: Registry, name: str, there: Version | None) -> str:
    """Say what stands against making a version champion, and what to type; else "".

    A version that is champion already stays it. One whose latest probe failed does not become
    it; nor, where the model is served, does one without a probe that passed.

    Args:
        name: of the registered model.
        there: None: it is not registered yet.
    """
    if there is not None and registry.called(name, CHAMPION) == there.number:
        return ""
    failed = there is not None and there.tags.get(PARITY) == "failed"
    served = registry.noted(name, SERVED)
    if not failed and (served is None or (there is not None and passed(there) is not None)):
        return ""
    why = f"{name} is served ({served}), and its next champion has to be seen to answer first"
    force = '`llamaduo promote RUN --force "reason"` makes it champion without'
    if there is None:
        return (
            f"{why}: `llamaduo promote RUN --challenger` registers it, `llamaduo serve "
            f"{name}@challenger` and `llamaduo probe URL {name}@challenger` show it, and then this "
            f"command makes it champion; {force}"
        )
    return f"{refused(there, 'champion')}; {force}" + (f". {why}" if served else "")


def answers(registry: Registry, champion: Version) -> None:
    """Note that a model is served if its new champion was seen to answer before it became it."""
    if (seen := passed(champion)) is not None:
        is_served(registry, champion.name, seen.url)


def is_served(registry: Registry, name: str, url: str) -> None:
    """Note that the champion of a model answers clients; the first time counts."""
    if registry.noted(name, SERVED) is None:
        registry.note(name, SERVED, f"{url}, {now()}")
