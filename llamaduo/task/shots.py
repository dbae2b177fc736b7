"""Prompts that begin with examples: what a model can do without tuning."""

from collections import defaultdict
from collections.abc import Sequence
from random import Random

from llamaduo.component import seed_of
from llamaduo.records import Example, Message


def examples_for(train: Sequence[Example], count: int, seed: int) -> list[Example]:
    """Draw `count` rows of train, from as many categories as there are, in mixed order.

    All prompts get the same ones: a server can then keep what they share.

    Args:
        train: rows to draw from; never dev or test.
        count: with more than there are rows, all of them.
    """
    draw = Random(seed_of(seed, "shots"))
    by: dict[str, list[Example]] = defaultdict(list)
    for row in draw.sample(list(train), len(train)):
        by[row.category].append(row)
    order = draw.sample(sorted(by), len(by))
    drawn: list[Example] = []
    while len(drawn) < min(count, len(train)):
        drawn += [by[name].pop() for name in order if by[name]][: count - len(drawn)]
    return drawn


def with_examples(prompt: Example, examples: Sequence[Example]) -> Example:
    """Return `prompt` with the examples as earlier turns, after its system turn."""
    system = [m for m in prompt.messages if m.role == "system"]
    shown = [
        turn
        for row in examples
        for turn in (
            *(m for m in row.messages if m.role != "system"),
            Message(role="assistant", content=row.target),
        )
    ]
    asked = [m for m in prompt.messages if m.role != "system"]
    return prompt.model_copy(update={"messages": (*system, *shown, *asked)})
