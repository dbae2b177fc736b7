"""The kinds of what is looked for, in words."""

from collections.abc import Mapping
from typing import Literal, get_args

Kind = Literal["secret", "email", "iban", "card", "national_id", "ip", "phone"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""In the order they win in, where two are found in one place: digits of a card are no phone's."""
SECRETS: tuple[Kind, ...] = ("secret",)
PERSONAL: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind not in SECRETS)

_WORDS: dict[Kind, tuple[str, str]] = {
    "secret": ("secret", "secrets"),
    "email": ("e-mail address", "e-mail addresses"),
    "iban": ("IBAN", "IBANs"),
    "card": ("card number", "card numbers"),
    "national_id": ("national id number", "national id numbers"),
    "ip": ("IP address", "IP addresses"),
    "phone": ("phone number", "phone numbers"),
}


def named(kind: Kind) -> str:
    """Return one of a kind, in words."""
    return _WORDS[kind][0]


def many(kinds: tuple[Kind, ...]) -> str:
    """Return kinds in words: `e-mail addresses, IBANs`."""
    return ", ".join(_WORDS[kind][1] for kind in kinds)


def counted(counts: Mapping[Kind, int]) -> str:
    """Return how many there are of each kind: `1 IBAN, 3 phone numbers`."""
    return ", ".join(
        f"{counts[kind]} {_WORDS[kind][counts[kind] != 1]}" for kind in KINDS if counts.get(kind)
    )
