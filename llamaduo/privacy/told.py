"""What was hidden, counted from what the ledger says was sent."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from llamaduo.ledger import Ledger
from llamaduo.privacy.hidden import PLACEHOLDER
from llamaduo.privacy.kinds import KINDS, Kind, many


def told(ledger: Ledger, recipes: Sequence[str]) -> list[str]:
    """Return a line for each stage result with calls that were sent placeholders.

    A row that says `[EMAIL_1]` by itself counts too: as it was sent, it cannot be told apart.
    """
    lines = []
    for recipe in recipes:
        with ledger.transaction() as db:
            asked = db.execute(
                "select c.request from uses u join calls c on c.key = u.key where u.recipe = ?",
                (recipe,),
            ).fetchall()
        if line := in_words(recipe.partition("/")[0], [row[0] for row in asked if row[0]]):
            lines.append(line)
    return lines


def in_words(stage: str, requests: Sequence[str]) -> str:
    """Say of how many requests something was hidden; empty where of none.

    Args:
        requests: as the ledger has them, in JSON.
    """
    kinds = [_kinds(json.loads(request)["messages"]) for request in requests]
    counts = Counter(kind for one in kinds for kind in one)
    if not counts:
        return ""
    each = ", ".join(f"{many((kind,))} in {counts[kind]}" for kind in KINDS if counts[kind])
    return f"{stage}: placeholders in {sum(map(bool, kinds))} of {len(requests)} requests: {each}"


def _kinds(messages: Iterable[dict[str, str]]) -> set[Kind]:
    found = {m[1] for said in messages for m in PLACEHOLDER.finditer(said["content"])}
    return {kind for kind in KINDS if kind.upper() in found}
