"""Whether an adapter is put on by the engine or merged by us: the table, applied."""

from collections.abc import Sequence
from typing import Literal

from llamaduo.errors import UsageError
from llamaduo.serving import Form, Given
from llamaduo.serving.capability import ENGINES, PLAIN, Asked, Row, against

Delivery = Literal["auto", "adapter", "merged"]


def delivered(engine: str, given: Given, asked: Asked, wanted: Delivery) -> tuple[Form, str]:
    """Return the form that is served, and why, where it is not the one given.

    Raises:
        UsageError: if the form that is wanted cannot be served, with the way out.
    """
    name, held = ENGINES[engine], against(engine, given, asked)
    if never := [(row, why) for row, why in held if row.then == "refused"]:
        raise UsageError(f"{given.name} on {name}: {_whole(never)}")
    if given.form == "merged":
        if wanted == "adapter":
            raise UsageError(
                f"serving.delivery=adapter: version {given.number} of {given.name} holds all "
                "weights, its adapter in them; serving.delivery=auto serves these, and `llamaduo "
                "promote --weights adapter` makes a version with the adapter"
            )
        return "merged", ""
    if wanted == "merged":
        return "merged", "serving.delivery=merged"
    if not held:
        return "adapter", ""
    if wanted == "adapter":
        raise UsageError(
            f"serving.delivery=adapter: {name} cannot put the adapter of {given.name} on: "
            f"{_whole(held)}; "
            "serving.delivery=auto merges it"
        )
    return "merged", _reasons(held)


def contradictions(engine: str, asked: Asked, wanted: Delivery) -> str:
    """Return what an engine's settings cannot be together, whatever the model; "": nothing."""
    held = [
        one
        for one in against(engine, PLAIN, asked)
        if one[0].then == "refused" or wanted == "adapter"
    ]
    if not held:
        return ""
    wants = "" if any(row.then == "refused" for row, _ in held) else "delivery=adapter on "
    ways = "" if wants == "" else "; delivery=auto merges it"
    return f"{wants}{ENGINES[engine]}: {_whole(held)}{ways}"


def _reasons(held: Sequence[tuple[Row, str]]) -> str:
    return "; ".join(why for _, why in held)


def _whole(held: Sequence[tuple[Row, str]]) -> str:
    ways = dict.fromkeys(row.instead for row, _ in held if row.instead)
    return "; ".join([_reasons(held), *ways])
