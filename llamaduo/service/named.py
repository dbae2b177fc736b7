"""Whether the model that answered is the one that was asked."""

import re
from fnmatch import fnmatchcase

OWN = ("openai", "anthropic", "gemini")
"""Providers that name what answered as it is asked for, at their own address."""

DATED = re.compile(r"[-@:](\d{2,}.*|v\d.*|latest|preview.*|exp.*)")
"""How a snapshot's name goes on; `-mini` is another model, and so is `-5` after `sonnet-5`."""


def other(model: str, said: str, *, answers_as: str | None, own_address: bool) -> bool:
    """Whether `said` is not the model that was asked.

    Args:
        model: litellm's name of what was asked.
        said: what the provider says answered; "" where it does not say.
        answers_as: the name to expect, `*` for any; None: the one that was asked, of `OWN`.
        own_address: whether the provider's own, and not a gateway that has names of its own.
    """
    if not said:
        return False
    if answers_as is not None:
        return not (fnmatchcase(said, answers_as) or _continues(said, answers_as))
    provider, _, bare = model.partition("/")
    if provider not in OWN or not own_address:
        return False
    return not _continues(said, bare.removesuffix("-latest"))


def _continues(said: str, name: str) -> bool:
    return said.startswith(name) and (
        len(said) == len(name) or DATED.fullmatch(said, len(name)) is not None
    )
