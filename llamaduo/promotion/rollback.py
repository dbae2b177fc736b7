"""The former champion put back."""

from llamaduo.errors import LlamaDuoError
from llamaduo.promotion.candidate import in_a_line, now, who
from llamaduo.promotion.probed import answers
from llamaduo.tracker.registry import CHAMPION, Registry, Version


def rollback(registry: Registry, name: str, reason: str) -> tuple[Version | None, Version]:
    """Make the champion before this one champion again.

    What happened is written on both. The list of champions goes before the alias: killed
    between the two, the same call ends it.

    Args:
        name: of the registered model.
        reason: as the user gives it; may be empty.

    Returns:
        The champion that was, None if it was deleted in MLflow, and the one that is.

    Raises:
        LlamaDuoError: if there is none to go back to.
    """
    versions = {one.number: one for one in registry.versions(name)}
    present = registry.called(name, CHAMPION)
    champions = registry.champions(name)
    if present is None and not champions:
        raise LlamaDuoError(f"{name}: it has no champion, so there is nothing to roll back")
    while champions and (champions[-1] == present or champions[-1] not in versions):
        champions.pop()
    if not champions:
        raise LlamaDuoError(
            f"{name}: there is nothing to roll back to: "
            + (f"version {present} is its first champion, or " if present else "it has none, and ")
            + "those before it were deleted"
        )
    former = None if present is None else versions[present]
    back = versions[champions[-1]]
    because = f": {in_a_line(reason)}" if reason.strip() else ""
    registry.remember(name, champions)
    when = f"{now()} by {who()}"
    was = "one that was deleted"
    if former is not None:
        was = f"version {former.number}"
        to = f"{when}, to version {back.number}{because}"
        registry.tag(former, {"llamaduo.rolled_back": to})
    registry.tag(back, {"llamaduo.restored": f"{when}, from {was}{because}"})
    registry.call(back, CHAMPION)
    answers(registry, back)
    return former, back
