"""Keys, tokens, private keys and passwords in addresses, by Kingfisher's rules and three more.

Kingfisher (MongoDB, Apache 2.0) has some 490 rules, a provider's each, and runs them in this
process. It could ask providers whether a key works; nothing here does, and scanning is offline.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from llamaduo.local import cache_home

if TYPE_CHECKING:
    from kingfisher_sdk import Scanner

_TOLD = (
    re.compile(r"(?i:\bauthorization[\"']?\s*[:=]\s*[\"']?(?:bearer|basic)) +([\w.~+/=-]{12,})"),
    re.compile(
        r"\b(?:[A-Z][A-Z0-9_]*_)?(?:(?:API|ACCESS|ACCOUNT|AUTH|SECRET)_?KEY|SECRET|TOKEN|PASSWORD)"
        r"[\"']?\s*[=:]\s*[\"']?"
        r"((?=[\w.~+/=-]*\d)(?=[\w.~+/=-]*[A-Za-z])[\w.~+/=-]{12,})"
    ),
    re.compile(r"\b(hf_[A-Za-z0-9]{30,})\b"),
)
"""Secrets by what stands before them, which no provider's rule knows: a header, a variable of an
environment with letters and digits; and Hugging Face's tokens, of which Kingfisher wants more."""


@cache
def _scanner() -> "Scanner":
    """Compile the rules: two seconds the first time on a machine, a fifth of one after that."""
    from kingfisher_sdk import Rules, Scanner

    return Scanner(Rules(cache_dir=cache_home() / "secret-rules"), base64=False)


def secret_values(text: str) -> Iterator[tuple[int, int]]:
    """Yield where secrets stand.

    What is one only beside another (the long half of an AWS key) is found where the other is.
    """
    for told in _TOLD:
        yield from (match.span(1) for match in told.finditer(text))
    data = text.encode("utf-8", "replace")
    found = _scanner().scan(data)
    if not any(one.visible for one in found):
        return

    def character(byte: int) -> int:
        return len(data[:byte].decode("utf-8", "ignore"))

    for one in found:
        yield character(one.location["start_offset"]), character(one.location["end_offset"])
